"""The guard of the import direction, on made-up folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from check_imports import check_folder, first_names

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("folder", "code", "offends"),
    [
        ("tiff", "use crate::raster::Grid;\nuse crate::fetch::{self, Fetcher};\nuse super::tags;", None),
        ("tiff", "use crate::tiff::cog;", None),
        ("raster", "\n\nuse crate::fetch::Fetcher;", "3: raster may not import crate::fetch"),
        ("stac", "fn f() -> crate::pipeline::Error { todo!() }", "1: stac may not import crate::pipeline"),
        ("fetch", "use crate::{\n    fetch::{a, b},\n    raster::Grid,\n};", "1: fetch may not import crate::raster"),
        ("resample", "use super::super::tiff::Cog;", "1: resample may not import crate::tiff"),
        (
            "resample",
            "#[cfg(test)]\nmod tests {\n    use crate::stac::Item;\n}",
            "3: resample may not import crate::stac",
        ),
        ("resample", "//! As [`crate::pipeline::Plan`] says.\n/* use crate::tiff; */", None),
        ("raster", "use tokio::sync::Semaphore;", "raster never awaits"),
        ("fetch", "use tokio::sync::Semaphore;", None),
    ],
)
def test_one_file(tmp_path: Path, folder: str, code: str, offends: str | None) -> None:
    """An offence is told with its file and line, and nothing else is told."""
    path = tmp_path / folder
    path.mkdir()
    (path / "file.rs").write_text(code, encoding="utf-8")
    offences = check_folder(path)
    if offends is None:
        assert offences == []
    else:
        (offence,) = offences
        assert str(path / "file.rs") in offence
        assert offends in offence


def test_super_that_stays_in_the_folder(tmp_path: Path) -> None:
    """A module may be called as another folder is."""
    path = tmp_path / "pipeline"
    (path / "deep").mkdir(parents=True)
    (path / "deep" / "x.rs").write_text("use super::super::cache::Kept;", encoding="utf-8")
    assert check_folder(path) == []
    fetch = tmp_path / "fetch"
    (fetch / "deep").mkdir(parents=True)
    (fetch / "cache.rs").touch()
    (fetch / "deep" / "x.rs").write_text("use super::super::cache::Kept;", encoding="utf-8")
    assert check_folder(fetch) == []


def test_names_of_a_group() -> None:
    """Only the first name of each path counts, however deep the braces."""
    assert first_names("raster::{Grid, crs::{A, B}}, fetch, tiff::Cog as C,") == ["raster", "fetch", "tiff"]
