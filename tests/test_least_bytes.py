"""Bytes and requests of a run against the least possible, counted from the files themselves (DESIGN.md, section 5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import bestpixel as bp
import least

if TYPE_CHECKING:
    from pathlib import Path

BANDS = ["blue", "green", "red", "nir"]


def test_bytes_and_requests_are_near_the_least(real_scenes: Path) -> None:
    """At most 1.10 of the least bytes; one request a header, and fewer than one a tile."""
    catalog = real_scenes / "items.json"
    out = bp.build_composite(
        (15.02, 45.10, 16.38, 46.92), "2023-08-10/2023-08-20", 120.0,
        endpoint="earth-search", catalog=catalog, bands=BANDS, top_k=2,
    )  # fmt: skip
    items = json.loads(catalog.read_text())["features"]
    tiles, opened = least.needed(dict(out), items, real_scenes)
    bytes_needed = sum(tile.length for tile in tiles) + opened * least.HEADER
    timings = out["timings"]
    assert 0.9 < timings["bytes"] / bytes_needed <= 1.10, (timings["bytes"], bytes_needed)
    # A header each, a scout read for each scene, a quality read for each selected one, runs of tiles for each band.
    assert timings["requests"] <= opened + len(items) + len(out["source_ids"]) * (2 + 3 * len(BANDS))
