"""How the package behaves in a process: signals, threads, forks, other packages' PROJ, the environment, the log."""

from __future__ import annotations

import itertools
import json
import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
import test_services
from bestpixel import _logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from origin import Origin
    from stac_server import Standin

standin = test_services.standin
HERE = Path(__file__).parent
ASK: dict[str, Any] = {
    "bbox": (17.6, 45.2, 18.6, 45.8), "datetime": "2024-07", "resolution": 360.0, "endpoint": "earth-search",
    "bands": ["red"],
}  # fmt: skip
STOPS_WITHIN_S = 0.2


@pytest.fixture(scope="session")
def served(sample: Path, serve: Callable[[Path], Origin]) -> tuple[Origin, list[dict[str, Any]]]:
    """A server of the sample's files, and the items with URLs of it."""
    origin = serve(sample.parent)
    items = json.loads(sample.read_text())["features"]
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = origin.url(asset["href"])
    return origin, items


def python(code: str, *arguments: str, **variables: str) -> str:
    """What a fresh interpreter prints; the tests' helpers can be imported there."""
    environment = {**os.environ, "PYTHONPATH": str(HERE), "NO_PROXY": "127.0.0.1", **variables}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True, text=True, timeout=300, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- Ctrl-C

INTERRUPT = """
import json, os, signal, sys, threading, time
import bestpixel as bp

# Who starts tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
ask, stage = json.loads(sys.argv[1]), sys.argv[2]

def interrupted():
    sent = []
    def send():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    def progress(done, total, at, fetched):
        if at == stage and not sent:
            threading.Timer(0.3, send).start()
            sent.append(0)
    try:
        bp.build_composite(**ask, progress=progress)
    except KeyboardInterrupt:
        return time.monotonic() - sent[-1]
    raise SystemExit("it was done before it could be interrupted")

print(json.dumps([interrupted() for _ in range(3)]))
"""


def seconds_to_stop(ask: dict[str, Any], stage: str) -> list[float]:
    """How long Ctrl-C takes to come back from a call, shortly after a stage has begun; of three calls."""
    told: list[float] = json.loads(python(INTERRUPT, json.dumps(ask), stage))
    return told


def test_ctrl_c_while_a_server_does_not_answer(served: tuple[Origin, list[dict[str, Any]]]) -> None:
    """Files that take half a minute to come are not waited for."""
    origin, items = served
    origin.behave(delay_ms=30_000)
    try:
        seconds = seconds_to_stop({**ASK, "catalog": items}, "scout")
    finally:
        origin.behave()
    assert min(seconds) < STOPS_WITHIN_S, seconds
    assert max(seconds) < 10, seconds


