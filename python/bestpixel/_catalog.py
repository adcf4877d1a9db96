"""What a caller gives as `catalog` goes in, a path or URL, or items as JSON text, comes out.

The native module reads catalogues from paths. Items that live in memory are handed to it as the JSON text of a list of
item dicts; a pystac Item is rendered with absolute hrefs, since the dict no longer knows which file it came from.
"""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Optional

ALLOWED = "None, a path, a URL, or a list of item dicts or pystac Items"


class Origin(NamedTuple):
    """Where items come from; both None means the endpoint's own API."""

    place: Optional[str]
    """Path or URL of a catalogue."""
    items: Optional[str]
    """JSON text of a list of item dicts."""


def origin(catalog: object) -> Origin:
    """Tell a place from items in memory, and render the latter.

    Raises:
        TypeError: It is neither, or an item is not one.
        ValueError: An empty path, or a mapping that is neither an Item nor an ItemCollection.
    """
    if catalog is None:
        return Origin(None, None)
    if isinstance(catalog, (str, os.PathLike)):
        place = os.fsdecode(catalog)
        if not place:
            raise ValueError(f"catalog must be {ALLOWED}, got an empty text")
        return Origin(place, None)
    items = [_item(number, item) for number, item in enumerate(_items(catalog))]
    try:
        return Origin(None, json.dumps(items, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise type(error)(f"catalog has an item that cannot be written as JSON: {error}") from error


def _items(catalog: object) -> Iterable[Any]:
    """Open what is called a collection of items, whatever its form."""
    if isinstance(catalog, Mapping):
        kind = catalog.get("type")
        if kind == "FeatureCollection":
            return list(catalog["features"])
        if kind == "Feature":
            return [catalog]
        raise ValueError(f"catalog must be {ALLOWED}, got a mapping of type {kind!r}")
    if isinstance(catalog, Iterable) and not isinstance(catalog, (bytes, bytearray)):
        return catalog
    if callable(getattr(catalog, "to_dict", None)):
        return [catalog]
    raise TypeError(f"catalog must be {ALLOWED}, got {reprlib.repr(catalog)}")


def _item(number: int, item: Any) -> dict[str, Any]:  # noqa: ANN401  pystac is not imported
    """Render one item as a dict that JSON can hold."""
    if isinstance(item, Mapping):
        return dict(item)
    if not callable(getattr(item, "to_dict", None)):
        raise TypeError(f"catalog[{number}] must be an item dict or a pystac Item, got {reprlib.repr(item)}")
    rendered: dict[str, Any] = item.to_dict(include_self_link=False, transform_hrefs=False)
    for key, asset in item.assets.items():
        href = asset.get_absolute_href()
        if href is not None:
            rendered["assets"][key]["href"] = href
    return rendered
