"""Arrays and grids in, the same pixels as GDAL's and as a plain numpy kernel's out: nothing is half a pixel off.

GDAL's warper (exact positions, no widening of kernels) is the judge inside the source. Where its rules differ from
ours, a plain numpy kernel over exact PROJ positions is: GDAL gives no value to a pixel whose position lies in the outer
half pixel beyond the source, and none to one that lies in a missing sample, while rule V1 takes the neighbours there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from affine import Affine
from bestpixel import _bestpixel
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject

if TYPE_CHECKING:
    from bestpixel._bestpixel import _Task

NOTHING = 65535
MODIS = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs"
MODIS_PIXEL = 463.312716527917

Floats = NDArray[np.float64]
Uint16s = NDArray[np.uint16]
Method = Literal["bilinear", "cubic", "average"]


@dataclass(frozen=True)
class Case:
    """A source raster and a grid."""

    source_crs: str
    source: tuple[float, float, float]
    """Left, top, pixel."""
    grid_crs: str
    grid: tuple[float, float, float]
    """Left, top, pixel."""
    source_shape: tuple[int, int] = (160, 150)
    grid_shape: tuple[int, int] = (90, 110)
    """Rows, columns."""

    @property
    def task(self) -> _Task:
        """The case as the native module takes it."""
        left, top, pixel = self.source
        return {
            "source_crs": self.source_crs,
            "source_transform": (pixel, 0.0, left, 0.0, -pixel, top),
            "grid_crs": self.grid_crs,
            "grid_origin": self.grid,
            "grid_shape": (self.grid_shape[1], self.grid_shape[0]),
        }

    def positions(self) -> tuple[Floats, Floats]:
        """Exact source column and row of each grid pixel."""
        left, top, pixel = self.grid
        height, width = self.grid_shape
        x, y = np.meshgrid(left + (np.arange(width) + 0.5) * pixel, top - (np.arange(height) + 0.5) * pixel)
        if self.source_crs != self.grid_crs:
            x, y = Transformer.from_crs(self.grid_crs, self.source_crs, always_xy=True).transform(x, y)
        left, top, pixel = self.source
        return (np.asarray(x) - left) / pixel, (top - np.asarray(y)) / pixel

    def ours(self, source: NDArray[Any], method: Method = "bilinear", nodata: int = 0) -> Uint16s:
        """The package's pixels."""
        return _bestpixel._resample(source, nodata, method, self.task)

    def gdal(self, source: NDArray[Any], method: str = "bilinear", nodata: int = 0) -> Any:  # noqa: ANN401
        """GDAL's pixels, at exact positions.

        `reproject` has no way to switch GDAL's approximation of positions off (up to 0.125 source pixels), but GDAL
        does not approximate rows of at most five pixels: other CRSs are warped in strips.
        """
        strip = self.grid_shape[1] if self.source_crs == self.grid_crs else 5
        fill = nodata if method == "nearest" else NOTHING
        dtype = source.dtype if method == "nearest" else np.uint16
        out = [np.full((self.grid_shape[0], strip), fill, dtype) for _ in range(0, self.grid_shape[1], strip)]
        for i, part in enumerate(out):
            left = self.grid[0] + i * strip * self.grid[2]
            reproject(
                source,
                part,
                src_transform=Affine(*self.task["source_transform"]),
                src_crs=self.source_crs,
                src_nodata=nodata,
                dst_transform=Affine(self.grid[2], 0.0, left, 0.0, -self.grid[2], self.grid[1]),
                dst_crs=self.grid_crs,
                dst_nodata=fill,
                resampling=Resampling[method],
                num_threads=1,
                XSCALE=1,
                YSCALE=1,
            )
        return np.hstack(out)[:, : self.grid_shape[1]]


def around(source_crs: str, source: tuple[float, float, float], grid_crs: str, pixel: float) -> Case:
    """A grid in another CRS over the middle of a source."""
    case = Case(source_crs, source, grid_crs, (0.0, 0.0, pixel))
    (rows, cols), (height, width) = case.source_shape, case.grid_shape
    middle = source[0] + cols / 2 * source[2], source[1] - rows / 2 * source[2]
    x, y = Transformer.from_crs(source_crs, grid_crs, always_xy=True).transform(*middle)
    return Case(source_crs, source, grid_crs, (x - width / 2 * pixel, y + height / 2 * pixel, pixel))


