//! A byte source goes in, a COG comes out: its levels, CRS and nodata, read by one request where the header allows it.

use super::byte_order::HeaderBytes;
use super::error::Tolerate;
use super::ifd::{Ifd, read_chain};
use super::level::{Level, read_level};
use super::limits::{self, check};
use super::metadata::{Scaling, read_scalings};
use super::tags::tag;
use super::{Error, Result, geokeys, ghost};
use crate::fetch::{ByteSource, MemorySource};
use crate::raster::{Crs, Transform};
use bytes::Bytes;
use std::sync::Arc;

/// The first read. The directories of a full Sentinel-2 file with its overviews fit in it.
const HEADER_BYTES: u64 = 32 * 1024;

/// Where a file promises that all its directories stand together, reads double until they are as large as this.
const MOST_AHEAD: u64 = 1 << 20;

/// An opened file.
pub struct Cog {
    /// Where its bytes come from.
    pub source: Arc<dyn ByteSource>,
    /// The full image first, then the overviews from fine to coarse. Never empty. Overviews that cannot be read are left
    /// out: a finer level takes their place.
    pub levels: Vec<Level>,
    /// What its GeoKeys say; None where it has none.
    pub crs: Option<Crs>,
    /// The value that marks missing pixels, where the file names one.
    pub nodata: Option<f64>,
    /// Whether the file has a mask of valid pixels besides its samples.
    pub has_mask: bool,
    /// What GDAL's metadata say of each band; bands without a scale or an offset are not listed.
    scalings: Vec<(usize, Scaling)>,
}

impl Cog {
    /// Reads the header and parses it. One read, unless the header's own offsets lead beyond it.
    ///
    /// # Errors
    /// Any [`Error`] but those of tiles and writing.
    pub async fn open(source: Arc<dyn ByteSource>) -> Result<Self> {
        let mut header = HeaderBytes::default();
        let mut next = 0..HEADER_BYTES;
        for read in 1.. {
            check(next.start, "reads of the header", read, limits::MAX_HEADER_READS)?;
            check(next.start, "size of the header", header.len() + (next.end - next.start), limits::MAX_HEADER_BYTES)?;
            let bytes = source.read(next.clone()).await?;
            header.add(&next, bytes);
            match parse(&header) {
                // What is missing is mostly one of several neighbours: read a whole block.
                Err(Error::NeedBytes(range)) => {
                    let ahead = if ghost::directories_come_first(&header) { header.len() } else { HEADER_BYTES };
                    let ahead = ahead.clamp(HEADER_BYTES, MOST_AHEAD);
                    next = range.start..range.end.max(range.start.saturating_add(ahead));
                }
                Err(error) => return Err(error),
                Ok(parsed) => return Ok(parsed.with(source)),
            }
        }
        unreachable!("the number of reads is limited")
    }

