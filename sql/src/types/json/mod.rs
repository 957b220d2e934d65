//! jsonb values: the document, its order, containment and text; reading lives in `parse`.
mod parse;

use std::cmp::Ordering;
use std::sync::Arc;

use super::numeric::Numeric;
use crate::error::Result;

pub use parse::validate;

/// A number of jsonb: its text, kept exactly.
pub type JsonNumber = super::numeric::Numeric;

/// Deepest nesting that is read; recursion below relies on it.
pub const NESTING_MAX: usize = 1000;

/// A jsonb value; object keys are ordered by length, then bytes, without duplicates (PG-96).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are JSON's")]
pub enum Jsonb {
    Null,
    Bool(bool),
    Number(JsonNumber),
    String(std::sync::Arc<str>),
    Array(Vec<Jsonb>),
    Object(Vec<(std::sync::Arc<str>, Jsonb)>),
}

/// The order of object keys.
fn key_order(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

impl Jsonb {
    /// Reads a document. Errors: 22P02 not JSON, 22P05 `\u0000`, 54001 nested too deeply.
    pub fn parse(text: &str) -> Result<Jsonb> {
        parse::parse(text)
    }

    /// An object from members in any order; of equal keys the last wins.
    #[must_use]
    pub fn object(mut members: Vec<(Arc<str>, Jsonb)>) -> Jsonb {
        // The sort is stable: of equal keys the last given is the last of its run.
        members.sort_by(|left, right| key_order(&left.0, &right.0));
        members.reverse();
        members.dedup_by(|later, earlier| later.0 == earlier.0);
        members.reverse();
        Jsonb::Object(members)
    }

    /// About how many bytes it holds on the heap, beside its own place.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Jsonb::Null | Jsonb::Bool(_) => 0,
            Jsonb::Number(number) => number.heap_bytes(),
            Jsonb::String(text) => text.len(),
            Jsonb::Array(items) => items.iter().map(|item| size_of::<Jsonb>() + item.heap_bytes()).sum(),
            Jsonb::Object(members) => members
                .iter()
                .map(|(key, member)| size_of::<(Arc<str>, Jsonb)>() + key.len() + member.heap_bytes())
                .sum(),
        }
    }

    /// What jsonb_typeof says.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Jsonb::Null => "null",
            Jsonb::Bool(_) => "boolean",
            Jsonb::Number(_) => "number",
            Jsonb::String(_) => "string",
            Jsonb::Array(_) => "array",
            Jsonb::Object(_) => "object",
        }
    }

    fn is_scalar(&self) -> bool {
        !matches!(self, Jsonb::Array(_) | Jsonb::Object(_))
    }

    /// Appends the text form: one blank after `:` and `,`.
    pub fn print(&self, out: &mut String) {
        match self {
            Jsonb::Null => out.push_str("null"),
            Jsonb::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Jsonb::Number(number) => number.print(out),
            Jsonb::String(text) => push_string(text, out),
            Jsonb::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    item.print(out);
                }
                out.push(']');
            }
            Jsonb::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push_str(", ");
                    }
                    push_string(key, out);
                    out.push_str(": ");
                    value.print(out);
                }
                out.push('}');
            }
        }
    }

    /// Appends the text form over several lines with four blanks per level, as jsonb_pretty does.
    pub fn print_pretty(&self, out: &mut String) {
        self.pretty(1, out);
    }

    fn pretty(&self, level: usize, out: &mut String) {
        let indent = |out: &mut String, level: usize| {
            out.push('\n');
            out.extend(std::iter::repeat_n("    ", level));
        };
        match self {
            Jsonb::Array(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    indent(out, level);
                    item.pretty(level + 1, out);
                }
                indent(out, level - 1);
                out.push(']');
            }
            Jsonb::Object(members) => {
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    indent(out, level);
                    push_string(key, out);
                    out.push_str(": ");
                    value.pretty(level + 1, out);
                }
                indent(out, level - 1);
                out.push('}');
            }
            scalar => scalar.print(out),
        }
    }

    /// What `->>` gives: a string without quotes, other values as text, `None` for null.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match self {
            Jsonb::Null => None,
            Jsonb::String(text) => Some(text.to_string()),
            other => {
                let mut out = String::new();
                other.print(&mut out);
                Some(out)
            }
        }
    }

    /// The member of an object; `None` for everything else.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Jsonb> {
        let Jsonb::Object(members) = self else { return None };
        let at = members.binary_search_by(|(known, _)| key_order(known, key)).ok()?;
        members.get(at).map(|(_, value)| value)
    }

    /// The item of an array, counted from the end if negative; `None` for everything else.
    #[must_use]
    pub fn item(&self, index: i64) -> Option<&Jsonb> {
        let Jsonb::Array(items) = self else { return None };
        let length = i64::try_from(items.len()).ok()?;
        let index = if index < 0 { index.checked_add(length)? } else { index };
        items.get(usize::try_from(index).ok()?)
    }

    /// What `#>` gives: keys of objects, numbers for arrays.
    #[must_use]
    pub fn path<S: AsRef<str>>(&self, path: &[S]) -> Option<&Jsonb> {
        path.iter().try_fold(self, |value, step| match value {
            Jsonb::Object(_) => value.member(step.as_ref()),
            Jsonb::Array(_) => value.item(step.as_ref().trim().parse().ok()?),
            _ => None,
        })
    }

    /// Whether `self @> other`: members and items of the right are in the left; an array contains a scalar item.
    #[must_use]
    pub fn contains(&self, other: &Jsonb) -> bool {
        match (self, other) {
            (Jsonb::Array(items), scalar) if scalar.is_scalar() => items.iter().any(|item| item.equal_scalar(scalar)),
            _ => self.contains_nested(other),
        }
    }

    fn contains_nested(&self, other: &Jsonb) -> bool {
        match (self, other) {
            (Jsonb::Object(_), Jsonb::Object(members)) => {
                members.iter().all(|(key, value)| self.member(key).is_some_and(|own| own.contains_nested(value)))
            }
            (Jsonb::Array(own), Jsonb::Array(items)) => items.iter().all(|item| {
                own.iter().any(|candidate| {
                    if item.is_scalar() { candidate.equal_scalar(item) } else { candidate.contains_nested(item) }
                })
            }),
            _ => self.equal_scalar(other),
        }
    }

    fn equal_scalar(&self, other: &Jsonb) -> bool {
        self.is_scalar() && other.is_scalar() && self.compare_nested(other) == Ordering::Equal
    }

    /// PostgreSQL's order: object > array > boolean > number > string > null; longer containers are greater;
    /// but an empty array is below every scalar when it is the whole document.
    #[must_use]
    pub fn compare(&self, other: &Jsonb) -> Ordering {
        match (self, other) {
            (Jsonb::Array(items), scalar) if items.is_empty() && scalar.is_scalar() => Ordering::Less,
            (scalar, Jsonb::Array(items)) if items.is_empty() && scalar.is_scalar() => Ordering::Greater,
            _ => self.compare_nested(other),
        }
    }

    /// Position of the type in the order.
    pub(in crate::types) fn rank(&self) -> u8 {
        match self {
            Jsonb::Null => 1,
            Jsonb::String(_) => 2,
            Jsonb::Number(_) => 3,
            Jsonb::Bool(_) => 4,
            Jsonb::Array(_) => 5,
            Jsonb::Object(_) => 6,
        }
    }

    fn compare_nested(&self, other: &Jsonb) -> Ordering {
        match (self, other) {
            (Jsonb::Bool(left), Jsonb::Bool(right)) => left.cmp(right),
            (Jsonb::Number(left), Jsonb::Number(right)) => left.compare(right),
            (Jsonb::String(left), Jsonb::String(right)) => left.cmp(right),
            (Jsonb::Array(left), Jsonb::Array(right)) => left.len().cmp(&right.len()).then_with(|| {
                let unequal = left.iter().zip(right).map(|(l, r)| l.compare_nested(r)).find(|order| order.is_ne());
                unequal.unwrap_or(Ordering::Equal)
            }),
            (Jsonb::Object(left), Jsonb::Object(right)) => left.len().cmp(&right.len()).then_with(|| {
                let pairs = left.iter().zip(right);
                let mut orders = pairs.map(|(l, r)| l.0.cmp(&r.0).then_with(|| l.1.compare_nested(&r.1)));
                orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
            }),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// From serde_json's value. Errors: 22003 for a number beyond numeric's limits.
    pub fn from_serde(value: &serde_json::Value) -> Result<Jsonb> {
        Ok(match value {
            serde_json::Value::Null => Jsonb::Null,
            serde_json::Value::Bool(b) => Jsonb::Bool(*b),
            serde_json::Value::Number(number) => Jsonb::Number(Numeric::parse(&number.to_string())?),
            serde_json::Value::String(text) => Jsonb::String(Arc::from(text.as_str())),
            serde_json::Value::Array(items) => {
                Jsonb::Array(items.iter().map(Jsonb::from_serde).collect::<Result<_>>()?)
            }
            serde_json::Value::Object(members) => {
                let members =
                    members.iter().map(|(key, value)| Ok((Arc::from(key.as_str()), Jsonb::from_serde(value)?)));
                Jsonb::object(members.collect::<Result<_>>()?)
            }
        })
    }

    /// To serde_json's value; NaN and the infinities, which JSON text cannot give, become null.
    #[must_use]
    pub fn to_serde(&self) -> serde_json::Value {
        match self {
            Jsonb::Null => serde_json::Value::Null,
            Jsonb::Bool(b) => serde_json::Value::Bool(*b),
            Jsonb::Number(number) => {
                number.to_string().parse().map_or(serde_json::Value::Null, serde_json::Value::Number)
            }
            Jsonb::String(text) => serde_json::Value::String(text.to_string()),
            Jsonb::Array(items) => serde_json::Value::Array(items.iter().map(Jsonb::to_serde).collect()),
            Jsonb::Object(members) => {
                let members = members.iter().map(|(key, value)| (key.to_string(), value.to_serde()));
                serde_json::Value::Object(members.collect())
            }
        }
    }
}

/// Appends a JSON string with quotes and escapes.
pub fn push_string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..at]);
        plain_from = at + 1;
        if short.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(short);
        }
    }
    out.push_str(&text[plain_from..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    fn j(text: &str) -> Jsonb {
        Jsonb::parse(text).expect(text)
    }

    fn check(text: &str, expected: &str) {
        let mut out = String::new();
        j(text).print(&mut out);
        assert_eq!(out, expected);
    }

    // PG-96
    #[test]
    fn documents_print_in_postgresqls_form() {
        check("{\"b\":1,\"aa\":[1,2, {}],\"a\":null, \"b\":2}", "{\"a\": null, \"b\": 2, \"aa\": [1, 2, {}]}");
        check(" 1.500e2 ", "150.0");
        check("1.10", "1.10");
        check("\"\\u00e4\\n\\ud83d\\ude00\\u0001\\/\"", "\"ä\\n😀\\u0001/\"");
        check("[true,false]", "[true, false]");
        let mut out = String::new();
        j("{\"a\":[1,2],\"b\":{}}").print_pretty(&mut out);
        assert_eq!(out, "{\n    \"a\": [\n        1,\n        2\n    ],\n    \"b\": {\n    }\n}");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "tru",
            "\"\\x\"",
            "\"\n\"",
            "1 2",
            "\"\\ud800\"",
            "nan",
        ] {
            assert_eq!(Jsonb::parse(text).map_err(|e| e.state()), Err(SqlState::INVALID_TEXT_REPRESENTATION), "{text}");
        }
        assert_eq!(Jsonb::parse("\"\\u0000\"").map_err(|e| e.state()), Err(SqlState::UNTRANSLATABLE_CHARACTER));
        assert!(validate("\"\\u0000\"").is_ok());
        let deep = "[".repeat(100_000);
        assert_eq!(Jsonb::parse(&deep).map_err(|e| e.state()), Err(SqlState::STATEMENT_TOO_COMPLEX));
        let error = Jsonb::parse("{\"a\":}").expect_err("no value");
        assert_eq!(error.fields().detail.as_deref(), Some("Expected JSON value, but found \"}\"."));
    }

    #[test]
    fn paths_and_containment() {
        let document = j("{\"a\":[10,{\"b\":\"x\"}]}");
        assert_eq!(document.path(&["a", "1", "b"]), Some(&j("\"x\"")));
        assert_eq!(document.path(&["a", "-2"]), Some(&j("10")));
        assert_eq!(document.path(&["a", "z"]), None);
        for (left, right, expected) in [
            ("[1,2,3]", "[3,1]", true),
            ("[1,2,3]", "2", true),
            ("[[1]]", "1", false),
            ("{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":1.0}}", true),
            ("{\"a\":1}", "{}", true),
            ("1", "[1]", false),
            ("[1,[2,3]]", "[[2]]", true),
        ] {
            assert_eq!(j(left).contains(&j(right)), expected, "{left} @> {right}");
        }
    }

    #[test]
    fn order_is_postgresqls() {
        let ascending =
            ["[]", "null", "\"a\"", "\"b\"", "1", "2", "false", "true", "[1]", "[2]", "[1,1]", "{}", "{\"a\":1}"];
        for pair in ascending.windows(2) {
            assert_eq!(j(pair[0]).compare(&j(pair[1])), Ordering::Less, "{pair:?}");
        }
        assert_eq!(j("1.0").compare(&j("1.00")), Ordering::Equal);
    }
}
