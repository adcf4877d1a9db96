"""The benchmark in a small form over the local origin: bytes and requests, never times (DESIGN.md, section 5)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import full_scenes
import least
import pytest
import scenes
from pyproj import Transformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from origin import Origin

SIDE = 1098
"""Pixels of 10 m to a tile's side: a tenth of a real one."""
AREAS = {
    "60 m, 12 bands": ((501_000, 5_090_000, 518_000, 5_099_000), 60.0, None),
    "10 m, 4 bands": ((506_000, 5_092_000, 513_000, 5_099_000), 10.0, ["blue", "green", "red", "nir"]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten scenes as `make bench` makes them."""
    place = tmp_path_factory.mktemp("bench")
    full_scenes.make_scenes(place, SIDE)
    return place


@pytest.fixture(scope="module")
def server(folder: Path, serve: Callable[[Path], Origin]) -> Origin:
    """The server of the scenes."""
    return serve(folder)


@pytest.mark.parametrize("name", AREAS)
def test_bytes_and_requests(name: str, folder: Path, server: Origin) -> None:
    """No more than a tenth above the least bytes; one request a header, and few for the tiles of a file."""
    bounds, resolution, bands = AREAS[name]
    items: list[dict[str, Any]] = json.loads((folder / "items.json").read_text())["features"]
    west, south, east, north = Transformer.from_crs(32633, 4326, always_xy=True).transform_bounds(*bounds)
    server.behave()
    out = bp.build_composite(
        (west, south, east, north),
        "2024-07",
        resolution,
        bands=bands,
        endpoint="earth-search",
        catalog=scenes.with_urls(items, server.url),
    )
    stats = server.stats()
    clear = [item for item in items if item["properties"]["eo:cloud_cover"] < 90]
    tiles, opened = least.needed(dict(out), clear, folder)
    least_bytes = sum(tile.length for tile in tiles) + opened * least.HEADER
    assert 0.9 < stats["bytes"] / least_bytes <= 1.10, (stats["bytes"], least_bytes)
    requests = sum(stats["requests"].values())
    files_with_tiles = len({tile.path for tile in tiles})
    assert opened < requests <= opened + 3 * files_with_tiles, (requests, opened, files_with_tiles)
    assert not [request for request in stats["log"] if request["method"] != "GET"]
