"""A batch of months gives what the single calls give, in order, and asks for nothing twice; an empty month is told."""

from __future__ import annotations

import copy
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
from scenes import Item, Scene, bbox_for, with_absolute_hrefs, with_urls, write_catalog
from stac_server import Standin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from origin import Origin

OPTIONS: dict[str, Any] = {"resolution": 240.0, "endpoint": "earth-search", "bands": ["red", "nir"]}
BBOX = (15.02, 45.10, 16.38, 46.92)


@pytest.fixture(scope="module")
def items(real_scenes: Path) -> list[dict[str, Any]]:
    """The ten real scenes of August 2023, and half of them once more as if of September 2021."""
    features = json.loads((real_scenes / "items.json").read_text())["features"]
    august = with_absolute_hrefs(features, real_scenes)
    september = copy.deepcopy(august[::2])
    for item in september:
        item["id"] = item["id"].replace("202308", "202109")
        item["properties"]["datetime"] = item["properties"]["datetime"].replace("2023-08", "2021-09")
        item["properties"]["s2:datastrip_id"] = item["properties"]["s2:datastrip_id"].replace("202308", "202109")
    return august + september


def test_a_batch_equals_its_months(items: list[dict[str, Any]]) -> None:
    """Each month is the composite of its own call; the order is that of time; a month without scenes is nodata."""
    with pytest.warns(bp.EmptyPeriodWarning, match="2021-08, 2023-09"):
        batch = bp.build_monthly_composites(BBOX, [2023, 2021], (9, 8), catalog=items, **OPTIONS)
    assert [(out["year"], out.month) for out in batch] == [(2021, 8), (2021, 9), (2023, 8), (2023, 9)]
    for out in (batch[0], batch[3]):
        assert out["source_ids"] == []
        assert (out["quality"] == 65535).all()
        assert (out["bands"]["red"] == 65535).all()
    for out, month in ((batch[1], "2021-09"), (batch[2], "2023-08")):
        alone = bp.build_composite(BBOX, month, catalog=items, **OPTIONS)
        assert out["source_ids"] == alone["source_ids"]
        np.testing.assert_array_equal(out["selected_observation"], alone["selected_observation"])
        for band in OPTIONS["bands"]:
            np.testing.assert_array_equal(out["bands"][band], alone["bands"][band])


@pytest.mark.parametrize(("years", "months", "name"), [(2023, 13, "months"), ([], 1, "years"), (2023, "7", "months")])
def test_wrong_months_are_named(years: Any, months: Any, name: str) -> None:  # noqa: ANN401
    """The message names the argument."""
    with pytest.raises((TypeError, ValueError), match=name):
        bp.build_monthly_composites(BBOX, years, months, catalog=[], **OPTIONS)


# ---- small scenes of July, August and September


ASK: dict[str, Any] = {"resolution": 10.0, "endpoint": "earth-search", "bands": ["red"]}
BOX = bbox_for(Scene().bounds, 32633, 10.0)
"""The box of a scene of 16 x 16 pixels."""
NODATA = 65535
SUMMER = (7, 8, 9)
AT_ONCE = 8
"""Searches under way at once, at most: catalogues are no data hosts."""


