//! A band on a grid goes in, a tiled, compressed GeoTIFF with overviews comes out: a valid COG.
//!
//! The file is laid out as GDAL's COG driver does it: header, the ghost area that promises the layout, the directories
//! from the full image to the coarsest overview, then the tiles of the coarsest overview first and of the full image
//! last, each between its size and a repetition of its last four bytes. Sources: GDAL's documentation of the COG driver
//! and `validate_cloud_optimized_geotiff.py`; rio-cogeo's `cog_validate`.

use super::codec::deflate::deflate;
use super::error::{Error, Result};
use super::geokeys;
use super::predictor::{WrappingSub, differentiate};
use super::tags::{compression, field, predictor, sample_format, tag};
use crate::raster::{Array, Grid, Window};
use rayon::prelude::*;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Side of a tile; GDAL's COG driver uses the same.
const TILE_SIZE: usize = 512;

/// What follows the file header: promises of the layout that readers may use.
const GHOST_AREA: &[u8] = b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\n\
LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n\
BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";

/// A band to be written.
#[derive(Debug, Clone, Copy)]
pub struct Band<'a> {
    /// `grid.height` rows of `grid.width` values.
    pub values: &'a [u16],
    /// Name of the band, as GDAL shows it.
    pub description: &'a str,
    /// The value of missing pixels.
    pub nodata: u16,
    /// Physical value of one unit, written as GDAL's scale; None for classes and counts.
    pub scale: Option<f64>,
    /// Whether overviews may average values (reflectance) or must pick one (classes, indices).
    pub is_continuous: bool,
}

/// How a file is written.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// DEFLATE level, 1 (fast) to 12 (small).
    pub deflate_level: u8,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { deflate_level: 6 }
    }
}

/// Writes one band as a COG. The file appears under its name only when it is whole.
/// Tiles are compressed on the rayon pool that the caller runs in.
///
/// # Errors
/// [`Error::Write`] where the file system refuses, [`Error::Unsupported`] where the CRS has no GeoKeys.
///
/// # Panics
/// If the band has not `grid.width * grid.height` values.
pub fn write_geotiff(path: &Path, band: &Band<'_>, grid: &Grid, options: WriteOptions) -> Result<()> {
    assert_eq!(band.values.len(), grid.width * grid.height, "a band has the grid's size");
    let images = pyramid(band, grid);
    let levels: Vec<EncodedLevel> = images.iter().map(|image| encode(image, options)).collect();
    let layout = Layout::plan(band, grid, levels)?;
    let write = || -> std::io::Result<()> {
        let mut file = temporary_beside(path)?;
        layout.write(&mut BufWriter::with_capacity(1 << 20, file.as_file_mut()))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source| Error::Write { path: path.display().to_string(), source })
}

/// A temporary file in the folder of `path`, to be renamed to it when it is whole. It gets the permissions that a file
/// made in the usual way would get.
pub(crate) fn temporary_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".bestpixel-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// The image and its overviews, each half the one before, until one fits into a tile.
fn pyramid(band: &Band<'_>, grid: &Grid) -> Vec<Array<u16>> {
    let mut images = vec![Array::from_vec(grid.width, grid.height, band.values.to_vec())];
    while let Some(last) = images.last().filter(|image| image.width().max(image.height()) > TILE_SIZE) {
        let half = if band.is_continuous { average(last, band.nodata) } else { pick(last) };
        images.push(half);
    }
    images
}

/// Half the size, each pixel the mean of up to four valid ones, rounded half up.
fn average(image: &Array<u16>, nodata: u16) -> Array<u16> {
    let (width, height) = (image.width().div_ceil(2), image.height().div_ceil(2));
    let mean = |row: usize, col: usize| {
        let window =
            Window::new(2 * col, 2 * row, 2, 2).intersection(&image.window()).unwrap_or(Window::new(0, 0, 0, 0));
        let rows = (window.row_off..window.row_end()).flat_map(|r| &image.row(r)[window.col_off..window.col_end()]);
        let (sum, count) = rows.filter(|&&v| v != nodata).fold((0u32, 0u32), |(s, n), &v| (s + u32::from(v), n + 1));
        if count == 0 { nodata } else { ((2 * sum + count) / (2 * count)) as u16 }
    };
    let rows = (0..height).into_par_iter().flat_map_iter(|row| (0..width).map(move |col| mean(row, col)));
    Array::from_vec(width, height, rows.collect())
}

