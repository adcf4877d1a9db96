"""A batch of months gives what the single calls give, in order; an empty month is told."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
from scenes import with_absolute_hrefs

if TYPE_CHECKING:
    from pathlib import Path

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
