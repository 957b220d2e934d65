//! SELECT … FOR UPDATE and its kin: locks the rows that a row came from.

use super::{Cx, State};
use crate::change::RowId;
use crate::error::Result;
use crate::plan::{Node, RowLock};
use crate::store::LockOutcome;
use crate::types::{Row, Value};

/// The next row whose locks were got.
pub(super) fn next(input: &mut State, node: &Node, locks: &[RowLock], cx: &Cx<'_>) -> Result<Option<Row>> {
    'rows: while let Some(mut row) = input.next(node, cx)? {
        cx.exec.tick()?;
        let mut newer = false;
        for lock in locks {
            // The nullable side of an outer join has no row to lock.
            let Some(Value::Int8(id)) = row.get(lock.row_id) else { continue };
            let id = RowId(id.cast_unsigned());
            let snapshot = &cx.exec.run.snapshot;
            let outcome =
                cx.exec.backend.with_txn(|txn| txn.lock_row(lock.table.id, id, lock.mode, lock.wait, snapshot))?;
            match outcome {
                LockOutcome::Current(_) => {}
                LockOutcome::Newer(now) => {
                    newer = true;
                    for (place, value) in now.into_iter().enumerate() {
                        if let Some(slot) = row.get_mut(lock.first_column + place) {
                            *slot = value;
                        }
                    }
                }
                LockOutcome::Gone | LockOutcome::Skipped | LockOutcome::SelfModified => continue 'rows,
            }
        }
        if newer {
            for lock in locks {
                if let Some(recheck) = &lock.recheck {
                    if !cx.test(recheck, &row)? {
                        continue 'rows;
                    }
                }
            }
        }
        let hidden = locks.iter().map(|lock| lock.row_id).min().unwrap_or(row.len());
        row.truncate(hidden);
        return Ok(Some(row));
    }
    Ok(None)
}
