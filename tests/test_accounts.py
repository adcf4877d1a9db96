"""What a composite tells of itself: tiles, order and clearness of its scenes, timings, what was left out and why."""

from __future__ import annotations

import base64
import copy
import json
import logging
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import least
import numpy as np
import oracle
import pytest
from scenes import Asset, Bounds, Item, Scene, bbox_for, with_absolute_hrefs, with_urls, write_catalog
from stac_server import Standin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from origin import Origin

NODATA = 65535
CLEAR, CLOUD, UNSEEN = 4, 9, 0
STAGES = ("catalog", "scout", "plan", "quality", "read", "write")
ASK: dict[str, Any] = {"resolution": 10.0, "bands": ["red"], "endpoint": "earth-search"}
BOX = bbox_for(Scene().bounds, 32633, 10.0)
"""The box of a scene of 16 x 16 pixels."""
SLACK_S = 1e-3
"""Clocks are read one after another."""


def read(path: Path) -> list[Item]:
    """The items of a file."""
    items: list[Item] = json.loads(path.read_text())["features"]
    return items


def both(folder: Path, items: list[Item], **options: Any) -> tuple[bp.Composite, oracle.Truth]:  # noqa: ANN401
    """The package's composite and the oracle's, of items whose hrefs are relative to a folder."""
    asked: dict[str, Any] = {"datetime": "2023-08-01/2023-08-31", "resolution": 10.0, "bands": ["red"], **options}
    out = bp.build_composite(catalog=with_absolute_hrefs(items, folder), endpoint="earth-search", **asked)
    return out, oracle.composite(items, base=folder, **asked)


def composite(items: list[Item], **options: Any) -> bp.Composite:  # noqa: ANN401
    """A composite of small scenes."""
    return bp.build_composite(**{"bbox": BOX, "datetime": "2023-08", "catalog": items, **ASK, **options})


def small(folder: Path, *shown: Scene) -> list[Item]:
    """Scenes of 16 x 16 pixels, with hrefs that hold everywhere."""
    return with_absolute_hrefs(write_catalog(folder, shown), folder)


# ---- tiles, and the order of scenes


def clear_fractions(folder: Path, items: list[Item], truth: oracle.Truth, **asked: Any) -> dict[str, float]:  # noqa: ANN401
    """Of each candidate the clear cells by those that it observes, as the oracle scouts."""
    grid = oracle.make_grid(asked["bbox"], asked["resolution"], "native")
    windows, factor = oracle.chunks(grid).values(), asked.get("scout_factor", 8)
    fractions = {}
    for scene in oracle.to_scenes(items, ["red", "scl"], folder):
        if scene.id in truth.clear_cells:
            observed = sum(int(oracle.view(scene, grid, window, factor).observed.sum()) for window in windows)
            fractions[scene.id] = truth.clear_cells[scene.id] / max(observed, 1)
    return fractions


def check_accounts(folder: Path, items: list[Item], within: float, **asked: Any) -> bp.Composite:  # noqa: ANN401
    """Tiles, order and clearness are the oracle's; clear fractions `within` so much."""
    out, truth = both(folder, items, **asked)
    assert out.partition_tiles == sorted({tile for tiles in truth.chunk_tiles.values() for tile in tiles})
    assert out.multi_tile_chunks == sum(len(tiles) > 1 for tiles in truth.chunk_tiles.values())
    when = {item["id"]: oracle.parse_time(item["properties"]["datetime"]).timestamp() for item in items}
    by_rule = sorted(truth.selected, key=lambda scene: (-truth.clear_cells[scene], -when[scene], scene))
    assert out.source_ids == truth.source_ids == by_rule
    assert [source["id"] for source in out.sources] == out.source_ids
    expected = clear_fractions(folder, items, truth, **asked)
    for source in out.sources:
        assert source["clear_fraction"] == pytest.approx(expected[source["id"]], abs=within), source["id"]
        assert source["tile"] in source["id"]
    return out


