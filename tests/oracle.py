"""STAC items of Sentinel-2 L2A as earth-search serves them in, their composite by plain numpy out.

This is the slow truth that the package is compared with. It reads whole files, asks PROJ about every pixel and
follows the rules of meaning one by one; their short names (G1, S3, W1, ...) stand where each is carried out.
Invariant: scenes are kept in one order from the first scout to the last pixel, best first (`rank`).
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import re
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNK = 512  # side of a chunk in output pixels
NODATA = 65535  # of every output array
LEVEL_TOLERANCE = 1.005  # how much larger than the output pixel a level's pixel may be
EDGE = 1e-6  # source pixels by which a position on a pixel edge counts to the right and lower pixel
OFFSET_BASELINE = 4.0  # from it on reflectance is stored with 1000 added
SOUTH = range(32701, 32761)  # EPSG codes of UTM zones with a false northing of 10 000 000
FRAGILE = 0.02  # source pixels from a pixel edge within which an approximate warp may pick the neighbour

SCORES = np.full(256, NODATA, np.uint16)  # W4: quality score of each SCL class
SCORES[[4, 5, 6, 11]] = 0
SCORES[7] = 1
SCORES[[2, 3]] = 2

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Uint16s = NDArray[np.uint16]
Item = dict[str, Any]
Box = tuple[float, ...]  # west, south, east, north in degrees
Window = tuple[slice, slice]  # rows and columns of a chunk


@dataclass(frozen=True)
class Grid:
    """The output lattice, row 0 at the top."""

    crs: str
    left: float
    top: float
    resolution: float
    width: int
    height: int

    def points(self, window: Window, step: int = 1) -> Points:
        """Centres of the chunk's pixels, or of its cells of `step` x `step` pixels, as (row, col) arrays."""
        row, col = (np.arange(side.start, side.stop, step) + step / 2.0 for side in window)
        return Points(self, *np.meshgrid(self.left + col * self.resolution, self.top - row * self.resolution))

    def describe(self) -> dict[str, Any]:
        """The grid as the package describes it."""
        right, bottom = self.left + self.width * self.resolution, self.top - self.height * self.resolution
        return {
            "epsg": CRS.from_user_input(self.crs).to_epsg(),
            "transform": (self.resolution, 0.0, self.left, 0.0, -self.resolution, self.top),
            "width": self.width,
            "height": self.height,
            "bounds": (self.left, bottom, right, self.top),
        }


@dataclass(frozen=True)
class Scene:
    """One item that may take part."""

    id: str
    when: dt.datetime
    tile: str
    offset_applies: bool
    files: dict[str, Path]
    """Band name, or `scl`, to file."""


@dataclass(frozen=True)
class Level:
    """One resolution level of a file, read whole."""

    crs: str
    left: float
    top: float
    px: float
    py: float
    values: NDArray[Any]

    def inside(self, col: NDArray[np.int64], row: NDArray[np.int64]) -> Bools:
        """Where whole pixel coordinates lie in the image."""
        height, width = self.values.shape
        return np.asarray((col >= 0) & (col < width) & (row >= 0) & (row < height))

    def take(self, col: NDArray[np.int64], row: NDArray[np.int64]) -> NDArray[Any]:
        """Samples at whole pixel coordinates, 0 outside the image."""
        inside = self.inside(col, row)
        return np.where(inside, self.values[np.where(inside, row, 0), np.where(inside, col, 0)], 0)


@dataclass(frozen=True)
class View:
    """What a scene shows in one chunk, on the scout's coarse cells."""

    inside: Bools
    observed: Bools
    clear: Bools


@dataclass(frozen=True)
class Truth:
    """What the composite must be. Arrays are (H, W)."""

    bands: dict[str, Uint16s]
    quality: Uint16s
    observation_count: Uint16s
    winner: NDArray[np.int64]
    """Index into `source_ids`, -1 where no scene wins."""
    source_ids: list[str]
    """The selected scenes, best rank first."""
    grid: dict[str, Any]
    selected: set[str]
    fragile: Bools
    """Where a warped position lies so near to a pixel edge that an approximation may pick the neighbour."""
    spread: dict[str, Floats]
    """Warped pixels: range of the valid samples in the 4x4 around the winner's position. 0 elsewhere."""
    mixed: dict[str, Bools]
    """Warped pixels: some such samples of a scene that was tried are nodata and some are not."""
    clear_cells: dict[str, int] = field(default_factory=dict)
    """Every candidate's clear coarse cells over the whole AOI, best rank first."""
    chunk_tiles: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    """Required tiles by chunk (row, column)."""
    chunk_scenes: dict[tuple[int, int], set[str]] = field(default_factory=dict)
    """Selected scenes by chunk (row, column)."""


