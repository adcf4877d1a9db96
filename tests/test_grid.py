"""Bounding boxes in, grids out: the same as pyproj's densified bounds snapped by hand, wherever PROJ's data lie.

The subprocess tests start Python with the environments of conda and pyproj users, and load other copies of PROJ first.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import rasterio.warp
from bestpixel import _bestpixel
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

BBox = tuple[float, float, float, float]
MODIS = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs"
SLACK = 0.02  # metres by which two densified outlines of a box may differ
METRES_PER_DEGREE = 111_000.0


def grid(bbox: BBox, crs: str | None, resolution: float) -> dict[str, Any]:
    """The package's grid."""
    found: dict[str, Any] = json.loads(_bestpixel._grid(bbox, crs, resolution))
    kind, value = next(iter(found["crs"].items()))
    return {**found, "crs": f"EPSG:{value}" if kind == "epsg" else value}


def bounds_of(found: dict[str, Any]) -> BBox:
    """Left, bottom, right, top."""
    right = found["left"] + found["width"] * found["resolution"]
    return found["left"], found["top"] - found["height"] * found["resolution"], right, found["top"]


def zone_of(bbox: BBox) -> int:
    """EPSG code of the UTM zone of a box's centre (G1)."""
    west, south, east, north = bbox
    lon = (west + east + (360 if west > east else 0)) / 2
    zone = int(((lon + 180) % 360) // 6) + 1
    return (32700 if (south + north) / 2 < 0 else 32600) + zone


def outline(bbox: BBox, crs: str) -> BBox:
    """The projected bounds of a box's outline, by pyproj, edge by edge."""
    west, south, east, north = bbox
    east += 360 if west > east else 0
    t = np.linspace(0, 1, 5001)
    lon, lat = west + t * (east - west), south + t * (north - south)
    lons = np.concatenate([lon, lon, np.full_like(t, west), np.full_like(t, east)])
    lats = np.concatenate([np.full_like(t, south), np.full_like(t, north), lat, lat])
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lons, lats)
    return x.min(), y.min(), x.max(), y.max()


def check(bbox: BBox, crs: str, found: dict[str, Any], slack: float = SLACK) -> None:
    """Snapped outward, and no further."""
    resolution, truth, bounds = found["resolution"], outline(bbox, crs), bounds_of(found)
    outward = np.array([truth[0] - bounds[0], truth[1] - bounds[1], bounds[2] - truth[2], bounds[3] - truth[3]])
    assert (outward >= -slack).all(), outward
    assert (outward <= resolution + slack).all(), outward
    south = pyproj.CRS.from_user_input(crs).to_epsg() in range(32701, 32761)
    for value, origin in ((found["left"], 0.0), (found["top"], 1e7 if south else 0.0)):
        off = (value - origin) / resolution
        assert abs(off - round(off)) < 1e-6


def boxes(width: float = 3.0) -> st.SearchStrategy[BBox]:
    """Boxes anywhere but at the poles, also over the antimeridian."""

    def make(lon: float, lat: float, size: tuple[float, float]) -> BBox:
        east = lon + size[0]
        return lon, lat, east - 360 if east > 180 else east, min(lat + size[1], 80.0)

    size = st.tuples(st.floats(0.01, width), st.floats(0.01, width))
    return st.builds(make, st.floats(-180, 179.99), st.floats(-80, 79), size)


@given(boxes(), st.sampled_from([10.0, 20.0, 30.0, 60.0, 100.0, 37.5]))
@example((5.5, 45.0, 6.5, 46.0), 60.0)
@example((6.0, 45.0, 6.1, 46.0), 60.0)
@example((15.0, -33.5, 15.5, -33.0), 60.0)
@example((10.0, -0.5, 10.5, 0.5), 10.0)
@example((10.0, -0.6, 10.5, 0.5), 10.0)
@example((179.5, -17.0, -179.5, -16.5), 60.0)
@example((179.0, 60.0, -179.9, 61.0), 60.0)
@settings(max_examples=60, deadline=None)
def test_utm(bbox: BBox, resolution: float) -> None:
    """G1 anywhere, at zone edges, south, and over the antimeridian (G4)."""
    found = grid(bbox, None, resolution)
    assert found["crs"] == f"EPSG:{zone_of(bbox)}"
    check(bbox, found["crs"], found)


