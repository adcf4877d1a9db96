"""Pages go in, pages with what the command line says of itself come out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

MARK = "<!-- spx-build --help -->"


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401  what mkdocs hands over
    """Put the help where it is wanted."""
    if MARK not in markdown:
        return markdown
    command = [sys.executable, "-m", "bestpixel._cli", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return markdown.replace(MARK, f"```text\n{told}```")
