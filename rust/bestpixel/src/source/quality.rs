//! Quality values go in, scores come out: 0 clear, 1 marginal, 2 dark, [`NODATA`] for nothing usable (rule W4).

/// The score of a clear pixel.
pub const CLEAR: u8 = 0;

/// The score of a pixel that cannot be used: missing, cloud, defective.
pub const NODATA: u8 = 255;

/// What the values of a quality layer mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualityKind {
    /// The scene classification of Sentinel-2 L2A.
    Scl,
}

/// Scores by SCL class: vegetation, bare, water and snow are clear; unclassified is marginal; dark area and cloud shadow
/// are dark; no data, defective, clouds and cirrus are unusable.
const SCL_SCORES: [u8; 12] = [NODATA, NODATA, 2, 2, CLEAR, CLEAR, CLEAR, 1, NODATA, NODATA, NODATA, CLEAR];

impl QualityKind {
    /// The value that means "not observed".
    pub fn missing(self) -> u8 {
        match self {
            Self::Scl => 0,
        }
    }

    /// The score of a value.
    #[inline]
    pub fn score(self, value: u8) -> u8 {
        match self {
            Self::Scl => SCL_SCORES.get(usize::from(value)).copied().unwrap_or(NODATA),
        }
    }
}
