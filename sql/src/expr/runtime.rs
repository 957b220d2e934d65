//! What an expression may ask of whoever runs it: parameters, outer rows, subqueries, the session.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{SubplanId, SubqueryKind};
use crate::catalog::CatalogSet;
use crate::error::{Result, SqlError};
use crate::types::{DataType, Oid, Row, TextStyle, Value};

/// The current row of an enclosing query, linked outwards.
#[derive(Clone, Copy, Debug)]
pub struct OuterRow<'a> {
    /// The row.
    pub row: &'a [Value],
    /// The query further out.
    pub parent: Option<&'a OuterRow<'a>>,
}

/// Everything an evaluation needs besides the row.
#[derive(Clone, Copy)]
pub struct EvalContext<'a> {
    /// Values of `$1`, `$2` ….
    pub params: &'a [Value],
    /// Settings that text forms depend on.
    pub style: &'a TextStyle,
    /// Rows of enclosing queries.
    pub outer: Option<&'a OuterRow<'a>>,
    /// The rest.
    pub runtime: &'a dyn Runtime,
}

/// Rows of a subquery, at most as many as the caller asked for.
pub type SubqueryResult = Vec<Row>;

/// The session and the executor, as expressions see them. Methods take `&self`: state changes inside.
pub trait Runtime {
    /// Runs a subquery whose outer row is `row` (linked to `ctx.outer`), stopping after `limit` rows. An uncorrelated
    /// one runs once per statement and is remembered.
    fn subquery(
        &self,
        plan: SubplanId,
        ctx: &EvalContext<'_>,
        row: &[Value],
        limit: usize,
    ) -> Result<Arc<SubqueryResult>>;
    /// The array that `build` makes of a subquery's rows; that of an uncorrelated one is made once per statement, so that
    /// what is derived from it (the hash of `= ANY`) is found again by its address.
    fn subquery_array(
        &self,
        plan: SubplanId,
        ctx: &EvalContext<'_>,
        row: &[Value],
        build: &dyn Fn(&[Row]) -> Result<Value>,
    ) -> Result<Value> {
        build(&self.subquery(plan, ctx, row, usize::MAX)?)
    }
    /// For a `hashable` ANY over an uncorrelated subquery: Some(whether a row equals `left`), three-valued (None inside
    /// for unknown); outer None if the runtime does not hash it and the caller must run `test` over the rows.
    fn hashed_any(
        &self,
        plan: SubplanId,
        kind: &SubqueryKind,
        ctx: &EvalContext<'_>,
        row: &[Value],
        left: &[Value],
    ) -> Result<Option<Option<bool>>>;

    /// Calls a method of AMI for a value of this type (AMI-76). Errors: 42883, 42725, and what the method raises.
    fn call_method(&self, name: &str, _args: &[Value], _result: DataType) -> Result<Value> {
        Err(SqlError::unsupported(format!("a call of the method {name} here")))
    }

    /// The commit that wrote the version of a row that is current; none if it is the running transaction, whose commit
    /// has no number yet. Errors: 0A000 where no statement runs.
    fn row_commit(&self, _table: Oid, _row: i64) -> Result<Option<u64>> {
        Err(SqlError::unsupported("a system column here"))
    }

    /// Calls a function of SQL whose code is a script (CDB-111): a scalar one with the one row, an aggregate with all rows of a
    /// group. Errors: 42883 it is no more, and what it raises.
    fn call_function(&self, name: &str, _rows: &[&[Value]], _types: &[DataType], _result: DataType) -> Result<Value> {
        Err(SqlError::unsupported(format!("a call of the function {name} here")))
    }

    /// The catalogs as the transaction sees them.
    fn catalogs(&self) -> Arc<CatalogSet>;
    /// OID of the session's database.
    fn database(&self) -> Oid;
    /// OIDs of (session user, current user).
    fn users(&self) -> (Oid, Oid);
    /// OIDs of the schemas on the search path that exist; with `implicit` pg_catalog (and the temporary schema) too.
    fn search_path(&self, implicit: bool) -> Vec<Oid>;
    /// A setting as SHOW prints it; `None` if there is none of that name.
    fn setting(&self, name: &str) -> Option<String>;
    /// set_config: gives the value as SHOW prints it; without a value the default is set.
    fn set_setting(&self, name: &str, value: Option<&str>, local: bool) -> Result<String>;
    /// Start of the transaction, start of the statement, and now: microseconds since 2000-01-01 UTC.
    fn transaction_time(&self) -> i64;
    /// See `transaction_time`.
    fn statement_time(&self) -> i64;
    /// See `transaction_time`.
    fn clock_time(&self) -> i64;
    /// 64 random bits.
    fn random(&self) -> u64;
    /// setseed: makes `random` repeatable in this session.
    fn set_seed(&self, seed: f64);
    /// nextval; errors as PG-162.
    fn next_value(&self, sequence: Oid) -> Result<i64>;
    /// currval; 55000 before nextval in this session.
    fn current_value(&self, sequence: Oid) -> Result<i64>;
    /// lastval
    fn last_value(&self) -> Result<i64>;
    /// The row of a sequence read as a table: its last value, and whether nextval gave it.
    fn sequence_state(&self, sequence: Oid) -> Result<(i64, bool)>;
    /// setval
    fn set_value(&self, sequence: Oid, value: i64, called: bool) -> Result<i64>;
    /// pg_notify
    fn notify(&self, channel: &str, payload: &str) -> Result<()>;
    /// Channels this session listens to.
    fn listening(&self) -> Vec<String>;
    /// Advisory locks: `key` is (bigint) or (classid, objid) packed with `two_keys`. Waits unless `no_wait`; false = not got.
    fn advisory_lock(&self, key: i64, two_keys: bool, shared: bool, transaction: bool, no_wait: bool) -> Result<bool>;
    /// False if it was not held.
    fn advisory_unlock(&self, key: i64, two_keys: bool, shared: bool) -> Result<bool>;
    /// Frees all session-level ones.
    fn advisory_unlock_all(&self);
    /// pg_sleep: waits, ended early by cancel (57014).
    fn sleep(&self, seconds: f64) -> Result<()>;
    /// 57014 if the statement was cancelled or timed out.
    fn check_cancel(&self) -> Result<()>;
    /// pg_backend_pid
    fn backend_pid(&self) -> i32;
    /// Where the client is, and where it connected to; none where it did not come over TCP.
    fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        (None, None)
    }
    /// The rows of a function in SQL; with `single` one row of one value.
    fn call_routine(&self, _function: Oid, _args: &[Value], _single: bool) -> Result<Vec<Row>> {
        Err(SqlError::unsupported("a function in SQL here"))
    }
    /// pg_export_snapshot: the name under which other transactions take the snapshot.
    fn export_snapshot(&self) -> Result<String> {
        Err(SqlError::unsupported("pg_export_snapshot here"))
    }
    /// pg_cancel_backend, or pg_terminate_backend with `terminate`; false if there is no such session.
    fn signal_backend(&self, pid: i32, terminate: bool) -> Result<bool>;
    /// txid_current: assigns an id.
    fn transaction_id(&self) -> u64;
    /// Sends a notice to the client.
    fn notice(&self, notice: SqlError);
    /// Approximate rows and bytes of a table, for pg_class.reltuples and the size functions.
    fn table_size(&self, table: Oid) -> (u64, u64);
    /// Deparsed definitions (pg_get_constraintdef …), computed by `catalog`-reading code above: `kind` names the function.
    fn deparse(&self, kind: &str, args: &[Value]) -> Result<Value>;
}
