//! Flags go in, a request comes out. The defaults are those of `Request`.

use crate::bytes::parse_bytes;
use crate::generate::Kind;
use crate::progress::Display;
use bestpixel::pipeline::{OnError, Output, Request};
use bestpixel::source::ENDPOINTS;
use bestpixel::tiff::Compression;
use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use log::LevelFilter;
use std::ffi::OsString;
use std::path::PathBuf;

/// Build a cloud-free satellite composite: bbox and dates in, Cloud-Optimized GeoTIFFs out.
///
/// For every pixel the best observation of the period is taken, by the scene's own quality layer. Quality is read
/// first; of the reflectance only those file tiles are read in which a scene wins a pixel.
#[derive(Debug, Parser)]
#[command(
    name = "spx-build",
    version,
    after_help = crate::help::SHORT,
    after_long_help = crate::help::LONG,
    max_term_width = 100,
    allow_negative_numbers = true,
    override_usage = "spx-build --bbox <W> <S> <E> <N> --datetime <A/B> --out-dir <DIR> [OPTIONS]"
)]
#[expect(clippy::struct_excessive_bools, reason = "a flag is a bool")]
pub(crate) struct Args {
    /// The area in degrees, also as --bbox=W,S,E,N; west > east crosses the antimeridian.
    #[arg(long, num_args = 1..=4, value_names = ["W", "S", "E", "N"], help_heading = "What", value_delimiter = ',')]
    #[arg(required_unless_present = "generate")]
    bbox: Vec<f64>,
    /// The time: a day, a month (2024-07), a year, or A/B with both ends included.
    #[arg(long, value_name = "A/B", help_heading = "What", conflicts_with = "years")]
    #[arg(required_unless_present_any = ["years", "generate"])]
    datetime: Option<String>,
    /// Instead of a datetime: a composite for each month of these years, in a folder of its own (DIR/2024-07).
    #[arg(long, value_name = "YEAR", help_heading = "What", value_delimiter = ',', num_args = 1.., requires = "months")]
    years: Vec<i16>,
    /// The months of these years, 1 to 12.
    #[arg(long, value_name = "MONTH", help_heading = "What", value_delimiter = ',', num_args = 1.., requires = "years", conflicts_with = "datetime")]
    months: Vec<i8>,
    /// Bands, with commas between; all of the endpoint's where none are given.
    #[arg(long, value_name = "BAND", help_heading = "What", value_delimiter = ',', num_args = 1..)]
    bands: Option<Vec<String>>,
    /// Where scenes come from; auto is earth-search where `AWS_REGION` starts with us-, else pc.
    #[arg(long, default_value = "auto", help_heading = "What", value_name = "NAME")]
    #[arg(value_parser = PossibleValuesParser::new(endpoint_names()))]
    endpoint: String,
    /// Items to use instead of the endpoint's STAC API: an Item, `ItemCollection` or NDJSON file, a folder of them, or
    /// the URL of another STAC API.
    #[arg(long, value_name = "PATH|URL", help_heading = "What")]
    catalog: Option<String>,
    /// Scenes with a larger share of clouds are not looked at, in per cent.
    #[arg(long, default_value_t = 90.0, value_name = "PERCENT", help_heading = "What")]
    max_cloud_cover: f64,

    /// Side of an output pixel, in metres (units of the output CRS).
    #[arg(long, default_value_t = 60.0, value_name = "METRES", help_heading = "Grid")]
    resolution: f64,
    /// The CRS of the output: native, utm, or anything that PROJ understands (EPSG:3035).
    #[arg(long, default_value = "native", value_name = "CRS", help_heading = "Grid")]
    output_crs: String,

    /// Scenes per chunk and tile.
    #[arg(long, default_value_t = 3, value_name = "N", help_heading = "Selection")]
    top_k: usize,
    /// Share of the reachable clear area at which no further scene is taken; 0 takes `top_k` scenes.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", help_heading = "Selection")]
    coverage_target: f64,
    /// Fewest scenes per chunk and tile with a coverage target.
    #[arg(long, default_value_t = 2, value_name = "N", help_heading = "Selection")]
    min_k: usize,
    /// Most scenes per chunk and tile with a coverage target.
    #[arg(long, default_value_t = 8, value_name = "N", help_heading = "Selection")]
    max_k: usize,
    /// Output pixels to a side of the cells in which scenes are compared.
    #[arg(long, default_value_t = 8, value_name = "N", help_heading = "Selection")]
    scout_factor: usize,
    /// A scene may win only in the chunks that selected it.
    #[arg(long, help_heading = "Selection")]
    windowed_fetch: bool,

    /// Requests under way at once.
    #[arg(long, default_value_t = 192, value_name = "N", help_heading = "Reading")]
    concurrency: usize,
    /// Bytes for buffers: a number, or with a unit as in 512MiB or 2GB; 512MiB where none is given.
    #[arg(long, value_name = "BYTES", value_parser = parse_bytes, help_heading = "Reading")]
    memory_limit: Option<u64>,
    /// Keep searches, headers and quality in this folder for later runs.
    #[arg(long, value_name = "DIR", help_heading = "Reading")]
    disk_cache: Option<PathBuf>,
    /// What happens to a scene that cannot be read: it is left out and named, or the run fails.
    #[arg(long, default_value = "skip", value_name = "WHAT", value_parser = ["skip", "raise"], help_heading = "Reading")]
    on_error: String,

