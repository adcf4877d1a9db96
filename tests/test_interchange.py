"""A composite in the hands of others: dates, pictures with a given stretch, xarray's readers, Zarr."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import layouts
import numpy as np
import odc.geo.xr  # noqa: F401  gives Datasets their .odc
import pyproj
import pytest
import rasterio
import rioxarray  # noqa: F401  gives Datasets their .rio
import xarray as xr
from bestpixel.sample import make_sample
from rasterio.io import MemoryFile

if TYPE_CHECKING:
    from pathlib import Path

NODATA = 65535
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs"


def make_utm(folder: Path) -> bp.Composite:
    """The sample's July, with a corner that no scene reaches."""
    return bp.build_composite(
        (16.9, 45.2, 18.6, 45.8), "2024-07", 360, endpoint="earth-search", catalog=make_sample(folder),
        bands=["red", "nir"],
    )  # fmt: skip


def make_sinusoidal(folder: Path) -> bp.Composite:
    """Two days of a MODIS tile, on the sinusoidal grid that has no EPSG code."""
    pixel = 463.312716528
    shape, origin = (40, 48), (1_111_950.5, 5_003_777.3)
    items = []
    for day, value in ((5, 1000), (9, 2000)):
        clear = np.zeros(shape, np.uint8)
        clear[:, 24 * (day == 5) :][:, :24] = 255
        assets = {
            "Nadir_Reflectance_Band1": np.full(shape, value),
            "BRDF_Albedo_Band_Mandatory_Quality_Band1": clear,
        }
        name = f"MCD43A4.A2024{182 + day:03}.h18v04.061.2024200000000"
        told = {"datetime": f"2024-07-{day:02}T00:00:00Z", "modis:horizontal-tile": 18, "modis:vertical-tile": 4}
        scene = layouts.Scene(
            "mcd43a4", name, assets, frozenset(["BRDF_Albedo_Band_Mandatory_Quality_Band1"]),
            crs=layouts.SINUSOIDAL, origin=origin, pixel=pixel, properties=told,
        )  # fmt: skip
        items.append(layouts.write(folder, scene))
    to_degrees = pyproj.Transformer.from_crs(SINUSOIDAL, 4326, always_xy=True)
    west, south = to_degrees.transform(origin[0] + 4 * pixel, origin[1] - 36 * pixel)
    east, north = to_degrees.transform(origin[0] + 40 * pixel, origin[1] - 4 * pixel)
    box = (min(west, east), south, max(west, east), north)
    return bp.build_composite(box, "2024-07", pixel, endpoint="mcd43a4", catalog=items, bands=["red"])


@pytest.fixture(scope="module", params=["utm", "sinusoidal"])
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bp.Composite:
    """A composite on a UTM grid and one on the sinusoidal grid."""
    if request.param == "utm":
        return make_utm(tmp_path_factory.getbasetemp() / "sample")
    return make_sinusoidal(tmp_path_factory.mktemp("modis"))


# ---- dates


def test_date_is_the_day_of_the_winner(out: bp.Composite) -> None:
    """Each pixel has the day of the scene that it is from, NaT where there is none."""
    date = out.date
    assert (date.dtype, date.shape) == (np.dtype("datetime64[D]"), out.quality.shape)
    assert (np.isnat(date) == (out.selected_observation == NODATA)).all()
    assert len(out.sources) > 1
    for index, source in enumerate(out.sources):
        won = out.selected_observation == index
        assert won.sum() == source["pixels"]
        assert (date[won] == np.datetime64(source["datetime"][:10])).all()


def test_date_in_a_dataset(out: bp.Composite) -> None:
    """Days since 1970 as they are; dates once decoded."""
    raw = out.to_xarray()["date"]
    assert raw.dtype == np.int32
    decoded = xr.decode_cf(out.to_xarray())["date"].values
    assert np.issubdtype(decoded.dtype, np.datetime64)
    np.testing.assert_array_equal(decoded.astype("datetime64[D]"), out.date)


# ---- readers of Datasets


def has_grid_of(dataset: xr.Dataset, out: bp.Composite, *, exact: bool = True) -> None:
    """Check that rioxarray and odc-geo see the composite's place."""
    expected = pyproj.CRS.from_user_input(f"EPSG:{out.grid['epsg']}" if out.grid["epsg"] else SINUSOIDAL)
    for crs in (dataset.rio.crs, dataset.odc.crs):
        assert pyproj.CRS.from_wkt(crs.to_wkt()).to_proj4() == expected.to_proj4()
    for transform in (dataset.rio.transform(), dataset.odc.geobox.transform):
        np.testing.assert_allclose(list(transform)[:6], out.grid["transform"], rtol=0 if exact else 1e-12)
    assert tuple(dataset.odc.geobox.shape) == out.quality.shape == dataset.rio.shape
    assert dataset["red"].odc.nodata == dataset["red"].rio.nodata == NODATA


