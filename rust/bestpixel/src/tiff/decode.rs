//! A compressed tile goes in, its samples come out; never awaits.

use super::codec::deflate;
use super::predictor::integrate;
use super::tags::{compression, predictor};
use super::{CompressedTile, Error, Level, Result};
use crate::raster::{Array, Tiling};
use std::cell::RefCell;

/// The samples of a tile, in the type that the file has.
#[derive(Debug, Clone, PartialEq)]
pub enum Samples {
    /// 1 to 8 bits, unsigned.
    U8(Array<u8>),
    /// 9 to 16 bits, unsigned.
    U16(Array<u16>),
    /// 16 bits, signed.
    I16(Array<i16>),
}

thread_local! {
    /// Inflated bytes before they become samples.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Decodes one tile of a level. Strips at the lower edge have fewer rows, tiles never. A sparse tile, which has no
/// bytes, is filled with `nodata`, or with 0 where the file names none.
///
/// # Errors
/// [`Error::Tile`] where its bytes are damaged or do not fill it.
pub fn decode_tile(level: &Level, tile: &CompressedTile, nodata: Option<f64>) -> Result<Samples> {
    let Tiling { tile_width: width, tile_height, .. } = level.tiling;
    let height = if level.is_striped { level.tiling.window(tile.index).height } else { tile_height };
    if tile.bytes.is_empty() {
        return Ok(sparse(level, width, height, nodata.unwrap_or(0.0)));
    }
    let row_bytes = (width * usize::from(level.bits)).div_ceil(8);
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.resize(row_bytes * height, 0);
        decompress(level.compression, &tile.bytes, scratch).map_err(|reason| Error::Tile {
            index: tile.index,
            offset: level.tiles.get(tile.index).map_or(0, |range| range.start),
            reason,
        })?;
        Ok(unpack(level, scratch, width, height, row_bytes))
    })
}

fn decompress(code: u16, input: &[u8], output: &mut [u8]) -> std::result::Result<(), String> {
    match code {
        compression::NONE => {
            let wanted = output.len();
            let bytes =
                input.get(..wanted).ok_or_else(|| format!("{} bytes where {wanted} are needed", input.len()))?;
            output.copy_from_slice(bytes);
            Ok(())
        }
        // `check_supported` lets nothing else through.
        _ => deflate::inflate(input, output),
    }
}

/// Bytes -> samples: byte order, packing, predictor.
fn unpack(level: &Level, bytes: &[u8], width: usize, height: usize, row_bytes: usize) -> Samples {
    let has_predictor = level.predictor == predictor::HORIZONTAL;
    if level.bits == 8 {
        let mut values = bytes.to_vec();
        if has_predictor {
            integrate(&mut values, width);
        }
        return Samples::U8(Array::from_vec(width, height, values));
    }
    let values = if level.bits == 16 {
        let (pairs, _) = bytes.as_chunks::<2>();
        let mut values: Vec<u16> = pairs.iter().map(|&pair| level.order.u16(pair)).collect();
        if has_predictor {
            integrate(&mut values, width);
        }
        values
    } else {
        bytes.chunks_exact(row_bytes).flat_map(|row| unpack_row(row, width, level.bits)).collect()
    };
    let values = Array::from_vec(width, height, values);
    match (level.bits, level.is_signed) {
        (..8, _) => Samples::U8(values.map(|v| v as u8)),
        (_, true) => Samples::I16(values.map(|v| v as i16)),
        _ => Samples::U16(values),
    }
}

/// A row of samples of 1..16 bits, most significant bit first; rows start at a byte.
fn unpack_row(row: &[u8], width: usize, bits: u16) -> impl Iterator<Item = u16> {
    let bits = usize::from(bits);
    (0..width).map(move |i| {
        let start = i * bits;
        let mut window = 0u32;
        for k in 0..3 {
            window = window << 8 | u32::from(row.get(start / 8 + k).copied().unwrap_or(0));
        }
        (window >> (24 - start % 8 - bits) & ((1 << bits) - 1)) as u16
    })
}

fn sparse(level: &Level, width: usize, height: usize, nodata: f64) -> Samples {
    match (level.bits, level.is_signed) {
        (..=8, _) => Samples::U8(Array::filled(width, height, nodata as u8)),
        (_, true) => Samples::I16(Array::filled(width, height, nodata as i16)),
        _ => Samples::U16(Array::filled(width, height, nodata as u16)),
    }
}
