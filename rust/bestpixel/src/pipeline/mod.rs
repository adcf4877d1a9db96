//! The pipeline, one stage a file: a request goes in, a composite comes out.
//!
//! ```text
//! request -> catalog -> scout -> select -> plan -> quality -> winners -> read -> compose -> write
//! ```
//!
//! Planning ends before a reflectance pixel is fetched. Only `run.rs`, `survey.rs` and `blocks.rs` know all stages; a
//! stage uses the types of earlier stages, never of later ones.

mod access;
mod blocks;
mod cancel;
mod catalog;
mod compose;
mod composite;
mod dates;
mod error;
mod footprint;
mod item;
mod layers;
mod mask;
mod months;
mod offset;
mod plan;
mod preview;
mod promise;
mod quality;
mod read;
mod request;
mod run;
mod scout;
mod select;
mod sink;
mod spill;
mod stream;
mod survey;
mod tiles;
mod winners;
mod write;

pub use cancel::CancelToken;
pub use composite::{Composite, GridInfo, Metadata, NODATA, SourceInfo, Timings};
pub use dates::{NO_DATE, dates};
pub use error::{Error, ErrorKind, Result, Stage};
pub use months::{Month, plan_months, run_months, run_months_to_folders};
pub use plan::{ChunkPlan, FilePlan, Plan, ScenePlan};
pub use preview::preview;
pub use request::{Catalog, OnError, Request};
pub use run::{Engine, Progress, SKIPPED, Written, check_output, make_plan, run, run_to_folder};
pub use write::{Arrays, Finished, FolderSink, Output};
