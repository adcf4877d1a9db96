//! Requests as JSON in, numpy arrays and metadata as JSON out.

#![expect(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

use super::error::exception;
use super::runtime::{pool, wait, wait_here};
use bestpixel::pipeline::{
    self, Arrays, CancelToken, Catalog, Composite, Engine, Error, FolderSink, Metadata, Month, Output, Request,
};
use bestpixel::stac::parse_items;
use numpy::{IntoPyArray, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The request and where its items come from.
fn parse(request: &str, items: Option<&str>) -> PyResult<(Request, Catalog)> {
    let request: Request =
        serde_json::from_str(request).map_err(|error| PyValueError::new_err(format!("request: {error}")))?;
    let catalog = match items {
        None => request.catalog(),
        Some(text) => {
            let items = parse_items(text, Path::new(""), "catalog");
            Catalog::Items(items.map_err(|error| exception(&Error::from(error)))?)
        }
    };
    Ok((request, catalog))
}

/// Runs one of the core's entries; its errors become exceptions.
fn enter<T: Send + 'static>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Engine) -> pipeline::Result<T> + Send + 'static,
) -> PyResult<T> {
    wait(py, progress, work)?.map_err(|error| exception(&error))
}

#[pyfunction]
#[pyo3(signature = (request, items, progress))]
pub(crate) fn build<'py>(
    py: Python<'py>,
    request: &str,
    items: Option<&str>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (request, catalog) = parse(request, items)?;
    let composite = enter(py, progress.as_ref(), move |engine| pipeline::run(request, catalog, engine))?;
    into_dict(py, composite)
}

/// Hands the arrays over without a copy.
fn into_dict(py: Python<'_>, composite: Composite) -> PyResult<Bound<'_, PyDict>> {
    let shape = [composite.grid.height, composite.grid.width];
    let array = |values: Vec<u16>| -> PyResult<Bound<'_, PyArray2<u16>>> { values.into_pyarray(py).reshape(shape) };
    let bands = PyDict::new(py);
    for (name, values) in composite.metadata.band_names.iter().zip(composite.bands) {
        bands.set_item(name, array(values)?)?;
    }
    let out = PyDict::new(py);
    out.set_item("bands", bands)?;
    out.set_item("quality", array(composite.quality)?)?;
    out.set_item("observation_count", array(composite.observation_count)?)?;
    out.set_item("selected_observation", array(composite.selected_observation)?)?;
    out.set_item("metadata", json(&composite.metadata)?)?;
    Ok(out)
}

fn json(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| PyValueError::new_err(error.to_string()))
}

#[pyfunction]
#[pyo3(signature = (request, years, months, items, progress))]
pub(crate) fn build_months<'py>(
    py: Python<'py>,
    request: &str,
    years: Vec<i16>,
    months: Vec<i8>,
    items: Option<&str>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let (request, catalog) = parse(request, items)?;
    let months = Month::of(&years, &months).map_err(|error| exception(&error))?;
    let work = move |engine: &Engine| pipeline::run_months(&request, &months, &catalog, engine);
    let made = enter(py, progress.as_ref(), work)?;
    let with_month = |(month, composite): (Month, Composite)| {
        let out = into_dict(py, composite)?;
        out.set_item("year", month.year)?;
        out.set_item("month", month.month)?;
        Ok(out)
    };
    made.into_iter().map(with_month).collect()
}

#[pyfunction]
pub(crate) fn plan(py: Python<'_>, request: &str, items: Option<&str>) -> PyResult<String> {
    let (request, catalog) = parse(request, items)?;
    json(&enter(py, None, move |engine| pipeline::make_plan(request, catalog, engine))?)
}

#[pyfunction]
#[pyo3(signature = (planes, stretch))]
pub(crate) fn preview<'py>(
    py: Python<'py>,
    planes: Vec<PyReadonlyArray2<'py, u16>>,
    stretch: Option<(f64, f64)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let shape = planes.first().map_or([0, 0], |plane| [plane.shape()[0], plane.shape()[1]]);
    let slices = planes.iter().map(|plane| Ok(plane.as_slice()?)).collect::<PyResult<Vec<_>>>()?;
    let png = py.detach(|| pipeline::preview(&slices, shape[1], shape[0], stretch)).map_err(PyValueError::new_err)?;
    Ok(PyBytes::new(py, &png))
}

#[pyfunction]
pub(crate) fn save(
    py: Python<'_>,
    folder: PathBuf,
    bands: BTreeMap<String, PyReadonlyArray2<'_, u16>>,
    quality: PyReadonlyArray2<'_, u16>,
    observation_count: PyReadonlyArray2<'_, u16>,
    selected_observation: PyReadonlyArray2<'_, u16>,
    metadata: &str,
) -> PyResult<Vec<PathBuf>> {
    let metadata: Metadata =
        serde_json::from_str(metadata).map_err(|error| PyValueError::new_err(format!("metadata: {error}")))?;
    let missing = |name: &String| PyValueError::new_err(format!("band {name:?} is not there"));
    let slices = metadata.band_names.iter().map(|name| Ok(bands.get(name).ok_or_else(|| missing(name))?.as_slice()?));
    let slices = slices.collect::<PyResult<Vec<&[u16]>>>()?;
    let datetimes: Vec<&str> = metadata.sources.iter().map(|source| source.datetime.as_str()).collect();
    let arrays = Arrays {
        bands: &slices,
        quality: quality.as_slice()?,
        observation_count: observation_count.as_slice()?,
        selected_observation: selected_observation.as_slice()?,
        datetimes: &datetimes,
    };
    let grid = &metadata.grid;
    let size = grid.width * grid.height;
    let layers = [arrays.quality, arrays.observation_count, arrays.selected_observation];
    if slices.iter().chain(&layers).any(|values| values.len() != size) {
        return Err(PyValueError::new_err(format!("each array must have {} x {} values", grid.height, grid.width)));
    }
    let pool = pool()?;
    let work = |cancel: &CancelToken| pool.install(|| write(&arrays, &metadata, &folder, cancel));
    wait_here(py, work)?.map_err(|error| exception(&error))
}

/// Writes all arrays; whoever cancels is heard soon, and what is not whole then leaves no file.
fn write(
    arrays: &Arrays<'_>,
    metadata: &Metadata,
    folder: &Path,
    cancel: &CancelToken,
) -> pipeline::Result<Vec<PathBuf>> {
    let grid = metadata.grid.grid();
    let mut sink = FolderSink::new(folder, &grid, &metadata.band_names, Output::default(), cancel.clone())?;
    sink.push(arrays)?;
    sink.finish()?.publish(metadata)
}

#[pyfunction]
pub(crate) fn cli(py: Python<'_>, argv: Vec<OsString>) -> u8 {
    py.detach(|| spx_build::run(argv))
}
