//! A directory goes in, a level comes out: its size, its samples and where its tiles lie.

use super::byte_order::ByteOrder;
use super::codec;
use super::error::Tolerate;
use super::ifd::{Ifd, Layout};
use super::limits::{self, check};
use super::samples::SampleType;
use super::tags::{compression, photometric, predictor, tag};
use super::{Error, Result};
use crate::raster::{Tiling, Transform, Window};
use std::ops::Range;

/// One image of the chain: the full one or an overview of it.
#[derive(Debug, Clone)]
pub struct Level {
    /// Its size and how it is cut into tiles; a strip is a tile as wide as the image.
    pub tiling: Tiling,
    /// From this level's pixels to world coordinates; the scale comes from the sizes of the images.
    pub transform: Transform,
    pub(crate) order: ByteOrder,
    pub(crate) kind: SampleType,
    /// Bands.
    pub(crate) samples: usize,
    /// Each band has tiles of its own, those of the first band first.
    pub(crate) is_planar: bool,
    pub(crate) compression: u16,
    /// None of the predictors where the compression knows none.
    pub(crate) predictor: u16,
    pub(crate) is_striped: bool,
    /// Bits of each byte lie in reverse.
    pub(crate) is_reversed: bool,
    /// Where each tile lies, row by row; an empty range is a sparse tile.
    pub(crate) tiles: Vec<Range<u64>>,
}

impl Level {
    /// Bands of the image.
    pub fn bands(&self) -> usize {
        self.samples
    }

    /// The tile of the file that holds a band of the tile at `position` (row by row in [`Level::tiling`]). It is the
    /// position itself for the first band, and for all bands where they lie side by side.
    pub fn tile_index(&self, position: usize, band: usize) -> usize {
        if self.is_planar { band * self.tiling.count() + position } else { position }
    }

    /// Tiles in the file: more than the tiling has where each band has tiles of its own.
    pub fn tile_count(&self) -> usize {
        self.tiles.len()
    }

    /// Where a tile's bytes lie in the file; empty for a sparse tile. None where there is no such tile.
    pub fn tile_range(&self, index: usize) -> Option<Range<u64>> {
        self.tiles.get(index).cloned()
    }

    /// Compressed bytes of one tile.
    pub fn tile_bytes(&self, index: usize) -> u64 {
        self.tiles.get(index).map_or(0, |range| range.end - range.start)
    }

    /// Bytes of one decoded tile, with all bands that it holds.
    pub fn decoded_bytes(&self) -> usize {
        self.tiling.tile_width * self.tiling.tile_height * self.kind.bytes() * self.stride()
    }

    /// Samples of a pixel that lie side by side in a tile.
    pub(crate) fn stride(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Whether a tile without its predictor is, byte for byte, what its samples are in memory: it can be decompressed
    /// into its place.
    pub(crate) fn lies_as_in_memory(&self) -> bool {
        let is_native = self.kind.bits() == 8 || (cfg!(target_endian = "little") && self.order == ByteOrder::Little);
        let is_whole = self.kind.bits() == self.kind.bytes() * 8;
        is_native && is_whole && self.stride() == 1 && self.predictor != predictor::FLOATING_POINT
    }

    /// Bytes of a row of a tile as it was compressed.
    pub(crate) fn row_bytes(&self) -> usize {
        (self.tiling.tile_width * self.stride() * self.kind.bits()).div_ceil(8)
    }

    /// The pixels of a tile that lie inside the image.
    pub(crate) fn window(&self, index: usize) -> Window {
        self.tiling.window(index % self.tiling.count())
    }

    /// Encoded rows of a tile. Strips at the lower edge have fewer, tiles never.
    pub(crate) fn rows(&self, index: usize) -> usize {
        if self.is_striped { self.window(index).height } else { self.tiling.tile_height }
    }

    /// Whether this can be a smaller version of `main`.
    pub(crate) fn is_overview_of(&self, main: &Self) -> bool {
        self.kind == main.kind
            && self.samples == main.samples
            && self.tiling.width <= main.tiling.width
            && self.tiling.height <= main.tiling.height
    }
}

/// The level of a directory; at most `most_tiles` tiles.
///
/// # Errors
/// [`Error::Format`], [`Error::Limit`] and [`Error::Unsupported`] as they apply.
pub(crate) fn read_level(ifd: &Ifd<'_>, layout: Layout, transform: &Transform, most_tiles: u64) -> Result<Level> {
    let value = |tag, default| -> Result<u64> { Ok(ifd.unsigned(tag)?.unwrap_or(default)) };
    let samples = check(ifd.offset, "samples per pixel", value(tag::SAMPLES_PER_PIXEL, 1)?, u64::from(u16::MAX))?;
    if samples == 0 {
        return Err(Error::format(ifd.offset, "there are no samples in a pixel"));
    }
    let compression = value(tag::COMPRESSION, 1)? as u16;
    let mut level = Level {
        tiling: read_tiling(ifd)?,
        transform: *transform,
        order: layout.order,
        kind: SampleType::new(
            same(ifd, tag::SAMPLE_FORMAT, samples, 1)?,
            same(ifd, tag::BITS_PER_SAMPLE, samples, 1)?,
        )?,
        samples: samples as usize,
        is_planar: samples > 1 && value(tag::PLANAR_CONFIGURATION, 1)? == 2,
        compression,
        predictor: if codec::has_predictor(compression) { value(tag::PREDICTOR, 1)? as u16 } else { predictor::NONE },
        is_striped: !ifd.has(tag::TILE_WIDTH),
        is_reversed: value(tag::FILL_ORDER, 1)? == 2,
        tiles: Vec::new(),
    };
    check_supported(ifd, &level)?;
    let pixels = (level.tiling.tile_width as u64).saturating_mul(level.tiling.tile_height as u64);
    let decoded = pixels.saturating_mul(level.stride() as u64).saturating_mul(level.kind.bytes() as u64);
    check(ifd.offset, "size of a decoded tile", decoded, limits::MAX_TILE_BYTES)?;
    let planes = if level.is_planar { samples } else { 1 };
    let count = (level.tiling.count() as u64).saturating_mul(planes);
    check(ifd.offset, "number of tiles", count, most_tiles)?;
    level.tiles = read_tiles(ifd, &level, count as usize)?;
    Ok(level)
}

fn read_tiling(ifd: &Ifd<'_>) -> Result<Tiling> {
    let at = ifd.offset;
    let side = |tag, name| -> Result<usize> {
        match check(at, "size of the image", ifd.required(tag, name)?, limits::MAX_SIDE)? {
            0 => Err(Error::format(at, format!("{name} is 0"))),
            side => Ok(side as usize),
        }
    };
    let (width, height) = (side(tag::IMAGE_WIDTH, "ImageWidth")?, side(tag::IMAGE_LENGTH, "ImageLength")?);
    let (tile_width, tile_height) = if ifd.has(tag::TILE_WIDTH) {
        (side(tag::TILE_WIDTH, "TileWidth")?, side(tag::TILE_LENGTH, "TileLength")?)
    } else {
        let rows = ifd.unsigned(tag::ROWS_PER_STRIP)?.unwrap_or(u64::MAX);
        (width, usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, height))
    };
    Ok(Tiling { width, height, tile_width, tile_height })
}

