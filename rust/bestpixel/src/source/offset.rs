//! An item goes in, the offset that its reflectance still carries comes out (rule I4).
//!
//! Since processing baseline 04.00 ESA adds 1000 to every reflectance; some providers take it out again. It is decided by
//! the provider's flag and the baseline, never by the sensing date alone. Source: Element84/earth-search#9.

use crate::stac::Item;

/// What ESA adds to reflectance since baseline 04.00.
pub(crate) const BOA_OFFSET: u16 = 1000;

/// How a collection tells whether the offset is still in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetRule {
    /// Element84's first collection: `earthsearch:boa_offset_applied` says that it has been taken out;
    /// `raster:bands[].offset` is wrong there.
    AppliedFlag,
}

impl OffsetRule {
    /// What is to be subtracted from the item's reflectance: 1000 or 0.
    pub fn offset(self, item: &Item) -> u16 {
        let baseline = item.number("s2:processing_baseline").unwrap_or(0.0);
        match self {
            Self::AppliedFlag if item.flag("earthsearch:boa_offset_applied") == Some(true) => 0,
            Self::AppliedFlag => {
                if baseline >= 4.0 {
                    BOA_OFFSET
                } else {
                    0
                }
            }
        }
    }
}
