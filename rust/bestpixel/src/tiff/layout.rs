//! The sizes of all tiles go in, the directories of a COG come out, every offset in them final.
//!
//! The file is laid out as GDAL's COG driver does it: header, the ghost area that promises the layout, the directories
//! from the full image to the coarsest overview, then the tiles of the coarsest overview first and of the full image
//! last, each between its size and a repetition of its last four bytes. Sources: GDAL's documentation of the COG driver
//! and `validate_cloud_optimized_geotiff.py`; rio-cogeo's `cog_validate`.

use super::error::Result;
use super::sample::Sample;
use super::tags::{field, predictor, tag};
use super::write::{BandInfo, Compression, ImageInfo};
use super::write_crs::write_crs;
use crate::raster::Grid;

/// Side of a tile; GDAL's COG driver uses the same.
pub(crate) const TILE_SIZE: usize = 512;

/// Bytes before each tile: its size.
const LEADER: u64 = 4;

/// Bytes after each tile: its last four again.
const TRAILER: u64 = 4;

/// What follows the file header: promises of the layout that readers may use.
const GHOST_AREA: &[u8] = b"GDAL_STRUCTURAL_METADATA_SIZE=000140 bytes\n\
LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n\
BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ";

/// NewSubfileType of an overview.
const REDUCED: u64 = 1;

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

/// An image of the file as far as its directory is concerned.
pub(crate) struct LevelInfo {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Compressed size of each tile, band by band and row by row.
    pub(crate) tile_bytes: Vec<u64>,
}

impl LevelInfo {
    /// Bytes that the tiles take in the file, each with its leader and trailer.
    fn data_bytes(&self) -> u64 {
        self.tile_bytes.iter().map(|bytes| bytes + LEADER + TRAILER).sum()
    }
}

/// The whole file but for the pixels: directories with their final offsets.
pub(crate) struct Layout {
    is_big: bool,
    levels: Vec<LevelInfo>,
    directories: Vec<Vec<Entry>>,
    /// Where each directory starts.
    offsets: Vec<u64>,
    /// Where the tiles start.
    data_start: u64,
}

impl Layout {
    /// Places the directories of levels that come from the full image to the coarsest.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the grid's CRS has no GeoKeys.
    pub(crate) fn plan<T: Sample>(
        image: &ImageInfo<T>,
        grid: &Grid,
        compression: Compression,
        levels: Vec<LevelInfo>,
    ) -> Result<Self> {
        let payload: u64 = levels.iter().map(LevelInfo::data_bytes).sum();
        // 64 bytes a tile are more than the directories ever need.
        let tiles: u64 = levels.iter().map(|level| level.tile_bytes.len() as u64).sum();
        let is_big = payload + 64 * tiles + 65_536 > u64::from(u32::MAX);
        let word = if is_big { 8 } else { 4 };
        let mut directories = Vec::with_capacity(levels.len());
        for (i, level) in levels.iter().enumerate() {
            let mut entries = directory(image, compression, level, is_big);
            if i == 0 {
                entries.extend(georeference(grid)?);
                entries.push(Entry::text(tag::GDAL_METADATA, &gdal_metadata(&image.bands)));
            } else {
                entries.push(Entry::longs(tag::NEW_SUBFILE_TYPE, &[REDUCED]));
            }
            entries.sort_by_key(|entry| entry.tag);
            directories.push(entries);
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
            let mut offsets = Vec::with_capacity(level.tile_bytes.len());
            for bytes in &level.tile_bytes {
                offsets.push(at + LEADER);
                at += bytes + LEADER + TRAILER;
            }
            if let Some(entry) = entries.iter_mut().find(|entry| entry.tag == tag::TILE_OFFSETS) {
                *entry = Entry::offsets(tag::TILE_OFFSETS, &offsets, self.is_big);
            }
        }
    }

    /// How many levels there are.
    pub(crate) fn levels(&self) -> usize {
        self.levels.len()
    }

    /// Everything before the first tile: header, ghost area, directories.
    pub(crate) fn head(&self) -> Vec<u8> {
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
        head
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

/// The entries that all levels have; tile offsets are still 0.
fn directory<T: Sample>(image: &ImageInfo<T>, compression: Compression, level: &LevelInfo, is_big: bool) -> Vec<Entry> {
    let (bands, counts) = (image.bands.len(), &level.tile_bytes);
    // One band lies in pixel order, several in planes of their own.
    let planar = if bands == 1 { 1 } else { 2 };
    let mut entries = vec![
        Entry::longs(tag::IMAGE_WIDTH, &[level.width as u64]),
        Entry::longs(tag::IMAGE_LENGTH, &[level.height as u64]),
        Entry::shorts(tag::BITS_PER_SAMPLE, &vec![T::BITS; bands]),
        Entry::shorts(tag::COMPRESSION, &[compression.code()]),
        Entry::shorts(tag::PHOTOMETRIC, &[1]),
        Entry::shorts(tag::SAMPLES_PER_PIXEL, &[bands as u16]),
        Entry::shorts(tag::PLANAR_CONFIGURATION, &[planar]),
        Entry::shorts(tag::PREDICTOR, &[predictor::HORIZONTAL]),
        Entry::longs(tag::TILE_WIDTH, &[TILE_SIZE as u64]),
        Entry::longs(tag::TILE_LENGTH, &[TILE_SIZE as u64]),
        Entry::offsets(tag::TILE_OFFSETS, &vec![0; counts.len()], is_big),
        Entry::longs(tag::TILE_BYTE_COUNTS, counts),
        Entry::shorts(tag::SAMPLE_FORMAT, &vec![T::FORMAT; bands]),
        Entry::text(tag::GDAL_NODATA, &image.nodata.to_string()),
    ];
    if bands > 1 {
        // Grey is one sample; of the others nothing is said.
        entries.push(Entry::shorts(tag::EXTRA_SAMPLES, &vec![0; bands - 1]));
    }
    entries
}

/// Pixel scale, tie point and GeoKeys.
fn georeference(grid: &Grid) -> Result<Vec<Entry>> {
    let keys = write_crs(&grid.crs)?;
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

/// Descriptions, scales and offsets in GDAL's XML.
fn gdal_metadata(bands: &[BandInfo]) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let item = |sample: usize, name: &str, value: String| {
        format!("  <Item name=\"{}\" sample=\"{sample}\" role=\"{name}\">{value}</Item>\n", name.to_uppercase())
    };
    let items = bands.iter().enumerate().flat_map(|(sample, band)| {
        let scaling = band.scaling.map(|scaling| {
            [item(sample, "offset", scaling.offset.to_string()), item(sample, "scale", scaling.scale.to_string())]
        });
        [item(sample, "description", escape(&band.description))].into_iter().chain(scaling.into_iter().flatten())
    });
    format!("<GDALMetadata>\n{}</GDALMetadata>\n", items.collect::<String>())
}