def test_ctrl_c_while_a_search_is_not_answered() -> None:
    """A STAC API that takes the connection and says nothing is not waited for."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        seconds = seconds_to_stop({**ASK, "catalog": url}, "catalog")
    assert min(seconds) < STOPS_WITHIN_S, seconds
    assert max(seconds) < 10, seconds


def test_ctrl_c_while_pixels_are_computed(sample: Path) -> None:
    """A composite that takes many seconds of decoding and resampling is left in the middle of it."""
    ask = {**ASK, "catalog": str(sample), "resolution": 8.0, "bands": None, "top_k": 6}
    seconds = seconds_to_stop(ask, "read")
    assert min(seconds) < STOPS_WITHIN_S, seconds
    assert max(seconds) < 10, seconds


def test_an_interrupted_process_can_go_on(served: tuple[Origin, list[dict[str, Any]]]) -> None:
    """What was cancelled leaves nothing behind that would disturb the next call."""
    origin, items = served
    whole = bp.build_composite(**ASK, catalog=items)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    origin.behave(delay_ms=200)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            bp.build_composite(**ASK, catalog=items, progress=stop)
    origin.behave()
    again = bp.build_composite(**ASK, catalog=items)
    np.testing.assert_array_equal(again.bands["red"], whole.bands["red"])


# ---- threads


def test_other_threads_run_meanwhile(served: tuple[Origin, list[dict[str, Any]]]) -> None:
    """A thread that counts goes on counting during a call."""
    origin, items = served
    done = threading.Event()
    ticks = itertools.count()

    def count() -> None:
        while not done.wait(0.001):
            next(ticks)

    counter = threading.Thread(target=count)
    origin.behave(delay_ms=100)
    try:
        counter.start()
        before = next(ticks)
        bp.build_composite(**ASK, catalog=items)
        during = next(ticks) - before
    finally:
        done.set()
        counter.join()
        origin.behave()
    # At least three answers one after the other: a third of a second at 1000 ticks a second, were the machine idle.
    assert during > 10


def test_threads_call_at_once(sample: Path) -> None:
    """Calls of several threads are under way together and do not disturb one another."""
    callers = 4
    alone = bp.build_composite(**ASK, catalog=sample)
    together = threading.Barrier(callers, timeout=60)
    made: list[bp.Composite] = []

    def call() -> None:
        met: list[int] = []

        def progress(*_: object) -> None:
            if not met:
                met.append(together.wait())

        made.append(bp.build_composite(**ASK, catalog=sample, progress=progress))

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == callers
    for out in made:
        np.testing.assert_array_equal(out.bands["red"], alone.bands["red"])


def test_calls_share_connections(served: tuple[Origin, list[dict[str, Any]]]) -> None:
    """A second call finds the connections of the first one open."""
    origin, items = served
    origin.behave()
    bp.build_composite(**ASK, catalog=items)
    first = origin.stats()
    origin.behave()
    bp.build_composite(**ASK, catalog=items)
    second = origin.stats()
    asked = [sum(stats["requests"].values()) for stats in (first, second)]
    assert asked[0] == asked[1] > 10
    assert second["connections"] <= asked[1] / 4


# ---- processes


def red(catalog: object) -> bytes:
    """A composite's pixels, in whatever process this runs."""
    out = bp.build_composite(**ASK, catalog=catalog)  # type: ignore[arg-type]
    return out.bands["red"].tobytes()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_works_after_a_fork(served: tuple[Origin, list[dict[str, Any]]]) -> None:
    """A child has none of its parent's threads and connections, and builds its own."""
    _, items = served
    here = red(items)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        there = pool.map_async(red, [items] * 4, chunksize=1).get(timeout=120)
    assert there == [here] * 4


DASK = """
import json, sys
import numpy as np
from distributed import Client, LocalCluster
import bestpixel as bp

def build(ask):
    import bestpixel as bp
    return bp.build_composite(**ask)

if __name__ == "__main__":
    ask = json.loads(sys.argv[1])
    here = build(ask)
    with LocalCluster(n_workers=1, threads_per_worker=2, processes=True, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            for future in client.map(build, [ask, ask], pure=False):
                there = future.result(timeout=120)
                assert isinstance(there, bp.Composite)
                np.testing.assert_array_equal(there.bands["red"], here.bands["red"])
"""


def test_works_in_a_dask_worker(sample: Path, tmp_path: Path) -> None:
    """Two tasks at once in a worker process; composites travel back."""
    script = tmp_path / "script.py"
    script.write_text(DASK)
    subprocess.run(  # noqa: S603
        [sys.executable, str(script), json.dumps({**ASK, "catalog": str(sample)})], timeout=300, check=True
    )


# ---- import