@pytest.mark.parametrize(
    ("asked", "tiles", "multi"),
    [
        ({"bbox": (15.02, 45.10, 16.38, 46.92), "resolution": 120.0}, ["33TWL", "33TWM"], 2),
        ({"bbox": (15.2, 45.8, 15.9, 46.2), "resolution": 60.0, "coverage_target": 0.95}, ["33TWL", "33TWM"], 2),
        ({"bbox": (15.2, 45.8, 15.9, 46.2), "resolution": 90.0, "scout_factor": 5, "top_k": 1}, ["33TWL", "33TWM"], 2),
        ({"bbox": (16.3, 45.98, 16.45, 46.08), "resolution": 30.0, "top_k": 10}, ["33TWM"], 0),
    ],
    ids=["both tiles", "seam", "top_k=1", "corner"],
)
def test_real_scenes_over_a_seam(real_scenes: Path, asked: dict[str, Any], tiles: list[str], multi: int) -> None:
    """Chunks on the seam require both tiles, where both have something of their own; scenes come best first."""
    out = check_accounts(real_scenes, read(real_scenes / "items.json"), 1e-12, **asked)
    assert (out.partition_tiles, out.multi_tile_chunks) == (tiles, multi)


@pytest.mark.parametrize(("resolution", "multi"), [(120.0, 0), (240.0, 1)])
def test_tiles_of_two_zones(sample: Path, resolution: float, multi: int) -> None:
    """The same where one of the tiles is warped: its cells may be off by the pixel that they are sampled at."""
    asked = {"bbox": (17.3, 45.2, 18.9, 45.9), "datetime": "2024-07-01/2024-07-31", "resolution": resolution}
    out = check_accounts(sample.parent, read(sample), 0.002, **asked)
    assert (out.partition_tiles, out.multi_tile_chunks) == (["33TYL", "34TBR"], multi)


def strip(tile: str, first: int, last: int) -> Scene:
    """A scene of 16 rows of pixels of 1 m, that begins and ends at some columns of `row_of_chunks`."""
    return Scene(id=tile, tile=tile, shape=(16, last - first), origin=(499_200.0 + first, 5_100_000.0), resolution=1.0)


def test_tiles_that_some_chunk_requires(tmp_path: Path) -> None:
    """Four chunks: of one tile, of two, of the second, of none. A third tile has nothing of its own."""
    shown = strip("33TWL", 0, 800), strip("33TXL", 700, 1100), strip("33TYL", 720, 780)
    items = write_catalog(tmp_path, shown)
    bounds: Bounds = (499_200.0, 5_099_984.0, 500_900.0, 5_100_000.0)
    asked = {"bbox": bbox_for(bounds, 32633, 1.0), "resolution": 1.0, "scout_factor": 4}
    out, truth = both(tmp_path, items, **asked)
    assert truth.chunk_tiles == {(0, 0): ["33TWL"], (0, 1): ["33TWL", "33TXL"], (0, 2): ["33TXL"], (0, 3): []}
    assert out.partition_tiles == ["33TWL", "33TXL"]
    assert out.multi_tile_chunks == 1
    assert set(out.source_ids) == {"33TWL", "33TXL"}


@pytest.mark.parametrize("backwards", [False, True])
def test_order_and_clearness_by_construction(tmp_path: Path, *, backwards: bool) -> None:
    """The larger clear area first, then the newer, then the smaller id; clear is counted of what is observed."""
    most, half = np.full((2, 16, 16), CLOUD, np.uint8)
    most[:12], half[:] = CLEAR, UNSEEN
    half[:8] = CLEAR
    shown = [
        Scene(id="whole", when="2023-08-01T10:00:00Z"),
        Scene(id="newer", scl=most, when="2023-08-20T10:00:00Z"),
        Scene(id="a", scl=most, sensing_start="20230810T090000"),
        Scene(id="b", scl=most, sensing_start="20230810T095000"),
        Scene(id="half", scl=half, when="2023-08-30T10:00:00Z"),
        Scene(id="cloud", scl=CLOUD, when="2023-08-31T10:00:00Z"),
    ]
    items = small(tmp_path, *(shown[::-1] if backwards else shown))
    out = composite(items, top_k=9, scout_factor=4)
    assert out.source_ids == ["whole", "newer", "a", "b", "half", "cloud"]
    assert [source["clear_fraction"] for source in out.sources] == [1.0, 0.75, 0.75, 0.75, 1.0, 0.0]
    assert [source["pixels"] for source in out.sources] == [256, 0, 0, 0, 0, 0]


# ---- timings


