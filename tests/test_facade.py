"""The Python facade: what it refuses, what it hands to the native module, what a composite does in a caller's hands."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import inspect
import io
import json
import pickle
import re
import sys
import types
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import bestpixel as bp
import numpy as np
import pyproj
import pystac
import pytest
import rasterio
import rioxarray  # noqa: F401  gives Datasets their .rio
import xarray as xr
from bestpixel import _bestpixel, _request, _result
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.io import MemoryFile

NODATA = 65535
BBOX = (17.6, 45.2, 18.6, 45.8)
NOT_FINITE = [float("nan"), float("inf"), -float("inf")]


@pytest.fixture(scope="session")
def options(sample: Path) -> dict[str, Any]:
    """Arguments of a small composite of the sample."""
    return {
        "bbox": BBOX,
        "datetime": "2024-07",
        "resolution": 360.0,
        "endpoint": "earth-search",
        "catalog": sample,
        "bands": ["nir", "red", "green", "blue"],
    }


@pytest.fixture(scope="session")
def out(options: dict[str, Any]) -> bp.Composite:
    """A small composite of the sample."""
    return bp.build_composite(**options)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `plan_composite` last sent to the native module, which is not asked."""
    last: dict[str, Any] = {}

    def plan(request: str, items: str | None) -> str:
        last.clear()
        last.update(json.loads(request), items=None if items is None else json.loads(items))
        return "{}"

    monkeypatch.setattr(_bestpixel, "plan", plan)
    return last


# ---- arguments


def test_request_has_the_keys_of_the_contract(sent: dict[str, Any]) -> None:
    """Every published default, under its own name."""
    bp.plan_composite(BBOX, "2024-07")
    assert sent == {
        "bbox": list(BBOX),
        "datetime": "2024-07",
        "resolution": 60.0,
        "top_k": 3,
        "max_cloud_cover": 90.0,
        "concurrency": 192,
        "endpoint": "auto",
        "disk_cache": None,
        "scout_factor": 8,
        "bands": None,
        "output_crs": "native",
        "coverage_target": 0.0,
        "min_k": 2,
        "max_k": 8,
        "windowed_fetch": False,
        "catalog": None,
        "on_error": "skip",
        "memory_limit": None,
        "items": None,
    }