def parse_time(text: str) -> dt.datetime:
    """An RFC 3339 time with a zone."""
    return dt.datetime.fromisoformat(re.sub(r"Z$", "+00:00", text))


def in_days(item: Item, days: str) -> bool:
    """Whether the item's datetime lies in "A/B", both days whole."""
    first, last = (dt.date.fromisoformat(day) for day in (days.split("/") * 2)[:2])
    return first <= parse_time(item["properties"]["datetime"]).astimezone(dt.timezone.utc).date() <= last


def intersects(a: Box, b: Box) -> bool:
    """Whether two (west, south, east, north) boxes touch. Over the antimeridian (G4) a box has two spans."""
    spans = ([(w, e)] if w <= e else [(w, 180.0), (-180.0, e)] for w, _, e, _ in (a, b))
    return a[1] <= b[3] and b[1] <= a[3] and any(p[0] <= q[1] and q[0] <= p[1] for p, q in itertools.product(*spans))


def is_readable(asset: dict[str, Any] | None) -> bool:
    """I1: a TIFF over http(s) or from a file."""
    if asset is None:
        return False
    parts = urlsplit(asset["href"])
    if parts.scheme not in {"", "http", "https", "file"} or parts.path.lower().endswith(".jp2"):
        return False
    return str(asset.get("type") or "image/tiff").startswith("image/tiff")


def tile_of(item: Item) -> str:
    """MGRS tile with a zone of two digits."""
    return str(item["properties"]["grid:code"]).removeprefix("MGRS-").zfill(5)


def drop_duplicates(items: list[Item]) -> list[Item]:
    """I2: the best version of each platform, tile and datastrip sensing start."""
    best: dict[tuple[str, ...], tuple[Any, Item]] = {}
    for item in sorted(items, key=lambda item: item["id"]):
        props = item["properties"]
        start = re.search(r"_S(\d{8}T\d{6})", props.get("s2:datastrip_id", ""))
        key = (props["platform"].lower(), tile_of(item), start.group(1)) if start else (item["id"],)
        generated = parse_time(props.get("s2:generation_time", "1970-01-01T00:00:00Z"))
        worth = (float(props.get("s2:processing_baseline", 0)), generated, int(props.get("s2:sequence", 0)))
        if key not in best or worth > best[key][0]:
            best[key] = (worth, item)
    return [item for _, item in best.values()]


def offset_applies(item: Item) -> bool:
    """I4: whether 1000 must still be taken off the stored numbers."""
    props = item["properties"]
    done = props.get("earthsearch:boa_offset_applied", False)
    return not done and float(props.get("s2:processing_baseline", 0)) >= OFFSET_BASELINE


def search(items: list[Item], bbox: Box, days: str, max_cloud_cover: float) -> list[Item]:
    """What a catalog would answer."""
    found = [item for item in items if intersects(tuple(item["bbox"]), bbox) and in_days(item, days)]
    return [item for item in found if (item["properties"].get("eo:cloud_cover") or 0.0) <= max_cloud_cover]


def to_scenes(items: list[Item], assets: list[str], base: Path) -> list[Scene]:
    """The items that may take part: readable (I1), without duplicates (I2)."""
    scenes = []
    for item in drop_duplicates([i for i in items if all(is_readable(i["assets"].get(name)) for name in assets)]):
        files = {name: base / item["assets"][name]["href"].removeprefix("file://") for name in assets}
        when = parse_time(item["properties"]["datetime"])
        scenes.append(Scene(item["id"], when, tile_of(item), offset_applies(item), files))
    return scenes


def utm_crs(bbox: Box) -> str:
    """G1: the standard six-degree zone of the box's centre."""
    west, south, east, north = bbox
    middle = (west + (east if east >= west else east + 360.0)) / 2.0
    zone = int(((middle + 180.0) % 360.0) // 6.0) + 1
    return f"EPSG:{(32700 if (south + north) / 2.0 < 0 else 32600) + zone}"


def make_grid(bbox: Box, resolution: float, output_crs: str) -> Grid:
    """G1: the box's densified edges in the output CRS, snapped outward to the resolution."""
    crs = utm_crs(bbox) if output_crs in {"native", "utm"} else output_crs
    west, south, east, north = bbox
    way, zero, one = np.linspace(0.0, 1.0, 257), np.zeros(257), np.ones(257)
    lons = west + np.concatenate([way, way, zero, one]) * (east - west if east >= west else east + 360.0 - west)
    lats = south + np.concatenate([zero, one, way, way]) * (north - south)
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lons, lats)
    shift = 10_000_000.0 if CRS.from_user_input(crs).to_epsg() in SOUTH else 0.0
    left, right = math.floor(x.min() / resolution), math.ceil(x.max() / resolution)
    bottom, top = math.floor((y.min() - shift) / resolution), math.ceil((y.max() - shift) / resolution)
    return Grid(crs, left * resolution, top * resolution + shift, resolution, right - left, top - bottom)


