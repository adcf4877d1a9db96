from collections.abc import Callable
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

__all__ = [
    "__version__",
    "_grid",
    "_nearest",
    "_project",
    "_read_image",
    "_resample",
    "_simd",
    "_window",
    "_write",
    "build",
    "build_months",
    "cli",
    "plan",
    "preview",
    "save",
]

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
def preview(planes: list[npt.NDArray[np.uint16]], stretch: tuple[float, float] | None) -> bytes: ...
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

class _Task(TypedDict):
    source_crs: str
    source_transform: tuple[float, float, float, float, float, float]
    grid_crs: str
    grid_origin: tuple[float, float, float]
    grid_shape: tuple[int, int]

def _grid(bbox: tuple[float, float, float, float], crs: str | None, resolution: float) -> str: ...
def _project(
    source: str, target: str, xs: npt.NDArray[np.float64], ys: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]: ...
def _simd() -> str: ...
def _resample(
    source: npt.NDArray[np.uint16] | npt.NDArray[np.int16] | npt.NDArray[np.uint8],
    nodata: int,
    method: Literal["bilinear", "cubic", "average"],
    task: _Task,
) -> npt.NDArray[np.uint16]: ...
def _nearest(source: npt.NDArray[np.uint8], missing: int, task: _Task) -> npt.NDArray[np.uint8]: ...
def _window(task: _Task, source_shape: tuple[int, int]) -> list[int] | None: ...

class _File(TypedDict):
    path: str
    names: list[str]
    crs: str
    origin: tuple[float, float, float]
    nodata: int
    is_continuous: bool
    codec: Literal["deflate", "zstd"]
    level: int

def _write(bands: list[npt.NDArray[np.uint16]] | list[npt.NDArray[np.int32]], file: _File) -> None: ...
