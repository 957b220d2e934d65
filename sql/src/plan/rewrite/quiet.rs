//! A `Runtime` for folding: there is no session, so whatever asks for one fails and the expression stays as it is.

use std::sync::Arc;

use crate::catalog::CatalogSet;
use crate::error::{Result, SqlError};
use crate::expr::{EvalContext, Runtime, SubplanId, SubqueryKind, SubqueryResult};
use crate::types::{Oid, Value};

/// No session.
pub(super) struct Quiet;

fn none<T>() -> Result<T> {
    Err(SqlError::internal("there is no session while planning"))
}

impl Runtime for Quiet {
    fn subquery(
        &self,
        _plan: SubplanId,
        _ctx: &EvalContext<'_>,
        _row: &[Value],
        _limit: usize,
    ) -> Result<Arc<SubqueryResult>> {
        none()
    }
    fn hashed_any(
        &self,
        _plan: SubplanId,
        _kind: &SubqueryKind,
        _ctx: &EvalContext<'_>,
        _row: &[Value],
        _left: &[Value],
    ) -> Result<Option<Option<bool>>> {
        none()
    }
    fn catalogs(&self) -> Arc<CatalogSet> {
        Arc::new(CatalogSet::default())
    }
    fn database(&self) -> Oid {
        0
    }
    fn users(&self) -> (Oid, Oid) {
        (0, 0)
    }
    fn search_path(&self, _implicit: bool) -> Vec<Oid> {
        Vec::new()
    }
    fn setting(&self, _name: &str) -> Option<String> {
        None
    }
    fn set_setting(&self, _name: &str, _value: Option<&str>, _local: bool) -> Result<String> {
        none()
    }
    fn transaction_time(&self) -> i64 {
        0
    }
    fn statement_time(&self) -> i64 {
        0
    }
    fn clock_time(&self) -> i64 {
        0
    }
    fn random(&self) -> u64 {
        0
    }
    fn set_seed(&self, _seed: f64) {}
    fn next_value(&self, _sequence: Oid) -> Result<i64> {
        none()
    }
    fn current_value(&self, _sequence: Oid) -> Result<i64> {
        none()
    }
    fn last_value(&self) -> Result<i64> {
        none()
    }
    fn sequence_state(&self, _sequence: Oid) -> Result<(i64, bool)> {
        none()
    }
    fn set_value(&self, _sequence: Oid, _value: i64, _called: bool) -> Result<i64> {
        none()
    }
    fn notify(&self, _channel: &str, _payload: &str) -> Result<()> {
        none()
    }
    fn listening(&self) -> Vec<String> {
        Vec::new()
    }
    fn advisory_lock(
        &self,
        _key: i64,
        _two_keys: bool,
        _shared: bool,
        _transaction: bool,
        _no_wait: bool,
    ) -> Result<bool> {
        none()
    }
    fn advisory_unlock(&self, _key: i64, _two_keys: bool, _shared: bool) -> Result<bool> {
        none()
    }
    fn advisory_unlock_all(&self) {}
    fn sleep(&self, _seconds: f64) -> Result<()> {
        none()
    }
    fn check_cancel(&self) -> Result<()> {
        none()
    }
    fn backend_pid(&self) -> i32 {
        0
    }
    fn signal_backend(&self, _pid: i32, _terminate: bool) -> Result<bool> {
        none()
    }
    fn transaction_id(&self) -> u64 {
        0
    }
    fn notice(&self, _notice: SqlError) {}
    fn table_size(&self, _table: Oid) -> (u64, u64) {
        (0, 0)
    }
    fn deparse(&self, _kind: &str, _args: &[Value]) -> Result<Value> {
        none()
    }
}
