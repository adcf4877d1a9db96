"""The GeoTIFFs that are written: valid by the field's validators, and the same pixels in the field's readers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
import rasterio
from affine import Affine
from bestpixel import _bestpixel
from PIL import Image
from pyproj import CRS, Geod, Transformer
from pyproj.crs import ProjectedCRS
from pyproj.crs.coordinate_operation import LambertAzimuthalEqualAreaConversion, TransverseMercatorConversion
from rio_cogeo.cogeo import cog_validate

if TYPE_CHECKING:
    from numpy.typing import NDArray

NODATA = 65535
SIZES = [(1, 1), (1, 2), (2, 1), (3, 700), (511, 513), (512, 512), (513, 512), (1025, 1), (1, 1025), (1100, 1333)]
MISJUDGED = {(513, 512), (1025, 1)}
"""rio-cogeo takes a file as wide as a tile for striped, and an overview as wide as the image for none."""

VALIDATOR = ("/usr/bin/python3", "-m", "osgeo_utils.samples.validate_cloud_optimized_geotiff", "-q")
"""GDAL's own, where the system has it (Debian: python3-gdal)."""


def has_validator() -> bool:
    """Whether GDAL's validator is there."""
    command = (VALIDATOR[0], "-c", "import osgeo_utils.samples.validate_cloud_optimized_geotiff")
    return Path(VALIDATOR[0]).exists() and subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603


def write(path: Path, bands: list[NDArray[Any]], **options: Any) -> Path:  # noqa: ANN401
    """Write bands; options replace the defaults of the private door."""
    file = {
        "path": str(path),
        "names": [f"band {i}" for i in range(len(bands))],
        "crs": "EPSG:32633",
        "origin": (500_000.0, 5_000_000.0, 10.0),
        "nodata": NODATA,
        "is_continuous": True,
        "codec": "deflate",
        "level": 6,
    }
    _bestpixel._write(bands, {**file, **options})  # type: ignore[typeddict-item]
    return path


def reflectance(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint16]:
    """Slopes with noise, and a tenth of it missing."""
    random = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    values = 1500 + 300 * np.sin(rows / 50 + seed) + 200 * np.cos(cols / 70) + random.integers(0, 90, shape)
    return np.where(random.random(shape) < 0.1, NODATA, values).astype(np.uint16)


