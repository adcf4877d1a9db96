//! The providers: items go in, scenes come out whose bytes have a known meaning.
//!
//! Everything that differs between providers is in the table of [`endpoints`](ENDPOINTS): a new collection is a new row.

mod duplicates;
mod endpoints;
mod error;
mod naming;
mod offset;
mod quality;
mod scale;
mod scene;
mod sign;
#[cfg(test)]
mod tests;

pub use duplicates::drop_duplicates;
pub use endpoints::{Collection, ENDPOINTS, Endpoint, NativeGrid, Overviews, QualityAssets, Signing, endpoint};
pub use error::{Error, Result};
pub use naming::{DateRule, DuplicateRule, TileRule};
pub use offset::OffsetRule;
pub(crate) use offset::is_taken_out;
pub use quality::{CLEAR, NODATA, QualityKind, UNUSABLE};
pub use scale::{MISSING_DN, Scale};
pub use scene::{Scene, Unusable};
pub use sign::PlanetaryComputer;