def chunks(grid: Grid) -> dict[tuple[int, int], Window]:
    """The grid's chunks by (row, column), counted from its upper-left corner."""
    rows, cols = ([slice(i, min(i + CHUNK, n)) for i in range(0, n, CHUNK)] for n in (grid.height, grid.width))
    return {(r, c): (row, col) for r, row in enumerate(rows) for c, col in enumerate(cols)}


@cache
def read_level(path: Path, pixel_size: float) -> Level:
    """L1, L2: the coarsest level whose pixel is not larger than `pixel_size`, else the main image."""
    with rasterio.open(path) as main:
        crs, to_world, shape = main.crs.to_wkt(), main.transform, main.shape
        sizes: list[tuple[int | None, tuple[int, int]]] = [(None, shape)]
        overviews = len(main.overviews(1))
    for index in range(overviews):
        with rasterio.open(path, overview_level=index) as view:
            sizes.append((index, view.shape))
    pixels = {i: (to_world.a * shape[1] / size[1], -to_world.e * shape[0] / size[0]) for i, size in sizes}
    fine_enough = [i for i, pixel in pixels.items() if i is None or max(pixel) <= pixel_size * LEVEL_TOLERANCE]
    chosen = max(fine_enough, key=lambda index: max(pixels[index]))
    options = {} if chosen is None else {"overview_level": chosen}
    with rasterio.open(path, **options) as dataset:
        return Level(crs, to_world.c, to_world.f, *pixels[chosen], dataset.read(1))


@cache
def transformer(source: str, target: str) -> Transformer | None:
    """Points from one CRS to another by PROJ, None if they are one."""
    same = CRS.from_user_input(source).equals(CRS.from_user_input(target), ignore_axis_order=True)
    return None if same else Transformer.from_crs(source, target, always_xy=True)


class Points:
    """Points of the grid, in whatever CRS a file wants them."""

    def __init__(self, grid: Grid, x: Floats, y: Floats) -> None:
        """Keep the points as they are in the grid's CRS."""
        self.grid, self.x, self.y = grid, x, y
        self._warped: dict[str, tuple[Floats, Floats]] = {}

    def is_warped(self, level: Level) -> bool:
        """Whether the level is in another CRS."""
        return transformer(self.grid.crs, level.crs) is not None

    def on(self, level: Level) -> tuple[Floats, Floats]:
        """Continuous (col, row) in the level's pixels (G3: exact, no approximation)."""
        if level.crs not in self._warped:
            change = transformer(self.grid.crs, level.crs)
            self._warped[level.crs] = change.transform(self.x, self.y) if change else (self.x, self.y)
        x, y = self._warped[level.crs]
        col, row = (x - level.left) / level.px, (level.top - y) / level.py
        return np.where(np.isfinite(col), col, -9.0), np.where(np.isfinite(row), row, -9.0)

    def where(self, mask: Bools) -> Points:
        """The points under the mask, as 1-D arrays."""
        some = Points(self.grid, self.x[mask], self.y[mask])
        some._warped = {crs: (x[mask], y[mask]) for crs, (x, y) in self._warped.items()}
        return some


def whole(position: Floats) -> NDArray[np.int64]:
    """V2: the pixel that holds a position."""
    return np.floor(position + EDGE).astype(np.int64)


def true_values(dn: NDArray[Any], scene: Scene) -> Floats:
    """V4: stored numbers less the offset, where it applies."""
    return np.maximum(dn.astype(np.float64) - 1000.0, 1.0) if scene.offset_applies else dn.astype(np.float64)


def bilinear(level: Level, scene: Scene, points: Points) -> Uint16s:
    """V1, V3: 2x2 at pixel centres, nodata without weight."""
    col, row = points.on(level)
    u, v = col - 0.5, row - 0.5
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    total, weights = np.zeros(u.shape), np.zeros(u.shape)
    for di, dj in itertools.product((0, 1), (0, 1)):
        weight = (u - i if di else 1.0 - (u - i)) * (v - j if dj else 1.0 - (v - j))
        dn = level.take(i + di, j + dj)
        weight = np.where(dn != 0, weight, 0.0)
        total += weight * true_values(dn, scene)
        weights += weight
    some = weights > 0.0
    value = np.clip(np.floor(total / np.where(some, weights, 1.0) + 0.5), 1, NODATA - 1)
    return np.where(some, value, NODATA).astype(np.uint16)