@given(boxes(1.0))
@settings(max_examples=25, deadline=None)
def test_rasterio_agrees(bbox: BBox) -> None:
    """GDAL's densified bounds lie within a pixel of the grid."""
    assume(bbox[0] < bbox[2])
    found = grid(bbox, None, 60.0)
    truth = rasterio.warp.transform_bounds("EPSG:4326", found["crs"], *bbox, densify_pts=2001)
    bounds = bounds_of(found)
    assert (np.abs(np.array(truth) - np.array(bounds)) <= 60.0 + SLACK).all()


@pytest.mark.parametrize("crs", ["EPSG:3035", "epsg:3857", MODIS, "ESRI:102003", "EPSG:25833", "OGC:CRS84"])
@pytest.mark.parametrize("bbox", [(13.0, 45.0, 15.0, 46.0), (-1.2, 51.0, 0.3, 51.9), (20.0, 40.0, 20.01, 40.02)])
def test_other_crs(crs: str, bbox: BBox) -> None:
    """Whatever PROJ understands."""
    resolution = 0.001 if crs == "OGC:CRS84" else 500.0
    check(bbox, crs, grid(bbox, crs, resolution), SLACK / METRES_PER_DEGREE if crs == "OGC:CRS84" else SLACK)


def test_degrees() -> None:
    """A geographic CRS: the resolution is in degrees."""
    found = grid((13.0, 45.0, 15.0, 46.0), "EPSG:4326", 0.01)
    assert (found["width"], found["height"]) == (200, 100)
    assert bounds_of(found) == pytest.approx((13.0, 45.0, 15.0, 46.0), abs=1e-9)


def test_feet() -> None:
    """Units of the CRS are units of the grid."""
    # New York Long Island in US survey feet: the resolution is in feet too.
    bbox = (-74.0, 40.6, -73.8, 40.8)
    check(bbox, "EPSG:2263", grid(bbox, "EPSG:2263", 100.0), 1.0)


@pytest.mark.parametrize("version", ["WKT1_GDAL", "WKT2_2019"])
def test_words_for_a_code(version: Any) -> None:  # noqa: ANN401
    """WKT and PROJ strings of a zone give the grid of the zone."""
    bbox = (15.0, -33.5, 15.5, -33.0)
    wkt = pyproj.CRS.from_epsg(32733).to_wkt(version)
    expected = grid(bbox, "EPSG:32733", 60.0)
    assert grid(bbox, wkt, 60.0) == expected
    assert grid(bbox, " EPSG:32733 ", 60.0) == expected
    proj4 = grid(bbox, "+proj=utm +zone=33 +south +datum=WGS84 +units=m", 60.0)
    assert {**proj4, "crs": "EPSG:32733"} == expected
    assert expected["top"] % 60 == 40


def test_sentinel_2_pixels_stay_on_their_lattice() -> None:
    """G1: 40 modulo 60 in the south."""
    # Origins of real tiles: 24MVV (south), 33TWL (north).
    south, north = grid((-39.2, -3.2, -38.7, -2.9), None, 10.0), grid((15.0, 45.2, 15.4, 45.6), None, 10.0)
    assert (south["top"] - 9_700_000) % 10 == 0
    assert (north["top"] - 5_000_040) % 10 == 0
    assert (grid((-39.2, -3.2, -38.7, -2.9), None, 60.0)["top"] - 9_600_040) % 60 == 0


def test_over_the_antimeridian() -> None:
    """G4: one grid, or a clear refusal."""
    bbox = (179.5, -17.0, -179.5, -16.5)
    for crs, resolution, width in (("EPSG:4326", 0.001, 1000), ("EPSG:3857", 100.0, 1114), ("EPSG:32760", 100.0, 1070)):
        found = grid(bbox, crs, resolution)
        assert abs(found["width"] - width) < 8, crs
    with pytest.raises(ValueError, match="torn at the antimeridian"):
        grid(bbox, MODIS, 500.0)


@pytest.mark.parametrize(
    ("bbox", "crs", "message"),
    [
        ((0.0, 85.0, 1.0, 90.0), "EPSG:3857", "no image|more than|torn"),
        ((-31.0, 0.0, -29.0, 1.0), "EPSG:3832", "torn"),
        ((-170.0, -10.0, 170.0, 10.0), "EPSG:32633", "cannot be projected|more than"),
        ((0.0, 0.0, 1.0, 1.0), "EPSG:999999", "does not understand"),
        ((0.0, 0.0, 1.0, 1.0), "gibberish", "does not understand"),
        ((0.0, 0.0, 1.0, 1.0), "EPSG:4978", "does not understand"),
        ((0.0, 0.0, 1.0, 1.0), "EPSG:5703", "does not understand"),
        ((0.0, 0.0, 1.0, 1.0), "", "does not understand"),
    ],
)
def test_clear_errors(bbox: BBox, crs: str, message: str) -> None:
    """What cannot be done is said."""
    with pytest.raises(ValueError, match=message):
        grid(bbox, crs, 100.0)


