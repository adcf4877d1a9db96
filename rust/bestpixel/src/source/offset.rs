//! An item goes in, the offset that its reflectance still carries comes out (rule I4).
//!
//! Since processing baseline 04.00 ESA adds 1000 to every reflectance; some providers take it out again. It is decided by
//! the provider's flag and the baseline, never by the sensing date alone; where those two contradict each other, by the
//! pixels. Source: Element84/earth-search#9, #66, #71.

use crate::stac::Item;

/// What ESA adds to reflectance since baseline 04.00.
pub(crate) const BOA_OFFSET: u16 = 1000;

/// The first baseline with the offset, and the day on which ESA took it up.
const FIRST_BASELINE: f64 = 4.0;
const FIRST_DAY: &str = "2022-01-25";

/// Visible bands at Element84, the one with the darkest land first.
const VISIBLE: [&str; 3] = ["blue", "green", "red"];

/// Pixels that carry the offset lie above this, but for noise.
const DARK: u16 = 900;

/// The share of dark pixels from which on the offset must be out. Of scenes without it 28 to 98 % are dark, also under
/// clouds, of a desert 0.7 %; of scenes that carry it less than 0.2 %.
const DARK_SHARE: f64 = 0.005;

/// How a collection tells whether the offset is still in its pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetRule {
    /// There never is one.
    None,
    /// Element84's first collection: `earthsearch:boa_offset_applied` says that it has been taken out;
    /// `raster:bands[].offset` is wrong there. That it has not been taken out of a new baseline is often untrue:
    /// the pixels decide.
    AppliedFlag,
    /// Pixels are as ESA made them: the baseline decides, the sensing date only where the item has no baseline
    /// (microsoft/PlanetaryComputer#134).
    Baseline,
}

impl OffsetRule {
    /// What is to be subtracted from the item's reflectance by what the item says: 1000 or 0.
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

    /// The asset whose pixels are to be asked whether the offset is really still in them; None where the item can be
    /// believed.
    pub(crate) fn witness(self, item: &Item) -> Option<&'static str> {
        let is_doubtful = self == Self::AppliedFlag && self.offset(item) != 0;
        VISIBLE.into_iter().find(|key| is_doubtful && item.assets.contains_key(*key))
    }
}

/// Whether samples of a visible band tell that the offset has been taken out; 0 is missing.
pub(crate) fn is_taken_out(samples: impl Iterator<Item = u16>) -> bool {
    let (mut valid, mut dark) = (0u64, 0u64);
    for sample in samples.filter(|&sample| sample != 0) {
        valid += 1;
        dark += u64::from(sample < DARK);
    }
    dark as f64 > DARK_SHARE * valid as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(flag: Option<bool>, baseline: &str) -> (u16, Option<&'static str>) {
        let properties = json!({"earthsearch:boa_offset_applied": flag, "s2:processing_baseline": baseline});
        let assets = json!({"red": {"href": "r.tif"}, "blue": {"href": "b.tif"}});
        let item = serde_json::from_value(json!({"id": "a", "properties": properties, "assets": assets})).unwrap();
        (OffsetRule::AppliedFlag.offset(&item), OffsetRule::AppliedFlag.witness(&item))
    }

    #[test]
    fn only_a_new_baseline_without_the_flag_is_doubtful() {
        for (flag, baseline) in [(Some(true), "05.09"), (Some(true), "02.14"), (Some(false), "03.01"), (None, "02.14")]
        {
            assert_eq!(told(flag, baseline), (0, None), "{flag:?} {baseline}");
        }
        for flag in [Some(false), None] {
            assert_eq!(told(flag, "04.00"), (1000, Some("blue")), "{flag:?}");
        }
    }

    #[test]
    fn dark_pixels_tell() {
        let scene = |dark: usize, bright: usize| {
            [0].repeat(5000).into_iter().chain([899].repeat(dark)).chain([900].repeat(bright))
        };
        assert!(is_taken_out(scene(6, 994)) && !is_taken_out(scene(5, 995)));
        assert!(!is_taken_out(scene(0, 0)));
    }
}
