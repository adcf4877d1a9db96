//! An item goes in, the offset that its reflectance still carries comes out (rule I4).
//!
//! Since processing baseline 04.00 ESA adds 1000 to every reflectance; some providers take it out again. It is decided by
//! the provider's flag and the baseline, never by the sensing date alone. Source: Element84/earth-search#9.

use crate::stac::Item;

/// What ESA adds to reflectance since baseline 04.00.
pub(crate) const BOA_OFFSET: u16 = 1000;

/// The first baseline with the offset, and the day on which ESA took it up.
const FIRST_BASELINE: f64 = 4.0;
const FIRST_DAY: &str = "2022-01-25";

/// How a collection tells whether the offset is still in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetRule {
    /// There never is one.
    None,
    /// Element84's first collection: `earthsearch:boa_offset_applied` says that it has been taken out;
    /// `raster:bands[].offset` is wrong there.
    AppliedFlag,
    /// Pixels are as ESA made them: the baseline decides, the sensing date only where the item has no baseline
    /// (microsoft/PlanetaryComputer#134).
    Baseline,
}

impl OffsetRule {
    /// What is to be subtracted from the item's reflectance: 1000 or 0.
    pub fn offset(self, item: &Item) -> u16 {
        let baseline = item.number("s2:processing_baseline");
        let carries = match self {
            Self::None => false,
            Self::AppliedFlag => {
                item.flag("earthsearch:boa_offset_applied") != Some(true) && baseline.unwrap_or(0.0) >= FIRST_BASELINE
            }
            Self::Baseline => baseline.map_or_else(
                || item.datetime().is_some_and(|time| time >= FIRST_DAY),
                |number| number >= FIRST_BASELINE,
            ),
        };
        if carries { BOA_OFFSET } else { 0 }
    }
}
