"""A composite goes in, what a person sees of it in a terminal or a notebook comes out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bestpixel._types import NODATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from bestpixel._result import Composite

THUMBNAIL_PIXELS = 480
QUALITY = {0: "clear", 1: "marginal", 2: "dark", NODATA: "nodata"}


def text(composite: Composite) -> str:
    """Describe a composite in a few lines."""
    lines = (f"  {label:<8} {value}" for label, value in _rows(composite))
    return "\n".join([f"<Composite: {_title(composite)}>", *lines])


def html(composite: Composite) -> str:
    """Describe a composite beside a small picture of it; who has won what is folded away."""
    import base64  # noqa: PLC0415  only notebooks need these
    import html as markup  # noqa: PLC0415

    picture = base64.b64encode(composite._repr_png_()).decode("ascii")
    rows = "".join(
        f"<tr><th style='text-align:left'>{label}</th><td style='text-align:left'>{markup.escape(value)}</td></tr>"
        for label, value in _rows(composite)
    )
    return (
        "<div style='display:flex;gap:1em;align-items:flex-start'>"
        f"<img alt='preview' style='max-width:{THUMBNAIL_PIXELS}px' src='data:image/png;base64,{picture}'>"
        f"<div><strong>{markup.escape(_title(composite))}</strong><table>{rows}</table>"
        f"<details><summary>scenes</summary><table>{_scenes(composite, markup.escape)}</table></details></div></div>"
    )


def _scenes(composite: Composite, escape: Callable[[str], str]) -> str:
    """One row for each scene: its day, its id, how much of the area it has won."""
    pixels = composite.quality.size
    lines = [
        (source["datetime"][:10], source["id"], f"{100 * source['pixels'] / pixels:.1f} %")
        for source in composite.sources
    ]
    head = "".join(f"<th style='text-align:left'>{word}</th>" for word in ("day", "scene", "share"))
    cells = ("".join(f"<td style='text-align:left'>{escape(word)}</td>" for word in line) for line in lines)
    return "".join(f"<tr>{row}</tr>" for row in (head, *cells))


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
