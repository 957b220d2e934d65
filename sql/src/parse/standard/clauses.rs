//! More clauses that the library's trees have no place for, rewritten as `rewrite` does, each where it stands.
//!
//! | text | becomes |
//! |---|---|
//! | `(ORDER BY a ROWS … EXCLUDE TIES)` | `(ORDER BY a, \0exclude ties ROWS …)` |
//! | `x = ANY (VALUES (1), (2))` | `x = ANY (SELECT * FROM (VALUES (1), (2)) AS "*VALUES*")` |
//! | `1 + (VALUES (2) LIMIT 1)` | `1 + (SELECT * FROM (VALUES (2)) AS "*VALUES*" LIMIT 1)` |
//! | `INSERT INTO t (VALUES (1))` | `INSERT INTO t VALUES (1)` |
//! | MERGE's `INSERT DEFAULT VALUES` | `INSERT (\0defaults) VALUES (NULL)` |
//! | `CREATE TABLE t (LIKE s INCLUDING ALL, …)` | a column `\0like including all\0s` |
//! | `x IN ((SELECT 1), 2)` | `x IN (CASE WHEN TRUE THEN (SELECT 1) END, 2)` |
//! | `ROWS FROM (f(1), g(2))` | a call `\0rows from (f(1), g(2))` |
//! | `f(a, VARIADIC b)` | `f(a, \0variadic => b)` |
//! | `TRIM(LEADING FROM x)` | `TRIM(LEADING ' ' FROM x)` |
//! | `… UNION TABLE t`, `INSERT INTO u TABLE t` | `… UNION SELECT * FROM t` |

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::rewrite::{closing, marked, plain, unmark, word, words};
use crate::error::Result;
use crate::parse::lex;

/// Rewrites the clauses of the table above, where there are any.
pub(super) fn rewrite(text: &str, tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let keyword = |token: &TokenWithSpan| match &token.token {
        Token::Word(word) if word.quote_style.is_none() => word.keyword,
        _ => Keyword::NoKeyword,
    };
    let mut tokens = tokens;
    let (mut excludes, mut quantifies, mut rows, mut lists, mut variadic) = (false, false, false, false, false);
    let (mut values, mut tables, mut trims) = (0, false, false);
    for token in &tokens {
        match keyword(token) {
            Keyword::EXCLUDE => excludes = true,
            Keyword::ANY | Keyword::SOME | Keyword::ALL => quantifies = true,
            Keyword::ROWS => rows = true,
            Keyword::IN => lists = true,
            Keyword::VALUES => values += 1,
            Keyword::TABLE => tables = true,
            Keyword::TRIM => trims = true,
            _ => variadic |= word(token, "variadic"),
        }
    }
    match tokens.first().map(keyword) {
        Some(Keyword::MERGE | Keyword::WITH) => tokens = merge_defaults(tokens),
        Some(Keyword::CREATE) => tokens = likes(text, tokens),
        _ => {}
    }
    if excludes {
        tokens = frame_exclusions(tokens);
    }
    if quantifies {
        tokens = quantified_values(tokens);
    }
    if values > 0 {
        tokens = value_lists(tokens);
    }
    if rows {
        tokens = rows_from(tokens);
    }
    if trims {
        tokens = trimmed_blanks(tokens);
    }
    if tables {
        tokens = table_queries(tokens);
    }
    if lists {
        tokens = subqueries_first(tokens);
    }
    let defines =
        |token: &TokenWithSpan| word(token, "function") || word(token, "procedure") || word(token, "aggregate");
    if variadic && !tokens.iter().take(4).any(defines) {
        tokens = variadic_arguments(tokens);
    }
    tokens
}

/// TRIM with a side and no characters: blanks are meant.
fn trimmed_blanks(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 1);
    for token in tokens {
        let sided = match out.as_slice() {
            [.., trim, open, side] => {
                word(trim, "trim")
                    && open.token == Token::LParen
                    && ["leading", "trailing", "both"].iter().any(|name| word(side, name))
            }
            _ => false,
        };
        if sided && word(&token, "from") {
            out.push(symbol(Token::SingleQuotedString(" ".to_owned()), &token));
        }
        out.push(token);
    }
    out
}