/// Half the size, each pixel the upper left one of four.
fn pick(image: &Array<u16>) -> Array<u16> {
    let (width, height) = (image.width().div_ceil(2), image.height().div_ceil(2));
    let values = (0..height).flat_map(|row| image.row(2 * row).iter().step_by(2).copied()).collect();
    Array::from_vec(width, height, values)
}

/// A level whose tiles are compressed.
struct EncodedLevel {
    width: usize,
    height: usize,
    tiles: Vec<Vec<u8>>,
}

fn encode(image: &Array<u16>, options: WriteOptions) -> EncodedLevel {
    let windows = Window::tiles(image.width(), image.height(), TILE_SIZE);
    let tiles = windows.par_iter().map(|window| {
        let mut samples = padded(image, window);
        differentiate(&mut samples, TILE_SIZE);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        deflate(&bytes, options.deflate_level)
    });
    EncodedLevel { width: image.width(), height: image.height(), tiles: tiles.collect() }
}

/// A full tile: beyond the image each row repeats its last pixel and the last row repeats, which compresses best.
fn padded<T: Copy + WrappingSub + Default>(image: &Array<T>, window: &Window) -> Vec<T> {
    let mut samples = Vec::with_capacity(TILE_SIZE * TILE_SIZE);
    for row in 0..TILE_SIZE {
        let row = window.row_off + row.min(window.height - 1);
        let pixels = &image.row(row)[window.col_off..window.col_end()];
        samples.extend_from_slice(pixels);
        samples.resize(samples.len() + TILE_SIZE - pixels.len(), pixels[pixels.len() - 1]);
    }
    samples
}

/// One directory entry with its values.
struct Entry {
    tag: u16,
    field_type: u16,
    count: u64,
    values: Vec<u8>,
}

