//! AMI data statements as standard SQL text: operators, quotes and the words that differ (AMI-3 step 4, AMI-7, AMI-31).
//!
//! The result is parsed by the standard front end, so its trees are the ones that everything above knows. What AMI's
//! grammar allows beyond that (`LIMIT` in UPDATE, `NEAREST`, methods) is left to fail there. A name in double quotes stays
//! a name only where a table or column is being named; everywhere else it is a string.

use super::lexer::{Lexer, Placed, Token};
use crate::error::Result;

/// What a double-quoted text would be here.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Name,
    Value,
}

/// Translates a SELECT, INSERT, UPDATE or DELETE; `None` for anything else.
pub(super) fn standard(text: &str) -> Result<Option<String>> {
    let mut lexer = Lexer::new(text, 0);
    let mut tokens: Vec<Placed> = Vec::new();
    while let Some(token) = lexer.next()? {
        tokens.push(token);
    }
    let word = |at: usize, word: &str| matches!(tokens.get(at).map(|t| &t.token), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
    let mark = |at: usize, mark: char| matches!(tokens.get(at).map(|t| &t.token), Some(Token::Mark(c)) if *c == mark);
    // Two characters of one operator stand side by side.
    let pair = |at: usize, first: char, second: char| {
        mark(at, first) && mark(at + 1, second) && tokens[at].end == tokens[at + 1].start
    };
    if !["select", "insert", "update", "delete"].iter().any(|w| word(0, w)) {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let mut place = Place::Value;
    // Depth of the parenthesis that holds an INSERT's column list.
    let mut columns = false;
    let mut clause = String::new();
    let mut insert_target = false;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        // Marks of one operator stay together; a parameter keeps its dollar.
        if !out.is_empty() && (at == 0 || tokens[at - 1].end != token.start) {
            out.push(' ');
        }
        match &token.token {
            Token::Word(text) => {
                let lower = text.to_ascii_lowercase();
                match lower.as_str() {
                    "insert" => {
                        out.push_str("INSERT INTO");
                        if word(at + 1, "into") {
                            at += 1;
                        }
                        out.push(' ');
                        place = Place::Name;
                        insert_target = true;
                        clause.clear();
                        at += 1;
                        continue;
                    }
                    "from" if word(0, "insert") && word(at + 1, "select") && clause.is_empty() => {
                        insert_target = false;
                    }
                    "from" | "update" | "join" | "as" => {
                        place = Place::Name;
                        clause.clone_from(&lower);
                        out.push_str(text);
                    }
                    "set" => {
                        place = Place::Name;
                        clause.clone_from(&lower);
                        out.push_str(text);
                    }
                    "select" | "where" | "on" | "values" | "having" | "group" | "order" | "limit" | "union" => {
                        place = Place::Value;
                        insert_target = false;
                        clause.clone_from(&lower);
                        out.push_str(text);
                    }
                    "null" => out.push_str("NULL"),
                    _ => {
                        out.push_str(text);
                        if clause == "as" || clause == "from" || clause == "update" || clause == "join" {
                            place = Place::Value;
                        }
                    }
                }
            }
            Token::Name(name) => {
                out.push('"');
                out.push_str(&name.replace('"', "\"\""));
                out.push('"');
                if insert_target && !columns {
                    place = Place::Value;
                }
            }
            Token::Text(value) => {
                let double = text.as_bytes().get(token.start) == Some(&b'"');
                if double && (place == Place::Name || columns) {
                    out.push('"');
                    out.push_str(&value.replace('"', "\"\""));
                    out.push('"');
                } else {
                    out.push('\'');
                    out.push_str(&value.replace('\'', "''"));
                    out.push('\'');
                }
                if matches!(clause.as_str(), "as" | "from" | "update" | "join") {
                    place = Place::Value;
                }
            }
            Token::Number(number) => match number.strip_suffix(['L', 'l', 'F', 'f', 'D', 'd', 'S', 's']) {
                Some(digits) if !number.starts_with("0x") && !number.starts_with("0X") => out.push_str(digits),
                _ => out.push_str(number),
            },
            Token::Mark('=') if pair(at, '=', '=') => {
                let null = word(at + 2, "null");
                out.push_str(if null { " IS NULL" } else { " = " });
                at += if null { 3 } else { 2 };
                place = Place::Value;
                continue;
            }
            Token::Mark('!') if pair(at, '!', '=') => {
                let null = word(at + 2, "null");
                out.push_str(if null { " IS NOT NULL" } else { " IS DISTINCT FROM " });
                at += if null { 3 } else { 2 };
                continue;
            }
            Token::Mark('=') if pair(at, '=', '~') => {
                out.push_str(" ~ ");
                at += 2;
                continue;
            }
            Token::Mark('&') if pair(at, '&', '&') => {
                out.push_str(" AND ");
                at += 2;
                continue;
            }
            Token::Mark('|') if pair(at, '|', '|') => {
                out.push_str(" OR ");
                at += 2;
                continue;
            }
            Token::Mark('!') => out.push_str(" NOT "),
            Token::Mark('=') => {
                out.push_str(" = ");
                place = Place::Value;
            }
            Token::Mark(',') => {
                out.push(',');
                if clause == "set" || clause == "from" {
                    place = Place::Name;
                }
            }
            Token::Mark('(') => {
                if insert_target {
                    columns = true;
                }
                if clause == "set" {
                    place = Place::Value;
                }
                out.push('(');
            }
            Token::Mark(')') => {
                if columns {
                    columns = false;
                    insert_target = false;
                    place = Place::Value;
                }
                out.push(')');
            }
            Token::Mark(c) => out.push(*c),
        }
        at += 1;
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::standard;

    // AMI-7, AMI-31
    #[test]
    fn operators_and_quotes() {
        for (text, expected) in [
            ("insert into t values(\"a\", 1)", "INSERT INTO t values('a', 1)"),
            ("insert t(\"A\", b) values(\"x'y\", 2L)", "INSERT INTO t(\"A\", b) values('x''y', 2)"),
            ("insert into t from select * from u", "INSERT INTO t  select * from u"),
            ("select a from t where id == 3 && b == null", "select a from t where id  =  3 AND b IS NULL"),
            ("delete from t where `a b` != null || c =~ \"x\"", "delete from t where \"a b\" IS NOT NULL OR c  ~  'x'"),
            ("update t set a=\"x\", b=c where d==\"y\"", "update t set a = 'x', b = c where d = 'y'"),
        ] {
            let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let found = standard(text).expect("lexes").expect("translates");
            assert_eq!(squeeze(&found), squeeze(expected), "{text}");
        }
        assert_eq!(standard("create table t(a int)").expect("lexes"), None);
    }
}
