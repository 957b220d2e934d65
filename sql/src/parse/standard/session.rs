//! Statements about the session: transactions, savepoints, settings, prepared statements, cursors, channels, locks, EXPLAIN.

use sqlparser::tokenizer::Token;

use super::{Cursor, part, rest};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::parse::{
    DiscardTarget, FetchDirection, IsolationLevel, SettingChange, SettingScope, Statement, TableLock, TransactionModes,
};

/// A statement that begins with `first`.
pub(super) fn statement(c: &mut Cursor, first: &str) -> Result<Statement> {
    if !matches!(first, "EXPLAIN") {
        c.parser.advance_token();
    }
    match first {
        "BEGIN" => {
            work(c);
            Ok(Statement::Begin { modes: modes(c)?, start: false })
        }
        "START" => {
            c.expect(&["transaction"])?;
            Ok(Statement::Begin { modes: modes(c)?, start: true })
        }
        "COMMIT" | "END" => {
            if first == "COMMIT" && c.word("prepared") {
                return Ok(Statement::EndPrepared { commit: true, name: c.string()? });
            }
            work(c);
            Ok(Statement::Commit { chain: chain(c)? })
        }
        "ROLLBACK" | "ABORT" => {
            if first == "ROLLBACK" && c.word("prepared") {
                return Ok(Statement::EndPrepared { commit: false, name: c.string()? });
            }
            work(c);
            if first == "ROLLBACK" && c.word("to") {
                c.word("savepoint");
                return Ok(Statement::RollbackTo(c.ident()?));
            }
            Ok(Statement::Rollback { chain: chain(c)? })
        }
        "SAVEPOINT" => Ok(Statement::Savepoint(c.ident()?)),
        "RELEASE" => {
            c.word("savepoint");
            Ok(Statement::Release(c.ident()?))
        }
        "SET" => set(c),
        "RESET" => reset(c),
        "SHOW" => show(c),
        "DISCARD" => {
            let target = match c.one_of(&["all", "plans", "sequences", "temp", "temporary"]) {
                Some("all") => DiscardTarget::All,
                Some("plans") => DiscardTarget::Plans,
                Some("sequences") => DiscardTarget::Sequences,
                Some(_) => DiscardTarget::Temp,
                None => return Err(c.error()),
            };
            Ok(Statement::Discard(target))
        }
        "PREPARE" => prepare(c),
        "EXECUTE" => {
            let name = c.ident()?;
            Ok(Statement::Execute { name, args: arguments(c)? })
        }
        "DEALLOCATE" => {
            c.word("prepare");
            if c.word("all") {
                return Ok(Statement::Deallocate(None));
            }
            Ok(Statement::Deallocate(Some(c.ident()?)))
        }
        "DECLARE" => declare(c),
        "FETCH" | "MOVE" => fetch(c, first == "MOVE"),
        "CLOSE" => {
            if c.word("all") {
                return Ok(Statement::Close(None));
            }
            Ok(Statement::Close(Some(c.ident()?)))
        }
        "LISTEN" => Ok(Statement::Listen(c.ident()?)),
        "UNLISTEN" => {
            if c.token(&Token::Mul) {
                return Ok(Statement::Unlisten(None));
            }
            Ok(Statement::Unlisten(Some(c.ident()?)))
        }
        "NOTIFY" => {
            let channel = c.ident()?;
            let payload = if c.token(&Token::Comma) { Some(c.string()?) } else { None };
            Ok(Statement::Notify { channel, payload })
        }
        "LOCK" => lock(c),
        "EXPLAIN" => explain(c),
        _ => Err(c.error()),
    }
}

fn work(c: &mut Cursor) {
    let _ = c.word("work") || c.word("transaction");
}

fn chain(c: &mut Cursor) -> Result<bool> {
    if !c.word("and") {
        return Ok(false);
    }
    let no = c.word("no");
    c.expect(&["chain"])?;
    Ok(!no)
}

