//! Scenes go in, each observation comes out once (rule I2).
//!
//! The key is the tile and what the collection's rule says ([`super::DuplicateRule`]): for Sentinel-2 platform and sensing
//! start of the datastrip, in which the two halves of a datatake differ and reprocessed versions agree. Scenes without a
//! key are all kept.

use super::Scene;
use std::collections::HashMap;

/// Keeps of each observation the highest baseline, then the latest generation time, then the highest sequence.
pub fn drop_duplicates(scenes: Vec<Scene>) -> Vec<Scene> {
    let mut kept: Vec<Scene> = Vec::with_capacity(scenes.len());
    let mut places: HashMap<(String, String), usize> = HashMap::new();
    for scene in scenes {
        let Some(key) = scene.version.key.clone() else {
            kept.push(scene);
            continue;
        };
        let place = *places.entry((scene.tile.clone(), key)).or_insert(kept.len());
        match kept.get_mut(place) {
            None => kept.push(scene),
            Some(other) => {
                // Of identical versions the smaller id stays, whatever the order of the catalogue.
                if scene.version > other.version || (scene.version == other.version && scene.id < other.id) {
                    *other = scene;
                }
            }
        }
    }
    kept
}