def test_signatures_and_request_name_the_same_arguments() -> None:
    """One list of arguments, in the published order, keyword-only after resolution."""
    parameters = inspect.signature(bp.build_composite).parameters
    names = [name for name in parameters if name != "progress"]
    assert names == [part.name for part in fields(_request.Request) if part.name != "items"]
    free = [name for name, parameter in parameters.items() if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    assert free == ["bbox", "datetime", "resolution"]
    assert inspect.signature(bp.plan_composite).parameters == parameters


def test_every_argument_is_documented() -> None:
    """Each name has a line under Args."""
    said = inspect.getdoc(bp.build_composite) or ""
    for name in inspect.signature(bp.build_composite).parameters:
        assert re.search(rf"^    {name}: ", said, re.MULTILINE), name


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *[("bbox", value) for value in ["1,2,3,4", 4, None, [1, 2, 3, "4"], [1, 2, 3, None], [True, 2, 3, 4]]],
        *[("datetime", value) for value in [2024, None, 20240701.0, ("2024-07-01", 5)]],
        *[("resolution", value) for value in ["60", None, True, 60j, [60]]],
        *[("max_cloud_cover", value) for value in ["90", None, False]],
        *[("coverage_target", value) for value in ["0.9", None]],
        *[
            (name, value)
            for name in ("top_k", "concurrency", "scout_factor", "min_k", "max_k")
            for value in ["3", 3.0, None, True, np.bool_(1)]
        ],
        *[("endpoint", value) for value in [None, 1, b"pc"]],
        *[("on_error", value) for value in [None, True]],
        *[("bands", value) for value in ["red", b"red", 4, ["red", 4], [None]]],
        *[("output_crs", value) for value in [None, 32633]],
        *[("windowed_fetch", value) for value in [1, None, "yes"]],
        *[("disk_cache", value) for value in [1, True, b"cache"]],
        *[("memory_limit", value) for value in [1e9, "1 GB", True]],
        *[("catalog", value) for value in [1, True, b"items.json", ["item"], [None]]],
        ("progress", "yes"),
        ("progress", 1),
    ],
)
def test_wrong_kind(argument: str, value: object) -> None:
    """What is of the wrong kind is a TypeError that names the argument."""
    arguments: dict[str, Any] = {"bbox": BBOX, "datetime": "2024-07", "endpoint": "earth-search", "catalog": "x"}
    with pytest.raises(TypeError, match=rf"^{argument}\b.* must be .*, got "):
        bp.build_composite(**{**arguments, argument: value})


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *[("bbox", value) for value in [(1, 2, 3), (1, 2, 3, 4, 5), (), (1, 4, 3, 2), (1, 2, 3, 2), (1, -91, 3, 2)]],
        *[("bbox", value) for value in [(1, 2, 1, 4), (-181, 2, 3, 4), (1, 2, 181, 4), (1, 2, 3, 91)]],
        *[("bbox", (1, 2, 3, number)) for number in NOT_FINITE],
        *[("datetime", value) for value in ["", "  ", (), ("2024-07-01",), ("2024-01/2024-02", "2024-03")]],
        *[("datetime", value) for value in [np.datetime64("NaT"), (np.datetime64("NaT", "s"), "2024")]],
        *[("resolution", value) for value in [0, -60, *NOT_FINITE]],
        *[("max_cloud_cover", value) for value in [-1, 100.5, *NOT_FINITE]],
        *[("coverage_target", value) for value in [-0.1, 1, 95, *NOT_FINITE]],
        *[(name, value) for name in ("top_k", "concurrency", "scout_factor", "min_k", "max_k") for value in [0, -1]],
        ("top_k", 2**32),
        ("max_k", 1),
        *[("endpoint", value) for value in ["", "PC", "earth_search", "modis"]],
        *[("on_error", value) for value in ["", "ignore"]],
        *[("bands", value) for value in [[], ["B04"], ["red", "red"], ["red", "RED"]]],
        *[("output_crs", value) for value in ["", " "]],
        *[("memory_limit", value) for value in [0, -1, 2**64]],
        *[("catalog", value) for value in ["", {}, {"type": "Catalog"}]],
        ("disk_cache", ""),
    ],
)
def test_out_of_range(argument: str, value: object) -> None:
    """What is out of range is a ValueError that names the argument."""
    with pytest.raises(ValueError, match=rf"^{argument} must be .*, got "):
        bp.plan_composite(**{"bbox": BBOX, "datetime": "2024-07", argument: value})  # type: ignore[arg-type]


def test_message_says_what_is_allowed_and_what_was_given() -> None:
    """One message in full."""
    with pytest.raises(ValueError, match="max_cloud_cover") as caught:
        bp.plan_composite(BBOX, "2024-07", max_cloud_cover=120)
    assert str(caught.value) == "max_cloud_cover must be a number from 0 to 100, got 120"


def test_long_values_are_cut_in_messages() -> None:
    """A message stays readable whatever was given."""
    with pytest.raises(TypeError) as caught:
        bp.plan_composite(BBOX, "2024-07", bands=[1] * 10_000)  # type: ignore[list-item]
    assert len(str(caught.value)) < 400


