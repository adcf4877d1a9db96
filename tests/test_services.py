"""The endpoints through `catalog=URL`: search, tokens and blobs by a stand-in on this machine."""

from __future__ import annotations

import copy
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import bestpixel as bp
import layouts
import numpy as np
import pytest
from layouts import SINUSOIDAL, box_of
from stac_server import Dialect, Item, Standin
from test_endpoints import HLS_NORTH, MODIS_ORIGIN, NAMES, TOLD, inner_box, modis, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHAPE = (40, 48)
ORIGIN = (499_980.0, 5_100_000.0)
BOX = box_of((500_100.0, 5_099_000.0, 501_200.0, 5_099_800.0), "EPSG:32633")
ASK: dict[str, Any] = {"bbox": BOX, "datetime": "2024-07-01/2024-07-31", "resolution": 30.0, "bands": ["red"]}
ACCOUNT = "http://standin.blob.core.windows.net/box"


def scene(folder: Path, layout: str, name: str, day: str, value: int, **properties: object) -> Item:
    """A scene of one value, clear everywhere; its files are `NAME/KEY.tif` below `folder`."""
    keys = {
        "pc": ("B04", "SCL", 4),
        "earth-search": ("red", "scl", 4),
        "mcd43a4": ("Nadir_Reflectance_Band1", "BRDF_Albedo_Band_Mandatory_Quality_Band1", 0),
    }
    band, quality, clear = keys[layout]
    assets = {band: np.full(SHAPE, value), quality: np.full(SHAPE, clear)}
    told = {
        "datetime": f"{day}T10:00:00Z", "platform": "Sentinel-2A", "eo:cloud_cover": 10, "s2:mgrs_tile": "33TWL",
        "grid:code": "MGRS-33TWL", "s2:processing_baseline": "02.14",
    }  # fmt: skip
    drawn = layouts.Scene(layout, name, assets, frozenset([quality]), origin=ORIGIN, properties={**told, **properties})
    return layouts.write(folder, drawn)


def served(items: list[Item], folder: Path, root: str) -> list[Item]:
    """The same items with hrefs below another root."""
    moved = copy.deepcopy(items)
    for item in moved:
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace(str(folder), root)
    return moved


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Standin]:
    """A stand-in for everything, which blob hosts are reached through."""
    with Standin(folder=tmp_path) as server:
        monkeypatch.setenv("http_proxy", server.root)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("PC_SDK_SAS_URL", f"{server.root}/sas/token")
        monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "my-key")
        yield server


def pc_items(folder: Path, standin: Standin, count: int = 5) -> list[Item]:
    """Scenes of the Planetary Computer in blob storage, the last one brightest."""
    items = [scene(folder, "pc", f"s{i}", f"2024-07-{10 + i}", 1000 + i) for i in range(count)]
    standin.items = served(items, folder, ACCOUNT)
    return items


def test_planetary_computer_from_search_to_pixels(standin: Standin, tmp_path: Path) -> None:
    """Three pages, one token for all files, the key in a header, and no secret in anything that comes out."""
    local = pc_items(tmp_path, standin)
    out = bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", **ASK)
    same = bp.build_composite(endpoint="pc", catalog=local, **ASK)
    assert (out["bands"]["red"] == 1004).all()
    assert (same["bands"]["red"] == 1004).all()
    assert out["source_ids"] == same["source_ids"]
    assert [search.status for search in standin.searches] == [200, 200, 200]
    assert len(standin.sas) == 1
    assert standin.sas[0].target == "/sas/token/standin/box"
    assert standin.sas[0].headers["ocp-apim-subscription-key"] == "my-key"
    assert standin.blobs
    assert {entry.status for entry in standin.blobs} == {206}
    plan = bp.plan_composite(endpoint="pc", catalog=f"{standin.root}/v1", **ASK)
    told = json.dumps(plan) + repr(out) + json.dumps({k: out[k] for k in ("sources", "skipped", "timings")})
    assert "secret" not in told
    assert "sig=" not in told
    out.save(tmp_path / "saved")
    assert "secret" not in (tmp_path / "saved" / "composite.json").read_text()