def numpy_bilinear(case: Case, source: NDArray[Any], nodata: int = 0) -> Uint16s:
    """Rule V1 in float64 at exact positions."""
    col, row = case.positions()
    u, v = col - 0.5, row - 0.5
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    height, width = source.shape
    total, weights = np.zeros(u.shape), np.zeros(u.shape)
    for di, dj in ((0, 0), (1, 0), (0, 1), (1, 1)):
        c, r = i + di, j + dj
        inside = (c >= 0) & (c < width) & (r >= 0) & (r < height)
        sample = np.where(inside, source[np.where(inside, r, 0), np.where(inside, c, 0)], nodata).astype(np.float64)
        weight = np.where(di, u - i, 1 - (u - i)) * np.where(dj, v - j, 1 - (v - j)) * (sample != nodata)
        total += weight * sample
        weights += weight
    value = np.clip(np.floor(total / np.where(weights > 0, weights, 1) + 0.5), 1, NOTHING - 1)
    return np.where(weights > 0, value, NOTHING).astype(np.uint16)


def noise(shape: tuple[int, int], *, holes: bool, seed: int = 1, smooth: bool = False) -> Uint16s:
    """Reflectance: speckle, or hills where a position's hundredth of a pixel must not matter; islands of nodata 0."""
    random = np.random.default_rng(seed)
    rows, cols = np.indices(shape)
    hills = 3000 + 2000 * np.sin(cols / 17.0) * np.cos(rows / 23.0) + 10.0 * rows
    values = hills if smooth else random.integers(1, 10_000, shape)
    if holes:
        values = np.where(random.random(shape) < 0.05, 0, values)
        values[20:41, 30:55] = 0
    return values.astype(np.uint16)


UTM = (600_000.0, 5_000_040.0, 10.0)
SAME_CRS = {
    "same grid": (600_000.0, 5_000_040.0, 10.0),
    "shifted by whole pixels": (600_070.0, 4_999_930.0, 10.0),
    "shifted by half a pixel": (600_035.0, 4_999_935.0, 10.0),
    "shifted by odd parts": (600_033.3, 4_999_931.7, 10.0),
    "up by 0.3": (600_100.0, 4_999_900.0, 3.0),
    "up by 0.5": (600_100.0, 4_999_900.0, 5.0),
    "down by 1.5": (600_000.0, 5_000_040.0, 15.0),
    "down by 2": (600_000.0, 5_000_040.0, 20.0),
    "down by 3": (600_000.0, 5_000_040.0, 30.0),
    "down by 6": (600_000.0, 5_000_040.0, 60.0),
    "down by 7.3": (599_983.0, 5_000_051.0, 73.0),
    "down by 12": (600_000.0, 5_000_040.0, 120.0),
    "edges all around": (599_875.0, 5_000_165.0, 25.0),
    "nothing in common": (700_000.0, 5_000_040.0, 10.0),
}
OTHER_CRS = {
    "other zone": around("EPSG:32634", (228_000.0, 5_002_700.0, 10.0), "EPSG:32633", 10.0),
    "other zone, up by 0.3": around("EPSG:32634", (228_000.0, 5_002_700.0, 20.0), "EPSG:32633", 6.0),
    "other zone, down by 3": around("EPSG:32634", (228_000.0, 5_002_700.0, 10.0), "EPSG:32633", 30.0),
    "sinusoidal": around(MODIS, (1_111_950.5, 5_003_777.3, MODIS_PIXEL), "EPSG:32633", 480.0),
    "sinusoidal, south": around(MODIS, (2_223_901.0, -3_335_851.6, MODIS_PIXEL), "EPSG:32735", 500.0),
    "south": around("EPSG:32733", (300_000.0, 6_300_040.0, 10.0), "EPSG:32734", 10.0),
    "negative northings": around("EPSG:32633", (300_000.0, -3_699_960.0, 30.0), "EPSG:32733", 30.0),
    "Lambert": around("EPSG:32633", (600_000.0, 5_000_040.0, 10.0), "EPSG:3035", 10.0),
    "Mercator": around("EPSG:32633", (600_000.0, 5_000_040.0, 10.0), "EPSG:3857", 14.0),
    "degrees": around("EPSG:32633", (600_000.0, 5_000_040.0, 10.0), "EPSG:4326", 1e-4),
}


def same_crs(name: str) -> Case:
    """A case without a warp."""
    return Case("EPSG:32633", UTM, "EPSG:32633", SAME_CRS[name])


def error(a: NDArray[Any], b: NDArray[Any], where: Any = ...) -> int:  # noqa: ANN401
    """The largest difference."""
    difference = np.abs(a.astype(np.int64) - b.astype(np.int64))[where]
    return int(difference.max()) if difference.size else 0


