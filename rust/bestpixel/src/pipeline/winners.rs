//! Scores go in, the winner of each pixel comes out (rules W1 to W3).

#![expect(clippy::inline_always, reason = "only what is inlined into a level's shell is compiled for that level")]

use super::quality::Scores;
use crate::raster::{CHUNK_SIZE, Kernel, VectorLevel, Window};
use crate::resample::Wanted;
use crate::source::NODATA;
use rayon::prelude::*;

/// No scene has the pixel.
pub(crate) const NOBODY: u16 = u16::MAX;

/// Who has each pixel of a chunk.
#[derive(Debug, Clone)]
pub(crate) struct ChunkWinners {
    pub(crate) window: Window,
    /// Score of the winner.
    pub(crate) score: Vec<u8>,
    /// Index of the winning scene, or [`NOBODY`].
    pub(crate) winner: Vec<u16>,
    /// Scenes with a usable observation.
    pub(crate) count: Vec<u16>,
    /// Pixels decided in this round, whose reflectance is still to be read.
    pub(crate) fresh: Vec<bool>,
}

/// Who has each pixel of the grid, and the scores from which the next best follows.
pub(crate) struct Winners {
    pub(crate) chunks: Vec<ChunkWinners>,
    /// By scene, in the AOI's order of preference.
    scores: Vec<Scores>,
}

impl ChunkWinners {
    /// The fresh pixels of each of so many scenes.
    pub(crate) fn fresh_of(&self, scenes: usize) -> Vec<Wanted> {
        let width = self.window.width;
        let mut fresh = vec![Wanted::none(width); scenes];
        let rows = self.winner.chunks_exact(width).zip(self.fresh.chunks_exact(width));
        for (row, (winner, is_fresh)) in rows.enumerate() {
            let mut start = 0;
            while start < width {
                let same = |col: &usize| winner[*col] == winner[start] && is_fresh[*col] == is_fresh[start];
                let end = (start..width).take_while(same).last().map_or(width, |last| last + 1);
                if is_fresh[start]
                    && let Some(wanted) = fresh.get_mut(usize::from(winner[start]))
                {
                    wanted.add(row, start..end);
                }
                start = end;
            }
        }
        fresh
    }
}

impl Winners {
    /// The chunks of a row of chunks, counted from the top, with their indices.
    pub(crate) fn in_row(&self, row: usize) -> impl Iterator<Item = (usize, &ChunkWinners)> {
        let top = self.chunks.first().map_or(0, |chunk| chunk.window.row_off);
        let is_here = move |chunk: &ChunkWinners| chunk.window.row_off - top == row * CHUNK_SIZE;
        self.chunks.iter().enumerate().filter(move |(_, chunk)| is_here(chunk))
    }

    /// Decides all pixels: the lowest score wins, ties go to the scene that comes first.
    pub(crate) fn decide(windows: &[Window], scores: Vec<Scores>) -> Self {
        let chunk = |window: &Window| ChunkWinners {
            window: *window,
            score: vec![NODATA; window.len()],
            winner: vec![NOBODY; window.len()],
            count: vec![0; window.len()],
            fresh: vec![true; window.len()],
        };
        let mut winners = Self { chunks: windows.iter().map(chunk).collect(), scores };
        let scores = &winners.scores;
        winners.chunks.par_iter_mut().enumerate().for_each(|(index, chunk)| {
            for array in scores.iter().filter_map(|scores| scores[index].as_ref()) {
                VectorLevel::best().run(Count { count: &mut chunk.count, scores: array.values() });
            }
        });
        winners.redecide();
        winners
    }