/// `TABLE name` where a query may stand, not as a statement's beginning.
fn table_queries(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let any = |at: usize, names: &[&str]| tokens.get(at).is_some_and(|t| names.iter().any(|name| word(t, name)));
    let inserts = any(0, &["insert"]);
    let makes = any(0, &["create", "prepare", "declare", "explain"]);
    let query = |at: usize| {
        let named = matches!(tokens.get(at + 1).map(|t| &t.token), Some(Token::Word(_)));
        if at == 0 || !named || !word(&tokens[at], "table") {
            return false;
        }
        let sets = &["union", "except", "intersect"];
        let before = at - 1;
        any(before, sets)
            || any(before, &["all", "distinct"]) && before > 0 && any(before - 1, sets)
            || makes && any(before, &["as", "for"]) && before > 1
            || tokens[before].token == Token::LParen && (!any(0, &["create"]) || before > 3)
            || inserts && !(1..at).any(|at| any(at, &["select", "values", "with", "default", "set"]))
    };
    if !(1..tokens.len()).any(query) {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len() + 2);
    for (at, token) in tokens.iter().enumerate() {
        if query(at) {
            out.extend([plain("select", token), symbol(Token::Mul, token), plain("from", token)]);
        } else {
            out.push(token.clone());
        }
    }
    out
}

/// The mark stands where an argument's name would.
fn variadic_arguments(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 1);
    for token in tokens {
        let begins = out.last().is_some_and(|before| matches!(before.token, Token::LParen | Token::Comma));
        if begins && word(&token, "variadic") {
            out.push(marked("variadic", &token));
            out.push(symbol(Token::RArrow, &token));
        } else {
            out.push(token);
        }
    }
    out
}

/// Whether an argument's name stands for VARIADIC.
#[must_use]
pub fn is_variadic_mark(name: &ast::Ident) -> bool {
    unmark(name) == Some("variadic")
}

fn symbol(token: Token, like: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan { token, span: like.span }
}

/// The exclusion goes to the end of ORDER BY, whose list takes a name more.
fn frame_exclusions(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let forms: [(&[&str], &str); 4] = [
        (&["current", "row"], "exclude current row"),
        (&["group"], "exclude group"),
        (&["ties"], "exclude ties"),
        (&["no", "others"], "exclude no others"),
    ];
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let form = forms.iter().find(|(texts, _)| word(&tokens[at], "exclude") && words(&tokens, at + 1, texts));
        let (Some((texts, name)), Some((units, ordered))) = (form, frame_start(&out)) else {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        };
        let like = tokens[at].clone();
        let mut added =
            if ordered { vec![symbol(Token::Comma, &like)] } else { vec![plain("order", &like), plain("by", &like)] };
        added.push(marked(name, &like));
        out.splice(units..units, added);
        at += 1 + texts.len();
    }
    out
}

/// Where the frame clause begins that these tokens end in, and whether an ORDER BY stands before it.
fn frame_start(tokens: &[TokenWithSpan]) -> Option<(usize, bool)> {
    let (mut depth, mut units) = (0usize, None);
    for (at, token) in tokens.iter().enumerate().rev() {
        match token.token {
            Token::RParen => depth += 1,
            Token::LParen if depth == 0 => return units.map(|units| (units, false)),
            Token::LParen => depth -= 1,
            _ if depth > 0 => {}
            _ if units.is_none() && ["rows", "range", "groups"].iter().any(|name| word(token, name)) => {
                units = Some(at);
            }
            _ if word(token, "order") => return units.map(|units| (units, true)),
            _ => {}
        }
    }
    None
}

/// A list of rows under a quantifier becomes a query.
fn quantified_values(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let begins = |at: usize| {
        ["any", "some", "all"].iter().any(|name| word(&tokens[at], name))
            && tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen)
            && tokens.get(at + 2).is_some_and(|t| word(t, "values"))
    };
    if !(0..tokens.len()).any(begins) {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len() + 8);
    let mut ends = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if ends.last() == Some(&at) {
            ends.pop();
            out.push(token.clone());
            out.push(plain("as", token));
            out.push(symbol(Token::make_word("*VALUES*", Some('"')), token));
        }
        out.push(token.clone());
        if at > 0 && begins(at - 1) {
            if let Some(end) = closing(&tokens, at) {
                ends.push(end);
                out.push(plain("select", token));
                out.push(symbol(Token::Mul, token));
                out.push(plain("from", token));
                out.push(symbol(Token::LParen, token));
            }
        }
    }
    out
}

/// Words behind which the library takes `(VALUES …)` for the query that it is.
const BEFORE_QUERIES: &[&str] = &[
    "from",
    "join",
    "lateral",
    "as",
    "in",
    "exists",
    "array",
    "any",
    "some",
    "all",
    "union",
    "except",
    "intersect",
    "distinct",
    "copy",
];

