//! Quality values go in, scores come out: 0 clear, 1 marginal, 2 dark, [`UNUSABLE`] and [`NODATA`] (rule W4).
//!
//! The larger a score, the worse: of several layers the worst is the maximum.

/// The score of a clear pixel.
pub const CLEAR: u8 = 0;

/// The score of a pixel that needs care: unclassified, beside a cloud, snow, much aerosol, a lesser retrieval.
const MARGINAL: u8 = 1;

/// The score of a pixel in shadow.
const DARK: u8 = 2;

/// The score of a pixel that has been observed but cannot be used: cloud, defective.
pub const UNUSABLE: u8 = 254;

/// The score of a pixel that has not been observed; where only use counts, of [`UNUSABLE`] ones too.
pub const NODATA: u8 = 255;

/// What the values of a quality layer mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityKind {
    /// The scene classification of Sentinel-2 L2A.
    Scl,
    /// The bits of HLS v2.
    Fmask,
    /// The mandatory quality of one MCD43A4 band.
    Mcd43Qa,
    /// The bits of Landsat collection 2, `QA_PIXEL`.
    LandsatQa,
}

/// Scores by SCL class: vegetation, bare, water and snow are clear; unclassified is marginal; dark area and cloud shadow
/// are dark; no data is missing; defective, clouds and cirrus are unusable.
const SCL_SCORES: [u8; 12] =
    [NODATA, UNUSABLE, DARK, DARK, CLEAR, CLEAR, CLEAR, MARGINAL, UNUSABLE, UNUSABLE, UNUSABLE, CLEAR];

impl QualityKind {
    /// The value that means "not observed".
    pub fn missing(self) -> u16 {
        match self {
            Self::Scl => 0,
            Self::Fmask | Self::Mcd43Qa => 255,
            Self::LandsatQa => 1,
        }
    }

    /// The score of a value.
    #[inline]
    pub fn score(self, value: u16) -> u8 {
        match self {
            Self::Scl => SCL_SCORES.get(usize::from(value)).copied().unwrap_or(UNUSABLE),
            Self::Fmask => fmask(value),
            Self::Mcd43Qa => match value {
                0 => CLEAR,
                1 => MARGINAL,
                255 => NODATA,
                _ => UNUSABLE,
            },
            Self::LandsatQa => landsat(value),
        }
    }
}

/// Whether any of some bits is set.
fn has(value: u16, bits: u16) -> bool {
    value & bits != 0
}

/// HLS v2 user guide: bit 0 cirrus (unused in v2.0), 1 cloud, 2 beside cloud or shadow, 3 shadow, 4 snow, 5 water,
/// 6 and 7 aerosol, 3 of them high. Fill (255) has all bits set and is tested first.
fn fmask(value: u16) -> u8 {
    const AEROSOL: u16 = 0b1100_0000;
    match value {
        255 => NODATA,
        _ if has(value, 0b10) => UNUSABLE,
        _ if has(value, 0b1001) => DARK,
        _ if has(value, 0b1_0100) || value & AEROSOL == AEROSOL => MARGINAL,
        _ => CLEAR,
    }
}

/// Landsat collection 2: bit 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 shadow, 5 snow, 6 clear, 7 water. Weighed as
/// Fmask is.
fn landsat(value: u16) -> u8 {
    match value {
        _ if has(value, 0b1) => NODATA,
        _ if has(value, 0b1000) => UNUSABLE,
        _ if has(value, 0b1_0100) => DARK,
        _ if has(value, 0b10_0010) => MARGINAL,
        _ => CLEAR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scl() {
        let scores: Vec<u8> = (0..14).map(|value| QualityKind::Scl.score(value)).collect();
        assert_eq!(scores, [255, 254, 2, 2, 0, 0, 0, 1, 254, 254, 254, 0, 254, 254]);
    }

    #[test]
    fn fmask_bits() {
        let score = |value| QualityKind::Fmask.score(value);
        assert_eq!([255, 0b10, 0b1010, 0b1000, 0b1].map(score), [NODATA, UNUSABLE, UNUSABLE, DARK, DARK]);
        assert_eq!([0b100, 0b1_0000, 0b1100_0000, 0b1000_0000, 0b10_0000, 64].map(score), [1, 1, 1, 0, 0, 0]);
        assert_eq!(score(0b1101_1000), DARK);
    }

    #[test]
    fn modis_and_landsat() {
        assert_eq!([0, 1, 2, 255].map(|value| QualityKind::Mcd43Qa.score(value)), [CLEAR, MARGINAL, UNUSABLE, NODATA]);
        // Values of real files: fill, clear, water, cloud, shadow, snow, dilated cloud with much of nothing else.
        let values = [1, 21824, 21952, 22280, 23888, 30048, 21826];
        assert_eq!(values.map(|value| QualityKind::LandsatQa.score(value)), [NODATA, 0, 0, UNUSABLE, DARK, 1, 1]);
    }

    #[test]
    fn what_is_missing_scores_so() {
        for kind in [QualityKind::Scl, QualityKind::Fmask, QualityKind::Mcd43Qa, QualityKind::LandsatQa] {
            assert_eq!(kind.score(kind.missing()), NODATA, "{kind:?}");
        }
    }
}