def halved(image: NDArray[Any], nodata: int) -> NDArray[Any]:
    """Means of up to four valid pixels, rounded half up."""
    padded = np.pad(image.astype(np.int64), [(0, side % 2) for side in image.shape], constant_values=nodata)
    quads = np.stack([padded[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    valid = quads != nodata
    count = valid.sum(axis=0)
    total = np.where(valid, quads, 0).sum(axis=0)
    return np.where(count > 0, (2 * total + count) // np.maximum(2 * count, 1), nodata).astype(image.dtype)


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("codec", ["deflate", "zstd"])
@pytest.mark.parametrize("count", [1, 3])
def test_pixels_come_back(tmp_path: Path, shape: tuple[int, int], codec: str, count: int) -> None:
    """Every size, codec and number of bands: strictly valid, and the pixels of all levels as they should be."""
    bands = [reflectance(shape, seed) for seed in range(count)]
    path = write(tmp_path / "file.tif", bands, codec=codec)
    assert shape in MISJUDGED or cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), bands)
        assert file.descriptions == tuple(f"band {i}" for i in range(count))
        assert (file.scales, file.offsets, file.nodata) == ((0.0001,) * count, (0.0,) * count, NODATA)
        overviews = file.overviews(1)
    expected = bands
    for level in range(len(overviews)):
        expected = [halved(band, NODATA) for band in expected]
        with rasterio.open(path, overview_level=level) as file:
            np.testing.assert_array_equal(file.read(), expected)
    assert max(expected[0].shape) <= 512
    assert [path.name] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("codec", ["deflate", "zstd"])
def test_a_reader_that_is_not_gdal(tmp_path: Path, codec: str) -> None:
    """Pillow, by libtiff: the image, then its overviews from the larger to the smaller."""
    values = reflectance((1100, 1333))
    path = write(tmp_path / "file.tif", [values], codec=codec)
    with Image.open(path) as file:
        for frame in range(getattr(file, "n_frames", 1)):
            file.seek(frame)
            np.testing.assert_array_equal(np.asarray(file), values)
            values = halved(values, NODATA)
        assert frame == 2


def test_signed_integers_of_32_bits(tmp_path: Path) -> None:
    """Dates; overviews pick, since a mean of dates is the date of nothing."""
    days = np.random.default_rng(0).integers(-400, 20_000, (1300, 700)).astype(np.int32)
    days[5:9] = -(2**31)
    path = write(tmp_path / "date.tif", [days], nodata=-(2**31), is_continuous=False)
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(1), days)
        assert (file.dtypes, file.nodata, file.scales) == (("int32",), -(2**31), (1.0,))
    with rasterio.open(path, overview_level=0) as file:
        np.testing.assert_array_equal(file.read(1), days[::2, ::2])


CRSS = [
    "EPSG:32633",
    "EPSG:32733",
    "EPSG:3035",
    "EPSG:3857",
    "EPSG:4326",
    "EPSG:7844",
    "EPSG:5070",
    "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs",
    "+proj=utm +zone=33 +datum=WGS84",
    "+proj=utm +zone=19 +south +ellps=intl",
    "+proj=tmerc +lon_0=9.5 +lat_0=10 +k=0.9999 +x_0=1000 +y_0=2000 +ellps=GRS80",
    "+proj=laea +lat_0=45 +lon_0=20 +x_0=100 +y_0=-50 +ellps=bessel",
    "+proj=lcc +lat_1=33 +lat_2=45 +lat_0=39 +lon_0=-96 +x_0=600000.5 +datum=NAD83 +units=us-ft",
    "+proj=lcc +lat_1=49 +lat_0=49 +lon_0=4 +k_0=0.9987 +x_0=600000 +datum=WGS84",
    "+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +datum=NAD83",
    "+proj=aeqd +lat_0=40 +lon_0=10 +datum=WGS84",
    "+proj=stere +lat_0=90 +lat_ts=70 +lon_0=-45 +datum=WGS84",
    "+proj=stere +lat_0=-90 +lon_0=0 +k=0.994 +x_0=2000000 +y_0=2000000 +datum=WGS84",
    "+proj=sterea +lat_0=46 +lon_0=25 +k=0.99975 +x_0=500000 +y_0=500000 +ellps=krass",
    "+proj=merc +lon_0=10 +lat_ts=30 +datum=WGS84",
    "+proj=merc +lon_0=10 +k=0.997 +ellps=WGS72",
    "+proj=eqc +lat_ts=60 +lon_0=15 +R=6371000",
    "+proj=cea +lat_ts=30 +lon_0=5 +datum=WGS84",
    "+proj=robin +lon_0=30 +datum=WGS84",
    "+proj=longlat +ellps=bessel",
    "ESRI:102001",
]


@pytest.mark.parametrize("crs", CRSS)
def test_crs_comes_back(tmp_path: Path, crs: str) -> None:
    """By what it does: points lie in the file's CRS where they lie in the one that was asked for."""
    path = write(tmp_path / "file.tif", [reflectance((20, 30))], crs=crs)
    with rasterio.open(path) as file:
        assert file.crs is not None
        wkt = file.crs.to_wkt()
        assert file.transform[:6] == (10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0)
    asked, got = CRS.from_user_input(crs), CRS.from_wkt(wkt)
    lon, lat = asked.geodetic_crs, got.geodetic_crs
    assert lon is not None
    assert lat is not None
    south = "+south" in crs or "lat_0=-90" in crs or crs == "EPSG:32733"
    lons = np.linspace(-70, -60, 5) if "lon_0=-" in crs or "zone=19" in crs else np.linspace(10, 20, 5)
    lats = np.linspace(-60, -50, 5) if south else np.linspace(40, 50, 5)
    there = Transformer.from_crs(lon, asked, always_xy=True).transform(lons, lats)
    here = Transformer.from_crs(lat, got, always_xy=True).transform(lons, lats)
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-3 if asked.is_projected else 1e-9)
    shapes = [(crs.ellipsoid.semi_major_metre, crs.ellipsoid.semi_minor_metre) for crs in (asked, got) if crs.ellipsoid]
    np.testing.assert_allclose(shapes[0], shapes[1], rtol=0, atol=1e-4)


MERCATOR = TransverseMercatorConversion(
    latitude_natural_origin=10, longitude_natural_origin=9.5, scale_factor_natural_origin=0.9999, false_easting=1000
)
EQUAL_AREA = LambertAzimuthalEqualAreaConversion(latitude_natural_origin=50, longitude_natural_origin=9.5)
ED50 = ProjectedCRS(MERCATOR, geodetic_crs=CRS(4230))
ON_ANOTHER_DATUM = {
    "ESRI:102013": ("ESRI:102013", (10.0, 50.0)),
    "ESRI:102033": ("ESRI:102033", (-60.0, -20.0)),
    "OSGB36": ("+proj=utm +zone=30 +datum=OSGB36 +units=m +no_defs", (-3.0, 52.0)),
    "OSGB36, equal area": ("+proj=laea +lat_0=52 +lon_0=-3 +datum=OSGB36 +units=m +no_defs", (-3.0, 52.0)),
    "Potsdam": ("+proj=utm +zone=33 +datum=potsdam +units=m +no_defs", (14.0, 52.0)),
    "NZGD49": ("+proj=utm +zone=59 +south +datum=nzgd49", (172.0, -42.0)),
    "NAD27": ("+proj=aea +lat_1=29.5 +lat_2=45.5 +lat_0=23 +lon_0=-96 +datum=NAD27", (-96.0, 40.0)),
    "ED50": (ED50.to_wkt(), (9.5, 50.0)),
    "ED50, equal area": (ProjectedCRS(EQUAL_AREA, geodetic_crs=CRS(4230)).to_wkt(), (9.5, 50.0)),
    "ED50, WKT 1": (ED50.to_wkt("WKT1_GDAL"), (9.5, 50.0)),
    "ED50, WKT of ESRI": (ED50.to_wkt("WKT1_ESRI"), (9.5, 50.0)),
    "S-JTSK": (ProjectedCRS(MERCATOR, geodetic_crs=CRS(4156)).to_wkt(), (15.0, 50.0)),
    "DHDN": (ProjectedCRS(EQUAL_AREA, geodetic_crs=CRS(4314)).to_wkt(), (9.0, 50.0)),
}
"""CRSs without an EPSG code whose datum is not WGS 84, and a place where they are used."""


