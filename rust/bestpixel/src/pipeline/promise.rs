//! Scenes go in, those to look at next come out, the most promising first (rule S4).
//!
//! Where a coverage is aimed at, hopeless scenes need not be looked at: of each tile some scenes are looked at, and more
//! only as long as the target may not have been reached.

use super::select::Depth;
use crate::source::Scene;
use std::collections::{BTreeMap, BTreeSet};

/// Scenes of a tile that are looked at together, at least: each turn costs two round trips.
const TURN: usize = 8;

/// Scenes that have not been looked at.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    /// By tile, the most promising first.
    tiles: BTreeMap<String, Vec<Scene>>,
    /// Scenes of a tile that are looked at together.
    turn: usize,
}

impl Waiting {
    /// All scenes wait. Without a coverage to be aimed at they have their turn together.
    pub(crate) fn new(scenes: Vec<Scene>, depth: &Depth) -> Self {
        let mut tiles: BTreeMap<String, Vec<Scene>> = BTreeMap::new();
        for scene in scenes {
            tiles.entry(scene.tile.clone()).or_default().push(scene);
        }
        for scenes in tiles.values_mut() {
            // A scene that does not tell its clouds promises nothing; of equals the newer goes first.
            scenes.sort_by(|a, b| {
                let clouds = |scene: &Scene| scene.cloud_cover.unwrap_or(100.0);
                let order = clouds(a).total_cmp(&clouds(b)).then_with(|| b.time.cmp(&a.time));
                order.then_with(|| a.id.cmp(&b.id))
            });
        }
        Self { tiles, turn: if depth.coverage_target > 0.0 { depth.max_k.max(TURN) } else { usize::MAX } }
    }

    /// The tiles of which scenes wait.
    pub(crate) fn tiles(&self) -> BTreeSet<String> {
        self.tiles.keys().cloned().collect()
    }

    /// Takes the scenes of some tiles whose turn it is.
    pub(crate) fn take(&mut self, is_wanted: impl Fn(&str) -> bool) -> Vec<Scene> {
        let mut taken = Vec::new();
        self.tiles.retain(|tile, scenes| {
            if is_wanted(tile) {
                taken.extend(scenes.drain(..self.turn.min(scenes.len())));
            }
            !scenes.is_empty()
        });
        taken
    }
}
