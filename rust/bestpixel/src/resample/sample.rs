//! Decoded samples: what the kernels read.

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use super::whole::floor_u16;
use crate::raster::{Array, Window};
use std::borrow::Cow;

/// The value of output pixels that have none.
pub const NODATA: u16 = u16::MAX;

/// A stored number that reflectance can be made of.
pub trait Sample: Copy + PartialEq + Default + Send + Sync {
    /// The number as float32, which holds each of them exactly.
    fn to_f32(self) -> f32;

    /// The number within the limits of output values, 1..=65534.
    fn to_value(self) -> u16;
}

impl Sample for u8 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn to_value(self) -> u16 {
        u16::from(self).max(1)
    }
}

impl Sample for u16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn to_value(self) -> u16 {
        self.clamp(1, NODATA - 1)
    }
}

impl Sample for i16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from(self)
    }

    #[inline(always)]
    fn to_value(self) -> u16 {
        self.max(1) as u16
    }
}

/// Decoded samples of a part of a level. What lies outside is treated as missing.
#[derive(Debug)]
pub struct Patch<'a, T: Copy> {
    /// The samples: put together, or a whole tile where it lies.
    pub array: Cow<'a, Array<T>>,
    /// Column of the first sample in the level.
    pub col_off: usize,
    /// Row of the first sample in the level.
    pub row_off: usize,
}

impl<T: Copy> Patch<'_, T> {
    /// Samples that have been put together; column and row of the first one in the level.
    pub fn new(array: Array<T>, col_off: usize, row_off: usize) -> Self {
        Self { array: Cow::Owned(array), col_off, row_off }
    }

    /// The part of the level that it holds.
    pub(super) fn window(&self) -> Window {
        Window::new(self.col_off, self.row_off, self.array.width(), self.array.height())
    }

    /// A sample by its column and row in the level.
    #[inline]
    pub(super) fn get(&self, col: i64, row: i64) -> Option<T> {
        let (col, row) = (col.saturating_sub(self.col_off as i64), row.saturating_sub(self.row_off as i64));
        let inside =
            col >= 0 && row >= 0 && (col as usize) < self.array.width() && (row as usize) < self.array.height();
        inside.then(|| self.array.row(row as usize)[col as usize])
    }
}

/// The weighted mean as an output value: rounded half up and clamped to 1..=65534, [`NODATA`] where nothing has weight.
///
/// The limits come before the cut to an integer, and make a number of what is none.
#[inline(always)]
#[expect(clippy::manual_clamp, reason = "max and min make a number of what is none, clamp does not")]
pub(super) fn finish(sum: f32, weight: f32) -> u16 {
    let rounded = floor_u16((sum / weight + 0.5).max(1.0).min(65534.0));
    if weight > 0.0 { rounded } else { NODATA }
}
