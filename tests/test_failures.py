"""What cannot be read is replaced by the next best, pixel by pixel, and named; or it is raised."""

from __future__ import annotations

import json
import shutil
import struct
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BROKEN = "S2A_33TWL_20230815_0_L2A"
BANDS = ["red", "nir"]
TILE = 256
TILE_INDEX = 5
"""Second row, second column of the 4 x 4 tiles: columns and rows 256..511 of the scene."""


@pytest.fixture
def folder(real_scenes: Path, tmp_path: Path) -> Path:
    """A copy of the real scenes that may be damaged."""
    copy = tmp_path / "scenes"
    shutil.copytree(real_scenes, copy)
    for path in copy.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return copy


def compose(catalog: Any, **options: Any) -> bp.Composite:  # noqa: ANN401
    """All ten scenes compete everywhere, so that the next best is the best of the others."""
    request: dict[str, Any] = {
        "bbox": (15.1, 45.2, 16.3, 46.0), "datetime": "2023-08", "resolution": 120.0, "endpoint": "earth-search",
        "bands": BANDS, "top_k": 10,
    }  # fmt: skip
    return bp.build_composite(catalog=catalog, **{**request, **options})


def items_without(folder: Path, scene: str) -> Path:
    """A catalogue that lacks one scene."""
    collection = json.loads((folder / "items.json").read_text())
    collection["features"] = [item for item in collection["features"] if item["id"] != scene]
    path = folder / "without.json"
    path.write_text(json.dumps(collection))
    return path


