"""`disk_cache`: what a second run asks for, that it gives the same, and that damage to the folder changes nothing."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
import scenes
from scenes import Asset
from stac_server import Standin
from test_origin import BANDS, SIDE, check_same, gets, make_scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from origin import Origin
    from scenes import Item

FILE = "bestpixel-cache.sqlite3"
BBOX = scenes.bbox_for(scenes.Scene(shape=(SIDE, SIDE)).bounds, 32633, 10.0)
OPTIONS: dict[str, Any] = {"resolution": 10.0, "bands": BANDS, "top_k": 8, "endpoint": "earth-search"}
DAY_S = 24 * 3600
ROUNDS = 20
"""How often a run is killed."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Item]]:
    """Scenes and their items, to be copied."""
    folder = tmp_path_factory.mktemp("original")
    return folder, scenes.write_catalog(folder, make_scenes())


@pytest.fixture
def folder(original: tuple[Path, list[Item]], tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return shutil.copytree(original[0], tmp_path / "served")


@pytest.fixture
def origin(folder: Path, serve: Callable[[Path], Origin], monkeypatch: pytest.MonkeyPatch) -> Origin:
    """The server of the copy."""
    monkeypatch.setenv("BESTPIXEL_READ_TIMEOUT", "5")
    return serve(folder)


@pytest.fixture
def items(original: tuple[Path, list[Item]], origin: Origin) -> list[Item]:
    """Items with URLs."""
    return scenes.with_urls(original[1], origin.url)


@pytest.fixture
def catalog(items: list[Item], tmp_path: Path) -> Path:
    """A file of them."""
    path = tmp_path / "items.json"
    scenes.save_items(path, items)
    return path


@pytest.fixture
def standin(items: list[Item]) -> Iterator[Standin]:
    """A STAC API that has the items."""
    with Standin(items=items, dialect="element84") as server:
        yield server


@pytest.fixture
def truth(original: tuple[Path, list[Item]]) -> bp.Composite:
    """The composite from local files."""
    return build(scenes.with_absolute_hrefs(original[1], original[0]))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "deep" / "cache"


def build(catalog: str | Path | list[Item], **options: Any) -> bp.Composite:  # noqa: ANN401
    """A composite of all scenes."""
    return bp.build_composite(BBOX, "2023-08", catalog=catalog, **OPTIONS, **options)


def count(origin: Origin) -> dict[str, int]:
    """Requests by what they are for; the counts begin anew."""
    kinds = {"header": 0, "quality": 0, "reflectance": 0}
    for path, ranges in gets(origin).items():
        tiles = "quality" if path.endswith("scl.tif") else "reflectance"
        for first, _ in ranges:
            kinds["header" if first == 0 else tiles] += 1
    origin.behave()
    return kinds


def warm(origin: Origin) -> bool:
    """Whether nothing but reflectance has been asked for since the last count."""
    kinds = count(origin)
    return kinds["header"] == kinds["quality"] == 0 < kinds["reflectance"]


def age(cache: Path, seconds: int) -> None:
    """Make all entries older; their checksum covers it."""
    with closing(sqlite3.connect(cache / FILE)) as database, database:
        for key, made, value in database.execute("SELECT key, made, value FROM kept").fetchall():
            older = made - seconds * 1000
            checksum = zlib.crc32(key.encode() + older.to_bytes(8, "little") + value)
            database.execute("UPDATE kept SET made = ?, checksum = ? WHERE key = ?", (older, checksum, key))


def replace_band(folder: Path, item: Item, name: str, seed: int) -> None:
    """Another file in a band's place, of the same layout."""
    values = np.random.default_rng(seed).integers(100, 9000, (SIDE, SIDE))
    path = folder / item["id"] / f"{name}.tif"
    path.unlink()
    scenes.write_cog(path, Asset(values, block_size=128), scenes.Scene(shape=(SIDE, SIDE)), "uint16")


# ---- what is asked for


def test_a_warm_run_asks_for_reflectance_only(
    origin: Origin, standin: Standin, cache: Path, truth: bp.Composite
) -> None:
    """Neither search nor header nor quality; the composite is the same, and so it is without a cache."""
    catalog = f"{standin.root}/v1"
    check_same(build(catalog, disk_cache=cache), truth)
    cold = count(origin)
    assert cold["header"] == 8 * (len(BANDS) + 1)
    assert cold["quality"] > 0
    searches = len(standin.searches)
    out = build(catalog, disk_cache=str(cache))
    check_same(out, truth)
    assert sum(origin.stats()["requests"].values()) == out.timings["requests"] == cold["reflectance"]
    assert count(origin) == {"header": 0, "quality": 0, "reflectance": cold["reflectance"]}
    assert len(standin.searches) == searches
    plan = bp.plan_composite(
        BBOX, "2023-08", 10.0, bands=BANDS, endpoint="earth-search", catalog=catalog, disk_cache=cache
    )
    assert plan["scenes"]
    assert not origin.stats()["log"]
    check_same(build(catalog), truth)
    assert count(origin)["header"] == cold["header"]


def test_a_cold_run_asks_for_no_tile_twice(origin: Origin, items: list[Item], cache: Path) -> None:
    """The decision finds what scouting has read."""
    build(items, disk_cache=cache)
    for path, ranges in gets(origin).items():
        assert len(set(ranges)) == len(ranges), path


def test_months_are_warm_after_a_composite(origin: Origin, standin: Standin, cache: Path, truth: bp.Composite) -> None:
    """What one call has kept another one finds."""
    catalog = f"{standin.root}/v1"
    build(catalog, disk_cache=cache)
    origin.behave()
    searches = len(standin.searches)
    with pytest.warns(bp.EmptyPeriodWarning):
        _, august = bp.build_monthly_composites(BBOX, 2023, [7, 8], catalog=catalog, disk_cache=cache, **OPTIONS)
    check_same(august, truth)
    assert warm(origin)
    assert len(standin.searches) == searches + 1, "July alone is searched for"


def test_the_neighbourhood_shares_tiles(origin: Origin, items: list[Item], cache: Path) -> None:
    """A smaller area inside needs no header and no tile of quality, although its requests would be others."""
    build(items, disk_cache=cache)
    origin.behave()
    west, south, east, north = BBOX
    middle = ((west + east) / 2, (south + north) / 2)
    part = (west * 0.6 + middle[0] * 0.4, south * 0.6 + middle[1] * 0.4, *middle)
    out = bp.build_composite(part, "2023-08", catalog=items, disk_cache=cache, **OPTIONS)
    assert warm(origin)
    check_same(out, bp.build_composite(part, "2023-08", catalog=items, **OPTIONS))


def test_tokens_may_change(origin: Origin, original: tuple[Path, list[Item]], cache: Path, truth: bp.Composite) -> None:
    """A new signature opens the same file; none is kept."""
    for number, query in enumerate(["?sv=1&se=2&sig=SECRET1", "?sv=2&se=3&sig=SECRET2", ""]):
        check_same(build(scenes.with_urls(original[1], origin.url, query), disk_cache=cache), truth)
        assert warm(origin) == (number > 0)
    assert b"SECRET" not in (cache / FILE).read_bytes()


def test_answers_with_signed_hrefs_are_not_kept(
    origin: Origin, original: tuple[Path, list[Item]], cache: Path, truth: bp.Composite
) -> None:
    """A search is repeated rather than a token kept; nor is the key of the API."""
    signed = scenes.with_urls(original[1], origin.url, "?sig=SECRET")
    with Standin(items=signed, dialect="element84") as standin:
        catalog = standin.root.replace("//", "//user:SECRET@") + "/v1"
        check_same(build(catalog, disk_cache=cache), truth)
        searches = len(standin.searches)
        check_same(build(catalog, disk_cache=cache), truth)
        assert len(standin.searches) == 2 * searches
        standin.items = scenes.with_urls(original[1], origin.url)
        build(catalog, disk_cache=cache)
        build(catalog, disk_cache=cache)
        assert len(standin.searches) == 3 * searches
    assert b"SECRET" not in (cache / FILE).read_bytes()


def test_local_files_are_not_kept(original: tuple[Path, list[Item]], cache: Path, truth: bp.Composite) -> None:
    """They would be no nearer; so they cannot be out of date either."""
    check_same(build(scenes.with_absolute_hrefs(original[1], original[0]), disk_cache=cache), truth)
    with closing(sqlite3.connect(cache / FILE)) as database:
        assert database.execute("SELECT count(*) FROM kept").fetchone() == (0,)


# ---- what is no longer true


def test_a_search_is_believed_for_an_hour(origin: Origin, standin: Standin, cache: Path) -> None:
    """Then new scenes are seen."""
    catalog, all_items = f"{standin.root}/v1", standin.items
    standin.items = all_items[:5]
    assert len(build(catalog, disk_cache=cache).source_ids) == 5
    standin.items = all_items
    age(cache, 3500)
    assert len(build(catalog, disk_cache=cache).source_ids) == 5
    age(cache, 200)
    assert len(build(catalog, disk_cache=cache).source_ids) == 8
    assert origin


def test_a_version_is_asked_for_after_a_day(
    origin: Origin, items: list[Item], cache: Path, truth: bp.Composite
) -> None:
    """By reading the header, which confirms all that is kept of the file."""
    build(items, disk_cache=cache)
    origin.behave()
    age(cache, DAY_S + 60)
    check_same(build(items, disk_cache=cache), truth)
    kinds = count(origin)
    assert kinds["header"] == 8 * (len(BANDS) + 1)
    assert kinds["quality"] == 0
    check_same(build(items, disk_cache=cache), truth)
    assert warm(origin)


@pytest.mark.parametrize("on_error", ["skip", "raise"])
def test_a_changed_file_is_noticed(on_error: str, origin: Origin, items: list[Item], folder: Path, cache: Path) -> None:
    """By the first answer with another ETag; everything is then as without a cache, and warm the next time."""
    build(items, disk_cache=cache)
    replace_band(folder, items[3], "green", 99)
    fresh = build(items)
    origin.behave()
    check_same(build(items, disk_cache=cache, on_error=on_error), fresh)
    opened = {path.split("/")[-2] for path, ranges in gets(origin).items() if any(first == 0 for first, _ in ranges)}
    assert opened == {items[3]["id"]}
    origin.behave()
    check_same(build(items, disk_cache=cache), fresh)
    assert warm(origin)


def test_a_changed_file_is_noticed_in_months(items: list[Item], folder: Path, cache: Path) -> None:
    """As in a single composite."""
    build(items, disk_cache=cache)
    replace_band(folder, items[3], "green", 99)
    fresh = build(items)
    (august,) = bp.build_monthly_composites(BBOX, 2023, 8, catalog=items, disk_cache=cache, **OPTIONS)
    check_same(august, fresh)


def test_a_changed_quality_file_is_noticed_after_a_day(items: list[Item], folder: Path, cache: Path) -> None:
    """Quality is believed for a day where nothing else of the scene has changed."""
    build(items, disk_cache=cache)
    path = folder / items[3]["id"] / "scl.tif"
    path.unlink()
    scenes.write_cog(path, Asset(np.full((SIDE, SIDE), 4), block_size=128), scenes.Scene(shape=(SIDE, SIDE)), "uint8")
    fresh = build(items)
    assert fresh.sources[0]["clear_fraction"] == 1.0
    age(cache, DAY_S + 60)
    check_same(build(items, disk_cache=cache), fresh)


# ---- what may happen to the folder


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda whole: whole[: len(whole) * 2 // 3],
    "emptied": lambda _: b"",
    "text": lambda _: b"no database\n" * 1000,
    "header": lambda whole: bytes(100) + whole[100:],
    "bits": lambda whole: bytes(byte ^ 4 if i % 1009 == 0 else byte for i, byte in enumerate(whole)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_a_miss(
    damage: str, origin: Origin, items: list[Item], cache: Path, truth: bp.Composite
) -> None:
    """The composite is right each time, and the cache is of use again."""
    build(items, disk_cache=cache)
    (cache / FILE).write_bytes(DAMAGES[damage]((cache / FILE).read_bytes()))
    for _ in range(3):
        origin.behave()
        check_same(build(items, disk_cache=cache), truth)
    assert warm(origin)


def test_values_that_were_tampered_with_are_misses(
    items: list[Item], origin: Origin, cache: Path, truth: bp.Composite
) -> None:
    """A sound database whose values are not what was kept, or are another key's."""
    build(items, disk_cache=cache)
    with closing(sqlite3.connect(cache / FILE)) as database, database:
        rows = database.execute("SELECT rowid, made, checksum, value FROM kept ORDER BY key").fetchall()
        for (row, *_), (_, *other) in zip(rows, rows[1:] + rows[:1]):
            database.execute("UPDATE kept SET made = ?, checksum = ?, value = ? WHERE rowid = ?", (*other, row))
    check_same(build(items, disk_cache=cache), truth)
    check_same(build(items, disk_cache=cache), truth)
    origin.behave()
    build(items, disk_cache=cache)
    assert warm(origin)


def test_a_folder_that_cannot_be_written_is_no_error(items: list[Item], truth: bp.Composite) -> None:
    """Nothing is kept there; not even root makes files in /proc."""
    check_same(build(items, disk_cache="/proc"), truth)


@pytest.mark.parametrize("below", ["", "/below"])
def test_a_folder_that_cannot_be_made_is_named(below: str, items: list[Item], tmp_path: Path) -> None:
    """A file lies there."""
    place = tmp_path / "occupied"
    place.write_text("")
    with pytest.raises(ValueError, match=f"disk_cache {place}{below}"):
        build(items, disk_cache=f"{place}{below}")


def test_the_bound_holds(
    origin: Origin, items: list[Item], cache: Path, truth: bp.Composite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where not all fits, some is asked for again; a bound that is none is refused."""
    monkeypatch.setenv("BESTPIXEL_CACHE_BYTES", "1000000")
    for _ in range(3):
        check_same(build(items, disk_cache=cache), truth)
        assert (cache / FILE).stat().st_size <= 1_100_000
    kinds = count(origin)
    assert kinds["header"] > 8 * (len(BANDS) + 1)
    monkeypatch.setenv("BESTPIXEL_CACHE_BYTES", "much")
    with pytest.raises(ValueError, match="BESTPIXEL_CACHE_BYTES"):
        build(items, disk_cache=cache)


# ---- processes


def start(catalog: Path, cache: Path, out: Path) -> subprocess.Popen[str]:
    """Start the command."""
    words = ["--bbox", *map(str, BBOX), "--datetime", "2023-08", "--resolution", "10", "--endpoint", "earth-search"]
    words += ["--bands", ",".join(BANDS), "--top-k", "8", "--catalog", str(catalog), "--out-dir", str(out)]
    command = [sys.executable, "-m", "bestpixel._cli", *words, "--disk-cache", str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))  # noqa: S603


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for its success; give what it tells."""
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    told: dict[str, Any] = json.loads(stdout)
    return told


def test_many_processes_share_a_folder(
    origin: Origin, catalog: Path, cache: Path, tmp_path: Path, truth: bp.Composite
) -> None:
    """All are right, and leave a cache that is."""
    running = [start(catalog, cache, tmp_path / f"out{i}") for i in range(4)]
    assert [finish(process)["skipped"] for process in running] == [0] * 4
    origin.behave()
    check_same(build(catalog, disk_cache=cache), truth)
    assert warm(origin)
    assert len({(tmp_path / f"out{i}" / "red.tif").read_bytes() for i in range(4)}) == 1


def test_the_command_refuses_a_folder_that_cannot_be_made(catalog: Path, tmp_path: Path) -> None:
    """As a wrong argument."""
    process = start(catalog, catalog, tmp_path / "out")
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert f"disk_cache {catalog}" in stderr


def test_killed_at_any_moment(
    origin: Origin, catalog: Path, cache: Path, truth: bp.Composite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each kill the cache is sound and the next run right."""
    # A small bound has it written to, and emptied, again and again.
    monkeypatch.setenv("BESTPIXEL_CACHE_BYTES", "1000000")
    origin.behave(delay_ms=20)
    out = catalog.parent / "out"
    begin = time.monotonic()
    finish(start(catalog, catalog.parent / "other", out))
    whole_run = time.monotonic() - begin
    moments, killed = random.Random(8), 0  # noqa: S311
    for _ in range(ROUNDS):
        process = start(catalog, cache, out)
        time.sleep(moments.uniform(0.2, 1.0) * whole_run)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        killed += process.returncode == -signal.SIGKILL
        if (cache / FILE).is_file():
            with closing(sqlite3.connect(cache / FILE)) as database:
                assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
    assert killed > ROUNDS / 2
    check_same(build(catalog, disk_cache=cache), truth)
    monkeypatch.delenv("BESTPIXEL_CACHE_BYTES")
    check_same(build(catalog, disk_cache=cache), truth)
    origin.behave()
    check_same(build(catalog, disk_cache=cache), truth)
    assert warm(origin)
