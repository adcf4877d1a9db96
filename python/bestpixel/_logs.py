"""Log lines of the native module go in, records of `logging` come out, under the logger `bestpixel`.

Imported by the native module at the first call, so that importing bestpixel does not import logging. Requests, retries
and limits are DEBUG (`bestpixel.fetch`, `bestpixel.stac`), stages INFO and what was left out WARNING
(`bestpixel.pipeline`).
"""

from __future__ import annotations

import logging

ROOT = logging.getLogger("bestpixel")
# A library that nobody has configured says nothing: what was left out is a warning of Python, too.
ROOT.addHandler(logging.NullHandler())
LOGGERS = tuple(logging.getLogger(name) for name in ("bestpixel.fetch", "bestpixel.stac", "bestpixel.pipeline"))


def level() -> int:
    """Tell the lowest level that one of the loggers wants, 0 to 50."""
    lowest = min(logger.getEffectiveLevel() for logger in LOGGERS)
    return min(max(lowest, logging.root.manager.disable + 1), logging.CRITICAL)


def emit(lines: list[tuple[int, str, str]], lost: int) -> None:
    """Hand (level, logger, text) to `logging`, in order, and tell how many lines have been lost."""
    for number, name, text in lines:
        logging.getLogger(name).log(number, "%s", text)
    if lost:
        ROOT.warning("%d log lines came too fast and have been lost", lost)
