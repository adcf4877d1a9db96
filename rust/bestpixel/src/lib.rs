//! bbox + dates in, cloud-free satellite composite out, straight from STAC catalogues and Cloud-Optimized GeoTIFFs.
//!
//! The folders import in one direction: [`raster`] and [`fetch`] know nothing of ours, [`cache`] stands before
//! `fetch`, [`tiff`] builds on both of these, [`resample`] on `raster`, [`stac`] is the catalogue, [`source`] what each provider means by its bytes, and
//! [`pipeline`] puts them in order.

pub mod cache;
pub mod fetch;
pub mod pipeline;
pub mod raster;
pub mod resample;
pub mod source;
pub mod stac;
pub mod tiff;
