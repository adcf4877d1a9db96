"""Each rule of meaning on a drawn-up scene whose composite is known by construction.

`build` runs every case twice: by the oracle, which must know the answer, and by the package.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pyproj import Transformer
from scenes import Asset, Bounds, Item, Scene, bbox_for, write_catalog

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Build, Outcome
    from numpy.typing import NDArray

NODATA = 65535
CLOUD = 9
WIDE = Scene(shape=(16, 600), origin=(497_000.0, 5_100_000.0))
"""A scene over two chunks: columns 0..511 and 512..599."""


def run(build: Build, folder: Path, *shown: Scene, bounds: Bounds | None = None, **options: Any) -> Outcome:  # noqa: ANN401
    """Write the scenes and composite them over the first one's extent, or over `bounds` in its CRS."""
    items = write_catalog(folder, shown)
    box = bbox_for(bounds or shown[0].bounds, shown[0].epsg, options.get("resolution", 10.0))
    return build(folder, items, bbox=box, **options)


def classes(clear: NDArray[np.bool_] | slice, shape: tuple[int, int] = (16, 16)) -> NDArray[np.uint8]:
    """SCL with vegetation where `clear` says, cloud elsewhere."""
    scl = np.full(shape, CLOUD, np.uint8)
    scl[clear] = 4
    return scl


def cells(clear: set[int], unseen: frozenset[int] = frozenset()) -> NDArray[np.uint8]:
    """SCL of 16x16 pixels drawn in 16 cells of 4x4, numbered row by row; cloud where nothing is said."""
    drawn = [4 if cell in clear else 0 if cell in unseen else CLOUD for cell in range(16)]
    return np.kron(np.reshape(drawn, (4, 4)), np.ones((4, 4), int)).astype(np.uint8)


def test_w4_score_of_every_class(build: Build, tmp_path: Path) -> None:
    """W4: 4 5 6 11 are clear, 7 marginal, 2 3 dark, everything else nodata."""
    scl = np.tile([*range(12), 12, 13, 100, 255], (16, 1))
    out = run(build, tmp_path, Scene(scl=scl))
    none = NODATA
    scores = [none, none, 2, 2, 0, 0, 0, 1, none, none, none, 0, none, none, none, none]
    assert out.quality.tolist() == [scores] * 16
    assert out.observation_count.tolist() == [[int(score != none) for score in scores]] * 16
    assert out.bands["red"].tolist() == [[none if score == none else 1000 for score in scores]] * 16


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Scene(id="z", when="2023-08-01T10:00:00Z"), Scene(scl=cells({*range(16)} - {5}), when="2023-08-09T10:00:00Z")),
        (Scene(id="z", when="2023-08-09T10:00:00Z"), Scene(when="2023-08-01T10:00:00Z")),
        (Scene(id="a", sensing_start="20230810T095000"), Scene(sensing_start="20230810T090000")),
    ],
    ids=["larger clear area", "newer", "id"],
)
def test_w1_ties(build: Build, tmp_path: Path, better: Scene, worse: Scene, *, backwards: bool) -> None:
    """W1: ties go to the larger clear area over the AOI, then the newer, then by id, in whatever order they come."""
    shown = [replace(better, bands={"red": 1000}), replace(worse, id="b", bands={"red": 2000})]
    out = run(build, tmp_path, *(shown[::-1] if backwards else shown), scout_factor=4)
    assert (out.winner == better.id).all()
    assert (out.bands["red"] == 1000).all()
    assert out.selected == {better.id, "b"}


