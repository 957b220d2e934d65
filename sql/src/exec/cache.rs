//! Plans kept by statement text, for the simple protocol and for triggers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::parse::Parsed;
use crate::plan::Plan;
use crate::types::Oid;

/// A statement that was parsed and perhaps planned.
#[derive(Clone, Debug)]
pub struct CachedStatement {
    /// The statement.
    pub parsed: Parsed,
    /// Its plan, with the settings generation it was made under.
    pub plan: Option<(Arc<Plan>, u64)>,
    /// Whether the plan runs with `point`.
    pub point: bool,
}

/// Most statements kept.
const ENTRIES_MAX: usize = 512;
/// Longest text kept.
const TEXT_MAX: usize = 16 * 1024;

/// Statements by text and declared parameter types.
#[derive(Debug, Default)]
pub struct PlanCache {
    entries: HashMap<Arc<str>, (CachedStatement, Vec<Oid>, u64)>,
    clock: u64,
}

impl PlanCache {
    /// The statement of this text.
    pub fn get(&mut self, text: &str, types: &[Oid]) -> Option<&mut CachedStatement> {
        self.clock += 1;
        let (statement, known, used) = self.entries.get_mut(text)?;
        if known != types {
            return None;
        }
        *used = self.clock;
        Some(statement)
    }

    /// Keeps a statement; the longest unused half goes when there are too many.
    pub fn put(&mut self, text: &str, types: &[Oid], statement: CachedStatement) {
        if text.len() > TEXT_MAX {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            let mut used: Vec<u64> = self.entries.values().map(|entry| entry.2).collect();
            used.sort_unstable();
            let middle = used[used.len() / 2];
            self.entries.retain(|_, entry| entry.2 > middle);
        }
        self.clock += 1;
        self.entries.insert(Arc::from(text), (statement, types.to_vec(), self.clock));
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_keeps_the_recent() {
        let mut cache = PlanCache::default();
        let parsed = Parsed {
            statement: Arc::new(crate::parse::Statement::Empty),
            text: Arc::from(""),
            offset: 0,
            dialect: "postgres",
            param_count: 0,
        };
        let statement = CachedStatement { parsed, plan: None, point: false };
        for i in 0..2000 {
            cache.put(&format!("select {i}"), &[], statement.clone());
        }
        assert!(cache.entries.len() <= ENTRIES_MAX);
        assert!(cache.get("select 1999", &[]).is_some());
        assert!(cache.get("select 1999", &[23]).is_none());
        assert!(cache.get("select 0", &[]).is_none());
    }
}
