//! Flags go in, a request comes out. The defaults are those of `Request`.

use bestpixel::pipeline::{OnError, Request};
use clap::Parser;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Exit codes: 0 success, 1 no threads or memory, 2 wrong arguments, 3 nothing found in the catalogue, 4 files cannot be
read, 5 files cannot be written, 130 interrupted.

Example:
  spx-build --bbox 15.1 45.2 16.3 46.8 --datetime 2023-08-10/2023-08-20 --resolution 120 \\
      --endpoint earth-search --catalog items.json --bands red,green,blue --out-dir composite";

/// Build a cloud-free satellite composite: bbox and dates in, Cloud-Optimized GeoTIFFs out.
#[derive(Debug, Parser)]
#[command(name = "spx-build", version, after_help = AFTER_HELP, max_term_width = 100, allow_negative_numbers = true)]
pub(crate) struct Args {
    /// The area in degrees; west > east crosses the antimeridian.
    #[arg(long, num_args = 4, value_names = ["W", "S", "E", "N"], required = true)]
    bbox: Vec<f64>,
    /// The time: a day, a month (2024-07), a year, or A/B with both ends included.
    #[arg(long, value_name = "A/B")]
    datetime: String,
    /// Side of an output pixel, in metres (units of the output CRS).
    #[arg(long, default_value_t = 60.0)]
    resolution: f64,
    /// Where scenes come from: pc, earth-search, hls, mcd43a4, earth-search-c1, landsat, or auto (earth-search where
    /// `AWS_REGION` starts with us-, else pc).
    #[arg(long, default_value = "auto")]
    endpoint: String,
    /// Items to use instead of the endpoint's STAC API: an Item, `ItemCollection` or NDJSON file, a folder of them, or
    /// the URL of another STAC API.
    #[arg(long, value_name = "PATH|URL")]
    catalog: Option<String>,
    /// Bands, with commas between; all of the endpoint's where none are given.
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    bands: Option<Vec<String>>,
    /// The CRS of the output: native, utm, or anything that PROJ understands.
    #[arg(long, default_value = "native", value_name = "CRS", help_heading = "Grid")]
    output_crs: String,
    /// Scenes per chunk and tile.
    #[arg(long, default_value_t = 3, help_heading = "Selection")]
    top_k: usize,
    /// Scenes with a larger share of clouds are not looked at, in per cent.
    #[arg(long, default_value_t = 90.0, help_heading = "Selection")]
    max_cloud_cover: f64,
    /// Share of the reachable clear area at which no further scene is taken; 0 takes `top_k` scenes.
    #[arg(long, default_value_t = 0.0, help_heading = "Selection")]
    coverage_target: f64,
    /// Fewest scenes per chunk and tile with a coverage target.
    #[arg(long, default_value_t = 2, help_heading = "Selection")]
    min_k: usize,
    /// Most scenes per chunk and tile with a coverage target.
    #[arg(long, default_value_t = 8, help_heading = "Selection")]
    max_k: usize,
    /// Output pixels to a side of the cells in which scenes are compared.
    #[arg(long, default_value_t = 8, help_heading = "Selection")]
    scout_factor: usize,
    /// A scene may win only in the chunks that selected it.
    #[arg(long, help_heading = "Selection")]
    windowed_fetch: bool,
    /// Requests under way at once.
    #[arg(long, default_value_t = 192, help_heading = "Reading")]
    concurrency: usize,
    /// Keep searches, headers and quality in this folder for later runs.
    #[arg(long, value_name = "DIR", help_heading = "Reading")]
    disk_cache: Option<PathBuf>,
    /// What happens to a scene that cannot be read.
    #[arg(long, default_value = "skip", value_parser = ["skip", "raise"], help_heading = "Reading")]
    on_error: String,
    /// Bytes that may be in flight.
    #[arg(long, value_name = "BYTES", help_heading = "Reading")]
    memory_limit: Option<u64>,
    /// The folder for the files; it is made where it does not exist.
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run", help_heading = "Output")]
    out_dir: Option<PathBuf>,
    /// Print the plan as JSON and read no reflectance.
    #[arg(long, help_heading = "Output")]
    pub(crate) dry_run: bool,
    /// Say nothing but errors.
    #[arg(long, short, help_heading = "Output")]
    pub(crate) quiet: bool,
}

impl Args {
    /// The request that the flags make; its values are checked by the library.
    pub(crate) fn request(&self) -> Request {
        // Exactly four numbers: clap has counted them.
        let bbox = std::array::from_fn(|i| self.bbox.get(i).copied().unwrap_or(f64::NAN));
        Request {
            bbox,
            datetime: self.datetime.clone(),
            resolution: self.resolution,
            top_k: self.top_k,
            max_cloud_cover: self.max_cloud_cover,
            concurrency: self.concurrency,
            endpoint: self.endpoint.clone(),
            disk_cache: self.disk_cache.clone(),
            scout_factor: self.scout_factor,
            bands: self.bands.clone(),
            output_crs: self.output_crs.clone(),
            coverage_target: self.coverage_target,
            min_k: self.min_k,
            max_k: self.max_k,
            windowed_fetch: self.windowed_fetch,
            catalog: self.catalog.clone(),
            on_error: if self.on_error == "raise" { OnError::Raise } else { OnError::Skip },
            memory_limit: self.memory_limit,
        }
    }

    /// Where the files go.
    pub(crate) fn out_dir(&self) -> PathBuf {
        self.out_dir.clone().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_library() {
        let args =
            Args::try_parse_from(["spx-build", "--bbox", "-1", "-2", "3", "4", "--datetime", "2024", "--out-dir", "x"]);
        let from_flags = serde_json::to_value(args.unwrap().request()).unwrap();
        let defaults: Request = serde_json::from_str(r#"{"bbox": [-1, -2, 3, 4], "datetime": "2024"}"#).unwrap();
        assert_eq!(from_flags, serde_json::to_value(defaults).unwrap());
    }

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
