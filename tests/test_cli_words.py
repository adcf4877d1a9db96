"""What the command says, word for word: stdout, stderr and exit code; and what a kill at any moment leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from rio_cogeo.cogeo import cog_validate

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "bestpixel._cli")
USAGE = "\nUsage: spx-build --bbox <W> <S> <E> <N> --datetime <A/B> --out-dir <DIR> [OPTIONS]\n"
HELP = "\nFor more information, try '--help'.\n"
PLACE = ("--bbox", "17.6", "45.2", "18.6", "45.8", "--datetime", "2024-07", "--endpoint", "earth-search")


@pytest.fixture
def arguments(sample: Path) -> list[str]:
    """A small composite of the sample, without a place to write to."""
    return [*PLACE, "--catalog", str(sample), "--resolution", "240", "--bands", "red"]


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
    """Run the command to its end."""
    command = [*COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **options)  # noqa: S603


def masked(text: str) -> str:
    """Times and what comes from them are not the same twice; folders neither."""
    text = re.sub(r"\d+\.\d+ s\b", "T s", text)
    text = re.sub(r'"seconds":[0-9.e-]+', '"seconds":T', text)
    return re.sub(r"(/[\w.-]+)+/(?=out|sample)", "", text)


@pytest.mark.parametrize(
    ("wrong", "stderr"),
    [
        (["--top-k", "0"], "error: invalid value for '--top-k': top_k must be at least 1\n"),
        (
            ["--max-cloud-cover", "101"],
            "error: invalid value for '--max-cloud-cover': max_cloud_cover 101 is not allowed: 0 to 100 per cent\n",
        ),
        (["--min-k", "9"], "error: invalid value for '--max-k': max_k 8 is less than min_k 9\n"),
        (
            ["--output-crs", "EPSG:99"],
            "error: invalid value for '--output-crs': PROJ does not understand the CRS \"EPSG:99\"\n",
        ),
        (
            ["--coverage-target", "1"],
            "error: invalid value for '--coverage-target': coverage_target 1 is not allowed: at least 0 and below 1\n",
        ),
        (
            ["--memory-limit", "5 parsecs"],
            "error: invalid value '5 parsecs' for '--memory-limit <BYTES>': a positive number of bytes is needed, "
            "such as 536870912, 512MiB or 2GB\n" + HELP,
        ),
        (
            ["--compression-level", "13"],
            "error: invalid value '13' for '--compression-level <LEVEL>': deflate has 1 to 12\n" + USAGE + HELP,
        ),
        (
            ["--months", "7"],
            "error: the argument '--datetime <A/B>' cannot be used with '--months <MONTH>...'\n" + USAGE + HELP,
        ),
        (
            ["--quiet", "--verbose"],
            "error: the argument '--quiet' cannot be used with '--verbose...'\n" + USAGE + HELP,
        ),
    ],
)
def test_wrong_values(arguments: list[str], tmp_path: Path, wrong: list[str], stderr: str) -> None:
    """Exit code 2, the flag's name, nothing on stdout."""
    done = run(*arguments, "--out-dir", str(tmp_path / "out"), *wrong)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", stderr)
    assert not (tmp_path / "out").exists()


def test_a_run(arguments: list[str], tmp_path: Path) -> None:
    """A line of JSON on stdout; stages and a summary on stderr."""
    done = run(*arguments, "--out-dir", str(tmp_path / "out"))
    summary = json.loads(done.stdout)
    size = f"{summary['width']} x {summary['height']}"
    shares = f"{100 * summary['clear_fraction']:.1f} % clear, {100 * summary['nodata_fraction']:.1f} % nodata"
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert summary["files"] == [
        *(f"{name}.tif" for name in ("red", "quality", "observation_count", "selected_observation", "date")),
        "preview.png",
        "item.json",
        "composite.json",
    ]
    *stages, last = masked(done.stderr).splitlines()
    assert [line.split(":")[0] for line in stages] == ["catalog", "scout", "quality", "read", "write"]
    assert all(re.fullmatch(r"\w+: \d+/\d+, \d+(\.\d)? k?M?B read so far", line) for line in stages)
    assert last == (
        f"out: 8 files, {size} pixels, {shares}, {summary['sources']} scenes, "
        f"{summary['bytes'] / 1e6:.1f} MB in {summary['requests']} requests, T s"
    )
    quiet = run(*arguments, "--out-dir", str(tmp_path / "out"), "--quiet")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert masked(quiet.stdout) == masked(done.stdout)
    whole = run(*arguments, "--out-dir", str(tmp_path / "out"), "--json", "-q")
    assert json.loads(whole.stdout)["request"]["top_k"] == 3


