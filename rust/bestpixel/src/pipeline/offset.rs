//! Scenes whose items contradict themselves go in, the offsets that their pixels show come out (rule I4).
//!
//! The one place where pixels of reflectance are read before the plan: some tiles of an overview. Its samples are means,
//! so they carry the offset where the full image does.

use super::access::Access;
use super::layers::FileResult;
use super::scout::{Failure, open_files};
use super::stream::{Io, Job};
use super::tiles::{Decoded, Fetched, LevelRef, Spare, Warps};
use super::{Result, Stage};
use crate::cache::Keep;
use crate::source::{Scale, Scene, is_taken_out};
use crate::tiff::{Cog, Error, Level};
use std::sync::Arc;

/// The finest level with at most so many pixels is looked at: the third overview of a band of 10 m.
const MAX_PIXELS: usize = 2048 * 2048;

/// Tiles that are looked at, at most: the full image of a file without overviews has hundreds.
const MAX_TILES: usize = 16;

/// Decoded tiles, and what of them could not be had.
type Looked = (Decoded<u16>, Vec<Error>);

/// Asks the witnesses of scenes that have one. Gives the scenes of which no witness can be read.
pub(crate) fn settle_offsets(
    mut scenes: Vec<&mut Scene>,
    access: &Access,
    io: &Io<'_>,
    warps: &mut Warps,
) -> Result<Vec<Failure>> {
    scenes.retain(|scene| scene.witness_href.is_some());
    let hrefs: Vec<Vec<String>> = scenes.iter().map(|scene| scene.witness_href.iter().cloned().collect()).collect();
    let groups: Vec<&[String]> = hrefs.iter().map(Vec::as_slice).collect();
    let (mut failures, mut jobs) = (Vec::new(), Vec::new());
    for (index, opened) in open_files(&groups, Keep::Everything, access, io, Stage::Plan)?.into_iter().enumerate() {
        match opened.and_then(|cogs| small_levels(&cogs, warps)) {
            Ok(levels) => {
                let scale = scenes[index].collection.scale;
                jobs.extend(levels.into_iter().map(|level| look(index, level, scale)));
            }
            Err((href, error)) => failures.push(Failure { scene: scenes[index].clone(), href, error }),
        }
    }
    io.stream(Stage::Plan, jobs, |(index, (decoded, errors)): (usize, Looked)| {
        let scene = &mut *scenes[index];
        let tiles = decoded.into_tiles();
        if tiles.is_empty() {
            let href = scene.witness_href.clone().unwrap_or_default();
            failures.extend(Failure::of_file(scene, &href, errors));
        } else {
            if is_taken_out(tiles.values().flat_map(|tile| tile.values().iter().copied())) {
                scene.offset = 0;
            }
            scene.witness_href = None;
        }
        Ok(())
    })?;
    failures.sort_by(|a, b| a.scene.id.cmp(&b.scene.id));
    Ok(failures)
}

/// The level to look at of each file: the finest small one, else the coarsest.
fn small_levels(cogs: &[Arc<Cog>], warps: &mut Warps) -> FileResult<Vec<LevelRef>> {
    let is_small = |level: &&Level| level.tiling.width * level.tiling.height <= MAX_PIXELS;
    let level = |cog: &Arc<Cog>| {
        let pixel_size = cog.levels.iter().find(is_small).map_or(f64::INFINITY, |level| level.transform.pixel_size().0);
        warps.level(cog.clone(), pixel_size).map_err(|error| (cog.source.name().to_owned(), error))
    };
    cogs.iter().map(level).collect()
}

/// Fetches tiles from all over a level.
fn look(
    index: usize,
    level: LevelRef,
    scale: Scale,
) -> Job<impl Future<Output = Fetched> + Send + 'static, impl FnOnce(Fetched) -> (usize, Looked) + Send + 'static> {
    let count = level.tiling().count();
    let tiles: Vec<usize> = (0..count).step_by(count.div_ceil(MAX_TILES).max(1)).collect();
    let (held, fetch) = (level.held(&tiles), level.fetch(tiles));
    Job { held, fetch, work: move |fetched: Fetched| (index, fetched.decode_reflectance(&scale, 0, &Spare::default())) }
}