IMPORT = """
import os, sys, time
import numpy
threads, modules, start = len(os.listdir("/proc/self/task")), set(sys.modules), time.perf_counter()
import bestpixel
took = time.perf_counter() - start
print(len(os.listdir("/proc/self/task")) - threads, took, *sorted(set(sys.modules) - modules))
"""
HEAVY = {
    "asyncio", "base64", "concurrent", "ctypes", "email", "html", "http", "inspect", "logging", "multiprocessing",
    "pathlib", "pyproj", "rasterio", "socket", "ssl", "subprocess", "tqdm", "unittest", "urllib.request", "xarray",
}  # fmt: skip
"""Modules that take longer than they are worth before anything has been asked for."""


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_import_starts_no_thread_and_is_light() -> None:
    """No thread, none of the heavy modules beyond numpy's; 50 ms on an idle machine, of which a busy one gets more."""
    told = [python(IMPORT).split() for _ in range(5)]
    assert {threads for threads, *_ in told} == {"0"}
    assert HEAVY.isdisjoint(told[0][2:]), HEAVY & set(told[0][2:])
    assert min(float(took) for _, took, *_ in told) < 0.25


# ---- other packages and the environment

ORDER = """
import importlib, sys

def rasterio():
    import rasterio.warp
    return rasterio.warp.transform("EPSG:4326", "EPSG:32634", [18.0], [45.0])[0][0]

def pyproj():
    import pyproj
    return pyproj.Transformer.from_crs(4326, 32634, always_xy=True).transform(18.0, 45.0)[0]

def bestpixel():
    import numpy as np
    from bestpixel import _bestpixel
    return _bestpixel._project("EPSG:4326", "EPSG:32634", np.array([18.0]), np.array([45.0]))[0][0]

for _ in range(2):
    for name in sys.argv[1:]:
        print(globals()[name]())
"""


@pytest.mark.parametrize("order", list(itertools.permutations(["bestpixel", "pyproj", "rasterio"])))
def test_any_order_of_imports(order: tuple[str, ...]) -> None:
    """Three copies of PROJ live in one process and agree, whoever comes first."""
    eastings = [float(line) for line in python(ORDER, *order).split()]
    assert len(eastings) == 6
    np.testing.assert_allclose(eastings, eastings[0], atol=1e-3)


def test_a_foreign_proj_database_is_not_looked_at(tmp_path: Path) -> None:
    """PROJ_DATA of conda or pyproj may point anywhere."""
    (tmp_path / "proj.db").write_text("no database")
    foreign = {"PROJ_DATA": str(tmp_path), "PROJ_LIB": str(tmp_path)}
    assert python(ORDER, "bestpixel", **foreign) == python(ORDER, "bestpixel")


CA_VARIABLES = ("BESTPIXEL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def test_certificates_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standin: Standin) -> None:
    """A server whose root nobody knows is read from where a variable names the root, and not else."""
    import ssl  # noqa: PLC0415

    import trustme  # noqa: PLC0415

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    standin._server.socket = context.wrap_socket(standin._server.socket, server_side=True)
    bundle = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(bundle))
    scene = test_services.scene(tmp_path, "earth-search", "s1", "2024-07-10", 1000)
    catalog = test_services.served([scene], tmp_path, standin.root.replace("http:", "https:") + "/files")
    ask = {**test_services.ASK, "endpoint": "earth-search", "catalog": catalog}
    monkeypatch.setenv("BESTPIXEL_READ_TIMEOUT", "5")

    for variable in CA_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(bp.ReadError, match="certificate"):
        bp.build_composite(**ask, on_error="raise")
    for variable in CA_VARIABLES:
        with monkeypatch.context() as patch:
            patch.setenv(variable, str(bundle))
            assert (bp.build_composite(**ask).bands["red"] == 1000).all()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(bp.ReadError, match=r"REQUESTS_CA_BUNDLE.*nowhere\.pem"):
        bp.build_composite(**ask, on_error="raise")


# ---- log