def test_numpy_scalars_are_numbers(sent: dict[str, Any]) -> None:
    """What numpy computed can be given."""
    bp.plan_composite(
        np.array(BBOX),
        "2024-07",
        np.float32(10),
        top_k=np.int64(5),
        coverage_target=np.float64(0.9),
        windowed_fetch=np.True_,  # type: ignore[arg-type]
        bands=np.array(["nir", "red"]),  # type: ignore[arg-type]
        memory_limit=np.uint32(2**20),
    )
    assert sent["bbox"] == list(BBOX)
    assert (sent["resolution"], sent["top_k"], sent["coverage_target"]) == (10.0, 5, 0.9)
    assert (sent["windowed_fetch"], sent["bands"], sent["memory_limit"]) == (True, ["nir", "red"], 2**20)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("2024-07-01/2024-07-31", "2024-07-01/2024-07-31"),
        ("2024", "2024"),
        ("../2024-07-31", "../2024-07-31"),
        (dt.date(2024, 7, 1), "2024-07-01"),
        (dt.datetime(2024, 7, 1, 10, 30), "2024-07-01T10:30:00Z"),  # noqa: DTZ001  no zone is UTC
        (dt.datetime(2024, 7, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), "2024-06-30T23:00:00Z"),
        (dt.datetime(2024, 7, 1, 0, 0, 0, 250_000, dt.timezone.utc), "2024-07-01T00:00:00.250000Z"),
        (np.datetime64("2024-07"), "2024-07"),
        (np.datetime64("2024-07-01T10", "s"), "2024-07-01T10:00:00Z"),
        ((dt.date(2024, 7, 1), dt.date(2024, 7, 31)), "2024-07-01/2024-07-31"),
        (["2024-07", dt.date(2024, 8, 15)], "2024-07/2024-08-15"),
        ((dt.date(2024, 7, 1), None), "2024-07-01/.."),
        (np.array(["2024-07-01", "2024-07-31"], "datetime64[D]"), "2024-07-01/2024-07-31"),
    ],
)
def test_datetime_forms(sent: dict[str, Any], given_value: Any, expected: str) -> None:  # noqa: ANN401
    """Text passes as it is, objects are rendered as RFC 3339."""
    bp.plan_composite(BBOX, given_value)
    assert sent["datetime"] == expected


def test_coordinate_reference_systems_are_texts_or_know_their_wkt(sent: dict[str, Any]) -> None:
    """Objects of pyproj and rasterio may be given."""
    bp.plan_composite(BBOX, "2024-07", output_crs="EPSG:3035")
    assert sent["output_crs"] == "EPSG:3035"
    for crs in (pyproj.CRS(3035), rasterio.CRS.from_epsg(3035)):
        bp.plan_composite(BBOX, "2024-07", output_crs=crs)  # type: ignore[arg-type]
        assert pyproj.CRS(sent["output_crs"]).to_epsg() == 3035


def test_catalog_forms(sent: dict[str, Any], sample: Path) -> None:
    """Places pass as they are, items in memory travel as JSON, pystac Items with absolute hrefs."""
    bp.plan_composite(BBOX, "2024-07", catalog="s3/items.json")
    assert (sent["catalog"], sent["items"]) == ("s3/items.json", None)
    bp.plan_composite(BBOX, "2024-07", catalog=sample)
    assert (sent["catalog"], sent["items"]) == (str(sample), None)

    collection = json.loads(sample.read_text())
    first = collection["features"][0]
    for catalog in (collection, collection["features"], tuple(collection["features"])):
        bp.plan_composite(BBOX, "2024-07", catalog=catalog)
        assert (sent["catalog"], sent["items"]) == (None, collection["features"])
    bp.plan_composite(BBOX, "2024-07", catalog=first)
    assert sent["items"] == [first]

    item = pystac.Item.from_dict(first)
    item.set_self_href(str(sample))
    href = item.assets["red"].href
    forms: list[Any] = [[item], pystac.ItemCollection([item]), item]
    for catalog in forms:
        bp.plan_composite(BBOX, "2024-07", catalog=catalog)
        assert [entry["id"] for entry in sent["items"]] == [first["id"]]
        assert Path(sent["items"][0]["assets"]["red"]["href"]).is_file()
    assert item.assets["red"].href == href


