//! Functions and methods of AMIScript (AMI-68 to AMI-70) as tables of name and code.

use std::sync::Arc;

use parking_lot::Mutex;
use tripline_sql::error::{Result, Severity, SqlError, SqlState};
use tripline_sql::expr::scalar::AmiPattern as Pattern;
use tripline_sql::types::{Value, oid};

use super::ast::{Arith, Type};
use super::collection::{self, Items, Keyed};
use super::format;
use super::interp::{Frame, KEY_BYTES};
use super::value::{self, Parts, Rows, Val, class_name, convert_value, equals, order, to_string};

/// Code of a function.
pub(crate) type BuiltinFn = fn(&mut Frame<'_>, &[Val]) -> Result<Val>;
/// Code of a method; the target is not null.
pub(crate) type MethodFn = fn(&mut Frame<'_>, &Val, &[Val]) -> Result<Val>;

/// A function.
pub(crate) struct Builtin {
    name: &'static str,
    pub(crate) args_min: usize,
    pub(crate) args_max: usize,
    pub(crate) result: Type,
    pub(crate) code: BuiltinFn,
}

impl Builtin {
    /// Whether it does more than give a value.
    pub(crate) fn acts(&self) -> bool {
        matches!(self.name, "logInfo" | "logWarn" | "logError")
    }
}

/// A method of one or more classes.
pub(crate) struct Method {
    name: &'static str,
    classes: &'static [Type],
    pub(crate) args_min: usize,
    pub(crate) args_max: usize,
    pub(crate) result: Type,
    /// Changes its target.
    pub(crate) changes: bool,
    pub(crate) code: MethodFn,
}

const MANY: usize = 255;

const fn f(name: &'static str, args_min: usize, args_max: usize, result: Type, code: BuiltinFn) -> Builtin {
    Builtin { name, args_min, args_max, result, code }
}

static FUNCTIONS: &[Builtin] = &[
    f("strLower", 1, 1, Type::String, |_, a| text_map(a, |s| s.to_lowercase())),
    f("strUpper", 1, 1, Type::String, |_, a| text_map(a, |s| s.to_uppercase())),
    f("strTrim", 1, 1, Type::String, |_, a| text_map(a, |s| s.trim().to_owned())),
    f("strCut", 3, 3, Type::String, |_, a| cut(a)),
    f("strLength", 1, 1, Type::Int, |_, a| Ok(a[0].as_text().map_or(Val::NULL, |s| Val::int(s.chars().count())))),
    f("strSubstring", 2, 3, Type::String, |frame, a| substring(frame, &a[0].clone(), &a[1..])),
    f("strReplace", 3, 3, Type::String, |frame, a| replace(frame, &a[0].clone(), &a[1..])),
    f("strSplit", 2, 2, Type::List, |frame, a| split(frame, &a[0].clone(), &a[1..])),
    f("strIndexOf", 2, 2, Type::Int, |frame, a| index_of(frame, &a[0].clone(), &a[1..])),
    f("minimum", 1, MANY, Type::Object, |_, a| Ok(extreme(a, true))),
    f("maximum", 1, MANY, Type::Object, |_, a| Ok(extreme(a, false))),
    f("power", 2, 2, Type::Double, |_, a| Ok(double2(a, f64::powf))),
    f("abs", 1, 1, Type::Object, |_, a| absolute(&a[0])),
    f("round", 1, 1, Type::Long, |_, a| Ok(rounded(a, |n| (n + 0.5).floor()))),
    f("floor", 1, 1, Type::Double, |_, a| Ok(double1(a, f64::floor))),
    f("ceil", 1, 1, Type::Double, |_, a| Ok(double1(a, f64::ceil))),
    f("sqrt", 1, 1, Type::Double, |_, a| Ok(double1(a, f64::sqrt))),
    f("log", 1, 1, Type::Double, |_, a| Ok(double1(a, f64::ln))),
    f("exp", 1, 1, Type::Double, |_, a| Ok(double1(a, f64::exp))),
    f("noNull", 2, 2, Type::Object, |_, a| Ok(if a[0].is_null() { a[1].clone() } else { a[0].clone() })),
    f("timestamp", 0, 0, Type::Long, |frame, _| Ok(Val::S(Value::Int8(frame.context()?.clock().div_euclid(1000))))),
    f("rand", 0, 1, Type::Object, random),
    f("parseJson", 1, 1, Type::Object, parse_json),
    f("logInfo", 1, 1, Type::Object, |frame, a| log(frame, a, Severity::Info)),
    f("logWarn", 1, 1, Type::Object, |frame, a| log(frame, a, Severity::Warning)),
    f("logError", 1, 1, Type::Object, |frame, a| log(frame, a, Severity::Warning)),
    f("formatDate", 3, 3, Type::String, |_, a| format_date(a)),
    f("parseDate", 3, 3, Type::Long, |_, a| parse_date(a)),
    f("formatNumber", 2, 2, Type::String, |_, a| format_number(a)),
    f("strEncrypt", 1, 1, Type::String, |_, _| Err(SqlError::unsupported("strEncrypt"))),
    f("strDecrypt", 1, 1, Type::String, |_, _| {
        Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "strDecrypt is disabled")
            .hint("There is no key to decrypt with."))
    }),
];

