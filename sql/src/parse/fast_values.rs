//! The short way for `INSERT INTO t [(cols)] VALUES` of many rows of plain literals.
//!
//! A tree of the library costs microseconds a row; here a row costs what its bytes cost. The text is read once from left
//! to right. At the first thing that is not a plain literal, and when anything follows the rows, `None` sends the
//! statement the normal way: nothing is decided here that the grammar would decide otherwise. Rows of different length
//! also go the normal way, for its error.

use super::lex::{is_ident_part, is_ident_start, skip_space};
use super::names::cut;
use super::{InsertValues, Literal, ObjectName};

/// Statements with fewer rows are cheap either way and keep the plan-cache friendly form.
const MIN_ROWS: usize = 8;

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

/// Reads the statement if it is of this form.
pub(crate) fn parse(text: &str) -> Option<InsertValues> {
    let mut r = Reader { text, bytes: text.as_bytes(), at: 0 };
    r.word("insert")?;
    r.word("into")?;
    r.space();
    let offset = u32::try_from(r.at).ok()?;
    let mut parts = vec![r.name()?];
    while r.take(b'.') {
        parts.push(r.name()?);
    }
    let table = ObjectName { parts, offset };
    let mut columns = None;
    if r.take(b'(') {
        let mut list = vec![r.name()?];
        while r.take(b',') {
            list.push(r.name()?);
        }
        if !r.take(b')') {
            return None;
        }
        columns = Some(list);
    }
    r.word("values")?;
    let mut values = Vec::new();
    let mut width = 0;
    let mut rows = 0usize;
    loop {
        if !r.take(b'(') {
            return None;
        }
        let before = values.len();
        loop {
            values.push(r.literal()?);
            if !r.take(b',') {
                break;
            }
        }
        if !r.take(b')') {
            return None;
        }
        let count = values.len() - before;
        if rows == 0 {
            width = count;
            // One guess instead of many growths.
            let row_bytes = r.at.max(1);
            values.reserve((text.len() / row_bytes + 1).saturating_mul(width).min(1 << 20));
        } else if count != width {
            return None;
        }
        rows += 1;
        if !r.take(b',') {
            break;
        }
    }
    r.space();
    (r.at == text.len() && rows >= MIN_ROWS).then_some(InsertValues { table, columns, values, width })
}