def test_items_that_json_cannot_hold_are_refused() -> None:
    """The message says that it is the catalogue."""
    with pytest.raises(TypeError, match=r"^catalog has an item"):
        bp.plan_composite(BBOX, "2024-07", catalog=[{"id": {1, 2}}])
    with pytest.raises(ValueError, match=r"^catalog has an item"):
        bp.plan_composite(BBOX, "2024-07", catalog=[{"eo:cloud_cover": float("nan")}])


@settings(deadline=None)
@given(
    bbox=st.lists(st.one_of(st.floats(), st.integers(-400, 400)), min_size=3, max_size=5),
    resolution=st.one_of(st.floats(), st.integers()),
    top_k=st.integers(),
    cloud=st.floats(),
)
def test_what_passes_the_checks_is_sound(bbox: list[float], resolution: float, top_k: int, cloud: float) -> None:
    """Whatever numbers are given: a ValueError or a request within its bounds, fit for JSON."""
    arguments = inspect.signature(bp.build_composite).bind(bbox, "2024", resolution, top_k=top_k, max_cloud_cover=cloud)
    arguments.apply_defaults()
    try:
        request = _request.Request.from_arguments(arguments.arguments)
    except ValueError:
        return
    west, south, east, north = request.bbox
    assert -90 <= south < north <= 90
    assert -180 <= min(west, east) < max(west, east) <= 180
    assert 0 < request.resolution < float("inf")
    assert request.top_k >= 1
    assert 0 <= request.max_cloud_cover <= 100
    assert json.loads(request.to_json())["bbox"] == list(request.bbox)


def test_missing_catalog_is_a_missing_file(options: dict[str, Any], tmp_path: Path) -> None:
    """Python has a word for it."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        bp.build_composite(**{**options, "catalog": tmp_path / "nowhere.json"})


@pytest.mark.parametrize(
    "datetime", ["yesterday", "2024-13", "2024-07-31/2024-07-01", (dt.date(2024, 8, 1), "2024-07")]
)
def test_bad_datetime_text_is_a_value_error(options: dict[str, Any], datetime: str) -> None:
    """The parser of dates is native, its errors are Python's."""
    with pytest.raises(ValueError, match=r"date"):
        bp.build_composite(**{**options, "datetime": datetime})


def test_unknown_crs_is_a_value_error(options: dict[str, Any]) -> None:
    """PROJ judges, and Python hears."""
    with pytest.raises(ValueError, match="EPSG:0"):
        bp.build_composite(**options, output_crs="EPSG:0")


def test_plan_is_a_dict_fit_for_json(options: dict[str, Any]) -> None:
    """The plan can be kept and shipped."""
    plan = bp.plan_composite(**options)
    assert plan
    assert json.loads(json.dumps(plan)) == plan


# ---- progress


def test_progress_calls_a_callable(options: dict[str, Any]) -> None:
    """(done, total, stage, bytes): done within total, bytes never fall."""
    calls: list[tuple[int, int, str, int]] = []
    bp.build_composite(**options, progress=lambda *call: calls.append(call))
    assert calls
    for done, total, stage, fetched in calls:
        assert 0 <= done <= total
        assert stage
        assert fetched >= 0


def test_what_progress_raises_ends_the_work(options: dict[str, Any]) -> None:
    """An exception of the callable reaches the caller as it is."""

    class EnoughError(Exception):
        pass

    def stop(*_call: object) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        bp.build_composite(**options, progress=stop)


