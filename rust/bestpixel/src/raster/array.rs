//! A two-dimensional array of samples, row by row.

use super::Window;

/// Samples of one band, `height` rows of `width` values.
#[derive(Debug, Clone, PartialEq)]
pub struct Array<T> {
    width: usize,
    height: usize,
    values: Vec<T>,
}

impl<T: Copy> Array<T> {
    /// An array filled with one value.
    pub fn filled(width: usize, height: usize, value: T) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    /// An array over values in row order.
    ///
    /// # Panics
    /// If there are not exactly `width * height` values.
    pub fn from_vec(width: usize, height: usize, values: Vec<T>) -> Self {
        assert_eq!(values.len(), width * height, "an array holds width x height values");
        Self { width, height, values }
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The window that covers the whole array.
    pub fn window(&self) -> Window {
        Window::new(0, 0, self.width, self.height)
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[T] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// One row, writable.
    pub fn row_mut(&mut self, row: usize) -> &mut [T] {
        &mut self.values[row * self.width..(row + 1) * self.width]
    }

    /// All values in row order.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// All values in row order, writable.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// The values themselves, in row order.
    pub fn into_vec(self) -> Vec<T> {
        self.values
    }

    /// A copy of the part inside `window`, which must lie inside the array.
    #[must_use]
    pub fn crop(&self, window: &Window) -> Self {
        let mut values = Vec::with_capacity(window.len());
        for row in window.row_off..window.row_end() {
            values.extend_from_slice(&self.row(row)[window.col_off..window.col_end()]);
        }
        Self::from_vec(window.width, window.height, values)
    }

    /// Each value through `f`.
    pub fn map<U: Copy>(&self, f: impl Fn(T) -> U) -> Array<U> {
        Array { width: self.width, height: self.height, values: self.values.iter().map(|&v| f(v)).collect() }
    }
}