const fn m(
    name: &'static str,
    classes: &'static [Type],
    args_min: usize,
    args_max: usize,
    result: Type,
    changes: bool,
    code: MethodFn,
) -> Method {
    Method { name, classes, args_min, args_max, result, changes, code }
}

const COLLECTIONS: &[Type] = &[Type::List, Type::Set, Type::Map];
const LINES: &[Type] = &[Type::List, Type::Set];
const ANY: &[Type] = &[];

static METHODS: &[Method] = &[
    m("getClassName", ANY, 0, 0, Type::String, false, |_, t, _| Ok(Val::text(class_name(t)))),
    m("toJson", ANY, 0, 0, Type::String, false, |_, t, _| {
        let mut out = String::new();
        write_json(t, &mut out, 0, &mut Parts::new())?;
        Ok(Val::text(out))
    }),
    m("get", &[Type::List, Type::Map], 1, 1, Type::Object, false, |_, t, a| Ok(index(t, &a[0]))),
    m("put", &[Type::Map], 2, 2, Type::Object, true, |frame, t, a| {
        frame.charge(KEY_BYTES)?;
        frame.loops.note(t, &a[0]);
        frame.loops.note(t, &a[1]);
        let Val::Map(map) = t else {
            return set_index(t, a[0].clone(), a[1].clone()).map(|()| Val::NULL);
        };
        Ok(collection::put(map, a[0].clone(), a[1].clone()).unwrap_or(Val::NULL))
    }),
    m("putAll", &[Type::Map], 1, 1, Type::Object, true, |frame, t, a| {
        for (key, item) in pairs(&a[0]) {
            frame.charge(KEY_BYTES)?;
            frame.loops.note(t, &key);
            frame.loops.note(t, &item);
            set_index(t, key, item)?;
        }
        Ok(Val::NULL)
    }),
    m("set", &[Type::List], 2, 2, Type::Object, true, |frame, t, a| {
        frame.charge(32)?;
        frame.loops.note(t, &a[1]);
        let before = index(t, &a[0]);
        set_index(t, a[0].clone(), a[1].clone())?;
        Ok(before)
    }),
    m("remove", COLLECTIONS, 1, 1, Type::Object, true, |_, t, a| Ok(remove(t, &a[0]))),
    m("containsKey", &[Type::Map], 1, 1, Type::Boolean, false, |_, t, a| {
        Ok(Val::bool(match t {
            Val::Map(map) => collection::get(map, &a[0]).is_some(),
            other => pairs(other).iter().any(|(key, _)| equals(key, &a[0])),
        }))
    }),
    m("containsValue", &[Type::Map], 1, 1, Type::Boolean, false, |_, t, a| {
        Ok(Val::bool(pairs(t).iter().any(|(_, item)| equals(item, &a[0]))))
    }),
    m("getKeys", &[Type::Map], 0, 0, Type::Set, false, |frame, t, _| {
        frame.charge(size(t) * KEY_BYTES)?;
        Ok(Val::Set(Arc::new(Mutex::new(Keyed::of(pairs(t).into_iter().map(|(key, _)| (key, Val::NULL)))))))
    }),
    m("getValues", &[Type::Map], 0, 0, Type::List, false, |frame, t, _| {
        frame.charge(size(t) * 32)?;
        Ok(Val::list(pairs(t).into_iter().map(|(_, item)| item).collect()))
    }),
    m("size", COLLECTIONS, 0, 0, Type::Int, false, |_, t, _| Ok(Val::int(size(t)))),
    m("clear", COLLECTIONS, 0, 0, Type::Object, true, |_, t, _| {
        match t {
            Val::List(items) => items.lock().0.clear(),
            Val::Set(keyed) | Val::Map(keyed) => *keyed.lock() = Keyed::default(),
            _ => {}
        }
        Ok(Val::NULL)
    }),
    m("add", LINES, 1, MANY, Type::Object, true, add),
    m("addAll", LINES, 1, 1, Type::Object, true, |frame, t, a| add(frame, t, &items(&a[0]))),
    m("contains", &[Type::List, Type::Set, Type::String], 1, 1, Type::Boolean, false, |_, t, a| {
        Ok(Val::bool(match t {
            Val::List(items) => place_in(items, &a[0]).is_some(),
            Val::Set(set) => collection::get(set, &a[0]).is_some(),
            other => other.as_text().zip(a[0].as_text()).is_some_and(|(s, part)| s.contains(&*part)),
        }))
    }),
    m("indexOf", &[Type::List, Type::String], 1, 1, Type::Int, false, index_of),
    m("iterator", LINES, 0, 0, Type::List, false, |frame, t, _| {
        frame.charge(size(t) * 32)?;
        Ok(Val::list(items(t)))
    }),
    m("sort", &[Type::List], 0, 0, Type::List, true, |_, t, _| {
        if let Val::List(list) = t {
            list.lock().0.sort_by(value::sort_order);
        }
        Ok(t.clone())
    }),
    m("jsonPath", COLLECTIONS, 1, 1, Type::Object, false, |_, t, a| Ok(json_path(t, &a[0]))),
    m("length", &[Type::String], 0, 0, Type::Int, false, |_, t, _| {
        Ok(t.as_text().map_or(Val::NULL, |s| Val::int(s.chars().count())))
    }),
    m("substring", &[Type::String], 1, 2, Type::String, false, substring),
    m("startsWith", &[Type::String], 1, 1, Type::Boolean, false, |_, t, a| {
        Ok(texts(t, &a[0], |s, p| s.starts_with(p)))
    }),
    m("endsWith", &[Type::String], 1, 1, Type::Boolean, false, |_, t, a| Ok(texts(t, &a[0], |s, p| s.ends_with(p)))),
    m("toUpperCase", &[Type::String], 0, 0, Type::String, false, |_, t, _| {
        text_map(std::slice::from_ref(t), |s| s.to_uppercase())
    }),
    m("toLowerCase", &[Type::String], 0, 0, Type::String, false, |_, t, _| {
        text_map(std::slice::from_ref(t), |s| s.to_lowercase())
    }),
    m("trim", &[Type::String], 0, 0, Type::String, false, |_, t, _| {
        text_map(std::slice::from_ref(t), |s| s.trim().to_owned())
    }),
    m("replace", &[Type::String], 2, 2, Type::String, false, replace),
    m("split", &[Type::String], 1, 1, Type::List, false, split),
    m("getRowsCount", &[Type::Table], 0, 0, Type::Int, false, |_, t, _| {
        Ok(table(t).map_or(Val::NULL, |r| Val::int(r.rows.len())))
    }),
    m("getRows", &[Type::Table], 0, 0, Type::List, false, |frame, t, _| {
        frame.charge(table(t).map_or(0, |rows| rows.rows.len() * (rows.columns.len() + 1) * KEY_BYTES))?;
        Ok(Val::list(items(t)))
    }),
    m("getRow", &[Type::Table], 1, 1, Type::Map, false, |frame, t, a| {
        let Some(rows) = table(t) else { return Ok(Val::NULL) };
        frame.charge(rows.columns.len() * KEY_BYTES)?;
        let row = position(&a[0]).and_then(|place| rows.rows.get(place));
        Ok(row.map_or(Val::NULL, |row| row_map(rows, row)))
    }),
    m("getValue", &[Type::Table], 2, 2, Type::Object, false, |_, t, a| {
        let Some(rows) = table(t) else { return Ok(Val::NULL) };
        let column = match &a[1] {
            Val::S(Value::Text(name)) => rows.columns.iter().position(|column| **column == **name),
            place => position(place),
        };
        let value = position(&a[0]).and_then(|row| rows.rows.get(row)).and_then(|row| row.get(column?));
        Ok(value.map_or(Val::NULL, |value| Val::S(value.clone())))
    }),
];

