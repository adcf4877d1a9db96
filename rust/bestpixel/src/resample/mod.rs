//! Pixels: source samples and the positions of output pixels among them go in, output pixels come out.
//!
//! [`Warp`] says where the pixels of the output grid lie in a source's CRS, [`Positions`] where among its pixels,
//! [`nearest`] and [`bilinear`] take the samples there.

mod kernel;
mod positions;
mod warp;

pub use kernel::{Patch, bilinear, nearest};
pub use positions::{Footprint, Positions};
pub use warp::{Points, Warp};
