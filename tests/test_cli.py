"""The command that the Python package installs: what it says where, what it leaves, and with which code it ends."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import bestpixel as bp
import numpy as np
import pystac
import pytest
import rasterio
from bestpixel import _cli
from pystac.extensions.projection import ProjectionExtension
from rio_cogeo.cogeo import cog_validate

BBOX = ("17.6", "45.2", "18.6", "45.8")
PLANES = ("quality", "observation_count", "selected_observation")
COMMAND = (sys.executable, "-m", "bestpixel._cli")


@pytest.fixture
def arguments(sample: Path, tmp_path: Path) -> list[str]:
    """Arguments of a small composite of the sample."""
    place = ["--endpoint", "earth-search", "--catalog", str(sample), "--out-dir", str(tmp_path / "out")]
    return ["--bbox", *BBOX, "--datetime", "2024-07", "--resolution", "120", *place]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=300, check=False)  # noqa: S603


def test_files_and_summary(arguments: list[str], sample: Path, tmp_path: Path) -> None:
    """One line of JSON on stdout; valid COGs that hold what `build_composite` gives; metadata and preview."""
    done = run(*arguments, "--bands", "nir,red,green,blue", "--top-k", "2")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert isinstance(json.loads(line), dict)

    out = bp.build_composite(
        tuple(map(float, BBOX)),
        "2024-07",
        120,
        endpoint="earth-search",
        catalog=sample,
        bands=["nir", "red", "green", "blue"],
        top_k=2,
    )
    folder = tmp_path / "out"
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}.tif" for name in (*out.bands, *PLANES)),
        "date.tif",
        "composite.json",
        "item.json",
        "preview.png",
    }
    out.save(tmp_path / "saved")
    for path in folder.iterdir():
        if path.suffix != ".json":  # times of the runs
            assert path.read_bytes() == (tmp_path / "saved" / path.name).read_bytes(), path.name
    for name in (*out.bands, *PLANES):
        path = folder / f"{name}.tif"
        assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
        with rasterio.open(path) as file:
            np.testing.assert_array_equal(file.read(1), out.bands[name] if name in out.bands else out[name])
            assert (file.crs.to_epsg(), file.dtypes) == (out.grid["epsg"], ("uint16",))
            assert list(file.transform)[:6] == out.grid["transform"]
            assert file.compression is rasterio.enums.Compression.deflate
            assert name == "observation_count" or file.nodata == 65535
    assert (folder / "preview.png").read_bytes() == out.preview()
    told: dict[str, dict[str, Any]] = json.loads((folder / "composite.json").read_text())
    assert told["request"]["top_k"] == 2
    assert told["composite"]["grid"] == out.grid
    assert told["composite"]["source_ids"] == out.source_ids
    assert told["composite"]["skipped"] == []
    assert json.loads((tmp_path / "saved" / "composite.json").read_text())["request"]["bands"] == list(out.bands)


def test_date_of_each_pixel(arguments: list[str], tmp_path: Path) -> None:
    """Days since 1970-01-01 of the scene that has the pixel."""
    assert run(*arguments, "--bands", "red").returncode == 0
    folder = tmp_path / "out"
    sources = json.loads((folder / "composite.json").read_text())["composite"]["sources"]
    days = np.array([np.datetime64(source["datetime"][:10]).astype(np.int64) for source in sources])
    with rasterio.open(folder / "date.tif") as file, rasterio.open(folder / "selected_observation.tif") as selected:
        assert (file.dtypes, file.nodata) == (("int32",), -(2**31))
        scenes = selected.read(1).astype(np.int64)
        expected = np.where(scenes == 65535, -(2**31), np.append(days, 0)[np.minimum(scenes, len(days))])
        np.testing.assert_array_equal(file.read(1), expected)
        assert len(np.unique(expected)) > 2


def test_stac_item(arguments: list[str], tmp_path: Path) -> None:
    """An Item by STAC's own schema; the extensions say what the files say."""
    assert run(*arguments, "--bands", "red,rededge1").returncode == 0
    folder = tmp_path / "out"
    item = pystac.Item.from_file(folder / "item.json")
    core = pystac.Item.from_file(folder / "item.json")
    core.stac_extensions = []  # their schemas lie in the network, that of STAC is part of pystac
    assert core.validate()
    projection = ProjectionExtension.ext(item)
    composite = json.loads((folder / "composite.json").read_text())["composite"]
    grid = composite["grid"]
    assert (projection.code, projection.shape) == (f"EPSG:{grid['epsg']}", [grid["height"], grid["width"]])
    assert (projection.transform, projection.bbox) == (grid["transform"], grid["bounds"])
    west, south, east, north = item.bbox or []
    assert west <= float(BBOX[0])
    assert south <= float(BBOX[1])
    assert east >= float(BBOX[2])
    assert north >= float(BBOX[3])
    assert {"red", "rededge1", *PLANES, "date", "thumbnail", "metadata"} == set(item.assets)
    for asset in item.assets.values():
        assert (folder / asset.href).is_file()
    (band,) = item.assets["rededge1"].extra_fields["bands"]
    assert (band["eo:common_name"], band["raster:scale"]) == ("rededge071", 0.0001)


