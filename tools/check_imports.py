"""The sources of the core library go in, the imports that run against the house's direction come out.

The folders of rust/bestpixel/src build on one another in one direction only. Crates keep such a rule by themselves;
folders of one crate do not, hence this check. Test modules count: a test that needs a later folder is in the wrong one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCES = Path(__file__).parents[1] / "rust" / "bestpixel" / "src"

MAY_IMPORT: dict[str, set[str]] = {
    "raster": set(),
    "fetch": set(),
    "cache": {"fetch"},
    "tiff": {"raster", "fetch"},
    "resample": {"raster"},
    "stac": {"fetch", "raster"},
    "source": {"stac", "fetch", "raster"},
    "pipeline": {"raster", "fetch", "cache", "tiff", "resample", "stac", "source"},
}
"""For each folder the folders it may import from; itself always."""

NO_TOKIO = {"raster", "resample"}
"""Folders that compute and never await."""

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
CRATE_PATH = re.compile(r"\bcrate::(?:\{(?P<group>.*?)\}\s*;|(?P<name>\w+))", re.DOTALL)
SUPER_PATH = re.compile(r"\b(?:super::)+(?P<name>\w+)")


def main() -> int:
    """Print every offence; 1 if there is one."""
    offences = [offence for folder in sorted(MAY_IMPORT) for offence in check_folder(SOURCES / folder)]
    strangers = {path.name for path in SOURCES.iterdir() if path.is_dir()} - set(MAY_IMPORT)
    offences += [f"{SOURCES / name}: no rule says what this folder may import" for name in sorted(strangers)]
    for offence in offences:
        print(offence, file=sys.stderr)
    print(f"imports: {len(offences)} against the direction")
    return 1 if offences else 0


def check_folder(folder: Path) -> list[str]:
    """Describe the offences in one folder; a folder that is not there has none."""
    allowed = {folder.name, *MAY_IMPORT[folder.name]}
    offences = []
    for file in sorted(folder.rglob("*.rs")):
        # Comments go, their line breaks stay, so that line numbers hold.
        code = COMMENT.sub(lambda match: "\n" * match[0].count("\n"), file.read_text(encoding="utf-8"))
        for name, line in imported(code, folder):
            if name not in allowed:
                offences.append(f"{file}:{line}: {folder.name} may not import crate::{name}")
        if folder.name in NO_TOKIO and "tokio::" in code:
            offences.append(f"{file}: {folder.name} never awaits and may not use tokio")
    return offences


def imported(code: str, folder: Path) -> list[tuple[str, int]]:
    """Give the names directly under the crate's root that `code` mentions, each with its line."""
    found = []
    for match in CRATE_PATH.finditer(code):
        names = [match["name"]] if match["name"] else first_names(match["group"])
        found += [(name, line_of(code, match.start())) for name in names]
    for match in SUPER_PATH.finditer(code):
        # A chain of `super` that ends in another folder's name has left this folder.
        name = match["name"]
        own = (folder / name).is_dir() or (folder / f"{name}.rs").is_file()
        if name in MAY_IMPORT and not own:
            found.append((name, line_of(code, match.start())))
    return found


def first_names(group: str) -> list[str]:
    """Give the first name of each path in the braces of a grouped import."""
    depth, flat = 0, ""
    for character in group:
        depth += (character == "{") - (character == "}")
        flat += character if depth == 0 else ""
    return [path.strip().split("::")[0].split()[0] for path in flat.split(",") if path.strip()]


def line_of(code: str, position: int) -> int:
    """Number the line, from 1."""
    return code.count("\n", 0, position) + 1


if __name__ == "__main__":
    sys.exit(main())
