"""A folder name goes in, a small catalogue of synthetic Sentinel-2 scenes comes out.

`python -m bestpixel.sample DIR` writes `DIR/items.json`, an ItemCollection as earth-search v1 serves the collection
sentinel-2-l2a (hrefs relative to the file), and beside it a folder of Cloud-Optimized GeoTIFFs for each scene: twelve
reflectance bands and `scl`, two neighbouring MGRS tiles in two UTM zones, six dates, clouds, shadows, swath edges.
Every scene looks at one landscape on a canvas in longitude and latitude, so both tiles show the same ground in their
overlap. Pixels are coarse (120 m for 10 m) to keep whole tiles small. `items.json` is written last and in one step: a
folder that has it is complete, and a second run leaves it as it is.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from datetime import datetime, timedelta
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

try:
    import numpy as np
    import numpy.typing as npt
    import rasterio
    from rasterio.warp import transform as warp_points
except ImportError as error:
    message = f'bestpixel.sample needs rasterio ({error}): pip install "bestpixel[sample]"'
    raise (SystemExit(message) if __name__ == "__main__" else ImportError(message)) from error

Array = npt.NDArray[Any]
Rng = np.random.Generator

MARKER = "bestpixel:sample"  # Key in items.json: which version and seed of the sample the folder holds.

# The canvas: plate carree around the middle of the two tiles, in km; rows run south, columns east.
LON_0, LAT_0 = 18.07, 45.52
KM_PER_LON, KM_PER_LAT = 111.32 * math.cos(math.radians(LAT_0)), 111.15
CELL_KM, SHAPE, HALF = 0.06, (2048, 2560), (1024, 1280)
TILE_M, LATTICE_M = 109_800, 60
PIXEL_M = {10: 120, 20: 360, 60: 600}  # Sample pixel for each real one; all divide a tile and are multiples of 60 m.
DIGITS = 6  # Binary digits that pixel values keep (steps of 16 and more): files are a third smaller and nobody sees it.
SWATH_TILT = 0.26  # km that a swath edge shifts east per km north: descending orbits run from NNE to SSW.

# Key, then file, title, pixel of the real band (m), centre and width (um).
BANDS: dict[str, tuple[str, str, int, float, float]] = {
    "coastal": ("B01", "Coastal - 60m", 60, 0.443, 0.027),
    "blue": ("B02", "Blue - 10m", 10, 0.49, 0.098),
    "green": ("B03", "Green - 10m", 10, 0.56, 0.045),
    "red": ("B04", "Red - 10m", 10, 0.665, 0.038),
    "rededge1": ("B05", "Red Edge 1 - 20m", 20, 0.704, 0.019),
    "rededge2": ("B06", "Red Edge 2 - 20m", 20, 0.74, 0.018),
    "rededge3": ("B07", "Red Edge 3 - 20m", 20, 0.783, 0.028),
    "nir": ("B08", "NIR 1 - 10m", 10, 0.842, 0.145),
    "nir08": ("B8A", "NIR 2 - 20m", 20, 0.865, 0.033),
    "nir09": ("B09", "NIR 3 - 60m", 60, 0.945, 0.026),
    "swir16": ("B11", "SWIR 1.6μm - 20m", 20, 1.61, 0.143),
    "swir22": ("B12", "SWIR 2.2μm - 20m", 20, 2.19, 0.242),
}
ASSETS = BANDS | {"scl": ("SCL", "Scene classification map (SCL)", 10, 0, 0)}  # Not 20 m: its edges stay smooth.
TILES = (("33TYL", 32633, 699_960, 5_100_000), ("34TBR", 32634, 199_980, 5_100_000))  # EPSG code, upper left corner.


class Pass(NamedTuple):
    """One overflight: when, by whom, what it sees (side 1: east of edge_km, -1: west of it), and its weather."""

    time: str
    satellite: str
    side: int
    edge_km: float
    fields: float  # Share of sky under large cloud fields, about.
    cumulus: float  # Share of sky under single clouds, about.
    cirrus: float  # Opacity of thin high cloud.
    haze: float  # Factor of HAZE.


# Orbit R036 sees the east and ends in the west of the area, R079 the other way round: no date covers everything.
PASSES = (
    Pass("20240702T094031", "S2B", 1, -33, 0.02, 0.25, 0.0, 0.5),
    Pass("20240705T095031", "S2B", -1, 41, 0.0, 0.02, 0.0, 0.1),
    Pass("20240707T094031", "S2A", 1, -29, 0.42, 0.12, 0.0, 0.7),
    Pass("20240710T095031", "S2A", -1, 37, 0.97, 0.3, 0.1, 1.0),
    Pass("20240712T094031", "S2B", 1, -36, 0.0, 0.06, 0.3, 0.3),
    Pass("20240715T095031", "S2B", -1, 43, 0.3, 0.2, 0.0, 0.4),
)
# What the ground is made of: reflectance x 10000 in the order of BANDS, early in July.
MATERIALS = {
    "lake": (300, 330, 390, 210, 170, 100, 90, 80, 70, 60, 30, 20),
    "river": (430, 560, 780, 620, 560, 330, 310, 270, 220, 200, 110, 70),
    "soil": (480, 640, 930, 1200, 1420, 1570, 1700, 1830, 1980, 2050, 2850, 2350),
    "straw": (560, 850, 1330, 1760, 2100, 2380, 2580, 2720, 2920, 3000, 3750, 2700),
    "maize": (190, 260, 560, 290, 900, 2950, 3750, 3950, 4150, 4200, 1800, 780),
    "sunflower": (270, 420, 1020, 760, 1500, 2900, 3500, 3700, 3900, 3950, 2100, 1050),
    "grass": (260, 370, 760, 540, 1200, 2650, 3100, 3250, 3450, 3500, 2300, 1250),
    "forest": (150, 200, 390, 210, 640, 2250, 2900, 3050, 3250, 3300, 1450, 620),
    "built": (860, 1080, 1270, 1430, 1570, 1720, 1830, 1960, 2050, 2100, 2250, 2000),
}
DRIFT = (4, -3, 3)  # Per cent that the visible, near infrared, short-wave bands change as the country dries out.
# A kind of land is a mixture of two materials; the share of the second is drawn cell by cell.
KINDS = "soil maize,soil straw,maize sunflower,straw grass,grass forest,grass built,lake river"
MAIZE, WHEAT, SUNFLOWER, MEADOW, FOREST, TOWN, WATER = range(7)
CLASSES = """nodata_pixel saturated_defective_pixel dark_features cloud_shadow vegetation not_vegetated water
unclassified medium_proba_clouds high_proba_clouds thin_cirrus snow_ice"""
EXTENSIONS = "raster/v1.1.0 mgrs/v1.0.0 grid/v1.0.0 projection/v1.1.0 eo/v1.1.0 view/v1.0.0"
CLOUD = (8300, 8300, 8200, 8300, 8400, 8500, 8500, 8500, 8400, 7000, 5600, 4300)
CIRRUS = (5200, 5200, 5100, 5100, 5100, 5100, 5100, 5100, 5000, 3500, 2300, 1500)
HAZE = (130, 100, 65, 40, 30, 20, 15, 12, 10, 5, 2, 0)
# Light that a full cloud shadow takes away: less in the blue, where the sky shines in.
SHADE = (0.5, 0.53, 0.58, 0.62, 0.65, 0.68, 0.7, 0.72, 0.73, 0.74, 0.8, 0.82)


class View(NamedTuple):
    """A tile: position on the canvas (km) and materials by pixel size, half-canvas index of its 60 m cells."""

    name: str
    epsg: int
    west: int
    north: int
    x: dict[int, Array]
    y: dict[int, Array]
    ground: dict[int, Array]
    cell: Array


def _axes(shape: tuple[int, int]) -> tuple[Array, ...]:
    """Give y (column vector, km north) and x (row vector, km east) of the cell centres of the canvas."""
    y, x = (((np.arange(count) + 0.5) / count - 0.5).astype(np.float32) for count in shape)
    return -SHAPE[0] * CELL_KM * y[:, None], SHAPE[1] * CELL_KM * x[None, :]


def _noise(rng: Rng, shape: tuple[int, int], scale_km: float, slope: float, stretch: float = 1) -> Array:
    """Draw a field of deviation 1 whose spectrum falls as k**-slope above 1 / scale_km; `stretch` makes streaks."""
    cell = CELL_KM * SHAPE[0] / shape[0]
    kx = np.fft.rfftfreq(shape[1], cell).astype(np.float32)
    ky = np.fft.fftfreq(shape[0], cell).astype(np.float32)[:, None]
    along, across = 0.9 * kx + 0.44 * ky, 0.9 * ky - 0.44 * kx
    amplitude = ((along * stretch) ** 2 + across**2 + np.float32(scale_km**-2)) ** np.float32(-slope / 2)
    amplitude[0, 0] = 0
    parts = rng.standard_normal((2, *amplitude.shape), np.float32) * amplitude
    field: Array = np.fft.irfft2(parts[0] + 1j * parts[1], s=shape).astype(np.float32)
    return np.asarray(field / field.std())


def _finer(field: Array) -> Array:
    """Repeat every cell of a half-canvas field 2 x 2 times."""
    return np.asarray(field.repeat(2, axis=0).repeat(2, axis=1))


def _oval(oval: tuple[float, ...], warp: Array | float = 0) -> Array:
    """Give the distance from the centre of an oval (x, y, half length, half breadth in km, angle in degrees); rim 1."""
    (y, x), turn = _axes(HALF), math.radians(oval[4])
    along = (x - oval[0] + warp) * math.cos(turn) + (y - oval[1]) * math.sin(turn)
    across = (y - oval[1]) * math.cos(turn) - (x - oval[0] - warp) * math.sin(turn)
    return np.asarray(np.hypot(along / oval[2], across / oval[3]))


def _cells(points: Array) -> tuple[Array, ...]:
    """Give the canvas rows and columns of points (x, y in km); those outside go to the rim, which no tile sees."""
    rows, cols = SHAPE[0] / 2 - points[:, 1] / CELL_KM, SHAPE[1] / 2 + points[:, 0] / CELL_KM
    return rows.astype(np.intp).clip(0, SHAPE[0] - 1), cols.astype(np.intp).clip(0, SHAPE[1] - 1)


def _stamp(paths: list[Array], radius_km: float) -> Array:
    """Give the canvas cells within `radius_km` of the points of paths."""
    target, points, reach = np.zeros(SHAPE, bool), np.concatenate(paths), int(radius_km / CELL_KM)
    disc = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) * CELL_KM <= radius_km
    for offset in np.argwhere(disc) - reach:
        target[_cells(points + offset * CELL_KM)] = True
    return target


def _parcels(rng: Rng) -> tuple[Array, ...]:
    """Cut the canvas into fields: two random numbers (0..1) for each field, and one for each block of fields."""
    y, x = _axes(SHAPE)
    bent = [_finer(1.1 * _noise(rng, HALF, 5, 2.2)) + axis for axis in (y, x)]
    row, col = (np.floor((axis - axis.min()) / 2.4).astype(np.intp) for axis in bent)
    grid = (int(row.max()) + 1, int(col.max()) + 1)
    block, count = row * grid[1] + col, grid[0] * grid[1]
    # Whole stretches of country were surveyed along one direction, and have large estates or narrow strips.
    region = rng.normal(0, 1, (2, grid[0] // 5 + 1, grid[1] // 5 + 1)).repeat(5, 1).repeat(5, 2)
    survey, estates = region[:, : grid[0], : grid[1]].reshape(2, -1)
    angle = np.radians(15 + 30 * survey + rng.normal(0, 4, count) + 90 * rng.integers(0, 2, count))
    width = (0.3 * np.exp(0.45 * estates + rng.normal(0, 0.35, count))).clip(0.09, 0.7)
    length = width * rng.uniform(1.1, 2.4, count) + 0.1
    tables = (np.cos(angle), np.sin(angle), 1 / width, 1 / length, rng.random(count))
    cosine, sine, per_width, per_length, luck = (table.astype(np.float32)[block] for table in tables)
    strip = np.floor((x * cosine + y * sine) * per_width)
    hashes = [np.modf(np.abs(np.sin(strip * factor + block)) * 43758.5453)[0] for factor in (12.9898, 78.233, 37.719)]
    piece = np.floor((y * cosine - x * sine) * per_length + hashes[0])
    tone, vigour = (np.modf(np.abs(np.sin(piece * 9.137 + 100 * some)) * 24634.6345)[0] for some in hashes[1:])
    return tone.astype(np.float32), vigour.astype(np.float32), luck


def _river(rng: Rng, start: tuple[float, float], headings: list[float], length_km: float, bend_km: float) -> Array:
    """Trace a river: its direction swings as a sine along the way, which is what real meanders do."""
    along, knots = np.arange(0, length_km, 0.03), np.arange(0, length_km + 2 * bend_km, bend_km)
    bend = bend_km * np.interp(along, knots, rng.uniform(0.45, 1.8, knots.size))
    swing = np.interp(along, knots, rng.uniform(0.1, 1.75, knots.size))
    heading = np.radians(np.interp(along, np.linspace(0, length_km, len(headings)), headings))
    heading += swing * np.sin(np.cumsum(2 * math.pi * 0.03 / bend))
    return np.cumsum(0.03 * np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0) + start


def _waters(rng: Rng, tone: Array) -> tuple[Array, ...]:
    """Let water run and stand: rivers, their valleys, lakes with fish ponds."""
    rivers, valleys = np.zeros((2, *SHAPE), bool)
    wide = _river(rng, (36, 72), [-75, -110, -60, -80, -20], 200, 13)
    main = _river(rng, (-82, 41), [-18, -2, -28, -10], 290, 7.5)
    south = _river(rng, (-82, -36), [14, -22, 4, -14], 320, 5.5)
    brooks = [_river(rng, (-30, 6), [-40, -75, -50, -80], 120, 3), _river(rng, (4, 66), [-110, -70, -95], 90, 3)]
    for path, radius in zip((wide, main, south, *brooks), (0.33, 0.16, 0.12, 0.04, 0.04)):
        met = np.flatnonzero(rivers[_cells(path)])
        course = path[: met[0] if met.size else None]
        rivers |= _stamp([course], radius)
        valleys |= _stamp([course[::9]], 0.6 + 2 * radius)
    shore = _noise(rng, HALF, 4, 2)
    lakes = _finer(_oval((-6, 20, 4.5, 2.5, 0)) + 0.3 * shore < 1) & (tone > 0.3)
    for oval in ((4, -16, 5.5, 1.9, 25), (-22, 47, 2.2, 1.5, 0), (60, 20, 1.6, 2.6, 30)):
        lakes |= _finer(_oval(oval) + 0.22 * shore < 1)
    return rivers, valleys, lakes


def _settlements(rng: Rng, height: Array, rivers: Array, grain: Array) -> Array:
    """Build towns, villages in the plain, and roads between them: share of built-up ground on the canvas."""
    spots = rng.uniform(-1, 1, (420, 2)) * (SHAPE[1] * CELL_KM / 2, SHAPE[0] * CELL_KM / 2)
    spots = spots[(_finer(height)[_cells(spots)] < 0.25) & ~rivers[_cells(spots)]]
    # Towns grew where there was water: each moves to the nearest bank.
    banks = (np.argwhere(rivers[::4, ::4])[:, ::-1] * 4 - (SHAPE[1] / 2, SHAPE[0] / 2)) * (CELL_KM, -CELL_KM)
    towns = [banks[np.hypot(*(banks - town).T).argmin()] + 0.8 for town in ((12, 30), (-34, -34), (36, 6), (-48, 36))]
    spots = np.concatenate([towns, spots])
    roads, streets = list[Array](), list[Array]()
    for number, spot in enumerate(spots):
        distance = np.hypot(*(spots - spot).T)
        for other in np.argsort(distance)[1 : 8 if number < len(towns) else 3]:
            steps, way = np.linspace(0, 1, int(distance[other] / 0.04) + 2)[:, None], spots[other] - spot
            line = spot + way * steps + rng.normal(0, 0.06) * np.sin(steps * math.pi) * way[::-1] * (1, -1)
            roads.append(line)
            streets.append(line[np.hypot(*(line - spot).T) < rng.uniform(0.4, 1.4)])
    town, sprawl = np.zeros(HALF, np.float32), np.exp(0.8 * _noise(rng, HALF, 3, 1.8))
    for (x, y), radius in zip(towns, (5.0, 2.6, 2.4, 1.8)):
        town = np.maximum(town, np.exp(-sprawl * _oval((x, y, radius, 0.75 * radius, 0)) ** 2))
    built = _finer(town) + 0.65 * _stamp(streets, 0.19) + 0.28 * grain
    return np.maximum((built - 0.4).clip(0, 0.8) / 0.8, 0.45 * _stamp(roads, 0.01))


def _landscape(rng: Rng) -> tuple[Array, ...]:
    """Draw the ground: kind (index into KINDS), share of its second material, factor of reflectance."""
    warp, hills = 5 * _noise(rng, HALF, 25, 1.9), np.zeros(HALF, np.float32)
    for oval in ((-46, 6, 30, 12, 8), (74, 38, 26, 13, 62), (-14, -62, 34, 13, 12)):
        hills = np.maximum(hills, (1.15 - _oval(oval, warp)).clip(0, 1))
    crests = (1 - np.abs(_noise(rng, HALF, 8, 2.2))).clip(-1) + 0.3 * np.abs(_noise(rng, HALF, 2.2, 2.1))
    height = hills * (0.5 + 0.4 * crests)
    # Brighter where the ground falls towards the sun, which stands in the SSE.
    relief = 1 + 3 * (height - np.roll(height, (-2, -1), axis=(0, 1)))
    tone, vigour, block = _parcels(rng)
    rivers, valleys, lakes = _waters(rng, tone)
    moisture, woods, grain = _noise(rng, HALF, 35, 1.8), 0.5 * _noise(rng, HALF, 14, 1.45), _noise(rng, SHAPE, 0.6, 1)
    moisture, built = _finer(moisture), _settlements(rng, height, rivers, grain)
    # Crops are dealt field by field; each block and each stretch of country has its own favourites.
    deal = tone + 0.3 * (block - 0.5) + 0.13 * moisture
    kind = np.select([deal < 0.2, deal < 0.58, deal < 0.68], [WHEAT, MAIZE, SUNFLOWER], MEADOW).astype(np.uint8)
    share = 0.68 + 0.4 * (vigour - 0.5) + 0.03 * grain + 0.07 * moisture
    share[(kind == MAIZE) & (vigour < 0.1)] = 0.2
    forest = _finer(5 * (height - 0.12).clip(0, 0.32) + woods - 0.72) + 0.6 * valleys + 0.35 * (tone - 0.5) > 0
    for where, code, amount in (
        (forest, FOREST, 0.88 + 0.12 * vigour + 0.06 * grain + 0.16 * _finer(woods)),
        (built > 0.12, TOWN, built),
        (lakes, WATER, 0.15 + 0.05 * moisture),
        (rivers, WATER, np.float32(0.85)),
    ):
        kind[where] = code
        np.copyto(share, amount, where=where)
    light = _finer(relief.clip(0.45, 1.5)) * (1 + 0.02 * grain - 0.05 * moisture)
    light[rivers | lakes] = 1
    return kind, share.clip(0, 1), light


def _weather(rng: Rng, flight: Pass) -> tuple[Array, ...]:
    """Draw the sky of a pass on the half canvas: cloud opacity and brightness, shadow on the ground, cirrus opacity."""
    cells, detail = _noise(rng, HALF, 1.6, 2.9), _noise(rng, HALF, 3, 2.3)
    # Single cells loosen the rim of a cloud field and leave gaps in it.
    field = _noise(rng, HALF, 45, 2) + 0.16 * cells
    depth = (field - np.quantile(field, 1 - flight.fields)).clip(0) ** 1.4 * (1 + 0.4 * detail).clip(0.2)
    puffs = cells + 0.55 * _noise(rng, HALF, 35, 2) + 0.12 * detail
    depth = (depth + 1.2 * (puffs - np.quantile(puffs, 1 - 0.7 * flight.cumulus)).clip(0)).astype(np.float32)
    brightness = 0.55 + 0.22 * np.sqrt(depth) + 0.02 * detail + 0.1 * (cells - np.roll(cells, (-2, -1), axis=(0, 1)))
    # 2 km up, with the sun in the SSE at 63 degrees: the shadow lies 1 km to the NNW (cells of 120 m).
    shadow = np.roll(1 - np.exp(-3.5 * depth), (-7, -5), axis=(0, 1))
    cirrus = flight.cirrus * ((_noise(rng, HALF, 60, 1.6, stretch=5) + 0.4).clip(0, 2.8) / 2.8) ** 1.5
    return 1 - np.exp(-2.5 * depth), brightness.clip(0.35, 1.12), shadow, cirrus


def _pixels(field: Array) -> dict[int, Array]:
    """Average a field on the 60 m lattice over the pixels of each size (m)."""
    planes = {}
    for size in PIXEL_M.values():
        factor = size // LATTICE_M
        rows = reduce(np.add, (field[start::factor] for start in range(factor)))
        planes[size] = reduce(np.add, (rows[:, start::factor] for start in range(factor))) / np.float32(factor * factor)
    return planes


def _view(tile: tuple[str, int, int, int], land: tuple[Array, ...]) -> View:
    """Look at the landscape from one tile."""
    _, epsg, west, north = tile
    edges, centres = np.arange(31) * TILE_M / 30, np.arange(LATTICE_M / 2, TILE_M, LATTICE_M)
    lon, lat = warp_points(f"EPSG:{epsg}", "EPSG:4326", np.tile(west + edges, 31), np.repeat(north - edges, 31))[:2]
    # Exact every 3.66 km and linear in between, which is less than 0.5 m off.
    weight = (1 - np.abs(centres[:, None] - edges) / edges[1]).clip(0)
    nodes = (np.array(lon) - LON_0) * KM_PER_LON, (np.array(lat) - LAT_0) * KM_PER_LAT
    x, y = ((weight @ some.reshape(31, 31) @ weight.T).astype(np.float32) for some in nodes)
    rows, cols = (SHAPE[0] / 2 - y / CELL_KM).astype(np.int32), (SHAPE[1] / 2 + x / CELL_KM).astype(np.int32)
    kind, share, light = (field.ravel()[rows * SHAPE[1] + cols] for field in land)
    second = share * light
    names = np.array([pair.split() for pair in KINDS.split(",")])
    is_first, is_second = ((names[:, [place]] == list(MATERIALS)).astype(np.float32) for place in (0, 1))
    amounts = ((light - second) * is_first[kind, i] + second * is_second[kind, i] for i in range(len(MATERIALS)))
    planes = [_pixels(amount) for amount in amounts]
    ground = {size: np.stack([plane[size] for plane in planes]) for size in PIXEL_M.values()}
    return View(*tile, _pixels(x), _pixels(y), ground, rows // 2 * HALF[1] + cols // 2)


def _inside(flight: Pass, x: Array, y: Array) -> Array:
    """Say how far inside the swath a point of the canvas lies, in km; negative outside."""
    return flight.side * (x - flight.edge_km - SWATH_TILT * y)


def _observe(view: View, flight: Pass, sky: tuple[Array, ...], rng: Rng) -> dict[str, Array]:
    """Make the pixels of one scene: asset key to array."""
    when = PASSES.index(flight)
    factors = 1 + 0.02 * math.cos(5 * when) + 0.01 * when / (len(PASSES) - 1) * np.repeat(DRIFT, [4, 6, 2])
    spectra = (np.array(list(MATERIALS.values())) * factors).T.astype(np.float32)
    layers = [_pixels(field.ravel()[view.cell]) for field in sky]
    pixels, clean = {}, {}
    for number, (key, (_, _, gsd, _, _)) in enumerate(BANDS.items()):
        size = PIXEL_M[gsd]
        opacity, brightness, shadow, cirrus = (layer[size] for layer in layers)
        # The land looks brighter with the sun in the back: some per cent from one side of a swath to the other.
        slope = 1 - np.float32(0.0003 * flight.side) * view.x[size]
        clean[key] = np.tensordot(spectra[number], view.ground[size], 1) * slope
        value = (clean[key] + flight.haze * HAZE[number]) * (1 - SHADE[number] * shadow)
        value += opacity * (CLOUD[number] * brightness - value)
        value += cirrus * (CIRRUS[number] - value) + 3 * rng.standard_normal(value.shape, np.float32)
        step = np.ldexp(np.float32(1), (np.frexp(value)[1] - DIGITS).clip(4))
        # A coarse pixel that the swath only touches has a value too: all bands back every pixel of scl.
        seen = _inside(flight, view.x[size], view.y[size]) > (0 if size == PIXEL_M[10] else -0.00075 * size)
        # Real values are clamped to 1 when the offset is taken off; 0 is kept for nodata.
        pixels[key] = ((value / step).round() * step).clip(1, 20_000).astype(np.uint16) * seen
    pixels["scl"] = _classify(clean, [layer[PIXEL_M[10]] for layer in layers], rng) * (pixels["red"] > 0)
    return pixels


def _classify(clean: dict[str, Array], layers: list[Array], rng: Rng) -> Array:
    """Give the scene classification from the cloudless reflectance and the sky."""
    opacity, _, shadow, cirrus = layers
    green, red, nir = clean["green"], clean["red"], clean["nir"]
    ndvi, luck = (nir - red) / (nir + red), rng.random(nir.shape, np.float32)
    classes = np.where(ndvi > 0.4, 4, 5).astype(np.uint8)
    classes[(ndvi > 0.36) & (ndvi < 0.42) & (luck < 0.08)] = 7
    classes[(nir < 1500) & (ndvi > 0.3)] = 2
    classes[(nir < 1100) & (nir < 1.15 * green)] = 6
    classes[shadow > 0.2] = 3
    classes[cirrus > 0.06] = 10
    classes[opacity > 0.05] = 7
    classes[opacity > 0.13] = 8
    classes[opacity > 0.5] = 9
    classes[luck > 1 - 4e-6] = 1
    return classes


def _write(path: Path, view: View, key: str, array: Array) -> None:
    """Write one asset as a Cloud-Optimized GeoTIFF, compressed as the real ones are."""
    pixel_m, (height, width) = PIXEL_M[ASSETS[key][2]], array.shape
    predictor, resampling = ("NO", "MODE") if key == "scl" else ("STANDARD", "AVERAGE")
    options = {"compress": "DEFLATE", "level": 1, "predictor": predictor, "blocksize": 256, "num_threads": "ALL_CPUS"}
    options |= {"nodata": 0, "overview_count": 3, "overview_resampling": resampling}
    options |= {"crs": f"EPSG:{view.epsg}", "transform": (pixel_m, 0, view.west, 0, -pixel_m, view.north)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", "COG", width, height, 1, dtype=array.dtype, **options) as dataset:
        dataset.write(array, 1)


def _outline(view: View, flight: Pass) -> list[tuple[float, float]]:
    """Give the closed outline of a scene in longitude and latitude: the tile, cut at the edge of the swath."""
    at = np.linspace(0, 4, 17)
    east = view.west + TILE_M * np.interp(at, range(5), (0, 0, 1, 1, 0))
    north = view.north - TILE_M * np.interp(at, range(5), (0, 1, 1, 0, 0))
    lon, lat = (np.array(some) for some in warp_points(f"EPSG:{view.epsg}", "EPSG:4326", east, north)[:2])
    # The canvas is linear in degrees, so the edge of the swath is a straight line here too and the cut is exact.
    depth = _inside(flight, (lon - LON_0) * KM_PER_LON, (lat - LAT_0) * KM_PER_LAT)
    crossed = np.flatnonzero(depth[:-1] * depth[1:] < 0)
    stops = np.append(np.flatnonzero(depth[:-1] >= 0), crossed + depth[crossed] / (depth[crossed] - depth[crossed + 1]))
    stops.sort()
    ring = [np.interp(np.append(stops, stops[0]), np.arange(len(some)), some).round(6) for some in (lon, lat)]
    return list(zip(*(some.tolist() for some in ring)))


def _asset(view: View, key: str, scene: str) -> dict[str, Any]:
    """Describe one file as earth-search does, down to the raster offset that its own flag contradicts."""
    file, title, gsd, centre, width = ASSETS[key]
    pixel_m = PIXEL_M[gsd]
    raster = {"nodata": 0, "data_type": "uint8", "spatial_resolution": pixel_m}
    asset: dict[str, Any] = {"href": f"./{scene}/{file}.tif", "title": title, "gsd": pixel_m, "roles": ["data"]}
    asset |= {"type": "image/tiff; application=geotiff; profile=cloud-optimized", "raster:bands": [raster]}
    transform = [pixel_m, 0, view.west, 0, -pixel_m, view.north]
    asset |= {"proj:shape": [TILE_M // pixel_m] * 2, "proj:transform": transform}
    if key in BANDS:
        raster |= {"data_type": "uint16", "scale": 0.0001, "offset": -0.1}
        wave = {"name": file, "center_wavelength": centre, "full_width_half_max": width}
        asset |= {"eo:bands": [wave], "roles": ["data", "reflectance"]}
    return asset


def _item(view: View, flight: Pass, scl: Array) -> dict[str, Any]:
    """Describe one scene as an item of earth-search v1."""
    taken = datetime.strptime(f"{flight.time}Z", "%Y%m%dT%H%M%S%z")
    made, sensed = taken + timedelta(hours=4, minutes=7), taken + timedelta(minutes=7, seconds=9)
    start, end, orbit = flight.time, f"{made:%Y%m%dT%H%M%S}", 36 if flight.side > 0 else 79
    name, unit = f"{flight.satellite}_{view.name}_{start[:8]}_0_L2A", flight.satellite[2]
    ring = _outline(view, flight)
    lon, lat = zip(*ring)
    properties: dict[str, Any] = {"datetime": f"{sensed:%Y-%m-%dT%H:%M:%S.024000Z}"}
    properties |= {"created": f"{made:%Y-%m-%dT%H:%M:%S.000Z}", "updated": f"{made:%Y-%m-%dT%H:%M:%S.000Z}"}
    properties |= {"description": "Synthetic sample scene: no satellite has seen it."}
    properties |= {"platform": f"sentinel-2{unit.lower()}", "constellation": "sentinel-2", "instruments": ["msi"]}
    properties |= {"proj:epsg": view.epsg, "grid:code": f"MGRS-{view.name}", "mgrs:utm_zone": int(view.name[:2])}
    properties |= {"mgrs:latitude_band": view.name[2], "mgrs:grid_square": view.name[3:]}
    properties |= {"view:sun_azimuth": 147.0, "view:sun_elevation": 63.0}
    counts = np.bincount(scl.ravel(), minlength=12)
    shares = [counts[0] / scl.size, *(counts[1:] / max(1, counts[1:].sum()))]
    properties |= {f"s2:{key}_percentage": round(100 * float(share), 6) for key, share in zip(CLASSES.split(), shares)}
    properties["eo:cloud_cover"] = round(100 * float(sum(shares[8:11])), 6)
    properties |= {"s2:processing_baseline": "05.10", "s2:sequence": "0", "s2:product_type": "S2MSI2A"}
    properties |= {"s2:generation_time": f"{made:%Y-%m-%dT%H:%M:%S.000000Z}"}
    uri = f"{flight.satellite}_MSIL2A_{start}_N0510_R{orbit:03}_T{view.name}_{end}.SAFE"
    strip = f"{flight.satellite}_OPER_MSI_L2A_DS_2{unit}PS_{end}_S{start}_N05.10"
    properties |= {"s2:product_uri": uri, "s2:datastrip_id": strip, "earthsearch:boa_offset_applied": True}
    item: dict[str, Any] = {"type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-l2a"}
    item["stac_extensions"] = [f"https://stac-extensions.github.io/{part}/schema.json" for part in EXTENSIONS.split()]
    item |= {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": [min(lon), min(lat), max(lon), max(lat)]}
    return item | {"links": [], "properties": properties, "assets": {key: _asset(view, key, name) for key in ASSETS}}


def make_sample(folder: str | os.PathLike[str], *, seed: int = 0) -> Path:
    """Write the sample catalogue, unless the folder has it already.

    Args:
        folder: Where to; made if it is not there. Takes 57 MB.
        seed: Another number gives another landscape and other weather.

    Returns:
        Path of `items.json`, an ItemCollection whose hrefs are relative to it.

    Raises:
        FileExistsError: The folder holds an `items.json` that is not such a sample.

    Examples:
        >>> make_sample("sample").name
        'items.json'
    """
    path = Path(folder) / "items.json"
    marker = {"version": 1, "seed": seed}
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {MARKER: None}
    if MARKER not in found:
        message = f"{path} is another catalogue: choose another folder"
        raise FileExistsError(message)
    if found[MARKER] == marker:
        return path
    path.unlink(missing_ok=True)
    land = _landscape(np.random.default_rng([seed, 0]))
    views = [_view(tile, land) for tile in TILES]
    items = []
    for number, flight in enumerate(PASSES, 1):
        sky = _weather(np.random.default_rng([seed, number]), flight)
        for view in views:
            pixels = _observe(view, flight, sky, np.random.default_rng([seed, number, view.epsg]))
            item = _item(view, flight, pixels["scl"])
            for key, array in pixels.items():
                _write(path.parent / item["assets"][key]["href"], view, key, array)
            items.append(item)
    partial = path.with_name(f".items.json.{os.getpid()}")
    partial.write_text(json.dumps({"type": "FeatureCollection", MARKER: marker, "features": items}, indent=1), "utf-8")
    return partial.replace(path)


def main(argv: list[str] | None = None) -> int:
    """Run `python -m bestpixel.sample DIR [--seed N]`; prints the path of items.json."""
    parser = argparse.ArgumentParser(prog="python -m bestpixel.sample", description="Make a small sample catalogue.")
    parser.add_argument("folder", metavar="DIR", help="where to write; left as it is if complete")
    parser.add_argument("--seed", type=int, default=0, help="another landscape and other weather (default 0)")
    options = parser.parse_args(argv)
    print(make_sample(options.folder, seed=options.seed))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