/// A function by its exact name.
pub(crate) fn function(name: &str) -> Option<&'static Builtin> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// A method that values of this static type may have; `Object` may be anything.
pub(crate) fn method(name: &str, ty: Type) -> Option<&'static Method> {
    METHODS.iter().find(|method| {
        method.name == name
            && (method.classes.is_empty()
                || method.classes.contains(&ty)
                || matches!(ty, Type::Object)
                || (matches!(ty, Type::Char | Type::Other(_)) && method.classes.contains(&Type::String)))
    })
}

/// Whether every value of the type is text.
pub(crate) fn is_text(ty: Type) -> bool {
    match ty {
        Type::String | Type::Char => true,
        Type::Other(ty) => matches!(ty.oid, oid::VARCHAR | oid::BPCHAR | oid::NAME),
        _ => false,
    }
}

/// `a / b` of whole numbers, one of them a BigInteger.
pub(crate) fn divide_whole(_: &mut Frame<'_>, args: &[Val]) -> Result<Val> {
    match args {
        [Val::S(a), Val::S(b)] => Ok(Val::S(value::divide_whole(a, b)?)),
        _ => Err(SqlError::new(SqlState::DATATYPE_MISMATCH, "operator does not work on a collection")),
    }
}

/// The value of a `char(n)` column as a String.
pub(crate) fn unpadded(_: &mut Frame<'_>, args: &[Val]) -> Result<Val> {
    Ok(match args {
        [Val::S(text)] => Val::S(value::unpadded(text.clone())),
        _ => Val::NULL,
    })
}

