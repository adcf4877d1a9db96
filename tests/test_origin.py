"""Composites over HTTP: the same as from files, with no more requests than needed, whatever the server does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
import scenes
from scenes import Asset, Scene

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from origin import Fault, Origin
    from scenes import Item

BANDS = ["red", "green", "blue", "nir"]
SIDE = 512
BLOCK = 128
PASSING: list[Fault] = [
    {"kind": "too-many-requests", "retry_after": 1},
    {"kind": "unavailable", "burst": 3},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "whole"},
    {"kind": "stall"},
    {"kind": "other-etag"},
    {"kind": "wrong-range"},
]
"""Faults that pass by asking again."""
REFUSED = {"unavailable": "503", "too-many-requests": "429", "expired": "403", "unsigned": "409"}
"""Faults that a server may persist in, and how the cause names them."""


def make_scenes() -> list[Scene]:
    """Eight scenes of one place, each clear in a strip of its own: every one wins somewhere."""
    rng = np.random.default_rng(20230810)
    made = []
    for day in range(1, 9):
        scl = np.full((SIDE, SIDE), 9, np.uint8)
        scl[:, 64 * day - 64 : 64 * day + 16 + day] = 4
        bands = {name: Asset(rng.integers(100, 9000, (SIDE, SIDE)), block_size=BLOCK) for name in BANDS}
        when = f"2023-08-{day:02}T10:00:00Z"
        made.append(Scene(Asset(scl, block_size=BLOCK), bands, (SIDE, SIDE), when=when))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scenes."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def items(folder: Path) -> list[Item]:
    """Their items, with hrefs relative to the folder."""
    return scenes.write_catalog(folder, make_scenes())


@pytest.fixture(scope="module")
def server(folder: Path, serve: Callable[[Path], Origin]) -> Origin:
    """The server of the folder."""
    return serve(folder)


@pytest.fixture
def origin(server: Origin, monkeypatch: pytest.MonkeyPatch) -> Origin:
    """The same, behaving well, its counts at zero; a stall is noticed soon."""
    monkeypatch.setenv("BESTPIXEL_READ_TIMEOUT", "0.5")
    server.behave()
    return server


@pytest.fixture(scope="module")
def bbox() -> scenes.Bounds:
    """The box of all scenes."""
    return scenes.bbox_for(Scene(shape=(SIDE, SIDE)).bounds, 32633, 10.0)


@pytest.fixture(scope="module")
def truth(folder: Path, items: list[Item], bbox: scenes.Bounds) -> bp.Composite:
    """The composite from files."""
    return composite(scenes.with_absolute_hrefs(items, folder), bbox)


def composite(items: list[Item], bbox: scenes.Bounds, **options: Any) -> bp.Composite:  # noqa: ANN401
    """A composite of items."""
    defaults = {"datetime": "2023-08", "resolution": 10.0, "bands": BANDS, "top_k": 8}
    return bp.build_composite(bbox, catalog=items, endpoint="earth-search", **{**defaults, **options})


def check_same(out: bp.Composite, truth: bp.Composite) -> None:
    """Check that two composites are the same and nothing was skipped."""
    assert out.skipped == truth.skipped == []
    assert out.source_ids == truth.source_ids
    for name in BANDS:
        np.testing.assert_array_equal(out.bands[name], truth.bands[name], err_msg=name)
    for name in ("quality", "observation_count", "selected_observation"):
        np.testing.assert_array_equal(out[name], truth[name], err_msg=name)


def gets(origin: Origin) -> dict[str, list[tuple[int, int]]]:
    """For each file the ranges asked for: first byte and the one after the last."""
    asked: dict[str, list[tuple[int, int]]] = {}
    for request in origin.stats()["log"]:
        assert request["method"] == "GET", "HEAD is a round trip for nothing"
        first, last = map(int, request["range"].removeprefix("bytes=").split("-"))
        asked.setdefault(request["path"], []).append((first, last + 1))
    return asked


def test_http_equals_files(origin: Origin, items: list[Item], bbox: scenes.Bounds, truth: bp.Composite) -> None:
    """The same pixels; no HEAD; each file's header is read once; nothing is asked for that is not counted."""
    assert len(truth.source_ids) == 8
    assert set(np.unique(truth.selected_observation)) >= set(range(8))
    out = composite(scenes.with_urls(items, origin.url), bbox)
    check_same(out, truth)
    asked = gets(origin)
    assert len(asked) == 8 * (len(BANDS) + 1)
    for path, ranges in asked.items():
        assert sum(start == 0 for start, _ in ranges) == 1, path
        # Where quality has no overviews, the scout and the decision look at the same tiles.
        assert path.endswith("/scl.tif") or len(set(ranges)) == len(ranges), (
            f"{path} was asked for the same bytes twice"
        )
    stats = origin.stats()
    assert out.timings["requests"] == sum(stats["requests"].values())
    assert out.timings["bytes"] == stats["bytes"]