def test_w1_lowest_score_first(build: Build, tmp_path: Path) -> None:
    """W1: a lower score wins over any rank."""
    scl = classes(slice(None))
    scl[:2, :4], scl[2:4, :4] = 7, 2
    marginal = np.full((16, 16), 7, np.uint8)
    out = run(build, tmp_path, Scene(id="a", scl=scl), Scene(id="b", scl=marginal, when="2023-08-12T10:00:00Z"))
    expected = np.zeros((16, 16))
    expected[:4, :4] = 1
    assert (out.quality == expected).all()
    assert (out.winner == np.where(np.arange(16)[:, None] // 2 == 1, np.where(np.arange(16) < 4, "b", "a"), "a")).all()


def test_w1_one_order_for_all_chunks(build: Build, tmp_path: Path) -> None:
    """W1: the clearer over the AOI wins a tie also in a chunk where it is the less clear."""
    a, b = classes(slice(None), WIDE.shape), classes(slice(None), WIDE.shape)
    a[:, 592:], b[:, :64] = CLOUD, CLOUD
    shown = replace(WIDE, id="a", scl=a), replace(WIDE, id="b", scl=b, when="2023-08-20T10:00:00Z")
    winner = run(build, tmp_path, *shown).winner
    assert (winner[:, :592] == "a").all()
    assert (winner[:, 592:] == "b").all()


def test_w2_all_bands_of_one_observation(build: Build, tmp_path: Path) -> None:
    """W2: on a checkerboard of two scenes every pixel has both bands of its winner."""
    even = np.indices((16, 16)).sum(axis=0) % 2 == 0
    a = Scene(id="a", scl=classes(even), bands={"nir": 2000, "red": 1000})
    b = Scene(id="b", scl=classes(~even), bands={"nir": 4000, "red": 3000}, when="2023-08-12T10:00:00Z")
    out = run(build, tmp_path, a, b, bands=["nir", "red"])
    assert list(out.bands) == ["nir", "red"]
    assert (out.winner == np.where(even, "a", "b")).all()
    assert (out.bands["nir"] == np.where(even, 2000, 4000)).all()
    assert (out.bands["red"] == np.where(even, 1000, 3000)).all()


def test_w3_winner_without_values_gives_way(build: Build, tmp_path: Path) -> None:
    """W3: only a winner without any requested band gives way; where nobody is left, the pixel is nodata."""
    red, nir, last = (np.full((16, 16), value) for value in (1000, 2000, 3000))
    red[:4, :4] = nir[:4, :4] = red[:4, 8:12] = last[:2, :2] = 0
    a = Scene(id="a", bands={"red": red, "nir": nir})
    b = Scene(id="b", scl=7, bands={"red": last, "nir": last}, when="2023-08-12T10:00:00Z")
    out = run(build, tmp_path, a, b, bands=["red", "nir"])
    winner = np.full((16, 16), "a")
    winner[:4, :4], winner[:2, :2] = "b", ""
    assert (out.winner == winner).all()
    assert (out.quality == np.select([winner == "a", winner == "b"], [0, 1], NODATA)).all()
    assert (out.observation_count == 2).all()
    assert (out.bands["red"][:4, 8:12] == NODATA).all()
    assert (out.bands["nir"] == np.select([winner == "a", winner == "b"], [2000, 3000], NODATA)).all()


def test_v1_bilinear_at_pixel_centres(build: Build, tmp_path: Path) -> None:
    """V1: 20 m read at 10 m: weights 9 3 3 1, renormalised beside nodata, rounded half up, clamped."""
    red = np.full((8, 8), 1000)
    red[1, 2], red[2, 1], red[2, 2] = 1100, 1300, 0
    red[0, 4], red[0, 5], red[0, 7], red[5:, 5:] = 1000, 1002, 65535, 0
    got = run(build, tmp_path, Scene(bands={"red": Asset(red, resolution=20.0, block_size=16)})).bands["red"]
    assert got[3, 3] == 1080, "(9 * 1000 + 3 * 1100 + 3 * 1300) / 15"
    assert got[4, 4] == 1171, "(1000 + 3 * 1100 + 3 * 1300) / 7"
    assert got[0, 9] == 1001, "1000.5 rounds up"
    assert got[0, 15] == 65534
    nothing = np.zeros((16, 16), bool)
    nothing[11:, 11:] = True
    assert ((got == NODATA) == nothing).all()


@pytest.mark.parametrize("resolution", [10.0, 20.0, 40.0])
def test_v3_fill_never_mixes(build: Build, tmp_path: Path, resolution: float) -> None:
    """V3: at a swath edge a value is whole or not there, at any phase of the grid against the pixels."""
    red = np.where(np.arange(16) < 7, 0, 5000) * np.ones((16, 1), int)
    scene = Scene(bands={"red": Asset(red, block_size=16)}, resolution=30.0, origin=(500_010.0, 5_100_000.0))
    box = (500_040.0, 5_099_560.0, 500_440.0, 5_099_960.0)
    out = run(build, tmp_path, scene, bounds=box, resolution=resolution)
    assert set(np.unique(out.bands["red"])) == {5000, NODATA}


@pytest.mark.parametrize(
    ("applied", "baseline", "expected"),
    [
        (True, "05.09", [NODATA, 950, 1001, 3000]),
        (False, "02.14", [NODATA, 950, 1001, 3000]),
        (False, "04.00", [NODATA, 1, 1, 2000]),
    ],
)
def test_v4_offset(build: Build, tmp_path: Path, *, applied: bool, baseline: str, expected: list[int]) -> None:
    """V4, I4: 1000 is taken off by the flag and the baseline, never below 1, and 0 stays nodata."""
    red = np.tile([0, 950, 1001, 3000], (16, 4))
    scene = Scene(bands={"red": red}, baseline=baseline, offset_applied=applied)
    assert (run(build, tmp_path, scene).bands["red"] == np.tile(expected, (16, 4))).all()


def test_v4_before_interpolation(build: Build, tmp_path: Path) -> None:
    """V4: the offset is taken off samples, not off their mean: 0.75 * 1 + 0.25 * 2000 = 500.75."""
    red = np.tile([900, 900, 900, 3000], (8, 2))
    scene = Scene(bands={"red": Asset(red, resolution=20.0)}, offset_applied=False)
    assert (run(build, tmp_path, scene).bands["red"][:, 5] == 501).all()


@pytest.mark.parametrize(
    ("resolution", "level"),
    [(10.0, 1), (20.0, 1), (29.8, 1), (29.9, 3), (30.0, 3), (47.7, 3), (47.8, 5), (60.0, 5)],
)
@pytest.mark.parametrize("asset", ["red", "scl"])
def test_l1_l2_level(build: Build, tmp_path: Path, resolution: float, level: int, asset: str) -> None:
    """L1, L2: of pixels of 10, 30 and 48 m the largest that is not larger than the output's is read."""
    red = Asset(1000, overviews={3: 3000, 5: 5000} if asset == "red" else {})
    scl = Asset(4, overviews={3: 7, 5: 2} if asset == "scl" else {})
    left, bottom, right, top = (
        resolution * round(edge / resolution) for edge in (500_120, 5_099_640, 500_360, 5_099_880)
    )
    scene = Scene(bands={"red": red}, scl=scl, shape=(48, 48))
    out = run(build, tmp_path, scene, bounds=(left, bottom, right, top), resolution=resolution)
    assert (out.bands["red"] == (1000 * level if asset == "red" else 1000)).all()
    assert (out.quality == ({1: 0, 3: 1, 5: 2}[level] if asset == "scl" else 0)).all()


def test_l1_pixel_size_is_extent_by_size(build: Build, tmp_path: Path) -> None:
    """L1: 50 pixels shrunk by 3 are 17 pixels of 29.41 m, not of 30 m."""
    red = Asset(np.ones((50, 50)), overviews={3: np.tile(1000 * np.arange(1, 18), (17, 1))})
    bounds = (500_010.0, 5_099_520.0, 500_490.0, 5_100_000.0)
    got = run(build, tmp_path, Scene(bands={"red": red}, shape=(50, 50)), bounds=bounds, resolution=30.0).bands["red"]
    metres = 10.0 + 30.0 * (np.arange(16) + 0.5)
    expected = 1000.0 * (1.0 + np.clip(metres * 17.0 / 500.0 - 0.5, 0.0, 16.0))
    assert np.abs(got - expected).max() <= 1.0


@pytest.mark.parametrize(
    ("epsg", "origin"), [(32633, (499_980.0, 5_100_000.0)), (32733, (500_040.0, 7_100_020.0))], ids=["north", "south"]
)
@pytest.mark.parametrize("resolution", [20.0, 60.0])
def test_g1_native_pixels(
    build: Build, tmp_path: Path, epsg: int, origin: tuple[float, float], resolution: float
) -> None:
    """G1: at the native resolution the output is the source, north and south of the equator."""
    red = np.random.default_rng(1).integers(1, 10_000, (20, 30))
    scene = Scene(bands={"red": red}, shape=red.shape, epsg=epsg, origin=origin, resolution=resolution)
    out = run(build, tmp_path, scene, resolution=resolution)
    assert out.grid["epsg"] == epsg
    assert tuple(out.grid["transform"]) == (resolution, 0.0, origin[0], 0.0, -resolution, origin[1])
    assert tuple(out.grid["bounds"]) == scene.bounds
    assert (out.bands["red"] == red).all()


def plane_error(out: Outcome, scene: Scene) -> float:
    """Greatest difference from the plane 2000 + 10 col + 7 row of the scene's pixels (see `plane_at`)."""
    size, _, left, _, _, top = out.grid["transform"]
    x, y = left + size * (np.arange(out.grid["width"]) + 0.5), top - size * (np.arange(out.grid["height"]) + 0.5)
    x, y = Transformer.from_crs(out.grid["epsg"], scene.epsg, always_xy=True).transform(*np.meshgrid(x, y))
    col, row = (x - scene.origin[0]) / scene.resolution - 0.5, (scene.origin[1] - y) / scene.resolution - 0.5
    return float(np.abs(out.bands["red"] - (2000.0 + 10.0 * col + 7.0 * row)).max())


def plane_at(lon: float, lat: float, epsg: int, tile: str) -> Scene:
    """A scene of 4 km around a point, whose values are a plane."""
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    origin = (20.0 * round(x / 20.0) - 2000.0, 20.0 * round(y / 20.0) + 2000.0)
    row, col = np.indices((200, 200))
    red = 2000 + 10 * col + 7 * row
    return Scene(bands={"red": red}, shape=red.shape, epsg=epsg, origin=origin, resolution=20.0, tile=tile)


def test_g3_neighbour_zone(build: Build, tmp_path: Path) -> None:
    """G3: a scene of zone 34 on a grid of zone 33 is warped within 0.01 source pixel: 0.17 DN of this plane."""
    scene = plane_at(17.99, 46.0, 32634, "34TCR")
    items = write_catalog(tmp_path, [scene])
    out = build(tmp_path, items, bbox=(17.98, 45.995, 17.999, 46.005), resolution=20.0)
    assert out.grid["epsg"] == 32633
    assert plane_error(out, scene) <= 0.5 + 0.17


def test_g4_antimeridian(build: Build, tmp_path: Path) -> None:
    """G4: a box with west > east crosses the antimeridian and has one grid."""
    scene = plane_at(179.998, 50.0, 32660, "60UYA")
    items = write_catalog(tmp_path, [scene])
    out = build(tmp_path, items, bbox=(179.985, 49.995, -179.995, 50.005), resolution=20.0)
    assert out.grid["epsg"] == 32660
    assert out.grid["width"] * 20.0 < 2000.0
    assert plane_error(out, scene) <= 0.5 + 0.01


def test_search_days_and_clouds(build: Build, tmp_path: Path) -> None:
    """Both days of the range are whole, `max_cloud_cover` is kept, an item without cloud cover too."""
    kept = {
        "first": Scene(when="2023-08-05T00:00:00Z"),
        "last": Scene(when="2023-08-10T23:59:59.500Z"),
        "limit": Scene(when="2023-08-06T10:00:00Z", cloud_cover=60.0),
        "unsaid": Scene(when="2023-08-07T10:00:00Z", cloud_cover=None),
    }
    dropped = {
        "before": Scene(when="2023-08-04T23:59:59Z"),
        "after": Scene(when="2023-08-11T00:00:00Z"),
        "cloudy": Scene(when="2023-08-08T10:00:00Z", cloud_cover=60.1),
    }
    shown = [replace(scene, id=name) for name, scene in {**kept, **dropped}.items()]
    out = run(build, tmp_path, *shown, datetime="2023-08-05/2023-08-10", max_cloud_cover=60.0, top_k=20)
    assert out.selected == set(kept)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "asset",
    [
        {"href": "s3://sentinel-s2-l2a/tiles/33/T/WL/B04.jp2", "type": "image/jp2"},
        {"href": "https://example.org/tiles/33/T/WL/B04.jp2", "type": "image/jp2"},
        {"href": "s3://sentinel-cogs/33/T/WL/B04.tif", "type": "image/tiff; application=geotiff"},
        None,
    ],
    ids=["s3 jp2", "https jp2", "s3 tiff", "missing"],
)
def test_i1_unreadable_items_go_before_duplicates(build: Build, tmp_path: Path, asset: Item | None) -> None:
    """I1: a newer version that cannot be read must not drive out the older that can."""
    old = Scene(id="old", baseline="02.14", offset_applied=False, bands={"red": 1234})
    items = write_catalog(tmp_path, [old, Scene(id="new", sequence=1)])
    items[1]["assets"].pop("red")
    if asset:
        items[1]["assets"]["red"] = asset
    out = build(tmp_path, items, bbox=bbox_for(old.bounds, old.epsg, 10.0))
    assert out.selected == {"old"}
    assert (out.bands["red"] == 1234).all()


@pytest.mark.parametrize(
    "newer",
    [
        {"baseline": "10.00", "generated": "2020-01-01T00:00:00Z"},
        {"generated": "2024-01-01T00:00:00Z"},
        {"sequence": 10},
        {"baseline": "05.10", "tile": "5QKB", "platform": "Sentinel-2A", "when": "2023-08-10T10:04:32Z"},
    ],
    ids=["baseline", "generation time", "sequence", "padded tile"],
)
def test_i2_best_version(build: Build, tmp_path: Path, newer: dict[str, Any]) -> None:
    """I2: of one platform, tile and sensing start the highest baseline stays, then generation, then sequence."""
    old = Scene(id="old", tile="05QKB", sequence=9, sensing_start="20230810T095630")
    new = replace(old, id="new", scl=cells({0, 1, 2}), **newer)
    out = run(build, tmp_path, old, new, scout_factor=4)
    assert out.selected == {"new"}
    assert out.observation_count.sum() == 3 * 16


def test_i2_halves_are_both_kept(build: Build, tmp_path: Path) -> None:
    """I2: two datastrips of one datatake with the same datetime are no duplicates."""
    left, right = np.zeros((2, 16, 16), np.uint8)
    left[:, :10], right[:, 8:] = 4, 4
    a = Scene(id="a", scl=left, sensing_start="20230810T095630")
    b = Scene(id="b", scl=right, sensing_start="20230810T100640", sequence=1)
    out = run(build, tmp_path, a, b)
    assert out.selected == {"a", "b"}
    assert (out.quality == 0).all()
    assert (out.observation_count == np.where(np.isin(np.arange(16), (8, 9)), 2, 1)).all()


@pytest.mark.parametrize(
    "other",
    [{"platform": "sentinel-2c"}, {"sensing_start": "20230810T095631"}],
    ids=["platform", "sensing-start"],
)
def test_i2_observations_that_differ_in_one_thing(build: Build, tmp_path: Path, other: dict[str, Any]) -> None:
    """I2: of one tile, platform and sensing start make an observation; what differs in either is another one."""
    left, right = np.zeros((2, 16, 16), np.uint8)
    left[:, :10], right[:, 8:] = 4, 4
    a = Scene(id="a", scl=left, tile="33TWL", sensing_start="20230810T095630")
    b = replace(a, id="b", scl=right, baseline="05.10", **other)
    assert run(build, tmp_path, a, b).selected == {"a", "b"}


def test_s1_cells_are_sampled_at_their_centres(build: Build, tmp_path: Path) -> None:
    """S1: a scene is observed where a cell's centre is, also if the grid ends before it; here at columns 4, 12, 20."""
    drawn = {"centre": 20, "beside": 16, "before": 11}
    shown = [Scene(id="whole", shape=(16, 24))]
    for i, (name, col) in enumerate(drawn.items()):
        scl = np.zeros((16, 24), np.uint8)
        scl[:, col] = 4
        shown.append(Scene(id=name, shape=(16, 24), scl=scl, when=f"2023-08-1{i}T11:00:00Z"))
    box = (500_000.0, 5_099_840.0, 500_180.0, 5_100_000.0)
    assert run(build, tmp_path, *shown, bounds=box, top_k=9).selected == {"whole", "centre"}


def test_s1_scouts_an_overview(build: Build, tmp_path: Path) -> None:
    """S1: the scout reads the level for resolution x scout_factor, the composite that for the resolution."""
    a = Scene(id="a", scl=Asset(4, overviews={4: CLOUD, 8: 4}), shape=(32, 32))
    b = Scene(id="b", scl=Asset(4, overviews={4: 4, 8: CLOUD}), shape=(32, 32), when="2023-08-20T10:00:00Z")
    out = run(build, tmp_path, a, b)
    assert (out.winner == "a").all()
    assert (out.quality == 0).all()


def test_s2_tiles_with_exclusive_coverage(build: Build, tmp_path: Path) -> None:
    """S2: two tiles that overlap are both required where each covers something alone."""
    a = Scene(id="a", tile="33TWL", shape=(16, 24))
    b = Scene(id="b", tile="33TXL", shape=(16, 24), origin=(500_080.0, 5_100_000.0), scl=7)
    box = (500_000.0, 5_099_840.0, 500_320.0, 5_100_000.0)
    out = run(build, tmp_path, a, b, bounds=box, top_k=1, scout_factor=4)
    assert (out.winner == np.where(np.arange(32) < 24, "a", "b")).all()


@pytest.mark.parametrize(
    "others",
    [[("33TXL", 8, 8)], [("33TAA", 0, 8), ("33TXL", 8, 16)], [("33TXL", 0, 24)]],
    ids=["inside", "covers most", "same extent"],
)
def test_s2_other_tiles_are_not_required(build: Build, tmp_path: Path, others: list[tuple[str, int, int]]) -> None:
    """S2: without exclusive coverage only the tile that covers most is required, ties by the smaller id."""
    hole = classes(slice(None), (16, 24))
    hole[8:12, 8:12] = CLOUD
    shown = [Scene(id="a", tile="33TWL", shape=(16, 24), scl=hole)]
    for tile, col, width in others:
        shown.append(Scene(id=tile, tile=tile, shape=(16, width), origin=(500_000.0 + 10 * col, 5_100_000.0)))
    out = run(build, tmp_path, *shown, scout_factor=4)
    assert out.selected == {"a"}
    assert ((out.quality == NODATA) == (hole == CLOUD)).all()


def test_s3_clearest_in_the_chunk(build: Build, tmp_path: Path) -> None:
    """S3: the `top_k` with most clear cells in the chunk are taken, and none without an observed cell."""
    unseen = np.zeros((16, 16), np.uint8)
    unseen[:2, :2] = 4
    most, some, few = (cells(set(range(n))) for n in (12, 9, 8))
    few[15, 15] = 4
    drawn = {"most": most, "some": some, "few": few, "unseen": unseen}
    shown = [Scene(id=name, scl=scl, when=f"2023-08-1{i}T10:00:00Z") for i, (name, scl) in enumerate(drawn.items())]
    out = run(build, tmp_path / "two", *shown, top_k=2, scout_factor=4)
    assert out.selected == {"most", "some"}
    assert out.quality[15, 15] == NODATA
    assert run(build, tmp_path / "all", *shown, top_k=9, scout_factor=4).selected == {"most", "some", "few"}


@pytest.mark.parametrize("options", [{"top_k": 1}, {"coverage_target": 0.9, "min_k": 1}], ids=["S3", "S4"])
def test_s3_s4_ties_by_rank_over_the_aoi(build: Build, tmp_path: Path, options: dict[str, Any]) -> None:
    """S3, S4: scenes that are equal in a chunk are taken in the order of the whole AOI."""
    less = classes(slice(None), WIDE.shape)
    less[:, :64] = CLOUD
    shown = replace(WIDE, id="a"), replace(WIDE, id="b", scl=less, when="2023-08-20T10:00:00Z")
    assert run(build, tmp_path, *shown, **options).selected == {"a"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"coverage_target": 0.8, "min_k": 1}, {"ten", "four"}),
        ({"coverage_target": 0.95, "min_k": 1}, {"ten", "four", "one", "partial"}),
        ({"coverage_target": 0.1, "min_k": 3}, {"ten", "four", "one"}),
        ({"coverage_target": 0.95, "min_k": 1, "max_k": 2}, {"ten", "four"}),
    ],
    ids=["target", "partial ones last", "min_k", "max_k"],
)
def test_s4_coverage_target(build: Build, tmp_path: Path, options: dict[str, Any], expected: set[str]) -> None:
    """S4: scenes are taken by gain of clear cells, full observers first, between `min_k` and `max_k`."""
    drawn = {
        "ten": cells(set(range(10))),
        "nine": cells(set(range(9))),  # never gains anything
        "four": cells({10, 11, 12, 13}),
        "one": cells({*range(8), 14}),
        "partial": cells(set(range(1, 16)), unseen=frozenset({0})),
    }
    if "partial" in expected:
        drawn.pop("nine")
    shown = [Scene(id=name, scl=scl, when=f"2023-08-1{i}T10:00:00Z") for i, (name, scl) in enumerate(drawn.items())]
    assert run(build, tmp_path, *shown, top_k=9, scout_factor=4, **options).selected == expected


