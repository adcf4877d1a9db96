"""Every endpoint against an independent composite by numpy and rasterio, on scenes laid out as the provider does it.

The winner of every pixel must be equal and values within 1 DN. The tables below are written a second time on purpose:
a slip in the package's own table must not pass.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import layouts
import numpy as np
import oracle
import pytest
import rasterio
from conftest import Outcome, from_result
from layouts import SINUSOIDAL, Scene, box_of
from pyproj import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

NODATA = 65535
SHAPE = (72, 90)
HLS_NORTH = (499_980.0, 5_100_000.0)
HLS_SOUTH_CRS = "+proj=utm +zone=19 +ellps=WGS84 +units=m +no_defs"
MODIS_PIXEL = 463.3127165279165
MODIS_ORIGIN = (1_111_950.519667, 5_559_752.598333)

Item = dict[str, Any]


def bits(value: NDArray[Any], *which: int) -> NDArray[np.bool_]:
    """Where any of some bits is set."""
    return np.asarray(np.any([(value.astype(np.int64) >> bit) & 1 for bit in which], axis=0))


def score_fmask(value: NDArray[Any]) -> NDArray[Any]:
    """W4 for HLS."""
    marginal = bits(value, 2, 4) | (value >> 6 == 3)
    return np.select([value == 255, bits(value, 1), bits(value, 3, 0), marginal], [NODATA, NODATA, 2, 1], 0)


def score_landsat(value: NDArray[Any]) -> NDArray[Any]:
    """As W4 for HLS, by Landsat's own bits."""
    return np.select([bits(value, 0, 3), bits(value, 4, 2), bits(value, 5, 1)], [NODATA, 2, 1], 0)


def score_modis(value: NDArray[Any]) -> NDArray[Any]:
    """W4 for MCD43A4, one band."""
    return np.select([value == 0, value == 1], [0, 1], NODATA)


def score_scl(value: NDArray[Any]) -> NDArray[Any]:
    """W4 for Sentinel-2."""
    return np.asarray(oracle.SCORES[value])


@dataclass(frozen=True)
class Rule:
    """What a layout's bytes mean."""

    endpoint: str
    bands: Mapping[str, str]
    quality: Mapping[str, str] | str
    """Asset of all bands, or by band."""
    score: Callable[[NDArray[Any]], NDArray[Any]]
    fill: int
    classes: tuple[int, ...]
    """Quality values that scenes show."""
    low: int
    high: int
    """Range of the samples that scenes show."""
    scale: float = 1.0
    add: float = 0.0
    quality_from_overviews: bool = False
    coarse: Mapping[str, int] = field(default_factory=dict)
    """By asset how many of the finest pixels one pixel is long."""
    pixel: float = 30.0

    def layers(self, bands: Iterable[str]) -> list[str]:
        """Quality assets of some bands."""
        return [self.quality] if isinstance(self.quality, str) else [self.quality[band] for band in bands]


S2_CLASSES = (0, 1, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 9, 10, 11)
FMASK_CLASSES = (255, 0b10, 0b110, 0b100, 0b1000, 0b10000, 0b100000, 64, 128, 192, 64, 64, 128, 1)
ESA = {"coastal": "B01", "red": "B04", "rededge1": "B05", "nir": "B08", "nir08": "B8A", "swir16": "B11"}
NAMED = {name: name for name in ESA}
L30 = {"coastal": "B01", "red": "B04", "nir": "B05", "swir16": "B06", "swir22": "B07"}
S30 = {"coastal": "B01", "red": "B04", "nir": "B8A", "swir16": "B11", "swir22": "B12"}
MODIS_NUMBERS = {"blue": 3, "green": 4, "red": 1, "nir": 2, "swir16": 6, "swir22": 7}
LANDSAT = {"coastal": "coastal", "red": "red", "nir": "nir08", "swir16": "swir16", "swir22": "swir22"}