impl Entry {
    fn shorts(tag: u16, values: &[u16]) -> Self {
        Self::new(tag, field::SHORT, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn longs(tag: u16, values: &[u64]) -> Self {
        Self::new(tag, field::LONG, values.len(), values.iter().flat_map(|&v| (v as u32).to_le_bytes()).collect())
    }

    /// Offsets, of 4 or 8 bytes as the file's variant wants them.
    fn offsets(tag: u16, values: &[u64], is_big: bool) -> Self {
        if is_big {
            Self::new(tag, field::LONG8, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
        } else {
            Self::longs(tag, values)
        }
    }

    fn doubles(tag: u16, values: &[f64]) -> Self {
        Self::new(tag, field::DOUBLE, values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn text(tag: u16, text: &str) -> Self {
        let mut values = text.as_bytes().to_vec();
        values.push(0);
        Self::new(tag, field::ASCII, values.len(), values)
    }

    fn new(tag: u16, field_type: u16, count: usize, values: Vec<u8>) -> Self {
        Self { tag, field_type, count: count as u64, values }
    }

    /// Bytes that the values take outside the directory.
    fn outside(&self, word: usize) -> usize {
        if self.values.len() <= word { 0 } else { self.values.len().next_multiple_of(8) }
    }
}

/// The whole file but for the pixels: directories with their final offsets.
struct Layout {
    is_big: bool,
    levels: Vec<EncodedLevel>,
    directories: Vec<Vec<Entry>>,
    /// Where each directory starts.
    offsets: Vec<u64>,
    /// Where the tiles start.
    data_start: u64,
}

impl Layout {
    fn plan(band: &Band<'_>, grid: &Grid, levels: Vec<EncodedLevel>) -> Result<Self> {
        let payload: u64 = levels.iter().flat_map(|level| &level.tiles).map(|tile| tile.len() as u64 + 8).sum();
        // 64 bytes a tile are more than the directories ever need.
        let tiles: u64 = levels.iter().map(|level| level.tiles.len() as u64).sum();
        let is_big = payload + 64 * tiles + 65_536 > u64::from(u32::MAX);
        let word = if is_big { 8 } else { 4 };
        let mut directories = Vec::with_capacity(levels.len());
        for (i, level) in levels.iter().enumerate() {
            directories.push(directory(band, grid, level, i > 0, is_big)?);
        }
        let mut at = (if is_big { 16 } else { 8 } + GHOST_AREA.len()).next_multiple_of(8) as u64;
        let mut offsets = Vec::with_capacity(levels.len());
        for entries in &directories {
            offsets.push(at);
            at += directory_size(entries, word);
        }
        let mut layout = Self { is_big, levels, directories, offsets, data_start: at };
        layout.place_tiles();
        Ok(layout)
    }

    /// Fills in the tile offsets: the coarsest level comes first in the file.
    fn place_tiles(&mut self) {
        let mut at = self.data_start;
        for (level, entries) in self.levels.iter().zip(&mut self.directories).rev() {
            let mut offsets = Vec::with_capacity(level.tiles.len());
            for tile in &level.tiles {
                offsets.push(at + 4);
                at += tile.len() as u64 + 8;
            }
            if let Some(entry) = entries.iter_mut().find(|entry| entry.tag == tag::TILE_OFFSETS) {
                *entry = Entry::offsets(tag::TILE_OFFSETS, &offsets, self.is_big);
            }
        }
    }

    fn write(&self, out: &mut BufWriter<&mut File>) -> std::io::Result<()> {
        let mut head = Vec::with_capacity(self.data_start as usize);
        if self.is_big {
            head.extend(b"II\x2b\x00\x08\x00\x00\x00");
            head.extend(self.offsets[0].to_le_bytes());
        } else {
            head.extend(b"II\x2a\x00");
            head.extend((self.offsets[0] as u32).to_le_bytes());
        }
        head.extend(GHOST_AREA);
        for (i, entries) in self.directories.iter().enumerate() {
            head.resize(self.offsets[i] as usize, 0);
            self.write_directory(&mut head, entries, self.offsets.get(i + 1).copied().unwrap_or(0));
        }
        head.resize(self.data_start as usize, 0);
        out.write_all(&head)?;
        for tile in self.levels.iter().rev().flat_map(|level| &level.tiles) {
            out.write_all(&(tile.len() as u32).to_le_bytes())?;
            out.write_all(tile)?;
            out.write_all(&tile[tile.len().saturating_sub(4)..])?;
        }
        out.flush()
    }

    fn write_directory(&self, head: &mut Vec<u8>, entries: &[Entry], next: u64) {
        let word = if self.is_big { 8 } else { 4 };
        let put_word = |head: &mut Vec<u8>, value: u64| head.extend(&value.to_le_bytes()[..word]);
        let mut outside = head.len() as u64 + fixed_size(entries.len(), word);
        let count_size = if self.is_big { 8 } else { 2 };
        head.extend(&(entries.len() as u64).to_le_bytes()[..count_size]);
        for entry in entries {
            head.extend(entry.tag.to_le_bytes());
            head.extend(entry.field_type.to_le_bytes());
            put_word(head, entry.count);
            if entry.outside(word) == 0 {
                let mut inline = entry.values.clone();
                inline.resize(word, 0);
                head.extend(inline);
            } else {
                put_word(head, outside);
                outside += entry.outside(word) as u64;
            }
        }
        put_word(head, next);
        head.resize(head.len().next_multiple_of(8), 0);
        for entry in entries.iter().filter(|entry| entry.outside(word) > 0) {
            head.extend(&entry.values);
            head.resize(head.len().next_multiple_of(8), 0);
        }
    }
}

/// Bytes of a directory without its outside values, from a start that is a multiple of 8.
fn fixed_size(entries: usize, word: usize) -> u64 {
    let (count_size, entry_size) = if word == 8 { (8, 20) } else { (2, 12) };
    (count_size + entries * entry_size + word).next_multiple_of(8) as u64
}

fn directory_size(entries: &[Entry], word: usize) -> u64 {
    fixed_size(entries.len(), word) + entries.iter().map(|entry| entry.outside(word) as u64).sum::<u64>()
}

/// The entries of one level, in ascending order of tags; tile offsets are still 0.
fn directory(
    band: &Band<'_>,
    grid: &Grid,
    level: &EncodedLevel,
    is_overview: bool,
    is_big: bool,
) -> Result<Vec<Entry>> {
    let counts: Vec<u64> = level.tiles.iter().map(|tile| tile.len() as u64).collect();
    let mut entries = vec![
        Entry::longs(tag::NEW_SUBFILE_TYPE, &[u64::from(is_overview)]),
        Entry::longs(tag::IMAGE_WIDTH, &[level.width as u64]),
        Entry::longs(tag::IMAGE_LENGTH, &[level.height as u64]),
        Entry::shorts(tag::BITS_PER_SAMPLE, &[16]),
        Entry::shorts(tag::COMPRESSION, &[compression::DEFLATE]),
        Entry::shorts(tag::PHOTOMETRIC, &[1]),
        Entry::shorts(tag::SAMPLES_PER_PIXEL, &[1]),
        Entry::shorts(tag::PLANAR_CONFIGURATION, &[1]),
        Entry::shorts(tag::PREDICTOR, &[predictor::HORIZONTAL]),
        Entry::longs(tag::TILE_WIDTH, &[TILE_SIZE as u64]),
        Entry::longs(tag::TILE_LENGTH, &[TILE_SIZE as u64]),
        Entry::offsets(tag::TILE_OFFSETS, &vec![0; counts.len()], is_big),
        Entry::longs(tag::TILE_BYTE_COUNTS, &counts),
        Entry::shorts(tag::SAMPLE_FORMAT, &[sample_format::UNSIGNED]),
        Entry::text(tag::GDAL_NODATA, &band.nodata.to_string()),
    ];
    if !is_overview {
        entries.extend(georeference(grid)?);
        entries.push(Entry::text(tag::GDAL_METADATA, &gdal_metadata(band)));
        entries.sort_by_key(|entry| entry.tag);
    }
    Ok(entries)
}

/// Pixel scale, tie point and GeoKeys.
fn georeference(grid: &Grid) -> Result<Vec<Entry>> {
    let keys = geokeys::write_crs(&grid.crs)?;
    let mut entries = vec![
        Entry::doubles(tag::MODEL_PIXEL_SCALE, &[grid.resolution, grid.resolution, 0.0]),
        Entry::doubles(tag::MODEL_TIEPOINT, &[0.0, 0.0, 0.0, grid.left, grid.top, 0.0]),
        Entry::shorts(tag::GEO_KEY_DIRECTORY, &keys.directory),
    ];
    if !keys.doubles.is_empty() {
        entries.push(Entry::doubles(tag::GEO_DOUBLE_PARAMS, &keys.doubles));
    }
    if !keys.ascii.is_empty() {
        entries.push(Entry::text(tag::GEO_ASCII_PARAMS, &keys.ascii));
    }
    Ok(entries)
}

/// Description and scale in GDAL's XML.
fn gdal_metadata(band: &Band<'_>) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let scale = band.scale.map_or(String::new(), |scale| {
        format!(
            "  <Item name=\"OFFSET\" sample=\"0\" role=\"offset\">0</Item>\n  \
             <Item name=\"SCALE\" sample=\"0\" role=\"scale\">{scale}</Item>\n"
        )
    });
    format!(
        "<GDALMetadata>\n  <Item name=\"DESCRIPTION\" sample=\"0\" role=\"description\">{}</Item>\n{scale}</GDALMetadata>\n",
        escape(band.description)
    )
}
