"""Small arrays in, scenes as each provider really lays them out out: a STAC item and its GeoTIFFs on disk.

The layouts follow the real files: blocks, predictors, bit depths, forms of CRS and fill values.
Invariant: `values[row, col]` is the pixel whose upper-left corner lies at `origin + (col, -row) * pixel`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import Transformer
from rasterio.io import MemoryFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Item = dict[str, Any]

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
HALF_TURN = 180.0
COG: dict[str, Any] = {"driver": "COG", "compress": "DEFLATE", "predictor": "NO", "blocksize": 512, "overviews": "NONE"}
TILED: dict[str, Any] = {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "DEFLATE"}


@dataclass(frozen=True)
class Layout:
    """How a provider writes its files and items."""

    collection: str
    dtype: str
    fill: float | None
    """The nodata tag of reflectance; None: the files have none."""
    options: Mapping[str, Any]
    """What GDAL is told when reflectance is written."""
    quality_dtype: str = "uint8"
    quality_options: Mapping[str, Any] = field(default_factory=lambda: COG)


LAYOUTS = {
    # GDAL's COG driver over JPEG2000: 15 bits, no predictor, no nodata tag.
    "pc": Layout("sentinel-2-l2a", "uint16", None, {**COG, "nbits": 15}),
    # rio-cogeo: blocks of 1024, predictor 2, nodata 0.
    "earth-search": Layout(
        "sentinel-2-l2a", "uint16", 0, {**TILED, "blockxsize": 1024, "blockysize": 1024, "predictor": 2}
    ),
    "earth-search-c1": Layout("sentinel-2-c1-l2a", "uint16", 0, {**TILED, "predictor": 2}),
    "hls-l30": Layout("hls2-l30", "int16", -9999, {**TILED, "predictor": 2}, quality_options={**TILED, "predictor": 2}),
    "hls-s30": Layout("hls2-s30", "int16", -9999, {**TILED, "predictor": 2}, quality_options={**TILED, "predictor": 2}),
    "mcd43a4": Layout("modis-43A4-061", "int16", 32767, COG),
    "landsat": Layout("landsat-c2-l2", "uint16", 0, TILED, quality_dtype="uint16", quality_options=TILED),
}


@dataclass(frozen=True)
class Scene:
    """One scene: its files by asset key, and what its item says."""

    layout: str
    id: str
    assets: Mapping[str, NDArray[Any]]
    """Samples by asset key; keys of quality layers are told by `quality`."""
    quality: frozenset[str]
    crs: str = "EPSG:32633"
    origin: tuple[float, float] = (500_000.0, 5_100_000.0)
    pixel: float = 30.0
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in the scene's CRS."""
        height, width = next(iter(self.assets.values())).shape
        left, top = self.origin
        return left, top - height * self.pixel, left + width * self.pixel, top


def write(folder: Path, scene: Scene) -> Item:
    """Write a scene's files below `folder`; its item has absolute hrefs."""
    layout = LAYOUTS[scene.layout]
    home = folder / scene.id
    home.mkdir(parents=True)
    assets = {}
    for key, values in scene.assets.items():
        is_quality = key in scene.quality
        path = home / f"{key}.tif"
        _write_file(path, scene, values, is_quality=is_quality)
        assets[key] = {"href": str(path), "type": TIFF, "roles": ["data"]}
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene.id,
        "collection": layout.collection,
        "geometry": None,
        "bbox": list(box_of(scene.bounds, scene.crs)),
        "properties": dict(scene.properties),
        "links": [],
        "assets": assets,
    }


def _write_file(path: Path, scene: Scene, values: NDArray[Any], *, is_quality: bool) -> None:
    layout = LAYOUTS[scene.layout]
    dtype, options = layout.dtype, dict(layout.options)
    if is_quality:
        dtype, options = layout.quality_dtype, dict(layout.quality_options)
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": dtype,
        "crs": scene.crs,
        "transform": Affine(scene.pixel, 0.0, scene.origin[0], 0.0, -scene.pixel, scene.origin[1]),
    }
    if layout.fill is not None and not is_quality:
        profile["nodata"] = layout.fill
    # The COG driver takes the bit depth over from its source, as it does from JPEG2000.
    bits = {"nbits": options.pop("nbits")} if "nbits" in options else {}
    with MemoryFile() as draft:
        with draft.open(**profile, **bits) as dataset:
            dataset.write(values.astype(dtype), 1)
        rasterio.shutil.copy(draft.name, path, **options)


def box_of(bounds: tuple[float, float, float, float], crs: str) -> tuple[float, float, float, float]:
    """West, south, east, north of bounds in `crs`."""
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.linspace(left, right, 33), np.linspace(bottom, top, 33))
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x.ravel(), y.ravel())
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())
