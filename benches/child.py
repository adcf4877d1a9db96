"""One run by one tool in a process of its own: a task as JSON on standard input, figures as JSON on standard output.

Peak memory is that of the process beyond what it had after its imports; the output arrays are in it. The system's own
account of the peak (`ru_maxrss`) begins with what the parent had, so it is set back and read from /proc (Linux).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Task = dict[str, Any]
Outcome = tuple[dict[str, Any], dict[str, Any]]
"""Figures, and arrays to compare."""
Run = Callable[[], Outcome]
BAD_CLASSES = (0, 1, 2, 3, 8, 9, 10)
"""Classes of the scene classification that a peer's user masks."""


def resident_memory(kind: str) -> int:
    """Bytes of resident memory: `VmRSS` now, `VmHWM` at most since it was set back."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """From now on the peak is counted anew."""
    Path("/proc/self/clear_refs").write_text("5")


def bestpixel(task: Task) -> Run:
    """Our own: the promise of the README."""
    import bestpixel as bp

    options = {"resolution": task["resolution"], "endpoint": "earth-search", "catalog": task["items"]}

    def run() -> Outcome:
        out = bp.build_composite(tuple(task["bbox"]), task["datetime"], bands=task["bands"], **options)
        told = {"grid": out["grid"], "source_ids": list(out.source_ids), "band_names": list(out.band_names)}
        output_bytes = sum(band.nbytes for band in out.bands.values())
        arrays = {"selected_observation": out.selected_observation, "red": out.bands["red"]}
        return {**told, "output_bytes": output_bytes, "timings": out.timings}, arrays

    return run


def months(task: Task) -> Run:
    """One month of several years, in one batch or one by one."""
    import bestpixel as bp

    options = {"resolution": task["resolution"], "endpoint": "earth-search", "catalog": task["items"]}
    options |= {"bands": task["bands"]}

    def batch() -> Outcome:
        outs = bp.build_monthly_composites(tuple(task["bbox"]), task["years"], [7], **options)
        return {"output_bytes": sum(band.nbytes for out in outs for band in out.bands.values())}, {}

    def singles() -> Outcome:
        total = 0
        for year in task["years"]:
            out = bp.build_composite(tuple(task["bbox"]), f"{year}-07", **options)
            total += sum(band.nbytes for band in out.bands.values())
        return {"output_bytes": total}, {}

    return batch if task["is_batch"] else singles


def odc_stac(task: Task) -> Run:
    """odc-stac in its fastest form at this size (threads, no dask), and the first clear date of each pixel by numpy."""
    import odc.stac
    import pystac
    from odc.geo.geobox import GeoBox

    items = [pystac.Item.from_dict(item) for item in task["items"]]
    left, bottom, right, top = task["grid"]["bounds"]
    geobox = GeoBox.from_bbox((left, bottom, right, top), task["crs"], resolution=task["resolution"], tight=True)
    odc.stac.configure_rio(cloud_defaults=True)

    def run() -> Outcome:
        data = odc.stac.load(
            items,
            [*task["bands"], "scl"],
            geobox=geobox,
            groupby="solar_day",
            pool=8,
            resampling={"scl": "nearest", "*": "bilinear"},
        )
        clear = ~np.isin(data.scl.values, BAD_CLASSES)
        # The clearest date first, as ours prefers it.
        order = np.argsort(-clear.sum((1, 2)), kind="stable")
        first = order[clear[order].argmax(0)]
        is_seen = clear.any(0)
        out = {
            band: np.where(is_seen, np.take_along_axis(data[band].values, first[None], 0)[0], 65535)
            for band in task["bands"]
        }
        return {"output_bytes": sum(band.nbytes for band in out.values())}, {"red": out["red"]}

    return run


S2_BANDS = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05", "rededge2": "B06",
    "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09", "swir16": "B11", "swir22": "B12",
}  # fmt: skip


def s2mosaic(task: Task) -> Run:
    """S2Mosaic with the provider's own mask, first clear date; its source is pointed at the local API and files."""
    import dataclasses

    import s2mosaic as peer
    from s2mosaic import sources

    here = {"stac_url": task["stac"], "readable_href_prefixes": ("http://",)}
    sources._SOURCES["AWS"] = dataclasses.replace(sources._SOURCES["AWS"], **here)
    epsg = int(task["crs"].removeprefix("EPSG:"))
    year, month = map(int, task["datetime"].split("-")[:2])

    def run() -> Outcome:
        arrays, _ = peer.mosaic(
            bounds=tuple(task["grid"]["bounds"]), input_crs=epsg, output_crs=epsg, snap_to_source_grid=True,
            resolution=int(task["resolution"]), resampling_method="bilinear",
            start_year=year, start_month=month, duration_months=1,
            bands=[S2_BANDS[band] for band in task["bands"]],
            mosaic_method="first", cloud_mask="SCL", scene_order="valid_data", source="AWS",
        )  # fmt: skip
        return {"output_bytes": arrays.nbytes, "version": peer.__version__}, {}

    return run


TOOLS = {"bestpixel": bestpixel, "odc-stac": odc_stac, "s2mosaic": s2mosaic, "months": months}


def main() -> None:
    """Prepare, run, tell."""
    task = json.load(sys.stdin)
    run = TOOLS[task["tool"]](task)
    forget_peak()
    before = resident_memory("VmRSS")
    start = time.perf_counter()
    told, arrays = run()
    seconds = time.perf_counter() - start
    memory = resident_memory("VmHWM") - before
    if arrays:
        np.savez(task["result"], **arrays)
    print(json.dumps({"seconds": seconds, "memory": memory, **told}, default=str))


if __name__ == "__main__":
    main()
