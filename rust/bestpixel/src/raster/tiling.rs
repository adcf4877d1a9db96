//! How a raster is cut into tiles.

use super::Window;

/// A raster's size and the size of its tiles; tiles are counted row by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tiling {
    /// Columns of the raster.
    pub width: usize,
    /// Rows of the raster.
    pub height: usize,
    /// Columns of a tile.
    pub tile_width: usize,
    /// Rows of a tile.
    pub tile_height: usize,
}

impl Tiling {
    /// Tiles in a row.
    pub fn across(&self) -> usize {
        self.width.div_ceil(self.tile_width)
    }

    /// All tiles.
    pub fn count(&self) -> usize {
        self.across() * self.height.div_ceil(self.tile_height)
    }

    /// The pixels of one tile that lie inside the raster.
    pub fn window(&self, index: usize) -> Window {
        let (row, col) = (index / self.across(), index % self.across());
        let (col_off, row_off) = (col * self.tile_width, row * self.tile_height);
        let (width, height) = (self.tile_width.min(self.width - col_off), self.tile_height.min(self.height - row_off));
        Window::new(col_off, row_off, width, height)
    }

    /// The tiles that share pixels with `window`, in ascending order.
    pub fn tiles_in(&self, window: &Window) -> Vec<usize> {
        let Some(inside) = window.intersection(&Window::new(0, 0, self.width, self.height)) else {
            return Vec::new();
        };
        let rows = inside.row_off / self.tile_height..=(inside.row_end() - 1) / self.tile_height;
        rows.flat_map(|row| {
            let cols = inside.col_off / self.tile_width..=(inside.col_end() - 1) / self.tile_width;
            cols.map(move |col| row * self.across() + col)
        })
        .collect()
    }
}
