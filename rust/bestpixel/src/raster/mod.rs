//! Values: CRSs, grids, windows and arrays go in and come out; no I/O, no async.
//!
//! Axis order is (row, col) for arrays and (x, y) for points; rows run from north to south.

mod array;
mod crs;
mod error;
mod grid;
mod no_files;
mod projection;
mod simd;
mod tiling;
mod transform;
mod window;

pub use array::Array;
pub use crs::Crs;
pub use error::{Error, Result};
pub use grid::{BBox, CHUNK_SIZE, Grid};
pub use projection::{Datum, Ellipsoid, Projection, Surface, datum, ellipsoid, is_in_degrees, proj4, surface, wkt2};
pub(crate) use simd::Kernel;
pub use simd::VectorLevel;
pub use tiling::Tiling;
pub use transform::Transform;
pub use window::Window;
