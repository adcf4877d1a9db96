//! A composite goes in, a folder of files comes out: COGs, `preview.png`, `item.json` and `composite.json`.

use super::dates::{NO_DATE, dates};
use super::item::{Asset, ID_PREFIX, stac_item};
use super::preview::{Thumbnail, encode_preview};
use super::sink::{Rows, Sink};
use super::{CancelToken, Error, ErrorKind, Metadata, NODATA, Result, Stage};
use crate::raster::Grid;
use crate::tiff::{
    self, BandInfo, Compression, GeoTiffWriter, ImageInfo, Scaling, WholeFile, lock_folder, sweep, sync_folder,
};
use rayon::prelude::*;
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
    /// Of the scenes that `selected_observation` counts, as RFC 3339.
    pub datetimes: &'a [&'a str],
}

/// How a folder is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output {
    /// All bands in one file, `bands.tif`, instead of one for each.
    pub stack: bool,
    /// How tiles are compressed.
    pub compression: Compression,
}

/// Writes rows into a folder as they come: memory does not grow with the area. The folder is made where it does not
/// exist. Files appear under their names when all are whole, `composite.json` last, so that its presence says that all
/// are there.
pub struct FolderSink {
    folder: PathBuf,
    grid: Grid,
    images: Vec<Image>,
    date: GeoTiffWriter<i32>,
    thumbnail: Thumbnail,
    cancel: CancelToken,
}

/// A file of 16-bit arrays.
struct Image {
    writer: GeoTiffWriter<u16>,
    /// Where its bands are among the arrays: the composite's bands, then [`LAYERS`].
    arrays: std::ops::Range<usize>,
}

/// The layers beside the bands, and their missing values.
const LAYERS: [(&str, u16); 3] = [("quality", NODATA), ("observation_count", 0), ("selected_observation", NODATA)];

/// Reflectance of one unit.
const REFLECTANCE: Scaling = Scaling { scale: 0.0001, offset: 0.0 };

/// Says, by being there, that all files are.
const LAST: &str = "composite.json";

/// The STAC Item, which names the images.
const ITEM: &str = "item.json";

/// Rows that are written at once, a row of tiles: whoever cancels is heard between.
const STRIP: usize = 512;

impl FolderSink {
    /// A sink for the arrays of a grid. What a killed run has left in the folder is removed.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Write`] where the folder cannot be made, [`ErrorKind::Format`] where a GeoTIFF cannot hold the
    /// grid's CRS.
    pub fn new(folder: &Path, grid: &Grid, band_names: &[String], output: Output, cancel: CancelToken) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| {
            let message = format!("{} cannot be made: {error}", folder.display());
            Error::new(Stage::Write, ErrorKind::Write, message)
        })?;
        sweep(folder);
        let file = |name: &str| folder.join(format!("{name}.tif"));
        let image = |name: &str, arrays: std::ops::Range<usize>, info: ImageInfo<u16>| -> Result<Image> {
            let writer = GeoTiffWriter::new(&file(name), info, grid, output.compression).map_err(refused)?;
            Ok(Image { writer, arrays })
        };
        let count = band_names.len();
        let mut images = Vec::new();
        if output.stack {
            images.push(image("bands", 0..count, reflectance(band_names))?);
        } else {
            for (i, name) in band_names.iter().enumerate() {
                images.push(image(name, i..i + 1, reflectance(std::slice::from_ref(name)))?);
            }
        }
        for (i, (name, nodata)) in LAYERS.iter().enumerate() {
            images.push(image(name, count + i..count + i + 1, layer(name, *nodata))?);
        }
        Ok(Self {
            date: GeoTiffWriter::new(&file("date"), layer("date", NO_DATE), grid, output.compression)
                .map_err(refused)?,
            folder: folder.to_owned(),
            grid: grid.clone(),
            images,
            thumbnail: Thumbnail::new(band_names, grid.width, grid.height),
            cancel,
        })
    }

    /// Puts the images together; they still lack their names.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Write`], naming the file, or that the run has been cancelled.
    pub fn finish(self) -> Result<Finished> {
        let assets = self.assets();
        let Self { folder, grid, images, date, thumbnail, cancel } = self;
        let mut files = Vec::with_capacity(images.len() + 1);
        for image in images {
            go_on(&cancel)?;
            files.push(image.writer.finish().map_err(refused)?);
        }
        go_on(&cancel)?;
        files.push(date.finish().map_err(refused)?);
        Ok(Finished { folder, grid, assets, files, thumbnail })
    }

    /// The images as the STAC Item names them.
    fn assets(&self) -> Vec<Asset> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let images = self.images.iter().map(|image| Asset::new(name(image.writer.path()), image.writer.image()));
        images.chain([Asset::new(name(self.date.path()), self.date.image())]).collect()
    }

    /// Writes the next rows of all arrays, in order from the top, on the pool that the caller runs in.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Write`], naming the file, or that the run has been cancelled.
    pub fn push(&mut self, rows: &Arrays<'_>) -> Result<()> {
        let (size, step) = (rows.quality.len(), STRIP * self.grid.width);
        for first in (0..size).step_by(step) {
            let pixels = first..(first + step).min(size);
            let bands: Vec<&[u16]> = rows.bands.iter().map(|values| &values[pixels.clone()]).collect();
            self.push_strip(&Arrays {
                bands: &bands,
                quality: &rows.quality[pixels.clone()],
                observation_count: &rows.observation_count[pixels.clone()],
                selected_observation: &rows.selected_observation[pixels],
                datetimes: rows.datetimes,
            })?;
        }
        Ok(())
    }

    fn push_strip(&mut self, rows: &Arrays<'_>) -> Result<()> {
        let layers = [rows.quality, rows.observation_count, rows.selected_observation];
        let arrays: Vec<&[u16]> = rows.bands.iter().copied().chain(layers).collect();
        let (date, thumbnail, cancel) = (&mut self.date, &mut self.thumbnail, &self.cancel);
        // Files side by side: one that is a tile or two wide keeps no more cores busy.
        let images = || {
            self.images.par_iter_mut().try_for_each(|image| {
                image.arrays.clone().enumerate().try_for_each(|(band, array)| {
                    go_on(cancel)?;
                    image.writer.push(band, arrays[array]).map_err(refused)
                })
            })
        };
        let days = || date.push(0, &dates(rows.selected_observation, rows.datetimes.iter().copied())).map_err(refused);
        let (images, date) = rayon::join(images, days);
        thumbnail.push(rows.bands);
        images.and(date)
    }
}

