//! A change of a row as weighted images: an insert is (new, +1), a delete (old, -1), an update both, old first.

use tripline_sql::change::RowChange;
use tripline_sql::types::Value;

/// The weighted images of a change.
pub(crate) fn weighted(change: &RowChange) -> impl Iterator<Item = (&[Value], i64)> {
    let old = change.old().map(|row| (row.as_slice(), -1));
    let new = change.new_row().map(|row| (row.as_slice(), 1));
    old.into_iter().chain(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_two_weighted_rows() {
        let (old, new) = (vec![Value::Int4(1)], vec![Value::Int4(2)]);
        let change = RowChange::Update { old: old.clone(), new: new.clone() };
        let rows: Vec<_> = weighted(&change).collect();
        assert_eq!(rows, [(old.as_slice(), -1), (new.as_slice(), 1)]);
    }
}
