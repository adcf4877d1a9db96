//! All that the user says, checked once.

use super::{Error, Result};
use crate::fetch::{Connections, Fetcher, Options, redact};
use crate::raster::{BBox, Crs, Grid};
use crate::source::{Endpoint, NativeGrid, PlanetaryComputer, endpoint};
use crate::stac::{Found, Interval};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Where items come from.
#[derive(Debug, Clone, Default)]
pub enum Catalog {
    /// The endpoint's own STAC API.
    #[default]
    Endpoint,
    /// Another STAC API.
    Url(String),
    /// A file of items, or a folder of such files.
    Path(PathBuf),
    /// The items themselves, and what else a list of them had.
    Items(Found),
}

/// What happens when something cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The scene is left out and named in `skipped`.
    #[default]
    Skip,
    /// The run fails.
    Raise,
}

/// A request for one composite. The fields are the options of `build_composite`, which documents them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the published options, documented once where users read them")]
pub struct Request {
    pub bbox: [f64; 4],
    pub datetime: String,
    #[serde(default = "defaults::resolution")]
    pub resolution: f64,
    #[serde(default = "defaults::top_k")]
    pub top_k: usize,
    #[serde(default = "defaults::max_cloud_cover")]
    pub max_cloud_cover: f64,
    #[serde(default = "defaults::concurrency")]
    pub concurrency: usize,
    #[serde(default = "defaults::endpoint")]
    pub endpoint: String,
    #[serde(default)]
    pub disk_cache: Option<PathBuf>,
    #[serde(default = "defaults::scout_factor")]
    pub scout_factor: usize,
    #[serde(default)]
    pub bands: Option<Vec<String>>,
    #[serde(default = "defaults::output_crs")]
    pub output_crs: String,
    #[serde(default)]
    pub coverage_target: f64,
    #[serde(default = "defaults::min_k")]
    pub min_k: usize,
    #[serde(default = "defaults::max_k")]
    pub max_k: usize,
    #[serde(default)]
    pub windowed_fetch: bool,
    #[serde(default)]
    pub catalog: Option<String>,
    #[serde(default)]
    pub on_error: OnError,
    #[serde(default)]
    pub memory_limit: Option<u64>,
}

/// The published defaults.
mod defaults {
    pub(super) fn resolution() -> f64 {
        60.0
    }
    pub(super) fn top_k() -> usize {
        3
    }
    pub(super) fn max_cloud_cover() -> f64 {
        90.0
    }
    pub(super) fn concurrency() -> usize {
        192
    }
    pub(super) fn endpoint() -> String {
        "auto".to_owned()
    }
    pub(super) fn scout_factor() -> usize {
        8
    }
    pub(super) fn output_crs() -> String {
        "native".to_owned()
    }
    pub(super) fn min_k() -> usize {
        2
    }
    pub(super) fn max_k() -> usize {
        8
    }
}

/// A request whose values have been checked and whose names have been looked up.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    pub(crate) request: Request,
    pub(crate) bbox: BBox,
    pub(crate) interval: Interval,
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) bands: Vec<String>,
    pub(crate) grid: Grid,
}

impl Request {
    /// Where items come from, by the text of `catalog`: nothing, a URL or a path.
    pub fn catalog(&self) -> Catalog {
        match &self.catalog {
            None => Catalog::Endpoint,
            Some(text) if text.starts_with("http://") || text.starts_with("https://") => Catalog::Url(text.clone()),
            Some(text) => Catalog::Path(text.into()),
        }
    }

    /// The request as it may be told: a catalogue's URL may hold a password or a token.
    pub(crate) fn told(&self) -> Self {
        let catalog = match self.catalog() {
            Catalog::Url(url) => Some(redact(&url)),
            _ => self.catalog.clone(),
        };
        Self { catalog, ..self.clone() }
    }

    /// Bytes for buffers beyond the output.
    pub(crate) fn memory_limit(&self) -> u64 {
        self.memory_limit.unwrap_or(512 << 20)
    }

    /// What fetches bytes for this request.
    pub(crate) fn fetcher(&self, connections: &Connections) -> Result<Fetcher> {
        let options = Options { concurrency: self.concurrency, ..Options::from_env()? };
        let signer = PlanetaryComputer::for_endpoint(endpoint(&self.endpoint)?);
        Ok(Fetcher::new(options).with_connections(connections.clone()).with_signer(signer))
    }

    /// Checks every value.
    pub(crate) fn check(self) -> Result<Checked> {
        let checks = [
            (
                "max_cloud_cover",
                self.max_cloud_cover,
                (0.0..=100.0).contains(&self.max_cloud_cover),
                "0 to 100 per cent",
            ),
            (
                "coverage_target",
                self.coverage_target,
                (0.0..1.0).contains(&self.coverage_target),
                "at least 0 and below 1",
            ),
            ("resolution", self.resolution, self.resolution > 0.0 && self.resolution.is_finite(), "a positive number"),
            ("scout_factor", self.scout_factor as f64, (1..=512).contains(&self.scout_factor), "1 to 512"),
        ];
        for (name, value, is_allowed, allowed) in checks {
            if !is_allowed {
                return Err(Error::usage(name, format!("{name} {value} is not allowed: {allowed}")));
            }
        }
        for (name, value) in [("top_k", self.top_k), ("concurrency", self.concurrency), ("min_k", self.min_k)] {
            if value == 0 {
                return Err(Error::usage(name, format!("{name} must be at least 1")));
            }
        }
        if self.max_k < self.min_k {
            let message = format!("max_k {} is less than min_k {}", self.max_k, self.min_k);
            return Err(Error::usage("max_k", message));
        }
        if self.bands.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::usage("bands", "bands is empty"));
        }
        let endpoint = endpoint(&self.endpoint)?;
        let grid = self.grid()?;
        Ok(Checked {
            bbox: BBox::new(self.bbox)?,
            interval: Interval::parse(&self.datetime)?,
            endpoint,
            bands: endpoint.check_bands(self.bands.as_deref())?,
            grid,
            request: self,
        })
    }

    /// The output grid.
    pub(crate) fn grid(&self) -> Result<Grid> {
        let bbox = BBox::new(self.bbox)?;
        Ok(Grid::from_bbox(&bbox, self.output_crs(endpoint(&self.endpoint)?, &bbox), self.resolution)?)
    }

    /// The CRS of the output.
    fn output_crs(&self, endpoint: &Endpoint, bbox: &BBox) -> Crs {
        let (lon, lat) = bbox.centre();
        match (self.output_crs.as_str(), endpoint.native_grid) {
            ("utm", _) | ("native", NativeGrid::Utm) => Crs::utm(lon, lat),
            ("native", NativeGrid::ModisSinusoidal) => Crs::modis_sinusoidal(),
            (text, _) => Crs::parse(text),
        }
    }
}