def interior(case: Case, source: NDArray[Any], margin: float = 0.0) -> NDArray[np.bool_]:
    """Where GDAL's rules are ours: the position lies inside the source, in a sample with data."""
    col, row = case.positions()
    height, width = source.shape
    inside = (col >= margin) & (col < width - margin) & (row >= margin) & (row < height - margin)
    c, r = np.floor(np.where(inside, col, 0)).astype(int), np.floor(np.where(inside, row, 0)).astype(int)
    return np.asarray(inside & (source[r, c] != 0))


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("name", SAME_CRS)
def test_same_crs(name: str, holes: bool) -> None:  # noqa: FBT001
    """V1 without a warp: every pixel by numpy, pixels inside the source by GDAL."""
    case = same_crs(name)
    source = noise(case.source_shape, holes=holes)
    ours = case.ours(source)
    truth = numpy_bilinear(case, source)
    assert error(ours, truth) <= 1
    assert np.array_equal(ours == NOTHING, truth == NOTHING)
    inside = interior(case, source)
    assert error(ours, case.gdal(source), inside) <= 1
    assert inside.any() == (name != "nothing in common")


@pytest.mark.parametrize("name", OTHER_CRS)
def test_other_crs(name: str) -> None:
    """V1 and G3: smooth hills through a warp, by numpy and by GDAL."""
    case = OTHER_CRS[name]
    source = noise(case.source_shape, holes=False, smooth=True)
    ours = case.ours(source)
    truth = numpy_bilinear(case, source)
    inside = interior(case, source, 0.02)
    assert inside.mean() > 0.15
    # A hundredth of a pixel on these slopes (at most 120 DN per pixel) is 1.2 DN; the warp is far better.
    assert error(ours, truth, inside) <= 1
    assert error(ours, case.gdal(source), inside) <= 1
    col, row = case.positions()
    height, width = case.source_shape
    outside = (col < -0.52) | (row < -0.52) | (col > width + 0.52) | (row > height + 0.52)
    assert (ours[outside] == NOTHING).all()
    assert (ours[inside] != NOTHING).all()


@pytest.mark.parametrize("name", OTHER_CRS)
def test_nodata_islands_keep_their_shape_in_other_crs(name: str) -> None:
    """V1 and G3: what is missing, and what surrounds it."""
    case = OTHER_CRS[name]
    source = noise(case.source_shape, holes=False, smooth=True)
    source[40:60, 50:90] = 0
    ours, truth = case.ours(source), numpy_bilinear(case, source)
    # Where a sample's weight is nearly nothing, a hundredth of a pixel decides whether it is there.
    col, row = case.positions()
    near = np.minimum(np.abs(col - 0.5 - np.round(col - 0.5)), np.abs(row - 0.5 - np.round(row - 0.5))) < 0.02
    assert np.array_equal((ours == NOTHING) & ~near, (truth == NOTHING) & ~near)
    assert error(ours, truth, ~near) <= 1


@pytest.mark.parametrize("name", [*SAME_CRS, *OTHER_CRS])
def test_nearest(name: str) -> None:
    """V2, with and without a warp."""
    case = OTHER_CRS.get(name) or same_crs(name)
    source = np.random.default_rng(2).integers(1, 250, case.source_shape).astype(np.uint8)
    ours = _bestpixel._nearest(source, 0, case.task)
    col, row = case.positions()
    # On an edge between two samples either is near; GDAL rounds there as it likes.
    firm = (np.abs(col - np.round(col)) > 0.02) & (np.abs(row - np.round(row)) > 0.02)
    inside = interior(case, source) & firm
    i, j = (np.floor(np.where(inside, at, 0)).astype(int) for at in (col, row))
    assert np.array_equal(ours[inside], source[j, i][inside])
    assert np.array_equal(ours[firm], case.gdal(source, "nearest")[firm])


@pytest.mark.parametrize("name", [*SAME_CRS, "other zone", "sinusoidal"])
def test_cubic(name: str) -> None:
    """Cubic convolution away from missing samples and edges."""
    case = OTHER_CRS.get(name) or same_crs(name)
    source = noise(case.source_shape, holes=False, smooth=name in OTHER_CRS)
    source[70:80, 60:75] = 0
    # Near missing samples and near edges GDAL falls back to bilinear as we do, on its own terms.
    calm = interior(case, np.where(np.indices(source.shape)[0] < 66, source, 0), 2.0)
    assert error(case.ours(source, "cubic"), case.gdal(source, "cubic"), calm) <= 1
    assert name == "nothing in common" or calm.any()


@pytest.mark.parametrize("name", [n for n in SAME_CRS if n != "nothing in common"])
@pytest.mark.parametrize("holes", [False, True])
def test_average(name: str, holes: bool) -> None:  # noqa: FBT001
    """The mean over the area of an output pixel that lies wholly in the source."""
    case = same_crs(name)
    source = noise(case.source_shape, holes=holes)
    col, row = case.positions()
    half = case.grid[2] / case.source[2] / 2
    height, width = source.shape
    whole = (col >= half) & (row >= half) & (col <= width - half) & (row <= height - half)
    ours, gdal = case.ours(source, "average"), case.gdal(source, "average")
    assert error(ours, gdal, whole) <= 1
    assert whole.any()