def test_log_lines_arrive_in_logging(
    served: tuple[Origin, list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    """Requests, retries and limits are debug, stages info; records are made on the calling thread."""
    origin, items = served
    origin.behave({"kind": "unavailable", "first": 1})
    with caplog.at_level(logging.DEBUG, "bestpixel"):
        bp.build_composite(**ASK, catalog=items)
    origin.behave()
    texts = {(record.name, record.levelname): record.getMessage() for record in caplog.records}
    assert set(texts) == {("bestpixel.fetch", "DEBUG"), ("bestpixel.pipeline", "INFO")}
    assert {record.thread for record in caplog.records} == {threading.get_ident()}
    said = caplog.text
    for part in ("SCL.tif bytes 0..", "attempt 1: HTTP status 503", "requests at once", "scenes fit", "composite made"):
        assert part in said, part


def test_log_follows_the_level_of_python(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody wants to read does not come, and a single logger may want more than the others."""
    with caplog.at_level(logging.INFO, "bestpixel"):
        bp.build_composite(**ASK, catalog=sample)
    assert {record.levelno for record in caplog.records} == {logging.INFO}
    caplog.clear()
    bp.build_composite(**ASK, catalog=sample)
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, "bestpixel.fetch"):
        assert _logs.level() == logging.DEBUG


def test_what_is_skipped_is_logged(sample: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is not there is a warning of the log, too."""
    items = json.loads(sample.read_text())["features"]
    for item in items:
        for asset in item["assets"].values():
            asset["href"] = str(sample.parent / asset["href"])
    items[0]["assets"]["scl"]["href"] = "/nowhere/SCL.tif"
    with pytest.warns(bp.SkippedWarning, match="nowhere"):
        bp.build_composite(**ASK, catalog=items)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("bestpixel.skipped", "WARNING")
    assert "/nowhere/SCL.tif" in record.getMessage()


def test_log_keeps_secrets(standin: Standin, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither tokens nor keys come into a line, also where a token is refused."""
    test_services.pc_items(tmp_path, standin)
    with caplog.at_level(logging.DEBUG, "bestpixel"):
        bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", **test_services.ASK)
    assert standin.tokens
    assert {"bestpixel.fetch", "bestpixel.stac", "bestpixel.pipeline"} == {record.name for record in caplog.records}
    assert "sig=" not in caplog.text
    assert "secret" not in caplog.text
    assert "my-key" not in caplog.text


def test_a_handler_may_build_composites(sample: Path) -> None:
    """Who calls the package while it logs does not wait for ever."""
    begun: list[str] = []
    made: list[bp.Composite] = []

    class Builder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not begun:
                begun.append(record.getMessage())
                made.append(bp.build_composite(**ASK, catalog=sample))

    logger, handler = logging.getLogger("bestpixel"), Builder()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        bp.build_composite(**ASK, catalog=sample)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert len(made) == 1


SAVE = """
import json, os, signal, sys, threading, time
from pathlib import Path
import bestpixel as bp

# Who starts tests in the background has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
out, folder = bp.build_composite(**json.loads(sys.argv[1])), Path(sys.argv[2])

def interrupted():
    sent = []
    def send():
        while not folder.is_dir():
            time.sleep(0.001)
        time.sleep(0.02)
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=send).start()
    try:
        out.save(folder)
    except KeyboardInterrupt:
        took = time.monotonic() - sent[0]
        left = [path.name for path in folder.iterdir()]
        folder.rmdir()
        return took, left
    raise SystemExit("it was done before it could be interrupted")

print(json.dumps([interrupted() for _ in range(3)]))
"""


def test_ctrl_c_while_files_are_written(sample: Path, tmp_path: Path) -> None:
    """Saving stops between rows of tiles and leaves nothing half-written behind."""
    ask = {**ASK, "catalog": str(sample), "resolution": 20.0, "bands": ["red", "green", "blue", "nir", "swir16"]}
    told = json.loads(python(SAVE, json.dumps(ask), str(tmp_path / "out")))
    assert [left for _, left in told] == [[]] * 3
    seconds = [took for took, _ in told]
    assert min(seconds) < 0.5, seconds
    assert max(seconds) < 10, seconds