def test_progress_true_without_tqdm_writes_lines(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines on stderr, nothing on stdout."""
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    bp.build_composite(**options, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"(bestpixel: \S.* \d+/\d+, \d+\.\d MB\n)+", shown.err)


def test_progress_true_draws_a_bar_for_each_stage(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Tqdm is told what the native module tells, and every bar is closed."""
    bars: list[Any] = []

    class Bar:
        def __init__(self, total: int, desc: str) -> None:
            self.total, self.desc, self.n, self.closed = total, desc, 0, False
            bars.append(self)

        def set_postfix_str(self, text: str, *, refresh: bool) -> None:
            assert text.endswith(" MB")
            assert not refresh

        def refresh(self) -> None:
            assert 0 <= self.n <= self.total

        def close(self) -> None:
            self.closed = True

    tqdm = types.ModuleType("tqdm.auto")
    tqdm.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm.auto", tqdm)
    bp.build_composite(**options, progress=True)
    assert bars
    assert all(bar.closed for bar in bars)
    assert all(one.desc != next_one.desc for one, next_one in zip(bars, bars[1:]))


@pytest.mark.parametrize("progress", [None, False])
def test_no_progress_is_silent(
    options: dict[str, Any],
    progress: bool | None,  # noqa: FBT001
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not a byte on either stream, from Python or from below."""
    bp.build_composite(**options, progress=progress)
    assert capfd.readouterr() == ("", "")


# ---- the result


def test_keys_and_their_order(out: bp.Composite) -> None:
    """The published keys, all there."""
    assert list(out) == [
        "bands",
        "band_names",
        "quality",
        "observation_count",
        "selected_observation",
        "source_ids",
        "grid",
        "endpoint",
        "collection",
        "timings",
        "partition_tiles",
        "multi_tile_chunks",
        "sources",
        "skipped",
    ]
    assert len(out) == 14
    assert "year" not in out
    assert out.get("nothing") is None
    with pytest.raises(KeyError):
        out["nothing"]


def test_shapes_and_types(out: bp.Composite, options: dict[str, Any]) -> None:
    """uint16 (H, W) throughout, bands in the order asked for, indices that point somewhere."""
    grid = out["grid"]
    assert set(grid) == {"bounds", "epsg", "proj4", "crs", "transform", "width", "height", "resolution"}
    assert list(out["bands"]) == out["band_names"] == options["bands"]
    for array in (*out["bands"].values(), out["quality"], out["observation_count"], out["selected_observation"]):
        assert array.dtype == np.uint16
        assert array.shape == (grid["height"], grid["width"])
    winner = out["selected_observation"]
    assert ((winner == NODATA) | (winner < len(out["source_ids"]))).all()
    assert ((winner == NODATA) == (out["quality"] == NODATA)).all()
    assert [source["id"] for source in out["sources"]] == out["source_ids"]
    known = {"id", "datetime", "collection", "tile", "platform", "offset_applied", "clear_fraction"}
    assert all(known <= set(source) for source in out["sources"])


def test_items_give_what_their_file_gives(out: bp.Composite, options: dict[str, Any], sample: Path) -> None:
    """A path, dicts with absolute hrefs and pystac Items: the same pixels."""
    items = pystac.ItemCollection.from_file(str(sample)).items
    for item in items:
        item.set_self_href(str(sample))
    dicts = json.loads(sample.read_text())["features"]
    for item in dicts:
        for asset in item["assets"].values():
            asset["href"] = str(sample.parent / asset["href"])
    for catalog in (items, dicts, sample.parent):
        again = bp.build_composite(**{**options, "catalog": catalog})
        assert again.source_ids == out.source_ids
        np.testing.assert_array_equal(again.selected_observation, out.selected_observation)
        np.testing.assert_array_equal(again.bands["red"], out.bands["red"])


def test_attributes_are_the_keys(out: bp.Composite) -> None:
    """Reading by attribute and by key gives the same."""
    assert out.quality is out["quality"]
    assert out.bands is out["bands"]
    assert all(getattr(out, key) is not None for key in out)
    assert set(out) <= set(dir(out))
    with pytest.raises(AttributeError, match="'Composite' object has no attribute 'qualty'"):
        out.qualty  # type: ignore[attr-defined]  # noqa: B018


def test_read_only(out: bp.Composite) -> None:
    """Nothing in it can be replaced, and what is handed out cannot change it."""
    with pytest.raises(TypeError):
        out["quality"] = 0  # type: ignore[index]
    with pytest.raises(TypeError):
        out["bands"]["ndvi"] = out.quality
    with pytest.raises(AttributeError):
        out.quality = np.zeros(1, np.uint16)
    for array in (*out.bands.values(), out.quality, out.observation_count, out.selected_observation):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1
    grid, sources = out.grid, out.sources
    grid["epsg"] = -1
    sources[0].clear()
    assert out.grid["epsg"] != -1
    assert out.sources[0]


def test_equality_is_identity(out: bp.Composite) -> None:
    """No ambiguous comparison of arrays."""
    assert out == out  # noqa: PLR0124
    assert out != copy.copy(out)
    assert len({out, out}) == 1


@pytest.mark.parametrize("twin", [lambda made: pickle.loads(pickle.dumps(made)), copy.copy, copy.deepcopy])  # noqa: S301
def test_pickles_and_copies(out: bp.Composite, twin: Any, tmp_path: Path) -> None:  # noqa: ANN401
    """A copy has all that the original has, is as read-only, and can be saved."""
    again = twin(out)
    assert list(again) == list(out)
    for key in out:
        if key == "bands":
            assert list(again.bands) == list(out.bands)
        np.testing.assert_equal(
            dict(again.bands) if key == "bands" else again[key], dict(out.bands) if key == "bands" else out[key]
        )
    with pytest.raises(ValueError, match="read-only"):
        again.quality[0, 0] = 1
    assert again.save(tmp_path)


def test_save(out: bp.Composite, tmp_path: Path) -> None:
    """GeoTIFFs of the same pixels in the same place, the metadata and the preview."""
    folder = tmp_path / "deep" / "down"
    paths = out.save(folder)
    assert all(isinstance(path, Path) and path.is_file() for path in paths)
    names = [*out.band_names, "quality", "observation_count", "selected_observation"]
    beside = {"composite.json", "date.tif", "item.json", "preview.png"}
    assert {path.name for path in paths} == {*(f"{name}.tif" for name in names), *beside}
    assert {path.name for path in folder.iterdir()} == {path.name for path in paths}
    for name in names:
        with rasterio.open(folder / f"{name}.tif") as file:
            array = out.bands[name] if name in out.bands else out[name]
            np.testing.assert_array_equal(file.read(1), array)
            assert list(file.transform)[:6] == out.grid["transform"]
            assert file.crs.to_epsg() == out.grid["epsg"]
    assert (folder / "preview.png").read_bytes() == out.preview()


def test_save_where_nothing_can_be_written(out: bp.Composite, tmp_path: Path) -> None:
    """The error says which path."""
    (tmp_path / "file").touch()
    with pytest.raises(bp.WriteError, match="file"):
        out.save(tmp_path / "file")


@pytest.mark.parametrize(
    ("bands", "grey"), [(None, False), (("nir", "red", "green"), False), ("nir", True), (["red"], True)]
)
def test_preview(out: bp.Composite, bands: Any, grey: bool) -> None:  # noqa: ANN401, FBT001
    """A PNG of the composite's size, nodata transparent."""
    with MemoryFile(out.preview(bands)) as memory, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with memory.open(driver="PNG") as picture:
            pixels = picture.read()
    assert pixels.shape[1:] == out.quality.shape
    *colours, alpha = pixels
    names = [bands] if isinstance(bands, str) else bands or ["red", "green", "blue"]
    assert ((alpha == 0) == np.any([out.bands[name] == NODATA for name in names], axis=0)).all()
    assert all((colour == colours[0]).all() for colour in colours) == grey
    assert np.ptp(colours[0][alpha > 0]) > 100


@pytest.mark.parametrize("bands", [[], ["red", "nir"], "swir16", ["red", "green", "swir16"], ["red"] * 4])
def test_preview_of_what_is_not_there(out: bp.Composite, bands: Any) -> None:  # noqa: ANN401
    """One or three of its own bands."""
    with pytest.raises(ValueError, match=r"^bands must be one or three of nir, red, green, blue, got"):
        out.preview(bands)


def test_repr_is_one_screen(out: bp.Composite) -> None:
    """Few lines that say what it is."""
    shown = repr(out)
    assert len(shown.splitlines()) < 12
    assert max(map(len, shown.splitlines())) <= 120
    for part in ("earth-search", "nir, red, green, blue", "360 m", f"EPSG:{out.grid['epsg']}", "% clear", "2024-07-"):
        assert part in shown


def test_repr_html_shows_a_small_picture(out: bp.Composite) -> None:
    """An embedded PNG and the facts, nothing fetched from anywhere."""
    shown = out._repr_html_()
    (picture,) = re.findall(r"src='data:image/png;base64,([^']+)'", shown)
    assert base64.b64decode(picture).startswith(b"\x89PNG")
    assert "% clear" in shown
    assert "http" not in shown


def native(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    """What the native module gives, for a composite of 3 x 2 pixels."""
    plane = np.full((2, 3), NODATA, np.uint16)
    grid: dict[str, Any] = {"bounds": [0, 0, 30, 20], "epsg": 32633, "width": 3, "height": 2, "resolution": 10.0}
    grid |= {"proj4": "+proj=utm +zone=33 +datum=WGS84 +units=m +no_defs", "transform": [10.0, 0, 0, 0, -10.0, 20]}
    grid |= {"crs": "EPSG:32633"}
    told: dict[str, Any] = {
        "band_names": ["nir"],
        "source_ids": [],
        "grid": grid,
        "endpoint": "earth-search",
        "collection": "c",
    }
    told |= {"timings": {}, "partition_tiles": [], "multi_tile_chunks": 0, "sources": [], "skipped": []}
    planes = {name: plane.copy() for name in _result.PLANES}
    return {"bands": {"nir": plane.copy()}, **planes, "metadata": json.dumps({**told, **changes})}


def test_a_composite_of_nothing_can_be_shown() -> None:
    """No sources, no clear pixel, one band."""
    empty = bp.Composite(native())
    assert "100.0 % nodata" in repr(empty)
    assert "none" in repr(empty)
    assert empty.preview().startswith(b"\x89PNG")
    assert "<img" in empty._repr_html_()
    assert "flag_values" not in empty.to_xarray()["selected_observation"].attrs


def test_html_is_escaped() -> None:
    """Words of a catalogue are words, not markup."""
    skipped = [{"item": "<script>", "href": "x", "cause": "a & b"}]
    shown = bp.Composite(native(skipped=skipped))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;: a &amp; b" in shown


def test_skipped_is_a_warning(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was left out is told where the caller called, shortly."""
    skipped = [{"item": f"scene-{number}", "href": f"{number}.tif", "cause": "gone"} for number in range(9)]
    monkeypatch.setattr(_bestpixel, "build", lambda *_: native(skipped=skipped))
    with pytest.warns(bp.SkippedWarning, match=r"^9 could .* scene-0 \(0.tif\): gone; .*; and 6 more$") as caught:
        out = bp.build_composite(**options)
    assert caught[0].filename == __file__
    assert out.skipped == skipped
    assert "scene-0: gone and 8 more" in repr(out)


# ---- xarray


@pytest.fixture(params=[True, False], ids=["pyproj", "no pyproj"])
def dataset(request: pytest.FixtureRequest, out: bp.Composite, monkeypatch: pytest.MonkeyPatch) -> xr.Dataset:
    """The composite as a Dataset, made with and without pyproj."""
    with monkeypatch.context() as patch:
        if not request.param:
            patch.setitem(sys.modules, "pyproj", None)
        return out.to_xarray()


def test_xarray_holds_the_same_arrays(dataset: xr.Dataset, out: bp.Composite) -> None:
    """One variable for each array, not a copy, and the date."""
    assert list(dataset) == [*out.band_names, "quality", "observation_count", "selected_observation", "date"]
    for name in list(dataset)[:-1]:
        array = out.bands[str(name)] if name in out.bands else out[str(name)]
        assert dataset[name].dims == ("y", "x")
        assert np.shares_memory(dataset[name].values, array)


def test_xarray_lies_where_the_composite_lies(dataset: xr.Dataset, out: bp.Composite) -> None:
    """Readers of GeoTransform, of coordinates and of WKT agree with the grid."""
    left, bottom, right, top = out.grid["bounds"]
    half = out.grid["resolution"] / 2
    assert dataset.x.values[[0, -1]].tolist() == [left + half, right - half]
    assert dataset.y.values[[0, -1]].tolist() == [top - half, bottom + half]
    assert dataset.rio.crs.to_epsg() == out.grid["epsg"]
    assert list(dataset.rio.transform())[:6] == out.grid["transform"]
    assert list(dataset["red"].rio.bounds()) == out.grid["bounds"]
    assert dataset["red"].rio.nodata == NODATA
    part = dataset.isel(x=slice(10, 20), y=slice(5, 15))
    assert part.rio.bounds() == (left + 20 * half, top - 30 * half, left + 40 * half, top - 10 * half)


def test_xarray_has_wkt_where_pyproj_is(out: bp.Composite) -> None:
    """The whole CF grid mapping."""
    attrs = out.to_xarray()["spatial_ref"].attrs
    assert pyproj.CRS.from_cf(attrs) == pyproj.CRS(out.grid["epsg"])
    assert pyproj.CRS.from_wkt(attrs["spatial_ref"]) == pyproj.CRS(out.grid["epsg"])


def test_xarray_decodes_to_reflectance(dataset: xr.Dataset, out: bp.Composite) -> None:
    """CF says how to get from integers to reflectance."""
    red = xr.decode_cf(dataset)["red"].values
    valid = out.bands["red"] != NODATA
    np.testing.assert_allclose(red[valid], out.bands["red"][valid] / 10_000, rtol=1e-6)
    assert np.isnan(red[~valid]).all()


def test_xarray_flags(dataset: xr.Dataset, out: bp.Composite) -> None:
    """Numbers that stand for words say which."""
    assert dataset["quality"].attrs["flag_meanings"] == "clear marginal dark"
    scenes = dataset["selected_observation"].attrs
    assert scenes["flag_meanings"].split() == out.source_ids
    assert scenes["flag_values"].tolist() == list(range(len(out.source_ids)))


def test_xarray_of_degrees_and_of_no_epsg() -> None:
    """Longitude and latitude are named so; a system without a number is known by its PROJ text."""
    grid = json.loads(native()["metadata"])["grid"]
    degrees = bp.Composite(
        native(grid={**grid, "epsg": 4326, "proj4": "+proj=longlat +datum=WGS84 +no_defs", "crs": "EPSG:4326"})
    )
    for name, unit in (("x", "degrees_east"), ("y", "degrees_north")):
        assert degrees.to_xarray()[name].attrs["units"] == unit
    assert "10 degrees" in repr(degrees)
    sinusoidal = "+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs"
    modis = bp.Composite(native(grid={**grid, "epsg": 0, "proj4": sinusoidal, "crs": sinusoidal})).to_xarray()
    assert "Sinusoidal" in modis.rio.crs.to_wkt()
    assert modis["x"].attrs["units"] == "metre"


def test_xarray_missing(out: bp.Composite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r"bestpixel\[xarray\]"):
        out.to_xarray()


def test_import_needs_numpy_only() -> None:
    """No optional package is imported until it is needed."""
    source = io.StringIO()
    for path in sorted(Path(bp.__file__).parent.glob("[!s]*.py")):
        source.write(path.read_text())
    imported = set(re.findall(r"^(?:import|from) (\w+)", source.getvalue(), re.MULTILINE)) - set(
        sys.stdlib_module_names
    )
    assert imported == {"bestpixel", "numpy"}
