//! Which cells of a chunk have a property: a set of bits.

/// A set of cells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Mask {
    words: Vec<u64>,
}

impl Mask {
    /// The empty set over `cells` cells.
    pub(crate) fn empty(cells: usize) -> Self {
        Self { words: vec![0; cells.div_ceil(64)] }
    }

    /// The set of the cells for which an iterator says true.
    pub(crate) fn collect(cells: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut mask = Self::empty(cells.len());
        for (i, is_in) in cells.enumerate() {
            mask.words[i / 64] |= u64::from(is_in) << (i % 64);
        }
        mask
    }

    /// Takes all cells out.
    pub(crate) fn clear(&mut self) {
        self.words.fill(0);
    }

    /// How many cells are in it.
    pub(crate) fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// How many of its cells are not in `other`.
    pub(crate) fn count_without(&self, other: &Self) -> usize {
        self.words.iter().zip(&other.words).map(|(a, b)| (a & !b).count_ones() as usize).sum()
    }

    /// Whether all cells of `other` are in it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.count_without(self) == 0
    }

    /// Takes out the cells of `other`.
    pub(crate) fn remove(&mut self, other: &Self) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a &= !b;
        }
    }

    /// Adds the cells of `other`.
    pub(crate) fn add(&mut self, other: &Self) {
        for (a, b) in self.words.iter_mut().zip(&other.words) {
            *a |= b;
        }
    }
}
