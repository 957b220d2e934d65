//! AMI's own forms → `Statement`: triggers, tables, indexes, methods, procedures, timers, and calls of them.
//!
//! Names keep the spelling written (AMI-8): nothing is folded here.

use super::cursor::Cursor;
use super::lexer::{Lexer, Token};
use crate::catalog::{Level, Timing};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::dialect::DialectEnd;
use crate::parse::lex::HeadToken;
use crate::parse::{
    AmiAlteration, AmiIndexSpec, AmiMethodSpec, AmiTableSpec, AmiType, Statement, TriggerSpec, syntax_at,
};
use crate::types::{DataType, oid};

const NAME: &str = "ami";

/// Names of timers are separate from those of triggers.
const TIMER: &str = "ami timer";

/// True for the leading forms that are AMI alone (AMI-5).
pub(super) fn claims(text: &str, start: usize, head: &[(usize, HeadToken<'_>)]) -> bool {
    let is = |n: usize, word: &str| head.get(n).is_some_and(|(_, t)| t.is(word));
    let any = |n: usize, words: &[&str]| words.iter().any(|w| is(n, w));
    let mark = |n: usize, c: char| head.get(n).is_some_and(|(_, t)| *t == HeadToken::Mark(c));
    let name = |n: usize| matches!(head.get(n), Some((_, HeadToken::Word(_) | HeadToken::Quoted(_))));
    let Some((_, first)) = head.first() else { return false };
    match first {
        HeadToken::Mark('{') => true,
        HeadToken::Word(word) => match word.to_ascii_uppercase().as_str() {
            "CREATE" => {
                let skip = if is(2, "if") && is(3, "not") && is(4, "exists") { 5 } else { 2 };
                is(1, "trigger") && is(skip + 1, "oftype")
                    || is(1, "public") && is(2, "table")
                    || is(1, "index") && ami_index(text, start)
                    || is(1, "method") && (name(2) || mark(2, '{'))
                    || is(1, "timer") && name(2)
                    || is(1, "procedure") && (is(skip + 1, "oftype"))
            }
            "DROP" => {
                let skip = if is(2, "if") && is(3, "exists") { 4 } else { 2 };
                is(1, "public") && is(2, "table")
                    || is(1, "trigger")
                        && name(skip)
                        && (skip + 1 >= head.len() || mark(skip + 1, ';') || mark(skip + 1, ','))
                    || is(1, "index") && name(skip) && is(skip + 1, "on")
                    || is(1, "method")
                    || is(1, "timer") && name(2)
            }
            "ALTER" => is(1, "public") && is(2, "table"),
            "RENAME" => is(1, "table") || is(1, "public") && is(2, "table"),
            "SYNC" => name(1),
            "ENABLE" | "DISABLE" => any(1, &["trigger", "timer"]),
            "USE" => name(1) && mark(2, '='),
            "CALL" => matches!(head.get(1), Some((_, HeadToken::Word(word))) if word.starts_with("__")),
            "SHOW" => {
                any(
                    1,
                    &[
                        "tables",
                        "triggers",
                        "timers",
                        "procedures",
                        "methods",
                        "indexes",
                        "columns",
                        "datasources",
                        "vars",
                    ],
                ) || is(1, "table") && name(2)
            }
            "DESCRIBE" => name(1),
            "INSERT" => !is(1, "into") && name(1) || is(1, "into") && insert_from(head),
            _ => false,
        },
        _ => false,
    }
}

/// `INSERT INTO t [(…)] FROM SELECT`, as far as the head shows it.
fn insert_from(head: &[(usize, HeadToken<'_>)]) -> bool {
    let mut at = 3;
    if head.get(at).is_some_and(|(_, t)| *t == HeadToken::Mark('(')) {
        while at < head.len() && head[at].1 != HeadToken::Mark(')') {
            at += 1;
        }
        at += 1;
    }
    head.get(at).is_some_and(|(_, t)| t.is("from")) && head.get(at + 1).is_some_and(|(_, t)| t.is("select"))
}

/// True when an index definition has `USE`, or a type word after a column.
fn ami_index(text: &str, start: usize) -> bool {
    let mut lexer = Lexer::new(text, start);
    let mut depth = 0usize;
    let mut previous_name = false;
    let mut closed = false;
    while let Ok(Some(token)) = lexer.next() {
        match token.token {
            Token::Mark(';') => return false,
            Token::Mark('(') => {
                depth += 1;
                previous_name = false;
            }
            Token::Mark(')') => {
                depth = depth.saturating_sub(1);
                closed = depth == 0;
                previous_name = false;
            }
            Token::Word(word) => {
                if depth == 1
                    && previous_name
                    && ["hash", "sort", "series"].iter().any(|w| w.eq_ignore_ascii_case(&word))
                {
                    return true;
                }
                if closed {
                    return word.eq_ignore_ascii_case("use");
                }
                previous_name = true;
            }
            Token::Name(_) => previous_name = true,
            _ => previous_name = false,
        }
    }
    false
}

/// Finds the semicolon with AMI's quoting.
pub(super) fn end(text: &str, start: usize) -> Result<DialectEnd> {
    let mut lexer = Lexer::new(text, start);
    let mut braces = 0usize;
    while let Some(token) = lexer.next()? {
        match token.token {
            Token::Mark('{') => braces += 1,
            Token::Mark('}') => {
                braces = braces.saturating_sub(1);
            }
            Token::Mark(';') if braces == 0 => return Ok(DialectEnd { at: token.start, next: token.end }),
            _ => {}
        }
    }
    Ok(DialectEnd { at: text.len(), next: text.len() })
}

/// Reads the forms that are AMI alone.
struct Grammar<'a> {
    c: Cursor<'a>,
}

/// Reads a claimed statement; the number is the highest `$n` in it.
pub(super) fn parse(text: &str) -> Result<(Statement, usize)> {
    let c = Cursor::new(text, true)?;
    if ["insert", "sync", "show", "describe"].iter().any(|word| c.is(0, word))
        && let Some(found) = super::translate::statement(text)?
    {
        return Ok(found);
    }
    let mut g = Grammar { c };
    let statement = g.statement()?;
    g.c.expect_end()?;
    Ok((statement, params_of(text)?))
}

/// Reads a definition that PostgreSQL's grammar claims: CREATE TABLE, ALTER and DROP as AMI writes them.
pub(super) fn definition(text: &str) -> Result<Option<Statement>> {
    let mut g = Grammar { c: Cursor::new(text, true)? };
    let statement = if g.c.words(&["alter", "table"]) {
        g.alter_table()?
    } else if g.c.words(&["drop", "table"]) {
        g.drop_table()?
    } else if g.c.is(0, "create") && ["table", "temp", "temporary"].iter().any(|word| g.c.is(1, word)) {
        // AMI-50
        g.c.at += 1 + usize::from(!g.c.is(1, "table"));
        g.c.expect("table")?;
        g.create_table(true)?
    } else {
        return Ok(None);
    };
    g.c.expect_end()?;
    Ok(Some(statement))
}

/// The highest `$n` of a text.
fn params_of(text: &str) -> Result<usize> {
    let c = Cursor::new(text, true)?;
    let pairs = c.tokens.windows(2).filter(|pair| pair[0].token == Token::Mark('$') && pair[0].end == pair[1].start);
    let numbers = pairs.filter_map(|pair| match &pair[1].token {
        Token::Number(number) => number.parse::<usize>().ok(),
        _ => None,
    });
    Ok(numbers.max().unwrap_or(0))
}

impl Grammar<'_> {
    fn statement(&mut self) -> Result<Statement> {
        if self.c.word("create") {
            return self.create();
        }
        if self.c.word("drop") {
            return self.drop();
        }
        if self.c.word("alter") {
            self.c.words(&["public"]);
            self.c.expect("table")?;
            return self.alter_table();
        }
        if self.c.word("rename") {
            self.c.word("public");
            self.c.expect("table")?;
            let table = self.c.table()?;
            self.c.expect("to")?;
            let to = self.c.name()?;
            return Ok(Statement::AmiRenameTable { table, to });
        }
        if self.c.is(0, "enable") || self.c.is(0, "disable") {
            let enable = self.c.is(0, "enable");
            self.c.at += 1;
            let timer = self.c.word("timer");
            if !timer {
                self.c.expect("trigger")?;
            }
            let names = self.c.list(Cursor::name)?;
            return Ok(Statement::ToggleTrigger { names, on: None, enable, dialect: if timer { TIMER } else { NAME } });
        }
        if self.c.word("call") {
            return self.call();
        }
        if self.c.is(0, "use") {
            return self.execute_at();
        }
        if self.c.is_mark(0, '{') {
            self.c.at = self.c.tokens.len();
            return Ok(Statement::Script { dialect: NAME, source: self.c.text.to_owned() });
        }
        Err(self.c.error())
    }

    fn create(&mut self) -> Result<Statement> {
        if self.c.word("trigger") {
            return self.create_trigger();
        }
        if self.c.words(&["public", "table"]) {
            return self.create_table(false);
        }
        if self.c.word("index") {
            return self.create_index();
        }
        if self.c.word("timer") {
            return self.create_timer();
        }
        if self.c.word("procedure") {
            return self.create_procedure();
        }
        self.c.expect("method")?;
        self.create_method()
    }

    fn drop(&mut self) -> Result<Statement> {
        if self.c.words(&["public", "table"]) {
            return self.drop_table();
        }
        for (word, dialect, tag) in [("trigger", NAME, "DROP TRIGGER"), ("timer", TIMER, "DROP TIMER")] {
            if self.c.word(word) {
                let if_exists = self.c.words(&["if", "exists"]);
                let names = self.c.list(Cursor::name)?;
                return Ok(Statement::DropTrigger { names, on: None, if_exists, cascade: false, dialect, tag });
            }
        }
        if self.c.word("index") {
            // AMI-51
            let if_exists = self.c.words(&["if", "exists"]);
            let indexes = self.c.list(|c| {
                let index = c.name()?;
                c.expect("on")?;
                Ok((index, c.table()?))
            })?;
            return Ok(Statement::AmiDropIndex { indexes, if_exists });
        }
        self.c.expect("method")?;
        let if_exists = self.c.words(&["if", "exists"]);
        let name = self.c.name()?;
        let arguments = self.arguments()?;
        Ok(Statement::AmiDropMethod { name, arguments, if_exists })
    }

    // AMI-47
    fn drop_table(&mut self) -> Result<Statement> {
        let if_exists = self.c.words(&["if", "exists"]);
        let tables = self.c.list(Cursor::table)?;
        let cascade = self.c.word("cascade");
        self.c.word("restrict");
        Ok(Statement::AmiDropTable { tables, if_exists, cascade })
    }

    // AMI-43
    fn alter_table(&mut self) -> Result<Statement> {
        let table = self.c.table()?;
        let mut actions = vec![self.alteration()?];
        while self.c.mark(',') {
            actions.push(self.alteration()?);
        }
        Ok(Statement::AmiAlterTable { table, actions })
    }

    fn alteration(&mut self) -> Result<AmiAlteration> {
        if self.c.word("add") {
            self.c.word("column");
            let name = self.c.name()?;
            let ty = if self.c.is_mark(0, '=') { None } else { Some(self.column_type()?) };
            let value = if self.c.mark('=') { Some(self.sql_until(&["before"])?) } else { None };
            let before = if self.c.word("before") { Some(self.c.name()?) } else { None };
            return Ok(AmiAlteration::Add { name, ty, value, before });
        }
        if self.c.word("drop") {
            self.c.word("column");
            return Ok(AmiAlteration::Drop { name: self.c.name()? });
        }
        if self.c.word("rename") {
            self.c.word("column");
            let name = self.c.name()?;
            self.c.expect("to")?;
            return Ok(AmiAlteration::Rename { name, to: self.c.name()? });
        }
        self.c.expect("modify")?;
        let name = self.c.name()?;
        self.c.expect("as")?;
        let to = self.c.name()?;
        let ty = self.column_type()?;
        Ok(AmiAlteration::Modify { name, to, ty })
    }

    fn column_type(&mut self) -> Result<AmiType> {
        let at = self.c.offset();
        let word = self.c.name()?;
        let Some(ty) = data_type(&word) else {
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("type \"{word}\" does not exist"))
                .at(crate::error::Span(u32::try_from(at).unwrap_or(0))));
        };
        let mut words = vec![("type".to_owned(), word)];
        let mut nonull = false;
        while let Some(Token::Word(word)) = self.c.peek() {
            let word = word.to_ascii_lowercase();
            match word.as_str() {
                "nonull" => nonull = true,
                "nobroadcast" | "compact" | "ascii" | "bitmap" | "ondisk" | "cache" | "enum" => {}
                _ => break,
            }
            self.c.at += 1;
            if word != "nonull" {
                let mut value = "true".to_owned();
                if self.c.mark('=') {
                    value = match self.c.peek() {
                        Some(Token::Text(text) | Token::Number(text)) => text.clone(),
                        _ => return Err(self.c.error()),
                    };
                    self.c.at += 1;
                }
                words.push((word, value));
            }
        }
        Ok(AmiType { ty, nonull, words })
    }

    /// The expression from here to a comma or one of these words outside parentheses, as standard SQL.
    fn sql_until(&mut self, words: &[&str]) -> Result<String> {
        let start = self.c.offset();
        let mut depth = 0usize;
        while let Some(token) = self.c.peek() {
            match token {
                Token::Mark('(') => depth += 1,
                Token::Mark(')') => depth = depth.saturating_sub(1),
                Token::Mark(',') if depth == 0 => break,
                Token::Word(word) if depth == 0 && words.iter().any(|end| word.eq_ignore_ascii_case(end)) => break,
                _ => {}
            }
            self.c.at += 1;
        }
        let text = self.c.text.get(start..self.c.offset()).unwrap_or_default();
        super::translate::expression(text).map_err(|error| crate::parse::standard::shift(error, start))
    }

    /// `(type name, …)`; the names may be left out.
    fn arguments(&mut self) -> Result<Vec<(String, String)>> {
        self.c.expect_mark('(')?;
        let mut arguments = Vec::new();
        if self.c.mark(')') {
            return Ok(arguments);
        }
        loop {
            let ty = self.c.name()?;
            let name = if self.c.is_mark(0, ',') || self.c.is_mark(0, ')') { String::new() } else { self.c.name()? };
            arguments.push((ty, name));
            if !self.c.mark(',') {
                break;
            }
        }
        self.c.expect_mark(')')?;
        Ok(arguments)
    }

    // AMI-76
    fn create_method(&mut self) -> Result<Statement> {
        let if_not_exists = self.c.words(&["if", "not", "exists"]);
        let start = self.c.offset();
        let returns = self.c.name()?;
        let name = self.c.name()?;
        let arguments = self.arguments()?;
        if !self.c.is_mark(0, '{') {
            return Err(self.c.error());
        }
        let body = self.c.text.get(start..).unwrap_or_default().to_owned();
        self.c.at = self.c.tokens.len();
        Ok(Statement::AmiCreateMethod(Box::new(AmiMethodSpec { name, if_not_exists, returns, arguments, body })))
    }

    // AMI-77
    fn create_procedure(&mut self) -> Result<Statement> {
        let if_not_exists = self.c.words(&["if", "not", "exists"]);
        let name = self.c.name()?;
        self.amiscript_only()?;
        let options = self.use_options()?;
        Ok(Statement::AmiCreateProcedure { name, if_not_exists, options })
    }

    /// `OFTYPE AMISCRIPT`, the only type of procedures and timers.
    fn amiscript_only(&mut self) -> Result<()> {
        self.c.expect("oftype")?;
        let at = self.c.offset();
        let kind = self.c.name()?;
        if kind.eq_ignore_ascii_case("amiscript") {
            return Ok(());
        }
        Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("type \"{kind}\" does not exist"))
            .at(crate::error::Span(u32::try_from(at).unwrap_or(0))))
    }

    // AMI-79
    fn create_timer(&mut self) -> Result<Statement> {
        let if_not_exists = self.c.words(&["if", "not", "exists"]);
        let name = self.c.name()?;
        self.amiscript_only()?;
        self.c.expect("on")?;
        let schedule = match self.c.peek() {
            Some(Token::Text(text) | Token::Number(text)) => text.clone(),
            _ => return Err(self.c.error()),
        };
        self.c.at += 1;
        let priority = self.priority()?;
        let options = self.use_options()?;
        Ok(Statement::CreateTrigger(Box::new(TriggerSpec {
            name,
            if_not_exists,
            dialect: TIMER,
            kind: "timer".to_owned(),
            tables: Vec::new(),
            events: Vec::new(),
            timing: Timing::Committed,
            level: Level::Statement,
            when: None,
            priority,
            options,
            body: schedule,
            tag: "CREATE TIMER",
        })))
    }

    fn priority(&mut self) -> Result<i64> {
        if !self.c.word("priority") {
            return Ok(0);
        }
        let negative = self.c.mark('-');
        let Some(Token::Number(digits)) = self.c.peek() else { return Err(self.c.error()) };
        let text = if negative { format!("-{digits}") } else { digits.clone() };
        let Ok(number) = text.parse::<i64>() else { return Err(self.c.error()) };
        self.c.at += 1;
        Ok(number)
    }

    // AMI-77, AMI-78
    fn call(&mut self) -> Result<Statement> {
        let name = self.c.name()?;
        let start = self.c.offset();
        self.c.expect_mark('(')?;
        let mut args = Vec::new();
        while !self.c.is_mark(0, ')') {
            if self.c.done() {
                return Err(self.c.error());
            }
            let begin = self.c.offset();
            let sql = self.argument()?;
            args.push(
                crate::parse::standard::expr_text(&sql)
                    .map_err(|_| syntax_at("syntax error in an argument of CALL", begin.max(start)))?,
            );
            if !self.c.mark(',') {
                break;
            }
        }
        self.c.expect_mark(')')?;
        Ok(Statement::AmiCall { name, args })
    }

    /// An argument of CALL as standard SQL.
    fn argument(&mut self) -> Result<String> {
        let start = self.c.offset();
        let mut depth = 0usize;
        while let Some(token) = self.c.peek() {
            match token {
                Token::Mark('(') => depth += 1,
                Token::Mark(')') if depth == 0 => break,
                Token::Mark(')') => depth -= 1,
                Token::Mark(',') if depth == 0 => break,
                _ => {}
            }
            self.c.at += 1;
        }
        let text = self.c.text.get(start..self.c.offset()).unwrap_or_default();
        super::translate::expression(text).map_err(|error| crate::parse::standard::shift(error, start))
    }

    // AMI-80
    fn execute_at(&mut self) -> Result<Statement> {
        self.c.expect("use")?;
        let mut source = None;
        while !self.c.is(0, "execute") {
            let at = self.c.offset();
            let key = self.c.name()?;
            self.c.expect_mark('=')?;
            let value = match self.c.peek() {
                Some(Token::Text(text) | Token::Word(text) | Token::Name(text) | Token::Number(text)) => text.clone(),
                _ => return Err(self.c.error()),
            };
            self.c.at += 1;
            match key.to_ascii_lowercase().as_str() {
                "ds" => source = Some(value),
                // Limits of the foreign side.
                "timeout" | "limit" => {}
                _ => {
                    return Err(SqlError::new(
                        SqlState::INVALID_PARAMETER_VALUE,
                        format!("unrecognized option \"{key}\" of USE"),
                    )
                    .at(crate::error::Span(u32::try_from(at).unwrap_or(0))));
                }
            }
        }
        self.c.expect("execute")?;
        let text = self.c.rest().to_owned();
        self.c.at = self.c.tokens.len();
        let source = source.ok_or_else(|| {
            SqlError::new(SqlState::INVALID_PARAMETER_VALUE, "option \"ds\" is required for USE … EXECUTE")
        })?;
        Ok(Statement::AmiExecute { source, text })
    }

    // AMI-82
    fn create_trigger(&mut self) -> Result<Statement> {
        let if_not_exists = self.c.words(&["if", "not", "exists"]);
        let name = self.c.name()?;
        self.c.expect("oftype")?;
        let at = self.c.offset();
        let kind_word = self.c.name()?;
        let kind = kind_word.to_ascii_lowercase();
        if !matches!(kind.as_str(), "amiscript" | "aggregate" | "projection" | "join" | "decorate" | "relay") {
            return Err(SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("trigger type \"{kind_word}\" does not exist"),
            )
            .at(crate::error::Span(u32::try_from(at).unwrap_or(0))));
        }
        self.c.expect("on")?;
        let tables = self.c.list(Cursor::table)?;
        let enough = match kind.as_str() {
            "amiscript" => !tables.is_empty(),
            "aggregate" | "decorate" => tables.len() == 2,
            "projection" => tables.len() >= 2,
            "join" => tables.len() == 3,
            _ => tables.len() == 1,
        };
        if !enough {
            return Err(SqlError::new(
                SqlState::INVALID_OBJECT_DEFINITION,
                format!("wrong number of tables for OFTYPE {}", kind.to_ascii_uppercase()),
            ));
        }
        let priority = self.priority()?;
        let options = self.use_options()?;
        let timing = if kind == "relay" {
            Timing::Committed
        } else if kind == "amiscript" {
            Timing::Before
        } else {
            Timing::After
        };
        Ok(Statement::CreateTrigger(Box::new(TriggerSpec {
            name,
            if_not_exists,
            dialect: NAME,
            kind,
            tables,
            events: Vec::new(),
            timing,
            level: Level::Row,
            when: None,
            priority,
            options,
            body: String::new(),
            tag: "CREATE TRIGGER",
        })))
    }

    // AMI-20, AMI-21: keys keep their spelling; they are compared without case.
    fn use_options(&mut self) -> Result<Vec<(String, String)>> {
        let mut options: Vec<(String, String)> = Vec::new();
        if !self.c.word("use") {
            return Ok(options);
        }
        loop {
            let at = self.c.offset();
            let Some(Token::Word(key)) = self.c.peek() else {
                if options.is_empty() {
                    return Err(self.c.error());
                }
                return Ok(options);
            };
            let key = key.clone();
            if self.c.is(0, "as") && !self.c.is_mark(1, '=') {
                return Ok(options);
            }
            self.c.at += 1;
            self.c.expect_mark('=')?;
            if options.iter().any(|(old, _)| old.eq_ignore_ascii_case(&key)) {
                return Err(syntax_at(format!("option \"{key}\" is given twice"), at));
            }
            let negative = self.c.mark('-');
            let value = match self.c.peek() {
                Some(Token::Number(number)) => {
                    if negative {
                        format!("-{number}")
                    } else {
                        number.clone()
                    }
                }
                _ if negative => return Err(self.c.error()),
                Some(Token::Text(text)) => text.clone(),
                Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => {
                    word.to_ascii_lowercase()
                }
                _ => return Err(self.c.error()),
            };
            self.c.at += 1;
            options.push((key, value));
        }
    }

    // AMI-37
    fn create_table(&mut self, temporary: bool) -> Result<Statement> {
        let if_not_exists = self.c.words(&["if", "not", "exists"]);
        let name = self.c.name()?;
        let mut columns: Vec<(String, DataType, bool, Vec<(String, String)>)> = Vec::new();
        let listed = self.c.mark('(');
        if listed {
            loop {
                let at = self.c.offset();
                let column = self.c.name()?;
                if columns.iter().any(|(old, ..)| old.eq_ignore_ascii_case(&column)) {
                    return Err(SqlError::new(
                        SqlState::DUPLICATE_COLUMN,
                        format!("column \"{column}\" specified more than once"),
                    )
                    .at(crate::error::Span(u32::try_from(at).unwrap_or(0))));
                }
                let AmiType { ty, nonull, words } = self.column_type()?;
                columns.push((column, ty, nonull, words));
                if !self.c.mark(',') {
                    break;
                }
            }
            self.c.expect_mark(')')?;
        }
        let options = self.use_options()?;
        let mut query = None;
        if self.c.word("as") {
            let text = self.c.rest();
            let sql = if self.c.is(0, "use") { None } else { Some(super::translate::query_text(text)?) };
            let start = self.c.offset();
            query = Some(Box::new(match sql {
                Some(sql) => {
                    let (statement, params) = crate::parse::standard::statement(&sql)?;
                    crate::parse::standard::parsed(statement, &sql, start, NAME, params)
                }
                None => {
                    let (statement, params) = parse(text)?;
                    crate::parse::standard::parsed(statement, text, start, NAME, params)
                }
            }));
            self.c.at = self.c.tokens.len();
        } else if !listed {
            return Err(self.c.error());
        }
        Ok(Statement::AmiCreateTable(Box::new(AmiTableSpec {
            name,
            temporary,
            if_not_exists,
            columns,
            options,
            query,
        })))
    }

    // AMI-51
    fn create_index(&mut self) -> Result<Statement> {
        let if_not_exists = self.c.words(&["if", "not", "exists"]);
        let name = self.c.name()?;
        self.c.expect("on")?;
        let table = self.c.table()?;
        self.c.expect_mark('(')?;
        let columns = self.c.list(|c| {
            let column = c.name()?;
            let kind = ["hash", "sort", "series"].iter().find(|word| c.word(word));
            Ok((
                column,
                kind.map_or("HASH", |word| match *word {
                    "sort" => "SORT",
                    "series" => "SERIES",
                    _ => "HASH",
                })
                .to_owned(),
            ))
        })?;
        self.c.expect_mark(')')?;
        let options = self.use_options()?;
        Ok(Statement::AmiCreateIndex(Box::new(AmiIndexSpec { name, table, if_not_exists, columns, options })))
    }
}

