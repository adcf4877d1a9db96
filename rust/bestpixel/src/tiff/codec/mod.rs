//! Compressed bytes go in, a buffer of known size is filled, and the other way round: one codec a file.

mod deflate;
mod lzw;
mod pack_bits;
mod zstd;

use super::tags::compression;
use super::write::Compression;

/// Why a buffer was not filled.
pub(crate) type Outcome = Result<(), String>;

/// Whether a compression is one of ours.
pub(crate) fn is_known(code: u16) -> bool {
    has_predictor(code) || matches!(code, compression::NONE | compression::PACK_BITS)
}

/// Whether writers apply a predictor before this compression; elsewhere its tag means nothing, as in libtiff.
pub(crate) fn has_predictor(code: u16) -> bool {
    matches!(code, compression::LZW | compression::DEFLATE | compression::DEFLATE_OLD | compression::ZSTD)
}

/// Compresses the bytes of a tile.
///
/// # Errors
/// Where there is no memory for it.
pub(crate) fn compress(compression: Compression, input: &[u8]) -> std::io::Result<Vec<u8>> {
    match compression {
        Compression::Deflate { level } => Ok(deflate::deflate(input, level)),
        Compression::Zstd { level } => zstd::compress(input, level),
    }
}

/// At most how many bytes `length` compressed bytes can become. It keeps a small file that claims a large tile from
/// making us allocate one.
pub(crate) fn most_decoded(code: u16, length: usize) -> usize {
    let (ratio, slack) = match code {
        compression::NONE => (1, 0),
        // A run of 128 bytes takes two.
        compression::PACK_BITS => (64, 0),
        // A match of 258 bytes takes two bits.
        compression::DEFLATE | compression::DEFLATE_OLD => (1032, 0),
        // A code of 9 to 12 bits stands for at most 4096 bytes.
        compression::LZW => (4096, 0),
        // A block of 128 KiB that repeats one byte takes four bytes.
        _ => (32 << 10, 128 << 10),
    };
    length.saturating_mul(ratio).saturating_add(slack)
}

/// Fills `output` with what `input` decompresses to. Bytes beyond it are of no interest: some writers pad the last strip.
pub(crate) fn decompress(code: u16, input: &[u8], output: &mut [u8]) -> Outcome {
    match code {
        compression::NONE => copy(input, output),
        compression::DEFLATE | compression::DEFLATE_OLD => deflate::inflate(input, output),
        compression::LZW => lzw::decompress(input, output),
        compression::PACK_BITS => pack_bits::decompress(input, output),
        compression::ZSTD => zstd::decompress(input, output),
        _ => Err(format!("compression {code} is unknown")),
    }
}

fn copy(input: &[u8], output: &mut [u8]) -> Outcome {
    let bytes = input.get(..output.len()).ok_or_else(|| short("no compression", input.len(), output.len()))?;
    output.copy_from_slice(bytes);
    Ok(())
}

/// What to say where a stream ends too early.
fn short(codec: &str, found: usize, wanted: usize) -> String {
    format!("{codec}: {found} bytes where {wanted} are needed")
}
