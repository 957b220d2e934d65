//! `Blocks`: a sorted set of pairs of numbers, the index of a single integer column. Neighbours lie side by side in blocks
//! of up to 256, which takes less memory than a tree with a node for every few of them and less time per insertion: what
//! comes in rising order fills its blocks to the brim.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A key and a row.
pub(super) type Pair = (i64, u64);

const FIRST: Pair = (i64::MIN, 0);
/// Pairs of a block, at most.
const FULL: usize = 256;

/// The set. All pairs of a block are at or above its key in the map and below the next one's; the first block's key is
/// below everything, and it alone may be empty.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: BTreeMap<Pair, Vec<Pair>>,
}

impl Blocks {
    /// Of pairs in rising order, none of them twice.
    pub(super) fn from_sorted(pairs: &[Pair]) -> Blocks {
        let mut blocks: BTreeMap<Pair, Vec<Pair>> = pairs.chunks(FULL).map(|part| (part[0], part.to_vec())).collect();
        if let Some((_, first)) = blocks.pop_first() {
            blocks.insert(FIRST, first);
        }
        Blocks { blocks }
    }

    /// The greatest pair.
    pub(super) fn last(&self) -> Option<Pair> {
        self.blocks.last_key_value().and_then(|(_, block)| block.last().copied())
    }

    /// Adds a pair, unless it is there.
    pub(super) fn insert(&mut self, pair: Pair) {
        let Some((_, block)) = self.blocks.range_mut(..=pair).next_back() else {
            self.blocks.insert(FIRST, vec![pair]);
            return;
        };
        let place = match block.last() {
            Some(last) if *last >= pair => match block.binary_search(&pair) {
                Ok(_) => return,
                Err(place) => place,
            },
            _ => block.len(),
        };
        if block.len() < FULL {
            block.insert(place, pair);
            return;
        }
        if place == FULL {
            self.blocks.insert(pair, vec![pair]);
            return;
        }
        let mut upper = block.split_off(FULL / 2);
        match place.checked_sub(FULL / 2) {
            Some(place) if place > 0 => upper.insert(place, pair),
            _ => block.insert(place, pair),
        }
        self.blocks.insert(upper[0], upper);
    }

    /// Takes a pair out, if it is there.
    pub(super) fn remove(&mut self, pair: Pair) {
        let Some((key, block)) = self.blocks.range_mut(..=pair).next_back() else { return };
        let Ok(place) = block.binary_search(&pair) else { return };
        block.remove(place);
        if block.is_empty() && *key != FIRST {
            let key = *key;
            self.blocks.remove(&key);
        } else if block.len() < block.capacity() / 4 {
            block.shrink_to(block.len() * 2);
        }
    }

    /// The pairs between two bounds, in order.
    pub(super) fn range(&self, low: Bound<Pair>, high: Bound<Pair>) -> impl DoubleEndedIterator<Item = &Pair> {
        let from = match low {
            Bound::Unbounded => FIRST,
            Bound::Included(pair) | Bound::Excluded(pair) => {
                self.blocks.range(..=pair).next_back().map_or(FIRST, |(key, _)| *key)
            }
        };
        let to = match high {
            Bound::Unbounded => (i64::MAX, u64::MAX),
            Bound::Included(pair) | Bound::Excluded(pair) => pair.max(from),
        };
        let start = move |block: &Vec<Pair>| match low {
            Bound::Unbounded => 0,
            Bound::Included(pair) => block.partition_point(|other| *other < pair),
            Bound::Excluded(pair) => block.partition_point(|other| *other <= pair),
        };
        let end = move |block: &Vec<Pair>| match high {
            Bound::Unbounded => block.len(),
            Bound::Included(pair) => block.partition_point(|other| *other <= pair),
            Bound::Excluded(pair) => block.partition_point(|other| *other < pair),
        };
        self.blocks
            .range(from..=to)
            .flat_map(move |(_, block)| block.get(start(block)..end(block)).unwrap_or(&[]).iter())
    }

    /// The rows of one key.
    pub(super) fn rows_of(&self, key: i64) -> impl Iterator<Item = u64> {
        self.range(Bound::Included((key, 0)), Bound::Included((key, u64::MAX))).map(|(_, row)| *row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::env::{Rng, SeededRng};

    fn compare(blocks: &Blocks, model: &BTreeSet<Pair>, rng: &SeededRng, span: u64) {
        let number = || i64::try_from(rng.next_u64() % span).unwrap() - 3;
        for _ in 0..20 {
            let (a, b) = ((number(), rng.next_u64() % 3), (number(), rng.next_u64() % 3));
            let (a, b) = (a.min(b), a.max(b));
            let bound = |pair, kind: u64| match kind % 3 {
                0 => Bound::Included(pair),
                1 => Bound::Excluded(pair),
                _ => Bound::Unbounded,
            };
            let (low, high) = (bound(a, rng.next_u64()), bound(b, rng.next_u64()));
            if a == b && (low, high) == (Bound::Excluded(a), Bound::Excluded(b)) {
                continue;
            }
            assert!(blocks.range(low, high).eq(model.range((low, high))), "{low:?} {high:?}");
            assert!(blocks.range(low, high).rev().eq(model.range((low, high)).rev()), "{low:?} {high:?} backwards");
        }
        assert_eq!(blocks.last(), model.last().copied());
    }

    #[test]
    fn is_what_a_sorted_set_is() {
        for (seed, span) in [(1, 50), (2, 1000), (3, 100_000)] {
            let rng = SeededRng::new(seed);
            let (mut blocks, mut model) = (Blocks::default(), BTreeSet::new());
            compare(&blocks, &model, &rng, span);
            for turn in 0..20_000_u64 {
                let pair = (i64::try_from(rng.next_u64() % span).unwrap(), rng.next_u64() % 3);
                // It grows, then shrinks to nothing.
                if rng.next_u64() % 10 < if turn < 10_000 { 7 } else { 3 } {
                    blocks.insert(pair);
                    model.insert(pair);
                } else {
                    let victim = model.range(pair..).next().copied().unwrap_or(pair);
                    blocks.remove(victim);
                    model.remove(&victim);
                }
                if turn % 500 == 0 {
                    compare(&blocks, &model, &rng, span);
                }
            }
            let sorted: Vec<Pair> = model.iter().copied().collect();
            compare(&Blocks::from_sorted(&sorted), &model, &rng, span);
            for pair in sorted {
                blocks.remove(pair);
            }
            assert_eq!((blocks.last(), blocks.blocks.len()), (None, 1));
        }
    }

    #[test]
    fn rising_keys_fill_their_blocks() {
        let mut blocks = Blocks::default();
        (0..10_000).for_each(|n| blocks.insert((n, 7)));
        assert_eq!(blocks.blocks.len(), 10_000_usize.div_ceil(FULL));
        assert_eq!(blocks.rows_of(5000).collect::<Vec<_>>(), [7]);
        blocks.insert((i64::MIN, 1));
        assert_eq!(blocks.range(Bound::Unbounded, Bound::Unbounded).next(), Some(&(i64::MIN, 1)));
    }
}
