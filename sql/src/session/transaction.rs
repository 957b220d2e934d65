//! Transaction blocks, implicit transactions of messages and pipelines, savepoints (PG-21, PG-31, PG-140 to PG-150).

use super::{Current, Session};
use crate::change::CommitNo;
use crate::error::{Result, Severity, SqlError, SqlState};
use crate::parse::{IsolationLevel, Statement, TransactionModes};
use crate::store::{Isolation, Savepoint};

/// The status of ReadyForQuery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// I: outside a block.
    Idle,
    /// T: in a block.
    InBlock,
    /// E: in a failed block.
    Failed,
}

/// Whether the session is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    None,
    Open,
    Failed,
}

/// A savepoint with what the session must put back.
pub(super) struct NamedSavepoint {
    name: String,
    savepoint: Savepoint,
    settings: usize,
    deferred: usize,
    notify: usize,
    listen: usize,
    work: usize,
}

fn warning(state: SqlState, text: &str) -> SqlError {
    SqlError::notice(Severity::Warning, state, text)
}

fn no_savepoint(name: &str) -> SqlError {
    SqlError::new(SqlState::INVALID_SAVEPOINT_SPECIFICATION, format!("savepoint \"{name}\" does not exist"))
}

fn level(level: IsolationLevel) -> (Isolation, &'static str) {
    match level {
        IsolationLevel::ReadUncommitted => (Isolation::ReadCommitted, "read uncommitted"),
        IsolationLevel::ReadCommitted => (Isolation::ReadCommitted, "read committed"),
        IsolationLevel::RepeatableRead => (Isolation::RepeatableRead, "repeatable read"),
        IsolationLevel::Serializable => (Isolation::Serializable, "serializable"),
    }
}

impl Session {
    /// The status of ReadyForQuery.
    #[must_use]
    pub fn transaction_status(&self) -> TransactionStatus {
        match self.block {
            Block::None => TransactionStatus::Idle,
            Block::Open => TransactionStatus::InBlock,
            Block::Failed => TransactionStatus::Failed,
        }
    }

    /// Begins a transaction if there is none, with the session's defaults.
    pub(super) fn ensure_transaction(&mut self) {
        if self.backend.txn.borrow().is_some() {
            return;
        }
        self.backend.begin();
        let isolation = self.backend.settings.borrow().isolation("default_transaction_isolation");
        let read_only = self.backend.settings.borrow().is_on("default_transaction_read_only");
        if isolation != Isolation::ReadCommitted {
            let text = self.backend.settings.borrow().get("default_transaction_isolation");
            let _ = self.backend.settings.borrow_mut().set("transaction_isolation", text.as_deref(), true);
            if let Some(txn) = self.backend.txn.borrow_mut().as_mut() {
                txn.set_isolation(isolation);
            }
        }
        if read_only {
            let _ = self.backend.settings.borrow_mut().set("transaction_read_only", Some("on"), true);
        }
        self.backend.read_only.set(read_only);
    }

    /// 25P02 for anything but the end of a failed block.
    pub(super) fn check_not_failed(&self, statement: &Statement) -> Result<()> {
        let ends = matches!(
            statement,
            Statement::Commit { .. }
                | Statement::Rollback { .. }
                | Statement::RollbackTo(_)
                | Statement::PrepareTransaction
                | Statement::Empty
        );
        if self.block == Block::Failed && !ends {
            return Err(SqlError::new(
                SqlState::IN_FAILED_SQL_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            ));
        }
        Ok(())
    }