@pytest.mark.parametrize("name", ["pc", "earth-search", "earth-search-c1", "hls", "mcd43a4", "landsat"])
def test_every_endpoint_from_its_service(standin: Standin, tmp_path: Path, name: str) -> None:
    """What comes through search, tokens and blobs is what the same files give where they lie."""
    when = [f"2024-07-1{i}T10:00:00Z" for i in range(3)]
    if name == "mcd43a4":
        shown = [modis(tmp_path, 193 + i, i) for i in range(3)]
    else:
        kinds = {"hls": ["hls-l30", "hls-s30", "hls-l30"]}.get(name, [name] * 3)
        shown = [
            write(tmp_path, kind, NAMES.get(kind, "s{}").format(i), i, when[i], properties=TOLD.get(kind, {}))
            for i, kind in enumerate(kinds)
        ]
    is_signed = not name.startswith("earth-search")
    standin.dialect = "planetary-computer" if is_signed else "element84"
    items = [scene.item for scene in shown]
    for item in items:
        item["properties"].setdefault("eo:cloud_cover", 10)
    standin.items = served(items, tmp_path, ACCOUNT if is_signed else f"{standin.root}/files")
    bbox = (
        inner_box(shown[0], SINUSOIDAL, MODIS_ORIGIN)
        if name == "mcd43a4"
        else inner_box(shown[0], "EPSG:32633", HLS_NORTH)
    )
    asked: dict[str, Any] = {"bbox": bbox, "datetime": "2024-07", "resolution": 500.0 if name == "mcd43a4" else 30.0}
    asked |= {"bands": ["red", "nir"], "endpoint": name, "on_error": "raise"}
    got = bp.build_composite(catalog=f"{standin.root}/v1", **asked)
    want = bp.build_composite(catalog=items, **asked)
    assert got["source_ids"] == want["source_ids"]
    assert len(got["source_ids"]) == 3
    for key in ("quality", "observation_count", "selected_observation"):
        np.testing.assert_array_equal(got[key], want[key])
    for band in ("red", "nir"):
        np.testing.assert_array_equal(got["bands"][band], want["bands"][band])
    collections = {item["collection"] for item in items}
    assert all(set(search.body["collections"]) == collections for search in standin.searches)
    assert len(standin.sas) == is_signed


def test_the_search_that_is_sent(standin: Standin, tmp_path: Path) -> None:
    """Whole days in RFC 3339, one box, a cloud filter, the page size of the provider."""
    pc_items(tmp_path, standin)
    bp.build_composite(endpoint="pc", catalog=standin.root + "/v1/", max_cloud_cover=40, **ASK)
    body = standin.searches[0].body
    assert body == {
        "collections": ["sentinel-2-l2a"],
        "bbox": pytest.approx(list(BOX)),
        "datetime": "2024-07-01T00:00:00Z/2024-07-31T23:59:59.999Z",
        "limit": 250,
        "query": {"eo:cloud_cover": {"lte": 40.0}},
    }


DAYS = {
    "year-before": "2023-12-31T23:59:59.5Z",
    "day-before": "2024-06-30T23:59:59Z",
    "first": "2024-07-01T00:00:00Z",
    "middle": "2024-07-15T12:00:00Z",
    "last": "2024-07-31T23:59:59.9Z",
    "day-after": "2024-08-01T00:00:00Z",
    "year-after": "2025-01-01T00:00:00Z",
}
INTERVALS = {
    "2024-07-31": ("last", "last"),
    "2024-07-01": ("first", "first"),
    "2024-07": ("first", "last"),
    "2024": ("day-before", "day-after"),
    "2024-07-01/2024-07-31": ("first", "last"),
    "2024-06/2024-07": ("day-before", "last"),
    "2024-07-15/..": ("middle", "year-after"),
    "../2024-07-15": ("year-before", "middle"),
    "2024-07-15T12:00:00Z": ("middle", "middle"),
    "2024-07-15T14:00:00+02:00/2024-07-31T23:59:59.9Z": ("middle", "last"),
}


@pytest.mark.parametrize("dialect", ["planetary-computer", "element84"])
@pytest.mark.parametrize("text", INTERVALS)
def test_intervals(standin: Standin, tmp_path: Path, text: str, dialect: Dialect) -> None:
    """Every form a user writes, its last day to the end, gives the same scenes from a search and from a file."""
    items = [scene(tmp_path, "earth-search", name, when[:10], 1000, datetime=when) for name, when in DAYS.items()]
    standin.dialect = dialect
    standin.items = served(items, tmp_path, f"{standin.root}/files")
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    names = list(DAYS)
    first, last = (names.index(name) for name in INTERVALS[text])
    for catalog in (f"{standin.root}/v1", tmp_path / "items.json"):
        asked = {**ASK, "datetime": text, "top_k": 99}
        out = bp.build_composite(endpoint="earth-search", catalog=catalog, on_error="raise", **asked)
        assert set(out["source_ids"]) == set(names[first : last + 1]), catalog
    assert {search.status for search in standin.searches} == {200}


