//! COPY to and from the client: text and csv, in pieces cut anywhere (PG-35 to PG-38).

use std::borrow::Cow;
use std::sync::Arc;

use super::portal::{Portal, Source, Step};
use super::{Current, Session};
use crate::catalog::{Relation, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::exec::statement::{current_plan, lock_named};
use crate::exec::{CachedStatement, Exec, RowInserter, Run, State};
use crate::parse::{CopyFormat, CopyHeader, CopyOptions, CopySource, CopyStatement, CopyTarget, Parsed, Statement};
use crate::plan::{Plan, PlanKind};
use crate::store::{TableLockMode, WaitPolicy};
use crate::types::{DataType, Row, TextStyle, Value, apply_typmod, from_binary, from_text, to_binary, to_text, utf8};

/// Rows gathered before they are written.
const BATCH: usize = 500;

/// How fields are written.
#[derive(Clone, Debug)]
struct Style {
    format: CopyFormat,
    delimiter: u8,
    null: Vec<u8>,
    quote: u8,
    escape: u8,
    header: CopyHeader,
    force_quote: Vec<bool>,
    force_null: Vec<bool>,
    force_not_null: Vec<bool>,
}

fn one_byte(c: Option<char>, default: u8, what: &str) -> Result<u8> {
    match c {
        None => Ok(default),
        Some(c) if c.is_ascii() => Ok(u8::try_from(c).unwrap_or(default)),
        Some(_) => Err(SqlError::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!("COPY {what} must be a single one-byte character"),
        )),
    }
}

/// Options that exclude each other. Errors: 42601, 22023, 0A000, as PostgreSQL tells them.
fn check_options(options: &CopyOptions, from: bool) -> Result<()> {
    let unsupported = |text: &str| Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text));
    let invalid = |text: String| Err(SqlError::new(SqlState::INVALID_PARAMETER_VALUE, text));
    let csv = options.format == CopyFormat::Csv;
    if options.format == CopyFormat::Binary {
        if options.delimiter.is_some() {
            return Err(SqlError::syntax("cannot specify DELIMITER in BINARY mode"));
        }
        if options.null.is_some() {
            return Err(SqlError::syntax("cannot specify NULL in BINARY mode"));
        }
    }
    let delimiter = options.delimiter.unwrap_or(if csv { ',' } else { '\t' });
    let null = options.null.as_deref().unwrap_or(if csv { "" } else { "\\N" });
    if matches!(delimiter, '\n' | '\r') {
        return invalid("COPY delimiter cannot be newline or carriage return".to_owned());
    }
    if null.contains(['\n', '\r']) {
        return invalid("COPY null representation cannot use newline or carriage return".to_owned());
    }
    if !csv && (delimiter.is_ascii_lowercase() || delimiter.is_ascii_digit() || matches!(delimiter, '\\' | '.')) {
        return invalid(format!("COPY delimiter cannot be \"{delimiter}\""));
    }
    if options.header == CopyHeader::Match && !from {
        return unsupported("cannot use \"match\" with HEADER in COPY TO");
    }
    if options.header != CopyHeader::No && options.format == CopyFormat::Binary {
        return unsupported("cannot specify HEADER in BINARY mode");
    }
    if options.quote.is_some() && !csv {
        return unsupported("COPY quote available only in CSV mode");
    }
    if csv && options.quote == Some(delimiter) || csv && options.quote.is_none() && delimiter == '"' {
        return invalid("COPY delimiter and quote must be different".to_owned());
    }
    if options.escape.is_some() && !csv {
        return unsupported("COPY escape available only in CSV mode");
    }
    let lists = [
        (&options.force_quote, "force quote", false),
        (&options.force_not_null, "force not null", true),
        (&options.force_null, "force null", true),
    ];
    for (list, what, reads) in lists {
        if list.is_empty() {
            continue;
        }
        if !csv {
            return unsupported(&format!("COPY {what} available only in CSV mode"));
        }
        if reads != from {
            let how = if reads { "COPY FROM" } else { "COPY TO" };
            return unsupported(&format!("COPY {what} only available using {how}"));
        }
    }
    if null.contains(delimiter) {
        return unsupported("COPY delimiter must not appear in the NULL specification");
    }
    if csv && null.contains(options.quote.unwrap_or('"')) {
        return unsupported("CSV quote character must not appear in the NULL specification");
    }
    Ok(())
}

