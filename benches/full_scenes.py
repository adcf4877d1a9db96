"""A folder goes in, full-size Sentinel-2 scenes as earth-search serves them come out: two tiles, five dates.

`python benches/full_scenes.py DIR [--side PIXELS]` writes `DIR/items.json` (hrefs relative to it) and, for twelve bands
and the scene classification, COGs of blocks of 1024 (smaller for a small side), DEFLATE, predictor 2, averaged
overviews, by GDAL alone. 10980 pixels of 10 m are a real tile; a smaller side makes a smaller tile of the same pixel
size. The ground is a fractal over fields under sensor noise, which compresses about as real scenes do; clouds are large
fields and scattered ones, each date with its own share of the sky. `items.json` is written last: a folder that has it
is complete and is left as it is.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.io import MemoryFile

Array = NDArray[Any]
Item = dict[str, Any]

FULL = 10_980
EPSG = 32633
# Name and upper left corner: neighbours that share a strip of 9.8 km, as real ones do.
TILES = {"33TWL": (499_980, 5_100_000), "33TXL": (600_000, 5_100_000)}
TOP = 5_100_000

# Key: pixel (m), mean and contrast of reflectance (DN).
BANDS: dict[str, tuple[int, int, int]] = {
    "coastal": (60, 500, 150),
    "blue": (10, 650, 250),
    "green": (10, 900, 300),
    "red": (10, 900, 450),
    "rededge1": (20, 1400, 450),
    "rededge2": (20, 2300, 700),
    "rededge3": (20, 2700, 800),
    "nir": (10, 2900, 900),
    "nir08": (20, 3000, 900),
    "nir09": (60, 3100, 800),
    "swir16": (20, 2200, 700),
    "swir22": (20, 1500, 600),
}
NOISE = 30
CLOUD = 5500
SHADOW, VEGETATION, CLOUDS = 3, 4, 9


@dataclass(frozen=True)
class Date:
    """One overflight and its weather: shares of the sky under large cloud fields and under scattered clouds."""

    day: str
    fields: float
    scattered: float


DATES = (
    Date("2024-07-03", 0.55, 0.10),
    Date("2024-07-08", 0.10, 0.25),
    Date("2024-07-13", 0.92, 0.20),
    Date("2024-07-18", 0.05, 0.04),
    Date("2024-07-28", 0.35, 0.15),
)


def fractal(rng: np.random.Generator, side: int, cells: float, slope: float) -> Array:
    """A square field of deviation 1 whose spectrum falls as k**-slope for waves shorter than the side / `cells`."""
    kx = np.fft.rfftfreq(side, 1 / side)
    ky = np.fft.fftfreq(side, 1 / side)[:, None]
    amplitude = (kx**2 + ky**2 + cells**2) ** (-slope / 2)
    amplitude[0, 0] = 0
    phase = rng.standard_normal((2, *amplitude.shape)) * amplitude
    field = np.fft.irfft2(phase[0] + 1j * phase[1], s=(side, side))
    return np.asarray(field / field.std(), np.float32)


def enlarged(field: Array, side: int) -> Array:
    """A square field at another number of pixels, interpolated along both axes."""
    at = np.linspace(0, field.shape[0] - 1, side, dtype=np.float32)
    low = np.minimum(at.astype(int), field.shape[0] - 2)
    part = (at - low).astype(np.float32)
    rows = field[low] * (1 - part)[:, None]
    rows += field[low + 1] * part[:, None]
    out: Array = rows[:, low] * (1 - part)
    out += rows[:, low + 1] * part
    return out


def ground(rng: np.random.Generator, side: int) -> Array:
    """Brightness of the ground at 10 m: hills and woods, and fields of straight edges."""
    coarse = side // 4
    land = 0.7 * fractal(rng, coarse, 3, 1.7)
    bent = [np.arange(coarse)[:, None] + 30 * fractal(rng, coarse, 4, 2.2) for _ in range(2)]
    row, col = (bent[0] // 9).astype(int), (bent[1].T // 14).astype(int)
    tone = np.modf(np.abs(np.sin(row * 12.9898 + col * 78.233)) * 43758.5453)[0]
    return enlarged(land + (1.6 * tone - 0.8).astype(np.float32), side)


def clouds(rng: np.random.Generator, side: int, date: Date) -> Array:
    """Opacity 0..1 of the clouds at 40 m."""
    coarse = max(side // 4, 8)
    large = fractal(rng, coarse, 2.5, 2.2)
    small = fractal(rng, coarse, max(side / 250, 2), 2.6)
    depth = np.maximum(large - np.quantile(large, 1 - date.fields), small - np.quantile(small, 1 - date.scattered))
    return np.asarray((3 * depth).clip(0, 1), np.float32)


def classes(opacity: Array, side: int) -> Array:
    """The scene classification at 20 m: clouds, and their shadows 600 m to the north-west."""
    is_cloud = enlarged(opacity, side // 2) > 0.15
    is_shadow = np.roll(is_cloud, (-30, -30), (0, 1)) & ~is_cloud
    return np.select([is_cloud, is_shadow], [CLOUDS, SHADOW], VEGETATION).astype(np.uint8)


def write_cog(path: Path, values: Array, pixel: int, corner: tuple[int, int], resampling: str) -> None:
    """One file, tiled as the provider does."""
    block = 1024 if values.shape[0] > 2048 else 256
    profile = {"driver": "GTiff", "height": len(values), "width": len(values), "count": 1, "dtype": values.dtype}
    place = {"crs": f"EPSG:{EPSG}", "transform": Affine(pixel, 0, corner[0], 0, -pixel, corner[1]), "nodata": 0}
    cog = {"driver": "COG", "compress": "DEFLATE", "level": 1, "predictor": "YES", "blocksize": block}
    with MemoryFile() as draft:
        with draft.open(**profile, **place) as dataset:
            dataset.write(values, 1)
        rasterio.shutil.copy(draft.name, path, **cog, resampling=resampling, num_threads="ALL_CPUS")


def downsampled(values: Array, factor: int) -> Array:
    """Every `factor`-th pixel."""
    return values[factor // 2 :: factor, factor // 2 :: factor] if factor > 1 else values


def write_scene(folder: Path, tile: str, date: Date, land: Array, rng: np.random.Generator) -> Item:
    """All files of a scene; its item."""
    side = len(land)
    corner = TILES[tile][0] if side == FULL else TILES["33TWL"][0] + side * 9 * list(TILES).index(tile), TOP
    scene = f"S2B_{tile}_{date.day.replace('-', '')}_0_L2A"
    home = folder / scene
    home.mkdir(parents=True, exist_ok=True)
    opacity = clouds(rng, side, date)
    scl = classes(opacity, side)
    write_cog(home / "scl.tif", scl, 20, corner, "NEAREST")
    noise = rng.normal(0, NOISE, (1500, 1500)).astype(np.int16)
    veil = enlarged(opacity, side)
    for key, (pixel, mean, contrast) in BANDS.items():
        factor = pixel // 10
        light = downsampled(land, factor) * contrast + mean
        light += downsampled(veil, factor) * (CLOUD - light)
        repeats = -(-len(light) // len(noise))
        grain = np.tile(np.roll(noise, rng.integers(0, 1500, 2), (0, 1)), (repeats, repeats))
        values = (light + grain[: len(light), : len(light)]).clip(1, 15_000).astype(np.uint16)
        write_cog(home / f"{key}.tif", values, pixel, corner, "AVERAGE")
    box = corner[0], corner[1] - 10 * side, corner[0] + 10 * side, corner[1]
    return item(scene, date, box, cloud_cover=float(100 * (scl == CLOUDS).mean()))


def item(scene: str, date: Date, bounds: tuple[int, int, int, int], cloud_cover: float) -> Item:
    """A scene as earth-search tells of it."""
    left, bottom, right, top = bounds
    day = date.day.replace("-", "")
    to_lonlat = Transformer.from_crs(EPSG, 4326, always_xy=True).transform
    lon, lat = to_lonlat([left, right, right, left, left], [top, top, bottom, bottom, top])
    assets = {
        key: {
            "href": f"./{scene}/{key}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "proj:shape": [(right - left) // pixel] * 2,
            "proj:transform": [pixel, 0, left, 0, -pixel, top],
        }
        for key, pixel in {**{key: band[0] for key, band in BANDS.items()}, "scl": 20}.items()
    }
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": ["https://stac-extensions.github.io/projection/v1.1.0/schema.json"],
        "id": scene,
        "collection": "sentinel-2-l2a",
        "geometry": {"type": "Polygon", "coordinates": [list(zip(lon, lat, strict=True))]},
        "bbox": [min(lon), min(lat), max(lon), max(lat)],
        "properties": {
            "datetime": f"{date.day}T10:00:31Z",
            "platform": "sentinel-2b",
            "eo:cloud_cover": cloud_cover,
            "proj:epsg": EPSG,
            "grid:code": f"MGRS-{scene[4:9]}",
            "s2:processing_baseline": "05.10",
            "s2:datastrip_id": f"S2B_OPER_MSI_L2A_DS_2BPS_{day}T120000_S{day}T100031_N05.10",
            "earthsearch:boa_offset_applied": True,
        },
        "links": [],
        "assets": assets,
    }


def make_scenes(folder: Path, side: int = FULL) -> Path:
    """Write the scenes if they are not there; gives the path of their catalogue."""
    catalog = folder / "items.json"
    if catalog.exists():
        return catalog
    items = []
    for number, tile in enumerate(TILES):
        rng = np.random.default_rng(number)
        land = ground(rng, side)
        for date in DATES:
            items.append(write_scene(folder, tile, date, land, rng))
            print(items[-1]["id"], flush=True)
    draft = folder / "items.json.tmp"
    draft.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    draft.replace(catalog)
    return catalog


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--side", type=int, default=FULL)
    arguments = parser.parse_args()
    make_scenes(arguments.folder, arguments.side)