/// Transaction modes, separated by commas or blanks.
fn modes(c: &mut Cursor) -> Result<TransactionModes> {
    let mut modes = TransactionModes::default();
    let mut first = true;
    while !c.at_end() {
        if !first {
            c.token(&Token::Comma);
        }
        first = false;
        if c.words(&["isolation", "level"]) {
            modes.isolation = Some(level(c)?);
        } else if c.words(&["read", "only"]) {
            modes.read_only = Some(true);
        } else if c.words(&["read", "write"]) {
            modes.read_only = Some(false);
        } else if c.words(&["not", "deferrable"]) {
            modes.deferrable = Some(false);
        } else if c.word("deferrable") {
            modes.deferrable = Some(true);
        } else {
            return Err(c.error());
        }
    }
    Ok(modes)
}

fn level(c: &mut Cursor) -> Result<IsolationLevel> {
    if c.words(&["read", "uncommitted"]) {
        Ok(IsolationLevel::ReadUncommitted)
    } else if c.words(&["read", "committed"]) {
        Ok(IsolationLevel::ReadCommitted)
    } else if c.words(&["repeatable", "read"]) {
        Ok(IsolationLevel::RepeatableRead)
    } else if c.word("serializable") {
        Ok(IsolationLevel::Serializable)
    } else {
        Err(c.error())
    }
}

fn set(c: &mut Cursor) -> Result<Statement> {
    if c.word("constraints") {
        let names = if c.word("all") { None } else { Some(c.names()?) };
        let deferred = match c.one_of(&["deferred", "immediate"]) {
            Some(word) => word == "deferred",
            None => return Err(c.error()),
        };
        return Ok(Statement::SetConstraints { names, deferred });
    }
    if c.words(&["session", "characteristics", "as", "transaction"]) {
        return Ok(Statement::SetTransaction { session: true, modes: required_modes(c)? });
    }
    if c.is_word(0, "transaction") && !matches!(c.parser.peek_nth_token_ref(1).token, Token::Eq) {
        c.parser.advance_token();
        if c.word("snapshot") {
            return Ok(Statement::SetSnapshot(c.string()?));
        }
        return Ok(Statement::SetTransaction { session: false, modes: required_modes(c)? });
    }
    let authorization = c.is_word(0, "session") && c.is_word(1, "authorization");
    let scope = if !authorization && c.word("session") {
        SettingScope::Session
    } else if c.word("local") {
        SettingScope::Local
    } else {
        SettingScope::Session
    };
    Ok(Statement::Set { scope, change: setting(c)? })
}

fn required_modes(c: &mut Cursor) -> Result<TransactionModes> {
    if c.at_end() {
        return Err(c.error());
    }
    modes(c)
}

/// What follows SET [SESSION | LOCAL], and SET of ALTER ROLE, ALTER DATABASE.
pub(super) fn setting(c: &mut Cursor) -> Result<SettingChange> {
    let change = |name: &str, value: Option<String>| Ok(SettingChange { name: name.to_owned(), value });
    if c.words(&["time", "zone"]) {
        if c.word("default") || c.word("local") {
            return change("timezone", None);
        }
        if c.word("interval") {
            let text = c.string()?;
            let _ = c.words(&["hour", "to", "minute"]) || c.word("hour");
            return change("timezone", Some(posix_zone(&text)?));
        }
        let value = value(c)?;
        return change("timezone", Some(value));
    }
    if c.word("names") {
        if c.word("default") || c.at_end() {
            return change("client_encoding", None);
        }
        let text = c.string()?;
        return change("client_encoding", Some(text));
    }
    if c.is_word(0, "role") && !matches!(c.parser.peek_nth_token_ref(1).token, Token::Eq) && !c.is_word(1, "to") {
        c.parser.advance_token();
        let role = role_word(c)?;
        return change("role", Some(role));
    }
    if c.words(&["session", "authorization"]) {
        if c.word("default") {
            return change("session_authorization", None);
        }
        let role = role_word(c)?;
        return change("session_authorization", Some(role));
    }
    if c.is_word(0, "schema") && matches!(c.parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_)) {
        c.parser.advance_token();
        let path = c.string()?;
        return change("search_path", Some(quoted_item(&path)));
    }
    if c.words(&["xml", "option"]) {
        let Some(kind) = c.one_of(&["document", "content"]) else { return Err(c.error()) };
        return change("xmloption", Some(kind.to_owned()));
    }
    let name = setting_name(c)?;
    if c.words(&["from", "current"]) {
        return Err(SqlError::unsupported("SET … FROM CURRENT"));
    }
    if !c.token(&Token::Eq) && !c.word("to") {
        return Err(c.error());
    }
    if c.word("default") {
        return Ok(SettingChange { name, value: None });
    }
    let list = match name.as_str() {
        "search_path" | "temp_tablespaces" | "session_preload_libraries" | "local_preload_libraries" => List::Quoted,
        "datestyle" => List::Plain,
        _ => List::No,
    };
    let mut values = vec![item(c, list)?];
    while c.token(&Token::Comma) {
        values.push(item(c, list)?);
    }
    if values.len() > 1 && list == List::No {
        return Err(SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("SET {name} takes only one argument")));
    }
    Ok(SettingChange { name, value: Some(values.join(", ")) })
}

