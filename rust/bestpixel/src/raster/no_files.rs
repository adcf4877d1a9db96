//! A file system without files, for PROJ: whatever it looks for on disk is not there, and it takes its built-in data.

use proj_sys::{PJ_CONTEXT, PROJ_FILE_API, PROJ_FILE_HANDLE, PROJ_OPEN_ACCESS};
use std::ffi::{c_char, c_int, c_longlong, c_ulonglong, c_void};
use std::ptr;

/// To be given to `proj_context_set_fileapi`, which copies it. No file is ever open, so none is ever read.
pub(super) static NO_FILES: PROJ_FILE_API = PROJ_FILE_API {
    version: 1,
    open_cbk: Some(open),
    read_cbk: Some(read),
    write_cbk: Some(write),
    seek_cbk: Some(seek),
    tell_cbk: Some(tell),
    close_cbk: Some(close),
    exists_cbk: Some(no),
    mkdir_cbk: Some(no),
    unlink_cbk: Some(no),
    rename_cbk: Some(rename),
};

type Context = *mut PJ_CONTEXT;
type Handle = *mut PROJ_FILE_HANDLE;
type Data = *mut c_void;

extern "C" fn open(_: Context, _: *const c_char, _: PROJ_OPEN_ACCESS, _: Data) -> Handle {
    ptr::null_mut()
}

extern "C" fn read(_: Context, _: Handle, _: *mut c_void, _: usize, _: Data) -> usize {
    0
}

extern "C" fn write(_: Context, _: Handle, _: *const c_void, _: usize, _: Data) -> usize {
    0
}

extern "C" fn seek(_: Context, _: Handle, _: c_longlong, _: c_int, _: Data) -> c_int {
    0
}

extern "C" fn tell(_: Context, _: Handle, _: Data) -> c_ulonglong {
    0
}

extern "C" fn close(_: Context, _: Handle, _: Data) {}

extern "C" fn no(_: Context, _: *const c_char, _: Data) -> c_int {
    0
}

extern "C" fn rename(_: Context, _: *const c_char, _: *const c_char, _: Data) -> c_int {
    0
}
