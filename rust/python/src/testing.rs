//! Private doors into the core for tests and measurements: grids, projected points, single arrays resampled, files written.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

use super::runtime::pool;
use bestpixel::raster::{Array, BBox, Crs, Grid, Projection, Tiling, Transform, VectorLevel, Window};
use bestpixel::resample::{Footprint, Method, Patch, Points, Positions, Sample, Wanted, Warp, nearest, resample};
use bestpixel::tiff;
use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::path::PathBuf;

fn refuse(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The grid over a bounding box as JSON; without a CRS in the box's UTM zone.
#[pyfunction]
#[pyo3(signature = (bbox, crs, resolution))]
pub(crate) fn _grid(bbox: [f64; 4], crs: Option<&str>, resolution: f64) -> PyResult<String> {
    let bbox = BBox::new(bbox).map_err(refuse)?;
    let (lon, lat) = bbox.centre();
    let crs = crs.map_or_else(|| Crs::utm(lon, lat), Crs::parse);
    let grid = Grid::from_bbox(&bbox, crs, resolution).map_err(refuse)?;
    serde_json::to_string(&grid).map_err(refuse)
}

/// Projected points.
type Points1 = Py<PyArray1<f64>>;

/// Points from one CRS in another; not finite where they have no image.
#[pyfunction]
pub(crate) fn _project(
    py: Python<'_>,
    source: &str,
    target: &str,
    xs: PyReadonlyArray1<'_, f64>,
    ys: PyReadonlyArray1<'_, f64>,
) -> PyResult<(Points1, Points1)> {
    let (mut xs, mut ys) = (xs.as_slice()?.to_vec(), ys.as_slice()?.to_vec());
    if xs.len() != ys.len() {
        return Err(refuse("there must be as many ys as xs"));
    }
    Projection::new(&Crs::parse(source), &Crs::parse(target)).map_err(refuse)?.forward(&mut xs, &mut ys);
    Ok((xs.into_pyarray(py).unbind(), ys.into_pyarray(py).unbind()))
}

/// The vector level in use.
#[pyfunction]
pub(crate) fn _simd() -> &'static str {
    VectorLevel::best().name()
}

/// Where a source lies and what is to be made of it.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct Task {
    source_crs: String,
    source_transform: [f64; 6],
    grid_crs: String,
    /// Left, top, resolution.
    grid_origin: [f64; 3],
    /// Width, height.
    grid_shape: [usize; 2],
}

impl Task {
    /// Hands over each chunk of the grid with the positions of its pixels, as the pipeline finds them.
    fn chunks(&self, mut work: impl FnMut(&Window, &Positions)) -> PyResult<()> {
        let ([left, top, resolution], [width, height]) = (self.grid_origin, self.grid_shape);
        let grid = Grid { crs: Crs::parse(&self.grid_crs), left, top, resolution, width, height };
        let source = Transform(self.source_transform);
        let (pixel_width, pixel_height) = source.pixel_size();
        let tolerance = 0.01 * pixel_width.min(pixel_height);
        let warp = Projection::with_kept(&grid.crs, &Crs::parse(&self.source_crs), |projection| {
            Warp::new(&grid, Some(projection), tolerance, 0)
        });
        let warp = warp.map_err(refuse)?;
        for chunk in grid.chunks() {
            let Window { col_off, row_off, width, height } = chunk;
            work(&chunk, &warp.positions(&Points { col_off, row_off, width, height, step: 1 }, &source));
        }
        Ok(())
    }
}

/// A source as a patch.
fn patch<T: Copy + numpy::Element + 'static>(source: &PyReadonlyArray2<'_, T>) -> PyResult<Patch<'static, T>> {
    let array = Array::from_vec(source.shape()[1], source.shape()[0], source.as_slice()?.to_vec());
    Ok(Patch::new(array, 0, 0))
}

/// A source array of any type that reflectance has.
#[derive(FromPyObject)]
pub(crate) enum Source<'py> {
    U16(PyReadonlyArray2<'py, u16>),
    I16(PyReadonlyArray2<'py, i16>),
    U8(PyReadonlyArray2<'py, u8>),
}

/// Reflectance on a grid; 65535 where there is none.
#[pyfunction]
pub(crate) fn _resample<'py>(
    py: Python<'py>,
    source: Source<'py>,
    nodata: i32,
    method: &str,
    task: Task,
) -> PyResult<Bound<'py, PyArray2<u16>>> {
    let method = match method {
        "bilinear" => Method::Bilinear,
        "cubic" => Method::Cubic,
        "average" => Method::Average,
        _ => return Err(refuse(format!("method {method:?} is not known"))),
    };
    let values = match source {
        Source::U16(source) => reflectance(py, patch(&source)?, u16::try_from(nodata)?, method, &task)?,
        Source::I16(source) => reflectance(py, patch(&source)?, i16::try_from(nodata)?, method, &task)?,
        Source::U8(source) => reflectance(py, patch(&source)?, u8::try_from(nodata)?, method, &task)?,
    };
    values.into_pyarray(py).reshape([task.grid_shape[1], task.grid_shape[0]])
}

