"""Fixtures that every test may use: the real scenes, and both ways to a composite behind one signature."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import oracle
import pytest
import scenes
from origin import Origin

if TYPE_CHECKING:
    from numpy.typing import NDArray

Item = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """A composite, whoever made it. Arrays are (H, W)."""

    bands: dict[str, NDArray[np.uint16]]
    quality: NDArray[np.uint16]
    observation_count: NDArray[np.uint16]
    winner: NDArray[np.str_]
    """Id of the winning scene, "" where there is none."""
    selected: set[str]
    grid: dict[str, Any]


Build = Callable[..., Outcome]


def name_winners(index: NDArray[Any], ids: list[str], nobody: int) -> NDArray[np.str_]:
    """Scene ids for indices, "" for nobody."""
    return np.array([*ids, ""])[np.where(index == nobody, len(ids), index).astype(np.int64)]


def from_truth(truth: oracle.Truth) -> Outcome:
    """The oracle's answer."""
    winner = name_winners(truth.winner, truth.source_ids, -1)
    return Outcome(truth.bands, truth.quality, truth.observation_count, winner, truth.selected, truth.grid)


def from_result(out: Any) -> Outcome:  # noqa: ANN401
    """The package's answer."""
    ids = list(out["source_ids"])
    winner = name_winners(np.asarray(out["selected_observation"]), ids, oracle.NODATA)
    bands = {name: np.asarray(values) for name, values in out["bands"].items()}
    counts = np.asarray(out["observation_count"])
    return Outcome(bands, np.asarray(out["quality"]), counts, winner, set(ids), dict(out["grid"]))


def build_by_oracle(folder: Path, items: list[Item], options: dict[str, Any]) -> Outcome:
    """Composite items whose files lie below `folder`."""
    return from_truth(oracle.composite(items, base=folder, **options))


def build_by_package(folder: Path, items: list[Item], options: dict[str, Any]) -> Outcome:
    """Composite the same items by the package, through a file beside them."""
    bestpixel = importlib.import_module("bestpixel")
    catalog = folder / "items.json"
    scenes.save_items(catalog, items)
    return from_result(bestpixel.build_composite(catalog=str(catalog), endpoint="earth-search", **options))


@pytest.fixture(params=[build_by_oracle, build_by_package], ids=["oracle", "bestpixel"])
def build(request: pytest.FixtureRequest) -> Build:
    """A composite by the oracle and by the package, so that a known answer checks them both.

    Call it with the folder of the scenes, their items, and options of `build_composite`; `datetime`, `resolution`
    and `bands` have defaults.
    """
    defaults = {"datetime": "2023-08-01/2023-08-31", "resolution": 10.0, "bands": ["red"]}

    def run(folder: Path, items: list[Item], **options: Any) -> Outcome:  # noqa: ANN401
        composite: Callable[..., Outcome] = request.param
        return composite(folder, items, {**defaults, **options})

    return run


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample catalogue: two tiles of two zones, several dates."""
    bestpixel_sample = importlib.import_module("bestpixel.sample")
    path: Path = bestpixel_sample.make_sample(tmp_path_factory.getbasetemp() / "sample")
    return path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout (or where BESTPIXEL_TEST_DATA says); skips where it is absent."""
    path = Path(os.environ.get("BESTPIXEL_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real data are not here: {path}")
    return path


@pytest.fixture(scope="session")
def real_scenes(shared_data: Path) -> Path:
    """The folder of ten real scenes of the tiles 33TWL and 33TWM, August 2023; skips where it is absent."""
    path = shared_data / "s2-33T"
    if not (path / "items.json").is_file():
        pytest.skip(f"real scenes are not here: {path}")
    return path


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[[Path], Origin]]:
    """Call it with a folder to serve it over HTTP until the tests end."""
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:
        # A proxy of the machine must not stand between the tests and their server.
        patch.setenv("NO_PROXY", "127.0.0.1")

        def start(folder: Path) -> Origin:
            return running.enter_context(closing(Origin(folder)))

        yield start
