"""Bytes and requests of a run against the least possible, counted from the files themselves (DESIGN.md, section 5).

The least is: one header read for each opened file, the quality tiles of the scout and of the selected scenes, and of
the reflectance the tiles that hold a sample with a weight for a pixel that the scene wins. It is computed here from
the winner map and from the tile tables of the files, with numpy and struct alone.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

HEADER = 32 * 1024
BANDS = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}


class Level:
    """One image of a classic little-endian TIFF: its size, tiles and pixel size."""

    def __init__(self, data: bytes, offset: int) -> None:
        (count,) = struct.unpack_from("<H", data, offset)
        tags: dict[int, list[Any]] = {}
        for i in range(count):
            tag, kind, number, _ = struct.unpack_from("<HHII", data, offset + 2 + 12 * i)
            letter = {3: "H", 4: "I", 12: "d"}.get(kind)
            if letter is None:
                continue
            size = struct.calcsize(letter) * number
            at = offset + 2 + 12 * i + 8
            start = at if size <= 4 else struct.unpack_from("<I", data, at)[0]
            tags[tag] = list(struct.unpack_from(f"<{number}{letter}", data, start))
        (self.next,) = struct.unpack_from("<I", data, offset + 2 + 12 * count)
        self.width, self.height = tags[256][0], tags[257][0]
        self.tile_width, self.tile_height = tags[322][0], tags[323][0]
        self.bytes = np.array(tags[325])
        self.scale = tags.get(33550)
        self.tie = tags.get(33922)


def read_levels(path: Path) -> list[Level]:
    """All images of a file, the full one first."""
    data = path.read_bytes()
    (offset,) = struct.unpack_from("<I", data, 4)
    levels: list[Level] = []
    while offset:
        levels.append(Level(data, offset))
        offset = levels[-1].next
    return levels


def tile_bytes(path: Path, grid: dict[str, Any], wanted: np.ndarray, *, bilinear: bool) -> int:
    """Compressed bytes of the tiles that hold a sample for the wanted output pixels."""
    levels = read_levels(path)
    full = levels[0]
    assert full.scale is not None
    assert full.tie is not None
    sizes = [full.scale[0] * full.width / level.width for level in levels]
    level = levels[max([0] + [i for i, size in enumerate(sizes) if size <= grid["resolution"] * 1.005])]
    step = full.scale[0] * full.width / level.width
    rows, cols = np.nonzero(wanted)
    x = (grid["transform"][2] + (cols + 0.5) * grid["resolution"] - full.tie[3]) / step
    y = (full.tie[4] - grid["transform"][5] + (rows + 0.5) * grid["resolution"]) / step
    touched = set()
    across = -(-level.width // level.tile_width)
    for right in (False, True) if bilinear else (False,):
        for below in (False, True) if bilinear else (False,):
            u, v = (x - 0.5, y - 0.5) if bilinear else (x + 1e-6, y + 1e-6)
            col = np.where(right, np.ceil(u), np.floor(u)).astype(int)
            row = np.where(below, np.ceil(v), np.floor(v)).astype(int)
            inside = (col >= 0) & (row >= 0) & (col < level.width) & (row < level.height)
            tiles = row[inside] // level.tile_height * across + col[inside] // level.tile_width
            touched |= set(np.unique(tiles).tolist())
    return int(level.bytes[sorted(touched)].sum())


def test_bytes_and_requests_are_near_the_least(real_scenes: Path) -> None:
    """At most 1.10 of the least bytes; one request a header, and fewer than one a tile."""
    catalog = real_scenes / "items.json"
    out = bp.build_composite(
        (15.02, 45.10, 16.38, 46.92), "2023-08-10/2023-08-20", 120.0,
        endpoint="earth-search", catalog=catalog, bands=list(BANDS), top_k=2,
    )  # fmt: skip
    folder = real_scenes
    items = json.loads(catalog.read_text())["features"]
    grid = out["grid"]
    least = 0
    opened = 0
    for item in items:
        scl = folder / item["assets"]["scl"]["href"]
        least += min(HEADER, scl.stat().st_size)
        opened += 1
        # The scout samples the coarsest level, which is one or two tiles: count it whole.
        least += int(read_levels(scl)[-1].bytes.sum())
    whole = np.ones((grid["height"], grid["width"]), bool)
    for index, source in enumerate(out["source_ids"]):
        item = next(item for item in items if item["id"] == source)
        least += tile_bytes(folder / item["assets"]["scl"]["href"], grid, whole, bilinear=False)
        won = out["selected_observation"] == index
        for band in BANDS:
            path = folder / item["assets"][band]["href"]
            least += min(HEADER, path.stat().st_size)
            opened += 1
            least += tile_bytes(path, grid, won, bilinear=True) if won.any() else 0
    timings = out["timings"]
    assert 0.9 < timings["bytes"] / least <= 1.10, (timings["bytes"], least)
    # A header each, a scout read for each scene, a quality read for each selected one, runs of tiles for each band.
    assert timings["requests"] <= opened + len(items) + len(out["source_ids"]) * (2 + 3 * len(BANDS))
