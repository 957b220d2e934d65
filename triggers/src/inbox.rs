//! What nested statements leave to a view that has noted changes itself and not written them yet: it must not be told of a
//! row's later change first, nor write from two places at once.
//!
//! What is left there is undone with the statements that left it: whoever lets a transaction go on after an error takes
//! `Marks` before, and goes back to them.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tripline_sql::catalog::{TableId, TriggerId};
use tripline_sql::change::{HookContext, RowChange, RowId};

/// Of one view in one statement.
#[derive(Default)]
pub(crate) struct Inbox {
    open: bool,
    pub(crate) changes: Vec<(TableId, RowId, RowChange)>,
}

/// Where a transaction keeps those that were opened in it.
const OPENED: u64 = 1 << 41;

type Opened = Vec<(TriggerId, Weak<Mutex<Inbox>>)>;

fn opened(ctx: &mut dyn HookContext) -> Option<&mut Opened> {
    ctx.scratch(OPENED).as_mut().and_then(|kept| kept.downcast_mut())
}

impl Inbox {
    /// The open one of a view.
    pub(crate) fn of(ctx: &mut dyn HookContext, view: TriggerId) -> Option<Arc<Mutex<Inbox>>> {
        let mut own = opened(ctx)?.iter().filter(|(id, _)| *id == view).filter_map(|(_, inbox)| inbox.upgrade());
        own.find(|inbox| inbox.lock().open)
    }

    /// Opens one, so that nested statements find it.
    pub(crate) fn open(ctx: &mut dyn HookContext, view: TriggerId, inbox: &Arc<Mutex<Inbox>>) {
        if std::mem::replace(&mut inbox.lock().open, true) {
            return;
        }
        let entry = (view, Arc::downgrade(inbox));
        match opened(ctx) {
            Some(opened) => {
                opened.retain(|(_, inbox)| inbox.strong_count() > 0 && !inbox.ptr_eq(&entry.1));
                opened.push(entry);
            }
            None => *ctx.scratch(OPENED) = Some(Box::new(vec![entry])),
        }
    }

    /// Closes it if nothing is left in it.
    pub(crate) fn close(&mut self) -> bool {
        self.open = !self.changes.is_empty();
        !self.open
    }
}

/// How much stood in each open inbox.
pub(crate) struct Marks(Vec<(Arc<Mutex<Inbox>>, usize)>);

impl Marks {
    pub(crate) fn of(ctx: &mut dyn HookContext) -> Marks {
        let open = opened(ctx).into_iter().flatten().filter_map(|(_, inbox)| inbox.upgrade());
        Marks(
            open.map(|inbox| {
                let count = inbox.lock().changes.len();
                (inbox, count)
            })
            .collect(),
        )
    }

    /// Takes out what was left since.
    pub(crate) fn undo(self) {
        for (inbox, count) in self.0 {
            inbox.lock().changes.truncate(count);
        }
    }
}