/// `+05:30` as the name of a zone: `<+05:30>-05:30`. Errors: 22007 for a text that is no offset.
fn posix_zone(text: &str) -> Result<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "00"));
    match (hours.parse::<u8>(), minutes.parse::<u8>()) {
        (Ok(hours), Ok(minutes)) if hours <= 167 && minutes < 60 => {
            let minutes = if minutes == 0 { String::new() } else { format!(":{minutes:02}") };
            let back = if sign == '-' { '+' } else { '-' };
            Ok(format!("<{sign}{hours:02}{minutes}>{back}{hours:02}{minutes}"))
        }
        _ => Err(SqlError::new(
            SqlState::INVALID_DATETIME_FORMAT,
            format!("invalid input syntax for type interval: \"{text}\""),
        )),
    }
}

fn role_word(c: &mut Cursor) -> Result<String> {
    match c.maybe_string() {
        Some(text) => Ok(text),
        None => c.ident(),
    }
}

/// How the items of a setting that takes a list are put together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    /// It takes one value.
    No,
    /// As they are written.
    Plain,
    /// As identifiers.
    Quoted,
}

/// One value of a setting, quoted where SHOW would quote it inside a list.
fn item(c: &mut Cursor, list: List) -> Result<String> {
    let number = matches!(c.peek(), Token::Minus | Token::Plus | Token::Number(..));
    let value = value(c)?;
    Ok(if list == List::Quoted && !number { quoted_item(&value) } else { value })
}

fn quoted_item(value: &str) -> String {
    let plain = value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && value.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { value.to_owned() } else { format!("\"{}\"", value.replace('"', "\"\"")) }
}

/// A word, string or signed number.
fn value(c: &mut Cursor) -> Result<String> {
    if let Some(text) = c.maybe_string() {
        return Ok(text);
    }
    let negative = c.token(&Token::Minus);
    if !negative {
        c.token(&Token::Plus);
    }
    if let Token::Number(digits, _) = c.peek() {
        let digits = digits.clone();
        c.parser.advance_token();
        return Ok(if negative { format!("-{digits}") } else { digits });
    }
    if negative || c.is_word(0, "null") {
        return Err(c.error());
    }
    c.ident()
}

/// `name` or `class.name`, lower case.
pub(super) fn setting_name(c: &mut Cursor) -> Result<String> {
    let name = c.name()?;
    Ok(name.parts.join(".").to_ascii_lowercase())
}

fn reset(c: &mut Cursor) -> Result<Statement> {
    if c.word("all") {
        return Ok(Statement::Reset(None));
    }
    if c.words(&["time", "zone"]) {
        return Ok(Statement::Reset(Some("timezone".to_owned())));
    }
    if c.words(&["transaction", "isolation", "level"]) {
        return Ok(Statement::Reset(Some("transaction_isolation".to_owned())));
    }
    if c.words(&["session", "authorization"]) {
        return Ok(Statement::Reset(Some("session_authorization".to_owned())));
    }
    Ok(Statement::Reset(Some(setting_name(c)?)))
}