/// A result of Bytes, which must be one. Errors: 22003.
pub(crate) fn byte(_: &mut Frame<'_>, args: &[Val]) -> Result<Val> {
    match args {
        [Val::S(number)] => {
            tripline_sql::types::apply_typmod(number.clone(), Type::Byte.data_type(), false).map(Val::S)
        }
        _ => Ok(Val::NULL),
    }
}

/// Static type of an arithmetic result, as far as it is known.
pub(crate) fn arith_type(op: Arith, a: Type, b: Type) -> Type {
    const WIDTHS: [Type; 8] =
        [Type::Byte, Type::Short, Type::Int, Type::Long, Type::BigInteger, Type::Float, Type::Double, Type::BigDecimal];
    if op == Arith::Add && (is_text(a) || is_text(b)) {
        return Type::String;
    }
    let rank = |ty: Type| WIDTHS.iter().position(|width| *width == ty);
    match (rank(a), rank(b)) {
        (Some(a), Some(b)) => WIDTHS[a.max(b)],
        _ => Type::Object,
    }
}

impl Val {
    pub(crate) fn as_text(&self) -> Option<Arc<str>> {
        match self {
            Val::S(Value::Text(text)) => Some(text.clone()),
            Val::S(Value::Null) => None,
            Val::S(value) => Some(Arc::from(value::text_of(value))),
            other => to_string(other).ok().map(Arc::from),
        }
    }

    fn as_double(&self) -> Option<f64> {
        match self {
            Val::S(value) => match convert_value(Type::Double, value.clone()) {
                Value::Float8(n) => Some(n),
                _ => None,
            },
            _ => None,
        }
    }
}

