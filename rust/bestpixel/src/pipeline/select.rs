//! What the scout has seen goes in, the scenes to read come out, chunk by chunk (rules S2 to S4; pure).

use super::mask::Mask;
use super::scout::View;
use std::collections::{BTreeMap, BTreeSet};

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

/// A scene as far as selection is concerned. Scenes come in the AOI's order of preference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) tile: &'a str,
    /// One per chunk; None where the scene's raster does not reach it.
    pub(crate) views: &'a [Option<View>],
}

/// What is read for one chunk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Choice {
    /// The tiles that the chunk requires.
    pub(crate) tiles: Vec<String>,
    /// The selected scenes, as indices in ascending order.
    pub(crate) scenes: Vec<usize>,
    /// Required tiles whose target may not have been reached: scenes that have not been looked at may help.
    pub(crate) lacking: Vec<String>,
}

/// A scene of the required tile, as seen in one chunk. Sights come in the AOI's order of preference.
#[derive(Debug, Clone, Copy)]
struct Sight<'a> {
    index: usize,
    observed: &'a Mask,
    clear: &'a Mask,
}

/// Chooses for each of `chunks` chunks. Of the tiles in `unseen` there are scenes that have not been looked at.
pub(crate) fn select(scenes: &[Seen<'_>], chunks: usize, depth: &Depth, unseen: &BTreeSet<String>) -> Vec<Choice> {
    (0..chunks).map(|chunk| select_chunk(scenes, chunk, depth, unseen)).collect()
}

fn select_chunk(scenes: &[Seen<'_>], chunk: usize, depth: &Depth, unseen: &BTreeSet<String>) -> Choice {
    let mut coverage: BTreeMap<&str, Mask> = BTreeMap::new();
    for scene in scenes {
        if let Some(view) = &scene.views[chunk] {
            coverage.entry(scene.tile).or_insert_with(|| view.covered.clone()).add(&view.covered);
        }
    }
    let mut choice = Choice::default();
    for tile in required_tiles(&coverage) {
        let sights = scenes.iter().enumerate().filter(|(_, scene)| scene.tile == tile);
        let sights: Vec<Sight<'_>> = sights
            .filter_map(|(index, scene)| {
                let view = scene.views[chunk].as_ref()?;
                (view.observed.count() > 0).then_some(Sight { index, observed: &view.observed, clear: &view.clear })
            })
            .collect();
        if depth.coverage_target > 0.0 {
            let reach = if unseen.contains(tile) { Reach::Unknown } else { Reach::Seen };
            let (chosen, is_reached) = greedy(sights, &coverage[tile], depth, reach);
            choice.scenes.extend(chosen);
            choice.lacking.extend((reach == Reach::Unknown && !is_reached).then(|| tile.to_owned()));
        } else {
            choice.scenes.extend(clearest(sights, depth.top_k));
        }
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

/// Which cells can be clear at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Those that are clear in any scene: all have been looked at.
    Seen,
    /// At most those that the tile covers.
    Unknown,
}

/// Scenes by greatest gain of clear cells until the target is reached; full observers first (rule S4). Gives also whether
/// it is.
fn greedy(sights: Vec<Sight<'_>>, covered: &Mask, depth: &Depth, reach: Reach) -> (Vec<usize>, bool) {
    let Some(first) = sights.first() else { return (Vec::new(), false) };
    let mut reachable = first.clear.clone();
    sights.iter().for_each(|sight| reachable.add(sight.clear));
    let cells = if reach == Reach::Seen { &reachable } else { covered }.count();
    let target = depth.coverage_target * cells as f64;
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
    let is_reached = union.count() as f64 >= target && chosen.len() >= depth.min_k;
    (chosen, is_reached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::scout::{Candidate, sort_by_preference};
    use crate::source::{Scene, endpoint};
    use crate::stac::Item;
    use proptest::prelude::*;

    const TOP: Depth = Depth { top_k: 2, coverage_target: 0.0, min_k: 1, max_k: 8 };

    fn mask(cells: &str) -> Mask {
        Mask::collect(cells.bytes().collect::<Vec<_>>().into_iter().map(|cell| cell == b'x'))
    }

    /// A view of cells that are covered, observed and clear.
    #[expect(clippy::unnecessary_wraps, reason = "a scene has views or None")]
    fn view(covered: &str, observed: &str, clear: &str) -> Option<View> {
        Some(View { covered: mask(covered), observed: mask(observed), clear: mask(clear) })
    }

    /// The scenes of one chunk, by tile and view.
    fn chosen(scenes: &[(&str, Option<View>)], depth: &Depth) -> (Vec<String>, Vec<usize>) {
        let seen: Vec<Seen<'_>> =
            scenes.iter().map(|(tile, view)| Seen { tile, views: std::slice::from_ref(view) }).collect();
        let choice = select(&seen, 1, depth, &BTreeSet::new()).remove(0);
        (choice.tiles, choice.scenes)
    }

    #[test]
    fn s2_tiles_with_cells_of_their_own_are_required() {
        let scenes = [("A", view("xxx.", "xxx.", "xxx.")), ("B", view("..xx", "..xx", "...."))];
        assert_eq!(chosen(&scenes, &TOP), (vec!["A".into(), "B".into()], vec![0, 1]));
    }

    #[test]
    fn s2_else_the_tile_that_covers_most() {
        let scenes = [
            ("C", view("xx..", "xx..", "xx..")),
            ("B", view("xxx.", "xxx.", "....")),
            ("A", view("xxx.", "xxx.", "x...")),
        ];
        assert_eq!(chosen(&scenes, &TOP), (vec!["A".into()], vec![2]));
        assert_eq!(chosen(&[("A", view("....", "....", "....")), ("B", None)], &TOP), (vec![], vec![]));
    }

    #[test]
    fn s3_the_clearest_and_of_equals_the_first() {
        let scenes = [
            ("A", view("xxxx", "xxxx", "x...")),
            ("A", view("xxxx", "xxxx", "xxx.")),
            ("A", view("xxxx", "xxxx", ".xxx")),
            ("A", view("xxxx", "xxxx", "..x.")),
            ("A", view("xxxx", "....", "....")),
        ];
        assert_eq!(chosen(&scenes, &TOP).1, vec![1, 2]);
        assert_eq!(chosen(&scenes, &Depth { top_k: 3, ..TOP }).1, vec![0, 1, 2]);
        assert_eq!(chosen(&scenes, &Depth { top_k: 9, ..TOP }).1, vec![0, 1, 2, 3]);
    }

    #[test]
    fn s4_by_gain_and_full_observers_first() {
        let depth = Depth { coverage_target: 0.9, min_k: 1, ..TOP };
        let scenes = [
            ("A", view("xxxx", "xxx.", "xxx.")),
            ("A", view("xxxx", "xxxx", "xx..")),
            ("A", view("xxxx", "xxxx", ".xx.")),
            ("A", view("xxxx", "xxxx", "...x")),
        ];
        // Of two that gain two the first; then each gains one and the first of them; then the last cell.
        assert_eq!(chosen(&scenes, &depth).1, vec![1, 2, 3]);
        assert_eq!(chosen(&scenes, &Depth { coverage_target: 0.5, ..depth }).1, vec![1]);
        assert_eq!(chosen(&scenes, &Depth { coverage_target: 0.5, min_k: 2, ..depth }).1, vec![1, 2]);
        assert_eq!(chosen(&scenes, &Depth { max_k: 2, ..depth }).1, vec![1, 2]);
    }

    #[test]
    fn s4_says_whether_scenes_not_looked_at_may_help() {
        let depth = Depth { coverage_target: 0.75, min_k: 1, ..TOP };
        let lacking = |clear: [&str; 2], max_k: usize, unseen: &str| {
            let views = clear.map(|clear| view("xxxx", "xxxx", clear));
            let seen = views.iter().map(|view| Seen { tile: "A", views: std::slice::from_ref(view) });
            let seen: Vec<Seen<'_>> = seen.collect();
            let choice = select(&seen, 1, &Depth { max_k, ..depth }, &BTreeSet::from([unseen.to_owned()])).remove(0);
            (choice.scenes, choice.lacking)
        };
        // Three of four cells are the target, whatever the others show.
        assert_eq!(lacking(["xx..", ".xx."], 8, "A"), (vec![0, 1], vec![]));
        assert_eq!(lacking(["xx..", ".xx."], 1, "A"), (vec![0], vec!["A".to_owned()]));
        assert_eq!(lacking(["xx..", "x..."], 8, "A"), (vec![0, 1], vec!["A".to_owned()]));
        // Where all have been looked at, what they reach is what can be had.
        assert_eq!(lacking(["xx..", "x..."], 8, "B"), (vec![0], vec![]));
    }

    #[test]
    fn s4_fewer_than_min_k_is_not_enough_while_scenes_wait() {
        let depth = Depth { coverage_target: 0.5, min_k: 2, ..TOP };
        let views = view("xxxx", "xxxx", "xxxx");
        let seen = [Seen { tile: "A", views: std::slice::from_ref(&views) }];
        let choice = |unseen: &str| select(&seen, 1, &depth, &BTreeSet::from([unseen.to_owned()])).remove(0);
        assert_eq!(choice("A").lacking, ["A"]);
        assert!(choice("B").lacking.is_empty());
    }

    /// A candidate of two chunks, as the scout makes it of an item.
    fn candidate(number: usize, tile: &str, day: u8, views: [(u16, u16, u16); 2]) -> Candidate {
        let asset = serde_json::json!({ "href": "a.tif", "type": "image/tiff" });
        let item = serde_json::json!({
            "id": format!("scene-{number}"),
            "collection": "sentinel-2-l2a",
            "properties": { "datetime": format!("2024-07-{day:02}T10:00:00Z"), "grid:code": format!("MGRS-{tile}") },
            "assets": { "red": asset, "scl": asset },
        });
        let item: Item = serde_json::from_value(item).unwrap();
        let collection = endpoint("earth-search").unwrap().collection_of(&item).unwrap();
        let view = |(covered, observed, clear): (u16, u16, u16)| View {
            covered: bits(covered),
            observed: bits(covered & observed),
            clear: bits(covered & observed & clear),
        };
        Candidate {
            scene: Scene::from_item(&item, collection, &["red".to_owned()]).unwrap(),
            quality: Vec::new(),
            views: views.map(view).into_iter().map(Some).collect(),
        }
    }

    /// The ids selected in each of two chunks, in the order of preference.
    fn selected(mut candidates: Vec<Candidate>, depth: &Depth) -> Vec<(Vec<String>, Vec<String>)> {
        sort_by_preference(&mut candidates);
        let seen = candidates.iter().map(|c| Seen { tile: &c.scene.tile, views: &c.views });
        let choices = select(&seen.collect::<Vec<_>>(), 2, depth, &BTreeSet::new());
        let ids = |choice: Choice| choice.scenes.iter().map(|&i| candidates[i].scene.id.clone()).collect();
        choices.into_iter().map(|choice| (choice.tiles.clone(), ids(choice))).collect()
    }

    /// Masks over nine cells, as bits.
    fn scene() -> impl Strategy<Value = (bool, u16, u16)> {
        (any::<bool>(), 0u16..512, 0u16..512)
    }

    fn bits(bits: u16) -> Mask {
        Mask::collect((0..9).map(|i| bits >> i & 1 == 1))
    }

    type Drawn = (bool, u8, [(u16, u16, u16); 2]);

    fn drawn() -> impl Strategy<Value = Drawn> {
        let view = || (prop_oneof![Just(511u16), 0u16..512], 0u16..512, 0u16..512);
        (any::<bool>(), 1u8..4, [view(), view()])
    }

    proptest! {
        #[test]
        fn the_order_in_which_scenes_come_does_not_matter(
            (scenes, order) in prop::collection::vec(drawn(), 0..10)
                .prop_flat_map(|scenes| (Just(scenes.clone()), Just((0..scenes.len()).collect::<Vec<_>>()).prop_shuffle())),
            (target, top_k, min_k, more) in (prop_oneof![Just(0.0), 0.05f64..1.0], 1usize..4, 1usize..3, 0usize..4),
        ) {
            let depth = Depth { top_k, coverage_target: target, min_k, max_k: min_k + more };
            let make = |i: usize| {
                let (is_first, day, views) = scenes[i];
                candidate(i, if is_first { "33TWL" } else { "33TXL" }, day, views)
            };
            let straight = selected((0..scenes.len()).map(make).collect(), &depth);
            prop_assert_eq!(selected(order.into_iter().map(make).collect(), &depth), straight);
        }

        #[test]
        fn s4_reaches_the_target_or_ends_at_max_k(
            scenes in prop::collection::vec(scene(), 0..12),
            target in 0.05f64..1.0,
            (min_k, more) in (1usize..4, 0usize..5),
        ) {
            let views: Vec<Option<View>> = scenes.iter().map(|(_, observed, clear)| {
                Some(View { covered: bits(511), observed: bits(*observed), clear: bits(observed & clear) })
            }).collect();
            let seen: Vec<Seen<'_>> =
                views.iter().map(|view| Seen { tile: "A", views: std::slice::from_ref(view) }).collect();
            let depth = Depth { top_k: 1, coverage_target: target, min_k, max_k: min_k + more };
            let choice = select(&seen, 1, &depth, &BTreeSet::new()).remove(0);
            let usable = scenes.iter().filter(|(_, observed, _)| *observed != 0).count();
            let reach = |pick: &dyn Fn(usize) -> bool| {
                (0..scenes.len()).filter(|&i| pick(i)).fold(0, |all, i| all | (scenes[i].1 & scenes[i].2)).count_ones()
            };
            let reached = f64::from(reach(&|i| choice.scenes.contains(&i)));
            let wanted = target * f64::from(reach(&|_| true));
            prop_assert!(choice.scenes.len() <= depth.max_k);
            prop_assert!(choice.scenes.len() >= min_k.min(usable));
            prop_assert!(reached >= wanted || choice.scenes.len() == depth.max_k.min(usable));
        }

        #[test]
        fn s3_takes_none_that_is_less_clear_than_one_it_leaves(
            scenes in prop::collection::vec(scene(), 0..12),
            top_k in 1usize..5,
        ) {
            let views: Vec<Option<View>> = scenes.iter().map(|(_, observed, clear)| {
                Some(View { covered: bits(511), observed: bits(*observed), clear: bits(observed & clear) })
            }).collect();
            let seen: Vec<Seen<'_>> =
                views.iter().map(|view| Seen { tile: "A", views: std::slice::from_ref(view) }).collect();
            let choice = select(&seen, 1, &Depth { top_k, ..TOP }, &BTreeSet::new()).remove(0);
            let clear = |i: usize| (scenes[i].1 & scenes[i].2).count_ones();
            let left = (0..scenes.len()).filter(|i| scenes[*i].1 != 0 && !choice.scenes.contains(i));
            let most_left = left.map(clear).max().unwrap_or(0);
            prop_assert!(choice.scenes.iter().all(|&i| clear(i) >= most_left));
        }
    }
}
