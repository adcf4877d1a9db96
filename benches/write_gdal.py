"""Times GDAL's COG driver beside our writer on the same array, codec and level; gives a table of the ratios.

Run as `python benches/write_gdal.py [FOLDER]`, where the extension is installed in release mode. FOLDER has Sentinel-2
bands of 16 bits (B02.tif and so on in any sub-folder), which are laid side by side; without it, slopes under
noise are written. Both use all cores, tiles of 512, predictor 2 and overviews by averaging, and write to /dev/shm where
there is one, so that the disk does not count. Rounds alternate; the best of each counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from bestpixel import _bestpixel
from rasterio.io import MemoryFile
from rasterio.shutil import copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SIDE = 4096
ROUNDS = 5
NODATA = 65535
ORIGIN = (500_000.0, 5_000_000.0, 10.0)


def image(folder: Path | None) -> NDArray[np.uint16]:
    """A square of SIDE pixels."""
    if folder is None:
        rows, cols = np.indices((SIDE, SIDE))
        noise = np.random.default_rng(0).integers(0, 60, (SIDE, SIDE))
        return (1500 + 400 * np.sin(cols / 190) * np.cos(rows / 230) + noise).astype(np.uint16)
    bands = []
    for path in sorted(folder.glob("**/B*.tif")):
        with rasterio.open(path) as file:
            bands.append(file.read(1))
    height, width = (min(band.shape[axis] for band in bands) for axis in (0, 1))
    across = SIDE // width + 1
    down = SIDE // height + 1
    cells = [bands[i % len(bands)][:height, :width] for i in range(across * down)]
    square = np.vstack([np.hstack(cells[row * across : (row + 1) * across]) for row in range(down)])[:SIDE, :SIDE]
    return np.ascontiguousarray(np.where(square == 0, NODATA, square).astype(np.uint16))


def by_gdal(pixels: NDArray[np.uint16], path: Path, codec: str, level: int) -> None:
    """As GDAL's documentation says it: an image in memory, copied by the COG driver."""
    left, top, resolution = ORIGIN
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "width": SIDE,
        "height": SIDE,
        "count": 1,
        "dtype": "uint16",
        "crs": "EPSG:32633",
        "transform": Affine(resolution, 0, left, 0, -resolution, top),
        "nodata": NODATA,
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(pixels, 1)
        options = {"BLOCKSIZE": 512, "PREDICTOR": "YES", "OVERVIEW_RESAMPLING": "AVERAGE", "NUM_THREADS": "ALL_CPUS"}
        copy(memory.name, str(path), driver="COG", COMPRESS=codec, LEVEL=level, BIGTIFF="IF_SAFER", **options)


def by_us(pixels: NDArray[np.uint16], path: Path, codec: str, level: int) -> None:
    """Through the private door."""
    task = {"path": str(path), "names": ["red"], "crs": "EPSG:32633", "origin": ORIGIN, "nodata": NODATA}
    _bestpixel._write([pixels], {**task, "is_continuous": True, "codec": codec, "level": level})  # type: ignore[typeddict-item]


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """By the clock, and of all cores together: the latter hardly counts what else the machine does."""
    start = (time.perf_counter(), time.process_time())
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def measure(pixels: NDArray[np.uint16]) -> list[str]:
    """A row of a table for each codec and level."""
    shared = Path("/dev/shm")  # noqa: S108  memory, not a secret
    lines = [
        "| | GDAL, MB/s | ours, MB/s | by the clock | of cores | size, ours / GDAL's |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        for codec, level in (("deflate", 1), ("deflate", 6), ("zstd", 9)):
            path = {write: Path(folder) / f"{write.__name__}.tif" for write in (by_gdal, by_us)}
            rounds: dict[Any, list[tuple[float, float]]] = {write: [] for write in path}
            for write in list(path) * ROUNDS:
                rounds[write].append(seconds(lambda: write(pixels, path[write], codec, level)))  # noqa: B023  called here
            best = {write: tuple(map(min, zip(*times))) for write, times in rounds.items()}
            theirs, ours = (pixels.nbytes / best[write][0] / 1e6 for write in (by_gdal, by_us))
            clock, cores = (theirs / ours for theirs, ours in zip(best[by_gdal], best[by_us]))
            size = path[by_us].stat().st_size / path[by_gdal].stat().st_size
            row = f"{codec} {level} | {theirs:.0f} | {ours:.0f} | **{clock:.2f} x** | {cores:.2f} x | {size:.3f}"
            lines.append(f"| {row} |")
    return lines


def main() -> None:
    """Print the table."""
    print(f"{SIDE} x {SIDE} pixels of 16 bits, {os.cpu_count()} cores, GDAL {rasterio.__gdal_version__}")
    print("\n".join(measure(image(Path(sys.argv[1]) if len(sys.argv) > 1 else None))))


if __name__ == "__main__":
    main()