fn text_map(args: &[Val], f: impl Fn(&str) -> String) -> Result<Val> {
    Ok(args[0].as_text().map_or(Val::NULL, |text| Val::text(f(&text))))
}

fn texts(target: &Val, other: &Val, f: impl Fn(&str, &str) -> bool) -> Val {
    Val::bool(target.as_text().zip(other.as_text()).is_some_and(|(a, b)| f(&a, &b)))
}

fn double1(args: &[Val], f: impl Fn(f64) -> f64) -> Val {
    args[0].as_double().map_or(Val::NULL, |n| Val::S(Value::Float8(f(n))))
}

fn double2(args: &[Val], f: impl Fn(f64, f64) -> f64) -> Val {
    args[0].as_double().zip(args[1].as_double()).map_or(Val::NULL, |(a, b)| Val::S(Value::Float8(f(a, b))))
}

fn rounded(args: &[Val], f: impl Fn(f64) -> f64) -> Val {
    args[0].as_double().map_or(Val::NULL, |n| Val::S(convert_value(Type::Long, Value::Float8(f(n)))))
}

fn absolute(value: &Val) -> Result<Val> {
    match value {
        Val::S(value) if order(value, &Value::Int4(0)).is_some_and(std::cmp::Ordering::is_lt) => {
            Ok(Val::S(value::negate(value)?))
        }
        other => Ok(other.clone()),
    }
}

fn extreme(args: &[Val], least: bool) -> Val {
    let mut best: Option<&Value> = None;
    for arg in args {
        let Val::S(value) = arg else { continue };
        if value.is_null() {
            continue;
        }
        let better =
            best.is_none_or(|best| order(value, best).is_some_and(|o| if least { o.is_lt() } else { o.is_gt() }));
        if better {
            best = Some(value);
        }
    }
    best.map_or(Val::NULL, |value| Val::S(value.clone()))
}

fn position(value: &Val) -> Option<usize> {
    match value {
        Val::S(value) => value.as_i64().and_then(|n| usize::try_from(n).ok()),
        _ => None,
    }
}

fn cut(args: &[Val]) -> Result<Val> {
    let (Some(text), Some(delimiter)) = (args[0].as_text(), args[1].as_text()) else { return Ok(Val::NULL) };
    if delimiter.is_empty() {
        return Ok(Val::NULL);
    }
    Ok(position(&args[2]).and_then(|n| text.split(&*delimiter).nth(n)).map_or(Val::NULL, Val::text))
}

fn substring(_: &mut Frame<'_>, target: &Val, args: &[Val]) -> Result<Val> {
    let Some(text) = target.as_text() else { return Ok(Val::NULL) };
    let Some(from) = position(&args[0]) else { return Ok(Val::NULL) };
    let to = match args.get(1) {
        Some(to) => position(to).unwrap_or(0),
        None => usize::MAX,
    };
    Ok(Val::text(text.chars().skip(from).take(to.saturating_sub(from)).collect::<String>()))
}

fn replace(frame: &mut Frame<'_>, target: &Val, args: &[Val]) -> Result<Val> {
    let (Some(text), Some(from), Some(to)) = (target.as_text(), args[0].as_text(), args[1].as_text()) else {
        return Ok(Val::NULL);
    };
    // Before it is made: it may be large.
    frame.has_room(text.len() + text.matches(&*from).count().saturating_mul(to.len()))?;
    Ok(Val::text(text.replace(&*from, &to)))
}

/// `formatDate(ms, pattern, zone)`.
fn format_date(args: &[Val]) -> Result<Val> {
    let Val::S(Value::Int8(millis)) = value::convert(Type::Long, args[0].clone()) else { return Ok(Val::NULL) };
    let (Some(pattern), Some(zone)) = (args[1].as_text(), args[2].as_text()) else { return Ok(Val::NULL) };
    Ok(format::format_date(millis, &pattern, &zone)?.map_or(Val::NULL, Val::text))
}

