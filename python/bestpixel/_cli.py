"""A command line goes in, the exit code of `spx-build` comes out; the native module does all of it."""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from bestpixel import _bestpixel


def main() -> NoReturn:
    """Run `spx-build` with the arguments of this process and end the process with its exit code."""
    # The native module cleans up; Python's handler would end the process by the signal after that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The name is fixed so that usage messages read the same for the script and for `python -m bestpixel._cli`.
    sys.exit(_bestpixel.cli(["spx-build", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
