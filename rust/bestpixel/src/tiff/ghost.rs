//! The first bytes of a file go in, and what its writer promises about the rest comes out.
//!
//! GDAL puts a few lines of text between a COG's header and its first directory, its "ghost area". We use one promise:
//! that all directories stand together before the pixels. Leaders and trailers of tiles say what the directories say too.
//! A writer that breaks the promises is to say so in the same place. Source: GDAL's documentation of the COG driver.

use super::byte_order::HeaderBytes;

const NAME: &[u8] = b"GDAL_STRUCTURAL_METADATA_SIZE=";

/// Digits, unit and line feed behind the name.
const SIZE_BYTES: u64 = 13;

/// Whether the directories stand together before the pixels, and nobody has moved one since.
pub(crate) fn directories_come_first(header: &HeaderBytes) -> bool {
    let lines = lines(header).unwrap_or_default();
    let has = |line: &[u8]| lines.split(|&byte| byte == b'\n').any(|found| found == line);
    has(b"LAYOUT=IFDS_BEFORE_DATA") && !has(b"KNOWN_INCOMPATIBLE_EDITION=YES")
}

/// The promises, one a line; None where there are none.
fn lines(header: &HeaderBytes) -> Option<&[u8]> {
    // Behind the header of a classic TIFF, or of a BigTIFF.
    [8, 16].into_iter().find_map(|start| {
        let text = start + NAME.len() as u64;
        header.get(start..text).ok().filter(|name| *name == NAME)?;
        let digits = header.get(text..text + 6).ok()?;
        let size: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        header.get(text + SIZE_BYTES..text + SIZE_BYTES + size).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    const PROMISES: &str = "GDAL_STRUCTURAL_METADATA_SIZE=000076 bytes\n\
        BLOCK_ORDER=ROW_MAJOR\nLAYOUT=IFDS_BEFORE_DATA\nKNOWN_INCOMPATIBLE_ED";

    fn is_promised(start: usize, text: &str) -> bool {
        let mut bytes = vec![0; start];
        bytes.extend(text.bytes());
        let mut header = HeaderBytes::default();
        header.add(&(0..bytes.len() as u64), Bytes::from(bytes));
        directories_come_first(&header)
    }

    #[test]
    fn promises_hold_unless_they_are_taken_back() {
        let kept = format!("{PROMISES}ITION=NO\n ");
        assert!(is_promised(8, &kept) && is_promised(16, &kept));
        assert!(!is_promised(8, &format!("{PROMISES}ITION=YES\n").replace("000076", "000077")));
        assert!(!is_promised(8, &kept.replace("LAYOUT=IFDS", "LAYOUT=DATA")));
        assert!(!is_promised(9, &kept) && !is_promised(8, &kept.replace("000076", "999999")) && !is_promised(8, "II"));
    }
}
