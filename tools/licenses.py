"""Cargo.lock goes in, what a wheel says of its parts comes out: THIRD-PARTY-LICENSES.txt and bundled.cdx.json.

The first has the licence of everything that a wheel is linked of, on whatever platform; what merely helps to build or
to test does not count. The second names the C and C++ libraries, which maturin's own list of crates does not tell, as
CycloneDX. `python tools/licenses.py` writes both, with `--check` it only says whether they are up to date.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
LICENSES = ROOT / "THIRD-PARTY-LICENSES.txt"
BUNDLED = ROOT / "rust" / "python" / "bundled.cdx.json"
PACKAGE = "bestpixel-python"
PLATFORMS = (
    "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin", "x86_64-pc-windows-msvc",
)  # fmt: skip
NAMES = ("license", "licence", "copying", "notice", "unlicense", "copyright")


class Inside(NamedTuple):
    """The C or C++ sources that a crate compiles: they have a licence and a version of their own."""

    name: str
    licence: str
    text: str
    """Where in the crate its licence is: a file, or `archive!file`; "" for none."""
    version: str
    """A pattern of its version..."""
    told_by: str
    """...and the file that tells it; "" for the crate's own version and file names."""


INSIDE = {
    "aws-lc-sys": Inside(
        "AWS-LC", "ISC AND (Apache-2.0 OR ISC) AND OpenSSL", "aws-lc/LICENSE",
        r'AWSLC_VERSION_NUMBER_STRING "(.*)"', "aws-lc/include/openssl/base.h",
    ),
    "libdeflate-sys": Inside(
        "libdeflate", "MIT", "libdeflate/COPYING", r'LIBDEFLATE_VERSION_STRING\s+"(.*)"', "libdeflate/libdeflate.h"
    ),
    "libsqlite3-sys": Inside("SQLite", "blessing", "", r'SQLITE_VERSION\s+"(.*)"', "sqlite3/sqlite3.h"),
    "proj-sys": Inside("PROJ", "MIT", "PROJSRC/proj-*.tar.gz!COPYING", r"proj-(.*)\.tar\.gz", ""),
    "zstd-sys": Inside("Zstandard", "BSD-3-Clause", "zstd/LICENSE", r"\+zstd\.(.*)", ""),
}  # fmt: skip
HEAD = """\
What the wheels of bestpixel are linked of, besides bestpixel itself (see LICENSE). Made by tools/licenses.py.
"""
EPSG = "The EPSG Dataset is owned by the IOGP and used under its terms of use: https://epsg.org/terms-of-use.html"


def main() -> int:
    """Write the files, or check them."""
    packages = linked()
    made = {LICENSES: notice(packages), BUNDLED: bill(packages)}
    if "--check" not in sys.argv:
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    if stale:
        print(f"{' and '.join(stale)}: not what Cargo.lock says; make licenses")
    return len(stale)


def notice(packages: list[dict[str, Any]]) -> str:
    """The whole text: a table of names, then every licence once with those that it is of."""
    table: list[str] = []
    texts: dict[str, tuple[str, list[str]]] = {}
    for package in packages:
        folder = Path(package["manifest_path"]).parent
        parts = [(f"{package['name']} {package['version']}", package["license"] or "see below", own_text(folder))]
        if inside := INSIDE.get(package["name"]):
            text = read(folder, inside.text) if inside.text else ""
            parts.append((f"{inside.name} {version(package, inside)}", inside.licence, text))
        for name, licence, text in parts:
            table.append(f"{name}: {licence}")
            if text:
                texts.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    sections = [f"{'=' * 80}\n{', '.join(names)}\n{'=' * 80}\n\n{text.strip()}\n" for text, names in texts.values()]
    return "\n".join([HEAD, *table, "", EPSG, "", *sections])


def bill(packages: list[dict[str, Any]]) -> str:
    """The C and C++ libraries as CycloneDX 1.5."""
    components = [
        {
            "type": "library",
            "name": inside.name,
            "version": version(package, inside),
            "licenses": [{"expression": inside.licence}],
            "description": f"compiled and linked by the crate {package['name']} {package['version']}",
        }
        for package in packages
        if (inside := INSIDE.get(package["name"]))
    ]
    told = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components}
    return json.dumps(told, indent=2) + "\n"


def version(package: dict[str, Any], inside: Inside) -> str:
    """The version of the sources in a crate."""
    folder = Path(package["manifest_path"]).parent
    names = [package["version"], *(path.name for path in folder.glob("*/*"))]
    told = read(folder, inside.told_by) if inside.told_by else "\n".join(names)
    found = re.search(inside.version, told)
    if found is None:
        raise ValueError(f"{package['name']}: no version of {inside.name}")
    return found[1]


def linked() -> list[dict[str, Any]]:
    """All packages from the registry that the extension is linked of, on any platform, by name."""
    named: set[tuple[str, str]] = set()
    for platform in PLATFORMS:
        tree = ("tree", f"--package={PACKAGE}", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}")
        for line in cargo(*tree, f"--target={platform}").splitlines():
            name, version, *_ = line.split()
            named.add((name, version.removeprefix("v")))
    packages = json.loads(cargo("metadata", "--format-version=1"))["packages"]
    found = [each for each in packages if each["source"] and (each["name"], each["version"]) in named]
    return sorted(found, key=lambda each: (each["name"], each["version"]))


def cargo(*arguments: str) -> str:
    """What cargo says."""
    done = subprocess.run(["cargo", *arguments, "--locked"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout


def own_text(folder: Path) -> str:
    """A package's licence; of several to choose from the one under MIT."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name.lower().startswith(NAMES))
    mit = [path for path in files if "mit" in path.name.lower()]
    chosen = mit or files
    return "\n\n".join(path.read_text(encoding="utf-8", errors="replace").strip() for path in chosen)


def read(folder: Path, place: str) -> str:
    """The text of `path`, or of `archive!name` in the archive's only folder."""
    path, _, member = place.partition("!")
    (file,) = folder.glob(path)
    if not member:
        return file.read_text(encoding="utf-8", errors="replace")
    with tarfile.open(file) as archive:
        name = next(name for name in archive.getnames() if name.count("/") == 1 and name.endswith(f"/{member}"))
        stream = archive.extractfile(name)
        if stream is None:
            raise FileNotFoundError(f"{file}: {name}")
        return stream.read().decode("utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
