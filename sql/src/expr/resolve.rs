//! Which function or operator a call means, and the common type of several expressions (PG-100).
//!
//! PostgreSQL's rules: an exact match wins; else those that implicit casts reach, of them the ones with the most exact
//! arguments, then the most preferred types; arguments of type unknown (untyped literals and parameters) then take
//! the category that the candidates agree on, strings before others. Polymorphic types are unified at the end.
//! Knows nothing of schemas, user-made functions or parameters: that is the binder's.
use super::aggregate::{AggregateFunction, aggregates_named};
use super::function::{Function, Operator, WindowFunction, functions_named, operators_named};
use super::scalar::twin;
use super::window::window_functions_named;
use crate::error::{Result, SqlError, SqlState};
use crate::types::{
    CastContext, CastKind, DataType, Oid, TypeCategory, array_type_of, category_of, element_type_of, find_cast, oid,
    range_element, shown_type, type_by_name, type_info,
};

/// What a call was resolved to.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A scalar or set-returning function.
    Function(&'static Function),
    /// An aggregate.
    Aggregate(&'static AggregateFunction),
    /// A window-only function.
    Window(&'static WindowFunction),
    /// `typename(x)`: a cast of the only argument to this type.
    Cast(Oid),
}

/// A resolved call.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What is called.
    pub target: Target,
    /// The type each written argument is coerced to (of "any": its own type; UNKNOWN stays UNKNOWN there).
    pub arg_types: Vec<Oid>,
    /// SQL texts and types of arguments that were left out.
    pub defaults: Vec<(&'static str, Oid)>,
    /// Result type; RECORD where output columns (of the function, or written in AS) tell more.
    pub result: Oid,
}

/// A resolved operator.
#[derive(Clone, Debug)]
pub struct ResolvedOperator {
    /// The operator.
    pub operator: &'static Operator,
    /// What the left operand is coerced to; none of a prefix operator.
    pub left: Option<Oid>,
    /// What the right operand is coerced to.
    pub right: Oid,
    /// Result type.
    pub result: Oid,
}

/// The element type of a true array or vector type.
pub(crate) fn element_of(array: Oid) -> Option<Oid> {
    if array == oid::NAME {
        return None;
    }
    element_type_of(array)
}

/// The array type over a type.
pub(super) fn array_of(element: Oid) -> Option<Oid> {
    array_type_of(element)
}

fn category(ty: Oid) -> TypeCategory {
    if ty == oid::UNKNOWN {
        return TypeCategory::Unknown;
    }
    category_of(ty)
}

fn preferred(ty: Oid) -> bool {
    type_info(ty).is_some_and(|info| info.preferred)
}

fn is_polymorphic(ty: Oid) -> bool {
    matches!(
        ty,
        oid::ANYELEMENT
            | oid::ANYARRAY
            | oid::ANYNONARRAY
            | oid::ANYENUM
            | oid::ANYRANGE
            | oid::ANYCOMPATIBLE
            | oid::ANYCOMPATIBLEARRAY
            | oid::ANYCOMPATIBLENONARRAY
    )
}

fn implicit(from: Oid, to: Oid) -> bool {
    from == to
        || from == oid::UNKNOWN
        || to == oid::ANY
        || (to == oid::RECORD && category(from) == TypeCategory::Composite)
        || find_cast(from, to, CastContext::Implicit).is_some()
}

/// Whether arguments of these types can be given where those are declared.
fn coercible(given: &[Oid], declared: &[Oid]) -> bool {
    let plain =
        given.iter().zip(declared).all(|(given, declared)| is_polymorphic(*declared) || implicit(*given, *declared));
    // With nothing known about them at all they fit; that their type cannot be found is said when the function is chosen.
    let mut polymorphic = given.iter().zip(declared).filter(|(_, declared)| is_polymorphic(**declared));
    plain && (polymorphic.all(|(given, _)| *given == oid::UNKNOWN) || unify(given, declared, oid::VOID).is_ok())
}

/// How a type is written in messages.
fn type_name(ty: Oid) -> String {
    match type_info(ty) {
        Some(info) if info.element != 0 && info.sql_name.starts_with('_') => {
            format!("{}[]", type_name(info.element))
        }
        Some(info) => info.sql_name.to_owned(),
        None => shown_type(DataType::new(ty)),
    }
}

fn type_names(types: &[Oid]) -> String {
    types.iter().map(|ty| type_name(*ty)).collect::<Vec<_>>().join(", ")
}

/// A function that may be meant, with the declared types stretched over the arguments given.
struct Candidate<T> {
    target: T,
    declared: Vec<Oid>,
    variadic: bool,
}

/// PostgreSQL's choice among candidates that all accept the arguments; `None` is ambiguous.
fn select<T: Copy>(given: &[Oid], candidates: Vec<Candidate<T>>) -> Option<Candidate<T>> {
    let unknowns = given.iter().filter(|ty| **ty == oid::UNKNOWN).count();
    let most = |candidates: Vec<Candidate<T>>, score: &dyn Fn(&Candidate<T>) -> usize| {
        let best = candidates.iter().map(score).max().unwrap_or(0);
        candidates.into_iter().filter(|candidate| score(candidate) == best).collect::<Vec<_>>()
    };
    let pairs = |candidate: &Candidate<T>| given.iter().copied().zip(candidate.declared.clone()).collect::<Vec<_>>();

    let mut left = most(candidates, &|candidate| {
        pairs(candidate).iter().filter(|(given, declared)| *given != oid::UNKNOWN && given == declared).count()
    });
    if left.len() == 1 {
        return left.pop();
    }
    let mut left = most(left, &|candidate| {
        pairs(candidate)
            .iter()
            .filter(|(given, declared)| {
                *given != oid::UNKNOWN
                    && (given == declared || (category(*given) == category(*declared) && preferred(*declared)))
            })
            .count()
    });
    if left.len() == 1 {
        return left.pop();
    }
    if unknowns == 0 {
        return None;
    }
    left = by_category(given, left);
    if left.len() == 1 {
        return left.pop();
    }
    // Last: if all known types are the same, take the unknown ones for that type too.
    let mut known = given.iter().copied().filter(|ty| *ty != oid::UNKNOWN);
    let first = known.next()?;
    if known.any(|ty| ty != first) {
        return None;
    }
    let same = vec![first; given.len()];
    let mut fitting = left.into_iter().filter(|candidate| coercible(&same, &candidate.declared));
    let only = fitting.next();
    if fitting.next().is_some() { None } else { only }
}

/// Keeps the candidates whose types at unknown arguments have the category that all agree on (or string).
fn by_category<T>(given: &[Oid], candidates: Vec<Candidate<T>>) -> Vec<Candidate<T>> {
    let mut slots = Vec::new();
    for (place, _) in given.iter().enumerate().filter(|(_, ty)| **ty == oid::UNKNOWN) {
        let (mut chosen, mut has_preferred, mut conflict) = (None, false, false);
        for candidate in &candidates {
            let ty = candidate.declared[place];
            let (this, is_preferred) = (category(ty), preferred(ty));
            match chosen {
                None => (chosen, has_preferred) = (Some(this), is_preferred),
                Some(known) if known == this => has_preferred |= is_preferred,
                Some(_) if this == TypeCategory::String => (chosen, has_preferred) = (Some(this), is_preferred),
                Some(_) => conflict = true,
            }
        }
        let Some(chosen) = chosen else { return candidates };
        if conflict && chosen != TypeCategory::String {
            return candidates;
        }
        slots.push((place, chosen, has_preferred));
    }
    let fits = |candidate: &Candidate<T>| {
        slots.iter().all(|(place, wanted, has_preferred)| {
            let ty = candidate.declared[*place];
            category(ty) == *wanted && (!has_preferred || preferred(ty))
        })
    };
    if candidates.iter().any(fits) { candidates.into_iter().filter(fits).collect() } else { candidates }
}

/// Replaces polymorphic types by what the arguments make them: (types to coerce to, result type).
fn unify(given: &[Oid], declared: &[Oid], result: Oid) -> Result<(Vec<Oid>, Oid)> {
    let mismatch = |message: String| SqlError::new(SqlState::DATATYPE_MISMATCH, message);
    let (mut element, mut array, mut range) = (None, None, None);
    let mut compatible = Vec::new();
    let (mut any_simple, mut any_compatible) = (false, false);
    let mut enums = false;
    let mut non_array = false;
    for (given, declared) in given.iter().copied().zip(declared.iter().copied()) {
        let unknown = given == oid::UNKNOWN;
        match declared {
            oid::ANYELEMENT | oid::ANYNONARRAY | oid::ANYENUM => {
                any_simple = true;
                enums |= declared == oid::ANYENUM;
                non_array |= declared == oid::ANYNONARRAY;
                if unknown {
                    continue;
                }
                if element.is_some_and(|known| known != given) {
                    return Err(mismatch("arguments declared \"anyelement\" are not all alike".to_owned())
                        .detail(format!("{} versus {}", type_name(element.unwrap_or(0)), type_name(given))));
                }
                element = Some(given);
            }
            oid::ANYARRAY => {
                any_simple = true;
                if unknown {
                    continue;
                }
                if array.is_some_and(|known| known != given) {
                    return Err(mismatch("arguments declared \"anyarray\" are not all alike".to_owned())
                        .detail(format!("{} versus {}", type_name(array.unwrap_or(0)), type_name(given))));
                }
                if element_of(given).is_none() && given != oid::ANYARRAY {
                    return Err(mismatch(format!(
                        "argument declared anyarray is not an array but type {}",
                        type_name(given)
                    )));
                }
                array = Some(given);
            }
            oid::ANYRANGE => {
                any_simple = true;
                if unknown {
                    continue;
                }
                if range.is_some_and(|known| known != given) {
                    return Err(mismatch("arguments declared \"anyrange\" are not all alike".to_owned())
                        .detail(format!("{} versus {}", type_name(range.unwrap_or(0)), type_name(given))));
                }
                if range_element(given).is_none() {
                    return Err(mismatch(format!(
                        "argument declared anyrange is not a range type but type {}",
                        type_name(given)
                    )));
                }
                range = Some(given);
            }
            oid::ANYCOMPATIBLE | oid::ANYCOMPATIBLENONARRAY => {
                any_compatible = true;
                non_array |= declared == oid::ANYCOMPATIBLENONARRAY && element_of(given).is_some();
                compatible.push(given);
            }
            oid::ANYCOMPATIBLEARRAY => {
                any_compatible = true;
                if unknown {
                    continue;
                }
                let Some(item) = element_of(given) else {
                    return Err(mismatch(format!(
                        "argument declared anycompatiblearray is not an array but type {}",
                        type_name(given)
                    )));
                };
                compatible.push(item);
            }
            _ => {}
        }
    }
    if let Some(array) = array.filter(|array| *array != oid::ANYARRAY) {
        let item = element_of(array).unwrap_or(array);
        if element.is_some_and(|known| known != item) {
            return Err(mismatch(
                "argument declared anyarray is not consistent with argument declared anyelement".to_owned(),
            )
            .detail(format!("{} versus {}", type_name(array), type_name(element.unwrap_or(0)))));
        }
        element = Some(item);
    }
    if let Some(item) = range.and_then(range_element) {
        if element.is_some_and(|known| known != item) {
            return Err(mismatch(
                "argument declared anyrange is not consistent with argument declared anyelement".to_owned(),
            )
            .detail(format!(
                "{} versus {}",
                type_name(range.unwrap_or(0)),
                type_name(element.unwrap_or(0))
            )));
        }
        element = Some(item);
    }
    if enums && element.is_some_and(|ty| category(ty) != TypeCategory::Enum) {
        return Err(mismatch(format!(
            "type matched to anyenum is not an enum type: {}",
            type_name(element.unwrap_or(0))
        )));
    }
    if non_array && element.is_some_and(|ty| element_of(ty).is_some()) {
        return Err(mismatch(format!(
            "type matched to anynonarray is an array type: {}",
            type_name(element.unwrap_or(0))
        )));
    }
    let undetermined = || mismatch("could not determine polymorphic type because input has type unknown".to_owned());
    let common = if any_compatible { Some(common_type(&compatible)?) } else { None };
    if any_compatible && non_array && common.is_some_and(|ty| element_of(ty).is_some()) {
        return Err(mismatch(format!(
            "type matched to anycompatiblenonarray is an array type: {}",
            type_name(common.unwrap_or(0))
        )));
    }
    let replace = |declared: Oid, given: Oid| -> Result<Oid> {
        Ok(match declared {
            oid::ANYELEMENT | oid::ANYNONARRAY | oid::ANYENUM => match element {
                Some(ty) => ty,
                None if array == Some(oid::ANYARRAY) => oid::ANYELEMENT,
                None => return Err(undetermined()),
            },
            oid::ANYARRAY => match array {
                Some(ty) => ty,
                None => element.and_then(array_of).ok_or_else(undetermined)?,
            },
            oid::ANYRANGE => range.ok_or_else(undetermined)?,
            oid::ANYCOMPATIBLE | oid::ANYCOMPATIBLENONARRAY => common.ok_or_else(undetermined)?,
            oid::ANYCOMPATIBLEARRAY => {
                let ty = common.ok_or_else(undetermined)?;
                array_of(ty).ok_or_else(|| {
                    SqlError::new(
                        SqlState::UNDEFINED_OBJECT,
                        format!("could not find array type for data type {}", type_name(ty)),
                    )
                })?
            }
            oid::ANY => given,
            other => other,
        })
    };
    if any_simple && element.is_none() && array.is_none() {
        return Err(undetermined());
    }
    let types =
        declared.iter().zip(given).map(|(declared, given)| replace(*declared, *given)).collect::<Result<Vec<Oid>>>()?;
    let result = if is_polymorphic(result) { replace(result, oid::UNKNOWN)? } else { result };
    Ok((types, result))
}

#[derive(Clone, Copy)]
struct Signature {
    target: Target,
    args: &'static [Oid],
    variadic: bool,
    defaults: usize,
    result: Oid,
}

fn signatures(name: &str) -> Vec<Signature> {
    let mut all: Vec<Signature> = functions_named(name)
        .map(|function| Signature {
            target: Target::Function(function),
            args: function.args,
            variadic: function.variadic,
            defaults: function.defaults.len(),
            result: function.result,
        })
        .collect();
    all.extend(aggregates_named(name).map(|aggregate| Signature {
        target: Target::Aggregate(aggregate),
        args: aggregate.args,
        variadic: false,
        defaults: 0,
        result: aggregate.result,
    }));
    all.extend(window_functions_named(name).map(|window| Signature {
        target: Target::Window(window),
        args: window.args,
        variadic: false,
        defaults: 0,
        result: window.result,
    }));
    all
}

/// The declared types stretched over `count` arguments; `None` if that many do not fit.
fn stretch(signature: &Signature, count: usize, array: bool) -> Option<Vec<Oid>> {
    let args = signature.args;
    if signature.variadic && !array {
        if count < args.len() {
            return None;
        }
        let last = *args.last()?;
        let mut declared = args.to_vec();
        declared.resize(count, last);
        return Some(declared);
    }
    if signature.variadic {
        // VARIADIC written: the last argument is the array itself.
        if count != args.len() {
            return None;
        }
        let (last, rest) = args.split_last()?;
        let mut declared = rest.to_vec();
        declared.push(if *last == oid::ANY { oid::ANYARRAY } else { array_of(*last)? });
        return Some(declared);
    }
    if array || count > args.len() || count + signature.defaults < args.len() {
        return None;
    }
    Some(args[..count].to_vec())
}

/// What `name(args)` means. `variadic`: the last argument was written VARIADIC, it is the array.
/// Errors: 42883 none fits, 42725 several do, 42804 polymorphic arguments disagree.
pub fn resolve_function(name: &str, arg_types: &[Oid], variadic: bool) -> Result<Resolved> {
    let mut candidates: Vec<Candidate<Signature>> = Vec::new();
    for signature in signatures(name) {
        if let Some(declared) = stretch(&signature, arg_types.len(), variadic) {
            candidates.push(Candidate { target: signature, declared, variadic: signature.variadic });
        }
    }
    // Of two that take the same types, the one that need not repeat its last argument.
    let fixed: Vec<Vec<Oid>> =
        candidates.iter().filter(|candidate| !candidate.variadic).map(|candidate| candidate.declared.clone()).collect();
    candidates.retain(|candidate| !candidate.variadic || !fixed.contains(&candidate.declared));

    if let Some(exact) = candidates.iter().find(|candidate| candidate.declared == arg_types) {
        return finish(&exact.target, arg_types, &exact.declared, variadic);
    }
    if let [from] = arg_types
        && !variadic
        && let Some(to) = cast_by_name(name, *from)
    {
        return Ok(Resolved { target: Target::Cast(to), arg_types: vec![*from], defaults: Vec::new(), result: to });
    }
    candidates.retain(|candidate| coercible(arg_types, &candidate.declared));
    let described = || format!("{name}({})", type_names(arg_types));
    if candidates.is_empty() {
        return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("function {} does not exist", described()))
            .hint(
                "No function matches the given name and argument types. You might need to add explicit type casts.",
            ));
    }
    let chosen = if candidates.len() == 1 { candidates.pop() } else { select(arg_types, candidates) };
    match chosen {
        Some(chosen) => finish(&chosen.target, arg_types, &chosen.declared, variadic),
        None => Err(SqlError::new(SqlState::AMBIGUOUS_FUNCTION, format!("function {} is not unique", described()))
            .hint("Could not choose a best candidate function. You might need to add explicit type casts.")),
    }
}