PLAN = """\
grid      337 x 291 pixels of 240 in EPSG:32634
bands     red
chunks    1
scenes    3
          S2B_33TYL_20240705_0_L2A (33TYL, 2024-07-05T09:57:40.024000Z)
            quality level 1 (240 m): N B in 4 tiles of 1 files, reflectance level 1 (240 m): N B in 4 tiles of 1 files
          S2B_33TYL_20240712_0_L2A (33TYL, 2024-07-12T09:47:40.024000Z)
            quality level 1 (240 m): N B in 4 tiles of 1 files, reflectance level 1 (240 m): N B in 4 tiles of 1 files
          S2B_33TYL_20240702_0_L2A (33TYL, 2024-07-02T09:47:40.024000Z)
            quality level 1 (240 m): N B in 4 tiles of 1 files, reflectance level 1 (240 m): N B in 4 tiles of 1 files
quality   N B in 12 tiles of 3 files
read      at most N B in 12 tiles of 3 files
requests  about 6, headers not counted
output    N B
memory    at most N B for buffers
"""


def test_a_plan(arguments: list[str]) -> None:
    """The table of a dry run, word by word; how well files compress is GDAL's."""
    done = run(*arguments, "--dry-run", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(r"\d+(\.\d+)? [kM]?B\b", "N B", done.stdout) == PLAN


def test_months(arguments: list[str], tmp_path: Path) -> None:
    """A folder for each month; an empty one is told of."""
    at = arguments.index("--datetime")
    arguments[at : at + 2] = ["--years", "2024", "--months", "2,7"]
    done = run(*arguments, "--out-dir", str(tmp_path / "out"), "--progress", "none")
    assert done.returncode == 0, done.stderr
    warning, february, july = masked(done.stderr).splitlines()
    assert february.startswith("2024-02: out/2024-02: 8 files, ")
    assert re.fullmatch(
        r"warning: 2024-02: no scene for bbox \[17.6, 45.2, 18.6, 45.8\], datetime 2024-02, cloud cover up to 90 %: "
        r"of \d+ items in catalog .* 0 fit, none of them can be used for endpoint earth-search; nodata everywhere",
        warning,
    )
    assert july.startswith("2024-07: out/2024-07: 8 files, ")
    assert [(month["year"], month["month"]) for month in json.loads(done.stdout)["months"]] == [(2024, 2), (2024, 7)]
    plan = run(*arguments, "--dry-run", "--json", "-q")
    assert [len(month["scenes"]) > 0 for month in json.loads(plan.stdout)["months"]] == [False, True]


def test_a_closed_pipe_is_success(arguments: list[str]) -> None:
    """Whoever has read enough may go; so on stderr."""
    read, written = os.pipe()
    os.close(read)
    for stream in ("stdout", "stderr"):
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: written}
        done = subprocess.run([*COMMAND, *arguments, "--dry-run"], check=False, timeout=60, **streams)  # type: ignore[call-overload] # noqa: S603
        assert done.returncode == 0, stream
    os.close(written)


@pytest.mark.parametrize("kind", ["bash", "elvish", "fish", "powershell", "zsh", "man"])
def test_completions_and_man_page(kind: str) -> None:
    """They know the flags."""
    done = run("--generate", kind)
    assert (done.returncode, done.stderr) == (0, "")
    assert "coverage-target" in done.stdout.replace("\\-", "-")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_stop_at_once(arguments: list[str], tmp_path: Path, number: int, code: int) -> None:
    """Within two seconds, with the code that shells give, and without a file."""
    arguments[arguments.index("--resolution") + 1] = "10"
    command = [*COMMAND, *arguments, "--out-dir", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stderr
        for line in process.stderr:
            if line.startswith("read"):
                break
        process.send_signal(number)
        sent = time.monotonic()
        stdout, stderr = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5, "two seconds, and three for a machine that is busy"
    assert (process.returncode, stdout) == (code, "")
    assert stderr.splitlines()[-1] == "stopped: nothing has been written"
    assert list((tmp_path / "out").iterdir()) == []


def test_killed_at_any_moment(arguments: list[str], tmp_path: Path) -> None:
    """Kill -9 all over the run: what has its name is whole, what has not is swept up by the next run."""
    folder = tmp_path / "out"
    arguments[arguments.index("--resolution") + 1] = "60"
    command = [*COMMAND, *arguments, "--out-dir", str(folder), "--quiet"]
    start = time.monotonic()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    whole = time.monotonic() - start
    names = {path.name for path in folder.iterdir()}
    killed = 0
    for step in range(1, 13):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:  # noqa: S603
            time.sleep(whole * step / 12)
            killed += process.poll() is None
            process.kill()
        for path in folder.iterdir():
            assert path.name in names or (path.name.startswith(".bestpixel-") and path.name.endswith(".tmp"))
        if (folder / "composite.json").exists():
            assert names <= {path.name for path in folder.iterdir()}
            json.loads((folder / "composite.json").read_text())
        for path in folder.glob("*.tif"):
            assert cog_validate(path, strict=True, quiet=True)[0]
    assert killed > 2
    for left in (folder / ".bestpixel-killed.tmp", *folder.glob(".bestpixel-*.tmp")):
        left.touch()
        os.utime(left, (time.time() - 60,) * 2)
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0  # noqa: S603
    assert {path.name for path in folder.iterdir()} == names