def neighbourhood(level: Level, scene: Scene, points: Points) -> tuple[Floats, Bools]:
    """Range of the valid samples in the 4x4 around each position, and whether validity is mixed there."""
    col, row = points.on(level)
    i, j = np.floor(col - 0.5).astype(np.int64), np.floor(row - 0.5).astype(np.int64)
    dn = np.stack([level.take(i + di, j + dj) for di, dj in itertools.product(range(-1, 3), range(-1, 3))])
    valid, values = dn != 0, true_values(dn, scene)
    spread = np.where(valid, values, -np.inf).max(axis=0) - np.where(valid, values, np.inf).min(axis=0)
    return np.maximum(spread, 0.0), valid.any(axis=0) & ~valid.all(axis=0)


def view(scene: Scene, grid: Grid, window: Window, factor: int) -> View:
    """S1: the scene on the chunk's coarse cells, nearest at each cell's centre."""
    level = read_level(scene.files["scl"], grid.resolution * factor)
    at = [whole(position) for position in grid.points(window, factor).on(level)]
    inside, classes = level.inside(*at), level.take(*at)
    return View(inside, inside & (classes != 0), inside & (SCORES[classes] == 0))


def required_tiles(scenes: list[Scene], views: dict[str, View]) -> list[str]:
    """S2: tiles that alone cover some cell of the chunk, else the one that covers most of it."""
    covers: dict[str, Bools] = {}
    for scene in scenes:
        covers[scene.tile] = covers.get(scene.tile, False) | views[scene.id].inside
    covers = {tile: mask for tile, mask in sorted(covers.items()) if mask.any()}
    if not covers:
        return []
    times = np.sum(list(covers.values()), axis=0)
    alone = [tile for tile, mask in covers.items() if (mask & (times == 1)).any()]
    return alone or [max(covers, key=lambda tile: covers[tile].sum())]


def pick_clearest(candidates: list[Scene], views: dict[str, View], *, top_k: int) -> list[Scene]:
    """S3: the `top_k` clearest, ties in order of rank."""
    return sorted(candidates, key=lambda scene: -views[scene.id].clear.sum())[:top_k]


def pick_by_gain(
    candidates: list[Scene], views: dict[str, View], *, target: float, min_k: int, max_k: int
) -> list[Scene]:
    """S4: by greatest gain of clear cells until the target is reached, full observers first."""
    inside = np.any([views[scene.id].inside for scene in candidates], axis=0)
    reachable = np.any([views[scene.id].clear for scene in candidates], axis=0).sum()
    full = [scene for scene in candidates if views[scene.id].observed[inside].all()]
    groups = [full, [scene for scene in candidates if scene not in full]]
    seen, taken = np.zeros(inside.shape, bool), list[Scene]()
    for group in groups:
        while group:
            if (seen.sum() >= target * reachable and len(taken) >= min_k) or len(taken) >= max_k:
                return taken
            best = max(group, key=lambda scene: (views[scene.id].clear & ~seen).sum())
            group.remove(best)
            taken.append(best)
            seen |= views[best.id].clear
    return taken


def select(scenes: list[Scene], views: dict[str, View], pick: Callable[..., list[Scene]]) -> tuple[list[str], set[str]]:
    """Required tiles and selected scenes of one chunk. `scenes` are in order of rank."""
    tiles, chosen = required_tiles(scenes, views), set()
    for tile in tiles:
        candidates = [scene for scene in scenes if scene.tile == tile and views[scene.id].observed.any()]
        if candidates:
            chosen |= {scene.id for scene in pick(candidates, views)}
    return tiles, chosen


def scores_of(scene: Scene, points: Points) -> tuple[Uint16s, Bools]:
    """V2, W4: the scene's score at each point, and whether the position is fragile."""
    level = read_level(scene.files["scl"], points.grid.resolution)
    col, row = points.on(level)
    scores = SCORES[level.take(whole(col), whole(row))]
    if not points.is_warped(level):
        return scores, np.zeros(scores.shape, bool)
    near = np.minimum(np.abs(col - np.round(col)), np.abs(row - np.round(row))) < FRAGILE
    height, width = level.values.shape
    return scores, near & (col > -1) & (col < width + 1) & (row > -1) & (row < height + 1)


