//! A byte source goes in, a COG comes out: its levels, CRS and nodata, read by one request where the header allows it.

use super::byte_order::{ByteOrder, HeaderBytes};
use super::ifd::{Ifd, Layout, read_chain};
use super::limits::{self, check};
use super::tags::{compression, predictor, sample_format, tag};
use super::{Error, Result, geokeys};
use crate::fetch::ByteSource;
use crate::raster::{Crs, Tiling, Transform};
use std::ops::Range;
use std::sync::Arc;

/// The first read. The directories of a full Sentinel-2 file with its overviews fit in it.
const HEADER_BYTES: u64 = 32 * 1024;

/// One image of the chain: the full one or an overview of it.
#[derive(Debug, Clone)]
pub struct Level {
    /// Its size and how it is cut into tiles; a strip is a tile as wide as the image.
    pub tiling: Tiling,
    /// From this level's pixels to world coordinates; the scale comes from the sizes of the images.
    pub transform: Transform,
    pub(crate) order: ByteOrder,
    pub(crate) bits: u16,
    pub(crate) is_signed: bool,
    pub(crate) compression: u16,
    pub(crate) predictor: u16,
    pub(crate) is_striped: bool,
    /// Where each tile lies, row by row; an empty range is a sparse tile.
    pub(crate) tiles: Vec<Range<u64>>,
}

impl Level {
    /// Compressed bytes of one tile.
    pub fn tile_bytes(&self, index: usize) -> u64 {
        self.tiles.get(index).map_or(0, |range| range.end - range.start)
    }

    /// Bytes of one decoded tile.
    pub fn decoded_bytes(&self) -> usize {
        self.tiling.tile_width * self.tiling.tile_height * usize::from(self.bits).div_ceil(8)
    }
}

/// An opened file.
pub struct Cog {
    /// Where its bytes come from.
    pub source: Arc<dyn ByteSource>,
    /// The full image first, then the overviews from fine to coarse. Never empty.
    pub levels: Vec<Level>,
    /// What its GeoKeys say; None where it has none.
    pub crs: Option<Crs>,
    /// The value that marks missing pixels, where the file names one.
    pub nodata: Option<f64>,
}

impl Cog {
    /// Reads the header and parses it. One read, unless the header's own offsets lead beyond it.
    ///
    /// # Errors
    /// Any [`Error`] but those of tiles and writing.
    pub async fn open(source: Arc<dyn ByteSource>) -> Result<Self> {
        let mut header = HeaderBytes::default();
        let mut next = 0..HEADER_BYTES;
        loop {
            check(next.start, "size of the header", header.len() + (next.end - next.start), limits::MAX_HEADER_BYTES)?;
            let bytes = source.read(next.clone()).await?;
            header.add(&next, bytes);
            match parse(&header) {
                // What is missing is mostly one of several neighbours: read a whole block.
                Err(Error::NeedBytes(range)) => {
                    next = range.start..range.end.max(range.start.saturating_add(HEADER_BYTES));
                }
                Err(error) => return Err(error),
                Ok((levels, crs, nodata)) => return Ok(Self { source, levels, crs, nodata }),
            }
        }
    }

    /// The coarsest level whose pixel is not larger than `pixel_size` (in units of the file's CRS; rule L1), else the
    /// full image. Half a per cent is forgiven: overview sizes are rounded, and scale differs between UTM zones.
    pub fn level_for(&self, pixel_size: f64) -> usize {
        const FORGIVEN: f64 = 1.005;
        let fits = |level: &Level| {
            let (width, height) = level.transform.pixel_size();
            width.max(height) <= pixel_size * FORGIVEN
        };
        self.levels.iter().rposition(fits).unwrap_or(0)
    }
}

impl std::fmt::Debug for Cog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cog")
            .field("source", &self.source.name())
            .field("levels", &self.levels.len())
            .finish_non_exhaustive()
    }
}

type Parsed = (Vec<Level>, Option<Crs>, Option<f64>);

