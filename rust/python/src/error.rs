//! Errors of the core go in, Python exceptions come out: a function of the error's kind.

use bestpixel::pipeline::{Error, ErrorKind};
use pyo3::exceptions::{PyFileNotFoundError, PyKeyboardInterrupt, PyRuntimeError, PyValueError};
use pyo3::{PyErr, import_exception};

import_exception!(bestpixel.exceptions, CatalogError);
import_exception!(bestpixel.exceptions, FormatError);
import_exception!(bestpixel.exceptions, ReadError);
import_exception!(bestpixel.exceptions, WriteError);

/// The exception of an error, with the whole chain of causes as its message.
pub(crate) fn exception(error: &Error) -> PyErr {
    let message = error.full_message();
    match error.kind {
        ErrorKind::Usage => PyValueError::new_err(message),
        ErrorKind::NotFound => PyFileNotFoundError::new_err(message),
        ErrorKind::Catalog | ErrorKind::NoScenes => CatalogError::new_err(message),
        ErrorKind::Read => ReadError::new_err(message),
        ErrorKind::Format => FormatError::new_err(message),
        ErrorKind::Write => WriteError::new_err(message),
        ErrorKind::Cancelled => PyKeyboardInterrupt::new_err(message),
        ErrorKind::System => PyRuntimeError::new_err(message),
    }
}
