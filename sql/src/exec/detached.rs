//! A `Runtime` with nothing behind it: for keys of indexes, whose expressions may ask for nothing.

use std::sync::Arc;

use crate::catalog::CatalogSet;
use crate::error::{Result, SqlError};
use crate::expr::{EvalContext, Runtime, SubplanId, SubqueryKind, SubqueryResult};
use crate::types::{Oid, Value};

/// Answers nothing.
pub(super) struct Detached;

fn refused<T>() -> Result<T> {
    Err(SqlError::internal("an index expression asked for the session"))
}

impl Runtime for Detached {
    fn subquery(&self, _: SubplanId, _: &EvalContext<'_>, _: &[Value], _: usize) -> Result<Arc<SubqueryResult>> {
        refused()
    }
    fn hashed_any(
        &self,
        _: SubplanId,
        _: &SubqueryKind,
        _: &EvalContext<'_>,
        _: &[Value],
        _: &[Value],
    ) -> Result<Option<Option<bool>>> {
        refused()
    }
    fn catalogs(&self) -> Arc<CatalogSet> {
        Arc::default()
    }
    fn database(&self) -> Oid {
        0
    }
    fn users(&self) -> (Oid, Oid) {
        (0, 0)
    }
    fn search_path(&self, _: bool) -> Vec<Oid> {
        Vec::new()
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
    fn set_setting(&self, _: &str, _: Option<&str>, _: bool) -> Result<String> {
        refused()
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
    fn set_seed(&self, _: f64) {}
    fn next_value(&self, _: Oid) -> Result<i64> {
        refused()
    }
    fn current_value(&self, _: Oid) -> Result<i64> {
        refused()
    }
    fn last_value(&self) -> Result<i64> {
        refused()
    }
    fn sequence_state(&self, _: Oid) -> Result<(i64, bool)> {
        refused()
    }
    fn set_value(&self, _: Oid, _: i64, _: bool) -> Result<i64> {
        refused()
    }
    fn notify(&self, _: &str, _: &str) -> Result<()> {
        refused()
    }
    fn listening(&self) -> Vec<String> {
        Vec::new()
    }
    fn advisory_lock(&self, _: i64, _: bool, _: bool, _: bool, _: bool) -> Result<bool> {
        refused()
    }
    fn advisory_unlock(&self, _: i64, _: bool, _: bool) -> Result<bool> {
        refused()
    }
    fn advisory_unlock_all(&self) {}
    fn sleep(&self, _: f64) -> Result<()> {
        refused()
    }
    fn check_cancel(&self) -> Result<()> {
        Ok(())
    }
    fn backend_pid(&self) -> i32 {
        0
    }
    fn signal_backend(&self, _: i32, _: bool) -> Result<bool> {
        refused()
    }
    fn transaction_id(&self) -> u64 {
        0
    }
    fn notice(&self, _: SqlError) {}
    fn table_size(&self, _: Oid) -> (u64, u64) {
        (0, 0)
    }
    fn deparse(&self, _: &str, _: &[Value]) -> Result<Value> {
        refused()
    }
}