def test_months_share_a_token(standin: Standin, tmp_path: Path) -> None:
    """One search for each month, one token for all their files."""
    pc_items(tmp_path, standin, 2)
    later = scene(tmp_path, "pc", "later", "2024-08-01", 1500)
    standin.items += served([later], tmp_path, ACCOUNT)
    asked: dict[str, Any] = {"endpoint": "pc", "catalog": f"{standin.root}/v1", "resolution": 30.0, "bands": ["red"]}
    july, august = bp.build_monthly_composites(BOX, 2024, (7, 8), **asked)
    assert (july["bands"]["red"] == 1001).all()
    assert (august["bands"]["red"] == 1500).all()
    assert {search.body["datetime"][:7] for search in standin.searches if search.body} == {"2024-07", "2024-08"}
    assert len(standin.sas) == 1


def test_tokens_that_run_out_are_renewed(standin: Standin, tmp_path: Path) -> None:
    """A token of two seconds serves one call; the next one, later, gets another. Nothing is refused on the way."""
    pc_items(tmp_path, standin, 2)
    standin.token_life_s = 2.0
    for _ in range(2):
        bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", **ASK)
        time.sleep(1.2)
    assert {entry.status for entry in standin.blobs} == {206}
    assert len(standin.sas) >= 2


def test_a_run_that_outlives_its_tokens_loses_nothing(standin: Standin, tmp_path: Path) -> None:
    """Tokens of two seconds, one slow request at a time: the first token has run out before the last byte is read."""
    pc_items(tmp_path, standin, 4)
    standin.token_life_s, standin.delay_s = 2.0, 0.25
    out = bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", concurrency=1, on_error="raise", **ASK)
    ended = time.time()
    assert (out["bands"]["red"] == 1003).all()
    assert out["skipped"] == []
    assert len(out["source_ids"]) == 3
    assert {entry.status for entry in standin.blobs} == {206}
    assert standin.tokens[urlsplit(standin.blobs[0].target).query] < ended
    # A token is renewed at half its life.
    assert 2 <= len(standin.sas) <= 1 + out["timings"]["total"]


def test_a_token_that_runs_out_on_the_way_is_replaced(standin: Standin, tmp_path: Path) -> None:
    """What is still signed with a token after its end is refused with 403 and asked for again with a new one."""
    pc_items(tmp_path, standin, 4)
    standin.delay_s = 0.1

    def revoke() -> None:
        while len(standin.blobs) < 4:
            time.sleep(0.01)
        standin.revoked.update(standin.tokens)

    threading.Thread(target=revoke, daemon=True).start()
    out = bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", concurrency=2, on_error="raise", **ASK)
    assert (out["bands"]["red"] == 1003).all()
    assert 1 <= [entry.status for entry in standin.blobs].count(403) <= 2
    assert len(standin.sas) == 2


@pytest.mark.parametrize(("variable", "sent"), [(None, "from-file"), ("from-environment", "from-environment")])
def test_the_key_of_the_settings_file(
    standin: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None, sent: str
) -> None:
    """As the provider's own package keeps it; the environment stands before it, and neither is told to anyone."""
    pc_items(tmp_path, standin, 1)
    home = tmp_path / "home"
    (home / ".planetarycomputer").mkdir(parents=True)
    lines = (
        "# planetarycomputer configure\nPC_SDK_SUBSCRIPTION_KEY=from-file\nPC_SDK_SAS_URL=http://127.0.0.1:9/never\n"
    )
    (home / ".planetarycomputer" / "settings.env").write_text(lines)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("PC_SDK_SUBSCRIPTION_KEY")
    if variable:
        monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", variable)
    out = bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", on_error="raise", **ASK)
    assert [entry.headers["ocp-apim-subscription-key"] for entry in standin.sas] == [sent]
    assert not any("ocp-apim-subscription-key" in entry.headers for entry in standin.blobs + standin.searches)
    assert sent not in json.dumps({key: out[key] for key in ("sources", "skipped", "timings")}) + repr(out)
    standin.revoked = {f"st=x&place=standin-box&sig=secret{n}" for n in range(99)}
    with pytest.raises(bp.ReadError, match="403") as caught:
        bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", on_error="raise", **ASK)
    assert sent not in str(caught.value)


