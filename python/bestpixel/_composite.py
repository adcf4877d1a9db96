"""The front door: arguments go in, a composite, or the plan of one, comes out.

Arguments are checked in `_request`, the work is done in the native module, and what it had to leave out is told in
a warning. The signature of `build_composite` is the only list of arguments and defaults; `plan_composite` shares it.
"""

from __future__ import annotations

import functools
import inspect
import json
import warnings
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union

from bestpixel import _bestpixel, _checks
from bestpixel._progress import reporter
from bestpixel._request import Request
from bestpixel._result import Composite
from bestpixel.exceptions import EmptyPeriodWarning, SkippedWarning

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from typing_extensions import ParamSpec

    from bestpixel._types import BBox, Catalog, Endpoint, OnError, Period, Report

    Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer")

SKIPPED_TOLD = 3
"""How many of the things left out a warning names."""


def build_composite(  # noqa: PLR0913  the published arguments
    bbox: BBox,
    datetime: Period,
    resolution: float = 60.0,
    *,
    top_k: int = 3,
    max_cloud_cover: float = 90.0,
    concurrency: int = 192,
    endpoint: Endpoint = "auto",
    disk_cache: Optional[Union[str, os.PathLike[str]]] = None,
    scout_factor: int = 8,
    bands: Optional[Sequence[str]] = None,
    output_crs: str = "native",
    coverage_target: float = 0.0,
    min_k: int = 2,
    max_k: int = 8,
    windowed_fetch: bool = False,
    catalog: Optional[Catalog] = None,
    progress: Optional[Union[bool, Report]] = None,
    on_error: OnError = "skip",
    memory_limit: Optional[int] = None,
) -> Composite:
    """Make one cloud-free composite of an area from the scenes of a period.

    The quality layers of all candidate scenes are scouted coarsely, the clearest scenes are selected for each part of
    the area, each pixel is given to the best observation by quality, and only the file tiles in which a scene wins a
    pixel are read.

    Files of the Planetary Computer are signed with its tokens, just before they are read. The environment variables
    PC_SDK_SUBSCRIPTION_KEY and PC_SDK_SAS_URL are honoured.

    Args:
        bbox: West, south, east, north in degrees (WGS 84). West > east crosses the antimeridian.
        datetime: The period: `"2024-07-01/2024-07-31"`, or a day, month (`"2024-07"`) or year; a date or datetime; or
            a pair of those. Both ends belong to it. Times without a zone are UTC.
        resolution: Side of an output pixel in units of the output's coordinate reference system (metres for UTM).
        top_k: How many scenes compete for each chunk of 512 x 512 pixels, for each tile that the chunk needs.
        max_cloud_cover: Scenes whose catalogue entry states more cloud are passed over, in per cent, 0 to 100. Has no
            effect on `mcd43a4`, whose entries do not tell.
        concurrency: Requests in flight at most.
        endpoint: Whose files these are. `"pc"`: Sentinel-2 L2A of the Planetary Computer, 12 bands.
            `"earth-search"`: Sentinel-2 L2A of Element84, 12 bands. `"hls"`: HLS v2 of Landsat and Sentinel-2 as one
            pool, 7 bands. `"mcd43a4"`: MODIS MCD43A4 v061, 6 bands, dated by its nominal day. `"earth-search-c1"`:
            Element84's Collection 1. `"landsat"`: Landsat Collection 2 Level 2, 7 bands. `"auto"`: `earth-search` where
            AWS_REGION starts with `us-`, else `pc`.
        disk_cache: Folder that keeps answers to searches (for an hour), headers and quality tiles of files over http(s)
            for later calls and other processes; it is made where it is not there. Reflectance is always read from
            where it lies, and a file that turns out to have changed is read anew; of quality this is asked once a day.
            It grows to 1 GiB, or BESTPIXEL_CACHE_BYTES of the environment, and then forgets what was used longest ago.
            No token is kept. None keeps nothing.
        scout_factor: Side of a scouting cell in output pixels.
        bands: Names from coastal, blue, green, red, rededge1, rededge2, rededge3, nir, nir08, nir09, swir16 and swir22
            in the order wanted. None takes all that the endpoint has.
        output_crs: `"native"` (sinusoidal for `mcd43a4`, else the area's UTM zone), `"utm"`, or anything that PROJ
            understands, such as `"EPSG:3035"`.
        coverage_target: Above 0 and below 1: add scenes to a chunk until they see this share of its reachable area
            clearly, at least `min_k` and at most `max_k` of them. 0 takes `top_k` scenes.
        min_k: Scenes taken at least where `coverage_target` is set.
        max_k: Scenes taken at most where `coverage_target` is set.
        windowed_fetch: True lets a scene win pixels only in chunks that selected it, False wherever it observes.
        catalog: Where items come from. A path: an Item, ItemCollection or NDJSON file or a folder of them, with hrefs
            relative to the file. A list: item dicts or pystac Items. A URL: another STAC API that serves the same
            assets. None: the endpoint's own STAC API.
        progress: True shows progress with tqdm, or on stderr where tqdm is not installed. A callable is called on this
            thread as `progress(done, total, stage, bytes)`; what it raises ends the work.
        on_error: `"skip"` leaves out what cannot be read, tells it in a `SkippedWarning` and in the result's `skipped`;
            `"raise"` raises it.
        memory_limit: Bytes for buffers beyond the output. None leaves it to the library.

    Returns:
        A read-only mapping with the keys bands (dict of uint16 (H, W) arrays, reflectance x 10000, 65535 = nodata),
        band_names, quality (uint16 (H, W): 0 clear, 1 marginal, 2 dark, 65535 nodata), observation_count (uint16
        (H, W)), selected_observation (uint16 (H, W), index into source_ids, 65535 = none), source_ids, grid (bounds,
        epsg, proj4, crs, transform, width, height, resolution), endpoint, collection, timings, partition_tiles,
        multi_tile_chunks, sources and skipped; see `Composite`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of range.
        FileNotFoundError: `catalog` is a path at which nothing lies.
        CatalogError: The catalogue cannot be read, or no scene of it fits.
        ReadError: With `on_error="raise"`, bytes of a scene cannot be had.
        FormatError: With `on_error="raise"`, bytes of a scene cannot be understood.

    Examples:
        >>> import bestpixel as bp
        >>> out = bp.build_composite(
        ...     bbox=(17.6, 45.2, 18.6, 45.8), datetime="2024-07", resolution=240.0, endpoint="earth-search",
        ...     catalog="demo/sample/items.json", bands=["red", "nir"],
        ... )
        >>> out["band_names"]
        ['red', 'nir']
        >>> out["bands"]["red"].dtype, out["bands"]["red"].shape == out["quality"].shape
        (dtype('uint16'), True)
        >>> out["grid"]["resolution"]
        240.0
    """
    request = Request.from_arguments(locals())  # nothing may come before: these are exactly the arguments
    with reporter(progress) as report:
        composite = Composite(_bestpixel.build(request.to_json(), request.items, report))
    _tell_of_skipped(composite.skipped)
    return composite