def test_one_file_for_all_bands(arguments: list[str], tmp_path: Path) -> None:
    """`--stack` gives the same pixels in one file; ZSTD too."""
    bands = ["--bands", "nir,red"]
    assert run(*arguments, *bands).returncode == 0
    place = arguments.index("--out-dir") + 1
    for name, more in (("stack", []), ("zstd", ["--compression", "zstd"])):
        arguments[place] = str(tmp_path / name)
        done = run(*arguments, *bands, "--stack", *more)
        assert done.returncode == 0, done.stderr
        path = tmp_path / name / "bands.tif"
        assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
        with rasterio.open(path) as file:
            assert (file.descriptions, file.scales, file.nodata) == (("nir", "red"), (0.0001, 0.0001), 65535)
            for index, band in enumerate(file.descriptions, 1):
                with rasterio.open(tmp_path / "out" / f"{band}.tif") as single:
                    np.testing.assert_array_equal(file.read(index), single.read(1))
                    assert file.overviews(index) == single.overviews(1)


def test_flags_are_the_arguments_of_python() -> None:
    """Every published argument is a flag under its kebab-case name, with the same default."""
    helped = run("--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    flags = helped.stdout.partition("Examples:")[0]
    for name, parameter in inspect.signature(bp.build_composite).parameters.items():
        flag = f"--{name.replace('_', '-')}"
        (said,) = re.findall(rf"^ +(?:-\w, )?{flag}\b(.*?)(?=^ +-|\Z)", flags, re.MULTILINE | re.DOTALL)
        default = re.search(r"\[default:\s+(.*?)\]", said)
        if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool):
            assert default, flag
            assert float(default[1]) == parameter.default, flag
        elif isinstance(parameter.default, str):
            assert default, flag
            assert default[1] == parameter.default, flag
    for flag in ("--out-dir", "--dry-run", "--years", "--months"):
        assert flag in flags


