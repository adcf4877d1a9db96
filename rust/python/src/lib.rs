//! The native module `bestpixel._bestpixel`: converts between Python and the core, never computes.

mod composite;
mod error;
mod image;
mod log;
mod runtime;
mod testing;

use pyo3::prelude::*;

#[pymodule]
fn _bestpixel(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(composite::build, module)?)?;
    module.add_function(wrap_pyfunction!(composite::build_months, module)?)?;
    module.add_function(wrap_pyfunction!(composite::plan, module)?)?;
    module.add_function(wrap_pyfunction!(composite::preview, module)?)?;
    module.add_function(wrap_pyfunction!(composite::save, module)?)?;
    module.add_function(wrap_pyfunction!(composite::cli, module)?)?;
    module.add_function(wrap_pyfunction!(image::read_image, module)?)?;
    module.add_function(wrap_pyfunction!(testing::_grid, module)?)?;
    module.add_function(wrap_pyfunction!(testing::_project, module)?)?;
    module.add_function(wrap_pyfunction!(testing::_simd, module)?)?;
    module.add_function(wrap_pyfunction!(testing::_resample, module)?)?;
    module.add_function(wrap_pyfunction!(testing::_nearest, module)?)?;
    module.add_function(wrap_pyfunction!(testing::_window, module)?)?;
    module.add_function(wrap_pyfunction!(testing::_write, module)?)?;
    Ok(())
}
