"""Real files of each provider, read through the endpoint that they belong to, against the same files by rasterio.

None of the items is live: where only files are at hand, an item is made up around them.
"""

from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import oracle
import pytest
import rasterio
from layouts import SINUSOIDAL, TIFF, box_of
from rasterio.windows import Window
from test_endpoints import HLS_SOUTH_CRS, score_fmask, score_modis

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NODATA = 65535
ALIGNED = "+proj=tmerc +lat_0=0 +lon_0=-9 +k=0.9996 +x_0=500420 +y_0=180 +datum=WGS84 +units=m +no_defs"
"""UTM zone 29, moved so that the pixels of 29RKH lie on multiples of 100, 200 and 600 m."""
MOVED = (420.0, 180.0)
Item = dict[str, Any]
Bounds = tuple[float, float, float, float]


def build(**options: Any) -> dict[str, Any]:  # noqa: ANN401
    """The package's composite."""
    bestpixel = importlib.import_module("bestpixel")
    return dict(bestpixel.build_composite(**{"on_error": "raise", **options}))


def part(path: Path, bounds: Bounds) -> NDArray[Any]:
    """The pixels of a file in bounds that lie on its lattice."""
    with rasterio.open(path) as dataset:
        to_pixel = ~dataset.transform
        (left, top), (right, bottom) = to_pixel * (bounds[0], bounds[3]), to_pixel * (bounds[2], bounds[1])
        window = Window(*(round(side) for side in (left, top, right - left, bottom - top)))
        values = dataset.read(1, window=window, boundless=True, fill_value=dataset.nodata)
    return np.asarray(values.astype(np.int64))


def item(name: str, collection: str, files: dict[str, Path], box: Bounds, when: str) -> Item:
    """An item around files."""
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "collection": collection, "bbox": list(box),
        "geometry": None, "links": [], "properties": {"datetime": when},
        "assets": {key: {"href": str(path), "type": TIFF} for key, path in files.items()},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pixel", "bands"),
    [
        (100.0, ["blue", "green", "red", "nir"]),
        (200.0, ["rededge1", "rededge2", "rededge3", "nir08", "swir16", "swir22"]),
        (600.0, ["coastal", "nir09"]),
    ],
)
def test_sentinel_2_with_all_twelve_bands(shared_data: Path, pixel: float, bands: list[str]) -> None:
    """At its own resolution a band is what its file holds, wherever the scene is usable; no offset at this baseline."""
    folder = shared_data / "s2-29RKH"
    served: Item = json.loads((folder / "item.json").read_text())
    box = box_of((210_000.0, 2_720_000.0, 270_000.0, 2_780_000.0), "EPSG:32629")
    out = build(
        bbox=box, datetime="2020-02", resolution=pixel, bands=bands, endpoint="earth-search",
        catalog=str(folder / "item.json"), output_crs=ALIGNED,
    )  # fmt: skip
    assert out["sources"][0]["offset_applied"] == 0
    left, bottom, right, top = out["grid"]["bounds"]
    bounds = (left - MOVED[0], bottom - MOVED[1], right - MOVED[0], top - MOVED[1])
    usable = out["selected_observation"] == 0
    assert 0.8 < usable.mean() < 1.0
    for band in bands:
        source = part(folder / served["assets"][band]["href"], bounds)
        want = np.where(usable & (source != 0), source, NODATA)
        assert source.shape == want.shape == out["bands"][band].shape
        assert np.array_equal(out["bands"][band], want), band


MODIS_BANDS = {"blue": "B03", "green": "B04", "red": "B01", "nir": "B02", "swir16": "B06", "swir22": "B07"}


