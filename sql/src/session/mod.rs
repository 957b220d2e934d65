//! One client's state: transaction block, settings, prepared statements, portals.
//!
//! A session is synchronous and belongs to one connection: everything takes `&mut self`. The front end calls it with
//! the protocol's verbs and encodes what it gives back; nothing in here knows the wire. What statements share while
//! they run is the `Backend`; this layer decides when they run and when their transaction ends.

mod copy;
mod portal;
mod prepared;
mod procedure;
mod reading;
mod transaction;
mod utility;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use self::portal::{Fetched, Step};
pub use self::prepared::StatementDescription;
pub use self::procedure::{Described, Pause, ResultColumn, RowSink};
pub use self::reading::{Begun, Reading};
pub use self::transaction::TransactionStatus;
pub use crate::exec::Notification;

use self::copy::CopyIn;
use self::portal::Portal;
use self::prepared::PreparedStatement;
use self::transaction::{Block, NamedSavepoint};
use crate::catalog::TriggerId;
use crate::change::{Cause, CommitNo, HookContext, QueryResult};
use crate::error::{Result, SqlError, SqlState};
use crate::exec::{Backend, HookCx};
use crate::parse::Parsed;
use crate::store::Committed;
use crate::types::{TextStyle, Value};

/// A simple query being run.
struct Simple {
    text: Arc<str>,
    next: usize,
    /// Where in it the last one began.
    offset: u32,
    /// The statement that runs is the last one.
    last: bool,
    /// The message has several statements.
    several: bool,
    /// Each of them is a transaction of its own.
    script: bool,
    /// Statements read before their turn, by where they begin.
    ahead: HashMap<usize, Parsed>,
}

/// One client's session. Send, not Sync; may block only inside `env.blocker`.
pub struct Session {
    backend: Backend,
    block: Block,
    savepoints: Vec<NamedSavepoint>,
    statements: HashMap<String, PreparedStatement>,
    unnamed_statement: Option<PreparedStatement>,
    portals: HashMap<String, Portal>,
    unnamed_portal: Option<Portal>,
    /// The portal of the simple protocol.
    internal: Option<Portal>,
    /// Which portal `fetch` reads.
    current: Current,
    simple: Option<Simple>,
    /// A statement of the extended protocol has run in the implicit transaction that Sync will end.
    pipelined: bool,
    /// Whether the Execute at work may give `Step::Waits`.
    may_wait: bool,
    /// The call that ends has told the client a number of rows, in a block that goes on, and nothing else.
    counted: bool,
    copy: Option<CopyIn>,
    /// What was returned rests on this commit.
    hold: CommitNo,
    /// What a procedure's end will rest on.
    later: CommitNo,
    /// Whose events it consumed without a commit.
    passed: Option<TriggerId>,
    /// Versions of procedures that the client chose (SET SPVERSION).
    versions: HashMap<String, String>,
    /// A procedure's session: it leaves the registration to the client's own.
    sibling: bool,
    style: TextStyle,
    style_version: u64,
    empty_formats: Arc<[i16]>,
}

/// Which portal was started last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Current {
    None,
    Internal,
    Unnamed,
    Named(String),
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({})", self.backend.pid)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.portals.clear();
        self.unnamed_portal = None;
        self.internal = None;
        self.backend.rollback();
        if self.backend.temp_schema.get().is_some() {
            crate::exec::objects::end_temporary(&self.backend);
        }
        if !self.sibling {
            self.backend.shared.unregister(self.backend.pid);
        }
    }
}

impl Session {
    /// A session over its server-side state. Made by the engine.
    pub(crate) fn new(backend: Backend) -> Session {
        let style = TextStyle::clone(&backend.settings.borrow().style);
        let style_version = backend.settings.borrow().style_version;
        Session {
            backend,
            block: Block::None,
            savepoints: Vec::new(),
            statements: HashMap::new(),
            unnamed_statement: None,
            portals: HashMap::new(),
            unnamed_portal: None,
            internal: None,
            current: Current::None,
            simple: None,
            pipelined: false,
            may_wait: false,
            counted: false,
            copy: None,
            hold: CommitNo(0),
            later: CommitNo(0),
            passed: None,
            versions: HashMap::new(),
            sibling: false,
            style,
            style_version,
            empty_formats: Arc::from([]),
        }
    }