def test_average_in_another_zone() -> None:
    """The same through a warp."""
    case = Case("EPSG:32634", (228_000.0, 5_002_700.0, 10.0), "EPSG:32633", (700_500.0, 5_000_000.0, 60.0), (700, 700))
    source = noise(case.source_shape, holes=False, smooth=True)
    inside = interior(case, source, 5.0)
    assert error(case.ours(source, "average"), case.gdal(source, "average"), inside) <= 1
    assert inside.mean() > 0.3


@pytest.mark.parametrize(("dtype", "nodata"), [(np.uint8, 255), (np.int16, 32767), (np.int16, -9999), (np.uint16, 0)])
def test_sample_types(dtype: type[np.generic], nodata: int) -> None:
    """All types that reflectance is stored in, with the fills of their sources (V3)."""
    case = same_crs("down by 1.5")
    source = noise(case.source_shape, holes=True).astype(np.int64) % 250
    source = np.where(source == 0, nodata, source).astype(dtype)
    assert error(case.ours(source, nodata=nodata), numpy_bilinear(case, source, nodata)) <= 1


def test_negative_reflectance_is_clamped() -> None:
    """Values below 1 become 1."""
    source = np.full((160, 150), -50, np.int16)
    assert (same_crs("same grid").ours(source, nodata=-9999) == 1).all()


def test_a_checkerboard_stays_where_it_is() -> None:
    """A shift of half a pixel would turn the board grey, one of a pixel would invert it."""
    source = (1000 + 4000 * (np.indices((160, 150)).sum(axis=0) % 2)).astype(np.uint16)
    assert np.array_equal(same_crs("same grid").ours(source), source[:90, :110])
    # Half a pixel away from all centres the board is grey all over, and so it is at odd multiples of its pixel.
    assert set(np.unique(same_crs("shifted by half a pixel").ours(source))) == {3000}
    assert set(np.unique(same_crs("down by 2").ours(source)[:80, :75])) == {3000}
    assert np.array_equal(same_crs("down by 3").ours(source)[:50, :50], source[1:151:3, 1:151:3])


def test_a_ramp_says_where_each_pixel_came_from() -> None:
    """Values that are positions: none is off, and they are not off on average."""
    cols = np.tile(np.arange(150) * 100 + 1000, (160, 1)).astype(np.uint16)
    rows = np.tile(np.arange(160)[:, None] * 100 + 1000, (1, 150)).astype(np.uint16)
    for case in [*map(same_crs, SAME_CRS), *OTHER_CRS.values()]:
        col, row = case.positions()
        inside = (col > 0.5) & (col < 149.5) & (row > 0.5) & (row < 159.5)
        for source, position in ((cols, col), (rows, row)):
            off = (case.ours(source)[inside].astype(np.float64) - 1000) / 100 + 0.5 - position[inside]
            # A hundredth of a pixel by the warp, half a hundredth by rounding.
            assert off.size == 0 or np.abs(off).max() < 0.0151
            assert off.size == 0 or abs(off.mean()) < 0.003


def test_the_window_holds_what_is_read() -> None:
    """Nothing outside the window changes a pixel."""
    for case in [*map(same_crs, SAME_CRS), *OTHER_CRS.values()]:
        source = noise(case.source_shape, holes=False)
        window = _bestpixel._window(case.task, case.source_shape)
        full = case.ours(source)
        if window is None:
            assert (full == NOTHING).all()
            continue
        col, row, width, height = window
        cut = np.zeros_like(source)
        cut[row : row + height, col : col + width] = source[row : row + height, col : col + width]
        assert np.array_equal(case.ours(cut), full)


SCRIPT = """
import sys
import numpy as np
from bestpixel import _bestpixel
from test_resample_gdal import OTHER_CRS, SAME_CRS, noise, same_crs
values = [np.frombuffer(_bestpixel._simd().encode().ljust(8), np.uint8).astype(np.uint16)]
for case in [*map(same_crs, SAME_CRS), *OTHER_CRS.values()]:
    values.append(case.ours(noise(case.source_shape, holes=True)).ravel())
sys.stdout.buffer.write(np.concatenate(values).tobytes())
"""


def test_every_level_gives_the_same_pixels() -> None:
    """Each vector level in a process of its own."""

    def run(level: str) -> tuple[str, bytes]:
        environment = {**os.environ, "BESTPIXEL_SIMD": level, "PYTHONPATH": os.pathsep.join(sys.path)}
        out = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, check=True).stdout  # noqa: S603
        return bytes(np.frombuffer(out[:16], np.uint16).astype(np.uint8)).decode().strip(), out[16:]

    name, pixels = run("scalar")
    assert name == "scalar"
    for level in ("avx2", "avx512", "no such level", ""):
        found, same = run(level)
        assert same == pixels, f"{level} ({found}) gives other pixels"
    assert _bestpixel._simd() in {"scalar", "avx2", "avx512"}
