"""A bounding box and dates go in, a cloud-free satellite composite comes out.

Scenes are found through STAC and read from Cloud-Optimized GeoTIFFs: no more of them than the composite needs.
"""

from __future__ import annotations

from bestpixel._bestpixel import __version__
from bestpixel._composite import build_composite, build_monthly_composites, plan_composite
from bestpixel._result import Composite
from bestpixel.exceptions import (
    BestpixelError,
    CatalogError,
    EmptyPeriodWarning,
    FormatError,
    ReadError,
    SkippedWarning,
    WriteError,
)

__all__ = [
    "BestpixelError",
    "CatalogError",
    "Composite",
    "EmptyPeriodWarning",
    "FormatError",
    "ReadError",
    "SkippedWarning",
    "WriteError",
    "__version__",
    "build_composite",
    "build_monthly_composites",
    "plan_composite",
]
