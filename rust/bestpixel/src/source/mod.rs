//! The providers: items go in, scenes come out whose bytes have a known meaning.
//!
//! Everything that differs between providers is in the table of [`endpoints`](ENDPOINTS): a new collection is a new row.

mod duplicates;
mod endpoints;
mod error;
mod offset;
mod quality;
mod scene;

pub use duplicates::drop_duplicates;
pub use endpoints::{Collection, ENDPOINTS, Endpoint, NativeGrid, endpoint};
pub use error::{Error, Result};
pub use offset::OffsetRule;
pub use quality::{CLEAR, NODATA, QualityKind};
pub use scene::{Scene, Unusable};