def random_scl(rng: np.random.Generator, shape: tuple[int, int], cell: int) -> NDArray[np.uint8]:
    """Cells that are clear, cloudy, dark, marginal or unseen."""
    rows, cols = (-(-side // cell) for side in shape)
    classes = rng.choice(np.array([4, 9, 3, 7, 0], np.uint8), (rows, cols), p=[0.35, 0.4, 0.1, 0.1, 0.05])
    return np.asarray(np.kron(classes, np.ones((cell, cell), np.uint8))[: shape[0], : shape[1]])


def days(month: int, count: int) -> list[str]:
    """Some days of a month."""
    return [f"2023-{month:02}-{day:02}T10:00:00Z" for day in range(1, 2 * count, 2)]


def draw(months: tuple[int, ...], count: int) -> list[Scene]:
    """Scenes of 16 x 16 pixels for each month, with weather of their own; items tell other clouds than there are."""
    rng = np.random.default_rng(7)
    return [
        Scene(
            id=when[:10],
            scl=random_scl(rng, (16, 16), 2),
            bands={"red": 1000 + number},
            when=when,
            cloud_cover=float(rng.integers(0, 90)),
        )
        for number, when in enumerate(when for month in months for when in days(month, count))
    ]


def check_same(out: bp.Composite, other: bp.Composite) -> None:
    """Pixels, scenes and what is told of them."""
    for key in ("source_ids", "sources", "skipped", "partition_tiles", "multi_tile_chunks", "grid"):
        assert out[key] == other[key], key
    for band, values in other.bands.items():
        np.testing.assert_array_equal(out.bands[band], values, err_msg=band)
    for name in ("quality", "observation_count", "selected_observation"):
        np.testing.assert_array_equal(out[name], other[name], err_msg=name)


@pytest.mark.parametrize("months", [SUMMER, 8])
def test_nothing_at_all_is_nodata_everywhere(tmp_path: Path, months: Any) -> None:  # noqa: ANN401
    """Where all months are empty each is told, and each has the grid of the others."""
    items = with_absolute_hrefs(write_catalog(tmp_path, draw((6,), 2)), tmp_path)
    june = bp.build_composite(BOX, "2023-06", catalog=items, **ASK)
    with pytest.warns(bp.EmptyPeriodWarning) as warned:
        batch = bp.build_monthly_composites(BOX, 2023, months, catalog=items, **ASK)
    numbers = [months] if months == 8 else list(months)
    assert [str(each.message) for each in warned] == [
        f"no scene fits in {', '.join(f'2023-{month:02}' for month in numbers)}: nodata everywhere"
    ]
    assert [out.month for out in batch] == numbers
    for out in batch:
        assert out.grid == june.grid
        assert not any(out[key] for key in ("source_ids", "sources", "skipped", "partition_tiles"))
        assert out.multi_tile_chunks == 0
        for array in (out.bands["red"], out.quality, out.selected_observation):
            assert array.shape == june.quality.shape
            assert (array == NODATA).all()
        assert not out.observation_count.any()


def test_a_month_of_unusable_items_names_them(tmp_path: Path) -> None:
    """It is empty, and tells why; the others do not tell of it, and are as they would be alone."""
    items = with_absolute_hrefs(write_catalog(tmp_path, draw(SUMMER, 2)), tmp_path)
    august = [item for item in items if item["id"].startswith("2023-08")]
    for item in august:
        item["assets"]["red"] = {"href": f"https://example.org/{item['id']}/B04.jp2", "type": "image/jp2"}
    with (  # one after the other: what one does not want is for the other
        pytest.warns(bp.EmptyPeriodWarning, match=r"^no scene fits in 2023-08: nodata everywhere$"),
        pytest.warns(bp.SkippedWarning, match=r"^2 could not be read and left out.*B04\.jp2"),
    ):
        batch = bp.build_monthly_composites(BOX, 2023, SUMMER, catalog=items, **ASK)
    assert [(skip["item"], skip["href"]) for skip in batch[1].skipped] == [
        (item["id"], item["assets"]["red"]["href"]) for item in august
    ]
    assert all('asset "red" is no TIFF (image/jp2)' in skip["cause"] for skip in batch[1].skipped)
    assert batch[1].source_ids == []
    for month in (0, 2):
        check_same(batch[month], bp.build_composite(BOX, f"2023-{SUMMER[month]:02}", catalog=items, **ASK))
        assert batch[month].skipped == []
    with pytest.raises(bp.CatalogError, match=rf"{august[0]['id']}: asset .red. is no TIFF .*B04\.jp2"):
        bp.build_monthly_composites(BOX, 2023, SUMMER, catalog=items, on_error="raise", **ASK)


@pytest.mark.parametrize(
    "options",
    [
        {"coverage_target": 0.9, "min_k": 1},
        {"coverage_target": 0.5, "min_k": 3, "max_k": 5},
        {"coverage_target": 0.99, "windowed_fetch": True},
        {"top_k": 2},
    ],
    ids=lambda options: ",".join(f"{key}={value}" for key, value in options.items()),
)
def test_options_mean_in_months_what_they_mean_in_one(tmp_path: Path, options: dict[str, Any]) -> None:
    """Also where the scout looks on: a month has twelve scenes, and eight of them are looked at first."""
    items = with_absolute_hrefs(write_catalog(tmp_path, draw(SUMMER, 12)), tmp_path)
    asked = {**ASK, "catalog": items, "scout_factor": 2, **options}
    batch = bp.build_monthly_composites(BOX, 2023, SUMMER, **asked)
    for out in batch:
        check_same(out, bp.build_composite(BOX, f"2023-{out.month:02}", **asked))
        assert all(source.startswith(f"2023-{out.month:02}") for source in out.source_ids)
        assert len(set(np.unique(out.bands["red"]).tolist()) - {NODATA}) > 1, "several scenes win"


@pytest.mark.parametrize("limit", [None, 1 << 20, 300 << 20])
def test_each_month_tells_what_was_asked_for(tmp_path: Path, limit: int | None) -> None:
    """The limit of memory is the user's, not the share of it that a month gets; the period is the month."""
    items = with_absolute_hrefs(write_catalog(tmp_path, draw(SUMMER, 1)), tmp_path)
    batch = bp.build_monthly_composites(BOX, 2023, SUMMER, catalog=items, memory_limit=limit, **ASK)
    requests = [json.loads(out._metadata)["request"] for out in batch]
    assert [request["memory_limit"] for request in requests] == [limit] * 3
    assert [request["datetime"] for request in requests] == ["2023-07", "2023-08", "2023-09"]
    alone = bp.build_composite(BOX, "2023-08", catalog=items, memory_limit=limit, **ASK)
    assert requests[1] == json.loads(alone._metadata)["request"]


# ---- what is asked for


def check_one_look(origin: Origin, scenes: int) -> None:
    """Each file's header was read once, quality's and reflectance's."""
    headers: dict[str, int] = {}
    for request in origin.stats()["log"]:
        headers[request["path"]] = headers.get(request["path"], 0) + request["range"].startswith("bytes=0-")
    assert set(headers.values()) == {1}, headers
    assert sum(path.endswith("/scl.tif") for path in headers) == scenes


@pytest.mark.parametrize("options", [{}, {"coverage_target": 0.9}], ids=["top_k", "coverage_target"])
def test_months_of_an_api_are_a_search_each(
    tmp_path: Path, serve: Callable[[Path], Origin], options: dict[str, Any]
) -> None:
    """One search a month, for that month; each scene is opened once; the composites are those of local files."""
    items = write_catalog(tmp_path, draw(SUMMER, 3))
    origin = serve(tmp_path)
    with Standin(items=with_urls(items, origin.url), dialect="element84", page_size=99) as api:
        batch = bp.build_monthly_composites(BOX, 2023, SUMMER, catalog=f"{api.root}/v1", **ASK, **options)
    periods = [
        f"2023-{month:02}-01T00:00:00Z/2023-{month:02}-{last}T23:59:59.999Z"
        for month, last in zip(SUMMER, (31, 31, 30))
    ]
    assert sorted(search.body["datetime"] for search in api.searches) == periods
    check_one_look(origin, len(items))
    # Requests of a batch are counted together; the last month to be done knows all of them.
    assert max(out.timings["requests"] for out in batch) == sum(origin.stats()["requests"].values())
    local = with_absolute_hrefs(items, tmp_path)
    for out in batch:
        check_same(out, bp.build_composite(BOX, f"2023-{out.month:02}", catalog=local, **ASK, **options))


class Crowd(Standin):
    """An API that answers a search only when so many are there."""

    gate = threading.Barrier(1)

    def page(self, query: dict[str, Any], start: int) -> dict[str, Any]:
        """A page, when the others have come; a search that comes alone is refused after a while."""
        try:
            self.gate.wait(timeout=5.0)
        except threading.BrokenBarrierError:
            raise ValueError("searches come one after another") from None
        return super().page(query, start)


def test_searches_do_not_wait_for_one_another(tmp_path: Path) -> None:
    """All months are sought at once, so that together they take as long as the longest."""
    items = with_absolute_hrefs(write_catalog(tmp_path, draw((4, 5, 6, *SUMMER), 1)), tmp_path)
    api = Crowd(items=items, dialect="element84")
    api.gate = threading.Barrier(6)
    with api:
        batch = bp.build_monthly_composites(BOX, 2023, range(4, 10), catalog=f"{api.root}/v1", **ASK)
    assert [out.source_ids for out in batch] == [[item["id"]] for item in items]
    assert len(api.searches) == 6


class Counting(Standin):
    """An API that counts how many searches are under way."""

    lock = threading.Lock()
    under_way = 0
    most = 0

    def page(self, query: dict[str, Any], start: int) -> dict[str, Any]:
        """A page, after a while."""
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(0.05)
        with self.lock:
            self.under_way -= 1
        return super().page(query, start)


def test_searches_are_no_storm() -> None:
    """Two years of months are not all sought at once."""
    api = Counting(dialect="element84")
    with api, pytest.warns(bp.EmptyPeriodWarning, match="2022-01, 2022-02"):
        batch = bp.build_monthly_composites(BOX, (2022, 2023), range(1, 13), catalog=f"{api.root}/v1", **ASK)
    assert len(batch) == len(api.searches) == 24
    assert 1 < api.most <= AT_ONCE


# ---- whatever arrives first


AREA = (14.93, 45.995, 15.07, 46.045)
"""Two by three chunks of pixels of 10 m."""
TILES = {"33TWL": slice(0, 650), "33TXL": slice(550, 1150)}
"""Columns of each of two tiles that overlap in the middle of the area."""
ROWS, COLS = 700, 1150


def weather(month: int) -> list[Scene]:
    """Five days of both tiles, each with weather of its own."""
    rng = np.random.default_rng(month)
    ramp = np.add.outer(np.arange(ROWS), np.arange(COLS))
    drawn = []
    for number, when in enumerate(days(month, 5)):
        for tile, part in TILES.items():
            scl, shown = random_scl(rng, (ROWS, COLS), 50)[:, part], ramp[:, part]
            bands = {"red": 1000 * (number + 1) + shown, "nir": 9000 - shown}
            origin = (494_300.0 + 10 * part.start, 5_100_000.0)
            drawn.append(Scene(scl, bands, scl.shape, origin=origin, tile=tile, when=when))
    return drawn


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, serve: Callable[[Path], Origin]
) -> tuple[Origin, list[Item], Path]:
    """A server of two months' scenes, their items with hrefs relative to its folder, and the folder."""
    folder = tmp_path_factory.mktemp("months")
    items = write_catalog(folder, [scene for month in (7, 8) for scene in weather(month)])
    return serve(folder), items, folder


@pytest.mark.parametrize(
    "options",
    [
        {"coverage_target": 0.9, "min_k": 1},
        {"coverage_target": 0.9, "min_k": 1, "windowed_fetch": True},
        {"top_k": 2, "memory_limit": 24 << 20},
    ],
    ids=["coverage", "windowed", "blocks"],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_arrives_first_the_months_are_the_same(
    served: tuple[Origin, list[Item], Path], seed: int, options: dict[str, Any]
) -> None:
    """Answers in another order for each seed, over several chunks: as from files that lie here, and as single calls."""
    origin, items, folder = served
    asked: dict[str, Any] = {**ASK, "bands": ["red", "nir"], "scout_factor": 16, **options}
    still = bp.build_monthly_composites(AREA, 2023, (7, 8), catalog=with_absolute_hrefs(items, folder), **asked)
    origin.behave(shuffle_ms=30, seed=seed)
    urls = with_urls(items, origin.url)
    catalog = urls[seed:] + urls[:seed]
    stirred = bp.build_monthly_composites(AREA, 2023, (7, 8), catalog=catalog, **asked)
    for quiet, out in zip(still, stirred):
        assert out.quality.shape[0] > 512
        assert out.quality.shape[1] > 2 * 512
        assert out.multi_tile_chunks == 2
        check_same(out, quiet)
        check_same(bp.build_composite(AREA, f"2023-{out.month:02}", catalog=catalog, **asked), quiet)
        assert len(np.unique(out.selected_observation)) > 2


def test_a_month_is_saved_like_any_other(tmp_path: Path, sample: Path) -> None:
    """The files of a month are those of a single call."""
    asked: dict[str, Any] = {"resolution": 240.0, "endpoint": "earth-search", "catalog": sample, "bands": ["red"]}
    box = (17.6, 45.2, 18.6, 45.8)
    (july,) = bp.build_monthly_composites(box, 2024, 7, **asked)
    single = bp.build_composite(box, "2024-07", **asked)
    names = [path.name for path in july.save(tmp_path / "month")]
    assert names == [path.name for path in single.save(tmp_path / "single")]
    for name in names:
        if name.endswith((".tif", ".png")):
            assert (tmp_path / "month" / name).read_bytes() == (tmp_path / "single" / name).read_bytes()


def test_two_months_may_have_an_id_in_common(items: list[dict[str, Any]]) -> None:
    """Each month takes its own item of that name."""
    mixed = copy.deepcopy(items)
    for item in mixed:
        item["id"] = item["id"].replace("202109", "202308")
    with pytest.warns(bp.EmptyPeriodWarning, match="2021-08, 2023-09"):
        batch = bp.build_monthly_composites(BBOX, [2021, 2023], (8, 9), catalog=mixed, **OPTIONS)
    for out, month in ((batch[1], "2021-09"), (batch[2], "2023-08")):
        alone = bp.build_composite(BBOX, month, catalog=mixed, **OPTIONS)
        assert out["source_ids"] == alone["source_ids"]
        check_same(out, alone)
