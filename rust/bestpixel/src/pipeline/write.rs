//! A composite goes in, a folder of files comes out: a COG per array, `composite.json` and `preview.png`.

use super::{Composite, Error, ErrorKind, Metadata, NODATA, Result, Stage, preview};
use crate::raster::Grid;
use crate::tiff::{Band, WriteOptions, write_geotiff};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The arrays of a composite, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub struct Arrays<'a> {
    /// In the order of `metadata.band_names`.
    pub bands: &'a [&'a [u16]],
    /// See [`Composite`].
    pub quality: &'a [u16],
    /// See [`Composite`].
    pub observation_count: &'a [u16],
    /// See [`Composite`].
    pub selected_observation: &'a [u16],
}

/// Writes a composite into a folder, which is made where it does not exist, on the rayon pool that the caller runs in.
/// `request` is kept in `composite.json` beside the metadata. Gives the paths in the order of writing; `composite.json`
/// is the last, so that its presence says that all are there.
///
/// # Errors
/// Of kind [`ErrorKind::Write`], naming the file.
pub fn write_composite(
    arrays: &Arrays<'_>,
    metadata: &Metadata,
    grid: &Grid,
    request: &serde_json::Value,
    folder: &Path,
) -> Result<Vec<PathBuf>> {
    let failed = |path: &Path, error: std::io::Error| {
        Error::new(Stage::Write, ErrorKind::Write, format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut paths = Vec::new();
    for (name, band) in metadata.band_names.iter().zip(arrays.bands) {
        let band = Band { values: band, description: name, nodata: NODATA, scale: Some(0.0001), is_continuous: true };
        paths.push(write_band(folder, &band, grid)?);
    }
    let layers = [
        ("quality", arrays.quality, NODATA),
        ("observation_count", arrays.observation_count, 0),
        ("selected_observation", arrays.selected_observation, NODATA),
    ];
    for (description, values, nodata) in layers {
        let band = Band { values, description, nodata, scale: None, is_continuous: false };
        paths.push(write_band(folder, &band, grid)?);
    }
    let json = serde_json::json!({ "request": request, "composite": metadata });
    let picture = picture(arrays.bands, &metadata.band_names, grid);
    let picture = picture.map_err(|message| Error::new(Stage::Write, ErrorKind::Write, message))?;
    for (name, bytes) in [("preview.png", picture), ("composite.json", format!("{json:#}\n").into_bytes())] {
        let path = folder.join(name);
        write_whole(&path, &bytes).map_err(|error| failed(&path, error))?;
        paths.push(path);
    }
    Ok(paths)
}

impl Composite {
    /// Writes the composite into a folder: see [`write_composite`].
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Write`], naming the file.
    pub fn write(&self, request: &serde_json::Value, folder: &Path) -> Result<Vec<PathBuf>> {
        let bands: Vec<&[u16]> = self.bands.iter().map(Vec::as_slice).collect();
        let arrays = Arrays {
            bands: &bands,
            quality: &self.quality,
            observation_count: &self.observation_count,
            selected_observation: &self.selected_observation,
        };
        write_composite(&arrays, &self.metadata, &self.grid, request, folder)
    }
}

fn write_band(folder: &Path, band: &Band<'_>, grid: &Grid) -> Result<PathBuf> {
    let path = folder.join(format!("{}.tif", band.description));
    write_geotiff(&path, band, grid, WriteOptions::default())
        .map_err(|error| Error::tiff(Stage::Write, &format!("writing {}", path.display()), error))?;
    Ok(path)
}

/// True colour where the bands are there, else the first band in grey.
fn picture(bands: &[&[u16]], names: &[String], grid: &Grid) -> std::result::Result<Vec<u8>, String> {
    let find = |wanted: &str| names.iter().position(|name| name == wanted).map(|i| bands[i]);
    match (find("red"), find("green"), find("blue")) {
        (Some(red), Some(green), Some(blue)) => preview(&[red, green, blue], grid.width, grid.height),
        _ => preview(&bands[..1], grid.width, grid.height),
    }
}

/// Writes a small file so that it appears whole.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = crate::tiff::temporary_beside(path)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
