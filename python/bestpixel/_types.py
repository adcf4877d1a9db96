"""The words of the public signatures: what may be given for an argument, as types and as the values they admit."""

from __future__ import annotations

import datetime as dt
import os  # noqa: TC003  resolvable by whoever asks for the hints
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Union

import numpy as np
import numpy.typing as npt

BANDS = (
    "coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08", "nir09", "swir16", "swir22",
)  # fmt: skip
"""Every band name, in the order in which `bands=None` gives those that the endpoint has."""

NODATA = 65535
"""The value of a pixel for which there is nothing, in bands, quality and selected_observation."""

NO_DATE = -(2**31)
"""The day, counted from 1970-01-01 in 32 bits, of a pixel for which there is nothing."""

REFLECTANCE_SCALE = 1e-4
"""Reflectance of one step of a band's integers."""

Endpoint = Literal["auto", "pc", "earth-search", "hls", "mcd43a4", "earth-search-c1", "landsat"]
OnError = Literal["skip", "raise"]

BBox = Union[Sequence[float], npt.NDArray[np.floating[Any]]]
Instant = Union[str, dt.date, np.datetime64]
Period = Union[Instant, Sequence[Union[Instant, None]]]
Catalog = Union[str, "os.PathLike[str]", Mapping[str, Any], Iterable[Any]]
Report = Callable[[int, int, str, int], object]
UInt16 = npt.NDArray[np.uint16]