    /// Runs a statement of transaction control; none if it is not one. Gives the tag.
    pub(super) fn control(&mut self, statement: &Statement) -> Result<Option<String>> {
        let tag = match statement {
            Statement::Begin { modes, start } => {
                if self.block == Block::None {
                    self.ensure_transaction();
                    self.block = Block::Open;
                } else {
                    self.backend.notice(warning(
                        SqlState::ACTIVE_SQL_TRANSACTION,
                        "there is already a transaction in progress",
                    ));
                }
                self.apply_modes(modes)?;
                if *start { "START TRANSACTION" } else { "BEGIN" }
            }
            Statement::Commit { chain } => {
                if *chain {
                    self.need_block("COMMIT AND CHAIN")?;
                }
                return self.commit_block(*chain).map(Some);
            }
            Statement::Rollback { chain } => {
                if *chain {
                    self.need_block("ROLLBACK AND CHAIN")?;
                }
                if self.block == Block::None {
                    self.warn_no_block();
                }
                let modes = self.modes();
                self.abort();
                if *chain {
                    self.begin_again(modes)?;
                }
                "ROLLBACK"
            }
            Statement::Savepoint(name) => {
                self.need_block("SAVEPOINT")?;
                let savepoint = self.backend.with_txn(|txn| Ok(txn.savepoint()))?;
                let pending = self.backend.pending.borrow();
                let entry = NamedSavepoint {
                    name: name.clone(),
                    savepoint,
                    settings: self.backend.settings.borrow().mark(),
                    deferred: self.backend.deferred.borrow().mark(),
                    notify: pending.notify.len(),
                    listen: pending.listen.len(),
                    work: pending.work.len(),
                };
                drop(pending);
                self.savepoints.push(entry);
                "SAVEPOINT"
            }
            Statement::Release(name) => {
                self.need_block("RELEASE SAVEPOINT")?;
                let at =
                    self.savepoints.iter().rposition(|entry| entry.name == *name).ok_or_else(|| no_savepoint(name))?;
                let savepoint = self.savepoints[at].savepoint;
                self.backend.with_txn(|txn| {
                    txn.release(savepoint);
                    Ok(())
                })?;
                self.savepoints.truncate(at);
                "RELEASE"
            }
            Statement::RollbackTo(name) => {
                self.need_block("ROLLBACK TO SAVEPOINT")?;
                let at =
                    self.savepoints.iter().rposition(|entry| entry.name == *name).ok_or_else(|| no_savepoint(name))?;
                self.drop_portals_since(at);
                self.back_to(at)?;
                self.savepoints.truncate(at + 1);
                self.block = Block::Open;
                "ROLLBACK"
            }
            Statement::SetTransaction { session: true, modes } => {
                let mut settings = self.backend.settings.borrow_mut();
                if let Some(isolation) = modes.isolation {
                    settings.set("default_transaction_isolation", Some(level(isolation).1), false)?;
                }
                if let Some(on) = modes.read_only {
                    settings.set("default_transaction_read_only", Some(if on { "on" } else { "off" }), false)?;
                }
                if let Some(on) = modes.deferrable {
                    settings.set("default_transaction_deferrable", Some(if on { "on" } else { "off" }), false)?;
                }
                "SET"
            }
            Statement::SetTransaction { session: false, modes } => {
                if self.block == Block::None && !self.in_implicit_block() {
                    self.backend.notice(warning(
                        SqlState::NO_ACTIVE_SQL_TRANSACTION,
                        "SET TRANSACTION can only be used in transaction blocks",
                    ));
                }
                // A pipeline's implicit transaction goes on with it.
                self.ensure_transaction();
                self.apply_modes(modes)?;
                "SET"
            }
            Statement::SetSnapshot(name) => {
                if self.block == Block::None {
                    self.backend.notice(warning(
                        SqlState::NO_ACTIVE_SQL_TRANSACTION,
                        "SET TRANSACTION can only be used in transaction blocks",
                    ));
                }
                self.import_snapshot(name)?;
                "SET"
            }
            Statement::PrepareTransaction => {
                let was = self.block;
                if was == Block::None {
                    self.warn_no_block();
                }
                self.abort();
                if was == Block::Open {
                    return Err(SqlError::new(
                        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        "prepared transactions are disabled",
                    )
                    .hint("Set max_prepared_transactions to a nonzero value."));
                }
                "ROLLBACK"
            }
            Statement::EndPrepared { commit, name } => {
                if self.block != Block::None {
                    let what = if *commit { "COMMIT" } else { "ROLLBACK" };
                    return Err(SqlError::new(
                        SqlState::ACTIVE_SQL_TRANSACTION,
                        format!("{what} PREPARED cannot run inside a transaction block"),
                    ));
                }
                // None is ever prepared.
                return Err(SqlError::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("prepared transaction with identifier \"{name}\" does not exist"),
                ));
            }
            _ => return Ok(None),
        };
        Ok(Some(tag.to_owned()))
    }

    /// 25P01 outside a transaction block.
    pub(super) fn need_block(&self, what: &str) -> Result<()> {
        if self.block == Block::None {
            return Err(SqlError::new(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                format!("{what} can only be used in transaction blocks"),
            ));
        }
        Ok(())
    }

    fn warn_no_block(&self) {
        self.backend.notice(warning(SqlState::NO_ACTIVE_SQL_TRANSACTION, "there is no transaction in progress"));
    }

    fn apply_modes(&mut self, modes: &TransactionModes) -> Result<()> {
        if let Some(isolation) = modes.isolation {
            let (isolation, text) = level(isolation);
            let queried = self.backend.pending.borrow().queried;
            if queried && self.backend.with_txn(|txn| Ok(txn.isolation() != isolation))? {
                return Err(SqlError::new(
                    SqlState::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must be called before any query",
                ));
            }
            if !self.savepoints.is_empty() && self.backend.with_txn(|txn| Ok(txn.isolation() != isolation))? {
                return Err(SqlError::new(
                    SqlState::ACTIVE_SQL_TRANSACTION,
                    "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
                ));
            }
            self.backend.settings.borrow_mut().set("transaction_isolation", Some(text), true)?;
            self.backend.with_txn(|txn| {
                txn.set_isolation(isolation);
                Ok(())
            })?;
        }
        if let Some(on) = modes.read_only {
            if !on && self.backend.read_only.get() && !self.savepoints.is_empty() {
                return Err(SqlError::new(
                    SqlState::ACTIVE_SQL_TRANSACTION,
                    "cannot set transaction read-write mode inside a read-only transaction",
                ));
            }
            if !on && self.backend.read_only.get() && self.backend.pending.borrow().queried {
                return Err(SqlError::new(
                    SqlState::ACTIVE_SQL_TRANSACTION,
                    "transaction read-write mode must be set before any query",
                ));
            }
            self.backend.settings.borrow_mut().set(
                "transaction_read_only",
                Some(if on { "on" } else { "off" }),
                true,
            )?;
            self.backend.read_only.set(on);
        }
        if let Some(on) = modes.deferrable {
            self.backend.settings.borrow_mut().set(
                "transaction_deferrable",
                Some(if on { "on" } else { "off" }),
                true,
            )?;
        }
        Ok(())
    }

    /// SET TRANSACTION SNAPSHOT (PG-153). Errors: 25001 after a query, 0A000 at a lower isolation or in another database,
    /// 22023 for a snapshot that is not there any more.
    fn import_snapshot(&mut self, name: &str) -> Result<()> {
        self.ensure_transaction();
        let refuse = |text: &str| Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text));
        if self.backend.pending.borrow().queried || !self.savepoints.is_empty() {
            return Err(SqlError::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "SET TRANSACTION SNAPSHOT must be called before any query",
            ));
        }
        let isolation = self.backend.with_txn(|txn| Ok(txn.isolation()))?;
        if isolation == Isolation::ReadCommitted {
            return refuse(
                "a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ",
            );
        }
        let gone =
            || SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("invalid snapshot identifier: \"{name}\""));
        let snapshot = self.backend.shared.snapshots.find(name).filter(|found| found.is_held()).ok_or_else(gone)?;
        if isolation == Isolation::Serializable && snapshot.isolation != Isolation::Serializable {
            return refuse("a serializable transaction cannot import a snapshot from a non-serializable transaction");
        }
        if snapshot.database != self.backend.database {
            return refuse("cannot import a snapshot from a different database");
        }
        if self.backend.with_txn(|txn| Ok(txn.import_snapshot(&snapshot)))? { Ok(()) } else { Err(gone()) }
    }

    fn modes(&self) -> TransactionModes {
        let isolation = match self.backend.settings.borrow().isolation("transaction_isolation") {
            Isolation::ReadCommitted => IsolationLevel::ReadCommitted,
            Isolation::RepeatableRead => IsolationLevel::RepeatableRead,
            Isolation::Serializable => IsolationLevel::Serializable,
        };
        TransactionModes { isolation: Some(isolation), read_only: Some(self.backend.read_only.get()), deferrable: None }
    }

    fn begin_again(&mut self, modes: TransactionModes) -> Result<()> {
        self.ensure_transaction();
        self.block = Block::Open;
        self.apply_modes(&modes)
    }

    fn commit_block(&mut self, chain: bool) -> Result<String> {
        if self.block == Block::Failed {
            let modes = self.modes();
            self.abort();
            if chain {
                self.begin_again(modes)?;
            }
            return Ok("ROLLBACK".to_owned());
        }
        if self.block == Block::None {
            self.warn_no_block();
        }
        let modes = self.modes();
        self.commit_now()?;
        if chain {
            self.begin_again(modes)?;
        }
        Ok("COMMIT".to_owned())
    }

    /// Commits whatever transaction there is; on error it is rolled back.
    pub(super) fn commit_now(&mut self) -> Result<()> {
        if let Err(error) = self.hold_cursors() {
            self.abort();
            return Err(error);
        }
        self.block = Block::None;
        self.pipelined = false;
        self.savepoints.clear();
        self.close_portals(true);
        let result = self.backend.commit();
        self.backend.read_only.set(false);
        let committed = result?;
        self.note_commit(committed);
        Ok(())
    }

    /// Rolls back whatever transaction there is.
    pub(super) fn abort(&mut self) {
        self.block = Block::None;
        self.pipelined = false;
        self.savepoints.clear();
        self.close_portals(false);
        self.backend.rollback();
        self.backend.read_only.set(false);
        crate::exec::refresh_user(&self.backend);
    }

    fn back_to(&mut self, at: usize) -> Result<()> {
        let entry = &self.savepoints[at];
        self.backend.with_txn(|txn| txn.rollback_to(entry.savepoint))?;
        self.backend.settings.borrow_mut().rollback_to(entry.settings);
        self.backend.deferred.borrow_mut().rollback_to(entry.deferred);
        let mut pending = self.backend.pending.borrow_mut();
        pending.notify.truncate(entry.notify);
        pending.listen.truncate(entry.listen);
        pending.work.truncate(entry.work);
        drop(pending);
        crate::exec::refresh_user(&self.backend);
        Ok(())
    }

    /// The front end reports every error that it got from the session or met itself: moves the block to Failed.
    pub fn statement_failed(&mut self, error: &SqlError) {
        let _ = error;
        self.counted = false;
        self.rest_on_seen();
        self.internal = None;
        self.copy = None;
        self.current = Current::None;
        self.backend.control.active.store(false, std::sync::atomic::Ordering::SeqCst);
        match self.block {
            Block::None => self.abort(),
            Block::Failed => {}
            Block::Open => {
                self.block = Block::Failed;
                self.drop_portals_since(self.savepoints.len());
                match self.savepoints.len().checked_sub(1) {
                    // Frees the locks taken since; ROLLBACK TO may name this savepoint or an earlier one.
                    Some(last) => {
                        if self.back_to(last).is_err() {
                            self.savepoints.clear();
                            self.backend.rollback();
                        }
                    }
                    None => {
                        self.close_portals(false);
                        self.backend.rollback();
                    }
                }
            }
        }
        self.end_call();
    }

    /// The statement that ran was the last of its simple message: commits outside a block.
    pub(super) fn statement_done(&mut self) -> Result<()> {
        let last = self.simple.as_ref().is_some_and(|simple| simple.last || simple.script);
        if last && self.block == Block::None && self.current == Current::Internal {
            self.commit_now()?;
        }
        Ok(())
    }

    /// End of a simple message: ends the implicit transaction (commit, or roll back when failed).
    pub fn simple_end(&mut self, failed: bool) -> Option<CommitNo> {
        self.simple = None;
        self.internal = None;
        self.copy = None;
        let _ = self.sync(failed);
        self.hold_until()
    }

    /// Sync: ends the implicit transaction of a pipeline. Some(n): hold everything back until `wait_durable(n)`.
    /// Err: the commit failed and was rolled back.
    pub fn sync(&mut self, failed: bool) -> Result<Option<CommitNo>> {
        self.copy = None;
        let mut result = Ok(());
        if self.block == Block::None {
            if failed {
                self.abort();
            } else if self.backend.txn.borrow().is_some() {
                result = self.commit_now();
            } else {
                self.close_portals(true);
                if self.backend.settings.borrow().mark() > 0 || !self.backend.pending.borrow().listen.is_empty() {
                    result = self.backend.commit().map(|_| ());
                }
            }
        }
        self.end_silent_call();
        self.idle_state();
        result.map(|()| self.hold_until())
    }

    fn idle_state(&self) {
        if self.backend.internal {
            return;
        }
        let state = match self.block {
            Block::None => "idle",
            Block::Open => "idle in transaction",
            Block::Failed => "idle in transaction (aborted)",
        };
        let mut info = self.backend.control.info.lock();
        if info.state != state {
            info.state = state.to_owned();
        }
        info.state_changed_at = info.query_started_at;
        info.transaction_started_at = (self.block != Block::None)
            .then(|| self.backend.transaction_time.get().saturating_add(crate::exec::EPOCH_MICROS));
    }
}