def metres_apart(place: Any, other: Any) -> float:  # noqa: ANN401
    """The largest distance between points of degrees."""
    return float(np.max(Geod(ellps="WGS84").inv(*place, *other)[2]))


def corners_apart(path: Path, asked: CRS) -> float:
    """Metres on the ground between a file's corners as the file has them and as a CRS would have them."""
    with rasterio.open(path) as file:
        got, (left, bottom, right, top) = CRS.from_wkt(file.crs.to_wkt()), file.bounds
    corners = [left, left, right, right], [bottom, top, bottom, top]
    degrees = [Transformer.from_crs(crs, 4326, always_xy=True).transform(*corners) for crs in (asked, got)]
    return metres_apart(*degrees)


@pytest.mark.parametrize("name", ON_ANOTHER_DATUM)
def test_another_datum_comes_back(tmp_path: Path, name: str) -> None:
    """The corners lie on the ground where they would in the CRS that was asked for."""
    crs, place = ON_ANOTHER_DATUM[name]
    asked = CRS.from_user_input(crs)
    assert asked.geodetic_crs is not None
    on_ellipsoid_alone = Transformer.from_crs(asked.geodetic_crs, 4326, always_xy=True).transform(*place)
    assert metres_apart(place, on_ellipsoid_alone) > 20, "the datum makes a difference here"
    x, y = Transformer.from_crs(4326, asked, always_xy=True).transform(*place)
    path = write(tmp_path / "file.tif", [reflectance((40, 60))], crs=crs, origin=(x, y, 10.0))
    assert corners_apart(path, asked) < 0.5


@pytest.mark.parametrize("name", ["ESRI:102013", "OSGB36", "ED50", "ED50, WKT 1"])
def test_a_composite_on_another_datum(tmp_path: Path, name: str) -> None:
    """Its grid tells the CRS as it was asked for, lies where it should, and so do its files."""
    crs, (lon, lat) = ON_ANOTHER_DATUM[name]
    box = (lon - 0.1, lat - 0.1, lon + 0.1, lat + 0.1)
    options: dict[str, Any] = {"endpoint": "earth-search", "catalog": [], "bands": ["red"], "output_crs": crs}
    with pytest.warns(bp.EmptyPeriodWarning):
        (out,) = bp.build_monthly_composites(box, 2024, 2, 500.0, **options)
    assert (out.grid["crs"], out.grid["epsg"]) == (crs, 0)
    asked = CRS.from_user_input(crs)
    left, bottom, right, top = Transformer.from_crs(4326, asked, always_xy=True).transform_bounds(*box, densify_pts=99)
    np.testing.assert_allclose(out.grid["bounds"], [left, bottom, right, top], rtol=0, atol=500.0)
    assert out.grid["bounds"][0] <= left < right <= out.grid["bounds"][2]
    assert out.grid["bounds"][1] <= bottom < top <= out.grid["bounds"][3]
    out.save(tmp_path)
    for path in (tmp_path / "red.tif", tmp_path / "date.tif"):
        assert corners_apart(path, asked) < 0.5


def test_crs_that_geotiff_cannot_say(tmp_path: Path) -> None:
    """Refused by name before anything is written: a shift that is left out would move pixels by a hundred metres."""
    crs = "+proj=tmerc +lon_0=9 +ellps=bessel +towgs84=598.1,73.7,418.2,0.202,0.045,-2.455,6.7"
    with pytest.raises(ValueError, match="towgs84"):
        write(tmp_path / "file.tif", [reflectance((20, 30))], crs=crs)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(
    not (has_validator() or "BESTPIXEL_EXPECT_GDAL" in os.environ),
    reason="GDAL's validator is not here (Debian: python3-gdal)",
)
def test_valid_by_gdal(tmp_path: Path) -> None:
    """GDAL's validator says yes to ours of all sizes, and no to a file that is none."""
    for shape in SIZES:
        for count, codec in ((1, "deflate"), (3, "deflate"), (2, "zstd")):
            bands = [reflectance(shape, seed) for seed in range(count)]
            path = write(tmp_path / "file.tif", bands, codec=codec)
            assert validate(path).returncode == 0, (shape, validate(path).stdout)
    plain = tmp_path / "plain.tif"
    with rasterio.open(
        plain,
        "w",
        driver="GTiff",
        width=1333,
        height=1100,
        count=1,
        dtype="uint16",
        crs="EPSG:32633",
        transform=Affine(10, 0, 0, 0, -10, 0),
    ) as file:
        file.write(bands[0], 1)
    assert validate(plain).returncode != 0


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    """Run GDAL's validator."""
    return subprocess.run([*VALIDATOR, str(path)], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
