//! `f(VARIADIC array)` of functions that take any number of values of any type: twins that spread the array out.
//! Functions of typed variadic arguments (`json_extract_path`) look for the array themselves.
use crate::error::{Result, SqlError};
use crate::expr::function::{Call, Function, FunctionBody, function_by_oid};
use crate::types::oid::{ANYARRAY, INT4, JSON, JSONB, TEXT};
use crate::types::{DataType, Oid, Value};

/// Calls function `OID` with the items of the last argument in its place.
fn spread<const OID: Oid>(call: &Call<'_>) -> Result<Value> {
    let Some(Function { body: FunctionBody::Scalar(body), .. }) = function_by_oid(OID) else {
        return Err(SqlError::internal(format!("there is no scalar function {OID}")));
    };
    let Some((last, fixed)) = call.args.split_last() else { return Ok(Value::Null) };
    let Value::Array(array) = last else { return Ok(Value::Null) };
    let args: Vec<Value> = fixed.iter().chain(&array.items).cloned().collect();
    let types = call.arg_types.iter().take(fixed.len()).copied();
    let arg_types: Vec<DataType> =
        types.chain(std::iter::repeat_n(DataType::new(array.element), array.items.len())).collect();
    body(&Call { ctx: call.ctx, args: &args, arg_types: &arg_types, result: call.result })
}

#[rustfmt::skip]
static TWINS: &[Function] = &[
    Function::new(3058, "concat", &[ANYARRAY], TEXT, spread::<3058>).stable().lax(),
    Function::new(3059, "concat_ws", &[TEXT, ANYARRAY], TEXT, spread::<3059>).stable().lax(),
    Function::new(3539, "format", &[TEXT, ANYARRAY], TEXT, spread::<3539>).stable().lax(),
    Function::new(3198, "json_build_array", &[ANYARRAY], JSON, spread::<3198>).stable().lax(),
    Function::new(3200, "json_build_object", &[ANYARRAY], JSON, spread::<3200>).stable().lax(),
    Function::new(3271, "jsonb_build_array", &[ANYARRAY], JSONB, spread::<3271>).stable().lax(),
    Function::new(3273, "jsonb_build_object", &[ANYARRAY], JSONB, spread::<3273>).stable().lax(),
    Function::new(438, "num_nulls", &[ANYARRAY], INT4, spread::<438>).lax(),
    Function::new(440, "num_nonnulls", &[ANYARRAY], INT4, spread::<440>).lax(),
];

/// The twin of a function for a call with VARIADIC; none if the function takes the array as it is.
pub(in crate::expr) fn twin(oid: Oid) -> Option<&'static Function> {
    TWINS.iter().find(|function| function.oid == oid)
}
