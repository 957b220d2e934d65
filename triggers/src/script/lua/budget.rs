//! What a run may use: instructions of the interpreter, its heap, and what the host holds for it outside of that heap.
//!
//! The interpreter's hook looks here every `HOOK_EVERY` instructions; work that the host does for a script in one
//! instruction (patterns, sorting, JSON) pays as much as it costs. At each look a run learns that its client cancelled, and
//! one that runs long lets others have the thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mlua::Lua;
use tripline_sql::env::{self, Env};
use tripline_sql::error::{Result, SqlError, SqlState};

/// Instructions between two looks at the budget.
pub(super) const HOOK_EVERY: u32 = 500;

/// The part of the heap, as one in so many, that is left for what is made between two looks at the budget.
const SPARE: u64 = 16;

/// After this time a run that did not wait lets others have the thread, then after twice that, and so on.
const LONG: Duration = Duration::from_millis(2);

/// Values smaller than this count as part of the interpreter's heap.
const SMALL: usize = 256;

/// What a run may still use.
#[derive(Debug)]
pub(crate) struct Budget {
    /// Instructions so far.
    pub(crate) used: u64,
    /// Instructions allowed.
    pub(crate) limit: u64,
    /// Bytes that the run may allocate of its own, and more for what it was given.
    own: u64,
    given: u64,
    /// Bytes of the interpreter's heap that many small values may take together.
    heap: usize,
    /// Why it was ended.
    pub(super) killed: Option<SqlError>,
}

/// Asked at every look at the budget whether the run has to end for another reason.
#[derive(Clone, Copy)]
pub(crate) struct Interrupt(pub(crate) fn(&Lua) -> Result<()>);

/// How often a run may hold what it was given.
const COPIES: u64 = 4;

/// What is left of a heap without the part to spare.
fn most_of(bytes: u64) -> usize {
    usize::try_from(bytes - bytes / SPARE).unwrap_or(usize::MAX)
}

impl Budget {
    /// All that a run may use, and nothing used.
    pub(super) fn new(steps: u64, memory_bytes: u64) -> Budget {
        Budget { used: 0, limit: steps, own: memory_bytes, given: 0, heap: most_of(memory_bytes), killed: None }
    }

    /// A run is given so many bytes that it did not ask for, instead of those before: it may hold them beside its own
    /// memory, as what it got, as what it makes of it, and as what the host makes of that for a client or a statement.
    pub(crate) fn give(lua: &Lua, bytes: usize) -> mlua::Result<()> {
        let limit = {
            let Some(mut budget) = lua.app_data_mut::<Budget>() else { return Ok(()) };
            let small = budget.own / SPARE;
            let given = if (bytes as u64) < small { 0 } else { (bytes as u64).saturating_mul(COPIES) };
            if given == budget.given {
                return Ok(());
            }
            budget.given = given;
            let limit = budget.own.saturating_add(given);
            budget.heap = most_of(limit);
            limit
        };
        // What was given before is gone, as a rule.
        lua.gc_collect()?;
        lua.set_memory_limit(usize::try_from(limit).unwrap_or(usize::MAX))?;
        if let Some(mut outside) = lua.app_data_mut::<Outside>() {
            outside.limit = limit;
        }
        Ok(())
    }

    /// Takes from the running script's budget. Errors: 54000 when it is spent, or why the run has to end; no `pcall` can
    /// hold that back.
    pub(crate) fn spend(lua: &Lua, instructions: u64) -> mlua::Result<()> {
        let interrupt = lua.app_data_ref::<Interrupt>().map(|interrupt| interrupt.0);
        let interrupted = interrupt.and_then(|check| check(lua).err());
        let Some(mut budget) = lua.app_data_mut::<Budget>() else { return Ok(()) };
        budget.used = budget.used.saturating_add(instructions);
        if budget.killed.is_none() {
            budget.killed = interrupted;
        }
        if budget.used > budget.limit && budget.killed.is_none() {
            budget.killed = Some(SqlError::new(
                SqlState::PROGRAM_LIMIT_EXCEEDED,
                format!("Exceeded instruction quota ({}). Set db:setmaxinstructions()", budget.limit),
            ));
        }
        if let Some(error) = &budget.killed {
            return Err(mlua::Error::external(error.clone()));
        }
        let heap = budget.heap;
        drop(budget);
        if lua.used_memory() > heap {
            Self::make_room(lua, heap)?;
        }
        Turn::look(lua);
        Ok(())
    }

