"""The output does not depend on how it is made: how much memory there is, how many requests run at once, what for."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
import rasterio
import scenes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from origin import Origin

BANDS = ["red", "green", "blue", "nir"]


@pytest.fixture(scope="module")
def request_for_both_tiles(real_scenes: Path) -> dict[str, Any]:
    """Four rows of chunks over both tiles and their seam."""
    return {
        "bbox": (15.02, 45.10, 16.38, 46.92), "datetime": "2023-08-10/2023-08-20", "resolution": 120.0,
        "endpoint": "earth-search", "catalog": real_scenes / "items.json", "bands": BANDS,
    }  # fmt: skip


@pytest.fixture(scope="module")
def whole(request_for_both_tiles: dict[str, Any]) -> bp.Composite:
    """The composite made in one block."""
    return bp.build_composite(**request_for_both_tiles)


def assert_same(out: bp.Composite, other: bp.Composite) -> None:
    """Every array is the same in every pixel."""
    for band in BANDS:
        np.testing.assert_array_equal(out["bands"][band], other["bands"][band])
    for name in ("quality", "observation_count", "selected_observation"):
        np.testing.assert_array_equal(out[name], other[name])


@pytest.mark.parametrize("mebibytes", [1, 48])
def test_blocks_leave_no_trace(whole: bp.Composite, request_for_both_tiles: dict[str, Any], mebibytes: int) -> None:
    """A row of chunks at a time gives the same; tiles that two blocks share are read once where they can be kept."""
    out = bp.build_composite(**request_for_both_tiles, memory_limit=mebibytes << 20)
    assert_same(out, whole)
    again = out["timings"]["read_megapixels"] / whole["timings"]["read_megapixels"]
    assert (1.2 < again < 2.5) if mebibytes == 1 else again == 1.0, again


def test_what_memory_keeps_is_decoded_once(request_for_both_tiles: dict[str, Any]) -> None:
    """Of several blocks, where there is room for the tiles that they share."""
    request = {**request_for_both_tiles, "bands": ["red"]}
    blocks: list[int] = []

    def progress(_done: int, total: int, stage: str, _bytes: int) -> None:
        blocks.extend([total] if stage == "write" else [])

    whole = bp.build_composite(**request)
    out = bp.build_composite(**request, memory_limit=24 << 20, progress=progress)
    assert max(blocks) > 2
    np.testing.assert_array_equal(out["bands"]["red"], whole["bands"]["red"])
    assert out["timings"]["read_megapixels"] == whole["timings"]["read_megapixels"]


def test_what_memory_cannot_keep_lies_in_a_file(
    whole: bp.Composite, request_for_both_tiles: dict[str, Any], tmp_path: Path
) -> None:
    """Into a folder no tile is fetched twice, however little memory there is; in memory some are."""
    request = {**request_for_both_tiles, "memory_limit": 2 << 20}
    words = ["--bbox", *map(str, request["bbox"]), "--datetime", request["datetime"], "--resolution", "120"]
    words += ["--endpoint", "earth-search", "--catalog", str(request["catalog"]), "--bands", ",".join(BANDS)]
    words += ["--memory-limit", str(request["memory_limit"]), "--out-dir", str(tmp_path / "out")]
    subprocess.run([sys.executable, "-m", "bestpixel._cli", *words], check=True, capture_output=True)  # noqa: S603
    written = json.loads((tmp_path / "out" / "composite.json").read_text())["composite"]
    for band in BANDS:
        with rasterio.open(tmp_path / "out" / f"{band}.tif") as file:
            np.testing.assert_array_equal(file.read(1), whole["bands"][band])
    least = whole["timings"]["bytes"]
    assert written["timings"]["bytes"] <= 1.02 * least
    assert bp.build_composite(**request)["timings"]["bytes"] > 1.2 * least


@pytest.mark.parametrize("concurrency", [1, 3])
def test_concurrency_leaves_no_trace(
    whole: bp.Composite,
    request_for_both_tiles: dict[str, Any],
    real_scenes: Path,
    serve: Callable[[Path], Origin],
    concurrency: int,
) -> None:
    """Over a server, with one request or a few at once, the output is the same."""
    items = json.loads((real_scenes / "items.json").read_text())["features"]
    server = serve(real_scenes)
    served = {**request_for_both_tiles, "catalog": scenes.with_urls(items, server.url), "concurrency": concurrency}
    assert_same(bp.build_composite(**served), whole)


def peak_memory(request: dict[str, Any], latitudes: tuple[float, float], folder: Path) -> tuple[int, int]:
    """Bytes of resident memory that the command takes at most between two latitudes, and the rows that it writes."""
    west, _, east, _ = request["bbox"]
    words = [
        "--bbox",
        *map(str, (west, latitudes[0], east, latitudes[1])),
        "--datetime",
        request["datetime"],
        "--resolution",
        "20",
    ]
    words += ["--endpoint", "earth-search", "--catalog", str(request["catalog"]), "--bands", ",".join(BANDS)]
    words += ["--memory-limit", "64MiB", "--out-dir", str(folder), "--json"]
    # The peak of a process begins with what its parent had: so its parent is a small one.
    launcher = (
        "import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ); "
        "_, status, usage = os.wait4(pid, 0); print(usage.ru_maxrss * 1024); "
        "sys.exit(os.waitstatus_to_exitcode(status))"
    )
    command = [sys.executable, "-S", "-c", launcher, sys.executable, "-m", "bestpixel._cli", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
    told, memory = done.stdout.splitlines()
    return int(memory), json.loads(told)["grid"]["height"]


def test_memory_does_not_grow_with_the_area(request_for_both_tiles: dict[str, Any], tmp_path: Path) -> None:
    """Three times the rows of the same scenes take the same memory: what is finished goes to the disk."""
    small, few = peak_memory(request_for_both_tiles, (45.75, 46.35), tmp_path / "small")
    large, many = peak_memory(request_for_both_tiles, (45.10, 46.92), tmp_path / "large")
    output = (many - few) * 5300 * (2 * len(BANDS) + 10)
    assert many > 2.8 * few
    assert large - small < 0.15 * output, (small, large, output)
    assert large < 400 << 20


def test_one_processor_gives_the_same(
    whole: bp.Composite, request_for_both_tiles: dict[str, Any], tmp_path: Path
) -> None:
    """The number of threads that compute leaves no trace: here it is one, where the machine has more."""
    code = (
        "import os, pickle, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import bestpixel as bp; "
        "request = pickle.load(sys.stdin.buffer); out = bp.build_composite(**request); "
        "pickle.dump(out, open(sys.argv[1], 'wb'))"
    )
    path = tmp_path / "out.pickle"
    request = pickle.dumps(request_for_both_tiles)
    subprocess.run([sys.executable, "-c", code, path], input=request, check=True, timeout=120)  # noqa: S603
    assert_same(pickle.loads(path.read_bytes()), whole)  # noqa: S301


def test_files_hold_what_memory_holds(
    whole: bp.Composite, request_for_both_tiles: dict[str, Any], tmp_path: Path
) -> None:
    """`spx-build` streams rows to files, `save` writes arrays: both give the pixels of the arrays."""
    bbox = [str(v) for v in request_for_both_tiles["bbox"]]
    words = [
        "--bbox", *bbox, "--datetime", "2023-08-10/2023-08-20", "--resolution", "120",
        "--endpoint", "earth-search", "--catalog", str(request_for_both_tiles["catalog"]), "--bands", ",".join(BANDS),
        "--memory-limit", str(1 << 20), "--out-dir", str(tmp_path / "streamed"), "--quiet",
    ]  # fmt: skip
    subprocess.run([sys.executable, "-m", "bestpixel._cli", *words], check=True, timeout=120)  # noqa: S603
    whole.save(tmp_path / "saved")
    arrays = {**whole["bands"], "quality": whole["quality"], "observation_count": whole["observation_count"]}
    arrays["selected_observation"] = whole["selected_observation"]
    for name, array in arrays.items():
        for folder in ("streamed", "saved"):
            with rasterio.open(tmp_path / folder / f"{name}.tif") as file:
                np.testing.assert_array_equal(file.read(1), array)
                assert file.overviews(1) == [2, 4]
        streamed, saved = ((tmp_path / folder / f"{name}.tif").read_bytes() for folder in ("streamed", "saved"))
        assert streamed == saved
