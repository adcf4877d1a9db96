from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["__version__", "build", "build_months", "cli", "plan", "preview", "save"]

__version__: str

def build(
    request: str,
    items: str | None,
    progress: Callable[[int, int, str, int], object] | None,
) -> dict[str, Any]: ...
def build_months(
    request: str,
    years: list[int],
    months: list[int],
    items: str | None,
    progress: Callable[[int, int, str, int], object] | None,
) -> list[dict[str, Any]]: ...
def plan(request: str, items: str | None) -> str: ...
def preview(planes: list[npt.NDArray[np.uint16]]) -> bytes: ...
def save(
    folder: str,
    bands: dict[str, npt.NDArray[np.uint16]],
    quality: npt.NDArray[np.uint16],
    observation_count: npt.NDArray[np.uint16],
    selected_observation: npt.NDArray[np.uint16],
    metadata: str,
) -> list[str]: ...
def cli(argv: list[str]) -> int: ...
def _read_image(path: str, level: int, tiles: list[int] | None = None) -> list[npt.NDArray[Any]]: ...