def test_connections_are_used_again(
    origin: Origin, items: list[Item], bbox: scenes.Bounds, truth: bp.Composite
) -> None:
    """About as many as requests may be under way at once, however many requests there are."""
    check_same(composite(scenes.with_urls(items, origin.url), bbox, concurrency=8), truth)
    stats = origin.stats()
    assert sum(stats["requests"].values()) > 100
    assert stats["connections"] <= 16


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_arrives_first_the_output_is_the_same(
    seed: int, origin: Origin, items: list[Item], bbox: scenes.Bounds, truth: bp.Composite
) -> None:
    """Answers come in another order for each seed; items, too, come in another order."""
    origin.behave(shuffle_ms=60, seed=seed)
    urls = scenes.with_urls(items, origin.url)
    check_same(composite(urls[seed:] + urls[:seed], bbox, concurrency=64), truth)


def test_neighbours_share_a_request(
    tmp_path: Path, serve: Callable[[Path], Origin], bbox: scenes.Bounds, origin: Origin
) -> None:
    """Sixteen tiles of a file that lie side by side are one request after the header's."""
    assert origin
    values = np.random.default_rng(1).integers(100, 9000, (SIDE, SIDE))
    scene = Scene(4, {"red": Asset(values, block_size=BLOCK)}, (SIDE, SIDE), when="2023-08-01T10:00:00Z")
    items = scenes.write_catalog(tmp_path, [scene])
    served = serve(tmp_path)
    out = composite(scenes.with_urls(items, served.url), bbox, bands=["red"])
    np.testing.assert_array_equal(out.bands["red"], values)
    (ranges,) = (ranges for path, ranges in gets(served).items() if path.endswith("/red.tif"))
    assert len(ranges) == 2
    header, tiles = sorted(ranges)
    size = (tmp_path / scene.item_id / "red.tif").stat().st_size
    assert header == (0, 32 * 1024)
    assert tiles[1] - tiles[0] > 0.9 * size


@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault["kind"])
def test_one_request_in_twenty_fails(
    fault: Fault, origin: Origin, items: list[Item], bbox: scenes.Bounds, truth: bp.Composite
) -> None:
    """The composite is the one without faults, and no file is asked for without end."""
    origin.behave({**fault, "rate": 0.05}, seed=7)
    check_same(composite(scenes.with_urls(items, origin.url), bbox), truth)
    stats = origin.stats()
    assert set(stats["faults"]) == {fault["kind"]}
    assert stats["faults"][fault["kind"]] >= 2


def test_one_request_in_twenty_fails_in_some_way(
    origin: Origin, items: list[Item], bbox: scenes.Bounds, truth: bp.Composite
) -> None:
    """The composite is the one without faults where all kinds of them together hit one request in twenty."""
    origin.behave(*({**fault, "rate": 0.05 / len(PASSING)} for fault in PASSING), seed=3)
    check_same(composite(scenes.with_urls(items, origin.url), bbox), truth)
    stats = origin.stats()
    assert len(stats["faults"]) >= 4
    assert 0.02 < sum(stats["faults"].values()) / sum(stats["requests"].values()) < 0.1


def test_all_faults_at_once(origin: Origin, items: list[Item], bbox: scenes.Bounds, truth: bp.Composite) -> None:
    """The composite is the one without faults where each of them hits one in twenty of a file's first four requests.

    A third of these fail. Were it a third of all requests, one in two hundred would have bad luck five times in a row.
    """
    origin.behave(*({**fault, "rate": 0.05, "burst": 1, "first": 4} for fault in PASSING), seed=7)
    check_same(composite(scenes.with_urls(items, origin.url), bbox), truth)
    faults = origin.stats()["faults"]
    assert len(faults) >= 6
    assert sum(faults.values()) >= 20