def test_around_a_pole() -> None:
    """A polar CRS holds a whole polar cap."""
    found = grid((-180.0, 80.0, 180.0, 90.0), "EPSG:3995", 1000.0)
    assert abs(found["width"] - 2184) < 8
    assert found["width"] == found["height"]


@given(st.floats(-179, 179), st.floats(-80, 80), st.sampled_from(["EPSG:3035", "EPSG:3857", "EPSG:32733", MODIS]))
@settings(max_examples=60, deadline=None)
def test_points(lon: float, lat: float, crs: str) -> None:
    """Single points by two copies of PROJ."""
    xs, ys = _bestpixel._project("EPSG:4326", crs, np.array([lon]), np.array([lat]))
    x, y = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    if math.isfinite(x) and abs(x) < 1e8:
        # The two copies of PROJ are of different years.
        assert abs(xs[0] - x) < 1e-3
        assert abs(ys[0] - y) < 1e-3


SCRIPT = """
{imports}
from bestpixel import _bestpixel
print(_bestpixel._grid((15.0, -33.5, 15.5, -33.0), None, 60.0))
print(_bestpixel._grid((13.0, 45.0, 15.0, 46.0), "EPSG:3035", 60.0))
import numpy as np
import pyproj, rasterio.warp
x, y = pyproj.Transformer.from_crs(4326, 32633, always_xy=True).transform(15.2, 45.0)
a, b = rasterio.warp.transform("EPSG:4326", "EPSG:32633", [15.2], [45.0])
c, d = _bestpixel._project("EPSG:4326", "EPSG:32633", np.array([15.2]), np.array([45.0]))
print(abs(a[0] - c[0]) < 1e-3, abs(b[0] - d[0]) < 1e-3, bool({checks}))
"""


def run(
    imports: str, checks: str = "abs(x - c[0]) < 1e-3", cwd: Path | None = None, extra: dict[str, str] | None = None
) -> list[str]:
    """The lines of a fresh process."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PROJ_DATA", "PROJ_LIB"}}
    kept |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **(extra or {})}
    script = SCRIPT.format(imports=imports, checks=checks)
    command = [sys.executable, "-W", "ignore", "-c", script]
    out = subprocess.run(command, env=kept, cwd=cwd, capture_output=True, check=True, text=True)  # noqa: S603
    assert "proj.db" not in out.stderr
    return out.stdout.splitlines()


@pytest.mark.parametrize("order", ["import bestpixel", "import pyproj, rasterio", "import rasterio, pyproj"])
def test_whatever_is_imported_first(order: str) -> None:
    """Three copies of PROJ in one process."""
    assert run(order)[:2] == expected_lines()
    assert run(order)[2] == "True True True"


def expected_lines() -> list[str]:
    """The grids of the script, by this process."""
    first = _bestpixel._grid((15.0, -33.5, 15.5, -33.0), None, 60.0)
    return [first, _bestpixel._grid((13.0, 45.0, 15.0, 46.0), "EPSG:3035", 60.0)]


# What rasterio and pyproj make of others' data is not our concern: they are loaded, but only our lines are looked at.
ONLY_OURS = """
import types
import rasterio.warp, pyproj
rasterio.warp.transform = lambda *_: ([0], [0])
pyproj.Transformer.from_crs = lambda *_, **__: types.SimpleNamespace(transform=lambda *_: (0, 0))
"""


@pytest.mark.parametrize("variable", ["PROJ_DATA", "PROJ_LIB"])
def test_the_data_of_another_installation(variable: str, tmp_path: Path) -> None:
    """PROJ_DATA of conda and pyproj users: other versions' data, junk, nothing."""
    junk = tmp_path / "junk"
    junk.mkdir()
    (junk / "proj.db").write_bytes(b"this is no database" * 100)
    for folder in (pyproj.datadir.get_data_dir(), str(tmp_path / "not there"), str(junk)):
        lines = run(ONLY_OURS, "0", extra={variable: folder})
        assert lines[:2] == expected_lines(), folder


def test_a_database_in_the_working_directory_is_left_alone(tmp_path: Path) -> None:
    """PROJ by itself would read it."""
    (tmp_path / "proj.db").write_bytes(b"this is no database" * 100)
    assert run(ONLY_OURS, "0", cwd=tmp_path)[:2] == expected_lines()
