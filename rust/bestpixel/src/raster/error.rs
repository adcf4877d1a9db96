//! What can be wrong with a CRS, a bounding box or a grid.

/// The result of this folder's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// A CRS, bounding box or grid that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bounding box is not four finite degrees with south < north and west != east.
    #[error("bbox {bbox:?}: {reason}")]
    BBox {
        /// West, south, east, north.
        bbox: [f64; 4],
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The resolution is not a positive finite number.
    #[error("resolution {resolution} is not a positive number")]
    Resolution {
        /// As given.
        resolution: f64,
    },
    /// The grid would have more pixels than the limit.
    #[error("the grid would have {width} x {height} pixels, more than {limit} on a side")]
    TooLarge {
        /// Columns.
        width: f64,
        /// Rows.
        height: f64,
        /// The largest side allowed.
        limit: usize,
    },
    /// PROJ does not understand a CRS.
    #[error("PROJ does not understand the CRS {crs:?}")]
    Crs {
        /// Its definition.
        crs: String,
    },
    /// PROJ has no operation between two CRSs.
    #[error("PROJ has no operation from {source_crs:?} to {target_crs:?}")]
    NoOperation {
        /// Definition of the CRS to come from.
        source_crs: String,
        /// Definition of the CRS to go to.
        target_crs: String,
    },
    /// The bounding box has no finite image in the CRS.
    #[error("bbox {bbox:?} cannot be projected to {crs:?}: {reason}")]
    NotProjectable {
        /// West, south, east, north.
        bbox: [f64; 4],
        /// Definition of the CRS.
        crs: String,
        /// What is in the way.
        reason: &'static str,
    },
}