/// `typename(x)` is a cast if the types share their representation, or one is a string or untyped.
fn cast_by_name(name: &str, from: Oid) -> Option<Oid> {
    let to = type_by_name(name).filter(|info| info.name == name)?.oid;
    let direct = from == oid::UNKNOWN
        || matches!(find_cast(from, to, CastContext::Explicit), Some(CastKind::Binary))
        || (find_cast(from, to, CastContext::Explicit) == Some(CastKind::Text)
            && category(to) == TypeCategory::String)
        // Conversions that PostgreSQL lists as functions named like their type.
        || (find_cast(from, to, CastContext::Explicit) == Some(CastKind::Function) && signatures(name).is_empty());
    direct.then_some(to)
}

fn finish(signature: &Signature, given: &[Oid], declared: &[Oid], variadic: bool) -> Result<Resolved> {
    let (arg_types, result) = unify(given, declared, signature.result)?;
    let defaults = match signature.target {
        Target::Function(function) if given.len() < signature.args.len() && !signature.variadic => {
            let missing = signature.args.len() - given.len();
            let skip = function.defaults.len().saturating_sub(missing);
            function.defaults[skip..].iter().copied().zip(signature.args[given.len()..].iter().copied()).collect()
        }
        _ => Vec::new(),
    };
    let target = match signature.target {
        Target::Function(function) if variadic => Target::Function(twin(function.oid).unwrap_or(function)),
        target => target,
    };
    Ok(Resolved { target, arg_types, defaults, result })
}

