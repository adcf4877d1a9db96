"""The folder that the command writes: one run's files, all or none of them, whatever lay there, wins or is killed.

Besides: what the command refuses before it makes a folder, and what it says meanwhile.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import bestpixel as bp
import numpy as np
import pytest
import rasterio
import scenes
from stac_server import Standin
from test_interchange import picture

if TYPE_CHECKING:
    from pathlib import Path

    from origin import Origin

Make = Callable[..., "subprocess.CompletedProcess[str]"]

COMMAND = (sys.executable, "-m", "bestpixel._cli")
BBOX = ("17.6", "45.2", "18.6", "45.8")
PLACE = ("--bbox", *BBOX, "--endpoint", "earth-search", "--resolution", "240")
JULY = ("--datetime", "2024-07")
LAYERS = {"quality.tif", "observation_count.tif", "selected_observation.tif", "date.tif"}
SMALL = {"preview.png", "item.json", "composite.json"}
TWELVE = (
    *("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3"),
    *("nir", "nir08", "nir09", "swir16", "swir22"),
)
OLD_S = 60
"""A temporary file of this age is nobody's who has just made it."""


@pytest.fixture(scope="module")
def origin(sample: Path, serve: Callable[[Path], Origin]) -> Origin:
    """The server of the sample."""
    return serve(sample.parent)