/// `parseDate(text, pattern, zone)`: milliseconds; null for a text of another form.
fn parse_date(args: &[Val]) -> Result<Val> {
    match (args[0].as_text(), args[1].as_text(), args[2].as_text()) {
        (Some(text), Some(pattern), Some(zone)) => {
            Ok(format::parse_date(&text, &pattern, &zone)?.map_or(Val::NULL, |millis| Val::S(Value::Int8(millis))))
        }
        _ => Ok(Val::NULL),
    }
}

/// `formatNumber(n, pattern)`.
fn format_number(args: &[Val]) -> Result<Val> {
    let (Val::S(number), Some(pattern)) = (&args[0], args[1].as_text()) else { return Ok(Val::NULL) };
    match value::as_decimal(&convert_value(Type::Number, number.clone())) {
        Some(number) => Ok(Val::text(format::format_number(&number, &pattern)?)),
        // No digits to show: NaN, infinities, and what is no number.
        None => Ok(convert_value(Type::Double, number.clone())
            .as_f64()
            .map_or(Val::NULL, |n| Val::text(value::text_of(&Value::Float8(n))))),
    }
}

/// `a.b[0].c`, with or without a leading `$.`: null where there is nothing.
fn json_path(target: &Val, path: &Val) -> Val {
    let Some(path) = path.as_text() else { return Val::NULL };
    let mut at = target.clone();
    let path = path.strip_prefix('$').unwrap_or(&path);
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let name = step.strip_suffix(']').unwrap_or(step);
        let name = name.strip_prefix(['"', '\'']).and_then(|n| n.strip_suffix(['"', '\''])).unwrap_or(name);
        at = match &at {
            Val::List(_) | Val::Set(_) => {
                let place = name.parse::<usize>().ok();
                place.and_then(|place| items(&at).into_iter().nth(place)).unwrap_or(Val::NULL)
            }
            other => index(other, &Val::text(name)),
        };
    }
    at
}

/// A regular expression of bounded size. Errors: 2201B, also for back-references and look-around (AMI-34).
pub(crate) fn regex(pattern: &str) -> Result<regex::Regex> {
    regex::RegexBuilder::new(pattern).size_limit(1 << 20).build().map_err(|_| {
        SqlError::new(SqlState::INVALID_REGULAR_EXPRESSION, format!("invalid regular expression \"{pattern}\""))
    })
}

/// `a =~ b` (AMI-34).
pub(crate) fn matches(_: &mut Frame<'_>, args: &[Val]) -> Result<Val> {
    match (args[0].as_text(), args[1].as_text()) {
        (Some(text), Some(pattern)) => Ok(Val::bool(regex(&pattern)?.is_match(&text))),
        _ => Ok(Val::bool(false)),
    }
}

/// `a ~~ b` (AMI-35).
pub(crate) fn like(_: &mut Frame<'_>, args: &[Val]) -> Result<Val> {
    match (args[0].as_text(), args[1].as_text()) {
        (Some(text), Some(pattern)) => Ok(Val::bool(Pattern::new(&pattern)?.matches(&text))),
        _ => Ok(Val::bool(false)),
    }
}

fn split(frame: &mut Frame<'_>, target: &Val, args: &[Val]) -> Result<Val> {
    let (Some(text), Some(pattern)) = (target.as_text(), args[0].as_text()) else { return Ok(Val::NULL) };
    let mut parts = Vec::new();
    for part in regex(&pattern)?.split(&text) {
        frame.charge(part.len() + 64)?;
        parts.push(Val::text(part));
    }
    Ok(Val::list(parts))
}

fn index_of(_: &mut Frame<'_>, target: &Val, args: &[Val]) -> Result<Val> {
    let found = match target {
        Val::List(items) => place_in(items, &args[0]),
        other => other
            .as_text()
            .zip(args[0].as_text())
            .and_then(|(text, part)| text.find(&*part).map(|at| text[..at].chars().count())),
    };
    Ok(found.map_or(Val::S(Value::Int4(-1)), Val::int))
}

