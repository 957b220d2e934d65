//! Clauses that the library's trees have no place for, carried by identifiers that no text can spell.
//!
//! Before the library parses, tokens of such clauses are replaced by a marked identifier (its first character is NUL) in
//! a place where the library keeps a list of names: this works at any depth, also inside WITH. `insert_statement` and
//! `lock_clause` read the marks back; no other code may look at them.
//!
//! | text | becomes |
//! |---|---|
//! | `INSERT INTO t (a) OVERRIDING SYSTEM VALUE …` | a column `\0system` (or `\0user`) at the end of the list |
//! | `ON CONFLICT (a, lower(b)) WHERE p DO …` | targets `a`, `\0expr lower(b)`, `\0where p` |
//! | `FOR NO KEY UPDATE OF a, b NOWAIT` | `FOR UPDATE OF \0no key update.a NOWAIT FOR UPDATE OF \0no key update.b NOWAIT` |
//! | `SET a[1] = v`, `SET a[1:2] = v` | `SET a.\0at 1 = v`, `SET a.\0at 1:2 = v` |
//! | `(row).*`; `t.*` where it is a value: `f(t.*)`, `t.* IS NULL` | `(row).\0*`; `t.\0*` |
//! | `FOREIGN KEY (a, b) … ON DELETE SET NULL (b)` | a column `\0delete b` at the end of the list |
//! | `AS IDENTITY (options in any order)` | the options in the order that the library wants |

use sqlparser::ast;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::cursor::near;
use super::grammar::{mark, starts_no_expression};
use crate::error::Result;
use crate::parse::lex;
use crate::parse::names::object_name;
use crate::parse::{InsertStatement, LockStrength, ObjectName, RowLock};

pub(super) fn word(token: &TokenWithSpan, text: &str) -> bool {
    matches!(&token.token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(text))
}

pub(super) fn words(tokens: &[TokenWithSpan], at: usize, texts: &[&str]) -> bool {
    texts.iter().enumerate().all(|(n, text)| tokens.get(at + n).is_some_and(|t| word(t, text)))
}

/// Index of the parenthesis that closes the one at `open`.
pub(super) fn closing(tokens: &[TokenWithSpan], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (n, token) in tokens.iter().enumerate().skip(open) {
        match token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth -= 1;
                if depth == 0 {
                    return Some(n);
                }
            }
            _ => {}
        }
    }
    None
}

pub(super) fn marked(text: &str, like: &TokenWithSpan) -> TokenWithSpan {
    let ident = mark(text);
    TokenWithSpan {
        token: Token::Word(sqlparser::tokenizer::Word {
            value: ident.value,
            quote_style: Some('"'),
            keyword: Keyword::NoKeyword,
        }),
        span: like.span,
    }
}

pub(super) fn plain(text: &str, like: &TokenWithSpan) -> TokenWithSpan {
    TokenWithSpan { token: Token::make_word(text, None), span: like.span }
}

