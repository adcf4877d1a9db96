"""Small arrays in, Sentinel-2 L2A scenes as earth-search serves them out: a STAC item and its COGs on disk.

A test says what a scene shows and gets files that GDAL wrote, and a box of degrees whose grid is known beforehand.
Invariant: `values[row, col]` is the pixel whose upper-left corner lies at `origin + (col, -row) * resolution`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from numpy.typing import ArrayLike
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

Item = dict[str, Any]
Bounds = tuple[float, float, float, float]

DEGREES = 4326
"""EPSG code of longitude and latitude."""
HALF_TURN = 180.0
SAFE_GAP = 0.05
"""Pixels that a box must keep from the edges of the lattice, for its grid not to hang on rounding."""
TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"


@dataclass(frozen=True)
class Asset:
    """One file of a scene."""

    values: ArrayLike
    """Samples (row, col), or one number for the whole scene."""
    resolution: float | None = None
    """Pixel in metres; None: the scene's."""
    block_size: int = 128
    """Side of a tile of the file, a multiple of 16."""
    overviews: Mapping[int, ArrayLike | str] = field(default_factory=dict)
    """Factor to what the overview holds: one number, its samples, or GDAL's name of a resampling ("average")."""


Content = Union[ArrayLike, Asset]


@dataclass(frozen=True)
class Scene:
    """What a scene shows, and what its item says."""

    scl: Content = 4
    """Scene classification."""
    bands: Mapping[str, Content] = field(default_factory=lambda: {"red": 1000})
    """Asset key to stored numbers."""
    shape: tuple[int, int] = (16, 16)
    """Rows and columns at `resolution`."""
    epsg: int = 32633
    origin: tuple[float, float] = (500_000.0, 5_100_000.0)
    """Upper-left corner, x and y."""
    resolution: float = 10.0
    tile: str = "33TWL"
    when: str = "2023-08-10T10:00:00Z"
    platform: str = "sentinel-2a"
    cloud_cover: float | None = 10.0
    """None: the item does not say."""
    baseline: str = "05.09"
    offset_applied: bool = True
    """earthsearch:boa_offset_applied."""
    sensing_start: str | None = None
    """Start of the datastrip, as 20230810T100000; None: that of `when`."""
    generated: str = "2023-08-30T00:00:00Z"
    sequence: int = 0
    id: str | None = None
    """None: platform, tile, day and sequence, as earth-search makes it."""

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right, top in the scene's CRS."""
        (left, top), (height, width) = self.origin, self.shape
        return left, top - height * self.resolution, left + width * self.resolution, top

    @property
    def item_id(self) -> str:
        """The item's id."""
        day = self.when[:10].replace("-", "")
        return (
            self.id or f"{self.platform[0].upper()}2{self.platform[-1].upper()}_{self.tile}_{day}_{self.sequence}_L2A"
        )


def write_cog(path: Path, asset: Asset, scene: Scene, dtype: str) -> None:
    """Write one asset as a DEFLATE COG with predictor 2 and nodata 0, its overviews as told."""
    pixel = asset.resolution or scene.resolution
    height, width = (round(size * scene.resolution / pixel) for size in scene.shape)
    profile = {
        "driver": "GTiff",
        "width": width,
        "height": height,
        "count": 1,
        "dtype": dtype,
        "nodata": 0,
        "crs": f"EPSG:{scene.epsg}",
        "transform": Affine(pixel, 0.0, scene.origin[0], 0.0, -pixel, scene.origin[1]),
    }
    with MemoryFile() as draft:
        with draft.open(**profile) as dataset:
            dataset.write(np.broadcast_to(np.asarray(asset.values, dtype), (height, width)), 1)
        _add_overviews(draft.name, asset.overviews, dtype)
        rasterio.shutil.copy(
            draft.name,
            path,
            driver="COG",
            compress="DEFLATE",
            predictor="YES",
            blocksize=asset.block_size,
            overviews="FORCE_USE_EXISTING" if asset.overviews else "NONE",
        )


def _add_overviews(name: str, overviews: Mapping[int, ArrayLike | str], dtype: str) -> None:
    for factor in sorted(overviews):
        method = overviews[factor] if isinstance(overviews[factor], str) else "nearest"
        with rasterio.open(name, "r+") as dataset:
            dataset.build_overviews([factor], Resampling[method])
    for index, factor in enumerate(sorted(overviews)):
        content = overviews[factor]
        if not isinstance(content, str):
            with rasterio.open(name, "r+", overview_level=index) as level:
                level.write(np.broadcast_to(np.asarray(content, dtype), level.shape), 1)


def write_scene(folder: Path, scene: Scene) -> Item:
    """Write a scene's files below `folder` and return its item, whose hrefs are relative to `folder`."""
    home = folder / scene.item_id
    home.mkdir(parents=True)
    assets = {}
    for name, content in {**scene.bands, "scl": scene.scl}.items():
        asset = content if isinstance(content, Asset) else Asset(content)
        path = home / f"{name}.tif"
        write_cog(path, asset, scene, "uint8" if name == "scl" else "uint16")
        assets[name] = _describe(path, folder)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene.item_id,
        "collection": "sentinel-2-l2a",
        **_footprint(scene),
        "properties": _properties(scene),
        "links": [],
        "assets": assets,
    }


