//! What expressions ask of the running statement: subqueries, the session, sequences, locks.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::scan::HashedRows;
use super::{Cx, Exec, all_rows, cte};
use crate::catalog::{CatalogSet, Privilege, Relation, SequenceDef};
use crate::change::FunctionCall;
use crate::error::{Result, Severity, SqlError, SqlState};
use crate::expr::{EvalContext, OuterRow, Runtime, SubplanId, SubqueryKind, SubqueryResult, eval};
use crate::plan::SystemContext;
use crate::store::{AdvisoryKey, WaitPolicy};
use crate::types::{DataType, Oid, Row, Value};

impl Exec<'_> {
    fn sequence(&self, oid: Oid, privilege: Privilege) -> Result<Arc<SequenceDef>> {
        let catalog = self.backend.catalog()?;
        let Some(Relation::Sequence(def)) = catalog.relation_by_oid(oid) else {
            return Err(SqlError::new(SqlState::UNDEFINED_TABLE, format!("could not open relation with OID {oid}")));
        };
        if !self.backend.superuser.get() {
            super::check_privileges(self.backend, &[(oid, privilege)])?;
        }
        Ok(def)
    }

    fn run_subplan(&self, plan: SubplanId, ctx: &EvalContext<'_>, row: &[Value], limit: usize) -> Result<Vec<Row>> {
        let subplan = self.run.plan.subplans.get(plan.0 as usize);
        let subplan = subplan.ok_or_else(|| SqlError::internal("subplan not found"))?;
        let outer = OuterRow { row, parent: ctx.outer };
        let cx = Cx {
            eval: EvalContext { params: ctx.params, style: ctx.style, outer: Some(&outer), runtime: self },
            exec: self,
        };
        if subplan.correlated {
            cte::forget(&subplan.root, self);
        }
        all_rows(&subplan.root, &cx, limit)
    }
}

fn advisory(database: Oid, key: i64, two_keys: bool) -> AdvisoryKey {
    let bits = key.cast_unsigned();
    #[allow(clippy::cast_possible_truncation, reason = "the two halves")]
    let (high, low) = ((bits >> 32) as u32, bits as u32);
    AdvisoryKey { database, high, low, pair: two_keys }
}