/// Rewrites the clauses of the table above, where there are any.
///
/// # Errors
/// 42601 for a clause that is malformed inside.
pub(crate) fn rewrite(text: &str, tokens: Vec<TokenWithSpan>) -> Result<Vec<TokenWithSpan>> {
    let mut tokens = without_noise(tokens);
    if tokens.iter().any(|t| word(t, "operator") || word(t, "search") || word(t, "cycle")) {
        tokens = super::search::rewrite(text, named_operators(tokens))?;
    }
    let mut tokens = super::clauses::rewrite(text, element_targets(text, tokens));
    for at in 2..tokens.len() {
        if let [Token::RParen, Token::Period, Token::Mul] =
            [&tokens[at - 2].token, &tokens[at - 1].token, &tokens[at].token]
        {
            tokens[at] = marked("*", &tokens[at]);
        }
    }
    whole_rows(&mut tokens);
    set_columns(&mut tokens);
    let needed = tokens.iter().any(|t| match &t.token {
        Token::Word(w) => {
            matches!(w.keyword, Keyword::CONFLICT | Keyword::IDENTITY | Keyword::FOR)
                || w.keyword == Keyword::NoKeyword
                    && w.quote_style.is_none()
                    && w.value.eq_ignore_ascii_case("overriding")
        }
        _ => false,
    });
    // The library takes any word for a table's name.
    for (at, pair) in tokens.windows(2).enumerate() {
        let [first, second] = pair else { continue };
        if !(word(first, "from") || word(first, "join") || word(first, "into"))
            || at > 0 && tokens[at - 1].token == Token::Period
        {
            continue;
        }
        if let Token::Word(name) = &second.token
            && name.quote_style.is_none()
            && starts_no_expression(name.keyword)
        {
            return Err(near(text, lex::offset_of(second), lex::end_of(second)));
        }
    }
    if !needed {
        return Ok(tokens);
    }
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len() + 8);
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        let keyword = match &token.token {
            Token::Word(w) if w.quote_style.is_none() => w.keyword,
            _ => {
                out.push(token.clone());
                at += 1;
                continue;
            }
        };
        match keyword {
            Keyword::NoKeyword
                if at > 0 && word(token, "overriding") && tokens.get(at + 2).is_some_and(|t| word(t, "value")) =>
            {
                let kind = if word(&tokens[at + 1], "system") {
                    "system"
                } else if word(&tokens[at + 1], "user") {
                    "user"
                } else {
                    out.push(token.clone());
                    at += 1;
                    continue;
                };
                let listed = out.last().is_some_and(|t| t.token == Token::RParen);
                let like = |token: Token| TokenWithSpan { token, span: tokens[at].span };
                if listed {
                    out.pop();
                    out.push(like(Token::Comma));
                } else {
                    out.push(like(Token::LParen));
                }
                out.push(marked(kind, token));
                out.push(like(Token::RParen));
                at += 3;
            }
            Keyword::CONFLICT if tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen) => {
                at = conflict(text, &tokens, at, &mut out)?;
            }
            Keyword::FOR
                if tokens
                    .get(at + 1)
                    .is_some_and(|t| word(t, "update") || word(t, "share") || word(t, "no") || word(t, "key")) =>
            {
                at = locks(&tokens, at, &mut out)?;
            }
            Keyword::IDENTITY if tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen) => {
                out.push(token.clone());
                at = identity(text, &tokens, at + 1, &mut out)?;
            }
            _ => {
                out.push(token.clone());
                at += 1;
            }
        }
    }
    Ok(out)
}

/// `OPERATOR(pg_catalog.=) ANY (…)` and `OPERATOR(pg_catalog.-) x` become `= ANY (…)` and `- x`; the library reads the
/// form between two operands. Operators of other schemas are left: there are none.
fn named_operators(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let before_operand = |token: &TokenWithSpan| {
        matches!(token.token, Token::LParen | Token::Comma | Token::Eq)
            || ["select", "where", "and", "or", "not", "when", "then", "else", "on", "by", "returning"]
                .iter()
                .any(|text| word(token, text))
    };
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let open = tokens.get(at + 1).is_some_and(|t| t.token == Token::LParen);
        let qualified =
            words(&tokens, at + 2, &["pg_catalog"]) && tokens.get(at + 3).is_some_and(|t| t.token == Token::Period);
        let operator = if qualified { at + 4 } else { at + 2 };
        if word(&tokens[at], "operator")
            && open
            && tokens.get(operator + 1).is_some_and(|t| t.token == Token::RParen)
            && !matches!(tokens[operator].token, Token::Word(_))
        {
            let quantified =
                tokens.get(operator + 2).is_some_and(|t| ["any", "all", "some"].iter().any(|text| word(t, text)));
            if quantified || out.last().is_some_and(before_operand) {
                out.push(tokens[operator].clone());
                at = operator + 2;
                continue;
            }
        }
        out.push(tokens[at].clone());
        at += 1;
    }
    out
}

