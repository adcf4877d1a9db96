"""What a caller gives as `progress` goes in, the function that the native module calls comes out.

The native module calls it on the calling thread, at most ten times a second, with (done, total, stage, bytes).
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import time
from typing import TYPE_CHECKING, Any, Optional, Union

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from bestpixel._types import Report

MEGABYTE = 1e6
SECONDS_BETWEEN_LINES = 2.0


@contextlib.contextmanager
def reporter(progress: Optional[Union[bool, Report]]) -> Generator[Optional[Report], None, None]:  # noqa: FBT001  one published argument
    """Turn `progress` into a function, or None, for as long as the work lasts.

    Raises:
        TypeError: `progress` is neither None, a bool, nor callable.
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        display = _display()
        try:
            yield display
        finally:
            display.close()
    elif callable(progress):
        yield progress
    else:
        raise TypeError(f"progress must be None, True, False or a callable, got {progress!r}")


def _display() -> _Bars | _Lines:
    """Prefer tqdm, which knows notebooks and terminals; lines on stderr do without."""
    try:
        return _Bars(importlib.import_module("tqdm.auto").tqdm)
    except ImportError:
        return _Lines()


class _Bars:
    """One tqdm bar for each stage."""

    def __init__(self, tqdm: Callable[..., Any]) -> None:
        self._tqdm = tqdm
        self._bar: Any = None
        self._stage = ""

    def __call__(self, done: int, total: int, stage: str, fetched: int) -> None:
        if self._bar is None or stage != self._stage:
            self.close()
            self._bar, self._stage = self._tqdm(total=total, desc=stage), stage
        self._bar.total, self._bar.n = total, done
        self._bar.set_postfix_str(f"{fetched / MEGABYTE:.1f} MB", refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


class _Lines:
    """A line on stderr when a stage begins or ends, and every two seconds between."""

    def __init__(self) -> None:
        self._stage = ""
        self._next = 0.0

    def __call__(self, done: int, total: int, stage: str, fetched: int) -> None:
        now = time.monotonic()
        if stage != self._stage or done >= total or now >= self._next:
            self._stage, self._next = stage, now + SECONDS_BETWEEN_LINES
            sys.stderr.write(f"bestpixel: {stage} {done}/{total}, {fetched / MEGABYTE:.1f} MB\n")
            sys.stderr.flush()

    def close(self) -> None:
        """Leave the lines as they stand."""