/// A folder's files, whole and without their names.
pub struct Finished {
    folder: PathBuf,
    grid: Grid,
    assets: Vec<Asset>,
    files: Vec<WholeFile>,
    thumbnail: Thumbnail,
}

impl Finished {
    /// Gives the files their names; gives their paths in the order of writing. What an earlier run has written into the
    /// folder goes, also where this one writes nothing of that name.
    ///
    /// # Errors
    /// Of kind [`ErrorKind::Write`], naming the file. Then no file has its final name, unless giving the names failed.
    pub fn publish(self, metadata: &Metadata) -> Result<Vec<PathBuf>> {
        let [preview, item, last] = self.small_files(metadata)?;
        let Self { folder, files, .. } = self;
        // Of two runs that end at once one goes first. Held until this returns.
        let _turn = lock_folder(&folder).map_err(refused)?;
        let earlier = images_of(item.path());
        // From here on the files of an earlier run are not all there.
        let _ = std::fs::remove_file(last.path());
        let is_own = |path: &PathBuf| files.iter().any(|file| file.path() == path);
        for path in earlier.iter().filter(|path| !is_own(path)) {
            let _ = std::fs::remove_file(path);
        }
        let publish = |file: WholeFile| file.publish().map_err(refused);
        // First, so that whatever stops us the next run knows which images are ours.
        let item = publish(item)?;
        let mut paths = files.into_iter().chain([preview]).map(publish).collect::<Result<Vec<_>>>()?;
        paths.push(item);
        // Only when all others have their names for good.
        sync_folder(&folder);
        paths.push(publish(last)?);
        sync_folder(&folder);
        Ok(paths)
    }

    /// The files beside the images: the preview, the STAC Item, and what is published last.
    fn small_files(&self, metadata: &Metadata) -> Result<[WholeFile; 3]> {
        let picture = encode_preview(&self.thumbnail.planes(), self.thumbnail.width(), self.thumbnail.height())
            .map_err(|message| Error::new(Stage::Write, ErrorKind::Write, message))?;
        let item = stac_item(metadata, &self.grid, &self.assets)?;
        let write = |name: &str, bytes: &[u8]| WholeFile::of_bytes(&self.folder.join(name), bytes).map_err(refused);
        Ok([write("preview.png", &picture)?, write(ITEM, &pretty(&item))?, write(LAST, &pretty(&metadata.to_file()))?])
    }
}

/// The images that an item of ours names: files beside it. None where it is not there, or is somebody else's.
fn images_of(path: &Path) -> Vec<PathBuf> {
    let read = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).ok()?).ok();
    let Some(item) = read().filter(|item| item["id"].as_str().is_some_and(|id| id.starts_with(ID_PREFIX))) else {
        return Vec::new();
    };
    let hrefs = item["assets"].as_object().into_iter().flatten().filter_map(|(_, asset)| asset["href"].as_str());
    let names = hrefs.filter_map(|href| href.strip_prefix("./").filter(|name| !name.contains(['/', '\\'])));
    names
        .map(|name| path.with_file_name(name))
        .filter(|path| path.extension().is_some_and(|end| end == "tif"))
        .collect()
}

impl Sink for FolderSink {
    fn scratch(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    fn put(&mut self, rows: Rows, datetimes: &[&str]) -> Result<()> {
        self.push(&Arrays {
            bands: &rows.bands.iter().map(Vec::as_slice).collect::<Vec<_>>(),
            quality: &rows.quality,
            observation_count: &rows.observation_count,
            selected_observation: &rows.selected_observation,
            datetimes,
        })
    }
}

/// What the bands are.
fn reflectance(names: &[String]) -> ImageInfo<u16> {
    let band = |name: &String| BandInfo { description: name.clone(), scaling: Some(REFLECTANCE) };
    ImageInfo { bands: names.iter().map(band).collect(), nodata: NODATA, is_continuous: true }
}

/// What a layer beside them is.
fn layer<T>(name: &str, nodata: T) -> ImageInfo<T> {
    let band = BandInfo { description: name.to_owned(), scaling: None };
    ImageInfo { bands: vec![band], nodata, is_continuous: false }
}

fn pretty(value: &serde_json::Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

fn go_on(cancel: &CancelToken) -> Result<()> {
    if cancel.is_cancelled() { Err(Error::cancelled(Stage::Write)) } else { Ok(()) }
}

fn refused(error: tiff::Error) -> Error {
    Error::tiff(Stage::Write, "the output", error)
}