def _with_arguments_of(
    model: Callable[Arguments, object],
) -> Callable[[Callable[[Mapping[str, Any]], Answer]], Callable[Arguments, Answer]]:
    """Give a function that takes a mapping of arguments the signature and defaults of another."""
    signature = inspect.signature(model)

    def decorate(function: Callable[[Mapping[str, Any]], Answer]) -> Callable[Arguments, Answer]:
        @functools.wraps(function)
        def call(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Answer:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            return function(bound.arguments)

        answer = inspect.signature(function).return_annotation
        call.__signature__ = signature.replace(return_annotation=answer)  # type: ignore[attr-defined]
        return call

    return decorate


@_with_arguments_of(build_composite)
def plan_composite(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Tell what `build_composite` would read, before a pixel of reflectance is read.

    Args:
        arguments: Those of `build_composite`, under the same names and with the same defaults; `progress` has no
            effect.

    Returns:
        The plan, fit for JSON: the grid, the selected scenes with the level, window and tiles of each of their files,
        what each chunk requires, and the bytes that may be read at most.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of range.
        FileNotFoundError: `catalog` is a path at which nothing lies.
        CatalogError: The catalogue cannot be read, or no scene of it fits.

    Examples:
        >>> import bestpixel as bp
        >>> plan = bp.plan_composite(
        ...     bbox=(17.6, 45.2, 18.6, 45.8), datetime="2024-07", resolution=240.0, endpoint="earth-search",
        ...     catalog="demo/sample/items.json", bands=["red", "nir"],
        ... )
        >>> plan["band_names"], plan["reflectance_bytes"] > 0
        (['red', 'nir'], True)
    """
    request = Request.from_arguments(arguments)
    plan: dict[str, Any] = json.loads(_bestpixel.plan(request.to_json(), request.items))
    return plan


def build_monthly_composites(
    bbox: BBox,
    years: Union[int, Iterable[int]],
    months: Union[int, Iterable[int]],
    resolution: float = 60.0,
    **options: Any,  # noqa: ANN401  those of build_composite, checked there
) -> list[Composite]:
    """Make a cloud-free composite of an area for each month of each year.

    All months share one look at the scenes, one set of connections and one budget of requests and memory, and several
    are under way at once: a batch takes less time than the same months one by one.

    Args:
        bbox: West, south, east, north in degrees (WGS 84). West > east crosses the antimeridian.
        years: A year, or several.
        months: A month (1 to 12), or several: each is taken of each year.
        resolution: Side of an output pixel in units of the output's coordinate reference system (metres for UTM).
        options: The keyword arguments of `build_composite`, under the same names and with the same defaults.

    Returns:
        A list of composites in the order of (year, month), each with the further keys `year` and `month`. A month
        without scenes gives a composite that is nodata everywhere, and an `EmptyPeriodWarning`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: An argument is out of range.
        FileNotFoundError: `catalog` is a path at which nothing lies.
        CatalogError: The catalogue cannot be read.
        ReadError: With `on_error="raise"`, bytes of a scene cannot be had.
        FormatError: With `on_error="raise"`, bytes of a scene cannot be understood.

    Examples:
        >>> import bestpixel as bp
        >>> (july,) = bp.build_monthly_composites(
        ...     (17.6, 45.2, 18.6, 45.8), 2024, 7, 240.0, endpoint="earth-search",
        ...     catalog="demo/sample/items.json", bands=["red"],
        ... )
        >>> july["year"], july["month"], july["band_names"]
        (2024, 7, ['red'])
    """
    wanted = (_checks.integers("years", years), _checks.integers("months", months))
    # The period of a month is set by the native module.
    bound = inspect.signature(build_composite).bind(bbox, f"{wanted[0][0]:04}", resolution, **options)
    bound.apply_defaults()
    request = Request.from_arguments(bound.arguments)
    with reporter(bound.arguments["progress"]) as report:
        native = _bestpixel.build_months(request.to_json(), *wanted, request.items, report)
    composites = [Composite(each) for each in native]
    _tell_of_skipped([skip for composite in composites for skip in composite.skipped])
    empty = [f"{composite.year:04}-{composite.month:02}" for composite in composites if not composite.source_ids]
    if empty:
        message = f"no scene fits in {', '.join(empty)}: nodata everywhere"
        warnings.warn(message, EmptyPeriodWarning, stacklevel=2)
    return composites


def _tell_of_skipped(skipped: Sequence[Mapping[str, Any]]) -> None:
    """Warn the caller of `build_composite` of what was left out."""
    if not skipped:
        return
    told = [f"{skip['item']} ({skip['href']}): {skip['cause']}" for skip in skipped[:SKIPPED_TOLD]]
    more = [f"and {len(skipped) - SKIPPED_TOLD} more"] if len(skipped) > SKIPPED_TOLD else []
    message = f"{len(skipped)} could not be read and left out, see .skipped: " + "; ".join(told + more)
    warnings.warn(message, SkippedWarning, stacklevel=3)
