"""The tile tables of files and a map of winners go in, the least possible reads come out, by numpy and struct alone.

The least is: one header read for each opened file, the quality tiles of the scout and of the selected scenes, and of
the reflectance the tiles that hold a sample with a weight for a pixel that the scene wins.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEADER = 32 * 1024
"""Bytes of the first read of a file."""

LETTERS = {3: "H", 4: "I", 12: "d", 16: "Q"}
FORGIVEN = 1.005
"""Half a per cent of pixel size (rule L1, see rust/README.md)."""


class Tile(NamedTuple):
    """Where a compressed tile lies, how many bytes its pixels and one row of them take, and the bits of a sample."""

    path: Path
    offset: int
    length: int
    raw_bytes: int
    row_bytes: int
    bits: int


class Level:
    """One image of a classic little-endian TIFF: its size, tiles and pixel size."""

    def __init__(self, data: bytes, offset: int) -> None:
        (count,) = struct.unpack_from("<H", data, offset)
        tags: dict[int, list[Any]] = {}
        for i in range(count):
            tag, kind, number, _ = struct.unpack_from("<HHII", data, offset + 2 + 12 * i)
            letter = LETTERS.get(kind)
            if letter is None:
                continue
            size = struct.calcsize(letter) * number
            at = offset + 2 + 12 * i + 8
            start = at if size <= 4 else struct.unpack_from("<I", data, at)[0]
            tags[tag] = list(struct.unpack_from(f"<{number}{letter}", data, start))
        (self.next,) = struct.unpack_from("<I", data, offset + 2 + 12 * count)
        self.width, self.height = tags[256][0], tags[257][0]
        self.tile_width, self.tile_height = tags[322][0], tags[323][0]
        self.bits = tags[258][0]
        self.offsets = np.array(tags[324])
        self.bytes = np.array(tags[325])
        self.scale = tags.get(33550)
        self.tie = tags.get(33922)

    def tile(self, path: Path, index: int) -> Tile:
        """One tile of the file at `path`."""
        row_bytes = self.tile_width * self.bits // 8
        return Tile(
            path, int(self.offsets[index]), int(self.bytes[index]), row_bytes * self.tile_height, row_bytes, self.bits
        )


def read_levels(path: Path) -> list[Level]:
    """All images of a file, the full one first."""
    data = path.read_bytes()[: 1 << 20]
    (offset,) = struct.unpack_from("<I", data, 4)
    levels: list[Level] = []
    while offset:
        levels.append(Level(data, offset))
        offset = levels[-1].next
    return levels


def coarsest(path: Path) -> list[Tile]:
    """All tiles of the last level: what scouting reads."""
    level = read_levels(path)[-1]
    return [level.tile(path, index) for index in range(len(level.bytes))]


def tiles(path: Path, grid: dict[str, Any], wanted: NDArray[np.bool_], *, bilinear: bool) -> list[Tile]:
    """The tiles that hold a sample for the wanted output pixels."""
    levels = read_levels(path)
    full = levels[0]
    if full.scale is None or full.tie is None:
        raise ValueError(f"{path} has no transform")
    sizes = [full.scale[0] * full.width / level.width for level in levels]
    level = levels[max([0] + [i for i, size in enumerate(sizes) if size <= grid["resolution"] * FORGIVEN])]
    step = full.scale[0] * full.width / level.width
    rows, cols = np.nonzero(wanted)
    x = (grid["transform"][2] + (cols + 0.5) * grid["resolution"] - full.tie[3]) / step
    y = (full.tie[4] - grid["transform"][5] + (rows + 0.5) * grid["resolution"]) / step
    touched: set[int] = set()
    across = -(-level.width // level.tile_width)
    for right in (False, True) if bilinear else (False,):
        for below in (False, True) if bilinear else (False,):
            u, v = (x - 0.5, y - 0.5) if bilinear else (x + 1e-6, y + 1e-6)
            col = np.where(right, np.ceil(u), np.floor(u)).astype(np.int32)
            row = np.where(below, np.ceil(v), np.floor(v)).astype(np.int32)
            inside = (col >= 0) & (row >= 0) & (col < level.width) & (row < level.height)
            index = row[inside] // level.tile_height * across + col[inside] // level.tile_width
            touched |= set(np.flatnonzero(np.bincount(index)).tolist())
    return [level.tile(path, index) for index in sorted(touched)]


def needed(out: dict[str, Any], items: list[dict[str, Any]], folder: Path) -> tuple[list[Tile], int]:
    """The tiles that a composite (its `grid`, `source_ids`, `selected_observation`, `band_names`) cannot do without.

    Items have hrefs relative to `folder`. Also gives how many files have to be opened.
    """
    grid, found, opened = out["grid"], list[Tile](), len(items)
    for item in items:
        found += coarsest(folder / item["assets"]["scl"]["href"])
    whole = np.ones((grid["height"], grid["width"]), np.bool_)
    by_id = {item["id"]: item for item in items}
    for index, source in enumerate(out["source_ids"]):
        assets = by_id[source]["assets"]
        found += tiles(folder / assets["scl"]["href"], grid, whole, bilinear=False)
        won = out["selected_observation"] == index
        for band in out["band_names"]:
            opened += 1
            if won.any():
                found += tiles(folder / assets[band]["href"], grid, won, bilinear=True)
    return found, opened
