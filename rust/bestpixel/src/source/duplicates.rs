//! Scenes go in, each observation comes out once (rule I2).
//!
//! The key is platform, tile and sensing start of the datastrip: the two halves of a datatake differ in it and are both
//! kept, a reprocessed version agrees in it. Scenes without a datastrip are all kept.

use super::Scene;
use std::collections::HashMap;

/// Keeps of each observation the highest baseline, then the latest generation time, then the highest sequence.
pub fn drop_duplicates(scenes: Vec<Scene>) -> Vec<Scene> {
    let mut kept: Vec<Scene> = Vec::with_capacity(scenes.len());
    let mut places: HashMap<(String, String, String), usize> = HashMap::new();
    for scene in scenes {
        let Some(start) = scene.version.sensing_start.clone() else {
            kept.push(scene);
            continue;
        };
        let place = *places.entry((scene.platform.clone(), scene.tile.clone(), start)).or_insert(kept.len());
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
