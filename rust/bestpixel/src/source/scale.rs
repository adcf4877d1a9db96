//! Samples as a file has them go in, DN (reflectance x 10000) come out, with one value for what is missing (rules V1, V3).

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use crate::raster::{Kernel, VectorLevel};

/// The DN of what is missing: no valid sample becomes 0, the least is 1.
pub const MISSING_DN: u16 = 0;

/// The largest DN; above it lies the output's nodata.
const LARGEST_DN: u16 = 65534;

/// `DN = sample * factor + addend`, unless the sample is `fill`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The sample of missing pixels.
    pub fill: i32,
    /// DN per unit of the samples.
    pub factor: f64,
    /// DN of sample 0.
    pub addend: f64,
}

impl Scale {
    /// Samples that are DN already.
    pub const fn dn(fill: i32) -> Self {
        Self { fill, factor: 1.0, addend: 0.0 }
    }

    /// The DN of a sample, less `offset`: whole numbers in 1..=65534, halves rounded up; [`MISSING_DN`] for fill. A
    /// reflectance below 0 is valid (HLS, Landsat, the offset of rule V4): it becomes 1.
    #[inline]
    pub fn to_dn(&self, sample: i32, offset: u16) -> u16 {
        if self.factor == 1.0 { self.shifted(sample, offset) } else { self.scaled(sample, offset) }
    }

    /// Turns samples into DN where they are.
    pub fn apply(&self, samples: &mut [u16], offset: u16) {
        VectorLevel::best().run(Apply { scale: *self, samples, offset });
    }

    #[inline(always)]
    fn shifted(&self, sample: i32, offset: u16) -> u16 {
        self.finish(sample, sample + self.addend as i32, offset)
    }

    #[inline(always)]
    fn scaled(&self, sample: i32, offset: u16) -> u16 {
        self.finish(sample, (f64::from(sample) * self.factor + self.addend + 0.5).floor() as i32, offset)
    }

    #[inline(always)]
    fn finish(&self, sample: i32, dn: i32, offset: u16) -> u16 {
        let dn = (dn - i32::from(offset)).clamp(1, i32::from(LARGEST_DN)) as u16;
        if sample == self.fill { MISSING_DN } else { dn }
    }
}

/// Many samples.
struct Apply<'a> {
    scale: Scale,
    samples: &'a mut [u16],
    offset: u16,
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { scale, samples, offset } = self;
        // What is asked for every sample anew keeps the loop from being vectorised.
        if scale.factor == 1.0 {
            samples.iter_mut().for_each(|sample| *sample = scale.shifted(i32::from(*sample), offset));
        } else {
            samples.iter_mut().for_each(|sample| *sample = scale.scaled(i32::from(*sample), offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_is_missing_and_nothing_else_is() {
        let hls = Scale::dn(-9999);
        assert_eq!([-9999, -200, 0, 1, 32767].map(|v| hls.to_dn(v, 0)), [0, 1, 1, 1, 32767]);
        assert_eq!([32767, 0, 1, 32766].map(|v| Scale::dn(32767).to_dn(v, 0)), [0, 1, 1, 32766]);
        assert_eq!([0, 5, 1000, 1001, 65535].map(|v| Scale::dn(0).to_dn(v, 1000)), [0, 1, 1, 1, 64535]);
        assert_eq!(Scale::dn(0).to_dn(65535, 0), 65534);
        let mut samples = [0, 5, 1000, 1001, 65535];
        Scale::dn(0).apply(&mut samples, 1000);
        assert_eq!(samples, [0, 1, 1, 1, 64535]);
    }

    #[test]
    fn landsat_in_units_of_a_ten_thousandth() {
        let landsat = Scale { fill: 0, factor: 0.275, addend: -2000.0 };
        // 10000 * (2.75e-5 * 18639 - 0.2) = 3125.725; Samples up to 7272 are below reflectance 0.
        assert_eq!([0, 18639, 7272, 7277, 65535].map(|v| landsat.to_dn(v, 0)), [0, 3126, 1, 1, 16022]);
    }
}