def test_s4_target_of_the_reachable_area(build: Build, tmp_path: Path) -> None:
    """S4: cells that no scene sees clearly do not count."""
    a = Scene(id="a", scl=cells(set(range(10))))
    b = Scene(id="b", scl=cells(set(range(6))), when="2023-08-20T10:00:00Z")
    assert run(build, tmp_path, a, b, coverage_target=0.99, min_k=1, scout_factor=4).selected == {"a"}


@pytest.mark.parametrize("windowed", [False, True])
def test_s5_windowed_fetch(build: Build, tmp_path: Path, *, windowed: bool) -> None:
    """S5: a scene that only the second chunk selected fills a hole in the first, unless `windowed_fetch`."""
    a, b = (np.full(WIDE.shape, CLOUD, np.uint8) for _ in "ab")
    a[:, :512], a[:2, :2] = 4, CLOUD
    b[:, 512:], b[:2, :2] = 4, 4
    shown = replace(WIDE, id="a", scl=a), replace(WIDE, id="b", scl=b, when="2023-08-20T10:00:00Z")
    out = run(build, tmp_path, *shown, top_k=1, windowed_fetch=windowed)
    winner = np.where(np.arange(600) < 512, "a", "b") * np.ones((16, 1), object)
    winner[:2, :2] = "" if windowed else "b"
    assert out.selected == {"a", "b"}
    assert (out.winner == winner).all()