def test_dry_run_writes_nothing(arguments: list[str], tmp_path: Path) -> None:
    """The plan goes to stdout, for people or as JSON, and no file is made."""
    done = run(*arguments, "--dry-run", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    files = [file for scene in plan["scenes"] for file in (*scene["quality"], *scene["bands"])]
    assert plan["requests"] == sum(file["requests"] for file in files) > 0
    assert plan["quality_bytes"] + plan["reflectance_bytes"] == sum(file["bytes"] for file in files) > 0
    assert plan["memory_bytes"] == 512 << 20
    table = run(*arguments, "--dry-run")
    assert table.returncode == 0, table.stderr
    assert all(scene["id"] in table.stdout for scene in plan["scenes"])
    assert f"{plan['requests']}, headers not counted" in table.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--no-such-flag"],
        ["--top-k", "many"],
        ["--top-k", "0"],
        ["--bbox", "1", "2", "3"],
        ["--resolution", "-60"],
        ["--datetime", "yesterday"],
        ["--bands", "B04"],
        ["--endpoint", "nowhere"],
    ],
)
def test_bad_usage_is_2(arguments: list[str], wrong: list[str], tmp_path: Path) -> None:
    """The message goes to stderr and names the flag; nothing on stdout, no traceback, no file."""
    flag = arguments.index(wrong[0]) if wrong[0] in arguments else None
    if flag is not None:
        del arguments[flag : flag + (5 if wrong[0] == "--bbox" else 2)]
    done = run(*arguments, *wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert wrong[0].strip("-") in done.stderr.lower().replace("_", "-")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_nothing_in_the_catalogue_is_3(arguments: list[str]) -> None:
    """West and south of zero the catalogue has nothing; negative numbers are numbers, not flags."""
    arguments[1:5] = ["-70.5", "-20.5", "-69.5", "-19.5"]
    fails(arguments, 3)


def test_missing_catalogue_is_3(arguments: list[str]) -> None:
    """The message has its path."""
    arguments[arguments.index("--catalog") + 1] = "nowhere.json"
    assert "nowhere.json" in fails(arguments, 3)


def test_unreadable_scene_is_4_where_it_must_not_be_skipped(arguments: list[str], sample: Path, tmp_path: Path) -> None:
    """The message has the file; without `--on-error raise` the scene is left out and named on stderr."""
    copy = tmp_path / "copy"
    shutil.copytree(sample.parent, copy)
    broken = min(copy.glob("*/SCL.tif"))
    broken.write_bytes(broken.read_bytes()[:100])
    arguments[arguments.index("--catalog") + 1] = str(copy / sample.name)
    arguments += ["--bands", "red"]
    assert broken.parent.name in fails([*arguments, "--on-error", "raise"], 4)
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert broken.parent.name in done.stderr
    assert json.loads(done.stdout)["skipped"] >= 1


def test_no_place_to_write_is_5(arguments: list[str], tmp_path: Path) -> None:
    """The message has the folder."""
    (tmp_path / "out").touch()
    assert str(tmp_path / "out") in fails([*arguments, "--bands", "red"], 5)


def fails(arguments: list[str], code: int) -> str:
    """Check that the command ends with this code and says so on stderr only; gives what it says."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert "panicked" not in done.stderr
    return done.stderr


def test_interrupt_leaves_no_half_written_file(arguments: list[str], tmp_path: Path) -> None:
    """Ctrl-C ends it soon, by the signal or with its shell code, and whatever file is there is whole."""
    heavy = ["--resolution", "20"]
    del arguments[arguments.index("--resolution") : arguments.index("--resolution") + 2]
    with subprocess.Popen(  # noqa: S603
        [*COMMAND, *arguments, *heavy], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    assert "panicked" not in stderr
    if process.returncode == 0:
        pytest.skip("the work was done before the signal came")
    assert process.returncode in {-signal.SIGINT, 128 + signal.SIGINT}
    assert stdout == ""
    folder = tmp_path / "out"
    for path in folder.iterdir() if folder.exists() else ():
        assert path.suffix in {".tif", ".json", ".png"}
        if path.suffix == ".tif":
            assert cog_validate(path, strict=True, quiet=True)[0]


def test_the_wheel_installs_the_command() -> None:
    """`spx-build` is this module's main, and says its version."""
    scripts = entry_points(group="console_scripts")
    (script,) = (script for script in scripts if script.name == "spx-build")
    assert script.load() is _cli.main
    command = shutil.which("spx-build", path=str(Path(sys.executable).parent))
    assert command
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert (done.returncode, done.stdout, done.stderr) == (0, f"spx-build {bp.__version__}\n", "")
