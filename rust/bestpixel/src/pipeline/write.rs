//! A composite goes in, a folder of files comes out: a COG per array, `composite.json` and `preview.png`.

use super::preview::{Thumbnail, encode_preview};
use super::sink::Sink;
use super::{CancelToken, Error, ErrorKind, Metadata, NODATA, Result, Stage};
use crate::raster::Grid;
use crate::tiff::{BandInfo, GeoTiffWriter, WriteOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The arrays of a composite, or rows of them, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub struct Arrays<'a> {
    /// In the order of the band names.
    pub bands: &'a [&'a [u16]],
    /// See [`super::Composite`].
    pub quality: &'a [u16],
    /// See [`super::Composite`].
    pub observation_count: &'a [u16],
    /// See [`super::Composite`].
    pub selected_observation: &'a [u16],
}

/// Writes rows into a folder as they come: memory does not grow with the area. The folder is made where it does not
/// exist; files appear under their names when they are whole, `composite.json` last, so that its presence says that all
/// are there.
pub struct FolderSink {
    folder: PathBuf,
    /// The bands, then quality, count and selected observation.
    writers: Vec<GeoTiffWriter>,
    paths: Vec<PathBuf>,
    thumbnail: Thumbnail,
    cancel: CancelToken,
}

/// The layers beside the bands, and their missing values.
const LAYERS: [(&str, u16); 3] = [("quality", NODATA), ("observation_count", 0), ("selected_observation", NODATA)];

impl FolderSink {
    /// A sink for the arrays of a grid.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Write`] where the folder cannot be made, [`ErrorKind::Format`] where a GeoTIFF cannot hold the
    /// grid's CRS.
    pub fn new(folder: &Path, grid: &Grid, band_names: &[String], cancel: CancelToken) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let bands = band_names.iter().map(|name| (name.as_str(), NODATA, Some(0.0001)));
        let layers = LAYERS.iter().map(|(name, nodata)| (*name, *nodata, None));
        let (mut writers, mut paths) = (Vec::new(), Vec::new());
        for (name, nodata, scale) in bands.chain(layers) {
            let path = folder.join(format!("{name}.tif"));
            let band = BandInfo { description: name.to_owned(), nodata, scale, is_continuous: scale.is_some() };
            let writer = GeoTiffWriter::new(&path, band, grid, WriteOptions::default());
            writers.push(writer.map_err(|error| Error::tiff(Stage::Write, &path.display().to_string(), error))?);
            paths.push(path);
        }
        let thumbnail = Thumbnail::new(band_names, grid.width, grid.height);
        Ok(Self { folder: folder.to_owned(), writers, paths, thumbnail, cancel })
    }

    /// Completes all files; gives their paths in the order of writing.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Write`], naming the file.
    pub fn finish(mut self, metadata: &Metadata, request: &serde_json::Value) -> Result<Vec<PathBuf>> {
        for (writer, path) in self.writers.drain(..).zip(&self.paths) {
            go_on(&self.cancel)?;
            writer.finish().map_err(|error| Error::tiff(Stage::Write, &path.display().to_string(), error))?;
        }
        let picture = encode_preview(&self.thumbnail.planes(), self.thumbnail.width(), self.thumbnail.height())
            .map_err(|message| Error::new(Stage::Write, ErrorKind::Write, message))?;
        let json = serde_json::json!({ "request": request, "composite": metadata });
        for (name, bytes) in [("preview.png", picture), ("composite.json", format!("{json:#}\n").into_bytes())] {
            let path = self.folder.join(name);
            write_whole(&path, &bytes).map_err(|error| failed(&path, &error))?;
            self.paths.push(path);
        }
        Ok(self.paths)
    }
}

impl Sink for FolderSink {
    fn put(&mut self, rows: &Arrays<'_>) -> Result<()> {
        let layers = [rows.quality, rows.observation_count, rows.selected_observation];
        for ((writer, path), rows) in
            self.writers.iter_mut().zip(&self.paths).zip(rows.bands.iter().copied().chain(layers))
        {
            go_on(&self.cancel)?;
            writer.push(rows).map_err(|error| Error::tiff(Stage::Write, &path.display().to_string(), error))?;
        }
        self.thumbnail.push(rows.bands);
        Ok(())
    }
}

fn go_on(cancel: &CancelToken) -> Result<()> {
    if cancel.is_cancelled() { Err(Error::cancelled(Stage::Write)) } else { Ok(()) }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Stage::Write, ErrorKind::Write, format!("{} cannot be written: {error}", path.display()))
}

/// Writes a small file so that it appears whole.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = crate::tiff::temporary_beside(path)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
