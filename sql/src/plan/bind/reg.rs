//! Functions by their names as text: what regproc and regprocedure read (PG-82).

use crate::catalog::{Catalog, FunctionKind, PG_CATALOG, SQL_FUNCTIONS};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{aggregates_named, functions_named, window_functions};
use crate::types::{Oid, oid};

/// The function that `text` names: `f` for regproc, `f(int, text)` for regprocedure. `split` takes a name apart, `type_of`
/// gives a type's OID, `schema_of` a schema's, `other` a built-in function that SQL does not call by name. Errors: 42883;
/// 42725 for a name that several functions have; 22P02 without the list of arguments; and those of the closures.
#[allow(clippy::too_many_arguments, reason = "the callers know names in different ways")]
pub fn find_function(
    text: &str,
    ty: Oid,
    catalog: Option<&Catalog>,
    search_path: &[Oid],
    split: impl Fn(&str) -> Result<Vec<String>>,
    type_of: impl Fn(&str) -> Result<Oid>,
    schema_of: impl Fn(&str) -> Option<Oid>,
    other: impl Fn(&str) -> Option<Oid>,
) -> Result<Oid> {
    let (name, arguments) =
        if ty == oid::REGPROCEDURE { with_arguments(text, &type_of)? } else { (text.to_owned(), None) };
    let missing = || SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("function \"{text}\" does not exist"));
    let parts = split(&name)?;
    let (path, name) = match parts.as_slice() {
        [name] => (search_path.to_vec(), name),
        [schema, name] | [_, schema, name] => (vec![schema_of(schema).ok_or_else(missing)?], name),
        _ => return Err(missing()),
    };
    let mut found: Vec<(Oid, Vec<Oid>)> = Vec::new();
    let mut alone = None;
    for schema in path {
        if schema == PG_CATALOG {
            found.extend(functions_named(name).map(|def| (def.oid, def.args.to_vec())));
            found.extend(aggregates_named(name).map(|def| (def.oid, def.args.to_vec())));
            let windows = window_functions().iter().filter(|def| def.name == name.as_str());
            found.extend(windows.map(|def| (def.oid, def.args.to_vec())));
            if found.is_empty() {
                alone = other(name);
                found.extend(alone.map(|oid| (oid, Vec::new())));
            }
            continue;
        }
        let own = catalog.into_iter().flat_map(Catalog::functions).filter(|def| {
            let kind = matches!(def.kind, FunctionKind::Function | FunctionKind::Procedure | FunctionKind::Aggregate);
            kind && def.schema == schema && def.name == *name && def.dialect == SQL_FUNCTIONS
        });
        for def in own {
            let types: Vec<Oid> = def.arguments.iter().map(|(_, ty)| ty.oid).collect();
            // One further down the path with the same arguments is hidden.
            if !found.iter().any(|(_, other)| *other == types) {
                found.push((def.oid, types));
            }
        }
    }
    if let Some(arguments) = arguments {
        // Of one that SQL does not call by name the arguments are not looked at.
        if let Some(found) = alone {
            return Ok(found);
        }
        return found.iter().find(|(_, types)| *types == arguments).map(|(oid, _)| *oid).ok_or_else(missing);
    }
    match found.as_slice() {
        [] => Err(missing()),
        [(only, _)] => Ok(*only),
        _ => Err(SqlError::new(SqlState::AMBIGUOUS_FUNCTION, format!("more than one function named \"{text}\""))),
    }
}

/// The name before the parenthesis and the types inside.
fn with_arguments(text: &str, type_of: impl Fn(&str) -> Result<Oid>) -> Result<(String, Option<Vec<Oid>>)> {
    let malformed = |what: &str| SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, what.to_owned());
    let mut quoted = false;
    let open = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        *c == '(' && !quoted
    });
    let (open, _) = open.ok_or_else(|| malformed("expected a left parenthesis"))?;
    let inner =
        text[open + 1..].trim_end().strip_suffix(')').ok_or_else(|| malformed("expected a right parenthesis"))?;
    let (mut types, mut from, mut depth, mut quoted) = (Vec::new(), 0, 0usize, false);
    for (at, c) in inner.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                types.push(type_of(inner[from..at].trim())?);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !inner.trim().is_empty() {
        types.push(type_of(inner[from..].trim())?);
    }
    Ok((text[..open].trim().to_owned(), Some(types)))
}