def test_only_blob_hosts_are_signed(standin: Standin, tmp_path: Path) -> None:
    """Files of the same endpoint on another host are asked for as they are."""
    items = [scene(tmp_path, "pc", "s", "2024-07-10", 1000)]
    standin.items = served(items, tmp_path, f"{standin.root}/files")
    out = bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", **ASK)
    assert (out["bands"]["red"] == 1000).all()
    assert not standin.sas
    assert not [entry for entry in standin.log if "sig=" in entry.target]


def test_a_refused_token_is_replaced_once(standin: Standin, tmp_path: Path) -> None:
    """403 for a token before its time: one new token, and the composite is whole."""
    pc_items(tmp_path, standin, 3)
    standin.revoked = {"st=x&place=standin-box&sig=secret0"}
    out = bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", on_error="raise", **ASK)
    assert (out["bands"]["red"] == 1002).all()
    assert len(standin.sas) == 2


def test_a_refusal_that_stays_ends_without_a_storm(standin: Standin, tmp_path: Path) -> None:
    """Every token is refused: two tries for a file, and an error that names neither token nor key."""
    pc_items(tmp_path, standin, 1)
    standin.revoked = {f"st=x&place=standin-box&sig=secret{n}" for n in range(99)}
    with pytest.raises(bp.ReadError, match="403") as caught:
        bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", on_error="raise", **ASK)
    assert "sig" not in str(caught.value)
    assert "my-key" not in str(caught.value)
    assert len(standin.blobs) == 2


def test_unsigned_blobs_are_refused_and_named(standin: Standin, tmp_path: Path) -> None:
    """An endpoint that signs nothing gets 409 from blob storage: not retried, named."""
    items = [scene(tmp_path, "earth-search", "s", "2024-07-10", 1000)]
    standin.items = served(items, tmp_path, ACCOUNT)
    with pytest.raises(bp.ReadError, match="409"):
        bp.build_composite(endpoint="earth-search", catalog=f"{standin.root}/v1", on_error="raise", **ASK)
    assert len(standin.blobs) == 1
    assert not standin.sas


def test_element84_throttles_and_leads_on(standin: Standin, tmp_path: Path) -> None:
    """429 and the 403 that means "later" are waited out; the other form of `next` is followed; clouds are filtered."""
    standin.dialect = "element84"
    clouds = {f"s{i}": 20 * i for i in range(5)}
    items = [
        scene(tmp_path, "earth-search", name, f"2024-07-1{i}", 1000 + i, **{"eo:cloud_cover": clouds[name]})
        for i, name in enumerate(clouds)
    ]
    standin.items = served(items, tmp_path, f"{standin.root}/files")
    standin.refusals = [(429, "later"), (403, '{"message":"Forbidden"}')]
    out = bp.build_composite(endpoint="earth-search", catalog=f"{standin.root}/v1", max_cloud_cover=70, **ASK)
    assert (out["bands"]["red"] == 1003).all()
    assert [search.status for search in standin.searches] == [429, 403, 200, 200]
    assert standin.searches[0].body["limit"] == 100
    assert standin.searches[3].body["next"] == "2,s1"
    assert not standin.sas


def test_modis_is_never_asked_about_clouds(standin: Standin, tmp_path: Path) -> None:
    """Items have no cloud cover; the search finds more than the month, and the nominal day decides."""
    june, july = (
        scene(
            tmp_path, "mcd43a4", f"MCD43A4.A2024{day}.h19v04.061", "2024-07-04", value,
            start_datetime="2024-06-27T00:00:00Z", end_datetime="2024-07-12T23:59:59.999Z",
        )
        for day, value in ((182, 1), (183, 2000))
    )  # fmt: skip
    for item in (june, july):
        del item["properties"]["eo:cloud_cover"]
        item["properties"]["datetime"] = None
    standin.items = served([june, july], tmp_path, ACCOUNT)
    asked = {**ASK, "output_crs": "utm"}
    out = bp.build_composite(endpoint="mcd43a4", catalog=f"{standin.root}/v1", max_cloud_cover=10, **asked)
    assert out["source_ids"] == [july["id"]]
    assert (out["bands"]["red"] == 2000).all()
    assert "query" not in standin.searches[0].body


