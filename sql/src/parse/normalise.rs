//! A key under which simple statements that differ only in their literals share a plan.
//!
//! Numbers and plain strings become markers; everything whose meaning depends on its spelling stays: ordinals and limits
//! (all after ORDER BY, GROUP BY, LIMIT, OFFSET, FETCH), type modifiers, subscripts, typed literals (`date '…'`), escape
//! strings. Statements that hold parameters, comments, dollar quotes or WITH have no key. The key is for look-up only:
//! a plan is still made from the statement's own text, with the literals as parameters of unknown type.

use super::Literal;
use super::lex::{is_blank, is_ident_part, is_ident_start};

/// Longest text worth a key.
const MAX_LEN: usize = 4096;

/// Words after which a string is a value, not the content of a typed literal.
const VALUE_AFTER: [&str; 26] = [
    "select",
    "where",
    "and",
    "or",
    "not",
    "like",
    "ilike",
    "similar",
    "in",
    "between",
    "then",
    "else",
    "when",
    "values",
    "returning",
    "set",
    "on",
    "having",
    "case",
    "is",
    "from",
    "all",
    "any",
    "some",
    "distinct",
    "escape",
];

/// Type names whose parentheses hold modifiers.
const MODIFIED: [&str; 13] = [
    "varchar",
    "char",
    "character",
    "varying",
    "numeric",
    "decimal",
    "dec",
    "bit",
    "timestamp",
    "timestamptz",
    "time",
    "interval",
    "float",
];

