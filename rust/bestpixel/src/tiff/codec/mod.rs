//! Compressed bytes go in, a buffer of known size is filled, and the other way round: one codec a file.

pub(crate) mod deflate;
