//! Pixels: source samples and the positions of output pixels among them go in, output pixels come out.
//!
//! [`Warp`] says where the pixels of the output grid lie in a source's CRS, [`Positions`] where among its pixels,
//! [`nearest`], [`bilinear`] and [`resample`] take the samples there. The loops over pixels run on the widest vector unit
//! that the machine has ([`VectorLevel`](crate::raster::VectorLevel)) and give the same pixels on each.

mod bilinear;
mod general;
#[cfg(test)]
mod naive;
mod nearest;
mod nodes;
mod positions;
mod sample;
mod wanted;
mod warp;
mod whole;
mod wide;

pub use bilinear::{bilinear, bilinear_at};
pub use nearest::nearest;
pub use positions::{Footprint, Positions};
pub use sample::{NODATA, Patch, Sample};
pub use wanted::Wanted;
pub use warp::{Points, Warp};
pub use wide::{Method, resample};

#[cfg(test)]
#[path = "kernel_tests.rs"]
mod tests;
