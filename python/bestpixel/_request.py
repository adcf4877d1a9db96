"""All that a caller says goes in, one frozen and checked `Request` comes out; the native module gets it as JSON.

Invariant: the fields are the arguments of `build_composite` under their own names. An argument's type, meaning and
check are written here and nowhere else; its default stands in the signature.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Optional, get_args

from bestpixel import _checks
from bestpixel._catalog import origin
from bestpixel._types import Endpoint, OnError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Request:
    """What to make a composite of, and how."""

    bbox: tuple[float, float, float, float] = field(metadata={"check": _checks.bbox})
    """West, south, east, north in degrees; west > east crosses the antimeridian."""
    datetime: str = field(metadata={"check": _checks.period})
    """Period as STAC writes it: `A/B`, or a day, month or year."""
    resolution: float = field(metadata={"check": _checks.positive})
    """Side of an output pixel in units of the output's coordinate reference system (metres for UTM)."""
    top_k: int = field(metadata={"check": _checks.count})
    """Scenes that compete for a chunk, for each tile that it needs."""
    max_cloud_cover: float = field(metadata={"check": _checks.percentage})
    """Per cent of cloud, as the item states it, above which a scene is not considered."""
    concurrency: int = field(metadata={"check": _checks.count})
    """Requests in flight at most."""
    endpoint: str = field(metadata={"check": _checks.one_of(get_args(Endpoint))})
    """Which service's files these are."""
    disk_cache: Optional[str] = field(metadata={"check": _checks.optional(_checks.path)})
    """Folder that keeps what was fetched."""
    scout_factor: int = field(metadata={"check": _checks.count})
    """Output pixels to a side of a scouting cell."""
    bands: Optional[tuple[str, ...]] = field(metadata={"check": _checks.optional(_checks.bands)})
    """Names in the order wanted; None is all that the endpoint has."""
    output_crs: str = field(metadata={"check": _checks.crs})
    """`native`, `utm`, or a text for PROJ."""
    coverage_target: float = field(metadata={"check": _checks.share})
    """Share of the reachable area that must be clear before scenes stop being added; 0 leaves it at top_k."""
    min_k: int = field(metadata={"check": _checks.count})
    """Scenes taken at least where coverage_target is set."""
    max_k: int = field(metadata={"check": _checks.count})
    """Scenes taken at most where coverage_target is set."""
    windowed_fetch: bool = field(metadata={"check": _checks.flag})
    """Whether a scene may win only in the chunks that selected it."""
    catalog: Optional[str] = field(metadata={"check": _checks.optional(_checks.path)})
    """Path or URL items come from; None is the endpoint's own API, or `items`."""
    on_error: str = field(metadata={"check": _checks.one_of(get_args(OnError))})
    """Whether what cannot be read is left out or raised."""
    memory_limit: Optional[int] = field(metadata={"check": _checks.optional(_checks.size)})
    """Bytes for buffers beyond the output."""
    items: Optional[str] = field(metadata={"check": lambda _name, value: value})
    """JSON text of a list of item dicts where `catalog` was a list."""

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Request:
        """Check the arguments of a public function; names that are no field (`progress`) are passed over.

        Raises:
            TypeError: An argument is of the wrong kind.
            ValueError: An argument is out of range.
        """
        place, items = origin(arguments["catalog"])
        given = {**arguments, "catalog": place, "items": items}
        request = cls(**{part.name: part.metadata["check"](part.name, given[part.name]) for part in fields(cls)})
        if request.max_k < request.min_k:
            raise ValueError(f"max_k must be at least min_k ({request.min_k}), got {request.max_k}")
        return request

    def to_json(self) -> str:
        """Give the request as the native module reads it; `items` travels apart."""
        values = asdict(self)
        del values["items"]
        return json.dumps(values, allow_nan=False)
