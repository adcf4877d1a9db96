"""Full-size scenes over a local origin: ours beside odc-stac, the least possible bytes and the floor of decoding.

`python benches/compare.py [--scenes DIR] [--rounds N] [--out RESULTS.md]`, as `make bench` does it. Tools take turns,
each run is a process of its own; the fastest of its rounds counts, all are told. What is measured, and what is not, is
written into the results. Needs the extension in release mode and the release binaries `origin`, `decode-floor` and
`spx-build`. S2Mosaic brings torch with it, so it is not installed by us: where `BESTPIXEL_S2MOSAIC` names a Python that
has it, it takes part.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tests")]

import full_scenes  # noqa: E402
import least  # noqa: E402
import numpy as np  # noqa: E402
import rasterio  # noqa: E402
import write_gdal  # noqa: E402
from origin import Origin  # noqa: E402
from pyproj import Transformer  # noqa: E402
from rasterio.windows import Window  # noqa: E402
from stac_server import Standin  # noqa: E402

Item = dict[str, Any]
Task = dict[str, Any]
Figures = dict[str, Any]
NODATA = 65535
MONTH = "2024-07-01/2024-07-31"
YEARS = [2020, 2021, 2022, 2023, 2024]
ALL_BANDS = list(full_scenes.BANDS)
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target")) / "release"
CRS = f"EPSG:{full_scenes.EPSG}"
S2MOSAIC = os.environ.get("BESTPIXEL_S2MOSAIC")


class Case(NamedTuple):
    """An area (left, bottom, right, top in the scenes' CRS), a pixel size and bands; the ratio to reach."""

    name: str
    bounds: tuple[int, int, int, int]
    resolution: float
    bands: list[str]
    wanted: float


CASES = [
    Case("100 x 100 km, 60 m, 12 bands", (550_000, 4_995_000, 650_000, 5_095_000), 60.0, ALL_BANDS, 6.0),
    Case(
        "28 x 28 km, 10 m, 4 bands",
        (586_000, 5_040_000, 614_000, 5_068_000),
        10.0,
        ["blue", "green", "red", "nir"],
        8.0,
    ),
]
DELAYS = [0, 50]


def clear(items: list[Item]) -> list[Item]:
    """What passes the default filter of clouds."""
    return [item for item in items if item["properties"]["eo:cloud_cover"] < 90]


def bbox(bounds: tuple[int, int, int, int]) -> list[float]:
    """Bounds as degrees, inside them."""
    left, bottom, right, top = bounds
    to_lonlat = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform
    lon, lat = to_lonlat([left, right, right, left], [top, top, bottom, bottom])
    return [max(lon[0], lon[3]), max(lat[2], lat[3]), min(lon[1], lon[2]), min(lat[0], lat[1])]


def served(items: list[Item], origin: Origin) -> list[Item]:
    """Items with the URLs of the origin."""
    copies: list[Item] = json.loads(json.dumps(items))
    for item in copies:
        for asset in item["assets"].values():
            asset["href"] = origin.url(asset["href"])
    return copies


def in_other_years(items: list[Item]) -> list[Item]:
    """The same scenes in July of each year."""
    copies = []
    for year in YEARS:
        text = (
            json.dumps(items)
            .replace("2024-07", f"{year}-07")
            .replace("_202407", f"_{year}07")
            .replace("S202407", f"S{year}07")
        )
        years: list[Item] = json.loads(text)
        for item, original in zip(years, items, strict=True):
            item["assets"] = original["assets"]
        copies += years
    return copies


def child(task: dict[str, Any], origin: Origin, delay_ms: int) -> Figures:
    """One run; its figures with what the origin has counted."""
    origin.behave(delay_ms=delay_ms)
    python = (S2MOSAIC if task["tool"] == "s2mosaic" else None) or sys.executable
    done = subprocess.run(  # noqa: S603
        [python, HERE / "child.py"], input=json.dumps(task), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{task['tool']}: {done.stderr[-2000:]}")
    stats = origin.stats()
    told: Figures = json.loads(done.stdout.splitlines()[-1])
    return {**told, "bytes": stats["bytes"], "requests": sum(stats["requests"].values())}


def decode_floor(tiles: list[least.Tile]) -> float:
    """Seconds in which bare libdeflate inflates tiles on all cores."""
    lines = "".join(f"{t.path} {t.offset} {t.length} {t.raw_bytes} {t.row_bytes} {t.bits}\n" for t in tiles)
    done = subprocess.run([RELEASE / "decode-floor"], input=lines, capture_output=True, text=True, check=True)  # noqa: S603
    return float(json.loads(done.stdout)["seconds"])


def best(runs: list[Figures]) -> Figures:
    """The fastest run."""
    return min(runs, key=lambda run: float(run["seconds"]))


def named(run: Figures, tool: str) -> str:
    """A tool with its version, where its run tells it."""
    return f"{tool} {run['version']}" if "version" in run else tool


def row(tool: str, runs: list[Figures], least_bytes: int) -> str:
    """A line of the table."""
    run = best(runs)
    seconds = " ".join(f"{each['seconds']:.2f}" for each in runs)
    beyond = (run["memory"] - run["output_bytes"]) / 2**20
    return (
        f"| {tool} | {run['seconds']:.2f} | {seconds} | {run['requests']} | {run['bytes'] / 1e6:.1f} "
        f"| {run['bytes'] / least_bytes:.2f} | {max(beyond, 0):.0f} |"
    )


def same(folder: Path) -> str:
    """How near the red bands of both tools are to one another."""
    ours, theirs = (np.load(folder / f"{tool}.npz")["red"].astype(int) for tool in ("bestpixel", "odc-stac"))
    both = (ours != NODATA) & (theirs != NODATA)
    apart = np.abs(ours - theirs)[both]
    figures = f"within 1 DN in {100 * float((apart <= 1).mean()):.1f} %, median difference {np.median(apart):.0f} DN"
    return (
        f"Red of the pixels that both have: {figures}. Where pixels grow, GDAL widens its kernel and ours takes the "
        "2 x 2 samples of the nearest finer overview; some pixels come from another date."
    )


def tasks(case: Case, items: list[Item], origin: Origin, folder: Path) -> list[Task]:
    """What the tools are asked for, ours first: the same grid, dates and bands."""
    task = {
        "bbox": bbox(case.bounds),
        "datetime": MONTH,
        "resolution": case.resolution,
        "bands": case.bands,
        "crs": CRS,
    }
    ours = {**task, "tool": "bestpixel", "items": served(items, origin), "result": str(folder / "bestpixel.npz")}
    grid = child(ours, origin, 0)["grid"]
    theirs = {**task, "tool": "odc-stac", "items": served(clear(items), origin), "grid": grid}
    others = [{**theirs, "result": str(folder / "odc-stac.npz")}]
    if S2MOSAIC:
        others.append({**task, "tool": "s2mosaic", "grid": grid})
    return [ours, *others]


def least_tiles(run: Figures, result: str, items: list[Item], scenes: Path) -> tuple[list[least.Tile], int]:
    """The tiles that this run could not do without, and the bytes of them and of the headers."""
    selected = np.load(result)["selected_observation"]
    tiles, opened = least.needed({**run, "selected_observation": selected}, clear(items), scenes)
    return tiles, sum(tile.length for tile in tiles) + opened * least.HEADER


def compare(case: Case, items: list[Item], scenes: Path, origin: Origin, rounds: int) -> list[str]:
    """The tables of a case."""
    lines = [f"## {case.name}", ""]
    with tempfile.TemporaryDirectory() as name, Standin(served(clear(items), origin), page_size=100) as api:
        ours, *others = tasks(case, items, origin, Path(name))
        for delay in DELAYS:
            own, floors = list[Figures](), list[float]()
            peers: dict[str, list[Figures]] = {task["tool"]: [] for task in others}
            for _ in range(rounds):
                own.append(child(ours, origin, delay))
                tiles, least_bytes = least_tiles(own[-1], ours["result"], items, scenes)
                floors.append(decode_floor(tiles))
                for task in others:
                    peers[task["tool"]].append(child({**task, "stac": f"{api.root}/v1"}, origin, delay))
            ratio = {tool: best(runs)["seconds"] / best(own)["seconds"] for tool, runs in peers.items()}
            told = [f"**{ratio[tool]:.1f} x** as fast as {named(runs[0], tool)}" for tool, runs in peers.items()]
            of_floor = best(own)["seconds"] / min(floors)
            most = best(peers["odc-stac"])["seconds"] / min(floors)
            lines += [
                f"{delay} ms per request; least possible {least_bytes / 1e6:.1f} MB; floor {min(floors):.2f} s",
                "",
                "| | s | all rounds | requests | MB | / least | MiB beyond output |",
                "|---|---|---|---|---|---|---|",
                row("bestpixel", own, least_bytes),
                *(row(tool, runs, least_bytes) for tool, runs in peers.items()),
                "",
                f"bestpixel is {', '.join(told)} (wanted of odc-stac: {case.wanted}), "
                f"and takes {of_floor:.2f} x the floor"
                + (" (wanted: 2.0)." if delay == 0 else ".")
                + f" At the floor it would be {most:.1f} x as fast as odc-stac.",
                "",
            ]
        lines += [same(Path(name)), ""]
    return lines


MONTHS = {"28 x 28 km": CASES[1].bounds, "100 x 100 km": CASES[0].bounds}
"""What waits for round trips most, and what waits for the processor most."""


def compare_months(area: str, items: list[Item], origin: Origin, rounds: int) -> list[str]:
    """One month of five years in one batch, and one by one."""
    many = served(in_other_years(items), origin)
    task = {
        "tool": "months",
        "bbox": bbox(MONTHS[area]),
        "resolution": 60.0,
        "bands": ["blue", "green", "red", "nir"],
        "years": YEARS,
        "items": many,
    }
    batch, singles = [], []
    for _ in range(rounds):
        batch.append(child({**task, "is_batch": True}, origin, 50))
        singles.append(child({**task, "is_batch": False}, origin, 50))
    ratio = best(batch)["seconds"] / best(singles)["seconds"]
    return [
        f"## July of five years, {area}, 60 m, 4 bands, 50 ms per request",
        "",
        "| | s | requests | MB |",
        "|---|---|---|---|",
        *(
            f"| {name} | {best(runs)['seconds']:.2f} | {best(runs)['requests']} | {best(runs)['bytes'] / 1e6:.1f} |"
            for name, runs in (("one batch", batch), ("five calls", singles))
        ),
        "",
        f"The batch takes **{ratio:.2f}** of the calls' sum (wanted: at most 0.7).",
        "",
    ]


def stream(items: list[Item], origin: Origin) -> list[str]:
    """The command on 100 x 100 km at 10 m, twelve bands."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        catalog = Path(name) / "items.json"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": served(items, origin)}))
        origin.behave()
        words = ["--bbox", *map(str, bbox(CASES[0].bounds)), "--datetime", MONTH, "--resolution", "10"]
        words += ["--endpoint", "earth-search", "--catalog", str(catalog), "--out-dir", f"{name}/out"]
        start = time.perf_counter()
        with Path(os.devnull).open("w") as nowhere:
            process = subprocess.Popen([RELEASE / "spx-build", *words], stdout=nowhere, stderr=nowhere)  # noqa: S603
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status != 0:
            raise RuntimeError(f"spx-build ended with {status}")
        written = sum(path.stat().st_size for path in Path(name, "out").iterdir())
    memory = f"peak RSS **{usage.ru_maxrss / 2**20:.2f} GiB** (wanted: at most 1.5)"
    moved = f"{origin.stats()['bytes'] / 1e6:.0f} MB fetched, {written / 1e6:.0f} MB written"
    return ["## 100 x 100 km, 10 m, 12 bands by `spx-build`", "", f"{seconds:.0f} s; {memory}; {moved}.", ""]


def write_beside_gdal(scenes: Path) -> list[str]:
    """Our writer beside GDAL's COG driver, on a part of a scene."""
    with rasterio.open(next(iter(sorted(scenes.glob("*/red.tif"))))) as file:
        pixels = file.read(1, window=Window(0, 0, write_gdal.SIDE, write_gdal.SIDE))
    head = f"## Writing: {write_gdal.SIDE} x {write_gdal.SIDE} pixels of red beside GDAL's COG driver"
    same = "The same array, tiles of 512, predictor, codec and level, averaged overviews, all cores, into memory."
    wanted = f"GDAL {rasterio.__gdal_version__}; wanted: at least 2 x."
    return [head, "", *write_gdal.measure(pixels), "", f"{same} {wanted}", ""]


ABOUT = """
Ten synthetic scenes (`benches/full_scenes.py`: two tiles of 10980 x 10980 pixels, five dates, twelve bands and SCL) are
served by `tests/origin`, on the same cores as the tools. odc-stac loads all scenes below 90 % of cloud in its fastest
form (threads, one solar day at a time, no dask); numpy then takes the first clear date of each pixel. S2Mosaic masks
by the scene classification and takes the first clear date as well; it searches a local API. Times are of
the call, without imports. The floor is bare libdeflate on all cores over the least tiles, in memory already: nothing is
fetched, resampled or chosen. Absolute times say little: read the ratios.
"""


def machine() -> list[str]:
    """Where and with what."""
    cpu = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":")[1].strip() for line in cpu if "model name" in line)
    names = ("odc-stac", "odc-loader", "rasterio", "numpy")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    where = f"{os.cpu_count()} cores ({model}), Linux {platform.release()}, Python {platform.python_version()}"
    made = f"Made by `make bench` on {time.strftime('%Y-%m-%d')}: {where}, {versions}."
    return ["# Results", "", made, ABOUT]


def main() -> None:
    """Run all cases and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, default=Path.home() / ".cache/bestpixel/bench-scenes")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    arguments = parser.parse_args()
    items = json.loads(full_scenes.make_scenes(arguments.scenes).read_text())["features"]
    origin = Origin(arguments.scenes, RELEASE / "origin")
    lines = machine()
    try:
        for case in CASES:
            lines += compare(case, items, arguments.scenes, origin, arguments.rounds)
        for area in MONTHS:
            lines += compare_months(area, items, origin, arguments.rounds)
        lines += stream(items, origin)
        lines += write_beside_gdal(arguments.scenes)
    finally:
        origin.close()
    arguments.out.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