/// Removes what has no meaning here and the library cannot read: ONLY (there are no child tables), TABLESPACE, a
/// function's COST and ROWS, NOT VALID of a new table's constraint, parentheses around FETCH FIRST's number.
fn without_noise(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let any = ["only", "tablespace", "cost", "rows", "first", "next", "valid"];
    let noisy = tokens
        .iter()
        .any(|t| matches!(&t.token, Token::Word(w) if any.iter().any(|n| w.value.eq_ignore_ascii_case(n))));
    if !noisy {
        return tokens;
    }
    let create = tokens.first().is_some_and(|t| word(t, "create"));
    let function = create && tokens.iter().take(4).any(|t| word(t, "function") || word(t, "procedure"));
    let mut drop = vec![false; tokens.len()];
    for at in 1..tokens.len() {
        let token = &tokens[at];
        let after = |text: &str| word(&tokens[at - 1], text);
        let name_follows = matches!(tokens.get(at + 1).map(|t| &t.token), Some(Token::Word(_)));
        // A constraint of a new table has no rows that it could not hold for.
        if create
            && at > 1
            && word(token, "valid")
            && after("not")
            && matches!(tokens.get(at + 1).map(|t| &t.token), Some(Token::Comma | Token::RParen))
            && (tokens[at - 2].token == Token::RParen
                || ["deferred", "immediate", "deferrable", "full", "cascade", "restrict", "action", "null", "default"]
                    .iter()
                    .any(|text| word(&tokens[at - 2], text)))
        {
            drop[at - 1] = true;
            drop[at] = true;
        }
        if word(token, "only")
            && name_follows
            && (after("update") || after("from") || after("join") || create && after("on"))
        {
            drop[at] = true;
        } else if create && word(token, "tablespace") && name_follows && !after("create") {
            drop[at] = true;
            drop[at + 1] = true;
            if at > 1 && after("index") && word(&tokens[at - 2], "using") {
                drop[at - 1] = true;
                drop[at - 2] = true;
            }
        } else if function
            && (word(token, "cost") || word(token, "rows"))
            && matches!(tokens.get(at + 1).map(|t| &t.token), Some(Token::Number(..)))
        {
            drop[at] = true;
            drop[at + 1] = true;
        } else if token.token == Token::LParen
            && at > 1
            && (after("first") || after("next"))
            && word(&tokens[at - 2], "fetch")
            && tokens.get(at + 2).is_some_and(|t| t.token == Token::RParen)
        {
            drop[at] = true;
            drop[at + 2] = true;
        }
    }
    let mut keep = drop.into_iter();
    tokens.into_iter().filter(|_| !keep.next().unwrap_or(false)).collect()
}

/// After a syntax error: the name of a form that PostgreSQL has and this version does not read, if the text holds one.
pub(crate) fn unread_form(tokens: &[TokenWithSpan]) -> Option<&'static str> {
    let forms: [(&[&str], &str); 9] = [
        (&["current", "of"], "WHERE CURRENT OF"),
        (&["group", "by", "distinct"], "GROUP BY DISTINCT"),
        (&["is", "of"], "IS OF"),
        (&["is", "not", "of"], "IS OF"),
        (&["search", "breadth"], "SEARCH"),
        (&["search", "depth"], "SEARCH"),
        (&["begin", "atomic"], "BEGIN ATOMIC"),
        (&["add", "attribute"], "ALTER TYPE ADD ATTRIBUTE"),
        (&["range", "between"], "an interval as a frame bound"),
    ];
    if let Some((_, name)) = forms.iter().find(|(texts, _)| (0..tokens.len()).any(|at| words(tokens, at, texts))) {
        return Some(name);
    }
    tokens.windows(3).find_map(|three| {
        let [a, b, c] = three else { return None };
        match (&a.token, &b.token, &c.token) {
            (Token::RParen, Token::Word(_), Token::LParen) if word(b, "as") => {
                Some("a column definition list without alias")
            }
            (Token::RParen, Token::Word(_), Token::Word(_))
                if word(b, "as") && tokens.iter().any(|t| word(t, "using")) =>
            {
                Some("an alias of JOIN … USING")
            }
            (Token::Word(_), Token::LBracket, _)
                if tokens.first().is_some_and(|t| word(t, "update") || word(t, "insert")) =>
            {
                Some("an assignment to an element")
            }
            _ => None,
        }
    })
}