@pytest.mark.filterwarnings("ignore:You will likely lose important projection information:UserWarning")
def test_rioxarray_and_odc_geo_see_where_it_lies(out: bp.Composite) -> None:
    """Also of a part: who subsets keeps the right place."""
    dataset = out.to_xarray()
    has_grid_of(dataset, out, exact=False)
    part = dataset.isel(x=slice(3, 9), y=slice(2, 7))
    a, _, c, _, e, f = out.grid["transform"]
    for bounds in (part.rio.bounds(), tuple(part.odc.geobox.boundingbox)):
        np.testing.assert_allclose(bounds, [c + 3 * a, f + 7 * e, c + 9 * a, f + 2 * e], rtol=1e-9)


@pytest.mark.filterwarnings("ignore:You will likely lose important projection information:UserWarning")
def test_zarr_gives_back_what_it_was_given(out: bp.Composite, tmp_path: Path) -> None:
    """Integers, place and attributes survive; decoded, there is reflectance with NaN."""
    out.to_xarray().to_zarr(tmp_path / "out.zarr", consolidated=False)
    again = xr.open_zarr(tmp_path / "out.zarr", consolidated=False, mask_and_scale=False, decode_times=False)
    has_grid_of(again, out, exact=False)
    for name in again:
        values = again[name].values
        expected = out.to_xarray()[name].values
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)
    assert again["quality"].attrs["flag_meanings"] == "clear marginal dark"
    decoded = xr.open_zarr(tmp_path / "out.zarr", consolidated=False)["red"].values
    red = out.bands["red"]
    np.testing.assert_allclose(decoded, np.where(red == NODATA, np.nan, red / 10_000), rtol=1e-6)


def test_rasters_written_by_rioxarray_lie_where_ours_lie(out: bp.Composite, tmp_path: Path) -> None:
    """Two ways to a GeoTIFF, one place."""
    out.save(tmp_path / "ours")
    out.to_xarray()["red"].rio.to_raster(tmp_path / "theirs.tif")
    with rasterio.open(tmp_path / "ours" / "red.tif") as ours, rasterio.open(tmp_path / "theirs.tif") as theirs:
        assert ours.crs.to_dict() == theirs.crs.to_dict()
        np.testing.assert_allclose(list(ours.transform), list(theirs.transform), rtol=1e-12)
        np.testing.assert_array_equal(ours.read(), theirs.read())


# ---- pictures


def picture(png: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The samples (band, row, col) of a PNG."""
    with MemoryFile(png) as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with memory.open(driver="PNG") as file:
            pixels: np.ndarray[Any, np.dtype[np.uint8]] = file.read()
    return pixels


def test_a_given_stretch_says_what_is_black_and_white(out: bp.Composite) -> None:
    """Reflectance at and below the first is black, at and above the second white, and between it rises."""
    red = out.bands["red"]
    seen = red[red != NODATA]
    low, high = np.quantile(seen, [0.2, 0.8]) if np.ptp(seen) > 2000 else (1000, 2000)
    shades, *_, alpha = picture(out.preview("red", stretch=(low / 10_000, high / 10_000)))
    assert ((alpha == 0) == (red == NODATA)).all()
    assert (shades[red <= low] == 0).all()
    assert (shades[(red >= high) & (red != NODATA)] == 255).all()
    order = np.argsort(red[alpha > 0], kind="stable")
    assert (np.diff(shades[alpha > 0][order].astype(int)) >= 0).all()
    assert out.preview("red", stretch=(0, 1)) != out.preview("red", stretch=(0, 0.5)) != out.preview("red")


@pytest.mark.parametrize("stretch", [(0.3, 0.1), (0.1, 0.1), (0.1,), (0, 1, 2), (float("nan"), 1)])
def test_a_stretch_rises(out: bp.Composite, stretch: Any) -> None:  # noqa: ANN401
    """Two numbers in their order."""
    with pytest.raises(ValueError, match=r"^stretch must be two numbers, the second one larger, got"):
        out.preview(stretch=stretch)


@pytest.mark.parametrize("stretch", ["01", 0.3, ("0", "1")])
def test_a_stretch_is_numbers(out: bp.Composite, stretch: Any) -> None:  # noqa: ANN401
    """Anything else is of the wrong kind."""
    with pytest.raises(TypeError, match=r"^stretch must be two numbers"):
        out.preview(stretch=stretch)


def test_html_tells_who_has_won_what(out: bp.Composite) -> None:
    """Each scene with its day."""
    shown = out._repr_html_()
    for source in out.sources:
        assert source["id"] in shown
        assert source["datetime"][:10] in shown
