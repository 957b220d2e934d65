//! The door for stored procedures whose language the engine does not know. `Hooks::procedure` starts one; the session pulls
//! its rows.
//!
//! A procedure is a source of rows that may have to wait: for the client to ask for the next row, for a change in the
//! log, for its turn. It never blocks a thread: it says that it waits, and is pulled again when its waker was called or
//! the time is over. Whoever holds it may drop it at any point: what it had not committed is undone.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::types::{DataType, Row, Value};

/// Wakes whoever pulls a waiting procedure. Must not block.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// A call of a procedure.
pub struct ProcedureCall {
    /// Dialect of the statement.
    pub dialect: &'static str,
    /// Name.
    pub name: String,
    /// Version that the connection chose (SET SPVERSION); none: the default one.
    pub version: Option<String>,
    /// Arguments with their types; of literals the type of the literal.
    pub arguments: Vec<(Value, DataType)>,
    /// Columns that the statement fixes; empty: none.
    pub columns: Vec<(String, DataType)>,
    /// It runs inside the client's transaction block and may not end it.
    pub in_block: bool,
    /// The session that it runs on, a `session::Session` (a later module, hence the type).
    pub session: Box<dyn Any + Send>,
    /// To be called when what it waits for may be there.
    pub waker: Waker,
}

/// What pulling a procedure gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A row.
    Row {
        /// Its values.
        row: Row,
        /// The procedure goes on only when the client asks for what comes after this row.
        blocking: bool,
    },
    /// Nothing before its waker is called, or this moment (of `Clock::elapsed`).
    Waiting(Option<Duration>),
    /// It has ended.
    Done,
}

/// A procedure that runs.
pub trait RunningProcedure: Send {
    /// The next row. Pulling after a blocking row says that the client asked for more. Errors: whatever the procedure
    /// raises; it has ended then, and its open transaction is undone.
    fn next(&mut self) -> Result<Progress>;
    /// A row that it has given already and that waits: taken without letting it run. With true it blocks, as in
    /// `Progress::Row`. Only for rows whose columns are known.
    fn ready(&mut self) -> Option<(Row, bool)> {
        None
    }
    /// Names and types of its columns, once they are known.
    fn columns(&self) -> Option<Vec<(String, DataType)>>;
    /// Lends the session of the call.
    fn with_session(&mut self, f: &mut dyn FnMut(&mut (dyn Any + Send)));
}

/// What is known of a procedure before it runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcedureShape {
    /// It runs in transactions of its own also inside a client's block.
    pub own_transactions: bool,
    /// Its columns.
    pub columns: Option<Vec<(String, DataType)>>,
}
