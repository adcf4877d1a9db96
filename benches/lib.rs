//! Inputs shared by the benchmarks.

pub mod pixels;
pub mod tiles;