/// The PostgreSQL type of an AMI type word (AMI-15).
pub(super) fn data_type(name: &str) -> Option<DataType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "byte" => DataType::AMI_BYTE,
        "short" => DataType::INT2,
        "int" | "integer" => DataType::INT4,
        "long" => DataType::INT8,
        "float" => DataType::FLOAT4,
        "double" => DataType::FLOAT8,
        "boolean" => DataType::BOOL,
        "char" | "character" => DataType::with_typmod(oid::BPCHAR, 5),
        "string" | "enum" => DataType::TEXT,
        "complex" => DataType::AMI_COMPLEX,
        "utc" | "utcn" => DataType::TIMESTAMPTZ,
        "biginteger" | "bigdecimal" => DataType::NUMERIC,
        "uuid" => DataType::UUID,
        "binary" => DataType::BYTEA,
        _ => return None,
    })
}

/// A conversion to the type of an AMI type word, in SQL (AMI-32).
pub(super) fn conversion(value: &str, name: &str) -> Option<String> {
    let ty = data_type(name)?;
    // SQL has no name for these.
    match ty {
        DataType::AMI_BYTE => return Some(format!("ami.byte({value})")),
        DataType::AMI_COMPLEX => return Some(format!("ami.complex({value})")),
        _ => {}
    }
    let name = match ty.oid {
        oid::INT2 => "int2",
        oid::INT4 => "int4",
        oid::INT8 => "int8",
        oid::FLOAT4 => "float4",
        oid::FLOAT8 => "float8",
        oid::BOOL => "bool",
        oid::BPCHAR => "bpchar(1)",
        oid::TIMESTAMPTZ => "timestamptz",
        oid::NUMERIC => "numeric",
        oid::UUID => "uuid",
        oid::BYTEA => "bytea",
        _ => "text",
    };
    Some(format!("ami.cast({value}, NULL::{name})"))
}