    /// Small values that fill the heap are met here, before the interpreter is refused one: it cannot stand that when it
    /// makes a function. The function is given back with the size of one that captures nothing, so that from then on its
    /// own count of the heap is wrong, which a debug build checks when it closes the state. What nobody can reach any
    /// more goes first. Errors: 53200.
    #[cold]
    fn make_room(lua: &Lua, heap: usize) -> mlua::Result<()> {
        lua.gc_collect()?;
        // With less to spare all would be looked through again and again.
        if lua.used_memory() > heap - heap / 16 { Err(mlua::Error::external(out_of_memory())) } else { Ok(()) }
    }

    /// Ends the run with an error that `pcall` cannot hold back.
    pub(crate) fn kill(lua: &Lua, error: SqlError) -> mlua::Error {
        if let Some(mut budget) = lua.app_data_mut::<Budget>() {
            budget.killed.get_or_insert_with(|| error.clone());
        }
        mlua::Error::external(error)
    }

    /// Why the run was ended, if it was.
    pub(crate) fn killed(lua: &Lua) -> Option<SqlError> {
        lua.app_data_ref::<Budget>().and_then(|budget| budget.killed.clone())
    }

    /// The count starts again (CDB-213).
    pub(crate) fn restart(lua: &Lua) {
        if let Some(mut budget) = lua.app_data_mut::<Budget>() {
            budget.used = 0;
        }
    }
}

/// The thread of a run that shares it with other connections.
pub(crate) struct Turn {
    env: Env,
    turn: env::Turn,
}

impl Turn {
    /// The run begins, or goes on after a wait.
    pub(crate) fn begin(lua: &Lua, env: &Env) {
        lua.set_app_data(Turn { env: env.clone(), turn: env::Turn::new(env.clock.elapsed(), LONG) });
    }

    /// Lets others have the thread where the run has had it for long.
    fn look(lua: &Lua) {
        let env = match lua.app_data_mut::<Turn>() {
            Some(mut turn) => {
                let now = turn.env.clock.elapsed();
                if !turn.turn.is_over(now) {
                    return;
                }
                turn.env.clone()
            }
            None => return,
        };
        env.blocker.hand_over();
    }
}

/// Bytes that the host holds for scripts outside of the interpreter's heap: large values, results, rows that wait.
#[derive(Clone)]
pub(crate) struct Outside {
    used: Arc<AtomicU64>,
    limit: u64,
}

/// A part of `Outside`, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    used: Arc<AtomicU64>,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The error of a run that needs more memory than it may have.
pub(crate) fn out_of_memory() -> SqlError {
    SqlError::new(SqlState::OUT_OF_MEMORY, "not enough memory")
}

impl Outside {
    pub(super) fn new(limit: u64) -> Outside {
        Outside { used: Arc::default(), limit }
    }

    /// Holds so many bytes; none is for what is too small to count. Errors: 53200.
    pub(crate) fn hold(lua: &Lua, bytes: usize) -> mlua::Result<Option<Arc<Held>>> {
        if bytes < SMALL {
            return Ok(None);
        }
        let Some(outside) = lua.app_data_ref::<Outside>().map(|outside| outside.clone()) else { return Ok(None) };
        let bytes = bytes as u64;
        let fits = || outside.used.load(Ordering::Relaxed).saturating_add(bytes) <= outside.limit;
        if !fits() {
            // What nobody can reach any more goes first.
            lua.gc_collect()?;
            Budget::spend(lua, u64::from(HOOK_EVERY))?;
            if !fits() {
                return Err(mlua::Error::external(out_of_memory()));
            }
        }
        outside.used.fetch_add(bytes, Ordering::Relaxed);
        Ok(Some(Arc::new(Held { used: outside.used, bytes })))
    }

    /// Looks whether a piece of work may use so many bytes for a moment. Errors: 53200.
    pub(crate) fn allows(lua: &Lua, bytes: usize) -> mlua::Result<()> {
        match lua.app_data_ref::<Outside>() {
            Some(outside) if bytes as u64 > outside.limit => Err(mlua::Error::external(out_of_memory())),
            _ => Ok(()),
        }
    }
}