    /// Backend pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.backend.pid
    }

    /// Secret of BackendKeyData: 32 bytes, of which protocol 3.0 uses the first 4.
    #[must_use]
    pub fn secret(&self) -> &[u8] {
        &self.backend.control.secret
    }

    /// Notices since the last call, to be sent as NoticeResponse; already filtered by client_min_messages.
    pub fn take_notices(&mut self) -> Vec<SqlError> {
        std::mem::take(&mut *self.backend.notices.borrow_mut())
    }

    /// ParameterStatus messages to send before the next ReadyForQuery; all 13 at the first call.
    pub fn take_parameter_changes(&mut self) -> Vec<(String, String)> {
        self.backend.settings.borrow_mut().take_changes()
    }

    /// Notifications since the last call; none inside a transaction block.
    pub fn take_notifications(&mut self) -> Vec<Notification> {
        if self.block != Block::None {
            return Vec::new();
        }
        self.backend.control.notifications.lock().drain(..).collect()
    }

    /// FATAL error that ends the session, if somebody asked for it.
    #[must_use]
    pub fn terminate_reason(&self) -> Option<SqlError> {
        self.backend.terminate_reason()
    }

    /// How long the client may leave the session idle: idle_in_transaction_session_timeout in a block, else
    /// idle_session_timeout; none: for ever.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        let settings = self.backend.settings.borrow();
        let millis = if self.block == Block::None { settings.idle_session_timeout } else { settings.idle_timeout };
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    /// FATAL error that ends a session left idle for longer: 25P03 in a block, else 57P05.
    #[must_use]
    pub fn idle_for_too_long(&self) -> SqlError {
        let (state, text) = if self.block == Block::None {
            (SqlState::IDLE_SESSION_TIMEOUT, "terminating connection due to idle-session timeout")
        } else {
            (SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, "terminating connection due to idle-in-transaction timeout")
        };
        SqlError::new(state, text).fatal()
    }

    /// The commit that what was just returned rests on, if it may not be durable yet: await it before sending.
    #[must_use]
    pub fn hold_until(&self) -> Option<CommitNo> {
        (self.hold > self.backend.shared.durable()).then_some(self.hold)
    }

    /// Settings for text forms; change with SET.
    #[must_use]
    pub fn text_style(&self) -> &TextStyle {
        &self.style
    }

    /// Runs one statement to its end, in the current transaction or one of its own.
    pub fn run(&mut self, sql: &str, params: &[Value]) -> Result<QueryResult> {
        self.begin_call(sql);
        let own = self.block == Block::None && self.backend.txn.borrow().is_none();
        self.backend.begin();
        let result = crate::exec::statement::run_text(&self.backend, sql, &[], params, 0);
        let result = match result {
            Ok(rows) if own => self.backend.commit().map(|committed| {
                self.note_commit(committed);
                rows
            }),
            Ok(rows) => Ok(rows),
            Err(error) => {
                if own {
                    self.backend.rollback();
                }
                Err(error)
            }
        };
        self.end_call();
        result
    }

    /// Microseconds since 1970 by the server's clock.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.backend.shared.env.clock.now()
    }

    /// Begins a block for a subscriber.
    pub fn begin_internal(&mut self, cause: Option<Cause>, origin: Option<u64>) -> Result<()> {
        if self.block != Block::None || self.backend.txn.borrow().is_some() {
            return Err(SqlError::new(SqlState::ACTIVE_SQL_TRANSACTION, "there is already a transaction in progress"));
        }
        self.backend.statement_time.set(self.backend.now());
        self.backend.origin.set((cause, origin));
        self.backend.begin();
        self.block = Block::Open;
        Ok(())
    }

    /// From now on nothing in this session may take longer than this (57014); none: no limit. Before `begin_internal`.
    pub fn limit_time(&mut self, limit: Option<Duration>) {
        let deadline = limit.map(|limit| self.backend.shared.env.clock.elapsed() + limit);
        self.backend.deadline.set(deadline);
    }

    /// Lends the door that triggers use, inside the current block.
    pub fn with_hook_context<T>(&mut self, f: &mut dyn FnMut(&mut dyn HookContext) -> Result<T>) -> Result<T> {
        if self.backend.txn.borrow().is_none() {
            return Err(SqlError::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"));
        }
        let mut ctx = HookCx::new(&self.backend, 0);
        f(&mut ctx)
    }

    /// Commits the block of `begin_internal`.
    pub fn commit_internal(&mut self) -> Result<Committed> {
        self.block = Block::None;
        self.savepoints.clear();
        let committed = self.backend.commit()?;
        self.note_commit(committed);
        let durable = self.backend.shared.durable();
        Ok(committed.unwrap_or(Committed { commit: None, durable_at: durable }))
    }

    /// Rolls it back.
    pub fn rollback_internal(&mut self) {
        self.block = Block::None;
        self.savepoints.clear();
        self.backend.rollback();
    }

    /// A statement begins: its time, its deadline, what others see of it.
    fn begin_call(&mut self, text: &str) {
        let backend = &self.backend;
        let control = &backend.control;
        if control.terminate.load(Ordering::Relaxed) == 0 {
            control.cancel.store(false, Ordering::SeqCst);
        }
        control.active.store(true, Ordering::SeqCst);
        backend.statement_time.set(backend.now());
        let timeout = backend.settings.borrow().statement_timeout;
        let deadline = (timeout > 0).then(|| backend.shared.env.clock.elapsed() + Duration::from_millis(timeout));
        backend.deadline.set(deadline);
        if let Some(txn) = backend.txn.borrow_mut().as_mut() {
            txn.set_deadline(deadline);
        }
        if !backend.internal {
            let now = backend.statement_time.get().saturating_add(crate::exec::EPOCH_MICROS);
            let mut info = control.info.lock();
            info.query_started_at = now;
            info.state_changed_at = now;
            if info.query != text {
                let mut cut = text.len().min(1024);
                while !text.is_char_boundary(cut) {
                    cut -= 1;
                }
                info.query.clear();
                info.query.push_str(&text[..cut]);
            }
            if info.state != "active" {
                info.state = "active".to_owned();
            }
        }
    }

    /// A call into the session ends that has shown something.
    fn end_call(&mut self) {
        // A number of rows is not worth a wait: it means nothing until the block has committed, and that answer waits for
        // all before it. So a hot row is not held for the length of a sync between two statements of its holder. Rows,
        // messages and errors do wait, also those after it.
        if !std::mem::take(&mut self.counted) {
            self.rest_on_seen();
        }
        self.end_silent_call();
    }

    /// A call ends: takes over what its statements changed.
    fn end_silent_call(&mut self) {
        self.backend.control.active.store(false, Ordering::SeqCst);
        self.take_style();
    }

    /// What the client is told now rests on all that the transaction has seen so far.
    fn rest_on_seen(&mut self) {
        let seen = self.backend.txn.borrow().as_ref().map(crate::store::Txn::saw_undurable);
        self.hold = self.hold.max(seen.unwrap_or(CommitNo(0)));
    }

    /// Takes over settings of text forms, names of objects among them.
    fn take_style(&mut self) {
        let settings = self.backend.settings.borrow();
        if settings.style_version != self.style_version {
            self.style_version = settings.style_version;
            self.style = TextStyle::clone(&settings.style);
        }
    }

    fn note_commit(&mut self, committed: Option<Committed>) {
        if let Some(committed) = committed {
            if !self.backend.settings.borrow().asynchronous && committed.durable_at > self.hold {
                self.hold = committed.durable_at;
            }
        }
    }
}
