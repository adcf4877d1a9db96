//! A compressed tile goes in, its samples come out; never awaits.

use super::codec::{decompress, most_decoded};
use super::predictor::{undo_byte_differences, undo_horizontal};
use super::samples::Source;
use super::tags::predictor;
use super::{CompressedTile, Error, Level, Result, Samples};
use std::cell::RefCell;

/// A buffer larger than this is not kept from tile to tile.
const KEPT_SCRATCH: usize = 8 << 20;

thread_local! {
    /// Decompressed bytes before they become samples.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Decodes the first band of one tile of a level. Strips at the lower edge have fewer rows, tiles never. A sparse tile,
/// which has no bytes, is filled with `nodata`, or with 0 where the file names none.
///
/// # Errors
/// [`Error::Tile`] where its bytes are damaged or do not fill it.
pub fn decode_tile(level: &Level, tile: &CompressedTile, nodata: Option<f64>) -> Result<Samples> {
    let mut samples = Samples::default();
    decode_tile_into(level, tile, nodata, &mut samples)?;
    Ok(samples)
}

/// As [`decode_tile`], into memory of an earlier tile: nothing is allocated where type and size are the same.
///
/// # Errors
/// [`Error::Tile`]; `samples` then hold anything.
pub fn decode_tile_into(
    level: &Level,
    tile: &CompressedTile,
    nodata: Option<f64>,
    samples: &mut Samples,
) -> Result<()> {
    decode(level, tile, nodata, std::slice::from_mut(samples))
}

/// All bands that a tile holds: one where each band has tiles of its own (see [`Level::tile_index`]), else all.
///
/// # Errors
/// [`Error::Tile`] where its bytes are damaged or do not fill it.
pub fn decode_bands(level: &Level, tile: &CompressedTile, nodata: Option<f64>) -> Result<Vec<Samples>> {
    let mut bands = vec![Samples::default(); level.stride()];
    decode(level, tile, nodata, &mut bands)?;
    Ok(bands)
}

/// Decodes the first bands of a tile.
fn decode(level: &Level, tile: &CompressedTile, nodata: Option<f64>, bands: &mut [Samples]) -> Result<()> {
    let (width, height) = (level.tiling.tile_width, level.rows(tile.index));
    let (row_bytes, is_sparse) = (level.row_bytes(), tile.bytes.is_empty());
    let most = most_decoded(level.compression, tile.bytes.len());
    if !is_sparse && row_bytes * height > most {
        let reason = format!("{} bytes cannot hold {} bytes", tile.bytes.len(), row_bytes * height);
        return Err(tile_error(level, tile, reason));
    }
    for samples in &mut *bands {
        samples.reshape(level.kind, width, height);
        if is_sparse {
            samples.fill(nodata.unwrap_or(0.0));
        }
    }
    if is_sparse {
        return Ok(());
    }
    if level.lies_as_in_memory() {
        let bytes = bands[0].bytes_mut();
        fill(level, &tile.bytes, bytes).map_err(|reason| tile_error(level, tile, reason))?;
        bytes.chunks_exact_mut(row_bytes).for_each(|row| undo_predictor(level, row));
        return Ok(());
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.resize(row_bytes * height, 0);
        let result = fill(level, &tile.bytes, scratch).map_err(|reason| tile_error(level, tile, reason));
        if result.is_ok() {
            for (row, bytes) in scratch.chunks_exact_mut(row_bytes).enumerate() {
                read_row(level, row, bytes, bands);
            }
        }
        if scratch.capacity() > KEPT_SCRATCH {
            *scratch = Vec::new();
        }
        result
    })
}

fn tile_error(level: &Level, tile: &CompressedTile, reason: String) -> Error {
    let offset = level.tiles.get(tile.index).map_or(0, |range| range.start);
    Error::Tile { index: tile.index, offset, reason }
}

fn fill(level: &Level, bytes: &[u8], output: &mut [u8]) -> std::result::Result<(), String> {
    if level.is_reversed {
        let reversed: Vec<u8> = bytes.iter().map(|byte| byte.reverse_bits()).collect();
        return decompress(level.compression, &reversed, output);
    }
    decompress(level.compression, bytes, output)
}

/// Undoes the predictor of a row; that of floating-point samples leaves their bytes plane by plane.
fn undo_predictor(level: &Level, row: &mut [u8]) {
    match level.predictor {
        predictor::HORIZONTAL => undo_horizontal(row, level.kind.bits() / 8, level.stride(), level.order),
        predictor::FLOATING_POINT => undo_byte_differences(row, level.stride()),
        _ => {}
    }
}

/// Undoes the predictor of a row while it is in the nearest cache, and takes the samples out of it.
fn read_row(level: &Level, row: usize, bytes: &mut [u8], bands: &mut [Samples]) {
    undo_predictor(level, bytes);
    let is_planes = level.predictor == predictor::FLOATING_POINT;
    for (band, samples) in bands.iter_mut().enumerate() {
        // The fill order says how bits lie in bytes, never how bytes lie in numbers.
        let source = Source { kind: level.kind, order: level.order, stride: level.stride(), band, is_planes };
        samples.read_row(row, bytes, &source);
    }
}