@pytest.mark.parametrize("bands", [list(MODIS_BANDS), ["nir"]])
def test_striped_mcd43a4(shared_data: Path, bands: list[str]) -> None:
    """A real tile and the quality of each of its bands, at its own pixels on the sinusoidal grid."""
    stem = "MCD43A4.A2017006.h21v11.006.2017018074804"
    files = {name: shared_data / "modis" / f"{stem}_{name}.TIF" for name in MODIS_BANDS.values()}
    layers = {name: shared_data / "modis" / f"{stem}_{name}qa.TIF" for name in MODIS_BANDS.values()}
    assets = {f"Nadir_Reflectance_Band{name[2]}": path for name, path in files.items()}
    assets |= {f"BRDF_Albedo_Band_Mandatory_Quality_Band{name[2]}": path for name, path in layers.items()}
    with rasterio.open(files["B01"]) as dataset:
        bounds, pixel = tuple(dataset.bounds), dataset.transform.a
    made_up = item(stem, "modis-43A4-061", assets, box_of(bounds, SINUSOIDAL), "2017-01-14T00:00:00Z")
    inner = (bounds[0] + 30 * pixel, bounds[1] + 30 * pixel, bounds[2] - 30 * pixel, bounds[3] - 30 * pixel)
    asked = {"bbox": box_of(inner, SINUSOIDAL), "datetime": "2017-01-06", "resolution": pixel, "bands": bands}
    out = build(endpoint="mcd43a4", catalog=[made_up], **asked)
    assert out["sources"][0]["tile"] == "h21v11"
    where = out["grid"]["bounds"]
    worst = np.max([score_modis(part(layers[MODIS_BANDS[band]], where)) for band in bands], axis=0)
    source = {band: part(files[MODIS_BANDS[band]], where) for band in bands}
    some = np.any([values != 32767 for values in source.values()], axis=0) & (worst != NODATA)
    assert np.array_equal(out["quality"], np.where(some, worst, NODATA))
    assert len(np.unique(worst)) > 1
    for band, values in source.items():
        want = np.where(some & (values != 32767), np.maximum(values, 1), NODATA)
        assert np.array_equal(out["bands"][band], want), band


def constant(path: Path, like: Path, value: int, dtype: str, nodata: int) -> Path:
    """A file of one value on the lattice of another."""
    with rasterio.open(like) as source:
        profile = {**source.profile, "dtype": dtype, "nodata": nodata}
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(np.full((1, profile["height"], profile["width"]), value, dtype))
    return path


@pytest.mark.parametrize("resolution", [30.0, 60.0])
@pytest.mark.parametrize(
    "name", ["HLS.L30.T06WVS.2024120T211159.v2.0.Fmask.tif", "HLS.S30.T13RCN.2024128T173909.v2.0.Fmask.tif"]
)
def test_real_fmask(shared_data: Path, tmp_path: Path, name: str, resolution: float) -> None:
    """Real bits become scores, pixel by pixel; at 60 m from the overview, which holds bits too."""
    mask = shared_data / "hls" / name
    red = constant(tmp_path / "B04.tif", mask, 1234, "int16", -9999)
    with rasterio.open(mask) as dataset:
        left, top, crs = dataset.bounds.left, dataset.bounds.top, dataset.crs.to_string()
    bounds = (left + 30_000, top - 60_000, left + 60_000, top - 30_000)
    kind = "l30" if ".L30." in name else "s30"
    when = "2024-04-29T21:11:59Z" if kind == "l30" else "2024-05-07T17:39:09Z"
    box = box_of(bounds, crs)
    made_up = item(name.removesuffix(".Fmask.tif"), f"hls2-{kind}", {"B04": red, "Fmask": mask}, box, when)
    out = build(
        bbox=box, datetime="2024", resolution=resolution, bands=["red"], endpoint="hls", catalog=[made_up],
        output_crs=crs,
    )  # fmt: skip
    options = {} if resolution == 30.0 else {"overview_level": 0}
    with rasterio.open(mask, **options) as dataset:
        to_world, values = dataset.transform, dataset.read(1)
    grid = oracle.Grid(crs, out["grid"]["bounds"][0], out["grid"]["bounds"][3], resolution, *out["quality"].shape[::-1])
    points = grid.points((slice(0, grid.height), slice(0, grid.width)))
    level = oracle.Level(crs, to_world.c, to_world.f, to_world.a, -to_world.e, values)
    score = score_fmask(level.take(*(oracle.whole(position) for position in points.on(level))))
    assert len(np.unique(score)) > 2
    assert np.array_equal(out["quality"], score)
    assert np.array_equal(out["bands"]["red"], np.where(score == NODATA, NODATA, 1234))


