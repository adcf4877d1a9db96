//! What stopped a run: in which stage, of which kind, and why.

use crate::{fetch, raster, source, stac, tiff};

/// The result of this folder's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// The stages of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Checking what the user says.
    Request,
    /// Finding scenes.
    Catalog,
    /// Looking at their quality from afar.
    Scout,
    /// Deciding what to read.
    Plan,
    /// Reading quality.
    Quality,
    /// Reading reflectance.
    Read,
    /// Writing files.
    Write,
}

/// What kind of failure it is; exception classes and exit codes are functions of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value of the request is wrong.
    Usage,
    /// A named file or folder does not exist.
    NotFound,
    /// The catalogue cannot be read.
    Catalog,
    /// The catalogue holds no scene that fits.
    NoScenes,
    /// Bytes could not be had.
    Read,
    /// A file is damaged or of a kind that cannot be read.
    Format,
    /// A file cannot be written.
    Write,
    /// The user has stopped it.
    Cancelled,
    /// The machine gives us no threads or memory.
    System,
}

/// Why a run stopped.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Where in the run.
    pub stage: Stage,
    /// What kind it is.
    pub kind: ErrorKind,
    /// What happened, to what.
    pub message: String,
    /// The option of the request that is wrong, where it is a single one.
    pub argument: Option<&'static str>,
    /// The cause, where there is one besides the message.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(stage: Stage, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { stage, kind, message: message.into(), argument: None, source: None }
    }

    /// The value of an option is wrong; the message names the option too.
    pub(crate) fn usage(argument: &'static str, message: impl Into<String>) -> Self {
        Self { argument: Some(argument), ..Self::new(Stage::Request, ErrorKind::Usage, message) }
    }

    /// The machine gives no threads or memory for `what`.
    pub fn system(what: &str, cause: &dyn std::error::Error) -> Self {
        Self::new(Stage::Request, ErrorKind::System, format!("{what}: {cause}"))
    }

    pub(crate) fn cancelled(stage: Stage) -> Self {
        Self::new(stage, ErrorKind::Cancelled, "cancelled")
    }

    /// A failure to read `what` (an item and an href).
    pub(crate) fn tiff(stage: Stage, what: &str, error: tiff::Error) -> Self {
        let kind = match &error {
            tiff::Error::Fetch(_) => ErrorKind::Read,
            tiff::Error::Write { .. } => ErrorKind::Write,
            tiff::Error::Format { .. }
            | tiff::Error::Unsupported { .. }
            | tiff::Error::Limit { .. }
            | tiff::Error::Tile { .. }
            | tiff::Error::NeedBytes(_) => ErrorKind::Format,
        };
        Self { source: Some(Box::new(error)), ..Self::new(stage, kind, what) }
    }

    /// The message with all its causes, each said once.
    pub fn full_message(&self) -> String {
        causes(self)
    }
}

/// An error and its causes in one line; a cause that the text already holds is not repeated.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

impl From<raster::Error> for Error {
    fn from(error: raster::Error) -> Self {
        let argument = match &error {
            raster::Error::BBox { .. } | raster::Error::NotProjectable { .. } => "bbox",
            raster::Error::Resolution { .. } | raster::Error::TooLarge { .. } => "resolution",
            raster::Error::Crs { .. } | raster::Error::NoOperation { .. } => "output_crs",
        };
        Self::usage(argument, error.to_string())
    }
}

impl From<source::Error> for Error {
    fn from(error: source::Error) -> Self {
        let argument = match &error {
            source::Error::Endpoint { .. } => "endpoint",
            source::Error::Band { .. } | source::Error::BandTwice { .. } => "bands",
        };
        Self::usage(argument, error.to_string())
    }
}

impl From<fetch::Error> for Error {
    fn from(error: fetch::Error) -> Self {
        let (stage, kind) = match &error {
            fetch::Error::Variable { .. } => (Stage::Request, ErrorKind::Usage),
            fetch::Error::Scheme { .. }
            | fetch::Error::Url { .. }
            | fetch::Error::Client { .. }
            | fetch::Error::CaBundle { .. }
            | fetch::Error::Read { .. } => (Stage::Read, ErrorKind::Read),
        };
        Self::new(stage, kind, causes(&error))
    }
}

impl From<stac::Error> for Error {
    fn from(error: stac::Error) -> Self {
        let (stage, kind) = match &error {
            stac::Error::Datetime { .. } => return Self::usage("datetime", error.to_string()),
            stac::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                (Stage::Catalog, ErrorKind::NotFound)
            }
            stac::Error::Url { .. } => return Self::usage("catalog", causes(&error)),
            stac::Error::Client { .. } => (Stage::Catalog, ErrorKind::System),
            _ => (Stage::Catalog, ErrorKind::Catalog),
        };
        Self::new(stage, kind, causes(&error))
    }
}
