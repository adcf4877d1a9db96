"""Times GDAL's warper (one thread, its default tolerance) beside ours on the same arrays, and prints the ratios.

Run as `python benches/resample_gdal.py`, where the extension is installed in release mode. Both start from an array in
memory and make a new one; ours also copies its source, since the private door it goes through takes numpy arrays.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from bestpixel import _bestpixel
from rasterio.enums import Resampling
from rasterio.warp import reproject

if TYPE_CHECKING:
    from collections.abc import Callable

    from bestpixel._bestpixel import _Task

NODATA = 65535
SIZE = 2048
ROUNDS = 7


def best(work: Callable[[], object]) -> float:
    """The shortest of some rounds, in seconds of this process: what else the machine does hardly counts."""
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def task(source_crs: str, source: tuple[float, float, float], grid: tuple[float, float, float]) -> _Task:
    """A source (left, top, pixel) in a CRS, warped to a grid in UTM zone 33."""
    left, top, pixel = source
    return {
        "source_crs": source_crs,
        "source_transform": (pixel, 0.0, left, 0.0, -pixel, top),
        "grid_crs": "EPSG:32633",
        "grid_origin": grid,
        "grid_shape": (SIZE, SIZE),
    }


CASES = {
    "same CRS, same lattice": task("EPSG:32633", (6e5, 5e6, 10.0), (6e5, 5e6, 10.0)),
    "same CRS, shifted": task("EPSG:32633", (6e5, 5e6, 10.0), (600_003.0, 4_999_996.0, 10.0)),
    "same CRS, 20 m to 10 m": task("EPSG:32633", (6e5, 5e6, 20.0), (6e5, 5e6, 10.0)),
    "same CRS, 40 m to 60 m": task("EPSG:32633", (6e5, 5e6, 40.0), (6e5, 5e6, 60.0)),
    "other UTM zone": task("EPSG:32634", (227_000.0, 5_003_500.0, 10.0), (700_000.0, 5e6, 10.0)),
}


def gdal(source: np.ndarray[tuple[int, int], np.dtype[np.uint16]], where: _Task) -> None:
    """One warp by GDAL."""
    left, top, pixel = where["grid_origin"]
    reproject(
        source,
        np.full((SIZE, SIZE), NODATA, np.uint16),
        src_transform=Affine(*where["source_transform"]),
        src_crs=where["source_crs"],
        src_nodata=0,
        dst_transform=Affine(pixel, 0.0, left, 0.0, -pixel, top),
        dst_crs=where["grid_crs"],
        dst_nodata=NODATA,
        resampling=Resampling.bilinear,
        num_threads=1,
        # As ours: 2 x 2 samples, also where pixels grow.
        XSCALE=1,
        YSCALE=1,
    )


def main() -> None:
    """Time all cases."""
    print(f"bilinear, {SIZE} x {SIZE} uint16, one thread, level {_bestpixel._simd()}")
    for name, where in CASES.items():
        side = 3200 if "60 m" in name else 2300
        source = np.random.default_rng(1).integers(1, 10_000, (side, side)).astype(np.uint16)
        theirs = best(lambda source=source, where=where: gdal(source, where))  # type: ignore[misc]
        ours = best(lambda source=source, where=where: _bestpixel._resample(source, 0, "bilinear", where))  # type: ignore[misc]
        print(f"{name:26} GDAL {theirs * 1e3:7.1f} ms   ours {ours * 1e3:6.1f} ms   {theirs / ours:5.1f} x")


if __name__ == "__main__":
    main()