def readable_block(path: Path) -> tuple[Bounds, list[Bounds]]:
    """A block with data that can be read, and the blocks that cannot."""
    good: list[Bounds] = []
    bad: list[Bounds] = []
    with rasterio.open(path) as dataset:
        for _, window in dataset.block_windows(1):
            bounds = dataset.window_bounds(window)
            try:
                values = dataset.read(1, window=window)
            except rasterio.errors.RasterioIOError:
                bad.append(bounds)
                continue
            if (values != -9999).mean() > 0.5 and window.width == window.height == 256:
                good.append(bounds)
    return good[len(good) // 2], bad


@pytest.mark.parametrize(
    ("name", "crs"),
    [
        ("HLS.L30.T19LBJ.2020239T144556.v2.0.B01.tif", HLS_SOUTH_CRS),
        ("HLS.S30.T35VLJ.2021168T100559.v2.0.B01.tif", "EPSG:32635"),
    ],
)
def test_real_hls_reflectance(shared_data: Path, tmp_path: Path, name: str, crs: str) -> None:
    """Signed samples, a CRS without a code, northings below zero; a damaged tile is named and costs nothing else."""
    band = shared_data / "hls" / name
    mask = constant(tmp_path / "Fmask.tif", band, 64, "uint8", 255)
    good, bad = readable_block(band)
    kind = "l30" if ".L30." in name else "s30"
    when = "2020-08-26T14:45:56Z" if kind == "l30" else "2021-06-17T10:05:59Z"
    name = name.removesuffix(".B01.tif")

    def asked(bounds: Bounds) -> dict[str, Any]:
        inner = (bounds[0] + 600, bounds[1] + 600, bounds[2] - 600, bounds[3] - 600)
        files = {"B01": band, "Fmask": mask}
        made_up = item(name, f"hls2-{kind}", files, box_of(bounds, crs), when)
        box = box_of(inner, crs)
        # The west of 35VLJ lies in zone 34; its own zone keeps it on its lattice.
        grid = "native" if kind == "l30" else crs
        common = {"endpoint": "hls", "catalog": [made_up], "resolution": 30.0, "bands": ["coastal"], "output_crs": grid}
        return {"bbox": box, "datetime": when[:4], **common}

    out = build(**asked(good))
    left, bottom, right, top = out["grid"]["bounds"]
    if kind == "l30":
        assert out["grid"]["epsg"] == 32719
        bottom, top = bottom - 10_000_000, top - 10_000_000
    source = part(band, (left, bottom, right, top))
    want = np.where(source == -9999, NODATA, np.maximum(source, 1))
    assert np.array_equal(out["bands"]["coastal"], want)

    assert len(bad) == (kind == "l30")
    bestpixel = importlib.import_module("bestpixel")
    for bounds in bad:
        with pytest.raises(bestpixel.FormatError, match=re.escape(name)):
            build(**asked(bounds))
        with pytest.warns(bestpixel.SkippedWarning):
            lost = build(**asked(bounds), on_error="skip")
        assert lost["skipped"][0]["item"] == name
        assert (lost["bands"]["coastal"] == NODATA).all()


def test_planetary_computers_own_modis_files(shared_data: Path, tmp_path: Path) -> None:
    """A file as its tool writes them: ghost area, sinusoidal, overviews that are not to be read."""
    name = "MOD10A2.A2022033.h09v05.061.2022042050729_Maximum_Snow_Extent.tif"
    path = shared_data / "modis" / name
    quality = constant(tmp_path / "qa.tif", path, 1, "uint8", 255)
    files = {"Nadir_Reflectance_Band1": path, "BRDF_Albedo_Band_Mandatory_Quality_Band1": quality}
    with rasterio.open(path) as dataset:
        (left, _, _, top), pixel = tuple(dataset.bounds), dataset.transform.a
    bounds = (left + 900 * pixel, top - 1100 * pixel, left + 1000 * pixel, top - 1000 * pixel)
    box = box_of(bounds, SINUSOIDAL)
    made_up = item("MCD43A4.A2022033.h09v05.061", "modis-43A4-061", files, box, "2022-02-02T00:00:00Z")
    out = build(bbox=box, datetime="2022-02", resolution=pixel, bands=["red"], endpoint="mcd43a4", catalog=[made_up])
    source = part(path, out["grid"]["bounds"])
    assert len(np.unique(source)) > 2
    assert np.array_equal(out["bands"]["red"], np.maximum(source, 1))
    assert (out["quality"] == 1).all()