@pytest.mark.parametrize("kind", ["unavailable", "too-many-requests", "expired", "unsigned", "reset", "truncate"])
def test_a_file_that_stays_broken_is_named(kind: str, origin: Origin, items: list[Item], bbox: scenes.Bounds) -> None:
    """It is skipped with its cause after at most five attempts; its secret is nowhere."""
    victim = items[3]
    path = victim["assets"]["green"]["href"].removeprefix(".")
    origin.behave({"kind": kind, "prefix": path})
    # A request with a signature is not refused for having none.
    query = "?sv=SECRET" if kind == "unsigned" else "?sig=SECRET"
    urls = scenes.with_urls(items, origin.url, query)
    with pytest.warns(bp.SkippedWarning) as warned:
        out = composite(urls, bbox)
    (skipped,) = out.skipped
    assert (skipped["item"], skipped["href"]) == (victim["id"], origin.url(path[1:]))
    assert REFUSED.get(kind, "5 attempts") in skipped["cause"]
    assert victim["id"] not in out.source_ids
    assert origin.stats()["requests"][f"GET {path}"] == (1 if kind in {"expired", "unsigned"} else 5)
    assert "SECRET" not in f"{out.skipped} {[str(warning.message) for warning in warned]} {out!r}"


def test_raise_names_the_file(origin: Origin, items: list[Item], bbox: scenes.Bounds) -> None:
    """`on_error="raise"` raises ReadError with href and cause, without secrets."""
    path = items[3]["assets"]["green"]["href"].removeprefix(".")
    origin.behave({"kind": "expired", "prefix": path})
    with pytest.raises(bp.ReadError) as raised:
        composite(scenes.with_urls(items, origin.url, "?sig=SECRET"), bbox, on_error="raise")
    text = str(raised.value)
    assert items[3]["id"] in text
    assert origin.url(path[1:]) in text
    assert "403" in text
    assert "SECRET" not in text


# ---- the command, in an environment of its own


def run(
    items: list[Item], bbox: scenes.Bounds, place: Path, *more: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command on items."""
    catalog = place / "items.json"
    scenes.save_items(catalog, items)
    words = ["--bbox", *map(str, bbox), "--datetime", "2023-08", "--resolution", "10", "--endpoint", "earth-search"]
    words += ["--catalog", str(catalog), "--out-dir", str(place / "out"), "--bands", "red", *more]
    command = [sys.executable, "-m", "bestpixel._cli", *words]
    environ = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environ)  # noqa: S603


def test_no_secret_leaves_the_command(origin: Origin, items: list[Item], bbox: scenes.Bounds, tmp_path: Path) -> None:
    """Neither files, plan nor messages hold what stands in the query of an href."""
    path = items[3]["assets"]["red"]["href"].removeprefix(".")
    origin.behave({"kind": "truncate", "prefix": path})
    urls = scenes.with_urls(items, origin.url, "?sig=SECRET")
    done = run(urls, bbox, tmp_path, "--top-k", "8")
    assert done.returncode == 0, done.stderr
    assert items[3]["id"] in done.stderr
    told = (tmp_path / "out" / "composite.json").read_text()
    assert json.loads(told)["composite"]["skipped"]
    origin.behave()
    plan = run(urls, bbox, tmp_path, "--dry-run")
    assert plan.returncode == 0, plan.stderr
    for text in (done.stdout, done.stderr, told, plan.stdout, plan.stderr):
        assert "SECRET" not in text


def test_a_container_without_certificates(
    origin: Origin, items: list[Item], bbox: scenes.Bounds, tmp_path: Path
) -> None:
    """Where the system has no CA roots the client brings its own."""
    empty = tmp_path / "certs"
    empty.mkdir()
    done = run(scenes.with_urls(items, origin.url), bbox, tmp_path, SSL_CERT_DIR=str(empty))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == 0


def test_certificates_that_are_not_there(
    origin: Origin, items: list[Item], bbox: scenes.Bounds, tmp_path: Path
) -> None:
    """The message names the variable."""
    urls = scenes.with_urls(items, origin.url)
    done = run(urls, bbox, tmp_path, "--on-error", "raise", BESTPIXEL_CA_BUNDLE="/nowhere.pem")
    assert done.returncode == 4
    assert "BESTPIXEL_CA_BUNDLE" in done.stderr


def test_a_proxy_of_the_environment_is_used(
    origin: Origin, items: list[Item], bbox: scenes.Bounds, tmp_path: Path
) -> None:
    """Requests to a host that does not exist arrive at the proxy."""
    urls = scenes.with_urls(items, lambda href: f"http://scenes.invalid/{href.removeprefix('./')}")
    done = run(urls, bbox, tmp_path, HTTP_PROXY=f"http://127.0.0.1:{origin.port}", http_proxy=origin.url(""))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == 0
    assert Counter(origin.stats()["requests"]).total() > 0


@pytest.mark.parametrize("value", ["soon", "0", "-3"])
def test_a_timeout_that_is_none(
    value: str, items: list[Item], bbox: scenes.Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong value is refused by the variable's name."""
    monkeypatch.setenv("BESTPIXEL_READ_TIMEOUT", value)
    with pytest.raises(ValueError, match="BESTPIXEL_READ_TIMEOUT"):
        composite(items, bbox)