/// The one value that a tag has for all bands.
fn same(ifd: &Ifd<'_>, tag: u16, samples: u64, default: u64) -> Result<u64> {
    let values = ifd.unsigned_values(tag)?;
    let Some(&first) = values.first() else { return Ok(default) };
    if values.iter().take(samples as usize).any(|&value| value != first) {
        return Err(Error::unsupported(format!("bands of different types (tag {tag})")));
    }
    Ok(first)
}

/// Where the tiles lie; exactly `count` of them.
fn read_tiles(ifd: &Ifd<'_>, level: &Level, count: usize) -> Result<Vec<Range<u64>>> {
    let strips = (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS);
    let tiles = (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS);
    // Some writers list tiles under the names of strips.
    let (offset_tag, count_tag) = if ifd.has(tag::TILE_OFFSETS) { tiles } else { strips };
    let offsets = ifd.unsigned_values(offset_tag)?;
    let mut lengths = ifd.unsigned_values(count_tag)?;
    let is_plain = level.compression == compression::NONE;
    let needed = |index: usize| (level.row_bytes() * level.rows(index)) as u64;
    if is_plain && lengths.is_empty() {
        lengths = (0..count).map(needed).collect();
    }
    let found = offsets.len().min(lengths.len());
    if found < count {
        return Err(Error::format(ifd.offset, format!("{count} tiles are needed, {found} are listed")));
    }
    let range = |(index, (&offset, &length)): (usize, (&u64, &u64))| {
        // Bytes behind an uncompressed tile are of no interest, whatever its entry says.
        let length = if is_plain { length.min(needed(index)) } else { length };
        offset..offset.saturating_add(length)
    };
    Ok(offsets.iter().zip(&lengths).take(count).enumerate().map(range).collect())
}

/// Refuses, by name, what the decoder does not know.
fn check_supported(ifd: &Ifd<'_>, level: &Level) -> Result<()> {
    let photometric = ifd.unsigned(tag::PHOTOMETRIC).tolerate()?.flatten().unwrap_or(1);
    let bits = level.kind.bits();
    let what = if !codec::is_known(level.compression) {
        format!("compression {} ({})", level.compression, compression::name(level.compression))
    } else if photometric == u64::from(photometric::YCBCR) {
        "YCbCr samples".to_owned()
    } else {
        match level.predictor {
            predictor::NONE => return Ok(()),
            predictor::HORIZONTAL if matches!(bits, 8 | 16 | 32 | 64) => return Ok(()),
            predictor::FLOATING_POINT if matches!(level.kind, SampleType::F32 | SampleType::F64) => return Ok(()),
            predictor @ 2..=3 => format!("predictor {predictor} over {:?}", level.kind),
            predictor => format!("predictor {predictor}"),
        }
    };
    Err(Error::unsupported(what))
}
