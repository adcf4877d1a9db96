//! The affine transform from pixel to world coordinates.

use serde::{Deserialize, Serialize};

/// `x = a * col + b * row + c`, `y = d * col + e * row + f`, in rasterio's order; (0, 0) is the outer corner of the first
/// pixel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Transform(pub [f64; 6]);

impl Transform {
    /// North-up: the outer corner of the first pixel and the pixel's size, both sizes positive.
    pub fn north_up(left: f64, top: f64, pixel_width: f64, pixel_height: f64) -> Self {
        Self([pixel_width, 0.0, left, 0.0, -pixel_height, top])
    }

    /// World coordinates of a continuous pixel position.
    pub fn world(&self, col: f64, row: f64) -> (f64, f64) {
        let [a, b, c, d, e, f] = self.0;
        (a * col + b * row + c, d * col + e * row + f)
    }

    /// The continuous pixel position of world coordinates; not finite where the transform cannot be inverted.
    pub fn pixel(&self, x: f64, y: f64) -> (f64, f64) {
        let [_, _, c, _, _, f] = self.0;
        self.pixel_vector(x - c, y - f)
    }

    /// The difference in pixel positions that a difference in world coordinates makes.
    pub fn pixel_vector(&self, dx: f64, dy: f64) -> (f64, f64) {
        let [a, b, _, d, e, _] = self.0;
        if self.is_separable() {
            return (dx / a, dy / e);
        }
        let det = a * e - b * d;
        ((e * dx - b * dy) / det, (a * dy - d * dx) / det)
    }

    /// Whether columns depend on x alone and rows on y alone.
    pub fn is_separable(&self) -> bool {
        self.0[1] == 0.0 && self.0[3] == 0.0
    }

    /// The transform of the same extent cut into other pixels: each `col_factor` x `row_factor` of these.
    #[must_use]
    pub fn scaled(&self, col_factor: f64, row_factor: f64) -> Self {
        let [a, b, c, d, e, f] = self.0;
        Self([a * col_factor, b * row_factor, c, d * col_factor, e * row_factor, f])
    }

    /// Width and height of a pixel in world units.
    pub fn pixel_size(&self) -> (f64, f64) {
        let [a, b, _, d, e, _] = self.0;
        (a.hypot(d), b.hypot(e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_inverts_world_also_when_rotated() {
        for t in [Transform::north_up(500_000.0, 5_100_000.0, 10.0, 10.0), Transform([8.0, 3.0, 7.0, -2.0, -9.0, 1.0])]
        {
            let (x, y) = t.world(12.5, 40.25);
            let (col, row) = t.pixel(x, y);
            assert!((col - 12.5).abs() < 1e-9 && (row - 40.25).abs() < 1e-9);
        }
    }
}