/// `(VALUES …)` where an expression stands becomes a query that selects from the list; around the list of an INSERT the
/// parentheses go.
fn value_lists(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is = |at: usize, wanted: &Token| tokens.get(at).is_some_and(|token| token.token == *wanted);
    let any = |at: usize, names: &[&str]| names.iter().any(|name| word(&tokens[at], name));
    let begins = |at: usize| {
        is(at, &Token::LParen)
            && tokens.get(at + 1).is_some_and(|token| word(token, "values"))
            && is(at + 2, &Token::LParen)
    };
    // Tokens that go, and those before which others are put: `true` where a list begins, `false` where it has ended.
    let (mut gone, mut added) = (Vec::new(), Vec::new());
    for at in (0..tokens.len()).filter(|at| begins(*at)) {
        // The first of the parentheses that open here, and what stands before it.
        let first = (0..at).rev().take_while(|before| is(*before, &Token::LParen)).last().unwrap_or(at);
        let Some(before) = first.checked_sub(1) else { continue };
        let outer = closing(&tokens, first);
        let ends = outer.is_some_and(|outer| {
            outer + 1 >= tokens.len()
                || is(outer + 1, &Token::EOF)
                || is(outer + 1, &Token::SemiColon)
                || any(outer + 1, &["on", "returning"])
        });
        let target =
            any(0, &["insert"]) && (0..first).all(|at| !any(at, &["select", "values", "with", "table", "set"]));
        if target && ends {
            for open in first..=at {
                gone.extend([Some(open), closing(&tokens, open)].into_iter().flatten());
            }
        } else if !any(before, BEFORE_QUERIES) {
            let mut end = closing(&tokens, at + 2);
            while let Some(last) = end {
                if !(is(last + 1, &Token::Comma) && is(last + 2, &Token::LParen)) {
                    break;
                }
                end = closing(&tokens, last + 2);
            }
            if let Some(end) = end {
                added.extend([(at + 1, true), (end + 1, false)]);
            }
        }
    }
    if gone.is_empty() && added.is_empty() {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len() + 7 * added.len());
    for (at, token) in tokens.iter().enumerate() {
        for (_, begins) in added.iter().filter(|(place, _)| *place == at) {
            if *begins {
                out.extend(["select", "*", "from"].map(|text| match text {
                    "*" => symbol(Token::Mul, token),
                    text => plain(text, token),
                }));
                out.push(symbol(Token::LParen, token));
            } else {
                out.push(symbol(Token::RParen, token));
                out.push(plain("as", token));
                out.push(symbol(Token::make_word("*VALUES*", Some('"')), token));
            }
        }
        if !gone.contains(&at) {
            out.push(token.clone());
        }
    }
    out
}

/// A list whose first item is a subquery: the library would take that for all of it.
fn subqueries_first(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is = |at: usize, wanted: &Token| tokens.get(at).is_some_and(|token| token.token == *wanted);
    let query = |open: usize| {
        let inner = (open..tokens.len()).find(|at| !is(*at, &Token::LParen))?;
        let begins = ["select", "with"].iter().any(|text| word(&tokens[inner], text));
        closing(&tokens, open).filter(|end| begins && is(end + 1, &Token::Comma))
    };
    let (mut out, mut ends) = (Vec::with_capacity(tokens.len()), Vec::new());
    for (at, token) in tokens.iter().enumerate() {
        let first = at > 1 && is(at, &Token::LParen) && is(at - 1, &Token::LParen) && word(&tokens[at - 2], "in");
        if let Some(end) = first.then(|| query(at)).flatten() {
            out.extend(["case", "when", "true", "then"].map(|text| plain(text, token)));
            ends.push(end);
        }
        out.push(token.clone());
        if ends.last() == Some(&at) {
            ends.pop();
            out.push(plain("end", token));
        }
    }
    out
}