impl Style {
    fn new(options: &CopyOptions, names: &[String], from: bool) -> Result<Style> {
        check_options(options, from)?;
        let csv = options.format == CopyFormat::Csv;
        let quote = one_byte(options.quote, b'"', "quote")?;
        let listed = |list: &[String]| {
            names.iter().map(|name| list.iter().any(|one| one == "*" || one == name)).collect::<Vec<bool>>()
        };
        Ok(Style {
            format: options.format,
            delimiter: one_byte(options.delimiter, if csv { b',' } else { b'\t' }, "delimiter")?,
            null: options
                .null
                .clone()
                .unwrap_or_else(|| if csv { String::new() } else { "\\N".to_owned() })
                .into_bytes(),
            quote,
            escape: one_byte(options.escape, quote, "escape")?,
            header: options.header,
            force_quote: listed(&options.force_quote),
            force_null: listed(&options.force_null),
            force_not_null: listed(&options.force_not_null),
        })
    }
}

/// COPY TO being read.
pub(super) struct CopyOut {
    run: Run,
    state: State,
    style: Style,
    names: Vec<String>,
    types: Vec<DataType>,
    begun: bool,
    done: bool,
    count: u64,
}

impl CopyOut {
    pub(super) fn format(&self) -> CopyFormat {
        self.style.format
    }

    pub(super) fn width(&self) -> usize {
        self.types.len()
    }

    fn row(&self, row: &[Value], text: &TextStyle, out: &mut Vec<u8>) -> Result<()> {
        if self.style.format == CopyFormat::Binary {
            out.extend_from_slice(&u16::try_from(row.len()).unwrap_or(u16::MAX).to_be_bytes());
            for (value, ty) in row.iter().zip(&self.types) {
                if value.is_null() {
                    out.extend_from_slice(&(-1_i32).to_be_bytes());
                    continue;
                }
                let at = out.len();
                out.extend_from_slice(&[0; 4]);
                to_binary(value, *ty, out)?;
                let len = i32::try_from(out.len() - at - 4).map_err(|_| SqlError::internal("field too long"))?;
                out[at..at + 4].copy_from_slice(&len.to_be_bytes());
            }
            return Ok(());
        }
        let mut field = String::new();
        for (place, (value, ty)) in row.iter().zip(&self.types).enumerate() {
            if place > 0 {
                out.push(self.style.delimiter);
            }
            if value.is_null() {
                out.extend_from_slice(&self.style.null);
                continue;
            }
            field.clear();
            to_text(value, *ty, text, &mut field);
            let forced = self.style.force_quote.get(place).copied().unwrap_or(false);
            self.field(&field, forced, row.len() == 1, out);
        }
        out.push(b'\n');
        Ok(())
    }

    fn field(&self, text: &str, forced: bool, alone: bool, out: &mut Vec<u8>) {
        let style = &self.style;
        let bytes = text.as_bytes();
        if style.format == CopyFormat::Csv {
            let special = |b: &u8| *b == style.delimiter || *b == style.quote || *b == b'\n' || *b == b'\r';
            if !forced && bytes != style.null && !bytes.iter().any(special) && (!alone || bytes != b"\\.") {
                out.extend_from_slice(bytes);
                return;
            }
            out.push(style.quote);
            for b in bytes {
                if *b == style.quote || *b == style.escape {
                    out.push(style.escape);
                }
                out.push(*b);
            }
            out.push(style.quote);
            return;
        }
        for b in bytes {
            match b {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                8 => out.extend_from_slice(b"\\b"),
                11 => out.extend_from_slice(b"\\v"),
                12 => out.extend_from_slice(b"\\f"),
                b if *b == style.delimiter => out.extend_from_slice(&[b'\\', *b]),
                b => out.push(*b),
            }
        }
    }
}

const BINARY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// COPY FROM being written.
pub(super) struct CopyIn {
    inserter: RowInserter,
    table: Arc<TableDef>,
    columns: Vec<usize>,
    style: Style,
    filter: Option<crate::expr::Expr>,
    buffer: Vec<u8>,
    /// How much of the buffer's first record has been looked at already.
    scan: Scan,
    line: u64,
    /// Rows gathered, and the line of each.
    rows: Vec<Row>,
    lines: Vec<u64>,
    ended: bool,
    head_read: bool,
    /// How lines end, once the first has ended.
    ending: Option<Ending>,
    text: Arc<TextStyle>,
}

