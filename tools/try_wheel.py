"""A wheel, a sample catalogue and interpreters go in; the wheel is tried in an empty virtual environment of each.

`python tools/try_wheel.py WHEEL ITEMS.json [PYTHON ...]`: nothing is installed but the wheel and what it asks for. What
is tried is what a new user does: the example of the README and the command. Without interpreters it is this one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

TRY = """
import sys, threading
import bestpixel as bp

out = bp.build_composite(
    bbox=(17.3, 45.1, 18.8, 45.9), datetime="2024-07", resolution=240.0, endpoint="earth-search",
    catalog=sys.argv[1], bands=["red", "green", "blue", "nir"],
)
assert out["bands"]["red"].shape == out["quality"].shape == out.date.shape
assert (out["quality"] == 0).mean() > 0.9
assert out._repr_html_().count("<img") == 1
assert {path.suffix for path in out.save(sys.argv[2])} == {".tif", ".json", ".png"}
try:
    bp.build_composite(bbox=(1, 2, 3), datetime="2024-07")
except ValueError as error:
    assert "bbox" in str(error)
import numpy
print(sys.version.split()[0], "numpy", numpy.__version__)
print(out)
"""


def run(*command: object) -> str:
    """What a command says on standard output."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
    return done.stdout


def try_wheel(wheel: Path, items: Path, python: str) -> str:
    """What the example prints in an environment that has nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        run(python, "-m", "venv", home / "venv")
        own = home / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
        run(own / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
        installed = json.loads(run(own / "python", "-m", "pip", "list", "--format=json", "--disable-pip-version-check"))
        extra = {package["name"] for package in installed} - {"bestpixel", "numpy", "pip", "setuptools"}
        if extra:
            raise SystemExit(f"the wheel brings more than numpy: {extra}")
        told = run(own / "python", "-W", "error", "-c", TRY, items, home / "out")
        arguments = ("--bbox", 17.6, 45.2, 18.6, 45.8, "--datetime", "2024-07", "--resolution", 240, "--quiet")
        place = ("--endpoint", "earth-search", "--catalog", items, "--out-dir", home / "command")
        summary = json.loads(run(own / "spx-build", *arguments, *place))
        return f"{told}spx-build: {len(summary['files'])} files\n"


def main() -> None:
    """Try all."""
    wheel, items, *pythons = sys.argv[1:]
    for python in pythons or [sys.executable]:
        print(try_wheel(Path(wheel).resolve(), Path(items).resolve(), python), flush=True)


if __name__ == "__main__":
    main()