fn merge_defaults(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let form = ["then", "insert", "default", "values"];
    if !(0..tokens.len()).any(|at| words(&tokens, at, &form)) {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len() + 6);
    let mut at = 0;
    while at < tokens.len() {
        if !words(&tokens, at, &form) {
            out.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let like = &tokens[at + 2];
        out.extend([tokens[at].clone(), tokens[at + 1].clone(), symbol(Token::LParen, like)]);
        out.extend([marked("defaults", like), symbol(Token::RParen, like), tokens[at + 3].clone()]);
        out.extend([symbol(Token::LParen, like), plain("null", like), symbol(Token::RParen, like)]);
        at += form.len();
    }
    out
}

/// LIKE among the elements of CREATE TABLE.
fn likes(text: &str, tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let table = tokens.iter().take(4).any(|t| word(t, "table"));
    let open = tokens.iter().position(|t| t.token == Token::LParen);
    let (true, Some(open)) = (table && tokens.iter().any(|t| word(t, "like")), open) else { return tokens };
    let mut out = Vec::with_capacity(tokens.len());
    let (mut depth, mut at) = (0usize, 0);
    while at < tokens.len() {
        let token = &tokens[at];
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        let begins = at > open && depth == 1 && matches!(tokens[at - 1].token, Token::LParen | Token::Comma);
        if !(begins && word(token, "like")) {
            out.push(token.clone());
            at += 1;
            continue;
        }
        let first = at + 1;
        let mut end = first;
        while matches!(tokens.get(end).map(|t| &t.token), Some(Token::Word(_)))
            && tokens.get(end + 1).is_some_and(|t| t.token == Token::Period)
        {
            end += 2;
        }
        end += 1;
        let mut options = String::new();
        while tokens.get(end).is_some_and(|t| word(t, "including") || word(t, "excluding")) {
            for token in tokens.iter().skip(end).take(2) {
                if let Token::Word(word) = &token.token {
                    options.push(' ');
                    options.push_str(&word.value.to_ascii_lowercase());
                }
            }
            end += 2;
        }
        let last = tokens.get(end - 1).map_or(text.len(), lex::end_of);
        let from = tokens.get(first).map_or(last, lex::offset_of);
        let name = text.get(from.min(last)..last).unwrap_or_default();
        let named = name.split_whitespace().next().unwrap_or_default();
        let named = if options.is_empty() { name } else { cut_options(name).unwrap_or(named) };
        out.push(marked(&format!("like{options}\0{named}"), token));
        out.push(plain("int", token));
        at = end;
    }
    out
}

/// The name before the first INCLUDING or EXCLUDING.
fn cut_options(text: &str) -> Option<&str> {
    let lower = text.to_ascii_lowercase();
    let at = [" including", " excluding"].iter().filter_map(|word| lower.find(word)).min()?;
    text.get(..at).map(str::trim_end)
}

fn rows_from(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let begins = |tokens: &[TokenWithSpan], at: usize| {
        words(tokens, at, &["rows", "from"]) && tokens.get(at + 2).is_some_and(|t| t.token == Token::LParen)
    };
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if begins(&tokens, at) {
            out.push(marked("rows from", &tokens[at]));
            at += 2;
        } else {
            out.push(tokens[at].clone());
            at += 1;
        }
    }
    out
}

/// What the frame of a window leaves out, if this sort key stands for that: the words after EXCLUDE.
#[must_use]
pub fn exclude_mark(key: &ast::Expr) -> Option<&str> {
    match key {
        ast::Expr::Identifier(ident) => unmark(ident)?.strip_prefix("exclude "),
        _ => None,
    }
}

/// Whether the columns of MERGE's INSERT stand for DEFAULT VALUES.
#[must_use]
pub fn is_defaults_mark(columns: &[ast::ObjectName]) -> bool {
    match columns {
        [only] => {
            matches!(only.0.as_slice(), [ast::ObjectNamePart::Identifier(ident)] if unmark(ident) == Some("defaults"))
        }
        _ => false,
    }
}

/// Whether this is the call that stands for ROWS FROM.
#[must_use]
pub fn is_rows_from_mark(name: &ast::ObjectName) -> bool {
    matches!(name.0.as_slice(), [ast::ObjectNamePart::Identifier(ident)] if unmark(ident) == Some("rows from"))
}

/// A table whose columns are copied: its name, and what is copied with them (`including defaults` …, in order).
#[derive(Debug)]
pub struct LikeTable {
    /// Name of the table.
    pub name: ast::ObjectName,
    /// Words: `including` or `excluding`, then of what.
    pub options: Vec<(bool, String)>,
}

/// The LIKE that a column stands for, if it does.
///
/// # Errors
/// 42601 if the name is none.
pub fn like_mark(column: &ast::Ident) -> Result<Option<LikeTable>> {
    let Some((options, name)) = unmark(column).and_then(|text| text.strip_prefix("like")?.split_once('\0')) else {
        return Ok(None);
    };
    let words: Vec<&str> = options.split_ascii_whitespace().collect();
    let options =
        words.chunks(2).map(|pair| (pair[0] == "including", pair.get(1).map_or(String::new(), |w| (*w).to_owned())));
    Ok(Some(LikeTable { name: super::name_text(name)?, options: options.collect() }))
}