COARSE = {"coastal": 6, "rededge1": 2, "nir08": 2, "swir16": 2}
sentinel = partial(Rule, score=score_scl, fill=0, classes=S2_CLASSES, low=1200, high=12_000, pixel=10.0)
sentinel = partial(
    sentinel, coarse={**{ESA[band]: step for band, step in COARSE.items()}, **COARSE, "SCL": 2, "scl": 2}
)
hls = partial(Rule, "hls", quality="Fmask", score=score_fmask, fill=-9999, classes=FMASK_CLASSES, low=-300, high=9000)
hls = partial(hls, quality_from_overviews=True)
RULES = {
    "pc": sentinel("pc", ESA, "SCL"),
    "earth-search": sentinel("earth-search", NAMED, "scl", quality_from_overviews=True),
    "earth-search-c1": sentinel("earth-search-c1", NAMED, "scl"),
    "hls-l30": hls(L30),
    "hls-s30": hls(S30),
    "mcd43a4": Rule(
        "mcd43a4",
        {band: f"Nadir_Reflectance_Band{number}" for band, number in MODIS_NUMBERS.items()},
        {band: f"BRDF_Albedo_Band_Mandatory_Quality_Band{number}" for band, number in MODIS_NUMBERS.items()},
        score_modis, 32767, (0, 0, 0, 0, 1, 255), 0, 9000, pixel=MODIS_PIXEL,
    ),
    "landsat": Rule(
        "landsat", LANDSAT, "qa_pixel", score_landsat, 0, (1, 21824, 21824, 21952, 22280, 23888, 30048, 21826),
        7000, 45_000, 0.275, -2000.0,
    ),
}  # fmt: skip


def read(path: str, pixel: float = 0.0) -> oracle.Level:
    """The coarsest level of a file whose pixels are at most `pixel` large, else the whole image, by rasterio."""
    found = []
    with rasterio.open(path) as dataset:
        count = len(dataset.overviews(1))
    for level in range(-1, count):
        with rasterio.open(path, **({} if level < 0 else {"overview_level": level})) as dataset:
            to_world, crs = dataset.transform, dataset.crs.to_wkt()
            if level < 0 or to_world.a <= 1.005 * pixel:
                found.append(oracle.Level(crs, to_world.c, to_world.f, to_world.a, -to_world.e, dataset.read(1)))
    return found[-1]


def nearest_score(rule: Rule, level: oracle.Level, points: oracle.Points) -> NDArray[Any]:
    """V2 and W4 for one layer."""
    col, row = (oracle.whole(position) for position in points.on(level))
    return np.where(level.inside(col, row), rule.score(level.take(col, row)), NODATA)