fn random(frame: &mut Frame<'_>, args: &[Val]) -> Result<Val> {
    let result = frame.context()?.query("SELECT random()", &[])?;
    let n = result.rows.first().and_then(|row| row.first()).and_then(Value::as_f64).unwrap_or(0.0);
    Ok(match args.first().and_then(Val::as_double) {
        Some(limit) => Val::S(convert_value(Type::Int, Value::Float8((n * limit).floor()))),
        None => Val::S(Value::Float8(n)),
    })
}

fn log(frame: &mut Frame<'_>, args: &[Val], severity: Severity) -> Result<Val> {
    let text = to_string(&args[0])?;
    match severity {
        Severity::Info => tracing::info!(target: "amiscript", "{text}"),
        _ => tracing::warn!(target: "amiscript", "{text}"),
    }
    let state = if severity == Severity::Info { SqlState::SUCCESSFUL_COMPLETION } else { SqlState::WARNING };
    if let Some(ctx) = frame.ctx.as_deref_mut() {
        ctx.notice(SqlError::notice(severity, state, text));
    }
    Ok(Val::NULL)
}

fn table(value: &Val) -> Option<&Rows> {
    match value {
        Val::Table(rows) => Some(rows),
        _ => None,
    }
}

/// What iterating over a value visits; maps give their keys, tables their rows as maps.
pub(crate) fn items(value: &Val) -> Vec<Val> {
    match value {
        Val::List(items) => items.lock().0.clone(),
        Val::Set(set) => set.lock().pairs().into_iter().map(|(key, _)| key).collect(),
        Val::Map(_) => pairs(value).into_iter().map(|(key, _)| key).collect(),
        Val::Table(rows) => rows.rows.iter().map(|row| row_map(rows, row)).collect(),
        Val::Row(_) => pairs(value).into_iter().map(|(key, _)| key).collect(),
        Val::S(_) => Vec::new(),
    }
}

/// A row of a query: its columns' names and values.
fn row_map(rows: &Rows, row: &[Value]) -> Val {
    let pairs = rows.columns.iter().zip(row);
    Val::map(pairs.map(|(name, v)| (Val::S(Value::Text(name.clone())), Val::S(v.clone()))))
}

fn pairs(value: &Val) -> Vec<(Val, Val)> {
    match value {
        Val::Map(keyed) => keyed.lock().pairs(),
        Val::Row(pairs) => {
            pairs.iter().map(|(key, item)| (Val::S(Value::Text(key.clone())), Val::S(item.clone()))).collect()
        }
        _ => Vec::new(),
    }
}

fn size(value: &Val) -> usize {
    match value {
        Val::List(items) => items.lock().0.len(),
        Val::Set(keyed) | Val::Map(keyed) => keyed.lock().len(),
        Val::Row(pairs) => pairs.len(),
        _ => 0,
    }
}

/// `x[i]` and `get`: null when there is none.
pub(crate) fn index(object: &Val, key: &Val) -> Val {
    match object {
        Val::List(items) => position(key).and_then(|place| items.lock().0.get(place).cloned()).unwrap_or(Val::NULL),
        Val::Map(map) => collection::get(map, key).unwrap_or(Val::NULL),
        Val::Row(_) => {
            pairs(object).into_iter().find(|(have, _)| equals(have, key)).map_or(Val::NULL, |(_, item)| item)
        }
        _ => Val::NULL,
    }
}

/// Whether a list has a value, and where.
fn place_in(items: &Mutex<Items>, item: &Val) -> Option<usize> {
    let of = |items: &[Val]| items.iter().position(|have| equals(have, item));
    match item {
        // Only collections are locked to be compared, and no collection equals this one.
        Val::S(_) => of(&items.lock().0),
        _ => {
            let items = items.lock().0.clone();
            of(&items)
        }
    }
}

/// `x[i] = v`, `put`, `set`. Errors: 42809 on what cannot be changed, 2202E past a list's end.
pub(crate) fn set_index(object: &Val, key: Val, item: Val) -> Result<()> {
    match object {
        Val::List(items) => {
            let mut items = items.lock();
            match position(&key) {
                Some(place) if place < items.0.len() => items.0[place] = item,
                Some(place) if place == items.0.len() => items.0.push(item),
                _ => return Err(SqlError::new(SqlState::ARRAY_SUBSCRIPT_ERROR, "list index out of range")),
            }
            Ok(())
        }
        Val::Map(map) => {
            collection::put(map, key, item);
            Ok(())
        }
        Val::S(Value::Null) => Ok(()),
        other => {
            Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("a {} cannot be assigned into", class_name(other))))
        }
    }
}

