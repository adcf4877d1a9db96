//! Header bytes go in, the chain of image file directories comes out, each entry checked and typed.

use super::byte_order::{ByteOrder, HeaderBytes};
use super::error::Tolerate;
use super::limits;
use super::tags::{field, tag};
use super::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;

/// What the first bytes of a TIFF say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) order: ByteOrder,
    pub(crate) is_big: bool,
}

/// One entry: its type, how many values it has and where they stand in the file.
#[derive(Debug, Clone)]
struct Entry {
    field_type: u16,
    count: u64,
    values: Range<u64>,
}

/// One directory.
#[derive(Debug)]
pub(crate) struct Ifd<'a> {
    header: &'a HeaderBytes,
    order: ByteOrder,
    /// Where it starts in the file.
    pub(crate) offset: u64,
    entries: BTreeMap<u16, Entry>,
}

/// All directories: the main chain in file order, then those below its first one; and the layout of the file.
///
/// A fault behind the first directory ends the chain there: the full image can be read without its overviews.
///
/// # Errors
/// [`Error::NeedBytes`] where a part has not been read yet; [`Error::Format`] and [`Error::Limit`] as they apply to the
/// first directory.
pub(crate) fn read_chain(header: &HeaderBytes) -> Result<(Layout, Vec<Ifd<'_>>)> {
    let (layout, first) = read_layout(header)?;
    if first == 0 {
        return Err(Error::format(4, "there is no image"));
    }
    let (main, mut next) = read_ifd(header, layout, first)?;
    let mut ifds = vec![main];
    let is_new = |ifds: &[Ifd<'_>], offset| {
        offset != 0 && (ifds.len() as u64) < limits::MAX_IFDS && ifds.iter().all(|ifd| ifd.offset != offset)
    };
    while is_new(&ifds, next) {
        let Some((ifd, after)) = read_ifd(header, layout, next).tolerate()? else { break };
        ifds.push(ifd);
        next = after;
    }
    for offset in ifds[0].unsigned_values(tag::SUB_IFDS).tolerate()?.unwrap_or_default() {
        if is_new(&ifds, offset)
            && let Some((ifd, _)) = read_ifd(header, layout, offset).tolerate()?
        {
            ifds.push(ifd);
        }
    }
    Ok((layout, ifds))
}

/// Byte order, variant and the offset of the first directory.
fn read_layout(header: &HeaderBytes) -> Result<(Layout, u64)> {
    let magic = header.get(0..4)?;
    let order = match &magic[..2] {
        b"II" => ByteOrder::Little,
        b"MM" => ByteOrder::Big,
        _ => return Err(Error::format(0, "it starts with neither II nor MM")),
    };
    match order.unsigned(&magic[2..4]) {
        42 => Ok((Layout { order, is_big: false }, order.unsigned(header.get(4..8)?))),
        43 if order.unsigned(header.get(4..6)?) == 8 => {
            Ok((Layout { order, is_big: true }, order.unsigned(header.get(8..16)?)))
        }
        43 => Err(Error::format(4, "a BigTIFF's offsets must have 8 bytes")),
        version => Err(Error::format(2, format!("version {version} is neither 42 nor 43"))),
    }
}

/// The directory at `offset` and the offset of the next.
fn read_ifd(header: &HeaderBytes, layout: Layout, offset: u64) -> Result<(Ifd<'_>, u64)> {
    let order = layout.order;
    let (count_size, entry_size, word) = if layout.is_big { (8, 20, 8) } else { (2, 12, 4) };
    let range = |start: u64, length: u64| -> Result<Range<u64>> {
        let end = start.checked_add(length).ok_or_else(|| Error::format(start, "an offset beyond 2^64"))?;
        Ok(start..end)
    };
    let count = order.unsigned(header.get(range(offset, count_size)?)?);
    limits::check(offset, "number of entries", count, limits::MAX_ENTRIES)?;
    let body = range(offset + count_size, count * entry_size + word)?;
    let bytes = header.get(body.clone())?;
    let mut entries = BTreeMap::new();
    for (i, entry) in bytes[..(count * entry_size) as usize].chunks_exact(entry_size as usize).enumerate() {
        let at = body.start + i as u64 * entry_size;
        let field_type = order.unsigned(&entry[2..4]) as u16;
        // Unknown field types are to be skipped, says the specification.
        let Some(size) = field::size(field_type) else { continue };
        let count = order.unsigned(&entry[4..4 + word as usize]);
        let length = count.checked_mul(size).ok_or_else(|| Error::format(at, "an entry longer than 2^64 bytes"))?;
        let inline = at + 4 + word;
        let start = if length <= word { inline } else { order.unsigned(&entry[(4 + word) as usize..]) };
        let tag = order.unsigned(&entry[..2]) as u16;
        entries.entry(tag).or_insert(Entry { field_type, count, values: range(start, length)? });
    }
    let next = order.unsigned(&bytes[(count * entry_size) as usize..]);
    Ok((Ifd { header, order, offset, entries }, next))
}

