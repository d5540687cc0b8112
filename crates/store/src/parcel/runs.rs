//! The runs of the box index and their compaction policy: when new parcels are flushed into a run, and which runs are merged into one.
//!
//! Every lookup reads one block of each run, so that there must be few; and every merge writes all entries of its
//! runs again, so that an entry must be merged few times. Sixteen runs and more of a tier of size are merged into one:
//! an entry is written three times at most, and a lookup reads about thirty runs, and one more for each half to
//! whole million documents.

use seoham_model::BlockId;

/// Documents of waiting parcels from which a flush is due where a lookup reads their persons from the database.
pub const FLUSH_MIN: usize = 4_096;

/// Documents that one flush takes at most: one block of the largest size. A flush is due from here on where they wait in memory.
pub const FLUSH_MAX: usize = super::blocks::BLOCK_MAX;

/// Runs of a tier from which they are merged.
const MERGED_RUNS: usize = 16;

/// Entries of the first run that is too large for a tier. Runs beyond the last are not merged again, which bounds
/// the memory of a merge.
const TIERS: [usize; 2] = [1 << 15, 1 << 19];

/// Entries from which a merge takes no more runs.
const MERGED_ENTRIES: usize = 1 << 20;

/// A run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id: runs of a tier are merged oldest first.
    pub id: BlockId,
    /// The entries of all of its blocks.
    pub entries: usize,
}

/// The runs to merge into one; `None` if no tier has enough of them.
pub fn to_merge(runs: &[Run]) -> Option<Vec<BlockId>> {
    let mut from = 0;
    for to in TIERS {
        let mut tier: Vec<Run> =
            runs.iter().copied().filter(|run| (from..to).contains(&run.entries)).collect();
        if tier.len() >= MERGED_RUNS {
            tier.sort_unstable_by_key(|run| run.id);
            let mut entries = 0;
            let fits = tier.iter().take_while(|run| {
                let fits = entries < MERGED_ENTRIES;
                entries += run.entries;
                fits
            });
            return Some(fits.map(|run| run.id).collect());
        }
        from = to;
    }
    None
}

#[cfg(test)]
mod tests {
    use seoham_model::Clock;

    use super::*;

    fn run(clock: &Clock, entries: usize) -> Run {
        Run { id: BlockId::generate(clock), entries }
    }

    /// The runs after `flushes` of this size, and how often an entry was written on average.
    fn after(flushes: usize, entries: usize) -> (Vec<Run>, usize) {
        let clock = Clock::default();
        let (mut runs, mut written) = (Vec::new(), 0);
        for _ in 0..flushes {
            runs.push(run(&clock, entries));
            written += entries;
            while let Some(merged) = to_merge(&runs) {
                let of_merged = runs.iter().filter(|run| merged.contains(&run.id));
                let sum: usize = of_merged.map(|run| run.entries).sum();
                assert!(sum < MERGED_ENTRIES + TIERS[1], "a merge is bounded: {sum}");
                runs.retain(|run| !merged.contains(&run.id));
                runs.push(run(&clock, sum));
                written += sum;
            }
        }
        (runs, written / (flushes * entries))
    }

    #[test]
    fn runs_stay_few_and_an_entry_is_seldom_written() {
        for (flushes, entries, runs_max) in [
            (15, FLUSH_MIN, 15),
            (16, FLUSH_MIN, 1),
            (10_000_000 / FLUSH_MIN, FLUSH_MIN, 45),
            (10_000_000 / FLUSH_MAX, FLUSH_MAX, 30),
            (10_000_000 / 20_000, 20_000, 50),
        ] {
            let (runs, written) = after(flushes, entries);
            assert!(runs.len() <= runs_max, "{} runs of {flushes} flushes of {entries}", runs.len());
            assert!(written <= 3, "{written}");
        }
    }

    #[test]
    fn the_oldest_runs_of_one_tier_are_merged() {
        let clock = Clock::stopped_at(seoham_model::UnixSeconds(1_800_000_000));
        let small: Vec<Run> = (0..16).map(|_| run(&clock, 10)).collect();
        let large: Vec<Run> = (0..15).map(|_| run(&clock, 1 << 16)).collect();
        let both: Vec<Run> = large.iter().chain(&small).copied().collect();
        let mut ids: Vec<BlockId> = small.iter().map(|run| run.id).collect();
        ids.sort_unstable();
        assert_eq!(to_merge(&both), Some(ids));
        assert_eq!(to_merge(&large), None);
        let final_runs: Vec<Run> = (0..40).map(|_| run(&clock, 1 << 20)).collect();
        assert_eq!(to_merge(&final_runs), None);
    }
}