def check_clocks(timings: dict[str, float]) -> None:
    """No stage takes less than nothing, and all together no more than the whole."""
    stages = [timings[stage] for stage in STAGES]
    assert min(stages) >= 0.0, timings
    assert 0.0 < sum(stages) <= timings["total"] + SLACK_S, timings


def halves(size: int, block: int, overviews: dict[int, str]) -> list[Scene]:
    """Two scenes of one place: the first is clear in the west, the second in the east."""
    west = np.full((size, size), CLOUD, np.uint8)
    west[:, : size // 2] = CLEAR
    east = np.where(west == CLEAR, CLOUD, CLEAR)
    ramp = 1000 + np.add.outer(np.arange(size), np.arange(size))
    red, nir = (Asset(ramp, None, block, overviews), Asset(ramp[::2, ::2], 20.0, block, overviews))
    bands = {"red": red, "nir": nir}
    days = {"west": "2023-08-10T10:00:00Z", "east": "2023-08-20T10:00:00Z"}
    return [Scene(scl, bands, (size, size), id=i, when=days[i]) for i, scl in (("west", west), ("east", east))]


def test_megapixels_are_those_of_the_tiles_by_hand(tmp_path: Path) -> None:
    """500 pixels in tiles of 128: the west is in two columns of four tiles, the east in three; 250 pixels are in 2 x 2.

    Padding is decoded as well. The coarser band's middle, 125, is in the first column: so is all of the west, and the
    east is in both.
    """
    shown = halves(500, 128, {})
    items = small(tmp_path, *shown)
    box = bbox_for(shown[0].bounds, 32633, 10.0)
    red = composite(items, bbox=box, top_k=2, bands=["red"])
    assert red.timings["read_megapixels"] == (2 * 4 + 3 * 4) * 128 * 128 / 1e6
    nir = composite(items, bbox=box, top_k=2, bands=["nir"])
    assert nir.timings["read_megapixels"] == (2 + 4) * 128 * 128 / 1e6


@pytest.mark.parametrize("resolution", [10.0, 20.0, 30.0])
def test_megapixels_are_those_of_the_tiles_that_hold_winners(tmp_path: Path, resolution: float) -> None:
    """Counted from the tables of the files and from who must win where, for levels of several sizes."""
    shown = halves(480, 64, {2: "nearest"})
    items = write_catalog(tmp_path, shown)
    asked = {"bbox": bbox_for(shown[0].bounds, 32633, resolution), "resolution": resolution, "bands": ["red", "nir"]}
    out, truth = both(tmp_path, items, **asked)
    grid = {"resolution": resolution, "transform": truth.grid["transform"]}
    pixels = 0
    for index, scene in enumerate(truth.source_ids):
        for band in ("red", "nir"):
            held = least.tiles(tmp_path / scene / f"{band}.tif", grid, truth.winner == index, bilinear=True)
            pixels += sum(8 * tile.raw_bytes // tile.bits for tile in held)
    assert len(truth.source_ids) == 2
    assert out.timings["read_megapixels"] == pixels / 1e6


def test_stages_add_up_to_no_more_than_the_total(tmp_path: Path) -> None:
    """Also in months, which share their scouting, and where a plan has the scout look on."""
    day = "2023-08-{:02}T10:00:00Z"
    shown = [Scene(id=f"s{i}", scl=CLOUD, cloud_cover=4.0 * i, when=day.format(i + 1)) for i in range(12)]
    items = small(tmp_path, *shown, Scene(id="clear", cloud_cover=80.0, when="2023-08-30T10:00:00Z"))
    check_clocks(composite(items).timings)
    out = composite(items, coverage_target=0.9, min_k=1)
    assert out.source_ids == ["clear"], "the scout has looked on"
    check_clocks(out.timings)
    with pytest.warns(bp.EmptyPeriodWarning):
        batch = bp.build_monthly_composites(BOX, 2023, (7, 8), catalog=items, **ASK)
    for month in batch:
        check_clocks(month.timings)


class SlowSearch(Standin):
    """An API that takes its time."""

    delay_search_s = 0.15

    def page(self, query: dict[str, Any], start: int) -> dict[str, Any]:
        """A page, late."""
        time.sleep(self.delay_search_s)
        return super().page(query, start)


def test_stages_have_what_they_have_waited_for(tmp_path: Path, serve: Callable[[Path], Origin]) -> None:
    """Round trips of a server that is slow lie in the stage that needs them."""
    items = write_catalog(tmp_path, [Scene(bands={"red": 1000})])
    origin = serve(tmp_path)
    origin.behave(delay_ms=100)
    with SlowSearch(items=with_urls(items, origin.url), dialect="element84") as api:
        out = bp.build_composite(BOX, "2023-08", catalog=f"{api.root}/v1", **ASK)
    timings = out.timings
    assert timings["catalog"] >= 0.15
    assert timings["scout"] >= 0.2, "a header and a tile"
    assert timings["plan"] >= 0.1, "the header of the band"
    assert timings["read"] >= 0.1, "its tile"
    check_clocks(timings)
    assert timings["requests"] == sum(origin.stats()["requests"].values())


# ---- items


@pytest.mark.parametrize("datastrip", [True, False])
def test_an_item_that_is_listed_twice_is_one_scene(tmp_path: Path, *, datastrip: bool) -> None:
    """Also where nothing but its id tells that it is the same."""
    items = small(tmp_path, Scene(id="a"), Scene(id="b", scl=7, when="2023-08-12T10:00:00Z"))
    if not datastrip:
        for item in items:
            del item["properties"]["s2:datastrip_id"]
    out = composite([items[0], items[1], copy.deepcopy(items[0]), items[1]], top_k=9)
    assert out.source_ids == ["a", "b"]
    assert (out.observation_count == 2).all()
    assert out.skipped == []


@pytest.mark.parametrize("first", [0, 1])
def test_an_item_with_the_id_of_another_is_named(tmp_path: Path, first: int) -> None:
    """The first of them counts; the other one cannot be told from it."""
    shown = Scene(id="a", bands={"red": 1000}), Scene(id="b", bands={"red": 2000}, when="2023-08-12T10:00:00Z")
    items = small(tmp_path, *shown)
    items[1]["id"] = "a"
    listed = [items[first], items[1 - first]]
    with pytest.warns(bp.SkippedWarning, match="another item of this id comes before it"):
        out = composite(listed)
    assert out.source_ids == ["a"]
    assert (out.bands["red"] == 1000 * (first + 1)).all()
    assert (out.observation_count == 1).all()
    assert out.skipped == [{"item": "a", "href": "", "cause": "another item of this id comes before it"}]
    with pytest.raises(bp.CatalogError, match="a: another item of this id comes before it"):
        composite(listed, on_error="raise")


def test_a_datetime_without_a_zone_is_named(tmp_path: Path) -> None:
    """It is not guessed at; the other scenes are used."""
    items = small(tmp_path, Scene(id="a"), Scene(id="b", when="2023-08-12T10:00:00Z"))
    items[1]["properties"]["datetime"] = "2023-08-12T10:00:00"
    with pytest.warns(bp.SkippedWarning, match="2023-08-12T10:00:00"):
        out = composite(items)
    assert out.source_ids == ["a"]
    (skipped,) = out.skipped
    assert skipped["item"] == "b"
    assert '"2023-08-12T10:00:00" is no RFC 3339 time' in skipped["cause"]
    with pytest.raises(bp.CatalogError, match="b: its datetime"):
        composite(items, on_error="raise")
    with pytest.raises(
        bp.CatalogError, match=r'of 1 items .* none of them can be used .*; b: its datetime "2023-08-12T'
    ):
        composite(items[1:])


@pytest.mark.parametrize("bbox", [[15.0, 46.0, 16.0], [100.0, 6.0, 116.0], [], None])
def test_an_item_whose_bbox_is_none_is_used(tmp_path: Path, bbox: list[float] | None) -> None:
    """Numbers that are no box do not say that it lies elsewhere: its raster tells where it is."""
    (item,) = small(tmp_path, Scene(id="a"))
    item["bbox"] = bbox
    out = composite([item])
    assert out.source_ids == ["a"]
    assert (out.bands["red"] == 1000).all()
    assert out.skipped == []


HAIR = 1e-12
"""Degrees: a ten-thousandth of a millimetre."""


@pytest.mark.parametrize("output_crs", ["native", "EPSG:3857", "EPSG:3035"])
@pytest.mark.parametrize("resolution", [10.0, 60.0])
@pytest.mark.parametrize(
    "bbox",
    [
        (15.0, 45.0, 15.0 + HAIR, 45.1),
        (15.0, 46.05, 15.0 + HAIR, 46.0501),
        (14.999, 46.052, 15.001, 46.052 + HAIR),
        (15.0, 46.052, 15.0 + HAIR, 46.052 + HAIR),
        (15.0005, 46.052, np.nextafter(15.0005, 16.0), 46.053),
        (180.0 - HAIR, 46.0, -180.0, 46.001),
        (180.0, 46.0, -180.0, 46.001),
    ],
    ids=["as reported", "upright", "flat", "point", "least", "antimeridian", "on the antimeridian"],
)
def test_a_box_of_no_width(tmp_path: Path, bbox: Bounds, resolution: float, output_crs: str) -> None:
    """It gets the pixels that it touches, or is told that there is nothing: it does not break off."""
    items = small(tmp_path, Scene(id="a", shape=(64, 64), origin=(499_680.0, 5_100_000.0)))
    asked = {"bbox": tuple(float(side) for side in bbox), "resolution": resolution, "output_crs": output_crs}
    try:
        out = composite(items, **asked)
    except bp.CatalogError as error:
        assert "no scene for bbox" in str(error)  # noqa: PT017  either is right, and nothing else
        return
    assert min(out.quality.shape) >= 1
    assert out.quality.shape == out.bands["red"].shape == (out.grid["height"], out.grid["width"])
    assert (out.quality[out.bands["red"] != NODATA] == 0).all()


def test_a_box_of_no_width_inside_a_scene_has_a_pixel(tmp_path: Path) -> None:
    """Where a scene lies around the box there is a composite, not merely no error."""
    items = small(tmp_path, Scene(id="a", shape=(64, 64), origin=(499_680.0, 5_100_000.0)))
    out = composite(items, bbox=(15.0, 46.052, 15.0 + HAIR, 46.052 + HAIR), scout_factor=1)
    assert out.bands["red"].tolist() == [[1000]]


# ---- nothing fits


PLACE = (15.0003, 46.0523, 15.0018, 46.0534)
"""Within a scene of 16 x 16 pixels, in numbers that are short to say."""
NOTHING = (
    r"no scene for bbox \[{}\], datetime {}, cloud cover up to {} %: of {} items in {} {} fit, none of them can be"
)


def nothing(sought: dict[str, Any], place: str, count: int, fit: int = 0) -> str:
    """The pattern of the message."""
    numbers = ", ".join(repr(side) for side in sought["bbox"]).replace(".", r"\.")
    return NOTHING.format(numbers, sought["datetime"], sought["max_cloud_cover"], count, place, fit)


SOUGHT: dict[str, Any] = {"bbox": PLACE, "datetime": "2023-08", "max_cloud_cover": 90}


@pytest.mark.parametrize(
    "asked",
    [{"datetime": "2020-01-01/2020-01-31"}, {"bbox": (1.0, 2.0, 3.5, 4.0)}, {"max_cloud_cover": 5}],
    ids=["datetime", "bbox", "clouds"],
)
def test_no_scene_says_what_was_sought_where(tmp_path: Path, asked: dict[str, Any]) -> None:
    """Area, period, clouds, how many items there are, in what, and how many of them fit."""
    items = small(tmp_path, Scene(), Scene(when="2023-08-12T10:00:00Z"))
    sought, path = {**SOUGHT, **asked}, tmp_path / "items.json"
    places: list[tuple[Any, str, int]] = [(items, "the given items", 2), ([], "the given items", 0)]
    for catalog, place, count in [*places, (path, f"catalog {path}", 2)]:
        told = nothing(sought, place, count)
        with pytest.raises(bp.CatalogError, match=f"^{told} used for endpoint earth-search$"):
            bp.build_composite(catalog=catalog, **{**ASK, **sought})


def test_no_scene_names_the_first_that_cannot_be_used(tmp_path: Path) -> None:
    """Those that would fit are counted, and the first of them is told with its cause."""
    days = {"a": "2023-08-10T10:00:00Z", "b": "2023-08-12T10:00:00Z", "c": "2023-07-01T10:00:00Z"}
    items = small(tmp_path, *(Scene(id=name, when=when) for name, when in days.items()))
    for item in items:
        item["assets"]["red"] = {"href": "s3://bucket/B04.jp2", "type": "image/jp2"}
    with pytest.raises(bp.CatalogError, match=nothing(SOUGHT, "the given items", 3, 2)) as raised:
        bp.build_composite(catalog=items, **{**ASK, **SOUGHT})
    assert str(raised.value).endswith('; a: asset "red" cannot be read over "s3"')


# ---- secrets of a catalogue


SECRET = "SECRET"  # noqa: S105
LOGIN = base64.b64encode(b"user:SECRET").decode()


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """An API whose URL holds a password and a token; it serves the files, too."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "served").mkdir()
    with Standin(folder=tmp_path / "served", dialect="element84", page_size=9) as api:
        items = write_catalog(tmp_path / "served", [Scene(), Scene(when="2023-08-12T10:00:00Z")])
        api.items = with_urls(items, lambda href: f"{api.root}/files/{href.removeprefix('./')}")
        yield api


def url_of(api: Standin) -> str:
    """The URL of its search, as a user gives it."""
    return api.root.replace("//", f"//user:{SECRET}@") + f"/v1/search?token={SECRET}"


def check_sent(api: Standin) -> None:
    """The server has got what nobody else may see."""
    assert {search.headers["authorization"] for search in api.searches} == {f"Basic {LOGIN}"}
    assert all(f"token={SECRET}" in search.target for search in api.searches)


def check_kept(*texts: str) -> None:
    """No text holds the secret, or the login in the form that a header has."""
    for text in texts:
        assert SECRET not in text
        assert LOGIN not in text


def test_no_secret_of_a_catalogue_leaves_a_call(
    guarded: Standin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither metadata, plan, files nor log hold it; what may be told of the URL is."""
    ask: dict[str, Any] = {"bbox": BOX, "datetime": "2023-08", "catalog": url_of(guarded), **ASK}
    with caplog.at_level(logging.DEBUG, "bestpixel"):
        out = bp.build_composite(**ask)
        months = bp.build_monthly_composites(BOX, 2023, [8], catalog=url_of(guarded), **ASK)
        plan = bp.plan_composite(**ask)
        paths = out.save(tmp_path / "saved")
    check_sent(guarded)
    check_kept(out._metadata, repr(out), months[0]._metadata, json.dumps(plan), caplog.text)
    assert {"bestpixel.stac", "bestpixel.pipeline"} <= {record.name for record in caplog.records}
    for path in paths:
        check_kept(path.read_bytes().decode("latin-1"))
    request = json.loads((tmp_path / "saved" / "composite.json").read_text())["request"]
    assert request["catalog"].startswith(f"{guarded.root}/v1/search")


def test_no_secret_of_a_catalogue_leaves_the_command(guarded: Standin, tmp_path: Path) -> None:
    """Nor do its files and streams, with every request logged."""
    words = ["--bbox", *map(str, BOX), "--datetime", "2023-08", "--resolution", "10", "--endpoint", "earth-search"]
    words += ["--bands", "red", "--catalog", url_of(guarded), "--out-dir", str(tmp_path / "out"), "-vv"]
    command = [sys.executable, "-m", "bestpixel._cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert f"{guarded.root}/v1/search" in done.stderr
    check_sent(guarded)
    check_kept(
        done.stdout, done.stderr, *(path.read_bytes().decode("latin-1") for path in (tmp_path / "out").iterdir())
    )


def test_no_secret_of_a_catalogue_is_in_an_error(guarded: Standin, caplog: pytest.LogCaptureFixture) -> None:
    """Where there is nothing, where the server refuses, and where the URL is none."""
    with caplog.at_level(logging.DEBUG, "bestpixel"):
        with pytest.raises(bp.CatalogError, match="no scene for bbox") as nothing_there:
            bp.build_composite(BOX, "2020", catalog=url_of(guarded), **ASK)
        guarded.refusals = [(403, "not for you")]
        with pytest.raises(bp.CatalogError, match="HTTP status 403: not for you") as refused:
            bp.build_composite(BOX, "2023-08", catalog=url_of(guarded), **ASK)
        wrong = url_of(guarded).replace("127.0.0.1", "127.0. 0.1")
        with pytest.raises(ValueError, match="not a valid URL") as invalid:
            bp.build_composite(BOX, "2023-08", catalog=wrong, **ASK)
    check_sent(guarded)
    check_kept(*(str(error.value) for error in (nothing_there, refused, invalid)), caplog.text)
    assert f"in {guarded.root}/v1/search" in str(nothing_there.value)
