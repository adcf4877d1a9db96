"""Each file of the field's own test corpora: pixels equal GDAL's, or an error that says why not.

The corpus holds 586 files that image-tiff, rio-cogeo, rasterio, async-tiff and GDAL test themselves with, hostile ones
among them. GDAL gives raw samples for palettes, for MinIsWhite and for CMYK, and so do we: these are no exceptions.
"""

from __future__ import annotations

import csv
import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
from bestpixel import _bestpixel
from bestpixel.exceptions import BestpixelError, FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SECONDS_PER_FILE = 10.0
"""Far above what any file takes in an optimised build; the tests' build is not one."""

EXCEPTIONS = {
    "image-tiff/tests/fuzz_images/oom_crash/id=000025,sig=06,src=000007,op=havoc,rep=16": (
        "only GDAL refuses",  # the planar configuration of one band, which means nothing, claims 4 293 656 577 values
    ),
    "image-tiff/tests/fuzz_images/oom_crash/id=000058,sig=06,src=000361,op=havoc,rep=4": (
        "only we refuse",  # the strip offsets are rational numbers and claim 34 GB: GDAL guesses where the strip is
    ),
}
"""Files on which the reader and GDAL differ on purpose."""

UNSUPPORTED = {
    "compression 3 (CCITT fax 3)",
    "compression 34676 (SGI LogLuv)",
    "compression 34677 (SGI LogLuv 24)",
    "compression 4 (CCITT fax 4)",
    "compression 50001 (WebP)",
    "compression 6 (old-style JPEG)",
    "compression 7 (JPEG)",
    "YCbCr samples",
    "complex samples",
    "floating-point samples (format 3) of 16 bits",
    "floating-point samples (format 3) of 24 bits",
    "signed samples (format 2) of 24 bits",
    "signed samples (format 2) of 64 bits",
    "unsigned samples (format 1) of 24 bits",
    "unsigned samples (format 1) of 64 bits",
}
"""What GDAL reads and we do not: none of it is in our list of formats."""


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> Path:
    """The folder of the corpus; skips where it is absent."""
    path = shared_data / "tiff-corpus"
    if not (path / "TABLE.tsv").is_file():
        pytest.skip(f"the corpus is not here: {path}")
    return path


def read_by_gdal(path: Path) -> NDArray[Any] | None:
    """All bands of the first image, or None where GDAL cannot read it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Raw: without it GDAL turns CMYK into RGBA.
            with rasterio.open(f"GTIFF_RAW:{path}") as dataset:
                return np.asarray(dataset.read())
    except Exception:  # noqa: BLE001 - GDAL's many ways to say no
        return None


def compare(path: Path) -> str:
    """Say how the reader and GDAL agree on a file."""
    start = time.monotonic()
    ours, refusal = [], ""
    try:
        ours = _bestpixel._read_image(str(path), 0)
    except BestpixelError as error:
        refusal = str(error)
    if time.monotonic() - start > SECONDS_PER_FILE:
        return "slow"
    theirs = read_by_gdal(path)
    if theirs is None:
        return "both refuse" if refusal else "only GDAL refuses"
    if refusal:
        name = refusal.removeprefix("unsupported TIFF: ")
        return "unsupported" if any(name.startswith(known) for known in UNSUPPORTED) else "only we refuse"
    if len(ours) != len(theirs) or ours[0].shape != theirs.shape[1:]:
        return f"{len(ours)} x {ours[0].shape} for {theirs.shape}"
    if ours[0].dtype != theirs.dtype:
        return f"{ours[0].dtype} for {theirs.dtype}"
    return "equal" if np.array_equal(np.stack(ours), theirs, equal_nan=theirs.dtype.kind == "f") else "pixels differ"


def test_the_whole_corpus(corpus: Path) -> None:
    """Every file is read as GDAL reads it, or refused by name; the counts say that the corpus is whole."""
    with (corpus / "TABLE.tsv").open(encoding="utf-8") as table:
        paths = [row["path"] for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)]
    outcomes = {path: compare(corpus / path) for path in paths}
    expected = {path: outcome for path, (outcome,) in EXCEPTIONS.items()}
    common = {"equal", "both refuse", "unsupported"}
    assert {path: outcome for path, outcome in outcomes.items() if outcome not in common} == expected
    counts = Counter(outcomes.values())
    assert counts == {"equal": 370, "both refuse": 136, "unsupported": 78, "only GDAL refuses": 1, "only we refuse": 1}


DAMAGED_TILES = {
    "HLS.L30.T19LBJ.2020239T144556.v2.0.B01.tif": 178,
    "HLS.S30.T35VLJ.2021168T100559.v2.0.B01.tif": 3,
}
"""Real files with one tile each that cannot be inflated: its index. GDAL refuses the first as we do; in the second only
the checksum is wrong, which GDAL does not look at: it hands out noise."""


@pytest.mark.parametrize("name", DAMAGED_TILES)
def test_a_damaged_tile_is_named_and_alone(shared_data: Path, name: str) -> None:
    """One tile of two real files was damaged by its provider: the error says which, the others' pixels are right."""
    path = shared_data / "hls" / name
    if not path.is_file():
        pytest.skip(f"real files are not here: {path}")
    damaged = DAMAGED_TILES[name]
    with pytest.raises(FormatError, match=rf"^tile {damaged} at byte \d+: DEFLATE: "):
        _bestpixel._read_image(str(path), 0)
    with rasterio.open(path) as dataset:
        windows = [window for _, window in dataset.block_windows(1)]
        others = [tile for tile in range(len(windows)) if tile != damaged]
        (ours,) = _bestpixel._read_image(str(path), 0, others)
        for tile in others:
            window = windows[tile]
            assert np.array_equal(ours[window.toslices()], dataset.read(1, window=window)), f"tile {tile}"