impl<'a> Ifd<'a> {
    /// The raw bytes of a tag's values with its type.
    fn bytes(&self, tag: u16) -> Result<Option<(u16, &'a [u8])>> {
        let Some(entry) = self.entries.get(&tag) else { return Ok(None) };
        let length = entry.values.end - entry.values.start;
        limits::check(entry.values.start, "size of an entry's values", length, limits::MAX_VALUE_BYTES)?;
        Ok(Some((entry.field_type, self.header.get(entry.values.clone())?)))
    }

    /// Whether the directory has a tag.
    pub(crate) fn has(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }

    /// All values of an unsigned integer tag; empty where it is absent.
    pub(crate) fn unsigned_values(&self, tag: u16) -> Result<Vec<u64>> {
        let Some((field_type, bytes)) = self.bytes(tag)? else { return Ok(Vec::new()) };
        let size = match field_type {
            field::BYTE => 1,
            field::SHORT => 2,
            field::LONG | field::IFD => 4,
            field::LONG8 | field::IFD8 => 8,
            _ => return Err(self.wrong_type(tag, field_type)),
        };
        Ok(bytes.chunks_exact(size).map(|value| self.order.unsigned(value)).collect())
    }

    /// The first value of an unsigned integer tag, or None where it is absent.
    pub(crate) fn unsigned(&self, tag: u16) -> Result<Option<u64>> {
        // Only the first value is read: a lie about the count costs nothing.
        let Some(entry) = self.entries.get(&tag) else { return Ok(None) };
        if entry.count == 0 {
            return Err(Error::format(entry.values.start, format!("tag {tag} has no value")));
        }
        let size = field::size(entry.field_type).unwrap_or(1);
        match entry.field_type {
            field::BYTE | field::SHORT | field::LONG | field::LONG8 | field::IFD | field::IFD8 => {
                let end = entry.values.start.saturating_add(size);
                let bytes = self.header.get(entry.values.start..end)?;
                Ok(Some(self.order.unsigned(bytes)))
            }
            other => Err(self.wrong_type(tag, other)),
        }
    }

    /// The first value of a tag that the format needs.
    pub(crate) fn required(&self, tag: u16, name: &str) -> Result<u64> {
        self.unsigned(tag)?.ok_or_else(|| Error::format(self.offset, format!("the directory has no {name}")))
    }

    /// All values of a DOUBLE tag; empty where it is absent.
    pub(crate) fn doubles(&self, tag: u16) -> Result<Vec<f64>> {
        match self.bytes(tag)? {
            None => Ok(Vec::new()),
            Some((field::DOUBLE, bytes)) => Ok(bytes.chunks_exact(8).map(|value| self.order.double(value)).collect()),
            Some((other, _)) => Err(self.wrong_type(tag, other)),
        }
    }

    /// The text of an ASCII tag up to its first NUL; None where it is absent.
    pub(crate) fn text(&self, tag: u16) -> Result<Option<String>> {
        match self.bytes(tag)? {
            None => Ok(None),
            Some((field::ASCII | field::BYTE | field::UNDEFINED, bytes)) => {
                let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
                Ok(Some(String::from_utf8_lossy(text).into_owned()))
            }
            Some((other, _)) => Err(self.wrong_type(tag, other)),
        }
    }

    fn wrong_type(&self, tag: u16, field_type: u16) -> Error {
        Error::format(self.offset, format!("tag {tag} has the unexpected field type {field_type}"))
    }
}
