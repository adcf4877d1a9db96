"""What describes a folder: the STAC Item says what the files beside it are, and the preview what they show.

pystac, pyproj and GDAL are asked about the files; the haze of a preview is put on by ourselves.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pyproj
import pystac
import pytest
import rasterio
import scenes
from bestpixel import _bestpixel
from matplotlib.path import Path as Outline
from rasterio.warp import transform_bounds
from test_interchange import picture

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

COMMAND = (sys.executable, "-m", "bestpixel._cli")
BOX = ("17.6", "45.2", "18.6", "45.8")
FIJI = ("179.5", "-17", "-179.5", "-16.5")
SINUSOIDAL = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs"
NODATA = 65535
LAYERS = {"quality", "observation_count", "selected_observation", "date"}


@pytest.fixture
def nothing(tmp_path: Path) -> Path:
    """A catalogue without items: its months are empty, wherever one looks."""
    path = tmp_path / "nothing.json"
    scenes.save_items(path, [])
    return path


def make(catalog: Path, folder: Path, *words: str, endpoint: str = "earth-search") -> None:
    """Run the command, which must not fail."""
    place = ("--endpoint", endpoint, "--catalog", str(catalog), "--out-dir", str(folder), "--quiet")
    command = [*COMMAND, *place, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def check_item(folder: Path) -> dict[str, Any]:
    """Check that a folder's item is one by STAC's schema and true of the files beside it; gives it."""
    text = (folder / "item.json").read_text()
    core = pystac.Item.from_dict(json.loads(text))
    core.stac_extensions = []  # their schemas lie in the network, that of STAC is part of pystac
    assert core.validate()
    item: dict[str, Any] = json.loads(text)
    hrefs = {asset["href"] for asset in item["assets"].values()}
    assert hrefs == {f"./{path.name}" for path in folder.iterdir()} - {"./item.json"}
    for asset in item["assets"].values():
        if asset["href"].endswith(".tif"):
            check_image(folder / asset["href"], asset, item["properties"])
    check_footprint(folder / "quality.tif", item)
    told = json.loads((folder / "composite.json").read_text())["composite"]
    assert item["properties"]["bestpixel:sources"] == told["source_ids"]
    with rasterio.open(folder / "quality.tif") as file:
        quality = file.read(1)
    assert item["properties"]["bestpixel:clear_fraction"] == pytest.approx((quality == 0).mean())
    assert item["properties"]["bestpixel:nodata_fraction"] == pytest.approx((quality == NODATA).mean())
    return item


def check_image(path: Path, asset: dict[str, Any], properties: dict[str, Any]) -> None:
    """What the item says of an image is what GDAL reads of it."""
    with rasterio.open(path) as file:
        assert {asset["data_type"]} == set(file.dtypes)
        assert {asset["nodata"]} == set(file.nodatavals)
        assert tuple(band["name"] for band in asset["bands"]) == file.descriptions
        assert tuple(band.get("raster:scale", 1.0) for band in asset["bands"]) == file.scales
        assert tuple(band.get("raster:offset", 0.0) for band in asset["bands"]) == file.offsets
        assert (asset["roles"] == ["data"]) == (path.stem not in LAYERS) == ("eo:common_name" in asset["bands"][0])
        assert properties["proj:shape"] == list(file.shape)
        assert properties["proj:transform"] == list(file.transform)[:6]
        assert properties["proj:bbox"] == list(file.bounds)
        check_crs(properties, file)


def check_crs(properties: dict[str, Any], file: rasterio.DatasetReader) -> None:
    """The item's CRS is the file's: by its code, or by where its WKT puts corners and on which earth."""
    theirs = pyproj.CRS.from_wkt(file.crs.to_wkt())
    if properties["proj:code"] is not None:
        assert properties["proj:code"] == f"EPSG:{file.crs.to_epsg()}"
        assert "proj:wkt2" not in properties
        return
    assert file.crs.to_epsg() is None
    ours = pyproj.CRS.from_wkt(properties["proj:wkt2"])
    left, bottom, right, top = file.bounds
    corners = [left, left, right, right], [bottom, top, bottom, top]
    places = [pyproj.Transformer.from_crs(crs, 4326, always_xy=True).transform(*corners) for crs in (ours, theirs)]
    np.testing.assert_allclose(places[0], places[1], rtol=0, atol=1e-9)
    shapes = [(crs.ellipsoid.semi_major_metre, crs.ellipsoid.inverse_flattening) for crs in (ours, theirs)]  # type: ignore[union-attr]
    assert shapes[0] == pytest.approx(shapes[1])


def check_footprint(path: Path, item: dict[str, Any]) -> None:
    """The box is GDAL's; the rings run counter-clockwise, stay within the world and hold every pixel's centre."""
    with rasterio.open(path) as file:
        crs, bounds, transform, (height, width) = file.crs, file.bounds, file.transform, file.shape
    west, south, east, north = transform_bounds(crs, "EPSG:4326", *bounds, densify_pts=201)
    box = [west, south, east - 360 * (east > 180), north]
    np.testing.assert_allclose(item["bbox"], box, rtol=0, atol=1e-4)
    coordinates = item["geometry"]["coordinates"]
    polygons = coordinates if item["geometry"]["type"] == "MultiPolygon" else [coordinates]
    rings = [np.array(ring) for (ring,) in polygons]
    for ring in rings:
        assert (ring[0] == ring[-1]).all()
        assert np.abs(ring[:, 0]).max() <= 180
        assert (ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1]).sum() > 0
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y = transform.c + transform.a * cols.ravel(), transform.f + transform.e * rows.ravel()
    lon, lat = pyproj.Transformer.from_crs(crs.to_wkt(), 4326, always_xy=True).transform(x, y)
    centres = np.column_stack([(np.asarray(lon) + 180) % 360 - 180, lat])
    assert np.any([Outline(ring).contains_points(centres) for ring in rings], axis=0).all()


# ---- the item: where


PLACES: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "utm": (BOX, "earth-search", ("--resolution", "500")),
    "south": (("24.2", "-29.9", "25", "-29.4"), "earth-search", ("--resolution", "500")),
    "degrees": (BOX, "earth-search", ("--resolution", "0.01", "--output-crs", "EPSG:4326")),
    "mcd43a4": (BOX, "mcd43a4", ("--resolution", "463.3127165279165")),
    "sinusoidal": (BOX, "earth-search", ("--resolution", "500", "--output-crs", SINUSOIDAL)),
    "ED50": (BOX, "earth-search", ("--resolution", "500", "--output-crs", "ESRI:102013")),
    "OSGB36": (
        ("-3", "51", "-2.5", "51.4"),
        "earth-search",
        ("--resolution", "500", "--output-crs", "+proj=utm +zone=30 +datum=OSGB36 +units=m +no_defs"),
    ),
    "antimeridian": (FIJI, "earth-search", ("--resolution", "1000")),
    "antimeridian, Mercator": (FIJI, "earth-search", ("--resolution", "1000", "--output-crs", "EPSG:3857")),
    "antimeridian, degrees": (FIJI, "earth-search", ("--resolution", "0.01", "--output-crs", "EPSG:4326")),
    "antimeridian, polar": (
        ("170", "80", "-170", "85"),
        "earth-search",
        ("--resolution", "10000", "--output-crs", "EPSG:3995"),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_item_tells_where_its_files_lie(nothing: Path, tmp_path: Path, place: str) -> None:
    """With and without an EPSG code, and across the antimeridian."""
    box, endpoint, words = PLACES[place]
    period = ("--years", "2024", "--months", "2", "--bands", "red,nir")
    make(nothing, tmp_path / "out", "--bbox", *box, *period, *words, endpoint=endpoint)
    item = check_item(tmp_path / "out" / "2024-02")
    is_across = place.startswith("antimeridian")
    assert item["geometry"]["type"] == ("MultiPolygon" if is_across else "Polygon")
    west, south, east, north = item["bbox"]
    assert (west > east) == is_across
    assert (west <= float(box[0]), south <= float(box[1])) == (True, True)
    assert (east >= float(box[2]), north >= float(box[3])) == (True, True)
    assert (item["properties"]["proj:code"] is None) == (place in {"mcd43a4", "sinusoidal", "ED50", "OSGB36"})
    # Degrees are no distance on the ground.
    resolution = float(words[1])
    assert item["properties"].get("gsd") == (None if "degrees" in place else resolution)


def test_an_item_of_a_scene_across_the_antimeridian(tmp_path: Path) -> None:
    """As of an empty period; the scene that shows both sides is named."""
    x, y = pyproj.Transformer.from_crs(4326, 32660, always_xy=True).transform(179.998, 50.0)
    origin = (20.0 * round(x / 20.0) - 2000.0, 20.0 * round(y / 20.0) + 2000.0)
    scene = scenes.Scene(shape=(200, 200), epsg=32660, origin=origin, resolution=20.0, tile="60UYA")
    scenes.write_catalog(tmp_path, [scene])
    box = ("179.985", "49.995", "-179.995", "50.005")
    place = ("--bbox", *box, "--resolution", "20", "--datetime", "2023-08", "--bands", "red")
    make(tmp_path / "items.json", tmp_path / "out", *place)
    item = check_item(tmp_path / "out")
    assert item["properties"]["bestpixel:sources"] == [scene.item_id]
    assert (item["geometry"]["type"], item["properties"]["bestpixel:nodata_fraction"]) == ("MultiPolygon", 0)
    west, _, east, _ = item["bbox"]
    assert 179.97 < west <= 179.985
    assert -179.995 <= east < -179.98


# ---- the item: when and what


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("2024-07", "2024-07-01T00:00:00Z", "2024-07-31T23:59:59.999Z"),
        ("2024-07-05", "2024-07-05T00:00:00Z", "2024-07-05T23:59:59.999Z"),
        ("2024-07-01/..", "2024-07-01T00:00:00Z", None),
        ("../2024-07-05", None, "2024-07-05T23:59:59.999Z"),
    ],
)
def test_an_item_tells_the_period(sample: Path, tmp_path: Path, asked: str, start: str | None, end: str | None) -> None:
    """As it was asked for; an open end is where the scenes end."""
    place = ("--bbox", *BOX, "--resolution", "480", "--bands", "red")
    make(sample, tmp_path / "out", *place, "--datetime", asked)
    item = check_item(tmp_path / "out")
    properties = item["properties"]
    catalog = {each["id"]: each["properties"]["datetime"] for each in json.loads(sample.read_text())["features"]}
    used = [np.datetime64(catalog[name].rstrip("Z"), "ms") for name in properties["bestpixel:sources"]]
    assert used
    assert properties["datetime"] is None
    told = [np.datetime64(properties[f"{end}_datetime"].rstrip("Z"), "ms") for end in ("start", "end")]
    wanted = (start or str(min(used)), end or str(max(used)))
    assert told == [np.datetime64(time.rstrip("Z"), "ms") for time in wanted]
    days = [time[:10].replace("-", "") for time in wanted]
    assert item["id"] == f"bestpixel-earth-search-{days[0]}-{days[1]}"


def test_an_item_of_a_stack(sample: Path, tmp_path: Path) -> None:
    """One asset for all bands, in their order."""
    bands = ["swir22", "nir", "rededge1", "red"]
    place = ("--bbox", *BOX, "--resolution", "480", "--datetime", "2024-07", "--bands", ",".join(bands))
    make(sample, tmp_path / "out", *place, "--stack")
    item = check_item(tmp_path / "out")
    assert set(item["assets"]) == {"bands", *LAYERS, "thumbnail", "metadata"}
    told = item["assets"]["bands"]["bands"]
    assert [band["name"] for band in told] == bands
    assert [band["raster:scale"] for band in told] == [0.0001] * 4
    assert [band["eo:common_name"] for band in told] == ["swir22", "nir", "rededge071", "red"]


@pytest.mark.parametrize("stack", [(), ("--stack",)])
def test_an_item_of_an_empty_month(sample: Path, tmp_path: Path, stack: tuple[str, ...]) -> None:
    """It is as valid as any other, beside a full one; its files hold nothing."""
    place = ("--bbox", *BOX, "--resolution", "480", "--years", "2024", "--months", "2,7", "--bands", "red,nir")
    make(sample, tmp_path / "out", *place, *stack)
    empty, full = (check_item(tmp_path / "out" / month) for month in ("2024-02", "2024-07"))
    period = [empty["properties"][f"{end}_datetime"] for end in ("start", "end")]
    assert period == ["2024-02-01T00:00:00Z", "2024-02-29T23:59:59.999Z"]
    assert (empty["properties"]["bestpixel:sources"], empty["properties"]["bestpixel:nodata_fraction"]) == ([], 1)
    assert empty["assets"] == full["assets"]
    assert empty["id"] != full["id"]
    for path in (tmp_path / "out" / "2024-02").glob("*.tif"):
        with rasterio.open(path) as file:
            assert (file.read() == file.nodata).all(), path.name
    assert not picture((tmp_path / "out" / "2024-02" / "preview.png").read_bytes())[3].any()


# ---- the preview


COLOURS = {"soil": (2100, 1500, 1000), "meadow": (700, 1400, 500), "lake": (300, 500, 800), "shade": (60, 60, 60)}
"""Reflectance in red, green and blue of what lies in stripes below one another."""
HAZE = (60, 150, 400)
"""What haze adds: most in the blue."""
STRIPE = 30


def make_planes(haze: tuple[int, int, int]) -> list[NDArray[np.uint16]]:
    """Stripes of all colours, a little uneven, below haze; and one missing pixel."""
    rows = np.repeat(np.array(list(COLOURS.values())), STRIPE, axis=0)
    uneven = np.random.default_rng(7).integers(0, 40, (len(rows), 120))
    planes = [(rows[:, band, None] + uneven + haze[band]).astype(np.uint16) for band in range(3)]
    planes[1][5, 7] = NODATA
    return planes


def stripes(pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """The mean shade of each stripe in red, green and blue."""
    means = pixels[:3].reshape(3, len(COLOURS), -1).astype(np.float64).mean(axis=2)
    return dict(zip(COLOURS, means.T))


def order(colour: Any) -> list[int]:  # noqa: ANN401
    """Channels from dark to bright."""
    return [int(channel) for channel in np.argsort(colour)]


def test_black_takes_out_haze() -> None:
    """The darkest of all channels is near black alike, and what was brown is brown."""
    planes = make_planes(HAZE)
    pixels = picture(_bestpixel.preview(planes, None))
    seen = pixels[:, pixels[3] > 0]
    darkest = np.percentile(seen[:3], [0.5, 1, 2], axis=1)
    assert darkest.max() < 12, darkest
    assert np.ptp(darkest, axis=1).max() < 8, darkest
    # Without taking it out the shade is as blue as the haze.
    assert np.ptp(stripes(picture(_bestpixel.preview(planes, (60.0, 2500.0))))["shade"]) > 30
    assert np.ptp(stripes(pixels)["shade"]) < 8
    for name in ("soil", "meadow", "lake"):
        assert order(stripes(pixels)[name]) == order(COLOURS[name]), name
    assert ((pixels[3] == 0) == (planes[1] == NODATA)).all()


def test_what_is_clear_and_what_was_hazy_have_the_same_hues() -> None:
    """Which channel is the brightest and which the darkest does not hang on the haze."""
    clear, hazy = (stripes(picture(_bestpixel.preview(make_planes(haze), None))) for haze in ((0, 0, 0), HAZE))
    for name in ("soil", "meadow", "lake"):
        assert order(clear[name]) == order(hazy[name]) == order(COLOURS[name]), name
        assert np.ptp(clear[name]) > 20, name


def test_white_is_common() -> None:
    """A channel that is half as bright is shown half as bright, not stretched to white of its own."""
    ramp = np.linspace(0, 4000, 10_000).astype(np.uint16).reshape(100, 100)
    red, green, blue, _ = picture(_bestpixel.preview([ramp, ramp // 2, ramp // 4], None)).astype(int)
    assert red.max() == 255
    assert blue.max() < 0.6 * green.max() + 20 < 0.6 * 255
    bright = (red > 100) & (red < 255)
    assert (red[bright] > green[bright]).all()
    assert (green[bright] > blue[bright]).all()


def test_the_preview_of_a_hazy_scene(tmp_path: Path) -> None:
    """From files with haze to the file beside the composite."""
    clear, hazy = tmp_path / "clear", tmp_path / "hazy"
    found = {}
    for folder, haze in ((clear, (0, 0, 0)), (hazy, HAZE)):
        planes = make_planes(haze)
        planes[1][5, 7] = planes[1][5, 8]
        shape = (planes[0].shape[0], planes[0].shape[1])
        scene = scenes.Scene(bands=dict(zip(("red", "green", "blue"), planes)), shape=shape)
        folder.mkdir()
        items = scenes.with_absolute_hrefs(scenes.write_catalog(folder, [scene]), folder)
        box = scenes.bbox_for(scene.bounds, 32633, 10.0)
        bands = ["red", "green", "blue"]
        out = bp.build_composite(box, "2023-08", 10.0, endpoint="earth-search", catalog=items, bands=bands)
        out.save(folder / "out")
        found[folder.name] = picture((folder / "out" / "preview.png").read_bytes())
        np.testing.assert_array_equal(found[folder.name], picture(out.preview()))
        assert found[folder.name].shape[1:] == shape
    for pixels in found.values():
        assert np.ptp(np.percentile(pixels[:3].reshape(3, -1), 1, axis=1)) < 8
        for name in ("soil", "meadow", "lake"):
            assert order(stripes(pixels)[name]) == order(COLOURS[name]), name