def damage_tile(path: Path, index: int) -> None:
    """Overwrite the middle of a tile's bytes."""
    data = bytearray(path.read_bytes())
    (offset,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, offset)
    for i in range(count):
        tag, _, _, start = struct.unpack_from("<HHII", data, offset + 2 + 12 * i)
        if tag == 324:
            (tile,) = struct.unpack_from("<I", data, start + 4 * index)
        if tag == 325:
            (size,) = struct.unpack_from("<I", data, start + 4 * index)
    data[tile + size // 3 : tile + size // 3 + 64] = b"\xff" * 64
    path.write_bytes(data)


def damage_overview(path: Path) -> None:
    """Give the first overview a compression that nobody knows."""
    data = bytearray(path.read_bytes())
    (main,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, main)
    (overview,) = struct.unpack_from("<I", data, main + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", data, overview)
    places = [overview + 2 + 12 * i for i in range(count)]
    (place,) = (place for place in places if struct.unpack_from("<H", data, place)[0] == 259)
    struct.pack_into("<H", data, place + 8, 60_000)
    path.write_bytes(data)


def winner(out: bp.Composite) -> NDArray[np.str_]:
    """The id of each pixel's scene."""
    index = out["selected_observation"].astype(int)
    return np.array([*out["source_ids"], ""])[np.where(index == 65535, len(out["source_ids"]), index)]


def touches_tile(out: bp.Composite) -> NDArray[np.bool_]:
    """The pixels whose 2 x 2 samples in the broken scene lie in the broken tile, at least one with a weight."""
    a, _, left, _, e, top = out["grid"]["transform"]
    u = (left + (np.arange(out["grid"]["width"]) + 0.5) * a - 499980) / 120 - 0.5
    v = (5100000 - (top + (np.arange(out["grid"]["height"]) + 0.5) * e)) / 120 - 0.5
    inside = [(np.floor(w) < 2 * TILE) & (np.ceil(w) >= TILE) for w in (u, v)]
    both: NDArray[np.bool_] = inside[1][:, None] & inside[0][None, :]
    return both


def test_a_damaged_tile_gives_way_to_the_next_best(folder: Path) -> None:
    """Only pixels of the tile change, to what they are without the scene; the tile is named with its place."""
    catalog = folder / "items.json"
    clean = compose(catalog)
    without = compose(items_without(folder, BROKEN))
    damage_tile(folder / BROKEN / "B04.tif", TILE_INDEX)
    with pytest.warns(bp.SkippedWarning, match=BROKEN):
        out = compose(catalog)
    lost = touches_tile(clean) & (winner(clean) == BROKEN)
    assert lost.sum() > 1000
    np.testing.assert_array_equal(winner(out), np.where(lost, winner(without), winner(clean)))
    for name in BANDS:
        np.testing.assert_array_equal(out["bands"][name], np.where(lost, without["bands"][name], clean["bands"][name]))
    np.testing.assert_array_equal(out["quality"], np.where(lost, without["quality"], clean["quality"]))
    (skipped,) = out["skipped"]
    assert (skipped["item"], skipped["href"]) == (BROKEN, str(folder / BROKEN / "B04.tif"))
    assert f"tile {TILE_INDEX} at byte" in skipped["cause"]
    with pytest.raises(bp.FormatError, match=rf"{BROKEN}.*B04\.tif.*tile {TILE_INDEX}"):
        compose(catalog, on_error="raise")


def test_a_damaged_overview_is_told_and_a_finer_level_taken(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is lost but the bytes of a finer level; the log names the file."""
    clean = compose(folder / "items.json", resolution=480.0)
    damage_overview(folder / BROKEN / "B04.tif")
    with caplog.at_level("WARNING", "bestpixel.tiff"):
        out = compose(folder / "items.json", resolution=480.0)
    (message,) = {record.getMessage() for record in caplog.records}
    assert message.startswith(str(folder / BROKEN / "B04.tif"))
    assert "1 of its overviews cannot be read" in message
    assert out["skipped"] == []
    np.testing.assert_array_equal(winner(out), winner(clean))


def test_where_blocks_are_cut_does_not_matter(folder: Path) -> None:
    """A row of chunks at a time gives the same, also where a tile is damaged."""
    damage_tile(folder / BROKEN / "B04.tif", TILE_INDEX)
    with pytest.warns(bp.SkippedWarning):
        whole, rows = (compose(folder / "items.json", memory_limit=limit) for limit in (None, 1 << 20))
    np.testing.assert_array_equal(whole["selected_observation"], rows["selected_observation"])
    np.testing.assert_array_equal(whole["bands"]["red"], rows["bands"]["red"])
    assert whole["skipped"] == rows["skipped"]


@pytest.mark.parametrize("asset", ["SCL.tif", "B08.tif"])
def test_a_missing_file_is_a_missing_scene(folder: Path, asset: str) -> None:
    """The composite is the one without the scene; the file is named."""
    without = compose(items_without(folder, BROKEN))
    (folder / BROKEN / asset).unlink()
    with pytest.warns(bp.SkippedWarning, match=asset):
        out = compose(folder / "items.json")
    np.testing.assert_array_equal(winner(out), winner(without))
    np.testing.assert_array_equal(out["bands"]["nir"], without["bands"]["nir"])
    assert [skipped["item"] for skipped in out["skipped"]] == [BROKEN]
    with pytest.raises(bp.ReadError, match=asset.replace(".", r"\.")):
        compose(folder / "items.json", on_error="raise")


def test_damaged_quality_is_no_observation(folder: Path) -> None:
    """Where the quality tile is damaged the scene has no pixel; elsewhere it may win."""
    damage_tile(folder / BROKEN / "SCL.tif", TILE_INDEX)
    with pytest.warns(bp.SkippedWarning, match=r"SCL\.tif"):
        out = compose(folder / "items.json")
    inner = touches_tile(out)
    inner[[0, -1]] = False
    # Nearest takes one sample: pixels at the tile's edge may lie in the next tile.
    shrunk = inner & np.roll(inner, 1, 0) & np.roll(inner, -1, 0) & np.roll(inner, 1, 1) & np.roll(inner, -1, 1)
    assert (winner(out)[shrunk] != BROKEN).all()
    assert (winner(out) == BROKEN).any()


def test_nothing_that_can_be_read_is_an_error(folder: Path) -> None:
    """A composite of nothing is not handed out as one."""
    for path in folder.rglob("SCL.tif"):
        path.unlink()
    with pytest.raises(bp.ReadError, match="none of the 10 scenes"):
        compose(folder / "items.json")
