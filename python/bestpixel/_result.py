"""What the native module built goes in, the `Composite` that callers hold comes out.

Invariant: a composite does not change. Its arrays are not writeable, and its lists and dicts are handed out as copies.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Optional, Union

import numpy as np

from bestpixel import _bestpixel, _checks, _display, _xarray
from bestpixel._types import REFLECTANCE_SCALE

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import xarray as xr

    from bestpixel._types import UInt16

TRUE_COLOUR = ("red", "green", "blue")
PLANES = ("quality", "observation_count", "selected_observation")
PERIOD = ("year", "month")


class Composite(Mapping[str, Any]):
    """A cloud-free composite: a read-only mapping whose keys can also be read as attributes.

    Made by `build_composite`. `out["quality"]` and `out.quality` are the same array. Composites pickle.
    """

    __slots__ = ("__weakref__", "_data", "_metadata")

    bands: Mapping[str, UInt16]
    """Reflectance by band name, uint16 (H, W): reflectance = value / 10000, 65535 = nodata."""
    band_names: list[str]
    """Names of the bands in the order that was asked for."""
    quality: UInt16
    """uint16 (H, W): 0 clear, 1 marginal, 2 dark, 65535 nodata."""
    observation_count: UInt16
    """uint16 (H, W): how many scenes had a usable observation of the pixel."""
    selected_observation: UInt16
    """uint16 (H, W): index into `source_ids` of the scene whose values the pixel has, 65535 = none."""
    source_ids: list[str]
    """Item ids of the scenes, best first over the whole area."""
    grid: dict[str, Any]
    """`bounds` (left, bottom, right, top), `epsg` (0 if it has none), `proj4`, `crs` (`"EPSG:n"`, or what was asked
    for: tells the datum where `proj4` has no word for it), `transform` (a, b, c, d, e, f as in affine.Affine), `width`,
    `height` and `resolution`, in units of the coordinate reference system."""
    endpoint: str
    """Name of the endpoint whose files were read."""
    collection: str
    """Id of the collection; of a pool, with commas between."""
    timings: dict[str, float]
    """Seconds by stage and in total, and what was read of files: read_megapixels, requests and bytes. Months of one
    batch share the catalogue, the scout and their requests: requests and bytes are those of the batch until the month
    was done."""
    partition_tiles: list[str]
    """Names of the tiles (MGRS, or h/v of MODIS) that some chunk requires."""
    multi_tile_chunks: int
    """How many chunks require more than one tile."""
    sources: list[dict[str, Any]]
    """For each of `source_ids`: id, datetime, collection, tile, platform, offset_applied (subtracted from its values),
    clear_fraction (0..1, of what it observes of the area) and pixels (how many it has won)."""
    skipped: list[dict[str, Any]]
    """What could not be read and was left out: item, href and cause."""
    year: int
    """Of a monthly composite: its year. Others have no such key."""
    month: int
    """Of a monthly composite: its month, 1 to 12. Others have no such key."""

    def __init__(self, native: Mapping[str, Any]) -> None:
        """Take over the arrays and the metadata (JSON text) that the native module made."""
        self._metadata: str = native["metadata"]
        told = json.loads(self._metadata)
        bands = {name: native["bands"][name] for name in told["band_names"]}
        for array in (*bands.values(), *(native[name] for name in PLANES)):
            array.setflags(write=False)
        made = {"bands": MappingProxyType(bands), **{name: native[name] for name in PLANES}}
        self._data = {key: made[key] if key in made else told[key] for key in KEYS}
        self._data.update({key: native[key] for key in PERIOD if key in native})

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401  a dict of many kinds
        """Give an array as it is, a list or dict as a copy."""
        value = self._data[key]
        return copy.deepcopy(value) if isinstance(value, (list, dict)) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    # Two composites are equal if they are one: comparing arrays is the business of who knows how.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    # Out of sight of type checkers, which would otherwise believe in any attribute.
    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401  as __getitem__
            if name in KEYS or (name in PERIOD and name in self._data):
                return self[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._data})

    def __reduce__(self) -> tuple[type[Composite], tuple[dict[str, Any]]]:
        return type(self), (self._native(),)

    def __repr__(self) -> str:
        return _display.text(self)

    def _repr_html_(self) -> str:
        return _display.html(self)

    def _repr_png_(self) -> bytes:
        return self._png(_display.decimation(self))

    def _native(self) -> dict[str, Any]:
        """Give the parts in the form in which the native module made them."""
        planes = {name: self._data[name] for name in PLANES}
        period = {key: self._data[key] for key in PERIOD if key in self._data}
        return {"bands": dict(self._data["bands"]), **planes, "metadata": self._metadata, **period}

    @property
    def date(self) -> npt.NDArray[np.datetime64]:
        """The day (UTC) on which each pixel was observed: datetime64[D] (H, W), NaT where there is nothing.

        Made anew at each call from `selected_observation` and `sources`, with 8 bytes a pixel.
        """
        days = [source["datetime"][:10] for source in self._data["sources"]]
        index: UInt16 = self._data["selected_observation"]
        # The missing index stands for NaT, behind all scenes.
        return np.array([*days, "NaT"], "datetime64[D]")[np.minimum(index, len(days))]

    def preview(
        self,
        bands: Optional[Union[str, Sequence[str]]] = None,
        stretch: Optional[tuple[float, float]] = None,
    ) -> bytes:
        """Draw the composite, its contrast stretched for the eye.

        Args:
            bands: Three band names for red, green and blue, or one for grey. None takes the bands red, green and blue
                if the composite has them, else its first band in grey.
            stretch: The reflectances that are black and white, such as `(0.0, 0.3)`, the same for all bands: pictures
                of several composites can then be compared. None finds them by the values of this one.

        Returns:
            A PNG, thinned out to at most 2048 pixels a side where the composite is larger; where a band has nodata it
            is transparent.

        Raises:
            TypeError: `stretch` is no pair of numbers.
            ValueError: Not one or three bands of this composite, or `stretch` does not rise.
        """
        return self._png(1, bands, stretch)

    def _png(
        self,
        step: int,
        bands: Optional[Union[str, Sequence[str]]] = None,
        stretch: Optional[tuple[float, float]] = None,
    ) -> bytes:
        """Draw every `step`-th pixel."""
        have: Mapping[str, UInt16] = self._data["bands"]
        if bands is None:
            bands = TRUE_COLOUR if set(TRUE_COLOUR) <= set(have) else next(iter(have))
        names = (bands,) if isinstance(bands, str) else tuple(bands)
        if len(names) not in {1, 3} or not set(names) <= set(have):
            raise ValueError(f"bands must be one or three of {', '.join(have)}, got {bands!r}")
        shown = None if stretch is None else _checks.rising("stretch", stretch)
        ends = None if shown is None else (shown[0] / REFLECTANCE_SCALE, shown[1] / REFLECTANCE_SCALE)
        return _bestpixel.preview([np.ascontiguousarray(have[name][::step, ::step]) for name in names], ends)

    def save(self, folder: Union[str, os.PathLike[str]]) -> list[Path]:
        """Write the composite as `spx-build` does.

        Args:
            folder: Where to; it is made if it is not there, and files of the same names are replaced.

        Returns:
            The files written: a Cloud-Optimized GeoTIFF for each band and for quality, observation_count,
            selected_observation and date, `preview.png`, `item.json` (a STAC Item) and `composite.json`.

        Raises:
            WriteError: The folder cannot be made or a file cannot be written.
        """
        from pathlib import Path  # noqa: PLC0415  half of what importing this package would cost

        native = {key: value for key, value in self._native().items() if key not in PERIOD}
        return [Path(path) for path in _bestpixel.save(os.fsdecode(folder), **native)]

    def to_xarray(self) -> xr.Dataset:
        """Give the composite as an xarray Dataset that rioxarray, odc-geo and CF readers understand.

        Integers stay as they are, without a copy; `xarray.decode_cf` turns the bands into reflectance with NaN.

        Returns:
            A Dataset with one uint16 variable (y, x) for each band, and quality, observation_count,
            selected_observation and date (int32: days since 1970-01-01, dates once decoded); coordinates x and y (pixel
            centres) and spatial_ref (the coordinate reference system; as WKT where pyproj is installed).

        Raises:
            ImportError: xarray is not installed.

        Source:
            CF Conventions 1.11, sections 5.6 (grid mappings), 3.5 (flags) and 8.1 (packed data).
        """
        return _xarray.dataset(self)


KEYS = tuple(name for name in Composite.__annotations__ if name not in PERIOD)
"""The keys of a composite, in their order."""
