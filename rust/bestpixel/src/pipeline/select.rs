//! What the scout has seen goes in, the scenes to read come out, chunk by chunk (rules S2 to S4; pure).

use super::mask::Mask;
use super::scout::Candidate;
use std::collections::BTreeMap;

/// How many scenes a chunk gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    /// Scenes per chunk and required tile where no coverage is aimed at.
    pub(crate) top_k: usize,
    /// Share of the reachable clear cells to aim at; 0 for a fixed depth.
    pub(crate) coverage_target: f64,
    /// At least so many, where there are as many.
    pub(crate) min_k: usize,
    /// At most so many.
    pub(crate) max_k: usize,
}

/// What is read for one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    /// The tiles that the chunk requires.
    pub(crate) tiles: Vec<String>,
    /// The selected scenes, as indices of candidates in ascending order.
    pub(crate) scenes: Vec<usize>,
}

/// A scene of the required tile, as seen in one chunk. Sights come in the AOI's order of preference.
#[derive(Debug, Clone, Copy)]
struct Sight<'a> {
    index: usize,
    observed: &'a Mask,
    clear: &'a Mask,
}

/// Chooses for each of `chunks` chunks. Candidates come in the AOI's order of preference.
pub(crate) fn select(candidates: &[Candidate], chunks: usize, depth: &Depth) -> Vec<Choice> {
    (0..chunks).map(|chunk| select_chunk(candidates, chunk, depth)).collect()
}

fn select_chunk(candidates: &[Candidate], chunk: usize, depth: &Depth) -> Choice {
    let mut coverage: BTreeMap<&str, Mask> = BTreeMap::new();
    for candidate in candidates {
        if let Some(view) = &candidate.views[chunk] {
            coverage.entry(&candidate.scene.tile).or_insert_with(|| view.covered.clone()).add(&view.covered);
        }
    }
    let mut choice = Choice::default();
    for tile in required_tiles(&coverage) {
        let sights = candidates.iter().enumerate().filter(|(_, candidate)| candidate.scene.tile == tile);
        let sights: Vec<Sight<'_>> = sights
            .filter_map(|(index, candidate)| {
                let view = candidate.views[chunk].as_ref()?;
                (view.observed.count() > 0).then_some(Sight { index, observed: &view.observed, clear: &view.clear })
            })
            .collect();
        choice.scenes.extend(if depth.coverage_target > 0.0 {
            greedy(sights, &coverage[tile], depth)
        } else {
            clearest(sights, depth.top_k)
        });
        choice.tiles.push(tile.to_owned());
    }
    choice.scenes.sort_unstable();
    choice
}

/// The tiles with cells that no other tile covers, else the one that covers most cells (rule S2).
fn required_tiles<'a>(coverage: &BTreeMap<&'a str, Mask>) -> Vec<&'a str> {
    let has_exclusive = |tile: &str, covered: &Mask| {
        let mut own = covered.clone();
        coverage.iter().filter(|(name, _)| **name != tile).for_each(|(_, other)| own.remove(other));
        own.count() > 0
    };
    let exclusive: Vec<&str> =
        coverage.iter().filter(|(tile, covered)| has_exclusive(tile, covered)).map(|(tile, _)| *tile).collect();
    if !exclusive.is_empty() {
        return exclusive;
    }
    let most = coverage.iter().filter(|(_, covered)| covered.count() > 0);
    // Of equals the first by name: `max_by_key` keeps the last.
    most.rev().max_by_key(|(_, covered)| covered.count()).map(|(tile, _)| *tile).into_iter().collect()
}

/// The `top_k` scenes with most clear cells; the sort is stable, so ties keep the AOI's order (rule S3).
fn clearest(mut sights: Vec<Sight<'_>>, top_k: usize) -> Vec<usize> {
    sights.sort_by_key(|sight| std::cmp::Reverse(sight.clear.count()));
    sights.into_iter().take(top_k).map(|sight| sight.index).collect()
}

/// Scenes by greatest gain of clear cells until the target is reached; full observers first (rule S4).
fn greedy(sights: Vec<Sight<'_>>, covered: &Mask, depth: &Depth) -> Vec<usize> {
    let Some(first) = sights.first() else { return Vec::new() };
    let mut reachable = first.clear.clone();
    sights.iter().for_each(|sight| reachable.add(sight.clear));
    let target = depth.coverage_target * reachable.count() as f64;
    let (mut full, mut partial): (Vec<_>, Vec<_>) =
        sights.into_iter().partition(|sight| sight.observed.contains(covered));
    let mut union = reachable.clone();
    union.clear();
    let mut chosen = Vec::new();
    while chosen.len() < depth.max_k {
        let is_enough = union.count() as f64 >= target && chosen.len() >= depth.min_k;
        let group = if full.is_empty() { &mut partial } else { &mut full };
        // Of equals the first in the AOI's order.
        let best = (0..group.len()).rev().max_by_key(|&i| group[i].clear.count_without(&union));
        let Some(best) = best.filter(|_| !is_enough) else { break };
        let sight = group.remove(best);
        union.add(sight.clear);
        chosen.push(sight.index);
    }
    chosen
}
