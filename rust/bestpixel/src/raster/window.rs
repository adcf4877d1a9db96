//! A rectangle of pixels: integer algebra only.

use serde::{Deserialize, Serialize};

/// A rectangle of pixels in a raster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// First column.
    pub col_off: usize,
    /// First row.
    pub row_off: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl Window {
    /// A window from its first column and row and its size.
    pub fn new(col_off: usize, row_off: usize, width: usize, height: usize) -> Self {
        Self { col_off, row_off, width, height }
    }

    /// One past the last column.
    pub fn col_end(&self) -> usize {
        self.col_off + self.width
    }

    /// One past the last row.
    pub fn row_end(&self) -> usize {
        self.row_off + self.height
    }

    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.width * self.height
    }

    /// Whether it holds no pixel.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// What both windows share, or None.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (col_off, row_off) = (self.col_off.max(other.col_off), self.row_off.max(other.row_off));
        let (col_end, row_end) = (self.col_end().min(other.col_end()), self.row_end().min(other.row_end()));
        (col_off < col_end && row_off < row_end)
            .then(|| Self::new(col_off, row_off, col_end - col_off, row_end - row_off))
    }

    /// The smallest window that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let (col_off, row_off) = (self.col_off.min(other.col_off), self.row_off.min(other.row_off));
        let (col_end, row_end) = (self.col_end().max(other.col_end()), self.row_end().max(other.row_end()));
        Self::new(col_off, row_off, col_end - col_off, row_end - row_off)
    }

    /// Cuts a raster of `width` x `height` into windows of at most `size` on a side, row by row.
    pub fn tiles(width: usize, height: usize, size: usize) -> Vec<Self> {
        let rows = (0..height).step_by(size);
        rows.flat_map(|row| {
            let cols = (0..width).step_by(size);
            cols.map(move |col| Self::new(col, row, size.min(width - col), size.min(height - row)))
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_each_pixel_once() {
        let tiles = Window::tiles(1100, 513, 512);
        assert_eq!(tiles.len(), 6);
        assert_eq!(tiles.iter().map(Window::len).sum::<usize>(), 1100 * 513);
        for (i, a) in tiles.iter().enumerate() {
            assert!(tiles[i + 1..].iter().all(|b| a.intersection(b).is_none()));
        }
    }

    #[test]
    fn windows_that_touch_share_nothing() {
        assert_eq!(Window::new(0, 0, 4, 4).intersection(&Window::new(4, 0, 4, 4)), None);
        assert_eq!(Window::new(0, 0, 4, 4).intersection(&Window::new(3, 2, 4, 4)), Some(Window::new(3, 2, 1, 2)));
    }
}