    /// Opens a file that lies in memory.
    ///
    /// # Errors
    /// Any [`Error`] but those of fetching, tiles and writing.
    pub fn from_bytes(bytes: Bytes) -> Result<Self> {
        let mut header = HeaderBytes::default();
        header.add(&(0..u64::MAX), bytes.clone());
        Ok(parse(&header)?.with(Arc::new(MemorySource::new("memory", bytes))))
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

    /// How the samples of a band become physical values.
    pub fn scaling(&self, band: usize) -> Scaling {
        self.scalings.iter().find(|(listed, _)| *listed == band).map_or_else(Scaling::default, |(_, scaling)| *scaling)
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

/// All that a header says.
struct Parsed {
    levels: Vec<Level>,
    crs: Option<Crs>,
    nodata: Option<f64>,
    has_mask: bool,
    scalings: Vec<(usize, Scaling)>,
    /// Overviews that cannot be read.
    lost: usize,
}

impl Parsed {
    fn with(self, source: Arc<dyn ByteSource>) -> Cog {
        let Self { levels, crs, nodata, has_mask, scalings, lost } = self;
        if lost > 0 {
            log::warn!("{}: {lost} of its overviews cannot be read: finer ones are taken", source.name());
        }
        Cog { source, levels, crs, nodata, has_mask, scalings }
    }
}

/// Bits of NewSubfileType.
const REDUCED: u64 = 0b001;
const MASK: u64 = 0b100;

fn parse(header: &HeaderBytes) -> Result<Parsed> {
    let (layout, ifds) = read_chain(header)?;
    let main = &ifds[0];
    let full = geokeys::read_transform(main)?.unwrap_or(Transform([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
    let mut levels = vec![read_level(main, layout, &full, limits::MAX_TILES)?];
    let (mut has_mask, mut lost) = (false, 0);
    for ifd in &ifds[1..] {
        let kind = subfile_type(ifd)?;
        has_mask |= kind & MASK != 0;
        let free = limits::MAX_TILES - levels.iter().map(|level| level.tiles.len() as u64).sum::<u64>();
        if kind & (REDUCED | MASK) == REDUCED {
            let level = read_level(ifd, layout, &full, free).tolerate()?;
            let Some(mut level) = level.filter(|level| level.is_overview_of(&levels[0])) else {
                lost += 1;
                continue;
            };
            let (main, own) = (levels[0].tiling, level.tiling);
            level.transform = full.scaled(main.width as f64 / own.width as f64, main.height as f64 / own.height as f64);
            levels.push(level);
        }
    }
    levels[1..].sort_by_key(|level| std::cmp::Reverse(level.tiling.width));
    let nodata = main.text(tag::GDAL_NODATA).tolerate()?.flatten().and_then(|text| text.trim().parse().ok());
    Ok(Parsed { levels, crs: geokeys::read_crs(main)?, nodata, has_mask, scalings: read_scalings(main)?, lost })
}

/// What a directory is for; an ordinary page where its tag cannot be read.
fn subfile_type(ifd: &Ifd<'_>) -> Result<u64> {
    Ok(ifd.unsigned(tag::NEW_SUBFILE_TYPE).tolerate()?.flatten().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of 20 directories of 3600 tiles each: 600 KB before the first pixel.
    fn long_header(promises: &[u8]) -> Vec<u8> {
        const TILES: u32 = 3600;
        let mut file = b"II\x2a\0".to_vec();
        file.extend((8 + promises.len() as u32).to_le_bytes());
        file.extend(promises);
        for image in 0..20 {
            let start = file.len() as u32;
            let values = start + 2 + 8 * 12 + 4;
            let tags = [(256, 960), (257, 960), (258, 8), (254, u32::from(image > 0)), (322, 16), (323, 16)];
            let mut entries: Vec<(u16, u32, u32)> = tags.into_iter().map(|(tag, value)| (tag, 1, value)).collect();
            entries.extend([(324, TILES, values), (325, TILES, values + 4 * TILES)]);
            file.extend(8u16.to_le_bytes());
            for (tag, count, value) in entries {
                file.extend(tag.to_le_bytes());
                file.extend(4u16.to_le_bytes());
                file.extend([count, value].map(u32::to_le_bytes).concat());
            }
            let next = if image < 19 { values + 8 * TILES } else { 0 };
            file.extend(next.to_le_bytes());
            file.extend([1_u32.to_le_bytes()].repeat(2 * TILES as usize).concat());
        }
        // The pixels of a large file.
        file.resize(8 << 20, 0);
        file
    }

    async fn levels_and_reads(promises: &[u8]) -> (usize, u64) {
        let source = Arc::new(MemorySource::new("memory", long_header(promises)));
        let cog = Cog::open(Arc::<MemorySource>::clone(&source)).await.expect("the header is right");
        (cog.levels.len(), source.meter().totals().0)
    }

    #[tokio::test]
    async fn a_long_header_whose_place_is_promised_is_read_in_a_few_steps() {
        let kept = b"GDAL_STRUCTURAL_METADATA_SIZE=000024 bytes\nLAYOUT=IFDS_BEFORE_DATA\n";
        assert_eq!(levels_and_reads(kept).await, (20, 6));
        let (levels, reads) = levels_and_reads(b"").await;
        assert_eq!(levels, 20);
        assert!(reads > 12, "{reads} reads without a promise");
    }
}