def test_a_box_across_the_antimeridian_is_two_searches(standin: Standin, tmp_path: Path) -> None:
    """West of 180 and east of it; an item that both find counts once, and shows nothing there."""
    item = scene(tmp_path, "earth-search", "s", "2024-07-10", 1000)
    item["bbox"] = [-180.0, -1.0, 180.0, 1.0]
    standin.items = served([item], tmp_path, f"{standin.root}/files")
    asked = {**ASK, "bbox": (179.99, 0.0, -179.99, 0.02)}
    with pytest.raises(bp.CatalogError, match=r"1 of them can be used .*; none of them shows a pixel of the area"):
        bp.build_composite(endpoint="earth-search", catalog=f"{standin.root}/v1", **asked)
    boxes = [search.body["bbox"] for search in standin.searches]
    assert boxes == [[179.99, 0.0, 180.0, 0.02], [-180.0, 0.0, -179.99, 0.02]]


def test_a_refused_search_says_why(standin: Standin) -> None:
    """The server's own words reach the user; nothing is repeated."""
    standin.refusals = [(400, '{"code":"BadRequest","description":"bbox is not an envelope"}')]
    with pytest.raises(bp.CatalogError, match=r"HTTP status 400: bbox is not an envelope"):
        bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", **ASK)
    assert len(standin.searches) == 1


def test_a_broken_item_is_skipped_and_named(standin: Standin, tmp_path: Path) -> None:
    """One bad item does not spoil the page."""
    pc_items(tmp_path, standin, 1)
    standin.items.append({**standin.items[0], "id": "broken", "assets": {"B04": {"type": "image/tiff"}}})
    with pytest.warns(bp.SkippedWarning, match="broken"):
        out = bp.build_composite(endpoint="pc", catalog=f"{standin.root}/v1", **ASK)
    assert [skip["item"] for skip in out["skipped"]] == ["broken"]
    assert (out["bands"]["red"] == 1000).all()


BROKEN = {"type": "Feature", "id": "broken", "properties": {}, "assets": {"red": {"type": "image/tiff"}}}


def in_a_collection(folder: Path, item: Item) -> object:
    """An ItemCollection file."""
    path = folder / "items.json"
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": [BROKEN, item, {**item, "id": "second", "assets": 7}]})
    )
    return path


def in_lines(folder: Path, item: Item) -> object:
    """An NDJSON file, of which one line has been cut off."""
    path = folder / "items.ndjson"
    path.write_text("\n".join([json.dumps(BROKEN), json.dumps(item), json.dumps({**item, "id": "x"})[:-30]]) + "\n")
    return path


def in_a_folder(folder: Path, item: Item) -> object:
    """A folder with item files, of which one has been cut off, and another file that is none."""
    for name, text in {"a": json.dumps(item), "b": json.dumps(BROKEN), "c": json.dumps(item)[:-30], "d": "[1]"}.items():
        (folder / f"{name}.json").write_text(text)
    return str(folder)


def in_a_list(_: Path, item: Item) -> object:
    """A list of dicts, of which one is no item at all."""
    return [BROKEN, item, {"id": 7}]


@pytest.mark.parametrize(
    ("form", "second"),
    [
        (in_a_collection, "second"), (in_lines, "line 3"),
        (in_a_folder, "c.json"), (in_a_list, "an item without an id"),
    ],
)  # fmt: skip
def test_a_broken_item_of_a_local_catalogue(tmp_path: Path, form: Callable[[Path, Item], object], second: str) -> None:
    """Skipped and named, or raised, as in answers to a search."""
    good = scene(tmp_path, "earth-search", "good", "2024-07-10", 1000)
    catalog: Any = form(tmp_path, good)
    with pytest.warns(bp.SkippedWarning, match="broken"):
        out = bp.build_composite(endpoint="earth-search", catalog=catalog, **ASK)
    assert (out["bands"]["red"] == 1000).all()
    assert len(out["skipped"]) == 2
    assert {Path(skip["item"]).name for skip in out["skipped"]} == {"broken", second}
    assert all(
        "href" in skip["cause"] or "expected" in skip["cause"] or "EOF" in skip["cause"] for skip in out["skipped"]
    )
    with pytest.raises(bp.CatalogError, match=f"broken|{second}"):
        bp.build_composite(endpoint="earth-search", catalog=catalog, on_error="raise", **ASK)


def test_a_file_that_is_no_json_at_all(tmp_path: Path) -> None:
    """Nothing can be had from it: that is an error, whatever `on_error` says."""
    path = tmp_path / "items.json"
    path.write_text('{"type": "FeatureCollection",\n "features": [')
    with pytest.raises(bp.CatalogError, match=r"items\.json: not valid JSON"):
        bp.build_composite(endpoint="earth-search", catalog=path, **ASK)