/// `CONFLICT ( targets ) [WHERE p]`; returns the index after it.
fn conflict(text: &str, tokens: &[TokenWithSpan], start: usize, out: &mut Vec<TokenWithSpan>) -> Result<usize> {
    let open = start + 1;
    let Some(close) = closing(tokens, open) else {
        out.push(tokens[start].clone());
        return Ok(start + 1);
    };
    out.push(tokens[start].clone());
    out.push(tokens[open].clone());
    let mut from = open + 1;
    let mut depth = 0usize;
    for at in open + 1..=close {
        match tokens[at].token {
            Token::LParen => depth += 1,
            Token::RParen if at < close => depth = depth.saturating_sub(1),
            Token::Comma if depth == 0 => {}
            _ if at < close => continue,
            _ => {}
        }
        if depth > 0 || !(at == close || tokens[at].token == Token::Comma) {
            continue;
        }
        if from == at {
            return Err(near(text, lex::offset_of(&tokens[at]), lex::end_of(&tokens[at])));
        }
        if at == from + 1 && matches!(tokens[from].token, Token::Word(_)) {
            out.push(tokens[from].clone());
        } else {
            let slice = &text[lex::offset_of(&tokens[from])..lex::end_of(&tokens[at - 1])];
            out.push(marked(&format!("expr {slice}"), &tokens[from]));
        }
        if at < close {
            out.push(tokens[at].clone());
        }
        from = at + 1;
    }
    let mut next = close + 1;
    if tokens.get(next).is_some_and(|t| word(t, "where")) {
        let from = next + 1;
        let mut depth = 0usize;
        let mut end = from;
        while let Some(token) = tokens.get(end) {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 0 => break,
                Token::RParen => depth -= 1,
                _ if depth == 0 && word(token, "do") => break,
                _ => {}
            }
            end += 1;
        }
        if end == from || end >= tokens.len() {
            let at = end.min(tokens.len() - 1);
            return Err(near(text, lex::offset_of(&tokens[at]), lex::end_of(&tokens[at])));
        }
        let slice = &text[lex::offset_of(&tokens[from])..lex::end_of(&tokens[end - 1])];
        out.push(TokenWithSpan { token: Token::Comma, span: tokens[next].span });
        out.push(marked(&format!("where {slice}"), &tokens[from]));
        next = end;
    }
    out.push(tokens[close].clone());
    Ok(next)
}

/// `FOR strength [OF a, b] [NOWAIT | SKIP LOCKED]`; returns the index after it.
fn locks(tokens: &[TokenWithSpan], start: usize, out: &mut Vec<TokenWithSpan>) -> Result<usize> {
    let strengths: [(&[&str], &str); 4] = [
        (&["update"], "update"),
        (&["share"], "share"),
        (&["no", "key", "update"], "no key update"),
        (&["key", "share"], "key share"),
    ];
    let Some((taken, strength)) = strengths.into_iter().find(|(texts, _)| words(tokens, start + 1, texts)) else {
        out.push(tokens[start].clone());
        return Ok(start + 1);
    };
    let mut at = start + 1 + taken.len();
    let mut tables: Vec<Vec<TokenWithSpan>> = Vec::new();
    if tokens.get(at).is_some_and(|t| word(t, "of")) {
        at += 1;
        loop {
            let mut name = Vec::new();
            while let Some(token) = tokens.get(at)
                && matches!(token.token, Token::Word(_) | Token::Period)
            {
                let is_name = matches!(token.token, Token::Word(_));
                let follows_name = name.last().is_some_and(|t: &TokenWithSpan| matches!(t.token, Token::Word(_)));
                if is_name && follows_name {
                    break;
                }
                name.push(token.clone());
                at += 1;
            }
            tables.push(name);
            if tokens.get(at).is_some_and(|t| t.token == Token::Comma) {
                at += 1;
            } else {
                break;
            }
        }
    }
    let wait_from = at;
    if tokens.get(at).is_some_and(|t| word(t, "nowait")) {
        at += 1;
    } else if words(tokens, at, &["skip", "locked"]) {
        at += 2;
    }
    let wait = &tokens[wait_from..at];
    let like = &tokens[start];
    let simple = matches!(strength, "update" | "share");
    let mut one = |table: Option<&Vec<TokenWithSpan>>| {
        out.push(like.clone());
        out.push(plain(if matches!(strength, "share" | "key share") { "share" } else { "update" }, like));
        if table.is_some() || !simple {
            out.push(plain("of", like));
        }
        if !simple {
            out.push(marked(strength, like));
            if table.is_some() {
                out.push(TokenWithSpan { token: Token::Period, span: like.span });
            }
        }
        if let Some(table) = table {
            out.extend(table.iter().cloned());
        }
        out.extend(wait.iter().cloned());
    };
    if tables.is_empty() {
        one(None);
    }
    for table in &tables {
        one(Some(table));
    }
    Ok(at)
}