fn remove(target: &Val, key: &Val) -> Val {
    match target {
        Val::List(items) => {
            let mut items = items.lock();
            match position(key) {
                Some(place) if place < items.0.len() => items.0.remove(place),
                _ => Val::NULL,
            }
        }
        Val::Set(set) => Val::bool(collection::remove(set, key).is_some()),
        Val::Map(map) => collection::remove(map, key).unwrap_or(Val::NULL),
        _ => Val::NULL,
    }
}

fn add(frame: &mut Frame<'_>, target: &Val, new: &[Val]) -> Result<Val> {
    new.iter().for_each(|item| frame.loops.note(target, item));
    match target {
        Val::List(items) => {
            frame.charge(new.len() * 32)?;
            items.lock().0.extend(new.iter().cloned());
        }
        Val::Set(set) => {
            frame.charge(new.len() * KEY_BYTES)?;
            new.iter().for_each(|item| collection::add(set, item.clone()));
        }
        _ => {}
    }
    Ok(Val::bool(true))
}

fn write_json(value: &Val, out: &mut String, depth: u32, parts: &mut Parts) -> Result<()> {
    parts.take(depth, out.len())?;
    let quote = |text: &str, out: &mut String| out.push_str(&serde_json::Value::from(text).to_string());
    match value {
        Val::S(value) => match value {
            Value::Null
            | Value::Bool(_)
            | Value::Int2(_)
            | Value::Int4(_)
            | Value::Int8(_)
            | Value::Numeric(_)
            | Value::TimestampTz(_) => out.push_str(&value::text_of(value)),
            Value::Float8(n) if n.is_finite() => out.push_str(&value::text_of(value)),
            Value::Float4(n) if n.is_finite() => out.push_str(&value::text_of(value)),
            other => quote(&value::text_of(other), out),
        },
        Val::List(_) | Val::Set(_) | Val::Table(_) => {
            out.push('[');
            for (i, item) in items(value).iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_json(item, out, depth + 1, parts)?;
            }
            out.push(']');
        }
        Val::Map(_) | Val::Row(_) => {
            out.push('{');
            for (i, (key, item)) in pairs(value).iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(&to_string(key)?, out);
                out.push(':');
                write_json(item, out, depth + 1, parts)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn parse_json(frame: &mut Frame<'_>, args: &[Val]) -> Result<Val> {
    let Some(text) = args[0].as_text() else { return Ok(Val::NULL) };
    frame.charge(text.len() * 4)?;
    let parsed: serde_json::Value = match serde_json::from_str(&text) {
        Ok(parsed) => parsed,
        Err(_) => return Ok(Val::NULL),
    };
    Ok(from_json(parsed))
}

fn from_json(json: serde_json::Value) -> Val {
    match json {
        serde_json::Value::Null => Val::NULL,
        serde_json::Value::Bool(b) => Val::bool(b),
        serde_json::Value::Number(n) => {
            let text = n.to_string();
            match (text.parse::<i32>(), text.parse::<i64>(), text.parse::<f64>()) {
                (Ok(n), ..) => Val::S(Value::Int4(n)),
                (_, Ok(n), _) => Val::S(Value::Int8(n)),
                (.., Ok(n)) => Val::S(Value::Float8(n)),
                _ => Val::NULL,
            }
        }
        // No text holds character 0.
        serde_json::Value::String(text) if text.contains('\0') => Val::NULL,
        serde_json::Value::String(text) => Val::text(text),
        serde_json::Value::Array(items) => Val::list(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(pairs) => {
            Val::map(pairs.into_iter().map(|(key, item)| (Val::text(key), from_json(item))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_milliseconds() {
        assert_eq!(value::millis(0), 946_684_800_000);
    }
}
