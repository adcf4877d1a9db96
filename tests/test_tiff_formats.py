"""Each combination of what a TIFF can be, written by GDAL: pixels, overviews and masks as GDAL reads them."""

from __future__ import annotations

import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from bestpixel import _bestpixel
from bestpixel.exceptions import FormatError
from rasterio.enums import Resampling
from rasterio.shutil import copy

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 83, 61
CODECS = ["NONE", "DEFLATE", "LZW", "ZSTD", "PACKBITS"]
LAYOUTS: dict[str, dict[str, Any]] = {
    "tiled": {"tiled": True, "blockxsize": 32, "blockysize": 16},
    "striped": {"blockysize": 7},
    "one-strip": {"blockysize": HEIGHT},
}
VARIANTS: dict[str, dict[str, Any]] = {
    "classic": {},
    "big-endian": {"ENDIANNESS": "BIG"},
    "bigtiff": {"BIGTIFF": "YES"},
    "bigtiff-big-endian": {"BIGTIFF": "YES", "ENDIANNESS": "BIG"},
}
DTYPES = ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float32", "float64"]


def image(dtype: str, bands: int, most: float | None = None) -> np.ndarray[Any, Any]:
    """A slope under noise, with negative numbers and extremes where the type has them."""
    noise = np.random.default_rng(7).normal(size=(bands, HEIGHT, WIDTH))
    values = np.linspace(0, 90, WIDTH) + 5 * noise + np.arange(bands)[:, None, None]
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    info = np.iinfo(dtype)
    array = np.clip(values, info.min if most is None else 0, info.max if most is None else most).astype(dtype)
    array[:, ::9, ::11] = info.max if most is None else most
    return array


def save(path: Path, array: np.ndarray[Any, Any], **profile: Any) -> None:  # noqa: ANN401
    """Write an array by GDAL, without georeference."""
    bands, height, width = array.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        shape = {"count": bands, "height": height, "width": width, "dtype": array.dtype}
        with rasterio.open(path, "w", driver="GTiff", **shape, **profile) as dataset:
            dataset.write(array)


def check(path: Path, expected: np.ndarray[Any, Any]) -> None:
    """Compare type and samples of all bands."""
    ours = np.stack(_bestpixel._read_image(str(path), 0))
    assert ours.dtype == expected.dtype
    assert np.array_equal(ours, expected)


@pytest.mark.parametrize(("codec", "layout", "variant"), list(itertools.product(CODECS, LAYOUTS, VARIANTS)))
def test_every_type_layout_and_codec(tmp_path: Path, codec: str, layout: str, variant: str) -> None:
    """One band and three, side by side and apart, with each predictor that the type may have."""
    for dtype, (bands, interleave) in itertools.product(DTYPES, [(1, "band"), (3, "pixel"), (3, "band")]):
        with_predictor = codec in {"DEFLATE", "LZW", "ZSTD"}
        predictors = [1, 2, *([3] if dtype.startswith("float") else [])] if with_predictor else [1]
        for predictor in predictors:
            path = tmp_path / f"{dtype}-{bands}-{interleave}-{predictor}.tif"
            array = image(dtype, bands)
            options = {"compress": codec, "interleave": interleave, **LAYOUTS[layout], **VARIANTS[variant]}
            save(path, array, **options, **({"predictor": predictor} if predictor > 1 else {}))
            check(path, array)


@pytest.mark.parametrize("bits", [bits for bits in range(1, 16) if bits != 8])
def test_odd_numbers_of_bits(tmp_path: Path, bits: int) -> None:
    """1 to 15 bits, one band and three, tiled and striped, both byte orders."""
    dtype = "uint8" if bits < 8 else "uint16"
    for (bands, interleave), layout, endianness in itertools.product(
        [(1, "band"), (3, "pixel"), (3, "band")], LAYOUTS, ["LITTLE", "BIG"]
    ):
        path = tmp_path / f"{bands}-{interleave}-{layout}-{endianness}.tif"
        array = image(dtype, bands, most=2**bits - 1)
        save(
            path, array, nbits=bits, compress="DEFLATE", interleave=interleave, ENDIANNESS=endianness, **LAYOUTS[layout]
        )
        check(path, array)


def test_sparse_tiles_are_nodata(tmp_path: Path) -> None:
    """Tiles that were never written hold the nodata value, or 0 without one."""
    for nodata in (None, -9999):
        path = tmp_path / f"{nodata}.tif"
        profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "int16", "nodata": nodata}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(
                path, "w", sparse_ok=True, tiled=True, blockxsize=16, blockysize=16, **profile
            ) as dataset:
                dataset.write(np.full((16, 16), 5, "int16"), 1, window=((16, 32), (32, 48)))
        expected = np.full((1, 64, 64), nodata or 0, "int16")
        expected[0, 16:32, 32:48] = 5
        check(path, expected)


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_overviews_are_levels_and_masks_are_not(tmp_path: Path, driver: str) -> None:
    """A file with internal overviews and a mask: as many levels as overviews, each as GDAL reads it."""
    source, path = tmp_path / "source.tif", tmp_path / "file.tif"
    array = np.random.default_rng(3).integers(0, 9000, (2, 300, 200), dtype="uint16")
    with (
        warnings.catch_warnings(),
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
    ):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        save(source, array, tiled=True, blockxsize=64, blockysize=64)
        with rasterio.open(source, "r+") as dataset:
            dataset.write_mask(array[0] > 100)
            dataset.build_overviews([2, 4], Resampling.nearest)
        copy(source, path, driver=driver, COPY_SRC_OVERVIEWS=True) if driver == "GTiff" else copy(
            source, path, driver=driver, BLOCKSIZE=128
        )
        with rasterio.open(path) as dataset:
            count = len(dataset.overviews(1))
        assert count > 0
        for level in range(count + 1):
            options = {} if level == 0 else {"overview_level": level - 1}
            with rasterio.open(path, **options) as dataset:
                assert np.array_equal(np.stack(_bestpixel._read_image(str(path), level)), dataset.read())
    with pytest.raises(FormatError, match=f"level {count + 1} of {count + 1}"):
        _bestpixel._read_image(str(path), count + 1)


def test_what_is_not_supported_is_named(tmp_path: Path) -> None:
    """The message says what it is that we do not read."""
    for codec, name in [("JPEG", "JPEG"), ("LZMA", "LZMA"), ("LERC", "LERC"), ("WEBP", "WebP")]:
        path = tmp_path / f"{codec}.tif"
        try:
            save(path, image("uint8", 3), compress=codec, interleave="pixel")
        except (rasterio.errors.RasterioError, rasterio.errors.RasterioIOError):
            continue  # this GDAL has been built without it
        with pytest.raises(FormatError, match=rf"^unsupported TIFF: compression \d+ \({name}\)"):
            _bestpixel._read_image(str(path), 0)