    /// Decides the fresh pixels anew; those that nobody has are no longer fresh.
    pub(crate) fn redecide(&mut self) {
        let scores = &self.scores;
        self.chunks.par_iter_mut().enumerate().for_each(|(index, chunk)| {
            for i in (0..chunk.fresh.len()).filter(|&i| chunk.fresh[i]) {
                (chunk.score[i], chunk.winner[i]) = (NODATA, NOBODY);
            }
            for (scene, scores) in scores.iter().enumerate() {
                let Some(array) = &scores[index] else { continue };
                VectorLevel::best().run(Prefer { chunk, scores: array.values(), scene: scene as u16 });
            }
            for (fresh, &winner) in chunk.fresh.iter_mut().zip(&chunk.winner) {
                *fresh &= winner != NOBODY;
            }
        });
    }

    /// Ends a round: what has been decided stays.
    pub(crate) fn settle(&mut self) {
        self.chunks.iter_mut().for_each(|chunk| chunk.fresh.fill(false));
    }

    /// Bars the winners of some pixels of a chunk there (rule W3); the pixels are to be decided anew.
    pub(crate) fn give_way(&mut self, chunk: usize, pixels: &[usize]) {
        let state = &mut self.chunks[chunk];
        for &i in pixels {
            state.fresh[i] = true;
            let barred = self.scores.get_mut(usize::from(state.winner[i])).and_then(|scores| scores[chunk].as_mut());
            if let Some(array) = barred {
                array.values_mut()[i] = NODATA;
            }
        }
    }
}

/// Counts the scores that are usable.
struct Count<'a> {
    count: &'a mut [u16],
    scores: &'a [u8],
}

impl Kernel for Count<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (count, &score) in self.count.iter_mut().zip(self.scores) {
            *count += u16::from(score != NODATA);
        }
    }
}

/// Gives a scene the fresh pixels where its score is less than that of who has them.
struct Prefer<'a> {
    chunk: &'a mut ChunkWinners,
    scores: &'a [u8],
    scene: u16,
}

impl Kernel for Prefer<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let ChunkWinners { score, winner, fresh, .. } = self.chunk;
        for (((least, winner), &is_fresh), &score) in score.iter_mut().zip(winner).zip(&*fresh).zip(self.scores) {
            // Without a branch: which scene is better changes from pixel to pixel.
            let is_better = (score < *least) & is_fresh;
            *least = if is_better { score } else { *least };
            *winner = if is_better { self.scene } else { *winner };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::Array;

    fn winners(scores: &[[u8; 3]]) -> Winners {
        let scores = scores.iter().map(|row| vec![Some(Array::from_vec(3, 1, row.to_vec()))]).collect();
        Winners::decide(&[Window::new(0, 0, 3, 1)], scores)
    }

    #[test]
    fn the_lowest_score_wins_and_ties_go_to_the_first() {
        let winners = winners(&[[1, 0, NODATA], [0, 0, NODATA]]);
        assert_eq!(winners.chunks[0].winner, [1, 0, NOBODY]);
        assert_eq!(winners.chunks[0].count, [2, 2, 0]);
        assert_eq!(winners.chunks[0].fresh, [true, true, false]);
    }

    #[test]
    fn fresh_pixels_are_told_by_scene() {
        let mut chunk = winners(&[[1, 0, NODATA], [0, 0, NODATA]]).chunks.remove(0);
        assert_eq!(
            chunk.fresh_of(2),
            [Wanted::of_mask(3, &[false, true, false]), Wanted::of_mask(3, &[true, false, false])]
        );
        chunk.fresh[0] = false;
        assert!(chunk.fresh_of(2)[1].is_empty());
    }

    #[test]
    fn who_gives_way_does_so_there_alone() {
        let mut winners = winners(&[[0, 0, 0], [2, 2, NODATA]]);
        winners.settle();
        winners.give_way(0, &[1, 2]);
        winners.redecide();
        assert_eq!(winners.chunks[0].winner, [0, 1, NOBODY]);
        assert_eq!(winners.chunks[0].score, [0, 2, NODATA]);
        assert_eq!(winners.chunks[0].fresh, [false, true, false]);
    }
}
