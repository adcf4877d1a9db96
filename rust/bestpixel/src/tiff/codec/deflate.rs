//! DEFLATE in a zlib wrapper (compression 8 and 32946) through libdeflate.

use super::super::limits::MAX_TILE_BYTES;
use super::super::tags::compression;
use super::{Outcome, most_decoded, short};
use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};
use std::cell::RefCell;

/// What libdeflate has to say about a stream or checksum that is wrong.
const DAMAGED: &str = "DEFLATE: the stream is damaged";

thread_local! {
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    /// The last one that was used, with its level.
    static COMPRESSOR: RefCell<Option<(u8, Compressor)>> = const { RefCell::new(None) };
}

/// Inflates `input` so that it fills `output`; the reason where it does not.
pub(crate) fn inflate(input: &[u8], output: &mut [u8]) -> Outcome {
    let result = DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.zlib_decompress(input, output));
    match result {
        Ok(written) if written == output.len() => Ok(()),
        Ok(written) => Err(short("DEFLATE", written, output.len())),
        Err(DecompressionError::InsufficientSpace) => inflate_longer(input, output),
        Err(DecompressionError::BadData) => Err(DAMAGED.to_owned()),
    }
}

/// The stream holds more than is wanted. libdeflate knows no partial output: inflate all of it and keep the beginning.
fn inflate_longer(input: &[u8], output: &mut [u8]) -> Outcome {
    let most = most_decoded(compression::DEFLATE, input.len()).min(MAX_TILE_BYTES as usize);
    let mut size = output.len().max(512);
    while size < most {
        size = size.saturating_mul(2).min(most);
        let mut buffer = vec![0; size];
        match DECOMPRESSOR.with_borrow_mut(|decompressor| decompressor.zlib_decompress(input, &mut buffer)) {
            Ok(_) => {
                output.copy_from_slice(&buffer[..output.len()]);
                return Ok(());
            }
            Err(DecompressionError::InsufficientSpace) => {}
            Err(DecompressionError::BadData) => return Err(DAMAGED.to_owned()),
        }
    }
    Err("DEFLATE: far more bytes than the tile has".to_owned())
}

/// Deflates `input` at a level of 1..=12.
pub(crate) fn deflate(input: &[u8], level: u8) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|kept| {
        let new = || (level, Compressor::new(CompressionLvl::new(i32::from(level)).unwrap_or_default()));
        let (_, compressor) = match kept.take() {
            Some(same) if same.0 == level => kept.insert(same),
            _ => kept.insert(new()),
        };
        let mut output = vec![0; compressor.zlib_compress_bound(input.len())];
        // The buffer has the bound's size, so that there is always space.
        let written = compressor.zlib_compress(input, &mut output).unwrap_or(0);
        output.truncate(written);
        output
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_stream_gives_its_beginning_and_a_shorter_one_an_error() {
        let bytes: Vec<u8> = (0..2000u32).map(|i| (i * i % 251) as u8).collect();
        let stream = deflate(&bytes, 6);
        let mut output = vec![0; 700];
        assert_eq!(inflate(&stream, &mut output), Ok(()));
        assert_eq!(output, bytes[..700]);
        assert_eq!(inflate(&stream, &mut [0; 2001]), Err("DEFLATE: 2000 bytes where 2001 are needed".to_owned()));
        assert!(inflate(&stream[..40], &mut output).is_err());
    }
}
