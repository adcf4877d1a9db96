"""The name and value of one argument go in, the plain value that the native module takes comes out, or an error.

Every check has the form `check(name, value)`. A value of the wrong kind is a `TypeError`, one out of range a
`ValueError`; either message names the argument, what is allowed and what was given. Strings that only a parser can
judge (dates, coordinate reference systems) pass: the native module has the parser.
"""

from __future__ import annotations

import datetime as dt
import math
import numbers
import operator
import os
import reprlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Optional, SupportsIndex, cast

import numpy as np

from bestpixel._types import BANDS

if TYPE_CHECKING:
    from collections.abc import Sequence

Check = Callable[[str, object], Any]

OPEN_END = ".."
"""STAC's word for a period without start or end."""


def _said(name: str, allowed: str, value: object) -> str:
    return f"{name} must be {allowed}, got {reprlib.repr(value)}"


def _real(name: str, allowed: str, value: object) -> float:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(_said(name, allowed, value))
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(_said(name, allowed, value))
    return number


def positive(name: str, value: object) -> float:
    """Take a finite number above 0."""
    allowed = "a number above 0"
    number = _real(name, allowed, value)
    if number <= 0:
        raise ValueError(_said(name, allowed, value))
    return number


def percentage(name: str, value: object) -> float:
    """Take a number from 0 to 100."""
    allowed = "a number from 0 to 100"
    number = _real(name, allowed, value)
    if not 0 <= number <= 100:
        raise ValueError(_said(name, allowed, value))
    return number


def share(name: str, value: object) -> float:
    """Take a number from 0 to below 1."""
    allowed = "a number from 0 (off) to below 1"
    number = _real(name, allowed, value)
    if not 0 <= number < 1:
        raise ValueError(_said(name, allowed, value))
    return number


def count(name: str, value: object) -> int:
    """Take an integer of at least 1 that fits 32 bits."""
    return _whole(name, "an integer of at least 1", value, 2**32)


def size(name: str, value: object) -> int:
    """Take a number of bytes of at least 1 that fits 64 bits."""
    return _whole(name, "a whole number of bytes above 0, or None", value, 2**64)


def integers(name: str, value: object) -> list[int]:
    """Take integers of at least 1, or a single one: years, or months."""
    allowed = "an integer of at least 1, or several of them"
    values = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    if not values:
        raise ValueError(_said(name, allowed, value))
    return [_whole(name, allowed, each, 2**15) for each in values]


def _whole(name: str, allowed: str, value: object, bound: int) -> int:
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(_said(name, allowed, value))
    try:
        number = operator.index(cast("SupportsIndex", value))
    except TypeError:
        raise TypeError(_said(name, allowed, value)) from None
    if not 1 <= number < bound:
        raise ValueError(_said(name, allowed, value))
    return number


def flag(name: str, value: object) -> bool:
    """Take True or False, not what is merely true or false."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(_said(name, "True or False", value))
    return bool(value)


def one_of(words: Sequence[str]) -> Check:
    """Make the check for one word of a few."""
    allowed = "one of " + ", ".join(repr(word) for word in words)

    def check(name: str, value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(_said(name, allowed, value))
        if value not in words:
            raise ValueError(_said(name, allowed, value))
        return str(value)

    return check


def optional(check: Check) -> Check:
    """Make the check that lets None pass and asks `check` about anything else."""
    return lambda name, value: None if value is None else check(name, value)


def bbox(name: str, value: object) -> tuple[float, float, float, float]:
    """Take (west, south, east, north) in degrees; west > east crosses the antimeridian."""
    allowed = "four numbers (west, south, east, north) in degrees"
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(_said(name, allowed, value))
    sides = [_real(name, allowed, side) for side in value]
    if len(sides) != 4:
        raise ValueError(_said(name, allowed, value))
    west, south, east, north = sides
    if not -90 <= south < north <= 90:
        raise ValueError(_said(name, f"{allowed} with -90 <= south < north <= 90", value))
    if not (-180 <= west <= 180 and -180 <= east <= 180 and west != east):
        raise ValueError(_said(name, f"{allowed} with west and east from -180 to 180 and not the same", value))
    return west, south, east, north


def rising(name: str, value: object) -> tuple[float, float]:
    """Take two numbers, the second one larger."""
    allowed = "two numbers, the second one larger"
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(_said(name, allowed, value))
    ends = [_real(name, allowed, end) for end in value]
    if len(ends) != 2 or ends[0] >= ends[1]:
        raise ValueError(_said(name, allowed, value))
    return ends[0], ends[1]


def bands(name: str, value: object) -> tuple[str, ...]:
    """Take band names, each once, in the order wanted."""
    allowed = f"None or a list of band names from {', '.join(BANDS)}"
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise TypeError(_said(name, allowed, value))
    names = tuple(value)
    if not all(isinstance(band, str) for band in names):
        raise TypeError(_said(name, allowed, value))
    if not names or len(set(names)) < len(names) or not set(names) <= set(BANDS):
        raise ValueError(_said(name, f"{allowed}, each at most once", value))
    return tuple(str(band) for band in names)


def path(name: str, value: object) -> str:
    """Take a path as str or os.PathLike."""
    allowed = "a path (str or os.PathLike), or None"
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(_said(name, allowed, value))
    text = os.fsdecode(value)
    if not text:
        raise ValueError(_said(name, allowed, value))
    return text


def crs(name: str, value: object) -> str:
    """Take "native", "utm" or a text for PROJ; objects that know their WKT (pyproj, rasterio) give that."""
    allowed = '"native", "utm" or a coordinate reference system that PROJ understands, such as "EPSG:3035"'
    to_wkt = getattr(value, "to_wkt", None)
    text = to_wkt() if callable(to_wkt) else value
    if not isinstance(text, str):
        raise TypeError(_said(name, allowed, value))
    if not text.strip():
        raise ValueError(_said(name, allowed, value))
    return text


def period(name: str, value: object) -> str:
    """Take a period as text, as an object of datetime or numpy, or as a pair of those, None for an open end."""
    allowed = 'text such as "2024-07-01/2024-07-31" or "2024-07", a date or datetime, or a pair of those'
    whole = _instant(value)
    if whole is None and isinstance(value, (tuple, list, np.ndarray)):
        ends = [OPEN_END if end is None else _instant(end) for end in value]
        if len(ends) != 2:
            raise ValueError(_said(name, allowed, value))
        if None not in ends:
            if any("/" in str(end) for end in ends):
                raise ValueError(_said(name, allowed, value))
            whole = "/".join(str(end) for end in ends)
    if whole is None:
        raise TypeError(_said(name, allowed, value))
    if not whole.strip() or "NaT" in whole:
        raise ValueError(_said(name, allowed, value))
    return whole


def _instant(value: object) -> Optional[str]:
    """Render one moment or day; without a time zone a time is UTC. None if it is neither."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.datetime64):
        text = str(value)
        return f"{text}Z" if "T" in text and text != "NaT" else text
    if isinstance(value, dt.datetime):
        utc = value if value.tzinfo is None else value.astimezone(dt.timezone.utc)
        return f"{utc.replace(tzinfo=None).isoformat()}Z"
    return value.isoformat() if isinstance(value, dt.date) else None