impl Reader<'_> {
    fn space(&mut self) {
        // Most values are separated by at most one blank.
        if let Some(b' ' | b'\n' | b'\r' | b'\t' | b'-' | b'/' | 0x0b | 0x0c) = self.bytes.get(self.at) {
            self.at = skip_space(self.text, self.at, false);
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        self.space();
        if self.bytes.get(self.at) == Some(&byte) {
            self.at += 1;
            return true;
        }
        false
    }

    fn raw_word(&mut self) -> &str {
        let start = self.at;
        while self.bytes.get(self.at).copied().is_some_and(is_ident_part) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.space();
        let found = self.raw_word();
        found.eq_ignore_ascii_case(word).then_some(())
    }

    fn name(&mut self) -> Option<String> {
        self.space();
        let first = *self.bytes.get(self.at)?;
        if first == b'"' {
            let start = self.at + 1;
            let len = self.bytes.get(start..)?.iter().position(|b| *b == b'"')?;
            self.at = start + len + 1;
            // A doubled quote or an empty name: the normal way.
            if len == 0 || self.bytes.get(self.at) == Some(&b'"') {
                return None;
            }
            return Some(cut(self.text[start..start + len].to_owned()));
        }
        if !is_ident_start(first) || self.bytes.get(self.at + 1) == Some(&b'&') {
            return None;
        }
        let word = self.raw_word();
        let name = word.to_ascii_lowercase();
        // Words that cannot be names unquoted; the grammar knows them all, these are the ones that can stand here.
        if matches!(
            name.as_str(),
            "select"
                | "values"
                | "default"
                | "table"
                | "with"
                | "only"
                | "user"
                | "order"
                | "group"
                | "end"
                | "from"
                | "where"
                | "to"
        ) {
            return None;
        }
        Some(cut(name))
    }

    fn literal(&mut self) -> Option<Literal> {
        self.space();
        let start = self.at;
        match *self.bytes.get(start)? {
            b'\'' => self.string(),
            b'0'..=b'9' | b'.' => {
                self.number()?;
                Some(Literal::Number(self.text[start..self.at].into()))
            }
            b'-' => {
                self.at += 1;
                match self.bytes.get(self.at)? {
                    b'0'..=b'9' | b'.' => {}
                    _ => return None,
                }
                self.number()?;
                Some(Literal::Number(self.text[start..self.at].into()))
            }
            b if is_ident_start(b) => {
                let word = self.raw_word();
                let literal = if word.eq_ignore_ascii_case("null") {
                    Literal::Null
                } else if word.eq_ignore_ascii_case("true") {
                    Literal::Bool(true)
                } else if word.eq_ignore_ascii_case("false") {
                    Literal::Bool(false)
                } else if word.eq_ignore_ascii_case("default") {
                    Literal::Default
                } else {
                    return None;
                };
                Some(literal)
            }
            _ => None,
        }
    }

    fn number(&mut self) -> Option<()> {
        let start = self.at;
        let mut digits = 0;
        let mut point = false;
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b'0'..=b'9' => digits += 1,
                b'.' if !point => point = true,
                _ => break,
            }
            self.at += 1;
        }
        if digits == 0 {
            return None;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            let from = self.at;
            while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
                self.at += 1;
            }
            if from == self.at {
                return None;
            }
        }
        match self.bytes.get(self.at) {
            Some(&b) if is_ident_part(b) || b == b'.' => None,
            _ => (self.at > start).then_some(()),
        }
    }

    fn string(&mut self) -> Option<Literal> {
        let start = self.at + 1;
        let mut at = start;
        let mut doubled = false;
        loop {
            at += self.bytes.get(at..)?.iter().position(|b| *b == b'\'')?;
            if self.bytes.get(at + 1) == Some(&b'\'') {
                doubled = true;
                at += 2;
            } else {
                break;
            }
        }
        self.at = at + 1;
        // A string continued over a line break: the normal way.
        let next = skip_space(self.text, self.at, false);
        if self.bytes.get(next) == Some(&b'\'') {
            return None;
        }
        let text = &self.text[start..at];
        Some(Literal::String(if doubled { text.replace("''", "'").into() } else { text.into() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_plain_rows() {
        let mut text = String::from("INSERT INTO public.\"T\" (a, \"B\", c) VALUES ");
        for n in 0..10 {
            if n > 0 {
                text.push_str(", ");
            }
            text.push_str(&format!("({n}, 'it''s', NULL)"));
        }
        let insert = parse(&text).expect("plain");
        assert_eq!(insert.table.parts, ["public", "T"]);
        assert_eq!(insert.columns.as_deref(), Some(&["a".to_owned(), "B".to_owned(), "c".to_owned()][..]));
        assert_eq!(insert.width, 3);
        assert_eq!(insert.values.len(), 30);
        assert_eq!(insert.values[27], Literal::Number("9".into()));
        assert_eq!(insert.values[28], Literal::String("it's".into()));
        assert_eq!(insert.values[29], Literal::Null);
    }

    #[test]
    fn leaves_the_rest_to_the_grammar() {
        let rows = |row: &str| [row; 9].join(",");
        for text in [
            format!("INSERT INTO t VALUES {}", ["(1)"; 3].join(",")),
            format!("INSERT INTO t VALUES {} RETURNING a", rows("(1)")),
            format!("INSERT INTO t VALUES {} ON CONFLICT DO NOTHING", rows("(1)")),
            format!("INSERT INTO t VALUES {}, (1, 2)", rows("(1)")),
            format!("INSERT INTO t VALUES {}", rows("(1+1)")),
            format!("INSERT INTO t VALUES {}", rows("($1)")),
            format!("INSERT INTO t VALUES {}", rows("(E'x')")),
            format!("INSERT INTO t VALUES {}", rows("('x'::text)")),
            format!("INSERT INTO t VALUES {}", rows("(1a)")),
            format!("INSERT INTO t VALUES {}", rows("('a'\n'b')")),
            format!("INSERT INTO t VALUES {},", rows("(1)")),
        ] {
            assert!(parse(&text).is_none(), "{text}");
        }
    }
}
