"""Small arrays in, scenes as each provider really lays them out out: a STAC item and its GeoTIFFs on disk.

The layouts follow the real files: blocks, predictors, bit depths, overviews, forms of CRS and fill values. All files of
a scene have the same extent; the one with the most pixels has the scene's pixel size.
Invariant: `values[row, col]` is the pixel whose upper-left corner lies at `origin + (col, -row) * pixel`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from affine import Affine
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Item = dict[str, Any]

SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R=6371007.181 +units=m +no_defs"
TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
HALF_TURN = 180.0
COG: dict[str, Any] = {"driver": "COG", "compress": "DEFLATE", "predictor": "NO", "blocksize": 512}
"""As GDAL's driver writes it by default: overviews by cubic means, of classes too."""
TILED: dict[str, Any] = {"driver": "GTiff", "tiled": True, "compress": "DEFLATE"}
OVERVIEWS = [2, 4, 8, 16]
Resampled = Literal["average", "mode", "nearest"]


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
    blocks: Mapping[str, int] = field(default_factory=dict)
    """Sides of blocks by asset, "" for all others; those of overviews are half as long. Empty: the driver's own."""
    overviews: Resampled | None = None
    """How overviews of reflectance are made; None: as the driver does it."""
    quality_overviews: Resampled | None = None


ELEMENT84_BLOCKS = {"": 1024, **dict.fromkeys(("rededge1", "rededge2", "rededge3", "nir08", "swir22", "scl"), 512)}
ELEMENT84_BLOCKS |= {"coastal": 256, "nir09": 256}
HLS = Layout("hls2-l30", "int16", -9999, {**TILED, "predictor": 2}, "uint8", {"": 256}, "nearest", "nearest")
LAYOUTS = {
    # GDAL's COG driver over JPEG2000: 15 bits, no predictor, no nodata tag.
    "pc": Layout("sentinel-2-l2a", "uint16", None, {**COG, "nbits": 15}),
    # rio-cogeo: predictor 2, nodata 0, blocks by band, means of reflectance and the most frequent class.
    "earth-search": Layout(
        "sentinel-2-l2a", "uint16", 0, {**TILED, "predictor": 2}, "uint8", ELEMENT84_BLOCKS, "average", "mode"
    ),
    # How its overviews of classes are made is not known: here in the worst way.
    "earth-search-c1": Layout(
        "sentinel-2-c1-l2a", "uint16", 0, {**TILED, "predictor": 2}, "uint8", {"": 1024}, "average", "average"
    ),
    "hls-l30": HLS,
    "hls-s30": replace(HLS, collection="hls2-s30"),
    "mcd43a4": Layout("modis-43A4-061", "int16", 32767, COG),
    "landsat": Layout("landsat-c2-l2", "uint16", 0, TILED, "uint16", {"": 256}, "average", "average"),
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
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the finest asset."""
        shapes: list[tuple[int, int]] = [values.shape for values in self.assets.values()]
        return max(shapes)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in the scene's CRS."""
        height, width = self.shape
        left, top = self.origin
        return left, top - height * self.pixel, left + width * self.pixel, top


def write(folder: Path, scene: Scene) -> Item:
    """Write a scene's files below `folder`; its item has absolute hrefs."""
    layout = LAYOUTS[scene.layout]
    home = folder / scene.id
    home.mkdir(parents=True)
    assets = {}
    for key, values in scene.assets.items():
        path = home / f"{key}.tif"
        _write_file(path, scene, key, values)
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


def _write_file(path: Path, scene: Scene, key: str, values: NDArray[Any]) -> None:
    layout, is_quality = LAYOUTS[scene.layout], key in scene.quality
    dtype = layout.quality_dtype if is_quality else layout.dtype
    pixel = scene.pixel * scene.shape[0] / values.shape[0]
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": dtype,
        "crs": scene.crs,
        "transform": Affine(pixel, 0.0, scene.origin[0], 0.0, -pixel, scene.origin[1]),
    }
    if layout.fill is not None and not is_quality:
        profile["nodata"] = layout.fill
    options = dict(layout.options)
    # The COG driver takes the bit depth over from its source, as it does from JPEG2000.
    bits = {"nbits": options.pop("nbits")} if "nbits" in options else {}
    block = layout.blocks.get(key, layout.blocks.get(""))
    sides = {"blockxsize": block, "blockysize": block} if block else {}
    with MemoryFile() as draft:
        with draft.open(**profile, **({} if is_quality else bits)) as dataset:
            dataset.write(values.astype(dtype), 1)
        rasterio.shutil.copy(draft.name, path, **options, **sides)
    resampled = layout.quality_overviews if is_quality else layout.overviews
    if resampled and block:
        with rasterio.Env(GDAL_TIFF_OVR_BLOCKSIZE=block // 2), rasterio.open(path, "r+") as dataset:
            dataset.build_overviews(OVERVIEWS, Resampling[resampled])


def box_of(bounds: tuple[float, float, float, float], crs: str) -> tuple[float, float, float, float]:
    """West, south, east, north of bounds in `crs`."""
    left, bottom, right, top = bounds
    x, y = np.meshgrid(np.linspace(left, right, 33), np.linspace(bottom, top, 33))
    lon, lat = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x.ravel(), y.ravel())
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())
