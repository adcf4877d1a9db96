//! A pair of CRSs goes in; points come out unchanged where both are the same, else an error: a build without PROJ.
//!
//! It serves the fuzz targets of the reader, which need no projection and would wait minutes for PROJ to be compiled.

use super::{Crs, Error, Result};

/// A transformer of points within one CRS.
#[derive(Debug)]
pub struct Projection(());

impl Projection {
    /// The transformer from `source` to `target`.
    ///
    /// # Errors
    /// [`Error::NoOperation`] where they differ.
    pub fn new(source: &Crs, target: &Crs) -> Result<Self> {
        if source == target {
            return Ok(Self(()));
        }
        Err(Error::NoOperation { source_crs: source.definition(), target_crs: target.definition() })
    }

    /// Transforms points in place: they stay where they are.
    pub fn forward(&self, _xs: &mut [f64], _ys: &mut [f64]) {}
}

/// The PROJ string of a CRS.
///
/// # Errors
/// [`Error::Crs`] where it is not one already.
pub fn proj4(crs: &Crs) -> Result<String> {
    match crs {
        Crs::Definition(text) if text.starts_with("+proj=") => Ok(text.clone()),
        _ => Err(Error::Crs { crs: crs.definition() }),
    }
}