    /// The folder for the files; it is made where it does not exist.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["dry_run", "generate"], help_heading = "Output")]
    out_dir: Option<PathBuf>,
    /// All bands in one file, bands.tif, instead of one for each.
    #[arg(long, help_heading = "Output")]
    stack: bool,
    /// How tiles are compressed: deflate is understood everywhere, zstd is faster to read.
    #[arg(long, value_enum, default_value_t = Codec::Deflate, value_name = "CODEC", help_heading = "Output")]
    compression: Codec,
    /// 1 to 12, of zstd to 22; 1 for deflate and 9 for zstd where none is given. More makes layers smaller, and reflectance
    /// hardly.
    #[arg(long, value_name = "LEVEL", help_heading = "Output", value_parser = clap::value_parser!(u8).range(1..=22))]
    compression_level: Option<u8>,
    /// Print the plan (scenes, levels, requests, bytes, memory) and fetch no pixel of reflectance.
    #[arg(long, help_heading = "Output")]
    pub(crate) dry_run: bool,
    /// Print everything as one line of JSON: of a run all metadata, as in composite.json; of a dry run the whole plan.
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,

    /// How progress is shown on stderr: bars, lines, none, or auto: bars on a terminal, else lines.
    #[arg(long, value_enum, default_value_t = Display::Auto, value_name = "HOW", hide_possible_values = true)]
    #[arg(help_heading = "Messages", num_args = 0..=1, default_missing_value = "auto")]
    progress: Display,
    /// Also tell the time of each stage and what each scene has given; twice (-vv): every request.
    #[arg(long, short, help_heading = "Messages", action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Say nothing but errors.
    #[arg(long, short, help_heading = "Messages", conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print the man page or a shell's completions and end.
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Messages", exclusive = true)]
    pub(crate) generate: Option<Kind>,
}

/// The codecs that files can be written with.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Codec {
    Deflate,
    Zstd,
}

impl Args {
    /// The flags of a command line, the program's name first.
    ///
    /// # Errors
    /// What is wrong with it, or the help that it asks for.
    pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let args = Self::try_parse_from(arguments)?;
        // Clap counts `1,2,3,4` as one value.
        let count = args.bbox.len();
        if count != 4 && args.generate.is_none() {
            let message = format!("4 values required for '--bbox <W> <S> <E> <N>' but {count} provided");
            return Err(Self::command().error(ErrorKind::WrongNumberOfValues, message));
        }
        if let (Codec::Deflate, Some(level @ 13..)) = (args.compression, args.compression_level) {
            let message = format!("invalid value '{level}' for '--compression-level <LEVEL>': deflate has 1 to 12");
            return Err(Self::command().error(ErrorKind::ValueValidation, message));
        }
        Ok(args)
    }

    /// The request that the flags make; its values are checked by the library.
    pub(crate) fn request(&self) -> Request {
        // Exactly four numbers: `read` has counted them.
        let bbox = std::array::from_fn(|i| self.bbox.get(i).copied().unwrap_or(f64::NAN));
        Request {
            bbox,
            datetime: self.datetime.clone().unwrap_or_default(),
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

    /// The years and months that are asked for instead of a datetime.
    pub(crate) fn period(&self) -> Option<(&[i16], &[i8])> {
        (!self.years.is_empty()).then_some((&self.years, &self.months))
    }

    /// Where the files go.
    pub(crate) fn out_dir(&self) -> PathBuf {
        self.out_dir.clone().unwrap_or_default()
    }

    /// How the files are written.
    pub(crate) fn output(&self) -> Output {
        let compression = match (self.compression, self.compression_level) {
            (Codec::Deflate, None) => Compression::default(),
            (Codec::Deflate, Some(level)) => Compression::Deflate { level },
            (Codec::Zstd, level) => Compression::Zstd { level: level.unwrap_or(9) },
        };
        Output { stack: self.stack, compression }
    }

    /// How much of what the library logs is shown.
    pub(crate) fn log_level(&self) -> LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => LevelFilter::Error,
            (false, 0) => LevelFilter::Warn,
            (false, 1) => LevelFilter::Info,
            (false, _) => LevelFilter::Debug,
        }
    }

    /// How progress is shown.
    pub(crate) fn display(&self) -> Display {
        if self.quiet { Display::None } else { self.progress }
    }
}

/// The names of all endpoints.
fn endpoint_names() -> impl Iterator<Item = &'static str> {
    ["auto"].into_iter().chain(ENDPOINTS.iter().map(|row| row.name))
}

/// The flag of an option of the request, as in `--top-k`; None where there is none.
pub(crate) fn flag_of(argument: &str) -> Option<String> {
    let command = Args::command();
    let arg = command.get_arguments().find(|arg| arg.get_id() == argument)?;
    arg.get_long().map(|long| format!("--{long}"))
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
    fn every_option_has_its_flag() {
        let request: Request = serde_json::from_str(r#"{"bbox": [-1, -2, 3, 4], "datetime": "2024"}"#).unwrap();
        let options = serde_json::to_value(request).unwrap();
        for option in options.as_object().unwrap().keys() {
            assert_eq!(flag_of(option), Some(format!("--{}", option.replace('_', "-"))));
        }
    }

    #[test]
    fn a_box_may_have_commas() {
        let parse = |bbox: &[&str]| {
            let rest = ["--datetime", "2024", "--out-dir", "x"];
            Args::read(["spx-build"].iter().chain(bbox).chain(&rest).map(Into::into)).map(|args| args.bbox)
        };
        assert_eq!(parse(&["--bbox=-1,-2,3,4"]).unwrap(), [-1.0, -2.0, 3.0, 4.0]);
        assert!(parse(&["--bbox", "1,2,3"]).is_err());
        assert!(parse(&["--bbox", "1", "2", "3", "4", "5"]).is_err());
    }

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }
}