/// The columns behind ON DELETE SET NULL and SET DEFAULT, moved to the end of the key's list.
fn set_columns(tokens: &mut Vec<TokenWithSpan>) {
    let mut from = 0;
    loop {
        let is_key = |at: &usize| {
            words(tokens, *at, &["foreign", "key"]) && tokens.get(at + 2).is_some_and(|t| t.token == Token::LParen)
        };
        let Some(key) = (from..tokens.len()).find(is_key) else { return };
        from = key + 2;
        let Some(list_end) = closing(tokens, key + 2) else { return };
        let next = (list_end..tokens.len()).find(is_key).unwrap_or(tokens.len());
        let sets = |at: &usize| {
            (words(tokens, *at, &["on", "delete", "set", "null"])
                || words(tokens, *at, &["on", "delete", "set", "default"]))
                && tokens.get(at + 4).is_some_and(|t| t.token == Token::LParen)
        };
        let Some(open) = (list_end..next).find(sets).map(|at| at + 4) else { continue };
        let Some(close) = closing(tokens, open) else { return };
        let mut added = Vec::new();
        for token in &tokens[open + 1..close] {
            if let Token::Word(name) = &token.token {
                let folded =
                    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_ascii_lowercase() };
                added.push(TokenWithSpan { token: Token::Comma, span: token.span });
                added.push(marked(&format!("delete {folded}"), token));
            }
        }
        tokens.drain(open..=close);
        tokens.splice(list_end..list_end, added);
    }
}

/// The columns of a foreign key, and those that ON DELETE SET NULL or SET DEFAULT names.
#[must_use]
pub fn delete_columns(idents: &[ast::Ident]) -> (Vec<ast::Ident>, Vec<ast::Ident>) {
    let (mut own, mut set) = (Vec::new(), Vec::new());
    for ident in idents {
        match unmark(ident).and_then(|text| text.strip_prefix("delete ")) {
            Some(name) => set.push(ast::Ident::with_quote('"', name)),
            None => own.push(ident.clone()),
        }
    }
    (own, set)
}