/// What an operator means; `left` is none of a prefix operator.
/// Errors: 42883 none fits, 42725 several do.
pub fn resolve_operator(name: &str, left: Option<Oid>, right: Oid) -> Result<ResolvedOperator> {
    let name = if name == "!=" { "<>" } else { name };
    let given: Vec<Oid> = left.into_iter().chain([right]).collect();
    let mut candidates: Vec<Candidate<&'static Operator>> = operators_named(name)
        .filter(|operator| (operator.left == 0) == left.is_none())
        .map(|operator| {
            let declared = if operator.left == 0 { vec![operator.right] } else { vec![operator.left, operator.right] };
            Candidate { target: operator, declared, variadic: false }
        })
        .collect();
    let described = || match left {
        Some(left) => format!("{} {name} {}", type_name(left), type_name(right)),
        None => format!("{name} {}", type_name(right)),
    };
    // An untyped operand is first taken for the type of the other.
    let exact = match given[..] {
        [oid::UNKNOWN, right] => vec![right, right],
        [left, oid::UNKNOWN] => vec![left, left],
        _ => given.clone(),
    };
    let chosen = if let Some(index) = candidates.iter().position(|candidate| candidate.declared == exact) {
        Some(candidates.swap_remove(index))
    } else {
        candidates.retain(|candidate| coercible(&given, &candidate.declared));
        if candidates.is_empty() {
            return Err(SqlError::new(
                SqlState::UNDEFINED_FUNCTION,
                format!("operator does not exist: {}", described()),
            )
            .hint(if left.is_some() {
                "No operator matches the given name and argument types. You might need to add explicit type casts."
            } else {
                "No operator matches the given name and argument type. You might need to add an explicit type cast."
            }));
        }
        if candidates.len() == 1 { candidates.pop() } else { select(&given, candidates) }
    };
    let Some(chosen) = chosen else {
        return Err(SqlError::new(SqlState::AMBIGUOUS_FUNCTION, format!("operator is not unique: {}", described()))
            .hint("Could not choose a best candidate operator. You might need to add explicit type casts."));
    };
    let (types, result) = unify(&given, &chosen.declared, chosen.target.function.result)?;
    Ok(match types[..] {
        [left, right] => ResolvedOperator { operator: chosen.target, left: Some(left), right, result },
        _ => ResolvedOperator { operator: chosen.target, left: None, right: types[0], result },
    })
}

/// The type that UNION, CASE, VALUES, COALESCE, ARRAY and IN give to several expressions; text if all are untyped.
/// Errors: 42804 if there is none; the binder puts its construct's name before the message.
pub fn common_type(types: &[Oid]) -> Result<Oid> {
    let mut known = types.iter().copied().filter(|ty| *ty != oid::UNKNOWN);
    let Some(mut chosen) = known.next() else { return Ok(oid::TEXT) };
    for ty in known {
        if ty == chosen {
            continue;
        }
        if category(ty) != category(chosen) {
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("types {} and {} cannot be matched", type_name(chosen), type_name(ty)),
            ));
        }
        if !preferred(chosen) && implicit(chosen, ty) && !implicit(ty, chosen) {
            chosen = ty;
        }
    }
    for ty in types {
        if !implicit(*ty, chosen) {
            return Err(SqlError::new(
                SqlState::CANNOT_COERCE,
                format!("could not convert type {} to {}", type_name(*ty), type_name(chosen)),
            ));
        }
    }
    Ok(chosen)
}