fn show(c: &mut Cursor) -> Result<Statement> {
    if c.word("all") {
        return Ok(Statement::Show(None));
    }
    if c.words(&["time", "zone"]) {
        return Ok(Statement::Show(Some("timezone".to_owned())));
    }
    if c.words(&["transaction", "isolation", "level"]) {
        return Ok(Statement::Show(Some("transaction_isolation".to_owned())));
    }
    if c.words(&["session", "authorization"]) {
        return Ok(Statement::Show(Some("session_authorization".to_owned())));
    }
    Ok(Statement::Show(Some(setting_name(c)?)))
}

fn arguments(c: &mut Cursor) -> Result<Vec<sqlparser::ast::Expr>> {
    if *c.peek() == Token::LParen { c.parens(Cursor::expr) } else { Ok(Vec::new()) }
}

fn starts(c: &Cursor, words: &[&str]) -> bool {
    *c.peek() == Token::LParen || words.iter().any(|word| c.is_word(0, word))
}

fn prepare(c: &mut Cursor) -> Result<Statement> {
    if c.is_word(0, "transaction") && matches!(c.parser.peek_nth_token_ref(1).token, Token::SingleQuotedString(_)) {
        c.parser.advance_token();
        c.string()?;
        return Ok(Statement::PrepareTransaction);
    }
    let name = c.ident()?;
    let types = if *c.peek() == Token::LParen { c.parens(Cursor::data_type)? } else { Vec::new() };
    c.expect(&["as"])?;
    if !starts(c, &["select", "values", "table", "with", "insert", "update", "delete", "merge"]) {
        return Err(c.error());
    }
    Ok(Statement::Prepare { name, types, statement: Box::new(rest(c)?) })
}

fn declare(c: &mut Cursor) -> Result<Statement> {
    let name = c.ident()?;
    let mut binary = false;
    let mut scroll = None;
    loop {
        if c.word("binary") {
            binary = true;
        } else if c.word("insensitive") || c.word("asensitive") {
        } else if c.words(&["no", "scroll"]) {
            scroll = Some(false);
        } else if c.word("scroll") {
            scroll = Some(true);
        } else {
            break;
        }
    }
    c.expect(&["cursor"])?;
    let hold = if c.words(&["with", "hold"]) {
        true
    } else {
        c.words(&["without", "hold"]);
        false
    };
    c.expect(&["for"])?;
    let procedure = (c.is_word(0, "exec") || c.is_word(0, "execute")) && c.is_word(1, "procedure");
    if !procedure && !starts(c, &["select", "values", "table", "with"]) {
        return Err(c.error());
    }
    Ok(Statement::Declare { name, binary, scroll, hold, query: Box::new(rest(c)?) })
}

fn fetch(c: &mut Cursor, only_move: bool) -> Result<Statement> {
    let counted = |c: &Cursor| matches!(c.peek(), Token::Number(..) | Token::Minus | Token::Plus);
    let next_is_name = |c: &Cursor| {
        // `FETCH next` names a cursor called next when nothing but it follows.
        matches!(c.parser.peek_nth_token_ref(1).token, Token::EOF)
    };
    let direction = if next_is_name(c) && !counted(c) || c.word("next") {
        FetchDirection::Forward(1)
    } else if c.word("prior") {
        FetchDirection::Backward(1)
    } else if c.word("first") {
        FetchDirection::Absolute(1)
    } else if c.word("last") {
        FetchDirection::Absolute(-1)
    } else if c.word("absolute") {
        FetchDirection::Absolute(c.integer()?)
    } else if c.word("relative") {
        FetchDirection::Relative(c.integer()?)
    } else if c.word("all") {
        FetchDirection::ForwardAll
    } else if c.word("forward") {
        if c.word("all") {
            FetchDirection::ForwardAll
        } else if counted(c) {
            FetchDirection::Forward(c.integer()?)
        } else {
            FetchDirection::Forward(1)
        }
    } else if c.word("backward") {
        if c.word("all") {
            FetchDirection::BackwardAll
        } else if counted(c) {
            FetchDirection::Backward(c.integer()?)
        } else {
            FetchDirection::Backward(1)
        }
    } else if counted(c) {
        FetchDirection::Forward(c.integer()?)
    } else {
        FetchDirection::Forward(1)
    };
    let _ = c.word("from") || c.word("in");
    Ok(Statement::Fetch { name: c.ident()?, direction, only_move })
}