/// Where the search for a record's end goes on when more has come.
#[derive(Clone, Copy, Debug, Default)]
struct Scan {
    at: usize,
    quoted: bool,
    /// Line breaks inside quotes.
    breaks: u64,
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Newline,
    Return,
    Both,
}

enum Cut<'a> {
    /// A whole record and how many bytes it took.
    Record(&'a [u8], usize),
    /// More is needed.
    Part,
}

impl CopyIn {
    /// The first record of the buffer; at the end of input an unfinished line counts.
    fn cut<'a>(&mut self, bytes: &'a [u8], end: bool) -> Result<Cut<'a>> {
        let Scan { mut at, mut quoted, mut breaks } = std::mem::take(&mut self.scan);
        let csv = self.style.format == CopyFormat::Csv;
        if !csv {
            // In text form most lines end before anything special comes.
            let rest = bytes.get(at..).unwrap_or_default();
            at += memchr::memchr3(b'\n', b'\r', b'\\', rest).unwrap_or(rest.len());
        }
        // As PostgreSQL counts: not before it is known how lines end.
        let line_break = if self.ending == Some(Ending::Newline) { b'\n' } else { b'\r' };
        while at < bytes.len() {
            let b = bytes[at];
            if csv {
                if quoted && b == self.style.escape && self.style.escape != self.style.quote {
                    breaks += u64::from(bytes.get(at + 1) == Some(&line_break));
                    at += 2;
                    continue;
                }
                if b == self.style.quote {
                    quoted = !quoted;
                }
            } else if b == b'\\' {
                at += 2;
                continue;
            }
            if !quoted && (b == b'\n' || b == b'\r') {
                let mut ending = Ending::Newline;
                if b == b'\r' {
                    if at + 1 == bytes.len() && !end {
                        self.scan = Scan { at, quoted, breaks };
                        return Ok(Cut::Part);
                    }
                    ending = if bytes.get(at + 1) == Some(&b'\n') { Ending::Both } else { Ending::Return };
                }
                self.line += breaks;
                // All lines end as the first does: what ends otherwise was not written by COPY.
                if *self.ending.get_or_insert(ending) != ending {
                    self.line += 1;
                    return Err(self.context(wrong_ending(ending, csv), None, None));
                }
                return Ok(Cut::Record(&bytes[..at], at + 1 + usize::from(ending == Ending::Both)));
            }
            breaks += u64::from(quoted && b == line_break);
            at += 1;
        }
        if end && !bytes.is_empty() {
            self.line += breaks;
            return Ok(Cut::Record(bytes, bytes.len()));
        }
        self.scan = Scan { at, quoted, breaks };
        Ok(Cut::Part)
    }

    /// The context of what is wrong with the input as a whole, on the line that comes next.
    fn next_context(&self, error: SqlError) -> SqlError {
        error.context(format!("COPY {}, line {}", self.table.name, self.line + 1))
    }

    fn context(&self, error: SqlError, column: Option<usize>, text: Option<&str>) -> SqlError {
        let mut line = format!("COPY {}, line {}", self.table.name, self.line);
        if let Some(place) = column {
            line.push_str(", column ");
            line.push_str(&self.table.columns[place].name);
        }
        if let Some(text) = text {
            let cut: String = text.chars().take(100).collect();
            line.push_str(&format!(": \"{cut}\""));
        }
        error.context(line)
    }

    /// Fields of a record; none is NULL.
    fn fields<'a>(&self, record: &'a [u8]) -> Result<Vec<Option<Cow<'a, [u8]>>>> {
        let bad = |text: &str| SqlError::new(SqlState::BAD_COPY_FILE_FORMAT, text);
        let style = &self.style;
        let mut out = Vec::with_capacity(self.columns.len());
        if style.format == CopyFormat::Text && memchr::memchr(b'\\', record).is_none() {
            // Nothing to unescape: the fields are pieces of the record.
            let mut start = 0;
            for end in memchr::memchr_iter(style.delimiter, record).chain(std::iter::once(record.len())) {
                let field = &record[start..end];
                out.push(if field == style.null { None } else { Some(Cow::Borrowed(field)) });
                start = end + 1;
            }
            return Ok(out);
        }
        let mut at = 0;
        loop {
            let start = at;
            let mut field = Vec::new();
            let mut was_quoted = false;
            if style.format == CopyFormat::Csv {
                let mut quoted = false;
                while at < record.len() {
                    let b = record[at];
                    if quoted {
                        if b == style.escape
                            && record.get(at + 1).is_some_and(|n| *n == style.quote || *n == style.escape)
                        {
                            field.push(record[at + 1]);
                            at += 2;
                            continue;
                        }
                        if b == style.quote {
                            quoted = false;
                        } else {
                            field.push(b);
                        }
                    } else if b == style.delimiter {
                        break;
                    } else if b == style.quote {
                        quoted = true;
                        was_quoted = true;
                    } else {
                        field.push(b);
                    }
                    at += 1;
                }
                if quoted {
                    return Err(bad("unterminated CSV quoted field"));
                }
            } else {
                while at < record.len() && record[at] != style.delimiter {
                    let b = record[at];
                    if b == b'\\' && at + 1 < record.len() {
                        at += unescape(&record[at + 1..], &mut field);
                    } else {
                        field.push(b);
                    }
                    at += 1;
                }
            }
            let place = out.len();
            let raw = &record[start..at.min(record.len())];
            let force_null = style.force_null.get(place).copied().unwrap_or(false);
            let never = style.force_not_null.get(place).copied().unwrap_or(false);
            let null = match style.format {
                CopyFormat::Csv => {
                    (!was_quoted && !never && field == style.null) || (force_null && field == style.null)
                }
                _ => raw == style.null,
            };
            out.push(if null { None } else { Some(Cow::Owned(field)) });
            if at >= record.len() {
                return Ok(out);
            }
            at += 1;
        }
    }

    fn record(&mut self, record: &[u8]) -> Result<()> {
        let bad = |text: String| SqlError::new(SqlState::BAD_COPY_FILE_FORMAT, text);
        let whole = || String::from_utf8_lossy(record);
        let fields = if self.columns.is_empty() && record.is_empty() {
            Vec::new()
        } else {
            self.fields(record).map_err(|error| self.context(error, None, Some(&whole())))?
        };
        if fields.len() > self.columns.len() {
            return Err(self.context(bad("extra data after last expected column".to_owned()), None, Some(&whole())));
        }
        let mut row = Vec::with_capacity(self.columns.len());
        for (at, place) in self.columns.iter().enumerate() {
            let column = &self.table.columns[*place];
            let Some(field) = fields.get(at) else {
                let text = format!("missing data for column \"{}\"", column.name);
                return Err(self.context(bad(text), None, Some(&whole())));
            };
            let Some(field) = field else {
                row.push(Value::Null);
                continue;
            };
            let text = utf8(field).map_err(|error| {
                // The line itself can be shown if an escape made the byte.
                let shown = std::str::from_utf8(record).ok().filter(|text| !text.contains('\0'));
                self.context(error, None, shown)
            })?;
            let value = from_text(text, column.ty, &self.text).and_then(|value| apply_typmod(value, column.ty, false));
            row.push(value.map_err(|error| self.context(error, Some(*place), Some(text)))?);
        }
        self.rows.push(row);
        self.lines.push(self.line);
        Ok(())
    }

    /// Reads binary tuples from the buffer; gives how many bytes were used.
    fn binary(&mut self, bytes: &[u8]) -> Result<usize> {
        let bad = |text: &str| SqlError::new(SqlState::BAD_COPY_FILE_FORMAT, text);
        let mut at = 0;
        if !self.head_read {
            if bytes.len() < 19 {
                return Ok(0);
            }
            if bytes[..11] != BINARY_HEAD[..11] {
                return Err(bad("COPY file signature not recognized"));
            }
            let flags = u32::from_be_bytes([bytes[11], bytes[12], bytes[13], bytes[14]]);
            if flags & (1 << 16) != 0 {
                return Err(bad("invalid COPY file header (WITH OIDS)"));
            }
            if flags >> 16 != 0 {
                return Err(bad("unrecognized critical flags in COPY file header"));
            }
            let extra = u32::from_be_bytes([bytes[15], bytes[16], bytes[17], bytes[18]]) as usize;
            if bytes.len() < 19 + extra {
                return Ok(0);
            }
            at = 19 + extra;
            self.head_read = true;
        }
        'tuples: loop {
            let mut here = at;
            let Some(count) = bytes.get(here..here + 2) else { return Ok(at) };
            let count = i16::from_be_bytes([count[0], count[1]]);
            here += 2;
            if count == -1 {
                self.ended = true;
                return Ok(here);
            }
            if usize::try_from(count).ok() != Some(self.columns.len()) {
                let text = format!("row field count is {count}, expected {}", self.columns.len());
                return Err(self.next_context(bad(&text)));
            }
            if !whole_tuple(&bytes[here..], self.columns.len()) {
                return Ok(at);
            }
            let mut row = Vec::with_capacity(self.columns.len());
            for place in &self.columns.clone() {
                let Some(len) = bytes.get(here..here + 4) else { return Ok(at) };
                let len = i32::from_be_bytes([len[0], len[1], len[2], len[3]]);
                here += 4;
                let Ok(len) = usize::try_from(len) else {
                    if len == -1 {
                        row.push(Value::Null);
                        continue;
                    }
                    let column = &self.table.columns[*place].name;
                    let line = format!("COPY {}, line {}, column {column}", self.table.name, self.line + 1);
                    return Err(bad("invalid field size").context(line));
                };
                let Some(field) = bytes.get(here..here.saturating_add(len)) else { return Ok(at) };
                here += len;
                let ty = self.table.columns[*place].ty;
                let value = from_binary(field, ty, &self.text).and_then(|value| apply_typmod(value, ty, false));
                row.push(value.map_err(|error| {
                    self.line += 1;
                    self.context(error, Some(*place), None)
                })?);
            }
            self.line += 1;
            self.rows.push(row);
            self.lines.push(self.line);
            at = here;
            if self.rows.len() >= BATCH * 8 {
                break 'tuples;
            }
        }
        Ok(at)
    }

    fn flush(&mut self, session: &super::Backend) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let (mut rows, mut lines) = (std::mem::take(&mut self.rows), std::mem::take(&mut self.lines));
        if let Some(filter) = &self.filter {
            let keep = self.inserter.wanted(session, filter, &self.columns, self.table.columns.len(), &rows)?;
            let (mut row, mut line) = (keep.iter(), keep.iter());
            rows.retain(|_| row.next().copied().unwrap_or(true));
            lines.retain(|_| line.next().copied().unwrap_or(true));
        }
        let result = self.inserter.insert(session, &self.columns, rows);
        result.map_err(|error| {
            // The line that failed, not the last one read.
            self.line = lines.get(self.inserter.at()).copied().unwrap_or(self.line);
            self.context(error, None, None)
        })
    }

    fn take(&mut self, backend: &super::Backend, bytes: &[u8], end: bool) -> Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.extend_from_slice(bytes);
        let mut at = 0;
        if self.style.format == CopyFormat::Binary {
            while !self.ended {
                let used = self.binary(&buffer[at..])?;
                at += used;
                self.flush(backend)?;
                if used == 0 {
                    break;
                }
            }
            let bad = |text: &str| SqlError::new(SqlState::BAD_COPY_FILE_FORMAT, text);
            if self.ended && at < buffer.len() {
                return Err(self.next_context(bad("received copy data after EOF marker")));
            }
            if end && !self.head_read {
                return Err(bad(match buffer.len() {
                    0..11 => "COPY file signature not recognized",
                    11..15 => "invalid COPY file header (missing flags)",
                    15..19 => "invalid COPY file header (missing length)",
                    _ => "invalid COPY file header (wrong length)",
                }));
            }
            if end && !self.ended && at < buffer.len() {
                return Err(self.next_context(bad("unexpected EOF in COPY data")));
            }
        } else {
            while !self.ended {
                let Cut::Record(record, used) = self.cut(&buffer[at..], end)? else { break };
                self.line += 1;
                let record = &buffer[at..at + record.len()];
                at += used;
                if record == b"\\." {
                    self.ended = true;
                    break;
                }
                if !std::mem::replace(&mut self.head_read, true) && self.style.header != CopyHeader::No {
                    if self.style.header == CopyHeader::Match {
                        let whole = String::from_utf8_lossy(record);
                        self.match_header(record).map_err(|error| self.context(error, None, Some(&whole)))?;
                    }
                    continue;
                }
                self.record(record)?;
                if self.rows.len() >= BATCH {
                    self.flush(backend)?;
                }
            }
        }
        buffer.drain(..at.min(buffer.len()));
        self.buffer = if self.ended { Vec::new() } else { buffer };
        backend.check_cancel()
    }

    fn match_header(&self, record: &[u8]) -> Result<()> {
        let fields = self.fields(record)?;
        let wrong = |text: String| SqlError::new(SqlState::BAD_COPY_FILE_FORMAT, text);
        if fields.len() != self.columns.len() {
            return Err(wrong(format!(
                "wrong number of fields in header line: got {}, expected {}",
                fields.len(),
                self.columns.len()
            )));
        }
        for (at, (field, place)) in fields.iter().zip(&self.columns).enumerate() {
            let expected = &self.table.columns[*place].name;
            let got = match field {
                Some(field) if **field == *expected.as_bytes() => continue,
                Some(field) => format!("\"{}\"", String::from_utf8_lossy(field)),
                None => format!("null value (\"{}\")", String::from_utf8_lossy(&self.style.null)),
            };
            return Err(wrong(format!(
                "column name mismatch in header line field {}: got {got}, expected \"{expected}\"",
                at + 1
            )));
        }
        Ok(())
    }
}