/// `( sequence options )`, put in the library's order; returns the index after the closing parenthesis.
fn identity(text: &str, tokens: &[TokenWithSpan], open: usize, out: &mut Vec<TokenWithSpan>) -> Result<usize> {
    let Some(close) = closing(tokens, open) else {
        out.push(tokens[open].clone());
        return Ok(open + 1);
    };
    let order = |at: usize| -> Option<usize> {
        let token = &tokens[at];
        let next = &tokens[at + 1];
        let is = |text: &str| word(token, text) || word(token, "no") && word(next, text);
        [
            "increment",
            "minvalue",
            "maxvalue",
            "start",
            "cache",
            "cycle",
            "restart",
            "sequence",
            "logged",
            "unlogged",
            "owned",
            "as",
        ]
        .iter()
        .position(|text| is(text))
    };
    let mut parts: Vec<(usize, Vec<TokenWithSpan>)> = Vec::new();
    let mut at = open + 1;
    while at < close {
        match order(at) {
            Some(rank) => {
                let mut part = vec![tokens[at].clone()];
                at += 1;
                if word(&part[0], "no") {
                    part.push(tokens[at].clone());
                    at += 1;
                }
                while at < close && order(at).is_none() {
                    part.push(tokens[at].clone());
                    at += 1;
                }
                parts.push((rank, part));
            }
            None => return Err(near(text, lex::offset_of(&tokens[at]), lex::end_of(&tokens[at]))),
        }
    }
    parts.sort_by_key(|(rank, _)| *rank);
    // The name that a dump gives the sequence, and its persistence, have no place in the tree.
    parts.retain(|(rank, _)| *rank <= 5);
    if parts.is_empty() {
        return Ok(close + 1);
    }
    out.push(tokens[open].clone());
    for (_, part) in parts {
        out.extend(part);
    }
    out.push(tokens[close].clone());
    Ok(close + 1)
}

pub(super) fn unmark(ident: &ast::Ident) -> Option<&str> {
    ident.value.strip_prefix('\0')
}

/// Reads the marks of an INSERT, at the top of a statement or inside WITH.
///
/// # Errors
/// 42601 in the predicate or in an expression of ON CONFLICT.
pub fn insert_statement(mut insert: ast::Insert) -> Result<InsertStatement> {
    let mut overriding_system = None;
    insert.columns.retain(|name| match name.0.as_slice() {
        [ast::ObjectNamePart::Identifier(ident)] => match unmark(ident) {
            Some(kind) => {
                overriding_system = Some(kind == "system");
                false
            }
            None => true,
        },
        _ => true,
    });
    let mut conflict_predicate = None;
    let mut conflict_exprs = Vec::new();
    if let Some(ast::OnInsert::OnConflict(conflict)) = &mut insert.on
        && let Some(ast::ConflictTarget::Columns(columns)) = &mut conflict.conflict_target
    {
        let mut kept = Vec::with_capacity(columns.len());
        for column in columns.drain(..) {
            match unmark(&column) {
                None => kept.push(column),
                Some(text) => {
                    if let Some(text) = text.strip_prefix("where ") {
                        conflict_predicate = Some(super::expr_text(text)?);
                    } else if let Some(text) = text.strip_prefix("expr ") {
                        conflict_exprs.push(super::index_expr_text(text)?);
                    }
                }
            }
        }
        *columns = kept;
    }
    Ok(InsertStatement {
        insert,
        overriding_system,
        conflict_predicate,
        conflict_exprs,
        ami: crate::parse::AmiInsert::No,
    })
}

/// Whether it stands for the `*` of `(row).*`.
#[must_use]
pub fn is_star_mark(ident: &ast::Ident) -> bool {
    unmark(ident) == Some("*")
}

/// The subscripts of an assignment's target `a[1]["k"]`, as texts.
#[must_use]
pub fn element_mark(name: &ast::ObjectName) -> Option<Vec<&str>> {
    let [_, ast::ObjectNamePart::Identifier(ident)] = name.0.as_slice() else { return None };
    Some(unmark(ident)?.strip_prefix("at ")?.split('\0').collect())
}