def snap(position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Positions that are off an edge or centre by rounding alone are on it."""
    exact = np.round(position * 2) / 2
    return np.where(np.abs(position - exact) < oracle.EDGE, exact, position)


def bilinear_dn(rule: Rule, offset: int, level: oracle.Level, points: oracle.Points) -> NDArray[np.float64]:
    """V1, V3 and V4 for one band; NaN where there is nothing."""
    col, row = points.on(level)
    u, v = (snap(position) - 0.5 for position in (col, row))
    i, j = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    total, weights = np.zeros(u.shape), np.zeros(u.shape)
    for di, dj in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (u - i if di else 1 - (u - i)) * (v - j if dj else 1 - (v - j))
        sample = level.take(i + di, j + dj).astype(np.float64)
        valid = level.inside(i + di, j + dj) & (sample != rule.fill)
        dn = np.clip(sample * rule.scale + rule.add - offset, 1, 65534)
        weight = np.where(valid, weight, 0.0)
        total, weights = total + weight * dn, weights + weight
    return np.where(weights > 0, total / np.where(weights > 0, weights, 1), np.nan)


@dataclass(frozen=True)
class Shown:
    """A written scene, and what a composite must take from it."""

    item: Item
    rule: Rule
    when: str
    """Time by which equals are ordered."""
    offset: int = 0


def expected(shown: list[Shown], grid: oracle.Grid, bands: list[str]) -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
    """Ids of the winners and their values (NaN: none), of scenes that all compete everywhere."""
    points = grid.points((slice(0, grid.height), slice(0, grid.width)))
    found = []
    for scene in shown:
        href = {key: asset["href"] for key, asset in scene.item["assets"].items()}
        coarsest = grid.resolution if scene.rule.quality_from_overviews else 0.0
        layers = [nearest_score(scene.rule, read(href[key], coarsest), points) for key in scene.rule.layers(bands)]
        score = np.max(layers, axis=0)
        files = [read(href[scene.rule.bands[band]], grid.resolution) for band in bands]
        dn = [bilinear_dn(scene.rule, scene.offset, file, points) for file in files]
        score = np.where(np.isnan(dn).all(axis=0), NODATA, score)
        # W1: the clear area as quality shows it, whether or not there is reflectance.
        found.append(((-int((np.max(layers, axis=0) == 0).sum())), scene, score, dn))
    found.sort(key=lambda entry: entry[1].item["id"])
    found.sort(key=lambda entry: entry[1].when, reverse=True)
    found.sort(key=lambda entry: entry[0])
    winner = np.full((grid.height, grid.width), "", dtype="U80")
    best = np.full(winner.shape, NODATA)
    values = {band: np.full(winner.shape, np.nan) for band in bands}
    for _, scene, score, dn in found:
        better = score < best
        best = np.where(better, score, best)
        winner[better] = scene.item["id"]
        for band, value in zip(bands, dn):
            values[band][better] = value[better]
    return winner, values


def build(shown: list[Shown], **options: Any) -> tuple[Outcome, dict[str, Any]]:  # noqa: ANN401
    """The package's composite, in which all scenes compete everywhere, and its result as it is."""
    rows: dict[str, Any] = {
        "endpoint": shown[0].rule.endpoint,
        "catalog": [scene.item for scene in shown],
        "on_error": "raise",
    }
    out = bp.build_composite(**{**rows, "top_k": 99, "scout_factor": 1, **options})
    return from_result(out), dict(out)


Want = tuple["NDArray[Any]", "dict[str, NDArray[Any]]"]


def check(got: Outcome, want: Want, sure: NDArray[np.bool_] | None = None) -> None:
    """Winners equal, values within 1 DN; where `sure` says so."""
    winner, values = want
    where = np.ones(winner.shape, bool) if sure is None else sure
    assert got.winner.shape == winner.shape
    assert np.count_nonzero((got.winner != winner) & where) == 0
    assert np.count_nonzero(winner != "") > winner.size / 2
    for band, value in values.items():
        none = np.isnan(value)
        assert np.count_nonzero(((got.bands[band] == NODATA) != none) & where) == 0, band
        off = np.abs(got.bands[band].astype(np.float64) - value)
        # Half a DN of rounding each for sample and mean, and float32.
        assert off[where & ~none].max() <= 1.01, band


def draw(  # noqa: PLR0913
    layout: str, seed: int, shape: tuple[int, int], bands: Iterable[str], *, smooth: bool, low: int | None
) -> dict[str, NDArray[Any]]:
    """Samples for assets of a layout: noise with holes, or a gentle slope."""
    rule, rng = RULES[layout], np.random.default_rng(seed)

    def size(key: str) -> tuple[int, int]:
        step = rule.coarse.get(key, 1)
        return shape[0] // step, shape[1] // step

    assets = {}
    for key in (rule.bands[band] for band in bands):
        rows, cols = size(key)
        slope = np.add.outer(np.arange(rows), np.arange(cols)) * 5
        noise = rng.integers(rule.low if low is None else low, rule.high, (rows, cols))
        assets[key] = slope + int(rng.integers(2000, 4000)) if smooth else noise
        assets[key][rng.random((rows, cols)) < (0.0 if smooth else 0.06)] = rule.fill
    for key in rule.layers(bands):
        rows, cols = size(key)
        coarse = rng.choice(rule.classes, (-(-rows // 5), -(-cols // 5)))
        assets[key] = np.kron(coarse, np.ones((5, 5), int))[:rows, :cols]
    return assets


def write(folder: Path, layout: str, name: str, seed: int, when: str, *, offset: int = 0, **changes: Any) -> Shown:  # noqa: ANN401, PLR0913
    """Draw and write a scene."""
    rule, properties = RULES[layout], {"datetime": when, "platform": "any", **changes.pop("properties", {})}
    shape, smooth, low = changes.pop("shape", SHAPE), changes.pop("smooth", False), changes.pop("low", None)
    assets = draw(layout, seed, shape, changes.pop("bands", rule.bands), smooth=smooth, low=low)
    scene = Scene(
        layout, name, assets, frozenset(rule.layers(rule.bands)), properties=properties,
        **{"origin": HLS_NORTH, "pixel": rule.pixel, **changes},
    )  # fmt: skip
    return Shown(layouts.write(folder, scene), rule, when, offset)


def inner_box(shown: Shown, crs: str, origin: tuple[float, float], shape: tuple[int, int] = SHAPE) -> tuple[float, ...]:
    """Degrees well inside and partly beyond a scene: its right edge is in the picture."""
    (left, top), (height, width), pixel = origin, shape, shown.rule.pixel
    # On no pixel edge: whether a box that ends on one ends behind it would be a matter of rounding.
    bounds = (left + 4.2 * pixel, top - (height - 4.2) * pixel, left + (width + 3.2) * pixel, top - 4.2 * pixel)
    assert shown.item["bbox"]
    return box_of(bounds, crs)


def sentinel_properties(layout: str, baseline: str, **more: object) -> dict[str, Any]:
    """What items of the three Sentinel-2 collections say of themselves."""
    tile = {"s2:mgrs_tile": "33TWL"} if layout == "pc" else {"grid:code": "MGRS-33TWL"}
    return {**tile, "s2:processing_baseline": baseline, **more}


@pytest.mark.parametrize("factor", [1.0, 1.6])
@pytest.mark.parametrize("layout", ["pc", "earth-search", "earth-search-c1"])
def test_sentinel_2(tmp_path: Path, layout: str, factor: float) -> None:
    """Offsets by flag or baseline, 15-bit and 16-bit files, SCL by class, bands of 10, 20 and 60 m."""
    flag = {"earthsearch:boa_offset_applied": True} if layout == "earth-search" else {}
    left_in = 0 if flag else 1000
    versions = [("02.12", 0), ("05.11", left_in), ("04.00", left_in)]
    shown = [
        write(
            tmp_path, layout, f"s{i}", i, f"2024-07-1{i}T10:00:00Z", offset=offset,
            properties=sentinel_properties(layout, baseline, **flag),
        )
        for i, (baseline, offset) in enumerate(versions)
    ]  # fmt: skip
    bbox, bands = inner_box(shown[0], "EPSG:32633", HLS_NORTH), ["nir08", "coastal", "rededge1", "nir"]
    resolution = 10.0 * factor
    got, out = build(shown, bbox=bbox, datetime="2024-07", resolution=resolution, bands=bands)
    check(got, expected(shown, oracle.make_grid(bbox, resolution, "native"), bands))
    assert list(got.bands) == bands
    assert {s["id"]: s["offset_applied"] for s in out["sources"]} == {s.item["id"]: s.offset for s in shown}


FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "1.0, projection 1": (
        {"stac_version": "1.0.0"},
        {"proj:epsg": 32719, "proj:transform": [60, 0, 1, 0, -60, 2, 0, 0, 1], "proj:shape": [1, 1]},
    ),
    "1.1, projection 2": (
        {"stac_version": "1.1.0"},
        {"proj:code": "EPSG:None", "proj:transform": [60, 0, 1, 0, -60, 2]},
    ),
    "null": ({"links": None, "geometry": None, "unknown": [{"a": None}]}, {"proj:epsg": None, "proj:code": None}),
}


@pytest.mark.parametrize("level", ["item", "asset"])
@pytest.mark.parametrize("form", FORMS)
def test_g2_items_of_every_form(tmp_path: Path, form: str, level: str) -> None:
    """G2: what an item says of projection, at whatever level, is a hint at most, also where it is wrong."""
    told = sentinel_properties("pc", "05.11")
    bands = ["nir"]
    shown = [
        write(
            tmp_path, "pc", f"s{i}", i, f"2024-07-1{i}T10:00:00Z", offset=1000, properties=told, bands=bands,
        )
        for i in (0, 1)
    ]  # fmt: skip
    members, projection = FORMS[form]
    for item in (scene.item for scene in shown):
        item.update(members)
        assets = [{**asset, "bands": [{"name": "x"}], "eo:bands": None} for asset in item["assets"].values()]
        for place in [item["properties"]] if level == "item" else assets:
            place.update(projection)
        item["assets"] = dict(zip(item["assets"], assets))
    bbox = inner_box(shown[0], "EPSG:32633", HLS_NORTH)
    got, _ = build(shown, bbox=bbox, datetime="2024-07", resolution=16.0, bands=bands)
    check(got, expected(shown, oracle.make_grid(bbox, 16.0, "native"), bands))


CONTRADICTIONS = {
    "out, new": (True, "05.09", 200, 0),
    "out, old": (True, "02.14", 200, 0),
    "in, old": (False, "03.01", 200, 0),
    "in, new, pixels have it": (False, "05.11", 1200, 1000),
    "in, new, pixels have it not": (False, "05.11", 200, 0),
    "unsaid, new, pixels have it": (None, "04.00", 1200, 1000),
    "unsaid, new, pixels have it not": (None, "04.00", 200, 0),
    "unsaid, old": (None, "02.14", 200, 0),
}


@pytest.mark.parametrize("bands", [["red", "nir"], ["swir16"]])
def test_i4_where_flag_and_baseline_contradict_the_pixels_decide(tmp_path: Path, bands: list[str]) -> None:
    """I4: by Element84's flag; where it denies what the baseline has, by the darkest pixels, whatever is asked for."""
    shown = []
    for number, (name, (flag, baseline, low, offset)) in enumerate(CONTRADICTIONS.items()):
        told = sentinel_properties("earth-search", baseline, **{"earthsearch:boa_offset_applied": flag})
        when = f"2024-07-1{number}T10:00:00Z"
        shown.append(write(tmp_path, "earth-search", name, number, when, offset=offset, low=low, properties=told))
        for asset in shown[-1].item["assets"].values():
            # What items of that collection say, whether it is true or not.
            asset["raster:bands"] = [{"offset": -0.1, "scale": 0.0001}]
    bbox = inner_box(shown[0], "EPSG:32633", HLS_NORTH)
    asked: dict[str, Any] = {"bbox": bbox, "datetime": "2024-07", "resolution": 10.0, "bands": bands}
    got, out = build(shown, **asked)
    check(got, expected(shown, oracle.make_grid(bbox, 10.0, "native"), bands))
    decided = {name for name in CONTRADICTIONS if "new, pixels" in name}
    assert len(decided & set(np.unique(got.winner))) > 2
    assert {s["id"]: s["offset_applied"] for s in out["sources"]} == {s.item["id"]: s.offset for s in shown}
    plan = bp.plan_composite(endpoint="earth-search", catalog=[scene.item for scene in shown], top_k=99, **asked)
    assert {s["id"]: s["offset"] for s in plan["scenes"]} == {s.item["id"]: s.offset for s in shown}


def test_i4_a_witness_that_cannot_be_read_costs_its_scene(tmp_path: Path) -> None:
    """A scene of which nobody can tell the offset is named, not guessed."""
    told = sentinel_properties("earth-search", "05.11", **{"earthsearch:boa_offset_applied": False})
    sure = sentinel_properties("earth-search", "05.11", **{"earthsearch:boa_offset_applied": True})
    shown = [
        write(tmp_path, "earth-search", name, 1, "2024-07-10T10:00:00Z", properties=properties)
        for name, properties in (("doubtful", told), ("sure", sure))
    ]
    Path(shown[0].item["assets"]["red"]["href"]).unlink()
    bbox = inner_box(shown[0], "EPSG:32633", HLS_NORTH)
    asked: dict[str, Any] = {"bbox": bbox, "datetime": "2024-07", "resolution": 10.0, "bands": ["nir"]}
    with pytest.warns(bp.SkippedWarning, match="doubtful"):
        got, out = build(shown, on_error="skip", **asked)
    assert got.selected == {"sure"}
    assert [skip["item"] for skip in out["skipped"]] == ["doubtful"]


TOLD = {
    "pc": sentinel_properties("pc", "02.14"),
    "earth-search": sentinel_properties("earth-search", "05.11", **{"earthsearch:boa_offset_applied": True}),
    "earth-search-c1": sentinel_properties("earth-search-c1", "02.14"),
    "landsat": {"landsat:wrs_path": "190", "landsat:wrs_row": "028"},
}
NAMES = {"hls-l30": "HLS.L30.T33TWN.202418{}T100000.v2.0", "hls-s30": "HLS.S30.T33TWN.202418{}T100000.v2.0"}


@pytest.mark.parametrize(
    ("layout", "factor"),
    [
        *[("pc", 2.2), ("earth-search", 2.2), ("earth-search", 4.3), ("earth-search-c1", 2.2)],
        *[("hls-l30", 4.3), ("hls-s30", 2.2), ("landsat", 4.3)],
    ],
)
def test_overviews(tmp_path: Path, layout: str, factor: float) -> None:
    """L1, L2: reflectance comes from overviews, quality only where they hold classes."""
    shape, bands = (528, 540), ["nir", "swir16"]
    shown = [
        write(
            tmp_path, layout, NAMES.get(layout, "s{}").format(i), i, f"2024-07-0{i}T10:00:00Z", shape=shape,
            bands=bands, properties=TOLD.get(layout, {}),
        )
        for i in (3, 4)
    ]  # fmt: skip
    resolution = factor * shown[0].rule.pixel
    bbox = inner_box(shown[0], "EPSG:32633", HLS_NORTH, shape)
    got, out = build(shown, bbox=bbox, datetime="2024-07", resolution=resolution, bands=bands)
    check(got, expected(shown, oracle.make_grid(bbox, resolution, "native"), bands))
    plan = bp.plan_composite(
        endpoint=out["endpoint"], catalog=[s.item for s in shown], bbox=bbox, datetime="2024-07",
        resolution=resolution, bands=bands,
    )  # fmt: skip
    assert plan["scenes"][0]["bands"][0]["level"] == int(np.log2(factor))


def test_mcd43a4_overviews(tmp_path: Path) -> None:
    """As it is made by the provider: cubic means that skip the named fill, and quality that must not be read so."""
    bands = ["red", "nir"]
    shown = [modis(tmp_path, 190 + i, i, shape=(528, 540), bands=bands) for i in range(2)]
    resolution = 2.2 * MODIS_PIXEL
    left, top = MODIS_ORIGIN
    bbox = box_of((left + 1e5, top - 2e5, left + 2e5, top - 1e5), SINUSOIDAL)
    got, _ = build(shown, bbox=bbox, datetime="2024-07", resolution=resolution, bands=bands)
    check(got, expected(shown, oracle.make_grid(bbox, resolution, SINUSOIDAL), bands))


def test_three_utm_zones(tmp_path: Path) -> None:
    """G3: one box over zones 32, 33 and 34, scenes of each in its own zone, one of them beyond the grid's edge."""
    shown = []
    for zone, tile, lon in ((32, "32TQR", 11.6), (33, "33TWL", 15.0), (34, "34TBR", 18.3)):
        crs = f"EPSG:{32600 + zone}"
        x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, 45.8)
        origin = (round(x / 1000) * 1000.0 - 80_000.0, round(y / 1000) * 1000.0 + 36_000.0)
        told = {"s2:mgrs_tile": tile, "s2:processing_baseline": "02.14"}
        place: dict[str, Any] = {"crs": crs, "origin": origin, "pixel": 1000.0, "shape": (72, 156)}
        shown.append(write(tmp_path, "pc", tile, zone, "2024-07-10T10:00:00Z", smooth=True, properties=told, **place))
    bbox, bands = (11.3, 45.6, 18.7, 45.95), ["nir", "red"]
    grid = oracle.make_grid(bbox, 1000.0, "native")
    got, out = build(shown, bbox=bbox, datetime="2024-07", resolution=1000.0, bands=bands)
    assert out["grid"]["epsg"] == 32633
    points = grid.points((slice(0, grid.height), slice(0, grid.width)))
    sure = np.ones((grid.height, grid.width), bool)
    for scene in shown:
        for key in ("SCL", "B08", "B04"):
            level = read(scene.item["assets"][key]["href"])
            col, row = points.on(level)
            near = np.minimum(np.abs(col - np.round(col)), np.abs(row - np.round(row)))
            edge = np.minimum.reduce([np.abs(col - e) for e in (0.5, level.values.shape[1] - 0.5)])
            edge = np.minimum.reduce([edge, *(np.abs(row - e) for e in (0.5, level.values.shape[0] - 0.5))])
            sure &= (near > oracle.FRAGILE) & (edge > oracle.FRAGILE)
    assert sure.mean() > 0.7
    winner, values = expected(shown, grid, bands)
    assert (got.winner == winner)[sure].all()
    assert {(winner == tile).any() for tile in ("32TQR", "33TWL", "34TBR")} == {True}
    for band, value in values.items():
        off = np.abs(np.where(np.isnan(value), NODATA, value) - got.bands[band])
        assert off[sure].max() <= 1.2, band


@pytest.mark.parametrize("factor", [1.0, 1.6])
def test_hls_is_one_pool(tmp_path: Path, factor: float) -> None:
    """B05 of Landsat competes with B8A of Sentinel-2, B06 with B11; negative values are valid, fill is not."""
    shown = [
        write(
            tmp_path, layout, f"HLS.{layout[-3:].upper()}.T33TWN.2024{183 + i}T100000.v2.0", i,
            f"2024-07-0{i + 1}T10:00:00Z",
        )
        for i, layout in enumerate(["hls-l30", "hls-s30", "hls-l30", "hls-s30"])
    ]  # fmt: skip
    bbox, bands = inner_box(shown[0], "EPSG:32633", HLS_NORTH), ["coastal", "nir", "swir16", "swir22"]
    got, out = build(shown, bbox=bbox, datetime="2024-07", resolution=30.0 * factor, bands=bands)
    check(got, expected(shown, oracle.make_grid(bbox, 30.0 * factor, "native"), bands))
    assert {s["collection"] for s in out["sources"]} == {"hls2-l30", "hls2-s30"}
    assert out["collection"] == "hls2-l30,hls2-s30"
    assert {s["tile"] for s in out["sources"]} == {"33TWN"}


@pytest.mark.parametrize("layout", ["hls-s30", "landsat"])
def test_south_of_the_equator_in_northern_coordinates(tmp_path: Path, layout: str) -> None:
    """Negative northings of zone 19 north lie in zone 19 south; the CRS of HLS has no EPSG code."""
    origin = (399_960.0, -1_600_020.0)
    crs = HLS_SOUTH_CRS if layout == "hls-s30" else "EPSG:32619"
    names = {"hls-s30": "HLS.S30.T19LDD.202418{}T100000.v2.0", "landsat": "LC08_L2SP_00{}"}
    shown = [
        write(
            tmp_path, layout, names[layout].format(i), i, f"2024-07-0{i}T10:00:00Z", crs=crs, origin=origin,
            properties={"landsat:wrs_path": "001", "landsat:wrs_row": "071", "proj:epsg": 32719},
        )
        for i in (3, 4, 5)
    ]  # fmt: skip
    bbox, bands = inner_box(shown[0], crs, origin), ["coastal", "nir", "swir22"]
    grid = oracle.make_grid(bbox, 30.0, "native")
    got, out = build(shown, bbox=bbox, datetime="2024-07", resolution=30.0, bands=bands)
    assert out["grid"]["epsg"] == 32719
    check(got, expected(shown, grid, bands))
    assert {s["tile"] for s in out["sources"]} == {"19LDD" if layout == "hls-s30" else "001071"}


@pytest.mark.parametrize("factor", [1.0, 1.6])
def test_landsat(tmp_path: Path, factor: float) -> None:
    """Samples become reflectance by scale and offset, quality by its bits; `nir` is nir08."""
    wrs = {"landsat:wrs_path": "190", "landsat:wrs_row": "028"}
    shown = [write(tmp_path, "landsat", f"LC08_{i}", i, f"2024-07-0{i}T10:00:00Z", properties=wrs) for i in (1, 2, 3)]
    bbox, bands = inner_box(shown[0], "EPSG:32633", HLS_NORTH), ["red", "nir"]
    got, _ = build(shown, bbox=bbox, datetime="2024-07", resolution=30.0 * factor, bands=bands)
    check(got, expected(shown, oracle.make_grid(bbox, 30.0 * factor, "native"), bands))


def modis(folder: Path, day: int, seed: int, **changes: Any) -> Shown:  # noqa: ANN401
    """A scene of MCD43A4 of a nominal day of 2024; its datetime is four days later, as live items have it."""
    later = np.datetime64("2024-01-01") + day - 1 + 4
    nominal = f"{np.datetime64('2024-01-01') + day - 1}T00:00:00Z"
    name = f"MCD43A4.A2024{day:03}.h19v04.061.2024{day + 9:03}035331"
    place: dict[str, Any] = {"crs": SINUSOIDAL, "origin": MODIS_ORIGIN}
    shown = write(folder, "mcd43a4", name, seed, f"{later}T00:00:00Z", **place, **changes)
    shown.item["properties"].update({"proj:epsg": None, "eo:cloud_cover": 99})
    return Shown(shown.item, shown.rule, nominal)


@pytest.mark.parametrize("bands", [["red"], ["red", "nir"], ["swir22", "blue", "green", "swir16"]])
@pytest.mark.parametrize("resolution", [MODIS_PIXEL, 700.0])
def test_mcd43a4(tmp_path: Path, bands: list[str], resolution: float) -> None:
    """The worst quality of the requested bands decides, on the sinusoidal grid; no cloud filter."""
    shown = [modis(tmp_path, 190 + i, i) for i in range(3)]
    bbox = inner_box(shown[0], SINUSOIDAL, MODIS_ORIGIN)
    got, out = build(shown, bbox=bbox, datetime="2024-07", resolution=resolution, bands=bands, max_cloud_cover=5)
    assert out["grid"]["epsg"] == 0
    assert out["grid"]["proj4"] == ("+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +a=6371007.181 +b=6371007.181 +units=m +no_defs")
    grid = oracle.make_grid(bbox, resolution, SINUSOIDAL)
    # The box reaches beyond the tile on all sides where it is slanted.
    winner, values = expected(shown, grid, bands)
    inside = (winner != "") | (got.winner != "")
    assert (got.winner == winner)[inside].all()
    for band, value in values.items():
        off = np.abs(np.where(np.isnan(value), NODATA, value) - got.bands[band])
        assert off.max() <= 1.01, band


def test_mcd43a4_in_utm(tmp_path: Path) -> None:
    """`output_crs="utm"` warps from the sinusoidal grid."""
    shown = [modis(tmp_path, 190 + i, i, smooth=True) for i in range(2)]
    bbox, bands = box_of((1_125_000.0, 5_530_000.0, 1_145_000.0, 5_550_000.0), SINUSOIDAL), ["red", "swir16"]
    grid = oracle.make_grid(bbox, 500.0, "utm")
    got, out = build(shown, bbox=bbox, datetime="2024-07", resolution=500.0, bands=bands, output_crs="utm")
    assert out["grid"]["epsg"] == 32600 + int((bbox[0] + 180) // 6) + 1
    points = grid.points((slice(0, grid.height), slice(0, grid.width)))
    col, row = points.on(read(shown[0].item["assets"]["Nadir_Reflectance_Band1"]["href"]))
    sure = np.minimum(np.abs(col - np.round(col)), np.abs(row - np.round(row))) > oracle.FRAGILE
    assert sure.mean() > 0.8
    check(got, expected(shown, grid, bands), sure)


def test_i3_nominal_day(tmp_path: Path) -> None:
    """I3: the day in the id decides the period and is what the result tells, not `datetime`."""
    june, july, august = (modis(tmp_path, day, i, smooth=True) for i, day in enumerate([182, 213, 214]))
    bbox = inner_box(july, SINUSOIDAL, MODIS_ORIGIN)
    got, out = build([june, july, august], bbox=bbox, datetime="2024-07", resolution=500.0, bands=["red"])
    assert got.selected == {july.item["id"]}
    assert july.item["properties"]["datetime"].startswith("2024-08")
    assert out["sources"][0]["datetime"].startswith("2024-07-31")


@pytest.mark.parametrize("asset", [0, 1])
def test_mcd43a4_a_damaged_tile_of_one_quality_layer(tmp_path: Path, asset: int) -> None:
    """Where a tile of any layer cannot be read the scene shows nothing, as if that tile were fill."""
    shown = [modis(tmp_path, 190 + i, i) for i in range(2)]
    bands = ["red", "swir16"]
    key = shown[1].rule.layers(bands)[asset]
    path = Path(shown[1].item["assets"][key]["href"])
    bbox = inner_box(shown[0], SINUSOIDAL, MODIS_ORIGIN)
    rows = {"bbox": bbox, "datetime": "2024-07", "bands": bands, "resolution": MODIS_PIXEL}
    with rasterio.open(path) as dataset:
        profile, values = dataset.profile, dataset.read(1)
    filled = values.copy()
    filled[32:64, 32:64] = 255
    tiles = {"driver": "GTiff", "tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}

    def compose(values: NDArray[Any]) -> Outcome:
        with rasterio.open(path, "w", **{**profile, **tiles}) as dataset:
            dataset.write(values, 1)
        return build(shown, **rows)[0]

    fill, whole = compose(filled), compose(values)
    with rasterio.open(path) as dataset:
        start, size = (int(dataset.get_tag_item(f"BLOCK_{what}_1_1", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    data = bytearray(path.read_bytes())
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    with pytest.warns(bp.SkippedWarning, match=key):
        damaged, out = build(shown, **rows, on_error="skip")
    assert (whole.winner != fill.winner).sum() > 100
    np.testing.assert_array_equal(damaged.winner, fill.winner)
    np.testing.assert_array_equal(damaged.quality, fill.quality)
    for band in bands:
        np.testing.assert_array_equal(damaged.bands[band], fill.bands[band])
    assert [(skip["item"], skip["href"]) for skip in out["skipped"]] == [(shown[1].item["id"], str(path))]


def test_mcd43a4_overviews_without_a_named_fill_are_not_read(tmp_path: Path) -> None:
    """V3: an overview made without knowing the fill has mixed it into its means; the full image is read instead."""
    shown = modis(tmp_path, 190, 1)
    path = shown.item["assets"]["Nadir_Reflectance_Band1"]["href"]
    with rasterio.open(path) as dataset:
        profile, values = dataset.profile, dataset.read(1)
    for tag in (None, 32767):
        with rasterio.open(path, "w", **{**profile, "driver": "GTiff", "nodata": tag}) as dataset:
            dataset.write(values, 1)
        bbox = box_of((1_125_000.0, 5_530_000.0, 1_145_000.0, 5_550_000.0), SINUSOIDAL)
        grid = oracle.make_grid(bbox, 2 * MODIS_PIXEL, SINUSOIDAL)
        winner, want = expected([shown], grid, ["red"])
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([2], rasterio.enums.Resampling.nearest)
        got, _ = build([shown], bbox=bbox, datetime="2024-07", resolution=2 * MODIS_PIXEL, bands=["red"])
        both = (winner != "") & (got.winner != "")
        assert both.sum() > 100
        # An overview of every other sample is nowhere near the mean of four.
        off = np.abs(want["red"] - got.bands["red"])[both]
        assert (off <= 1.01).all() == (tag is None)


@pytest.mark.parametrize(("region", "name"), [("us-west-2", "earth-search"), ("eu-west-1", "pc"), (None, "pc")])
def test_auto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: str | None, name: str) -> None:
    """`auto` goes where the machine is."""
    monkeypatch.delenv("AWS_REGION", raising=False)
    if region:
        monkeypatch.setenv("AWS_REGION", region)
    shown = write(
        tmp_path, name, "s", 1, "2024-07-10T10:00:00Z", smooth=True, properties=sentinel_properties(name, "02.12")
    )
    bbox = inner_box(shown, "EPSG:32633", HLS_NORTH)
    _, out = build([shown], endpoint="auto", bbox=bbox, datetime="2024-07", resolution=30.0, bands=["red"])
    assert out["endpoint"] == name
