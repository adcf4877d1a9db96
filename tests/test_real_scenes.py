"""The package against the oracle on ten real Sentinel-2 scenes of two adjacent tiles.

Winner, quality and observation count must be equal everywhere, values within 1 DN (float32 against float64). Where a
scene is warped from another zone, the package may be off by 0.01 source pixel: see `check_warped`.
"""

from __future__ import annotations

import importlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import oracle
import pytest
from conftest import Outcome, from_result, from_truth
from scenes import Item, with_absolute_hrefs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NODATA = 65535
BANDS = ["blue", "green", "red", "nir"]
WHOLE = (15.02, 45.10, 16.38, 46.92)
"""Most of both tiles, with their seam."""
SEAM = (15.2, 45.8, 15.9, 46.2)
CORNER = (16.3, 45.98, 16.45, 46.08)
"""Where both tiles end in the east."""
DEFAULTS: dict[str, Any] = {"bbox": WHOLE, "datetime": "2023-08-10/2023-08-20", "resolution": 120.0, "bands": BANDS}
SHIFT = 0.01
"""Source pixels by which a warped position may be off, in each direction (G3)."""


def items_of(folder: Path) -> list[Item]:
    """The ten items, as served."""
    items: list[Item] = json.loads((folder / "items.json").read_text())["features"]
    return items


@cache
def expected(folder: Path, options: str) -> oracle.Truth:
    """The oracle's answer to options written as JSON, made once."""
    return oracle.composite(items_of(folder), base=folder, **json.loads(options))


def both(folder: Path, catalog: object = None, **changes: Any) -> tuple[Outcome, oracle.Truth]:  # noqa: ANN401
    """The package's composite from `catalog` (None: the file of items) and the oracle's."""
    bestpixel = importlib.import_module("bestpixel")
    options = {**DEFAULTS, **changes}
    source = str(folder / "items.json") if catalog is None else catalog
    out = bestpixel.build_composite(endpoint="earth-search", catalog=source, **options)
    return from_result(out), expected(folder, json.dumps(options))


def check_frame(got: Outcome, truth: oracle.Truth) -> None:
    """Bands in the order asked for, one grid, the same scenes selected."""
    assert list(got.bands) == list(truth.bands)
    assert {key: got.grid[key] for key in ("epsg", "width", "height")} == {
        key: truth.grid[key] for key in ("epsg", "width", "height")
    }
    assert got.grid["transform"] == pytest.approx(truth.grid["transform"])
    assert got.grid["bounds"] == pytest.approx(truth.grid["bounds"])
    shape = (truth.grid["height"], truth.grid["width"])
    for values in (*got.bands.values(), got.quality, got.observation_count):
        assert values.shape == shape
        assert values.dtype == np.uint16
    assert got.selected == truth.selected


def difference(got: NDArray[np.uint16], want: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Absolute difference, enormous where only one of them is nodata."""
    one_sided = (got == NODATA) != (want == NODATA)
    return np.asarray(np.abs(got.astype(np.int64) - want.astype(np.int64)) + 10**6 * one_sided)


def check(got: Outcome, truth: oracle.Truth) -> None:
    """All that holds where nothing is warped."""
    check_frame(got, truth)
    assert np.count_nonzero(got.winner != from_truth(truth).winner) == 0
    assert np.count_nonzero(got.quality != truth.quality) == 0
    assert np.count_nonzero(got.observation_count != truth.observation_count) == 0
    for band, values in truth.bands.items():
        assert difference(got.bands[band], values).max() <= 1, band


def check_warped(got: Outcome, truth: oracle.Truth) -> None:
    """All that holds where scenes are warped with an error of at most 0.01 source pixel.

    Bilinear interpolation is continuous and, along one axis, changes per pixel by at most the difference of two
    neighbouring samples. So a shift of 0.01 px along both axes changes a value by at most 0.02 times the range of the
    4x4 samples that either position can touch (4x4, as the shift may lead into the next 2x2), plus 1 DN of rounding.
    Beside nodata, weights are renormalised and a value may run through the whole range of the valid samples, or end.
    """
    check_frame(got, truth)
    sure = ~truth.fragile
    blurred = np.any(list(truth.mixed.values()), axis=0)
    same = got.winner == from_truth(truth).winner
    assert same[sure & ~blurred].all()
    assert same.mean() > 0.995
    assert (got.quality == truth.quality)[sure & ~blurred].all()
    assert (got.observation_count == truth.observation_count)[sure].all()
    for band, values in truth.bands.items():
        off = difference(got.bands[band], values)
        assert (off <= 1 + 2 * SHIFT * truth.spread[band])[same & ~blurred].all(), band
        off = np.where((got.bands[band] == NODATA) == (values == NODATA), off, 0)
        assert (off <= 1 + truth.spread[band])[same & truth.mixed[band]].all(), band


def test_default(real_scenes: Path) -> None:
    """Both tiles at 120 m: equal to the oracle, and clear."""
    got, truth = both(real_scenes)
    check(got, truth)
    assert (got.quality == 0).mean() > 0.99


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 60.0, "bbox": SEAM},
        {"resolution": 240.0},
        {"resolution": 500.0},
        {"resolution": 90.0, "bbox": SEAM, "scout_factor": 5},
        {"coverage_target": 0.95},
        {"coverage_target": 0.5, "min_k": 1, "max_k": 3},
        {"windowed_fetch": True},
        {"top_k": 1},
        {"top_k": 1, "windowed_fetch": True},
        {"top_k": 10},
        {"max_cloud_cover": 5.0},
        {"datetime": "2023-08-18/2023-08-20"},
        {"bands": ["nir", "blue"]},
        {"bbox": CORNER},
        {"bbox": CORNER, "resolution": 30.0},
    ],
    ids=lambda changes: ",".join(f"{key}={value}" for key, value in changes.items()),
)
def test_options(real_scenes: Path, changes: dict[str, Any]) -> None:
    """Each option: equal to the oracle."""
    check(*both(real_scenes, **changes))


@pytest.mark.parametrize("changes", [{}, {"resolution": 60.0, "bbox": SEAM}, {"resolution": 500.0}], ids=str)
def test_neighbouring_zone(real_scenes: Path, changes: dict[str, Any]) -> None:
    """G3: the same scenes on a grid of zone 34."""
    check_warped(*both(real_scenes, output_crs="EPSG:32634", **changes))


def test_items_as_a_list(real_scenes: Path) -> None:
    """A list of item dicts with absolute hrefs, in another order."""
    items = with_absolute_hrefs(items_of(real_scenes), real_scenes)
    check(*both(real_scenes, catalog=items[::-1]))


def test_items_as_a_folder(real_scenes: Path) -> None:
    """A folder of item files."""
    check(*both(real_scenes, catalog=str(real_scenes)))