/// `a[i][j] =` in SET: the tokens of its subscripts become one mark. Gives the texts and the index after the last `]`.
fn subscripts<'t>(text: &'t str, tokens: &[TokenWithSpan], start: usize) -> Option<(Vec<&'t str>, usize)> {
    let mut texts = Vec::new();
    let mut at = start;
    while tokens.get(at).is_some_and(|t| t.token == Token::LBracket) {
        let mut depth = 0usize;
        let end = (at..tokens.len()).find(|n| {
            match tokens[*n].token {
                Token::LBracket => depth += 1,
                Token::RBracket => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        })?;
        if end == at + 1 {
            return None;
        }
        texts.push(text.get(lex::offset_of(&tokens[at + 1])..lex::end_of(&tokens[end - 1]))?);
        at = end + 1;
    }
    (!texts.is_empty() && tokens.get(at).is_some_and(|t| t.token == Token::Eq)).then_some((texts, at))
}

/// Replaces the subscripts of assignments' targets.
fn element_targets(text: &str, tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    if !tokens.iter().any(|t| t.token == Token::LBracket) || !tokens.iter().skip(1).any(|t| word(t, "set")) {
        return tokens;
    }
    let mut out = Vec::with_capacity(tokens.len());
    // Depth of parentheses, and the depth at which a SET clause is open.
    let (mut depth, mut open) = (0usize, None);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => {
                depth = depth.saturating_sub(1);
                open = open.filter(|own| *own <= depth);
            }
            Token::Word(_) if at > 0 && word(token, "set") => open = Some(depth),
            Token::Word(_) if open == Some(depth) => {
                if word(token, "where") || word(token, "from") || word(token, "returning") {
                    open = None;
                } else if tokens[at - 1].token == Token::Comma || word(&tokens[at - 1], "set") {
                    if let Some((texts, next)) = subscripts(text, &tokens, at + 1) {
                        out.push(token.clone());
                        out.push(TokenWithSpan { token: Token::Period, span: token.span });
                        out.push(marked(&format!("at {}", texts.join("\0")), token));
                        at = next;
                        continue;
                    }
                }
            }
            _ => {}
        }
        out.push(token.clone());
        at += 1;
    }
    out
}

/// Marks the `*` of `t.*` where it is no item of a list of columns: in parentheses that hold no query, and before an
/// operator.
fn whole_rows(tokens: &mut [TokenWithSpan]) {
    // For each open parenthesis whether a list of columns stands in it.
    let mut lists = vec![true];
    for at in 0..tokens.len() {
        match &tokens[at].token {
            Token::LParen => lists.push(false),
            Token::RParen if lists.len() > 1 => {
                lists.pop();
            }
            Token::Word(_) if word(&tokens[at], "select") || word(&tokens[at], "returning") => {
                if let Some(list) = lists.last_mut() {
                    *list = true;
                }
            }
            Token::Mul if at >= 2 && tokens[at - 1].token == Token::Period => {
                let named = matches!(tokens[at - 2].token, Token::Word(_));
                let operator = tokens.get(at + 1).is_some_and(|next| match next.token {
                    Token::Eq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq | Token::DoubleColon => {
                        true
                    }
                    _ => word(next, "is") || word(next, "in") || word(next, "not"),
                });
                if named && (operator || lists.last() == Some(&false)) {
                    tokens[at] = marked("*", &tokens[at]);
                }
            }
            _ => {}
        }
    }
}

/// True for the check that stands for NOT NULL of a domain.
#[must_use]
pub fn is_not_null_mark(check: &ast::CheckConstraint) -> bool {
    check.name.as_ref().and_then(unmark) == Some("not null")
}

/// Reads one locking clause of a query.
#[must_use]
pub fn lock_clause(clause: &ast::LockClause) -> RowLock {
    let mut strength = match clause.lock_type {
        ast::LockType::Update => LockStrength::Update,
        ast::LockType::Share => LockStrength::Share,
    };
    let mut table: Option<ObjectName> = None;
    if let Some(of) = &clause.of {
        let mut parts = of.0.clone();
        if let Some(ast::ObjectNamePart::Identifier(ident)) = parts.first()
            && let Some(text) = unmark(ident)
        {
            strength = if text == "key share" { LockStrength::KeyShare } else { LockStrength::NoKeyUpdate };
            parts.remove(0);
        }
        if !parts.is_empty() {
            table = Some(object_name(&ast::ObjectName(parts)));
        }
    }
    RowLock {
        strength,
        table,
        nowait: clause.nonblock == Some(ast::NonBlock::Nowait),
        skip_locked: clause.nonblock == Some(ast::NonBlock::SkipLocked),
    }
}