def blank(grid: Grid, bands: list[str], source_ids: list[str]) -> Truth:
    """A truth in which no scene has won anything yet."""
    shape = (grid.height, grid.width)
    return Truth(
        bands={band: np.full(shape, NODATA, np.uint16) for band in bands},
        quality=np.full(shape, NODATA, np.uint16),
        observation_count=np.zeros(shape, np.uint16),
        winner=np.full(shape, -1, np.int64),
        source_ids=source_ids,
        grid=grid.describe(),
        selected=set(source_ids),
        fragile=np.zeros(shape, bool),
        spread={band: np.zeros(shape) for band in bands},
        mixed={band: np.zeros(shape, bool) for band in bands},
    )


def paint(truth: Truth, window: Window, points: Points, scenes: dict[int, Scene]) -> None:
    """W1, W2, W3: decide one chunk among the eligible scenes, keyed by rank."""
    found = [scores_of(scene, points) for scene in scenes.values()]
    scores = np.stack([score for score, _ in found])
    truth.observation_count[window] = (scores != NODATA).sum(axis=0)
    truth.fragile[window] = np.any([fragile for _, fragile in found], axis=0)
    order = np.argsort(scores, axis=0, kind="stable")
    pending = np.ones(order.shape[1:], bool)
    for place in order:
        score = np.take_along_axis(scores, place[None], axis=0)[0]
        pending &= score != NODATA
        for index, (rank, scene) in enumerate(scenes.items()):
            here = pending & (place == index)
            if here.any():
                won = try_scene(truth, window, scene, points, here)
                pending &= ~won
                truth.winner[window][won] = rank
                truth.quality[window][won] = score[won]


def try_scene(truth: Truth, window: Window, scene: Scene, points: Points, here: Bools) -> Bools:
    """Write the scene's values where it has one in any band (W3), and say where that was."""
    some = points.where(here)
    levels = {band: read_level(scene.files[band], points.grid.resolution) for band in truth.bands}
    values = {band: bilinear(level, scene, some) for band, level in levels.items()}
    alive = np.any([value != NODATA for value in values.values()], axis=0)
    won: Bools = here.copy()
    won[here] = alive
    for band, level in levels.items():
        truth.bands[band][window][won] = values[band][alive]
        if points.is_warped(level):
            spread, mixed = neighbourhood(level, scene, some)
            truth.spread[band][window][won] = spread[alive]
            truth.mixed[band][window][here] |= mixed
    return won


def composite(  # noqa: PLR0913
    items: list[Item],
    *,
    bbox: tuple[float, float, float, float],
    datetime: str,
    resolution: float,
    bands: list[str],
    base: Path,
    top_k: int = 3,
    max_cloud_cover: float = 90.0,
    scout_factor: int = 8,
    coverage_target: float = 0.0,
    min_k: int = 2,
    max_k: int = 8,
    windowed_fetch: bool = False,
    output_crs: str = "native",
) -> Truth:
    """The composite of items whose files lie on this machine.

    The options mean what they mean to `bestpixel.build_composite`; `items` are of earth-search's sentinel-2-l2a, and
    relative hrefs start from the folder `base`.
    """
    read_level.cache_clear()
    by_gain = partial(pick_by_gain, target=coverage_target, min_k=min_k, max_k=max_k)
    pick = by_gain if coverage_target > 0 else partial(pick_clearest, top_k=top_k)
    grid = make_grid(bbox, resolution, output_crs)
    scenes = to_scenes(search(items, bbox, datetime, max_cloud_cover), [*bands, "scl"], base)
    windows = chunks(grid)
    views = {key: {scene.id: view(scene, grid, w, scout_factor) for scene in scenes} for key, w in windows.items()}
    clear = {scene.id: sum(int(seen[scene.id].clear.sum()) for seen in views.values()) for scene in scenes}
    scenes.sort(key=lambda scene: (-clear[scene.id], -scene.when.timestamp(), scene.id))
    choices = {key: select(scenes, seen, pick) for key, seen in views.items()}
    selected = set().union(*(chosen for _, chosen in choices.values()))
    sources = [scene for scene in scenes if scene.id in selected]
    truth = blank(grid, bands, [scene.id for scene in sources])
    for key, window in windows.items():
        eligible = choices[key][1] if windowed_fetch else selected
        ranked = {rank: scene for rank, scene in enumerate(sources) if scene.id in eligible}
        if ranked:
            paint(truth, window, grid.points(window), ranked)
    truth.clear_cells.update((scene.id, clear[scene.id]) for scene in scenes)
    truth.chunk_tiles.update((key, tiles) for key, (tiles, _) in choices.items())
    truth.chunk_scenes.update((key, chosen) for key, (_, chosen) in choices.items())
    return truth
