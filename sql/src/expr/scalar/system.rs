//! What the system columns `ctid`, `xmin`, `xmax`, `cmin` and `cmax` are made of (PG-83): the binder puts these calls in
//! their place; no text can name them.
use crate::error::{Result, SqlError};
use crate::expr::function::{Call, Function, Volatility};
use crate::types::oid::{CHAR, INT4, INT8, NAME, OID, TID, XID};
use crate::types::{Oid, Value};

/// Rows to a block, as `ctid` counts them.
const BLOCK: i64 = 128;

/// Row id to `ctid`: it stays the same for the row's life.
fn ctid(call: &Call<'_>) -> Result<Value> {
    let row = call.int(0)?;
    let block = u32::try_from(row / BLOCK).map_err(|_| SqlError::internal("a row id beyond all blocks"))?;
    Ok(Value::Tid(block, u16::try_from(row % BLOCK).unwrap_or(0) + 1))
}

/// Table and row id to `xmin`: the number of the commit that wrote the row as it is, another one with each update.
/// Errors: 0A000 for a row that the transaction has written itself.
fn xmin(call: &Call<'_>) -> Result<Value> {
    match call.ctx.runtime.row_commit(call.oid(0)?, call.int(1)?)? {
        #[allow(clippy::cast_possible_truncation, reason = "an xid is the low half")]
        Some(commit) => Ok(Value::Oid(commit as u32)),
        None => Err(SqlError::unsupported("xmin of a row that its own transaction has written")
            .detail("It is the number of the commit, which comes when the transaction ends.")),
    }
}

/// `name[n]`: a byte of the name, counted from 0; NULL beyond its 64.
fn name_byte(call: &Call<'_>) -> Result<Value> {
    let place = call.int(1)?;
    Ok(match usize::try_from(place) {
        Ok(place) if place < 64 => Value::Char(call.text(0)?.as_bytes().get(place).copied().unwrap_or(0)),
        _ => Value::Null,
    })
}

const fn hidden(name: &'static str, args: &'static [Oid], result: Oid, body: crate::expr::ScalarFn) -> Function {
    let mut function = Function::new(0, name, args, result, body);
    function.volatility = Volatility::Stable;
    function
}

/// `ctid` of a row id.
pub static ROW_CTID: Function = hidden("ctid", &[INT8], TID, ctid);
/// `xmin` of a table and a row id.
pub static ROW_XMIN: Function = hidden("xmin", &[OID, INT8], XID, xmin);

pub(super) const FUNCTIONS: &[Function] = &[Function::new(15_012, "name_byte", &[NAME, INT4], CHAR, name_byte)];
