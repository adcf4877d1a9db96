"""A composite goes in, an xarray Dataset comes out that says where it lies in the ways that readers look for.

The coordinate spatial_ref carries the grid mapping: CF attributes and WKT from pyproj, or without pyproj the text by
which PROJ knows the system. GDAL's GeoTransform stands beside it, so that nothing has to be guessed from x and y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bestpixel._types import NO_DATE, NODATA, REFLECTANCE_SCALE

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from bestpixel._result import Composite


def dataset(composite: Composite) -> xr.Dataset:
    """Lay a composite's arrays, uncopied, into a Dataset."""
    try:
        import xarray as xr  # noqa: PLC0415  an optional dependency
    except ImportError as error:
        raise ImportError(f'to_xarray() needs xarray ({error}): pip install "bestpixel[xarray]"') from error
    variables = {name: _variable(array, _reflectance(name)) for name, array in composite.bands.items()}
    variables["quality"] = _variable(composite.quality, _flags("quality", ["clear", "marginal", "dark"]))
    variables["observation_count"] = _variable(composite.observation_count, {"long_name": "usable observations"})
    scenes = ["_".join(scene.split()) for scene in composite.source_ids]
    variables["selected_observation"] = _variable(composite.selected_observation, _flags("selected scene", scenes))
    variables["date"] = _variable(_days(composite), _calendar())
    about = {"Conventions": "CF-1.11", "source": f"{composite.collection} from {composite.endpoint}"}
    return xr.Dataset(variables, _coordinates(composite.grid), about)


def _variable(array: npt.NDArray[np.integer[Any]], attrs: dict[str, Any]) -> tuple[Any, ...]:
    # Named among the coordinates, too, so that it is one again after a round trip through a file.
    return ("y", "x"), array, attrs, {"grid_mapping": "spatial_ref", "coordinates": "spatial_ref"}


def _days(composite: Composite) -> npt.NDArray[np.int32]:
    """Give the day of each pixel as decoders of CF count it, and as `save` writes it."""
    date = composite.date
    return np.where(np.isnat(date), NO_DATE, date.astype(np.int64)).astype(np.int32)


def _calendar() -> dict[str, Any]:
    return {
        "long_name": "day of observation",
        "units": "days since 1970-01-01",
        "calendar": "proleptic_gregorian",
        "_FillValue": np.int32(NO_DATE),
    }


def _reflectance(name: str) -> dict[str, Any]:
    """Describe a band: packed as CF packs, so that decoders know the way to reflectance."""
    return {
        "long_name": name,
        "units": "1",
        "scale_factor": REFLECTANCE_SCALE,
        "add_offset": 0.0,
        "_FillValue": np.uint16(NODATA),
    }


def _flags(name: str, meanings: list[str]) -> dict[str, Any]:
    """Describe an array of numbers that stand for words."""
    attrs: dict[str, Any] = {"long_name": name, "_FillValue": np.uint16(NODATA)}
    if meanings:
        attrs["flag_values"] = np.arange(len(meanings), dtype=np.uint16)
        attrs["flag_meanings"] = " ".join(meanings)
    return attrs


def _coordinates(grid: dict[str, Any]) -> dict[str, Any]:
    """Give x and y of the pixel centres, and the grid mapping."""
    a, b, c, d, e, f = grid["transform"]
    mapping, names, unit = _reference(grid)
    mapping["GeoTransform"] = " ".join(f"{value:.17g}" for value in (c, a, b, f, d, e))
    x = c + a * (np.arange(grid["width"]) + 0.5)
    y = f + e * (np.arange(grid["height"]) + 0.5)
    units = (unit, unit) if unit else ("degrees_east", "degrees_north")
    return {
        "y": ("y", y, {"axis": "Y", "standard_name": names[1], "units": units[1]}),
        "x": ("x", x, {"axis": "X", "standard_name": names[0], "units": units[0]}),
        "spatial_ref": ((), np.int64(0), mapping),
    }


def _reference(grid: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, str], str]:
    """Give the attributes of the coordinate reference system, the names of x and y, and their unit ("" = degrees)."""
    known = grid["crs"]
    geographic, unit = "+proj=longlat" in grid["proj4"], "metre"
    mapping: dict[str, Any] = {"spatial_ref": known, "proj4": grid["proj4"]}
    try:
        import pyproj  # noqa: PLC0415  an optional dependency
    except ImportError:
        pass
    else:
        crs = pyproj.CRS.from_user_input(known)
        mapping = {**crs.to_cf(), "spatial_ref": crs.to_wkt()}
        geographic, unit = crs.is_geographic, crs.axis_info[0].unit_name
    if geographic:
        return mapping, ("longitude", "latitude"), ""
    return mapping, ("projection_x_coordinate", "projection_y_coordinate"), unit