def write_catalog(folder: Path, scenes: Iterable[Scene]) -> list[Item]:
    """Write scenes and, beside them, `items.json` (an ItemCollection); return the items."""
    items = [write_scene(folder, scene) for scene in scenes]
    save_items(folder / "items.json", items)
    return items


def save_items(path: Path, items: list[Item]) -> None:
    """Write an ItemCollection."""
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))


def with_absolute_hrefs(items: list[Item], base: Path) -> list[Item]:
    """Copies of items whose hrefs, relative to `base`, have become absolute paths."""
    return [
        {**item, "assets": {k: {**a, "href": str((base / a["href"]).resolve())} for k, a in item["assets"].items()}}
        for item in items
    ]


def with_urls(items: list[Item], url: Callable[[str], str], query: str = "") -> list[Item]:
    """Copies of items whose hrefs, relative to a served folder, have become URLs."""
    return [
        {**item, "assets": {k: {**a, "href": url(a["href"]) + query} for k, a in item["assets"].items()}}
        for item in items
    ]


def bbox_for(bounds: Bounds, epsg: int, resolution: float) -> Bounds:
    """West, south, east, north in degrees whose grid in `epsg` at `resolution` has exactly these bounds.

    The bounds must be multiples of the resolution (south of the equator counted from 10 000 000).

    Raises:
        ValueError: no such box: the bounds are too large or too far from the central meridian.
    """
    left, bottom, right, top = bounds
    inset = 0.25 * resolution
    inner = (left + inset, bottom + inset, right - inset, top - inset)
    degrees = Transformer.from_crs(epsg, DEGREES, always_xy=True)
    (x0, y0, x1, y1) = inner
    lon, lat = degrees.transform([x0, x0, x1, x1], [y0, y1, y0, y1])
    bbox = (max(lon[0], lon[1]), max(lat[0], lat[2]), min(lon[2], lon[3]), min(lat[1], lat[3]))
    reached = _envelope(bbox, DEGREES, epsg)
    gaps = [(a - b) / resolution for a, b in zip(reached[:2] + bounds[2:], bounds[:2] + reached[2:])]
    if min(gaps) < SAFE_GAP or max(gaps) > 1.0 - SAFE_GAP:
        message = f"no box of degrees gives the bounds {bounds} in EPSG:{epsg}: {gaps}"
        raise ValueError(message)
    return bbox


def _envelope(box: Bounds, source: int, target: int) -> Bounds:
    """Bounds in the target CRS of a box's edges; longitudes run on past 180 at the antimeridian."""
    left, bottom, right, top = box
    way, zero, one = np.linspace(0.0, 1.0, 65), np.zeros(65), np.ones(65)
    x = left + np.concatenate([way, way, zero, one]) * (right - left)
    y = bottom + np.concatenate([zero, one, way, way]) * (top - bottom)
    xs, ys = Transformer.from_crs(source, target, always_xy=True).transform(x, y)
    if target == DEGREES and np.ptp(xs) > HALF_TURN:
        xs = xs % (2 * HALF_TURN)
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def _describe(path: Path, folder: Path) -> dict[str, Any]:
    with rasterio.open(path) as dataset:
        scale = {} if path.stem == "scl" else {"scale": 0.0001, "offset": -0.1}
        return {
            "href": f"./{path.relative_to(folder).as_posix()}",
            "type": TIFF,
            "proj:shape": list(dataset.shape),
            "proj:transform": list(dataset.transform)[:6],
            "raster:bands": [{"nodata": 0, "data_type": dataset.dtypes[0], **scale}],
            "roles": ["data", "reflectance"],
        }


def _footprint(scene: Scene) -> dict[str, Any]:
    west, south, east, north = _envelope(scene.bounds, scene.epsg, DEGREES)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    bbox = [west, south, east - 2 * HALF_TURN if east > HALF_TURN else east, north]
    return {"geometry": {"type": "Polygon", "coordinates": [ring]}, "bbox": bbox}


def _properties(scene: Scene) -> dict[str, Any]:
    start = scene.sensing_start or scene.when[:19].replace("-", "").replace(":", "")
    made = scene.generated[:19].replace("-", "").replace(":", "")
    properties = {
        "datetime": scene.when,
        "platform": scene.platform,
        "constellation": "sentinel-2",
        "proj:epsg": scene.epsg,
        "grid:code": f"MGRS-{scene.tile}",
        "eo:cloud_cover": scene.cloud_cover,
        "s2:processing_baseline": scene.baseline,
        "s2:generation_time": scene.generated,
        "s2:datastrip_id": f"S2A_OPER_MSI_L2A_DS_2APS_{made}_S{start}_N{scene.baseline}",
        "s2:sequence": str(scene.sequence),
        "earthsearch:boa_offset_applied": scene.offset_applied,
    }
    return {key: value for key, value in properties.items() if value is not None}
