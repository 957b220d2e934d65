//! What the system columns `ctid`, `xmin`, `xmax`, `cmin` and `cmax` are made of (PG-83): the binder puts these calls in
//! their place; no text can name them.
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function, Volatility};
use crate::types::oid::{BOOL, CHAR, FLOAT8, INT4, INT8, NAME, OID, TEXT, TID, XID};
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

/// TABLESAMPLE: whether a row is in the sample, by its id, the percentage, the seed of REPEATABLE and how the sample is
/// taken: `bernoulli` or `system`, and behind it the name of the table in FROM if there is no REPEATABLE.
pub static ROW_SAMPLED: Function = lax(hidden("tablesample", &[INT8, FLOAT8, FLOAT8, TEXT], BOOL, sampled));

const fn lax(mut function: Function) -> Function {
    function.strict = false;
    function
}

/// One of a row's or a block's whole numbers, and chance: the same for the same pair.
fn mixed(value: u64, seed: u64) -> u64 {
    let mut mixed = value.wrapping_add(seed).wrapping_add(0x9e37_79b9_7f4a_7c15);
    for shift in [30, 27, 31] {
        mixed = (mixed ^ (mixed >> shift)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    mixed
}

/// Errors: 2202H a percentage that is none, 2202G a seed that is NULL.
fn sampled(call: &Call<'_>) -> Result<Value> {
    let number = |at: usize| match call.args.get(at) {
        Some(Value::Float8(number)) => Some(*number),
        _ => None,
    };
    let method = call.text(3)?;
    let (method, name) = method.split_once(' ').map_or((method, None), |(method, name)| (method, Some(name)));
    let argument = |text: &str| SqlError::new(SqlState::INVALID_TABLESAMPLE_ARGUMENT, text);
    let percent = number(1).ok_or_else(|| argument("TABLESAMPLE parameter cannot be null"))?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(argument("sample percentage must be between 0 and 100"));
    }
    let seed = match name {
        // Another sample with each statement, and one for each table in it.
        Some(name) => {
            let time = call.ctx.runtime.statement_time().cast_unsigned();
            name.bytes().fold(mixed(time, 0), |seed, byte| mixed(seed, u64::from(byte)))
        }
        None => number(2)
            .ok_or_else(|| {
                SqlError::new(SqlState::INVALID_TABLESAMPLE_REPEAT, "TABLESAMPLE REPEATABLE parameter cannot be null")
            })?
            .to_bits(),
    };
    let row = call.int(0)?;
    let unit = if method == "system" { row / BLOCK } else { row };
    #[allow(clippy::cast_precision_loss, reason = "a share of all numbers")]
    let share = mixed(unit.cast_unsigned(), mixed(seed, 1)) as f64 / u64::MAX as f64;
    Ok(Value::Bool(percent >= 100.0 || share < percent / 100.0))
}

pub(super) const FUNCTIONS: &[Function] = &[Function::new(15_012, "name_byte", &[NAME, INT4], CHAR, name_byte)];