/// The key of a statement and its literals in order; `None` when it is not simple.
#[must_use]
pub fn normalise(text: &str) -> Option<(String, Vec<Literal>)> {
    if text.len() > MAX_LEN {
        return None;
    }
    let bytes = text.as_bytes();
    let mut key = String::with_capacity(text.len());
    let mut literals = Vec::new();
    let mut at = 0;
    // The last word, if the last token was one; and whether a type name is expected.
    let mut word = String::new();
    let mut after_cast = false;
    // Parentheses that hold type modifiers.
    let mut open: Vec<bool> = Vec::new();
    let mut first = true;
    let mut keep = false;
    let mut last_value = false;
    while at < bytes.len() {
        let b = bytes[at];
        if is_blank(b) {
            if !key.is_empty() && !key.ends_with(' ') {
                key.push(' ');
            }
            at += 1;
            continue;
        }
        let start = at;
        if is_ident_start(b) {
            while at < bytes.len() && is_ident_part(bytes[at]) {
                at += 1;
            }
            // A prefix of a string: E'…', B'…', U&'…'.
            if matches!(bytes.get(at), Some(b'\'')) && at - start == 1
                || bytes.get(at) == Some(&b'&') && at - start == 1 && b | 32 == b'u'
            {
                return None;
            }
            word = text[start..at].to_ascii_lowercase();
            if first && !matches!(word.as_str(), "select" | "insert" | "update" | "delete") {
                return None;
            }
            first = false;
            keep |= matches!(word.as_str(), "order" | "group" | "limit" | "offset" | "fetch" | "partition");
            if word == "with" || word == "into" && key.starts_with("select") {
                return None;
            }
            key.push_str(&word);
            // `AS` names a type only inside CAST( … AS type(n)).
            after_cast = after_cast && MODIFIED.contains(&word.as_str()) || word == "as";
            last_value = false;
            continue;
        }
        if first {
            return None;
        }
        match b {
            b'\'' => {
                if last_value {
                    return None;
                }
                let mut end = at + 1;
                let mut value = String::new();
                loop {
                    let step = bytes.get(end..)?.iter().position(|b| *b == b'\'')?;
                    value.push_str(&text[end..end + step]);
                    end += step + 1;
                    if bytes.get(end) == Some(&b'\'') {
                        value.push('\'');
                        end += 1;
                    } else {
                        break;
                    }
                }
                at = end;
                let typed = !word.is_empty() && !VALUE_AFTER.contains(&word.as_str());
                if keep || typed || open.last() == Some(&true) {
                    key.push_str(&text[start..at]);
                } else {
                    key.push_str("\u{1}s");
                    literals.push(Literal::String(value.into()));
                }
                last_value = true;
            }
            b'0'..=b'9' => {
                while at < bytes.len() && (bytes[at].is_ascii_digit() || bytes[at] == b'.') {
                    at += 1;
                }
                if at < bytes.len() && matches!(bytes[at], b'e' | b'E') {
                    at += 1;
                    if matches!(bytes.get(at), Some(b'+' | b'-')) {
                        at += 1;
                    }
                    while at < bytes.len() && bytes[at].is_ascii_digit() {
                        at += 1;
                    }
                }
                if bytes.get(at).copied().is_some_and(is_ident_start) {
                    return None;
                }
                if keep || open.last() == Some(&true) {
                    key.push_str(&text[start..at]);
                } else {
                    // Whole and fractional numbers have different types, so different plans.
                    let whole = text[start..at].bytes().all(|b| b.is_ascii_digit());
                    key.push_str(match (whole, at - start) {
                        (true, ..=9) => "\u{1}i",
                        (true, _) => "\u{1}l",
                        (false, _) => "\u{1}n",
                    });
                    literals.push(Literal::Number(text[start..at].into()));
                }
                last_value = true;
            }
            b'"' => {
                let step = bytes.get(at + 1..)?.iter().position(|b| *b == b'"')?;
                at += step + 2;
                key.push_str(&text[start..at]);
                last_value = false;
            }
            b'$' | b'\\' | b'`' | b';' | 0 => return None,
            b'-' if bytes.get(at + 1) == Some(&b'-') => return None,
            b'/' if bytes.get(at + 1) == Some(&b'*') => return None,
            _ => {
                match b {
                    b'(' => open.push(open.last() == Some(&true) || MODIFIED.contains(&word.as_str()) || after_cast),
                    b'[' => open.push(true),
                    b')' | b']' => {
                        open.pop();
                    }
                    _ => {}
                }
                let c = text[at..].chars().next()?;
                key.push(c);
                at += c.len_utf8();
                after_cast = key.ends_with("::");
                last_value = false;
            }
        }
        word.clear();
    }
    while key.ends_with(' ') {
        key.pop();
    }
    (!literals.is_empty()).then_some((key, literals))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        normalise(text).expect("simple").0
    }

    #[test]
    fn literals_do_not_count() {
        assert_eq!(key("SELECT a FROM t WHERE id = 1"), key("select a  from t where id = 42"));
        assert_eq!(key("INSERT INTO t VALUES (1, 'a')"), key("INSERT INTO t VALUES (2, 'it''s')"));
        assert_eq!(key("UPDATE t SET a = 1.5 WHERE b = 'x'"), key("UPDATE t SET a = 2.25 WHERE b = ''"));
        let (_, literals) = normalise("UPDATE t SET a = 1.5 WHERE b = 'it''s'").expect("simple");
        assert_eq!(literals, [Literal::Number("1.5".into()), Literal::String("it's".into())]);
    }

    #[test]
    fn spellings_that_carry_meaning_stay() {
        let differ = |a: &str, b: &str| assert_ne!(normalise(a), normalise(b), "{a} / {b}");
        for (a, b) in [
            ("SELECT a FROM t WHERE b = 0 ORDER BY 1", "SELECT a FROM t WHERE b = 0 ORDER BY 2"),
            ("SELECT a FROM t WHERE b = 0 GROUP BY 1", "SELECT a FROM t WHERE b = 0 GROUP BY 2"),
            ("SELECT a FROM t WHERE b = 0 LIMIT 1", "SELECT a FROM t WHERE b = 0 LIMIT 2"),
            ("SELECT 1::numeric(10,2)", "SELECT 1::numeric(10,3)"),
            ("SELECT 1, cast(a as varchar(3)) FROM t", "SELECT 1, cast(a as varchar(4)) FROM t"),
            ("SELECT 1, a[1] FROM t", "SELECT 1, a[2] FROM t"),
        ] {
            differ(a, b);
            assert_ne!(key(a), key(b), "{a} / {b}");
        }
        assert_ne!(key("SELECT 1, interval '1 day'"), key("SELECT 1, interval '2 days'"));
        assert_ne!(key("SELECT 1, date '2020-01-01'"), key("SELECT 1, date '2020-01-02'"));
        assert_ne!(key("SELECT 1"), key("SELECT 10000000000"));
        assert_ne!(key("SELECT 1"), key("SELECT 1.0"));
    }

    #[test]
    fn others_have_no_key() {
        for text in [
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "SELECT $1",
            "SELECT 1 -- c",
            "SELECT E'a\\n'",
            "SELECT $$a$$",
            "CREATE TABLE t (a int DEFAULT 1)",
            "SELECT 'a' 'b'",
            "SELECT a FROM t",
            "SELECT 'open",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }
}
