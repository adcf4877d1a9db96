//! The quality layers of a scene go in, the worst of their scores at each position comes out (rules V2 and W4).

use super::scout::Failure;
use super::stream::Held;
use super::tiles::{Decoded, Fetched, LevelRef};
use crate::raster::Array;
use crate::resample::{Footprint, Points, Wanted, nearest};
use crate::source::{NODATA, Scene};
use crate::tiff;
use futures_util::future::join_all;
use std::future::Future;

/// A result of which the failure comes with the name of the file.
pub(crate) type FileResult<T> = Result<T, (String, tiff::Error)>;

/// What fetches the tiles of all layers that hold the sample of any point, and the memory that those tiles take.
pub(crate) fn fetch_layers(
    levels: &[LevelRef],
    points: &[Points],
) -> (Held, impl Future<Output = Vec<Fetched>> + Send + 'static + use<>) {
    let tiles: Vec<Vec<usize>> = levels.iter().map(|level| tiles_at(level, points)).collect();
    let held = levels.iter().zip(&tiles).map(|(level, tiles)| level.held(tiles)).sum();
    let fetch = |(level, tiles): (&LevelRef, Vec<usize>)| level.clone().fetch(tiles);
    (held, join_all(levels.iter().zip(tiles).map(fetch).collect::<Vec<_>>()))
}

/// The tiles of a level that hold the sample of any point.
fn tiles_at(level: &LevelRef, points: &[Points]) -> Vec<usize> {
    let mut marks = vec![false; level.tiling().count()];
    for points in points {
        let positions = level.warp.positions(points, &level.level().transform);
        let wanted = Wanted::all(points.width, points.height);
        Footprint::Nearest.mark_tiles(&positions, &wanted, level.tiling(), &mut marks);
    }
    (0..marks.len()).filter(|&tile| marks[tile]).collect()
}

/// The decoded layers of one scene.
pub(crate) struct Layers(Vec<(LevelRef, Decoded<u8>)>);

impl Layers {
    /// Decodes a scene's layers, which come in the order of its hrefs. Gives also what failed: where a tile of any layer
    /// is missing, nothing is observed.
    pub(crate) fn decode(scene: &Scene, fetched: Vec<Fetched>) -> (Self, Vec<Failure>) {
        let (mut layers, mut failures) = (Vec::with_capacity(fetched.len()), Vec::new());
        for (href, fetched) in scene.quality_hrefs.iter().zip(fetched) {
            let level = fetched.level.clone();
            let (decoded, errors) = fetched.decode_quality(scene.collection.quality);
            layers.push((level, decoded));
            failures.extend(Failure::of_file(scene, href, errors));
        }
        (Self(layers), failures)
    }

    /// The worst score at each point; None where the points do not reach all layers.
    pub(crate) fn scores(&self, points: &Points) -> Option<Array<u8>> {
        let mut worst: Option<Array<u8>> = None;
        for (level, decoded) in &self.0 {
            let positions = level.warp.positions(points, &level.level().transform);
            let wanted = Wanted::all(points.width, points.height);
            let window = Footprint::Nearest.window(&positions, &wanted, level.tiling())?;
            let scores = nearest(&decoded.patch(&window, NODATA), &positions, NODATA);
            match &mut worst {
                None => worst = Some(scores),
                Some(worst) => {
                    let pairs = worst.values_mut().iter_mut().zip(scores.values());
                    pairs.for_each(|(worst, &score)| *worst = score.max(*worst));
                }
            }
        }
        worst
    }

    /// Which points lie inside the first layer's raster.
    pub(crate) fn covered(&self, points: &Points) -> Vec<bool> {
        let Some((level, _)) = self.0.first() else { return Vec::new() };
        let (positions, tiling) = (level.warp.positions(points, &level.level().transform), level.tiling());
        let is_inside = |i: usize| {
            let (x, y) = positions.at(i / points.width, i % points.width);
            (0.0..tiling.width as f64).contains(&x) && (0.0..tiling.height as f64).contains(&y)
        };
        (0..points.width * points.height).map(is_inside).collect()
    }
}