fn reflectance<T: Sample>(
    py: Python<'_>,
    patch: Patch<'_, T>,
    nodata: T,
    method: Method,
    task: &Task,
) -> PyResult<Vec<u16>> {
    py.detach(|| {
        let [width, height] = task.grid_shape;
        let mut out = vec![0; width * height];
        task.chunks(|chunk, positions| {
            let wanted = Wanted::all(chunk.width, chunk.height);
            resample(method, &patch, positions, nodata, &wanted, |row, col, values| {
                let first = (chunk.row_off + row) * width + chunk.col_off + col;
                out[first..first + values.len()].copy_from_slice(values);
            });
        })?;
        Ok(out)
    })
}

/// Classes on a grid; `missing` where there are none.
#[pyfunction]
pub(crate) fn _nearest<'py>(
    py: Python<'py>,
    source: PyReadonlyArray2<'py, u8>,
    missing: u8,
    task: Task,
) -> PyResult<Bound<'py, PyArray2<u8>>> {
    let patch = patch(&source)?;
    let [width, height] = task.grid_shape;
    let mut out = vec![0; width * height];
    task.chunks(|chunk, positions| {
        let values = nearest(&patch, positions, missing);
        for row in 0..chunk.height {
            out[(chunk.row_off + row) * width + chunk.col_off..][..chunk.width].copy_from_slice(values.row(row));
        }
    })?;
    out.into_pyarray(py).reshape([height, width])
}

/// The source window that bilinear resampling of the whole grid reads: column and row offset, width, height.
#[pyfunction]
pub(crate) fn _window(task: Task, source_shape: [usize; 2]) -> PyResult<Option<[usize; 4]>> {
    let [height, width] = source_shape;
    let tiling = Tiling { width, height, tile_width: 512, tile_height: 512 };
    let mut window: Option<Window> = None;
    task.chunks(|chunk, positions| {
        let more = Footprint::Bilinear.window(positions, &Wanted::all(chunk.width, chunk.height), &tiling);
        window = match (window, more) {
            (Some(window), Some(more)) => Some(window.union(&more)),
            (window, more) => window.or(more),
        };
    })?;
    Ok(window.map(|window| [window.col_off, window.row_off, window.width, window.height]))
}

/// Bands of either type that files are written with.
#[derive(FromPyObject)]
pub(crate) enum Bands<'py> {
    U16(Vec<PyReadonlyArray2<'py, u16>>),
    I32(Vec<PyReadonlyArray2<'py, i32>>),
}

/// Where a file goes and how it is written.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct File {
    path: PathBuf,
    names: Vec<String>,
    crs: String,
    /// Left, top, resolution.
    origin: [f64; 3],
    nodata: i64,
    /// Whether overviews are means, and samples have a scale.
    is_continuous: bool,
    /// `deflate` or `zstd`.
    codec: String,
    level: u8,
}

/// Writes bands into a file as composites are written, some rows at once.
#[pyfunction]
pub(crate) fn _write(py: Python<'_>, bands: Bands<'_>, file: File) -> PyResult<()> {
    match bands {
        Bands::U16(bands) => write(py, &bands, &file, u16::try_from(file.nodata)?),
        Bands::I32(bands) => write(py, &bands, &file, i32::try_from(file.nodata)?),
    }
}

fn write<T: tiff::Sample + numpy::Element>(
    py: Python<'_>,
    bands: &[PyReadonlyArray2<'_, T>],
    file: &File,
    nodata: T,
) -> PyResult<()> {
    let first = bands.first().ok_or_else(|| refuse("there must be a band"))?;
    let ([height, width], [left, top, resolution]) = ([first.shape()[0], first.shape()[1]], file.origin);
    let grid = Grid { crs: Crs::parse(&file.crs), left, top, resolution, width, height };
    let scaling = file.is_continuous.then_some(tiff::Scaling { scale: 0.0001, offset: 0.0 });
    let band = |name: &String| tiff::BandInfo { description: name.clone(), scaling };
    let image =
        tiff::ImageInfo { bands: file.names.iter().map(band).collect(), nodata, is_continuous: file.is_continuous };
    let compression = match (file.codec.as_str(), file.level) {
        ("deflate", level) => tiff::Compression::Deflate { level },
        ("zstd", level) => tiff::Compression::Zstd { level },
        (codec, _) => return Err(refuse(format!("codec {codec:?} is not known"))),
    };
    let slices = bands.iter().map(|band| Ok(band.as_slice()?)).collect::<PyResult<Vec<&[T]>>>()?;
    if slices.len() != file.names.len() || slices.iter().any(|values| values.len() != width * height) {
        return Err(refuse("there must be a name for each band, and all bands of one size"));
    }
    let pool = pool()?;
    py.detach(|| {
        pool.install(|| {
            let mut writer = tiff::GeoTiffWriter::new(&file.path, image, &grid, compression)?;
            for (band, values) in slices.iter().enumerate() {
                for rows in values.chunks(ROWS * width) {
                    writer.push(band, rows)?;
                }
            }
            writer.finish()?.publish()
        })
    })
    .map(drop)
    .map_err(refuse)
}

/// Rows that are written at once: no multiple of a tile.
const ROWS: usize = 700;
