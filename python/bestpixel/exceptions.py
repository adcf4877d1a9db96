"""What can go wrong, by name: the native module raises these classes, and Python's own where Python has the word.

A bad argument is a `ValueError` or `TypeError`, a missing file a `FileNotFoundError`, and Ctrl-C a `KeyboardInterrupt`.
Everything else derives from `BestpixelError`.
"""

from __future__ import annotations

__all__ = [
    "BestpixelError",
    "CatalogError",
    "EmptyPeriodWarning",
    "FormatError",
    "ReadError",
    "SkippedWarning",
    "WriteError",
]


class BestpixelError(Exception):
    """Base of every error that is bestpixel's own."""


class CatalogError(BestpixelError):
    """The catalogue cannot be searched or read, or it has nothing that fits the request."""


class ReadError(BestpixelError):
    """Bytes of a scene cannot be had: the server refuses, the connection breaks, the file ends too early."""


class FormatError(BestpixelError):
    """Bytes of a scene were had but cannot be understood: damaged, hostile, or of a kind that is not supported."""


class WriteError(BestpixelError):
    """The composite cannot be written where it was asked for."""


class SkippedWarning(UserWarning):
    """Something could not be read and the composite was made without it; the result's `skipped` says what and why."""


class EmptyPeriodWarning(UserWarning):
    """A period has no scene that fits; its composite is nodata everywhere."""