@pytest.fixture
def served(sample: Path, origin: Origin, tmp_path: Path) -> Path:
    """The sample as a catalogue of URLs."""
    path = tmp_path / "served.json"
    scenes.save_items(path, scenes.with_urls(json.loads(sample.read_text())["features"], origin.url))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that is not there yet."""
    return tmp_path / "out"


@pytest.fixture
def make(sample: Path, folder: Path) -> Make:
    """Makes a small composite of the sample into the folder; call it with bands and further words."""

    def run_with(bands: str, *words: str) -> subprocess.CompletedProcess[str]:
        place = (*PLACE, *JULY, "--catalog", str(sample), "--out-dir", str(folder))
        return run(*place, "--quiet", "--bands", bands, *words)

    return run_with


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=120, check=False)  # noqa: S603


def start(*words: str) -> subprocess.Popen[bytes]:
    """Start the command; it says nothing."""
    streams: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*COMMAND, *words], **streams)  # noqa: S603


def succeed(*words: str) -> None:
    """Run the command, which must not fail."""
    done = run(*words)
    assert done.returncode == 0, done.stderr


def names(folder: Path) -> set[str]:
    """What lies in a folder."""
    return {path.name for path in folder.iterdir()}


def told(folder: Path) -> dict[str, Any]:
    """What `composite.json` says."""
    said: dict[str, Any] = json.loads((folder / "composite.json").read_text())
    return said


def images(folder: Path) -> dict[str, int]:
    """Checksums of the pixels of all images, every block of which is read by GDAL."""
    found = {}
    for path in folder.glob("*.tif"):
        with rasterio.open(path) as file:
            found[path.name] = zlib.crc32(file.read().tobytes())
    return found


def files_of(bands: str) -> set[str]:
    """What a run of these bands writes, one file for each."""
    return {*(f"{band}.tif" for band in bands.split(",")), *LAYERS, *SMALL}


def grow_old(folder: Path) -> list[Path]:
    """Make temporary files older; gives them."""
    left = list(folder.glob(".bestpixel-*.tmp"))
    for path in left:
        os.utime(path, (time.time() - OLD_S,) * 2)
    return left


# ---- names are given last


@pytest.mark.parametrize("name", ["red.tif", "selected_observation.tif", "date.tif", "preview.png", "item.json"])
def test_a_name_that_cannot_be_given(make: Make, folder: Path, name: str) -> None:
    """Exit code 5 names the file; nothing says that all are there; when the way is free the next run makes it good."""
    assert make("red").returncode == 0
    assert names(folder) == files_of("red")
    (folder / name).unlink()
    (folder / name / "something").mkdir(parents=True)
    done = make("red")
    assert (done.returncode, done.stdout) == (5, "")
    assert name in done.stderr
    assert names(folder) <= files_of("red") - {"composite.json"}
    (folder / name / "something").rmdir()
    (folder / name).rmdir()
    assert make("red").returncode == 0
    assert names(folder) == files_of("red")


def test_what_a_failed_run_has_named_goes_with_the_next(make: Make, folder: Path) -> None:
    """Images that were given their names before something failed belong to no composite, and do not stay."""
    assert make("red").returncode == 0
    (folder / "selected_observation.tif").unlink()
    (folder / "selected_observation.tif" / "something").mkdir(parents=True)
    assert make("nir").returncode == 5
    (folder / "selected_observation.tif" / "something").rmdir()
    (folder / "selected_observation.tif").rmdir()
    assert make("blue").returncode == 0
    assert names(folder) == files_of("blue")


# ---- what an earlier run has left


def test_other_bands_go(make: Make, folder: Path) -> None:
    """Files of the last run only, which are those that composite.json names."""
    assert make("red,green").returncode == 0
    assert make("nir").returncode == 0
    assert names(folder) == files_of("nir")
    assert told(folder)["composite"]["band_names"] == ["nir"]


def test_single_files_and_a_stack_replace_one_another(make: Make, folder: Path) -> None:
    """No band is there twice."""
    stacked = {"bands.tif", *LAYERS, *SMALL}
    assert make("red,green").returncode == 0
    assert make("red,green", "--stack").returncode == 0
    assert names(folder) == stacked
    assert make("green").returncode == 0
    assert names(folder) == files_of("green")


def test_saving_replaces_what_the_command_wrote(make: Make, sample: Path, folder: Path) -> None:
    """`Composite.save` follows the same rules."""
    assert make("red,green", "--stack").returncode == 0
    bbox = tuple(map(float, BBOX))
    out = bp.build_composite(bbox, "2024-07", 240, endpoint="earth-search", catalog=sample, bands=["nir"])
    out.save(folder)
    assert names(folder) == files_of("nir")


def test_what_is_not_ours_stays(make: Make, folder: Path) -> None:
    """Files and folders that no item of ours names."""
    (folder / "red").mkdir(parents=True)
    own = ["notes.txt", "my.tif", "red_old.tif", "red.tif.aux.xml", "red/red.tif", ".bestpixel-mine.txt", ".my.tmp"]
    for name in own:
        (folder / name).write_text("mine")
        os.utime(folder / name, (time.time() - OLD_S,) * 2)
    for bands in ("red,green", "nir"):
        assert make(bands).returncode == 0
        assert {name for name in own if (folder / name).read_text() == "mine"} == set(own)
    assert names(folder) == files_of("nir") | {name.split("/", maxsplit=1)[0] for name in own}


FOREIGN: dict[str, Any] = {
    "another id": {"id": "foo", "assets": {"a": {"href": "./my.tif"}}},
    "no id": {"assets": {"a": {"href": "./my.tif"}}},
    "outside": {"id": "bestpixel-x", "assets": {"a": {"href": "../my.tif"}, "b": {"href": "./../my.tif"}}},
    "below": {"id": "bestpixel-x", "assets": {"a": {"href": "./below/my.tif"}, "b": {"href": "./below"}}},
    "no image": {"id": "bestpixel-x", "assets": {"a": {"href": "./notes.txt"}, "b": {"href": "./my.tif/.."}}},
    "no assets": {"id": "bestpixel-x", "assets": ["./my.tif"]},
    "no item": ["./my.tif"],
}


@pytest.mark.parametrize("what", FOREIGN)
def test_an_item_that_is_not_ours_removes_nothing(make: Make, folder: Path, what: str) -> None:
    """Nor does one that names what is no image beside it."""
    own = [folder / "my.tif", folder / "notes.txt", folder / "below" / "my.tif", folder.parent / "my.tif"]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
    (folder / "item.json").write_text(json.dumps(FOREIGN[what]))
    assert make("red").returncode == 0
    assert [path.read_text() for path in own] == ["mine"] * len(own)
    assert json.loads((folder / "item.json").read_text())["id"].startswith("bestpixel-")


@pytest.mark.parametrize("text", ["", "no json", "{", "\x00\xff"])
def test_an_item_that_is_damaged_is_no_obstacle(make: Make, folder: Path, text: str) -> None:
    """It is replaced."""
    folder.mkdir()
    (folder / "item.json").write_text(text, encoding="latin-1")
    assert make("red").returncode == 0
    assert names(folder) == files_of("red")


# ---- races and kills


def test_runs_into_one_folder_at_once(make: Make, sample: Path, folder: Path, tmp_path: Path) -> None:
    """Whoever comes last, the folder holds one run's files, with the pixels of that run alone."""
    assert make("red").returncode == 0
    place = (*PLACE, *JULY, "--catalog", str(sample), "--quiet")
    kinds = [("red,green", "1"), ("nir", "2"), ("blue,red,swir16", "3")]
    words = [("--bands", bands, "--top-k", top_k) for bands, top_k in kinds]
    for i, kind in enumerate(words):
        succeed(*place, *kind, "--out-dir", str(tmp_path / f"alone{i}"))
    truth = {kind: images(tmp_path / f"alone{i}") for i, kind in enumerate(kinds)}
    assert len({pixels["quality.tif"] for pixels in truth.values()}) > 1
    winners = set()
    for turn in range(8):
        order = [words[(turn + i) % len(words)] for i in range(len(words))]
        running = [start(*place, *kind, "--out-dir", str(folder)) for kind in order]
        assert [process.wait(timeout=60) for process in running] == [0] * len(words)
        said = told(folder)
        last = (",".join(said["composite"]["band_names"]), str(said["request"]["top_k"]))
        assert names(folder) == files_of(last[0])
        assert images(folder) == truth[last]
        item = json.loads((folder / "item.json").read_text())
        assert {asset["href"] for asset in item["assets"].values()} == {f"./{name}" for name in names(folder)} - {
            "./item.json"
        }
        winners.add(last)
    assert len(winners) > 1, "the same run was last each time: nothing raced"


