//! Bytes of a header and their order go in, numbers come out; bytes not at hand are asked for.

use super::{Error, Result};
use bytes::Bytes;
use std::ops::Range;

/// The order of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

impl ByteOrder {
    /// An unsigned number of 1, 2, 4 or 8 bytes.
    pub(crate) fn unsigned(self, bytes: &[u8]) -> u64 {
        let fold = |acc: u64, &byte: &u8| (acc << 8) | u64::from(byte);
        match self {
            Self::Little => bytes.iter().rev().fold(0, fold),
            Self::Big => bytes.iter().fold(0, fold),
        }
    }

    /// A double.
    pub(crate) fn double(self, bytes: &[u8]) -> f64 {
        f64::from_bits(self.unsigned(bytes))
    }

    /// Writes an unsigned number over 1, 2, 4 or 8 bytes; what does not fit into them is cut off.
    pub(crate) fn put_unsigned(self, value: u64, bytes: &mut [u8]) {
        let little = value.to_le_bytes();
        for (i, byte) in little.iter().take(bytes.len()).enumerate() {
            let at = if self == Self::Little { i } else { bytes.len() - 1 - i };
            bytes[at] = *byte;
        }
    }
}

/// The parts of a file that have been read so far.
#[derive(Debug, Default)]
pub(crate) struct HeaderBytes {
    parts: Vec<(u64, Bytes)>,
    /// The file ends here, where a read has come back short.
    end: Option<u64>,
}

impl HeaderBytes {
    /// Keeps what a read of `asked` has given.
    pub(crate) fn add(&mut self, asked: &Range<u64>, bytes: Bytes) {
        if (bytes.len() as u64) < asked.end - asked.start {
            // A read that starts beyond the end comes back empty and says nothing about where the end is.
            let end = asked.start + bytes.len() as u64;
            self.end = Some(self.end.map_or(end, |known| known.min(end)));
        }
        self.parts.push((asked.start, bytes));
    }

    /// How many bytes are kept.
    pub(crate) fn len(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes.len() as u64).sum()
    }

    /// The bytes of `range`.
    ///
    /// # Errors
    /// [`Error::NeedBytes`] where they have not been read, [`Error::Format`] where the file ends before them.
    pub(crate) fn get(&self, range: Range<u64>) -> Result<&[u8]> {
        if range.start > range.end || self.end.is_some_and(|end| range.end > end) {
            return Err(Error::format(range.start, format!("the file ends before byte {}", range.end)));
        }
        for (start, bytes) in &self.parts {
            if *start <= range.start && range.end <= start + bytes.len() as u64 {
                return Ok(&bytes[(range.start - start) as usize..(range.end - start) as usize]);
            }
        }
        Err(Error::NeedBytes(range))
    }
}
