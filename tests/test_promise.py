"""Where a coverage is aimed at, scenes that promise little are looked at only if they are needed (S4, counted)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
from origin import Origin
from scenes import Item, Scene, bbox_for, with_urls, write_catalog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

CLOUD, CLEAR = 9, 4
SCENES = 20
TURN = 8
"""Scenes of a tile that are looked at together, at least."""


def half_clear(*, left: bool) -> NDArray[np.uint8]:
    """Clear on one side, cloud on the other."""
    scl = np.full((16, 16), CLOUD, np.uint8)
    scl[:, slice(0, 8) if left else slice(8, 16)] = CLEAR
    return scl


def shown(best: dict[int, Any]) -> list[Scene]:
    """A scene a day, each cloudier than the one before by what its item says; all cloud but where `best` says."""
    return [
        Scene(id=f"day{i:02}", scl=best.get(i, CLOUD), cloud_cover=4.0 * i, when=f"2023-08-{i + 1:02}T10:00:00Z")
        for i in range(SCENES)
    ]


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Origin]:
    """Serves the scenes and counts."""
    server = Origin(tmp_path)
    yield server
    server.close()


def compose(origin: Origin, items: list[Item], scenes: list[Scene], **options: Any) -> tuple[bp.Composite, set[str]]:  # noqa: ANN401
    """A composite, and the scenes whose quality was asked for."""
    request = {"coverage_target": 0.9, "min_k": 1, "scout_factor": 2, "resolution": 10.0, "bands": ["red"], **options}
    box = bbox_for(scenes[0].bounds, scenes[0].epsg, 10.0)
    out = bp.build_composite(box, "2023-08", endpoint="earth-search", catalog=with_urls(items, origin.url), **request)
    paths = [request["path"].strip("/") for request in origin.stats()["log"]]
    asked = {path.split("/")[0] for path in paths if path.endswith("scl.tif")}
    return out, asked


def days(numbers: range | list[int]) -> set[str]:
    """The ids of some scenes."""
    return {f"day{i:02}" for i in numbers}


def test_hopeless_scenes_are_not_looked_at(origin: Origin, tmp_path: Path) -> None:
    """The target is met by scenes of the first turn: the others are not asked for."""
    scenes = shown({0: half_clear(left=True), 3: half_clear(left=False)})
    out, asked = compose(origin, write_catalog(tmp_path, scenes), scenes)
    assert asked == days(range(TURN))
    assert set(out.source_ids) == days([0, 3])
    assert (out.quality == 0).all()


def test_more_are_looked_at_until_the_target_is_met(origin: Origin, tmp_path: Path) -> None:
    """What items say of their clouds may be wrong: a later turn brings what lacks."""
    scenes = shown({0: half_clear(left=True), 12: half_clear(left=False)})
    out, asked = compose(origin, write_catalog(tmp_path, scenes), scenes)
    assert asked == days(range(2 * TURN))
    assert set(out.source_ids) == days([0, 12])
    assert (out.quality == 0).all()


def test_all_are_looked_at_where_the_target_is_out_of_reach(origin: Origin, tmp_path: Path) -> None:
    """Then the target counts of what is reachable, as ever."""
    scenes = shown({0: half_clear(left=True)})
    out, asked = compose(origin, write_catalog(tmp_path, scenes), scenes)
    assert asked == days(range(SCENES))
    assert out.source_ids == ["day00"]


def test_a_fixed_depth_looks_at_all(origin: Origin, tmp_path: Path) -> None:
    """The clearest of a chunk are known only when all have been seen."""
    scenes = shown({19: CLEAR})
    out, asked = compose(origin, write_catalog(tmp_path, scenes), scenes, coverage_target=0.0, top_k=1)
    assert asked == days(range(SCENES))
    assert out.source_ids == ["day19"]


def test_a_scene_that_cannot_be_opened_is_replaced_by_one_not_yet_seen(origin: Origin, tmp_path: Path) -> None:
    """The reflectance of the only clear scene of the first turn is lost: the next turn has another."""
    scenes = shown({2: CLEAR, 10: CLEAR})
    items = write_catalog(tmp_path, scenes)
    (tmp_path / "day02" / "red.tif").write_bytes(b"not a TIFF")
    with pytest.warns(bp.SkippedWarning, match="day02"):
        out, asked = compose(origin, items, scenes)
    assert asked == days(range(2 * TURN))
    assert out.source_ids == ["day10"]
    assert [entry["item"] for entry in out["skipped"]] == ["day02"]
