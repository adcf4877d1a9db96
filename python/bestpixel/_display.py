"""A composite goes in, what a person sees of it in a terminal or a notebook comes out."""

from __future__ import annotations

import base64
import html as markup
import math
from typing import TYPE_CHECKING

import numpy as np

from bestpixel._types import NODATA

if TYPE_CHECKING:
    from bestpixel._result import Composite

THUMBNAIL_PIXELS = 480
QUALITY = {0: "clear", 1: "marginal", 2: "dark", NODATA: "nodata"}


def text(composite: Composite) -> str:
    """Describe a composite in a few lines."""
    lines = (f"  {label:<8} {value}" for label, value in _rows(composite))
    return "\n".join([f"<Composite: {_title(composite)}>", *lines])


def html(composite: Composite) -> str:
    """Describe a composite beside a small picture of it."""
    picture = base64.b64encode(composite._repr_png_()).decode("ascii")
    rows = "".join(
        f"<tr><th style='text-align:left'>{label}</th><td style='text-align:left'>{markup.escape(value)}</td></tr>"
        for label, value in _rows(composite)
    )
    return (
        "<div style='display:flex;gap:1em;align-items:flex-start'>"
        f"<img alt='preview' style='max-width:{THUMBNAIL_PIXELS}px' src='data:image/png;base64,{picture}'>"
        f"<div><strong>{markup.escape(_title(composite))}</strong><table>{rows}</table></div></div>"
    )


def decimation(composite: Composite) -> int:
    """Tell which n-th pixels to draw so that the picture stays small."""
    return math.ceil(int(max(composite.quality.shape)) / THUMBNAIL_PIXELS)


def _title(composite: Composite) -> str:
    return f"{composite.collection} from {composite.endpoint}"


def _rows(composite: Composite) -> list[tuple[str, str]]:
    """Name and say what matters about a composite."""
    grid = composite.grid
    unit = "degrees" if "+proj=longlat" in grid["proj4"] else "m"
    crs = f"EPSG:{grid['epsg']}" if grid["epsg"] else grid["proj4"]
    days = sorted(source["datetime"][:10] for source in composite.sources)
    return [
        ("bands", ", ".join(composite.band_names)),
        ("grid", f"{grid['width']} x {grid['height']} pixels of {grid['resolution']:g} {unit}, {crs}"),
        ("bounds", ", ".join(f"{bound:.10g}" for bound in grid["bounds"])),
        ("quality", _quality(composite)),
        ("scenes", f"{len(days)}, {days[0]} to {days[-1]}" if days else "none"),
        ("skipped", _skipped(composite)),
    ]


def _quality(composite: Composite) -> str:
    """Give the share of the pixels in each class, as far as there are any."""
    quality = composite.quality
    counts = {name: int(np.count_nonzero(quality == value)) for value, name in QUALITY.items()}
    return ", ".join(f"{100 * n / quality.size:.1f} % {name}" for name, n in counts.items() if n)


def _skipped(composite: Composite) -> str:
    """Give the number of things left out, and the first."""
    skipped = composite.skipped
    if not skipped:
        return "nothing"
    more = f" and {len(skipped) - 1} more, see .skipped" if len(skipped) > 1 else ""
    return f"{skipped[0]['item']}: {skipped[0]['cause']}{more}"