/// Whether all fields of a binary tuple have come, or one whose length is wrong.
fn whole_tuple(bytes: &[u8], fields: usize) -> bool {
    let mut at = 0;
    for _ in 0..fields {
        let Some(len) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else { return false };
        at += 4;
        match i32::from_be_bytes(*len) {
            -1 => {}
            len => match usize::try_from(len) {
                Ok(len) => at = at.saturating_add(len),
                Err(_) => return true,
            },
        }
    }
    at <= bytes.len()
}

fn relation_kind(relation: &Relation) -> &'static str {
    match relation {
        Relation::Table(_) => "relation",
        Relation::View(_) => "view",
        Relation::Sequence(_) => "sequence",
        Relation::Index(..) => "index",
    }
}

/// 22P04 for a line that ends in another way than the first.
fn wrong_ending(found: Ending, csv: bool) -> SqlError {
    let (name, escape) = if found == Ending::Newline { ("newline", "\\n") } else { ("carriage return", "\\r") };
    let (kind, hint) = if csv {
        ("unquoted", format!("Use quoted CSV field to represent {name}."))
    } else {
        ("literal", format!("Use \"{escape}\" to represent {name}."))
    };
    SqlError::new(SqlState::BAD_COPY_FILE_FORMAT, format!("{kind} {name} found in data")).hint(hint)
}