fn lock(c: &mut Cursor) -> Result<Statement> {
    c.word("table");
    let tables = c.list(|c| {
        c.word("only");
        let name = c.name()?;
        c.token(&Token::Mul);
        Ok(name)
    })?;
    let mut mode = TableLock::AccessExclusive;
    if c.word("in") {
        let modes: [(&[&str], TableLock); 8] = [
            (&["access", "share"], TableLock::AccessShare),
            (&["row", "share"], TableLock::RowShare),
            (&["row", "exclusive"], TableLock::RowExclusive),
            (&["share", "update", "exclusive"], TableLock::ShareUpdateExclusive),
            (&["share", "row", "exclusive"], TableLock::ShareRowExclusive),
            (&["share"], TableLock::Share),
            (&["access", "exclusive"], TableLock::AccessExclusive),
            (&["exclusive"], TableLock::Exclusive),
        ];
        match modes.iter().find(|(words, _)| c.words(words)) {
            Some((_, found)) => mode = *found,
            None => return Err(c.error()),
        }
        c.expect(&["mode"])?;
    }
    let nowait = c.word("nowait");
    Ok(Statement::LockTable { tables, mode, nowait })
}

fn explain(c: &mut Cursor) -> Result<Statement> {
    c.parser.advance_token();
    let mut options: Vec<(String, String)> = Vec::new();
    let query = |c: &Cursor, n: usize| {
        matches!(c.parser.peek_nth_token_ref(n).token, Token::LParen)
            || ["select", "values", "with", "table"].iter().any(|w| c.is_word(n, w))
    };
    if *c.peek() == Token::LParen && !query(c, 1) {
        let list = c.parens(|c| {
            let at = c.offset32();
            let name = c.ident()?;
            let value = if matches!(c.peek(), Token::Comma | Token::RParen) {
                "true".to_owned()
            } else {
                value(c)?.to_ascii_lowercase()
            };
            if !matches!(
                name.as_str(),
                "analyze" | "verbose" | "costs" | "settings" | "buffers" | "wal" | "timing" | "summary" | "format"
            ) {
                return Err(SqlError::syntax(format!("unrecognized EXPLAIN option \"{name}\"")).at(Span(at)));
            }
            if name == "format" && !matches!(value.as_str(), "text" | "json" | "xml" | "yaml") {
                return Err(SqlError::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("unrecognized value for EXPLAIN option \"format\": \"{value}\""),
                )
                .at(Span(at)));
            }
            if name != "format" && !matches!(value.as_str(), "true" | "false" | "on" | "off" | "1" | "0") {
                return Err(SqlError::syntax(format!("{name} requires a Boolean value")));
            }
            let value = match value.as_str() {
                "on" | "1" => "true".to_owned(),
                "off" | "0" => "false".to_owned(),
                _ => value,
            };
            Ok((name, value))
        })?;
        options = list;
    } else {
        if c.word("analyze") || c.word("analyse") {
            options.push(("analyze".to_owned(), "true".to_owned()));
        }
        if c.word("verbose") {
            options.push(("verbose".to_owned(), "true".to_owned()));
        }
    }
    if !starts(
        c,
        &[
            "select", "values", "table", "with", "insert", "update", "delete", "merge", "execute", "declare", "create",
            "refresh",
        ],
    ) {
        return Err(c.error());
    }
    let start = c.offset();
    let statement = part(c, start, c.text.len())?;
    while !c.at_end() {
        c.parser.advance_token();
    }
    Ok(Statement::Explain { statement: Box::new(statement), options })
}