fn parse(header: &HeaderBytes) -> Result<Parsed> {
    let (layout, ifds) = read_chain(header)?;
    let main = &ifds[0];
    let full = geokeys::read_transform(main)?.unwrap_or(Transform([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
    let mut levels = vec![read_level(main, layout, &full)?];
    for ifd in &ifds[1..] {
        if is_overview(ifd)? {
            let mut level = read_level(ifd, layout, &full)?;
            let (main, own) = (levels[0].tiling, level.tiling);
            level.transform = full.scaled(main.width as f64 / own.width as f64, main.height as f64 / own.height as f64);
            levels.push(level);
        }
    }
    levels[1..].sort_by_key(|level| std::cmp::Reverse(level.tiling.width));
    let nodata = main.text(tag::GDAL_NODATA)?.and_then(|text| text.trim().parse().ok());
    Ok((levels, geokeys::read_crs(main)?, nodata))
}

/// Whether a directory is a reduced image (bit 0 of NewSubfileType) and no mask (bit 2).
fn is_overview(ifd: &Ifd<'_>) -> Result<bool> {
    Ok(ifd.unsigned(tag::NEW_SUBFILE_TYPE)?.unwrap_or(0) & 0b101 == 1)
}

fn read_level(ifd: &Ifd<'_>, layout: Layout, transform: &Transform) -> Result<Level> {
    let at = ifd.offset;
    let side = |tag, name| -> Result<usize> {
        match check(at, "size of the image", ifd.required(tag, name)?, limits::MAX_SIDE)? {
            0 => Err(Error::format(at, format!("{name} is 0"))),
            side => Ok(side as usize),
        }
    };
    let (width, height) = (side(tag::IMAGE_WIDTH, "ImageWidth")?, side(tag::IMAGE_LENGTH, "ImageLength")?);
    let is_striped = !ifd.has(tag::TILE_WIDTH);
    let (tile_width, tile_height) = if is_striped {
        let rows = ifd.unsigned(tag::ROWS_PER_STRIP)?.unwrap_or(u64::MAX);
        (width, usize::try_from(rows).unwrap_or(usize::MAX).clamp(1, height))
    } else {
        (side(tag::TILE_WIDTH, "TileWidth")?, side(tag::TILE_LENGTH, "TileLength")?)
    };
    let bits = ifd.unsigned(tag::BITS_PER_SAMPLE)?.unwrap_or(1) as u16;
    let decoded = (tile_width as u64).saturating_mul(tile_height as u64).saturating_mul(u64::from(bits)).div_ceil(8);
    check(at, "size of a decoded tile", decoded, limits::MAX_TILE_BYTES)?;
    let tiling = Tiling { width, height, tile_width, tile_height };
    let level = Level {
        tiling,
        transform: *transform,
        order: layout.order,
        bits,
        is_signed: ifd.unsigned(tag::SAMPLE_FORMAT)?.unwrap_or(1) == u64::from(sample_format::SIGNED),
        compression: ifd.unsigned(tag::COMPRESSION)?.unwrap_or(1) as u16,
        predictor: ifd.unsigned(tag::PREDICTOR)?.unwrap_or(1) as u16,
        is_striped,
        tiles: read_tiles(ifd, is_striped, tiling.count() as u64)?,
    };
    check_supported(ifd, &level)?;
    Ok(level)
}

/// Where the tiles lie; exactly `count` of them.
fn read_tiles(ifd: &Ifd<'_>, is_striped: bool, count: u64) -> Result<Vec<Range<u64>>> {
    let (offset_tag, count_tag) = if is_striped {
        (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
    } else {
        (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
    };
    let (offsets, counts) = (ifd.unsigned_values(offset_tag)?, ifd.unsigned_values(count_tag)?);
    if (offsets.len() as u64) < count || (counts.len() as u64) < count {
        let found = offsets.len().min(counts.len());
        return Err(Error::format(ifd.offset, format!("{count} tiles are needed, {found} are listed")));
    }
    let range = |(&offset, &length): (&u64, &u64)| {
        check(offset, "size of a compressed tile", length, limits::MAX_COMPRESSED_BYTES)?;
        let end = offset.checked_add(length).ok_or_else(|| Error::format(ifd.offset, "a tile beyond 2^64"))?;
        Ok(offset..end)
    };
    offsets.iter().zip(&counts).take(count as usize).map(range).collect()
}

/// Refuses, by name, what the decoder does not know.
fn check_supported(ifd: &Ifd<'_>, level: &Level) -> Result<()> {
    let samples = ifd.unsigned(tag::SAMPLES_PER_PIXEL)?.unwrap_or(1);
    let format = ifd.unsigned(tag::SAMPLE_FORMAT)?.unwrap_or(u64::from(sample_format::UNSIGNED));
    let what = if samples != 1 {
        format!("{samples} samples per pixel")
    } else if !matches!(level.compression, compression::NONE | compression::DEFLATE | compression::DEFLATE_OLD) {
        format!("compression {} ({})", level.compression, compression::name(level.compression))
    } else if !matches!(level.predictor, predictor::NONE | predictor::HORIZONTAL) {
        format!("predictor {}", level.predictor)
    } else if !matches!((format, level.bits), (1, 1..=16) | (2, 16)) {
        format!("samples of {} bits in format {format}", level.bits)
    } else if level.predictor == predictor::HORIZONTAL && !matches!(level.bits, 8 | 16) {
        format!("a predictor over samples of {} bits", level.bits)
    } else {
        return Ok(());
    };
    Err(Error::unsupported(what))
}