impl Runtime for Exec<'_> {
    fn subquery(
        &self,
        plan: SubplanId,
        ctx: &EvalContext<'_>,
        row: &[Value],
        limit: usize,
    ) -> Result<Arc<SubqueryResult>> {
        let subplan = self.run.plan.subplans.get(plan.0 as usize);
        if subplan.is_some_and(|subplan| subplan.correlated) {
            return self.run_subplan(plan, ctx, row, limit).map(Arc::new);
        }
        if let Some((had, rows)) = self.run.caches.borrow().subplans.get(&plan) {
            if *had >= limit || rows.len() < *had {
                return Ok(rows.clone());
            }
        }
        let rows = Arc::new(self.run_subplan(plan, ctx, row, limit)?);
        self.run.caches.borrow_mut().subplans.insert(plan, (limit, rows.clone()));
        Ok(rows)
    }

    fn subquery_array(
        &self,
        plan: SubplanId,
        ctx: &EvalContext<'_>,
        row: &[Value],
        build: &dyn Fn(&[Row]) -> Result<Value>,
    ) -> Result<Value> {
        if let Some(array) = self.run.caches.borrow().arrays.get(&plan) {
            return Ok(array.clone());
        }
        let array = build(&self.subquery(plan, ctx, row, usize::MAX)?)?;
        if self.run.plan.subplans.get(plan.0 as usize).is_some_and(|subplan| !subplan.correlated) {
            self.run.caches.borrow_mut().arrays.insert(plan, array.clone());
        }
        Ok(array)
    }

    fn row_commit(&self, table: crate::types::Oid, row: i64) -> Result<Option<u64>> {
        let row = crate::change::RowId(row.cast_unsigned());
        // A condition that is checked again on a newer version asks for that one's number.
        let again = self.run.plan.writes || self.run.plan.locks;
        self.backend.with_txn(|txn| {
            let newest = again && txn.isolation() == crate::store::Isolation::ReadCommitted;
            txn.row_commit(crate::catalog::TableId(table), row, &self.run.snapshot, newest)
        })
    }

    fn hashed_any(
        &self,
        plan: SubplanId,
        kind: &SubqueryKind,
        ctx: &EvalContext<'_>,
        row: &[Value],
        left: &[Value],
    ) -> Result<Option<Option<bool>>> {
        let SubqueryKind::Quantified { test, hashable: true, all: false, .. } = kind else { return Ok(None) };
        let subplan = self.run.plan.subplans.get(plan.0 as usize);
        if subplan.is_none_or(|subplan| subplan.correlated) {
            return Ok(None);
        }
        let known = self.run.caches.borrow().hashed.get(&plan).cloned();
        let table = match known {
            Some(table) => table,
            None => {
                let rows = self.subquery(plan, ctx, row, usize::MAX)?;
                let mut table = HashedRows { rows: HashMap::new(), any: !rows.is_empty(), has_null: false };
                for found in rows.iter() {
                    if found.iter().any(Value::is_null) {
                        table.has_null = true;
                    } else {
                        table.rows.entry(super::join::hash_key(found)).or_default().push(found.clone());
                    }
                }
                let table = Arc::new(table);
                self.run.caches.borrow_mut().hashed.insert(plan, table.clone());
                table
            }
        };
        if !table.any {
            return Ok(Some(Some(false)));
        }
        if left.iter().any(Value::is_null) {
            // With several columns a NULL may still make the answer false: let the caller run the test.
            return Ok((left.len() == 1).then_some(None));
        }
        if let Some(bucket) = table.rows.get(&super::join::hash_key(left)) {
            for found in bucket {
                let mut pair = left.to_vec();
                pair.extend_from_slice(found);
                if eval(test, &pair, ctx)? == Value::Bool(true) {
                    return Ok(Some(Some(true)));
                }
            }
        }
        if !table.has_null {
            return Ok(Some(Some(false)));
        }
        Ok((left.len() == 1).then_some(None))
    }

    fn call_method(&self, name: &str, args: &[Value], result: DataType) -> Result<Value> {
        let hooks = self.backend.shared.hooks.clone();
        let depth = self.run.writer.borrow().depth;
        hooks.call_method(&mut super::HookCx::new(self.backend, depth), name, args, result)
    }

    fn call_function(&self, name: &str, rows: &[&[Value]], types: &[DataType], result: DataType) -> Result<Value> {
        let hooks = self.backend.shared.hooks.clone();
        let depth = self.run.writer.borrow().depth;
        let call = FunctionCall { name, rows, types, result };
        hooks.call_function(&mut super::HookCx::new(self.backend, depth), &call)
    }

    fn catalogs(&self) -> Arc<CatalogSet> {
        self.backend.catalogs()
    }

    fn database(&self) -> Oid {
        self.backend.database
    }

    fn users(&self) -> (Oid, Oid) {
        (self.backend.session_user.get(), self.backend.current_user.get())
    }

    fn search_path(&self, implicit: bool) -> Vec<Oid> {
        let explicit = self.backend.search_path();
        if !implicit {
            return explicit.to_vec();
        }
        super::planning::implicit_path(self.backend, &explicit)
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.backend.settings.borrow().get(name).map(|value| value.to_string())
    }

    fn set_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String> {
        super::planning::apply_setting(self.backend, name, value, local)
    }

    fn transaction_time(&self) -> i64 {
        self.backend.transaction_time.get()
    }

    fn statement_time(&self) -> i64 {
        self.backend.statement_time.get()
    }

    fn clock_time(&self) -> i64 {
        self.backend.now()
    }

    fn random(&self) -> u64 {
        match self.backend.seed.get() {
            None => self.backend.shared.env.rng.next_u64(),
            Some(seed) => {
                let next = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
                self.backend.seed.set(Some(next));
                let mut z = next;
                z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                z ^ (z >> 31)
            }
        }
    }

    fn set_seed(&self, seed: f64) {
        self.backend.seed.set(Some(seed.to_bits()));
    }

    fn next_value(&self, sequence: Oid) -> Result<i64> {
        let mut caches = self.run.caches.borrow_mut();
        let def = match &caches.sequence {
            Some((known, def)) if *known == sequence => def,
            _ => {
                let def = self.sequence(sequence, Privilege::Usage)?;
                self.backend.check_writable("nextval()")?;
                &caches.sequence.insert((sequence, def)).1
            }
        };
        let (value, covered) = self.backend.shared.store.next_value(sequence, def)?;
        self.backend.with_txn(|txn| {
            txn.rests_on(covered);
            Ok(())
        })?;
        self.backend.sequence_gave(sequence, value);
        Ok(value)
    }

    fn current_value(&self, sequence: Oid) -> Result<i64> {
        let def = self.sequence(sequence, Privilege::Select)?;
        let known = match self.backend.last_sequence.get() {
            Some((last, value)) if last == sequence => Some(value),
            _ => self.backend.sequence_values.borrow().get(&sequence).copied(),
        };
        known.ok_or_else(|| {
            SqlError::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("currval of sequence \"{}\" is not yet defined in this session", def.name),
            )
        })
    }

    fn last_value(&self) -> Result<i64> {
        match self.backend.last_sequence.get() {
            Some((sequence, _)) => self.current_value(sequence),
            None => Err(SqlError::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                "lastval is not yet defined in this session",
            )),
        }
    }

    fn sequence_state(&self, sequence: Oid) -> Result<(i64, bool)> {
        let def = self.sequence(sequence, Privilege::Select)?;
        let state = self.backend.shared.store.sequence_state(sequence, &def);
        Ok((state.last_value, state.is_called))
    }

    fn set_value(&self, sequence: Oid, value: i64, called: bool) -> Result<i64> {
        let def = self.sequence(sequence, Privilege::Update)?;
        self.backend.check_writable("setval()")?;
        if value < def.min || value > def.max {
            return Err(SqlError::new(
                SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                format!(
                    "setval: value {value} is out of bounds for sequence \"{}\" ({}..{})",
                    def.name, def.min, def.max
                ),
            ));
        }
        let covered = self.backend.shared.store.set_value(sequence, &def, value, called)?;
        self.backend.with_txn(|txn| {
            txn.rests_on(covered);
            Ok(())
        })?;
        if called {
            self.backend.sequence_gave(sequence, value);
        }
        Ok(value)
    }

    fn notify(&self, channel: &str, payload: &str) -> Result<()> {
        notify(self.backend, channel, payload)
    }

    fn listening(&self) -> Vec<String> {
        self.backend.listening.borrow().clone()
    }

    fn advisory_lock(&self, key: i64, two_keys: bool, shared: bool, transaction: bool, no_wait: bool) -> Result<bool> {
        let key = advisory(self.backend.database, key, two_keys);
        let wait = if no_wait { WaitPolicy::SkipLocked } else { WaitPolicy::Wait };
        self.backend.with_txn(|txn| {
            if transaction {
                txn.advisory_lock(key, shared, wait)
            } else {
                txn.advisory_lock_session(&mut self.backend.locks.borrow_mut(), key, shared, wait)
            }
        })
    }

    fn advisory_unlock(&self, key: i64, two_keys: bool, shared: bool) -> Result<bool> {
        let key = advisory(self.backend.database, key, two_keys);
        let held = self.backend.locks.borrow_mut().unlock(key, shared);
        if !held {
            let mode = if shared { "ShareLock" } else { "ExclusiveLock" };
            self.backend.notice(SqlError::notice(
                Severity::Warning,
                SqlState::WARNING,
                format!("you don't own a lock of type {mode}"),
            ));
        }
        Ok(held)
    }

    fn advisory_unlock_all(&self) {
        self.backend.locks.borrow_mut().unlock_all();
    }

    fn sleep(&self, seconds: f64) -> Result<()> {
        let clock = &self.backend.shared.env.clock;
        let total = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
        let end = clock.elapsed().saturating_add(total);
        let mut result = Ok(());
        let gate = (parking_lot::Mutex::new(()), parking_lot::Condvar::new());
        self.backend.shared.env.blocker.block(&mut || {
            while clock.elapsed() < end {
                result = self.backend.check_cancel();
                if result.is_err() {
                    return;
                }
                let left = end.saturating_sub(clock.elapsed()).min(Duration::from_millis(20));
                let mut guard = gate.0.lock();
                let _ = gate.1.wait_for(&mut guard, left);
            }
        });
        result
    }

    fn check_cancel(&self) -> Result<()> {
        self.slow_tick()
    }

    fn backend_pid(&self) -> i32 {
        self.backend.pid
    }

    fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let sessions = self.backend.shared.sessions.read();
        let Some(control) = sessions.get(&self.backend.pid) else { return (None, None) };
        let info = control.info.lock();
        (info.client_address.parse().ok(), info.server_address)
    }

    fn call_routine(&self, function: Oid, args: &[Value], single: bool) -> Result<Vec<Row>> {
        super::routine::call(self, function, args, single)
    }

    fn export_snapshot(&self) -> Result<String> {
        let snapshot = self.backend.with_txn(|txn| txn.export_snapshot())?;
        Ok(self.backend.shared.snapshots.add(self.backend.pid, snapshot))
    }

    fn signal_backend(&self, pid: i32, terminate: bool) -> Result<bool> {
        if !self.backend.superuser.get() {
            let sessions = self.backend.shared.sessions.read();
            let own = self.backend.control.info.lock().user.clone();
            if sessions.get(&pid).is_some_and(|control| control.info.lock().user != own) {
                return Err(SqlError::new(
                    SqlState::INSUFFICIENT_PRIVILEGE,
                    "must be a member of the role whose process is being terminated or member of pg_signal_backend",
                ));
            }
        }
        let shared = &self.backend.shared;
        let found = if terminate { shared.terminate(pid) } else { shared.cancel(pid, None) };
        if !found {
            self.backend.notice(SqlError::notice(
                crate::error::Severity::Warning,
                SqlState::WARNING,
                format!("PID {pid} is not a PostgreSQL backend process"),
            ));
        }
        Ok(found)
    }

    fn transaction_id(&self) -> u64 {
        self.backend.txn.borrow().as_ref().map_or(0, |txn| txn.id().0)
    }

    fn notice(&self, notice: SqlError) {
        self.backend.notice(notice);
    }

    fn table_size(&self, table: Oid) -> (u64, u64) {
        super::system::table_size(self.backend, table)
    }

    fn deparse(&self, kind: &str, args: &[Value]) -> Result<Value> {
        super::system::deparse(self, kind, args)
    }
}

/// NOTIFY: sent at commit, repetitions dropped (PG-175).
pub(super) fn notify(backend: &super::Backend, channel: &str, payload: &str) -> Result<()> {
    let bad = |text: &str| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, text);
    if channel.is_empty() {
        return Err(bad("channel name cannot be empty"));
    }
    if channel.len() > 63 {
        return Err(bad("channel name too long"));
    }
    if payload.len() >= 8000 {
        return Err(bad("payload string too long"));
    }
    let mut pending = backend.pending.borrow_mut();
    // Looking for repetitions among very many would be quadratic; beyond this they may come through.
    let recent = pending.notify.len().saturating_sub(1000);
    if !pending.notify[recent..].iter().any(|(c, p)| c == channel && p == payload) {
        pending.notify.push((channel.to_owned(), payload.to_owned()));
    }
    Ok(())
}

impl SystemContext for Exec<'_> {
    fn runtime(&self) -> &dyn Runtime {
        self
    }

    fn engine_rows(&self, what: &str) -> Result<Vec<Row>> {
        super::system::engine_rows(self.backend, what)
    }
}