/// Takes what follows a backslash; gives how many bytes that were.
fn unescape(rest: &[u8], out: &mut Vec<u8>) -> usize {
    match rest[0] {
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'b' => out.push(8),
        b'v' => out.push(11),
        b'f' => out.push(12),
        b'0'..=b'7' => {
            let digits = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
            let code = rest[..digits].iter().fold(0_u32, |sum, b| sum * 8 + u32::from(b - b'0'));
            out.push((code & 0xff) as u8);
            return digits;
        }
        b'x' => {
            let hex = |b: &u8| char::from(*b).to_digit(16);
            let digits = rest[1..].iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
            if digits == 0 {
                out.push(b'x');
                return 1;
            }
            let code = rest[1..=digits].iter().filter_map(hex).fold(0, |sum, digit| sum * 16 + digit);
            out.push((code & 0xff) as u8);
            return digits + 1;
        }
        other => out.push(other),
    }
    1
}

impl Session {
    /// COPY.
    pub(super) fn start_copy(&mut self, portal: &mut Portal, copy: &CopyStatement) -> Result<Step> {
        self.ensure_transaction();
        self.backend.pending.borrow_mut().queried = true;
        if !matches!(copy.target, CopyTarget::Stdio) {
            let what = if matches!(copy.target, CopyTarget::File(_)) { "a file" } else { "an external program" };
            return Err(SqlError::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied to COPY to or from {what}"),
            ));
        }
        if copy.from { self.start_copy_in(copy) } else { self.start_copy_out(portal, copy) }
    }

    fn start_copy_in(&mut self, copy: &CopyStatement) -> Result<Step> {
        let CopySource::Table { name, columns } = &copy.source else {
            return Err(SqlError::syntax("COPY FROM needs a table"));
        };
        self.backend.check_writable("COPY FROM")?;
        // Privileges are asked before anything waits.
        self.backend.refresh_catalog();
        if let (Relation::Table(table), false) =
            (crate::exec::objects::find_relation(&self.backend, name)?, self.backend.superuser.get())
        {
            let places = crate::exec::objects::copy_columns(&table, columns)?;
            let need = crate::plan::Need {
                relation: table.id.0,
                privilege: crate::catalog::Privilege::Insert,
                columns: Some(places.into_iter().filter_map(|place| i16::try_from(place + 1).ok()).collect()),
                role: None,
            };
            crate::exec::check_needs(&self.backend, &[need])?;
        }
        let table = match lock_named(&self.backend, name, TableLockMode::RowExclusive, WaitPolicy::Wait)? {
            Some(table) => table,
            None => {
                let text = name.parts.last().cloned().unwrap_or_default();
                let kind = relation_kind(&crate::exec::objects::find_relation(&self.backend, name)?);
                return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("cannot copy to {kind} \"{text}\"")));
            }
        };
        let places = crate::exec::objects::copy_columns(&table, columns)?;
        let names: Vec<String> = places.iter().map(|place| table.columns[*place].name.clone()).collect();
        let style = Style::new(&copy.options, &names, true)?;
        let filter = match &copy.filter {
            Some(filter) => {
                let columns: Vec<_> = table.columns.iter().map(|column| (column.name.clone(), column.ty)).collect();
                Some(crate::exec::with_bind_context(&self.backend, |context| {
                    crate::plan::bind_scalar(context, filter, &columns, Some(DataType::BOOL))
                })?)
            }
            None => None,
        };
        let width = places.len();
        let format = style.format;
        self.copy = Some(CopyIn {
            inserter: RowInserter::begin(&self.backend, table.id)?,
            table,
            columns: places,
            style,
            filter,
            buffer: Vec::new(),
            scan: Scan::default(),
            line: 0,
            rows: Vec::new(),
            lines: Vec::new(),
            ended: false,
            head_read: false,
            ending: None,
            text: self.backend.settings.borrow().style.clone(),
        });
        Ok(Step::CopyIn { format, columns: width })
    }

    fn start_copy_out(&mut self, portal: &mut Portal, copy: &CopyStatement) -> Result<Step> {
        let parsed: Parsed = match &copy.source {
            CopySource::Query(query) => (**query).clone(),
            CopySource::Table { name, columns } => {
                let table = match crate::exec::objects::find_relation(&self.backend, name)? {
                    Relation::Table(table) => table,
                    other => {
                        let text = name.parts.last().cloned().unwrap_or_default();
                        let kind = relation_kind(&other);
                        return Err(SqlError::new(
                            SqlState::WRONG_OBJECT_TYPE,
                            format!("cannot copy from {kind} \"{text}\""),
                        )
                        .hint("Try the COPY (SELECT ...) TO variant."));
                    }
                };
                let places = crate::exec::objects::copy_columns(&table, columns)?;
                let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
                let list: Vec<String> = places.iter().map(|place| quote(&table.columns[*place].name)).collect();
                let from: Vec<String> = name.parts.iter().map(|part| quote(part)).collect();
                let text = format!("SELECT {} FROM {}", list.join(", "), from.join("."));
                crate::parse::parse_one(&text, &crate::exec::parse_options(&self.backend))?
            }
        };
        if matches!(&*parsed.statement, Statement::Empty) {
            return Err(SqlError::syntax("COPY of an empty query"));
        }
        if matches!(&*parsed.statement, Statement::ExecProcedure { .. }) {
            return Err(SqlError::unsupported("COPY of a procedure's rows"));
        }
        let mut cached = CachedStatement { parsed, plan: None, point: false };
        let plan: Arc<Plan> = current_plan(&self.backend, &mut cached, &[])?;
        if plan.kind != PlanKind::Select && plan.columns.is_empty() {
            return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, "COPY query must have a RETURNING clause"));
        }
        let run = Run::begin(&self.backend, &plan, Vec::new(), 0)?;
        let plan = &run.plan;
        let names: Vec<String> = plan.columns.iter().map(|column| column.name.clone()).collect();
        let types: Vec<DataType> = plan.columns.iter().map(|column| column.ty).collect();
        let style =
            Style::new(&copy.options, &names, false).inspect_err(|_| self.backend.end_statement(run.snapshot))?;
        let state = State::new(&plan.root);
        let (format, columns) = (style.format, types.len());
        let out = CopyOut { run, state, style, names, types, begun: false, done: false, count: 0 };
        portal.source = Source::CopyOut(Box::new(out));
        Ok(Step::CopyOut { format, columns })
    }

    /// Gives the next CopyData bodies to `sink`, each row in one of its own; false = end.
    pub fn fetch_copy(&mut self, sink: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let Some(mut portal) = self.take_current() else { return Ok(false) };
        let result = self.copy_piece(&mut portal, sink);
        self.rest_on_seen();
        let more = matches!(result, Ok(true));
        self.put_current(portal);
        if !more {
            if result.is_ok() && self.current == Current::Internal {
                self.statement_done()?;
            }
            self.end_call();
        }
        result
    }

    fn copy_piece(&mut self, portal: &mut Portal, sink: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let Source::CopyOut(copy) = &mut portal.source else { return Ok(false) };
        if copy.done {
            return Ok(false);
        }
        let mut out = Vec::new();
        let mut given = 0;
        if !copy.begun {
            copy.begun = true;
            if copy.style.format == CopyFormat::Binary {
                // Goes in one message with what follows.
                out.extend_from_slice(BINARY_HEAD);
            } else if copy.style.header != CopyHeader::No {
                for (place, name) in copy.names.iter().enumerate() {
                    if place > 0 {
                        out.push(copy.style.delimiter);
                    }
                    copy.field(name, false, false, &mut out);
                }
                out.push(b'\n');
                sink(&out);
                out.clear();
            }
        }
        // Drivers count on one row a message.
        while given < 32 * 1024 {
            let exec = Exec { backend: &self.backend, run: &copy.run };
            match copy.state.next(&copy.run.plan.root, &exec.cx())? {
                Some(row) => {
                    copy.count += 1;
                    copy.row(&row, &self.style, &mut out)?;
                    sink(&out);
                    given += out.len();
                    out.clear();
                }
                None => {
                    copy.done = true;
                    if copy.style.format == CopyFormat::Binary {
                        out.extend_from_slice(&(-1_i16).to_be_bytes());
                        sink(&out);
                    }
                    crate::exec::finish(&exec)?;
                    self.backend.end_statement(copy.run.snapshot);
                    portal.tag = Some(format!("COPY {}", copy.count));
                    break;
                }
            }
        }
        Ok(true)
    }

    /// Takes a piece of COPY input, cut anywhere.
    pub fn copy_data(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(mut copy) = self.copy.take() else {
            return Err(SqlError::new(SqlState::PROTOCOL_VIOLATION, "no COPY is in progress"));
        };
        copy.take(&self.backend, bytes, false)?;
        self.copy = Some(copy);
        Ok(())
    }

    /// End of COPY input: gives the command tag.
    pub fn copy_done(&mut self) -> Result<String> {
        let Some(mut copy) = self.copy.take() else {
            return Err(SqlError::new(SqlState::PROTOCOL_VIOLATION, "no COPY is in progress"));
        };
        copy.take(&self.backend, &[], true)?;
        copy.flush(&self.backend)?;
        let count = copy.inserter.finish(&self.backend)?;
        self.statement_done()?;
        self.end_call();
        Ok(format!("COPY {count}"))
    }

    /// The client gave up: the error to report (57014).
    pub fn copy_fail(&mut self, message: &str) -> SqlError {
        let error = SqlError::new(SqlState::QUERY_CANCELED, format!("COPY from stdin failed: {message}"));
        let error = self.copy_context(error);
        self.copy = None;
        error
    }

    /// An error with the line that COPY input has come to.
    #[must_use]
    pub fn copy_context(&self, error: SqlError) -> SqlError {
        match &self.copy {
            Some(copy) => copy.next_context(error),
            None => error,
        }
    }
}
