"""What the documentation shows is run as it stands, on the sample catalogue in the folder where `make demo` puts it."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import bestpixel
import pytest
from bestpixel import _bestpixel, exceptions
from bestpixel._types import Endpoint
from bestpixel.sample import make_sample

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULES = ["bestpixel", *(f"bestpixel.{module.name}" for module in pkgutil.iter_modules(bestpixel.__path__))]


@pytest.fixture(autouse=True)
def _beside_the_demo(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with demo/sample, as a reader does after `make demo`."""
    sample = make_sample(tmp_path_factory.getbasetemp() / "sample").parent
    (tmp_path / "demo").mkdir()
    # The second name is that of the example in bestpixel.sample itself.
    for link in (tmp_path / "demo" / "sample", tmp_path / "sample"):
        link.symlink_to(sample)
    monkeypatch.chdir(tmp_path)


def blocks(language: str, text: str = README) -> list[str]:
    """The blocks of code in one language, of the README or another page."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return found


def test_readme_python(capsys: pytest.CaptureFixture[str]) -> None:
    """The example runs and leaves what it says."""
    (example,) = blocks("python")
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)  # noqa: S102  our own words
    assert "% clear" in capsys.readouterr().out
    assert (Path("july") / "preview.png").is_file()


def test_readme_shell() -> None:
    """`make` targets are there, and the command line builds what it shows."""
    install, command, make = blocks("sh")
    assert install == "pip install bestpixel\n"
    targets = re.findall(r"^make (\w+)", make, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert _bestpixel.cli(shlex.split(command.replace("\\\n", " "))) == 0
    assert (Path("july") / "red.tif").is_file()


PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_pages_of_the_guide(page: Path) -> None:
    """What is marked as `python` runs, one block after the other; `py` is what needs a network or a cluster."""
    examples = "\n".join(blocks("python", page.read_text(encoding="utf-8")))
    # In a process of its own: a page may set up logging.
    subprocess.run([sys.executable, "-W", "error", "-c", examples], timeout=120, check=True)  # noqa: S603


def test_every_error_is_explained() -> None:
    """Each message that the library can give stands on the page of troubles, with `...` for what varies."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    sources = sorted((ROOT / "rust" / "bestpixel" / "src").glob("*/error.rs"))
    templates = [text for path in sources for text in re.findall(r'#\[error\("([^"]*)"', path.read_text())]
    assert len(templates) > 30
    for template in templates:
        said = re.sub(r"(\{[^}]*\})+", "...", template)
        assert f"`{said}`" in page, f"docs/troubleshooting.md does not explain `{said}`"


def test_every_exception_is_explained() -> None:
    """Each class has its place on the page of troubles."""
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    for name in exceptions.__all__:
        assert f"`{name}`" in page, name


def test_every_endpoint_has_its_row() -> None:
    """The table of endpoints is whole."""
    page = (ROOT / "docs" / "endpoints.md").read_text(encoding="utf-8")
    for name in get_args(Endpoint):
        assert f'`"{name}"`' in page, name


def test_readme_shows_the_demo() -> None:
    """The area of the example is that of `make demo`."""
    (area,) = re.findall(r"^DEMO_BBOX \?= (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"--bbox {area} " in README
    assert f"bbox=({', '.join(area.split())})" in README


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    """Every example gives what it says."""
    module = importlib.import_module(name)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0


def test_public_functions_have_an_example() -> None:
    """Who reads help() sees it done."""
    for name in bestpixel.__all__:
        thing = getattr(bestpixel, name)
        if callable(thing) and not isinstance(thing, type):
            assert ">>> " in (thing.__doc__ or ""), name
