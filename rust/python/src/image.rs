//! A path and a level go in, numpy arrays come out, one for each band: the reader's door for tests.

use super::error::{FormatError, ReadError};
use super::runtime::wait;
use bestpixel::fetch::{Fetcher, Options};
use bestpixel::tiff::{Cog, Error, FetchedTiles, Result, Samples, check_size, decode_image, fetch_tiles};
use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::prelude::*;

/// All bands of one image of a file: level 0 is the full one, overviews follow from fine to coarse. Where `tiles` are
/// given, no others are read, and their pixels are 0.
#[pyfunction]
#[pyo3(name = "_read_image", signature = (path, level, tiles=None))]
pub(crate) fn read_image(
    py: Python<'_>,
    path: String,
    level: usize,
    tiles: Option<Vec<usize>>,
) -> PyResult<Vec<Bound<'_, PyAny>>> {
    let bands = wait(py, None, move |engine| {
        let read = async || -> Result<_> {
            let cog = Cog::open(Fetcher::new(Options::default()).open(&path)?).await?;
            let Some(image) = cog.levels.get(level) else {
                return Err(Error::Unsupported { what: format!("level {level} of {}", cog.levels.len()) });
            };
            let count = image.tile_count();
            check_size(&cog, level)?;
            let wanted = tiles.unwrap_or_else(|| (0..count).collect());
            if let Some(tile) = wanted.iter().find(|&&tile| tile >= count) {
                return Err(Error::Unsupported { what: format!("tile {tile} of {count}") });
            }
            let FetchedTiles { tiles, failures } = fetch_tiles(&cog, level, &wanted).await;
            match failures.into_iter().next() {
                Some((_, error)) => Err(error),
                None => Ok((cog, tiles)),
            }
        };
        let (cog, tiles) = engine.io.block_on(read())?;
        decode_image(&cog, level, &tiles)
    })?
    .map_err(|error| exception(&error))?;
    bands.into_iter().map(|band| array(py, band)).collect()
}

fn exception(error: &Error) -> PyErr {
    match error {
        Error::Fetch(_) => ReadError::new_err(error.to_string()),
        _ => FormatError::new_err(error.to_string()),
    }
}

/// A band as a numpy array of the same type, without a copy.
fn array(py: Python<'_>, samples: Samples) -> PyResult<Bound<'_, PyAny>> {
    let shape = [samples.height(), samples.width()];
    macro_rules! array {
        ($($variant:ident),*) => {
            match samples {
                $(Samples::$variant(values) => Ok(values.into_vec().into_pyarray(py).reshape(shape)?.into_any()),)*
                other => Err(FormatError::new_err(format!("samples of type {}", other.type_name()))),
            }
        };
    }
    array!(U8, U16, U32, I8, I16, I32, F32, F64)
}