def is_held(path: Path) -> bool:
    """Whether a process has locked a file."""
    try:
        with path.open("rb+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def test_what_a_living_run_is_writing_stays(sample: Path, folder: Path) -> None:
    """However old it looks: the run is stopped in the middle, another one comes and goes, and both succeed."""
    words = (*PLACE[:-1], "60", *JULY, "--catalog", str(sample), "--out-dir", str(folder), "--quiet")
    folder.mkdir()
    with start(*words, "--bands", "red,nir") as living:
        while not any(is_held(path) for path in folder.glob(".bestpixel-*.tmp")):
            assert living.poll() is None, "no file was held while it was written"
        living.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        try:
            # One that has been made and not been locked yet is known by its age.
            held = [path for path in grow_old(folder) if is_held(path)]
            young = set(folder.glob(".bestpixel-*.tmp")) - set(held)
            for path in young:
                path.touch()
            succeed(*PLACE, *JULY, "--catalog", str(sample), "--out-dir", str(folder), "--quiet", "--bands", "blue")
            assert names(folder) == files_of("blue") | {path.name for path in (*held, *young)}
        finally:
            living.send_signal(signal.SIGCONT)
        assert living.wait(timeout=60) == 0
    assert names(folder) == files_of("red,nir")


TOP_KS = ("1", "2", "3")
KILLS = 18
"""How often a run is killed."""


class Killing:
    """A run over HTTP with a cache, to be killed, and what it makes when it is not."""

    def __init__(self, served: Path, folder: Path, place: Path) -> None:
        """Make the reference of each top_k without a cache."""
        self.folder, self.cache = folder, place / "cache"
        self.words = (*PLACE[:-1], "120", *JULY, "--bands", "red,nir", "--catalog", str(served), "--quiet")
        self.truth = {}
        for top_k in TOP_KS:
            began = time.monotonic()
            succeed(*self.words, "--top-k", top_k, "--out-dir", str(place / f"whole{top_k}"))
            self.duration = time.monotonic() - began
            self.truth[top_k] = images(place / f"whole{top_k}")

    def cached(self, top_k: str) -> tuple[str, ...]:
        """The words of a run into the folder."""
        return (*self.words, "--top-k", top_k, "--out-dir", str(self.folder), "--disk-cache", str(self.cache))

    def check(self) -> bool:
        """Check that composite.json, where it is there, has all its files beside it and whole; gives whether it is."""
        if not (self.folder / "composite.json").exists():
            return False
        said = told(self.folder)
        assert images(self.folder) == self.truth[str(said["request"]["top_k"])]
        item = json.loads((self.folder / "item.json").read_text())
        for asset in item["assets"].values():
            assert (self.folder / asset["href"]).is_file(), asset["href"]
        assert item["properties"]["bestpixel:sources"] == said["composite"]["source_ids"]
        assert picture((self.folder / "preview.png").read_bytes()).shape[0] == 4
        return True


def test_killed_at_any_moment(origin: Origin, served: Path, folder: Path, tmp_path: Path) -> None:
    """Kill -9 all over the run, every other time while names are given: composite.json is true or is not there."""
    origin.behave()
    killing = Killing(served, folder, tmp_path)
    assert len({tuple(sorted(pixels.items())) for pixels in killing.truth.values()}) == len(TOP_KS)
    moments, killed, complete = random.Random(20240707), 0, []  # noqa: S311
    for turn in range(3 * KILLS):
        if killed == KILLS:
            break
        if not (folder / "composite.json").exists() and turn % 2 == 0:
            succeed(*killing.cached(TOP_KS[turn % 3]))
        with start(*killing.cached(TOP_KS[(turn + 1) % 3])) as process:
            if turn % 2:
                wait_for_names(folder, process)
                time.sleep(moments.uniform(0, 0.01))
            else:
                time.sleep(killing.duration * (killed + moments.uniform(0, 2)) / KILLS)
            process.send_signal(signal.SIGKILL)
        killed += process.returncode == -signal.SIGKILL
        complete.append(killing.check())
    assert killed == KILLS
    assert {True, False} == set(complete), "some kills must come before names are given, some between"
    assert grow_old(folder), "no kill came while files were written"
    for top_k in TOP_KS:
        succeed(*killing.cached(top_k))
        assert names(folder) == files_of("red,nir")
        assert killing.check()
    origin.behave()
    succeed(*killing.cached("3"))
    asked = {request["path"] for request in origin.stats()["log"]}
    assert asked, "reflectance is always asked for"
    assert not [path for path in asked if path.endswith("SCL.tif")], "the cache is sound and of use"


def wait_for_names(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Until a run gives the first of its files its name, or ends."""
    first = folder / "red.tif"
    before = first.stat().st_ino if first.exists() else None
    while process.poll() is None and (not first.exists() or first.stat().st_ino == before):
        time.sleep(0.0002)


# ---- what is in the files


def test_a_stack_of_all_bands_is_the_single_files(make: Make, folder: Path, tmp_path: Path) -> None:
    """Band by band as GDAL reads them, in the order that was asked for: pixels, name, scale, nodata, overviews."""
    bands = ",".join(reversed(TWELVE))
    assert make(bands, "--stack").returncode == 0
    stacked = folder.rename(tmp_path / "stacked")
    assert make(bands).returncode == 0
    with rasterio.open(stacked / "bands.tif") as stack:
        assert stack.descriptions == tuple(reversed(TWELVE))
        assert stack.interleaving is rasterio.enums.Interleaving.band
        for index, band in enumerate(reversed(TWELVE), 1):
            with rasterio.open(folder / f"{band}.tif") as single:
                np.testing.assert_array_equal(stack.read(index), single.read(1), err_msg=band)
                assert (single.read(1) != single.nodata).mean() > 0.9
                for what in ("dtypes", "scales", "offsets", "nodatavals", "units"):
                    assert getattr(stack, what)[index - 1] == getattr(single, what)[0], (band, what)
                assert (stack.transform, stack.crs, stack.shape) == (single.transform, single.crs, single.shape)
                assert stack.overviews(index) == single.overviews(1)
    for name in LAYERS:
        assert (stacked / name).read_bytes() == (folder / name).read_bytes()


# ---- what is refused before there is a folder


@pytest.mark.parametrize("words", [["--out-dir", "out"], ["--dry-run"], ["--dry-run", "--json"]])
def test_a_crs_that_no_file_can_hold(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said at once, by the flag's name: nothing is asked of the catalogue, no folder is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Standin(dialect="element84") as catalog:
        place = (*PLACE, *JULY, "--catalog", f"{catalog.root}/v1", "--bands", "red", *words)
        done = run(*place, "--output-crs", "+proj=moll +lon_0=0 +datum=WGS84")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: invalid value for '--output-crs': ")
        assert "+proj=moll" in done.stderr
        assert (catalog.log, list(tmp_path.iterdir())) == ([], [])
        assert run(*place, "--output-crs", "EPSG:3035").returncode == 3
        assert catalog.searches, "one that a file can hold is asked for"


def test_months_in_a_crs_that_no_file_can_hold(sample: Path, folder: Path) -> None:
    """As for a single period, also where nothing would be written."""
    place = (*PLACE, "--years", "2024", "--months", "2,7", "--catalog", str(sample), "--out-dir", str(folder))
    for words in ((), ("--dry-run",)):
        done = run(*place, *words, "--output-crs", "+proj=moll +lon_0=0 +datum=WGS84")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: invalid value for '--output-crs': ")
        assert not folder.exists()


@pytest.mark.parametrize(
    ("flag", "value"),
    [("--disk-cache", "file/below"), ("--disk-cache", "file"), ("--catalog", "http://["), ("--catalog", "https://a b")],
)
def test_what_cannot_be_opened_is_named_by_its_flag(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flag: str, value: str
) -> None:
    """A folder that cannot be made, a URL that is none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    catalog = () if flag == "--catalog" else ("--catalog", str(sample))
    for last in (["--out-dir", "out"], ["--dry-run"]):
        done = run(*PLACE, *JULY, *catalog, "--bands", "red", flag, value, *last)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
        assert line.startswith(f"error: invalid value for '{flag}': ")
        assert value in line
        assert names(tmp_path) == {"file"}


# ---- what is said meanwhile


def say(served: Path, folder: Path, *words: str) -> list[str]:
    """The lines on stderr of a run over HTTP; stdout has its one line of JSON."""
    done = run(*PLACE, "--catalog", str(served), "--out-dir", str(folder), "--bands", "red", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert isinstance(json.loads(done.stdout), dict)
    return done.stderr.splitlines()


def starting(lines: list[str], *heads: str) -> list[str]:
    """Lines that begin with any of some words."""
    return [line for line in lines if line.startswith(tuple(f"{head}:" for head in heads))]


def test_v_tells_stages_and_vv_every_request(origin: Origin, served: Path, folder: Path) -> None:
    """By default neither; `-vv` names each request as the server has got it."""
    asked = {}
    lines = {}
    for flag in ("--progress=lines", "-v", "-vv"):
        origin.behave()
        lines[flag] = say(served, folder, *JULY, flag)
        asked[flag] = origin.stats()["log"]
    assert starting(lines["--progress=lines"], "info", "debug", "warning", "error") == []
    items = json.loads(served.read_text())["features"]
    fitting = sum(item["properties"]["eo:cloud_cover"] <= 90 for item in items)
    for flag in ("-v", "-vv"):
        assert starting(lines[flag], "info")[0] == f"info: {fitting} scenes fit, 0 items cannot be used"
        assert len(starting(lines[flag], "info")) > 2
        stages = r"catalog [\d.]+ s, scout [\d.]+ s, plan [\d.]+ s, quality [\d.]+ s, read [\d.]+ s, write [\d.]+ s"
        assert sum(bool(re.fullmatch(stages, line)) for line in lines[flag]) == 1
        sources = told(folder)["composite"]["sources"]
        assert all(any(source["id"] in line for line in lines[flag]) for source in sources)
    assert starting(lines["-v"], "debug") == []
    assert sorted(starting(lines["-vv"], "debug")) == sorted(as_said(origin, request) for request in asked["-vv"])
    assert len(asked["-vv"]) > fitting


def as_said(origin: Origin, request: dict[str, Any]) -> str:
    """The line of a request: the file, its first byte and the one after the last."""
    first, last = map(int, request["range"].removeprefix("bytes=").split("-"))
    return f"debug: {origin.url(request['path'].removeprefix('/'))} bytes {first}..{last + 1}"


def test_vv_keeps_secrets(origin: Origin, sample: Path, folder: Path, tmp_path: Path) -> None:
    """A token in an item's hrefs is in no line and in no file."""
    origin.behave()
    signed = tmp_path / "signed.json"
    items = json.loads(sample.read_text())["features"]
    scenes.save_items(signed, scenes.with_urls(items, origin.url, "?sig=hush&st=x"))
    lines = say(signed, folder, *JULY, "-vv")
    assert len(starting(lines, "debug")) == len(origin.stats()["log"]) > 0
    assert not [line for line in lines if "hush" in line]
    assert not [path for path in folder.iterdir() if b"hush" in path.read_bytes()]


def test_a_warning_is_said_by_default_and_not_to_who_wants_errors_only(served: Path, folder: Path) -> None:
    """An empty month; `-q` says nothing but errors."""
    months = ("--years", "2024", "--months", "2")
    (warning,) = starting(say(served, folder, *months), "warning")
    assert warning.startswith("warning: 2024-02: ")
    assert starting(say(served, folder, *months, "-v"), "warning") == [warning]
    assert say(served, folder, *months, "-q") == []
    done = run(*PLACE, "--datetime", "2024-02", "--catalog", str(served), "--out-dir", str(folder), "-q")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 1)
    assert done.stderr.startswith("error: ")
