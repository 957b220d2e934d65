//! Expressions, by falling precedence (AMI-28). Each parse leaves the depth of its tree in `last`.

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::Value;

use super::{Parser, RESERVED};
use crate::script::ami::ast::{Arith, Binary, Compare, Expr, Part, Type, Unary};
use crate::script::ami::lexer::{Piece, Token};
use crate::script::ami::room;

/// The pieces of a string not yet read.
type Pieces = std::iter::Peekable<std::vec::IntoIter<Piece>>;

impl Parser {
    pub(super) fn expr(&mut self) -> Result<Expr> {
        self.enter()?;
        let expr = room(|| self.assignment());
        self.depth -= 1;
        expr
    }

    pub(super) fn assignment(&mut self) -> Result<Expr> {
        let target = self.conditional()?;
        let depth = self.last;
        let op = match self.token() {
            Token::Symbol("=") if self.sql == 0 => None,
            Token::Symbol("+=") => Some(Arith::Add),
            Token::Symbol("-=") => Some(Arith::Sub),
            Token::Symbol("*=") => Some(Arith::Mul),
            Token::Symbol("/=") => Some(Arith::Div),
            Token::Symbol("%=") => Some(Arith::Mod),
            _ => return Ok(target),
        };
        let line = self.line();
        self.advance();
        let value = if self.is_word("select") { self.value()? } else { self.expr()? };
        self.deeper(depth, self.last)?;
        Ok(Expr::Assign(Box::new(target), op, Box::new(value), line))
    }

    pub(super) fn conditional(&mut self) -> Result<Expr> {
        let condition = self.binary(0)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let depth = self.last;
        let then = self.expr()?;
        let depth = depth.max(self.last);
        self.expect(":")?;
        let other = self.expr()?;
        self.deeper(depth, self.last)?;
        Ok(Expr::Cond(Box::new(condition), Box::new(then), Box::new(other)))
    }

    pub(super) fn operator(&self) -> Option<(u8, Binary)> {
        use Binary::{Arith as A, Compare as C};
        Some(match self.token() {
            Token::Symbol(symbol) => match *symbol {
                "||" => (1, Binary::Or),
                "&&" => (2, Binary::And),
                "|" => (3, A(Arith::Or)),
                "^" => (4, A(Arith::Xor)),
                "&" => (5, A(Arith::And)),
                "==" => (6, C(Compare::Eq)),
                "=" if self.sql > 0 => (6, C(Compare::Eq)),
                "!=" => (6, C(Compare::Ne)),
                "<>" if self.sql > 0 => (6, C(Compare::Ne)),
                "=~" => (6, C(Compare::Match)),
                "!~" => (6, C(Compare::NotMatch)),
                "~~" => (6, C(Compare::Like)),
                "<" => (7, C(Compare::Lt)),
                "<=" => (7, C(Compare::Le)),
                ">" => (7, C(Compare::Gt)),
                ">=" => (7, C(Compare::Ge)),
                "<<" => (8, A(Arith::Shl)),
                ">>" => (8, A(Arith::Shr)),
                ">>>" => (8, A(Arith::Ushr)),
                "+" => (9, A(Arith::Add)),
                "-" => (9, A(Arith::Sub)),
                "*" => (10, A(Arith::Mul)),
                "/" => (10, A(Arith::Div)),
                "%" => (10, A(Arith::Mod)),
                _ => return None,
            },
            Token::Word(word) if word.eq_ignore_ascii_case("or") => (1, Binary::Or),
            Token::Word(word) if word.eq_ignore_ascii_case("and") => (2, Binary::And),
            _ => return None,
        })
    }

    pub(super) fn binary(&mut self, above: u8) -> Result<Expr> {
        let mut left = self.unary()?;
        let mut depth = self.last;
        loop {
            let negated = self.is_word("not") && self.word_at(1, "in");
            if above < 7 && (negated || self.is_word("in")) {
                self.at += if negated { 2 } else { 1 };
                self.expect("(")?;
                if self.is_word("select") {
                    let line = self.line();
                    let query = self.query()?;
                    self.expect(")")?;
                    self.deeper(depth, 0)?;
                    depth = self.last;
                    left = Expr::InQuery(Box::new(left), Box::new(query), negated, line);
                    continue;
                }
                let list = self.list(")", &mut depth)?;
                self.deeper(depth, 0)?;
                depth = self.last;
                left = Expr::In(Box::new(left), list, negated);
                continue;
            }
            let Some((level, op)) = self.operator().filter(|(level, _)| *level > above) else {
                self.last = depth;
                return Ok(left);
            };
            self.advance();
            self.enter()?;
            let right = self.binary(level)?;
            self.depth -= 1;
            self.deeper(depth, self.last)?;
            depth = self.last;
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
    }

    pub(super) fn list(&mut self, close: &str, depth: &mut u32) -> Result<Vec<Expr>> {
        let mut out = Vec::new();
        if self.take(close) {
            return Ok(out);
        }
        loop {
            if self.is("*") && matches!(self.ahead(1), Token::Symbol(")")) {
                self.advance();
                out.push(Expr::Star);
            } else {
                out.push(self.expr()?);
                *depth = (*depth).max(self.last);
            }
            if self.take(close) {
                return Ok(out);
            }
            self.expect(",")?;
        }
    }

    pub(super) fn unary(&mut self) -> Result<Expr> {
        self.enter()?;
        let expr = room(|| self.unary_inner());
        self.depth -= 1;
        expr
    }

    pub(super) fn unary_inner(&mut self) -> Result<Expr> {
        let line = self.line();
        let op = match self.token() {
            Token::Symbol("!") => Unary::Not,
            Token::Symbol("-") => Unary::Neg,
            Token::Symbol("~") => Unary::BitNot,
            Token::Symbol("+") => {
                self.advance();
                return self.unary();
            }
            Token::Word(word) if word.eq_ignore_ascii_case("not") => Unary::Not,
            Token::Symbol(step @ ("++" | "--")) => {
                let by = if *step == "++" { 1 } else { -1 };
                self.advance();
                let target = self.unary()?;
                self.deeper(self.last, 0)?;
                return Ok(Expr::Step(Box::new(target), by, true, line));
            }
            Token::Symbol("(") => {
                if let (Token::Word(word), Token::Symbol(")")) = (self.ahead(1), self.ahead(2)) {
                    let castable = matches!(
                        self.ahead(3),
                        Token::Word(_)
                            | Token::Quoted(_)
                            | Token::Text(_)
                            | Token::Template(_)
                            | Token::Number(_)
                            | Token::Symbol("(" | "!" | "~" | "-" | "[" | "{")
                    );
                    if let Some(ty) = Type::by_name(word).filter(|_| castable) {
                        self.at += 3;
                        let inner = self.unary()?;
                        self.deeper(self.last, 0)?;
                        return Ok(Expr::Cast(ty, Box::new(inner)));
                    }
                }
                return self.postfix();
            }
            _ => return self.postfix(),
        };
        self.advance();
        let inner = self.unary()?;
        self.deeper(self.last, 0)?;
        Ok(match (op, inner) {
            (Unary::Neg, Expr::Literal(Value::Int4(n))) => {
                Expr::Literal(n.checked_neg().map_or(Value::Int8(-i64::from(n)), Value::Int4))
            }
            (Unary::Neg, Expr::Literal(Value::Int8(n))) if n > i64::MIN => Expr::Literal(Value::Int8(-n)),
            (Unary::Neg, Expr::Literal(Value::Float8(n))) => Expr::Literal(Value::Float8(-n)),
            (op, inner) => Expr::Unary(op, Box::new(inner)),
        })
    }

    pub(super) fn postfix(&mut self) -> Result<Expr> {
        let mut expr = self.primary()?;
        loop {
            let line = self.line();
            let mut depth = self.last;
            if self.take(".") {
                let name = match self.token() {
                    Token::Word(word) => word.clone(),
                    Token::Quoted(name) => name.clone(),
                    _ => return Err(self.unexpected()),
                };
                self.advance();
                expr = if self.take("(") {
                    let args = self.list(")", &mut depth)?;
                    Expr::Method(Box::new(expr), name, args, line)
                } else {
                    Expr::Field(Box::new(expr), name, line)
                };
            } else if self.take("[") {
                let index = self.expr()?;
                depth = depth.max(self.last);
                self.expect("]")?;
                expr = Expr::Index(Box::new(expr), Box::new(index));
            } else if self.is("++") || self.is("--") {
                let by = if self.is("++") { 1 } else { -1 };
                self.advance();
                expr = Expr::Step(Box::new(expr), by, false, line);
            } else {
                return Ok(expr);
            }
            self.deeper(depth, 0)?;
        }
    }

    pub(super) fn primary(&mut self) -> Result<Expr> {
        let line = self.line();
        self.last = 1;
        match self.token().clone() {
            Token::Number(value) => {
                self.advance();
                Ok(Expr::Literal(value))
            }
            Token::Text(text) => {
                self.advance();
                Ok(Expr::Literal(Value::text(text)))
            }
            Token::Template(pieces) => {
                self.advance();
                self.template(pieces, line)
            }
            Token::Symbol("(") => {
                self.advance();
                if self.is_word("select") {
                    let query = self.query()?;
                    self.expect(")")?;
                    return Ok(Expr::Query(Box::new(query), line));
                }
                let expr = self.expr()?;
                if self.take(",") {
                    let mut depth = self.last;
                    let mut items = vec![expr];
                    items.extend(self.list(")", &mut depth)?);
                    self.deeper(depth, 0)?;
                    return Ok(Expr::Tuple(items));
                }
                self.expect(")")?;
                Ok(expr)
            }
            Token::Symbol("[") => {
                self.advance();
                let mut depth = 0;
                let items = self.list("]", &mut depth)?;
                self.deeper(depth, 0)?;
                Ok(Expr::List(items))
            }
            Token::Symbol("{") => self.map_literal(),
            Token::Quoted(name) => {
                self.advance();
                Ok(Expr::Name(name, line))
            }
            Token::Word(word) => self.word(word, line),
            _ => Err(self.unexpected()),
        }
    }

    /// The pieces of a string with `${}` parts (AMI-36).
    pub(super) fn template(&mut self, pieces: Vec<Piece>, line: u32) -> Result<Expr> {
        let mut pieces = pieces.into_iter().peekable();
        let mut depth = 0;
        let parts = self.parts(&mut pieces, line, &mut depth, 0)?;
        if pieces.next().is_some() {
            return Err(SqlError::syntax(format!("line {line}: \"${{}}\" or \"${{else}}\" without its beginning")));
        }
        self.deeper(depth, 0)?;
        Ok(Expr::Template(parts))
    }

    /// Parts up to the `${}` or `${else…}` that ends them, which is left; `nested` counts the flow tokens around.
    fn parts(&mut self, pieces: &mut Pieces, line: u32, depth: &mut u32, nested: u32) -> Result<Vec<Part>> {
        if nested > 16 {
            return Err(SqlError::new(
                SqlState::STATEMENT_TOO_COMPLEX,
                format!("line {line}: string is nested too deeply"),
            ));
        }
        let mut out = Vec::new();
        let mut line = line;
        while let Some(piece) = pieces.peek() {
            let (source, wrap) = match piece {
                Piece::Text(text) => {
                    line += u32::try_from(text.matches('\n').count()).unwrap_or(0);
                    out.push(Part::Text(text.clone()));
                    pieces.next();
                    continue;
                }
                Piece::Source(source, wrap) => (source.trim().to_owned(), *wrap),
            };
            let word: String = source.chars().take_while(char::is_ascii_alphabetic).collect();
            match word.as_str() {
                "" if source.is_empty() => return Ok(out),
                "else" => return Ok(out),
                "if" => {
                    pieces.next();
                    out.push(self.if_parts(pieces, &source, line, depth, nested)?);
                }
                "for" | "while" => {
                    pieces.next();
                    let mut inner = Parser::inside(&format!("{source};"), line, self.depth + 1)?;
                    let head = inner.statement()?;
                    if !inner.at_end() {
                        return Err(inner.unexpected());
                    }
                    let body = self.parts(pieces, line, depth, nested + 1)?;
                    self.end_of_parts(pieces, line)?;
                    out.push(Part::Loop(Box::new(head), body));
                }
                _ => {
                    pieces.next();
                    let mut inner = Parser::inside(&source, line, self.depth + 1)?;
                    let expr = inner.expr()?;
                    *depth = (*depth).max(inner.last);
                    if !inner.at_end() {
                        return Err(inner.unexpected());
                    }
                    out.push(Part::Expr(expr, wrap));
                }
            }
        }
        Ok(out)
    }

    fn end_of_parts(&self, pieces: &mut Pieces, line: u32) -> Result<()> {
        match pieces.next() {
            Some(Piece::Source(source, _)) if source.trim().is_empty() => Ok(()),
            _ => Err(SqlError::syntax(format!("line {line}: a flow token in a string has no \"${{}}\""))),
        }
    }

    fn if_parts(&mut self, pieces: &mut Pieces, source: &str, line: u32, depth: &mut u32, nested: u32) -> Result<Part> {
        let mut source = source.to_owned();
        let mut branches = Vec::new();
        loop {
            let condition = source.strip_prefix("if").unwrap_or(&source);
            let mut inner = Parser::inside(condition, line, self.depth + 1)?;
            inner.expect("(")?;
            let condition = inner.expr()?;
            *depth = (*depth).max(inner.last);
            inner.expect(")")?;
            if !inner.at_end() {
                return Err(inner.unexpected());
            }
            branches.push((condition, self.parts(pieces, line, depth, nested + 1)?));
            let next = match pieces.peek() {
                Some(Piece::Source(source, _)) => source.trim().to_owned(),
                _ => String::new(),
            };
            let Some(rest) = next.strip_prefix("else") else { break };
            pieces.next();
            if rest.trim().is_empty() {
                let other = self.parts(pieces, line, depth, nested + 1)?;
                self.end_of_parts(pieces, line)?;
                return Ok(Part::If(branches, other));
            }
            source = rest.trim().to_owned();
        }
        self.end_of_parts(pieces, line)?;
        Ok(Part::If(branches, Vec::new()))
    }

    pub(super) fn map_literal(&mut self) -> Result<Expr> {
        self.advance();
        let mut pairs = Vec::new();
        let mut depth = 0;
        if !self.take("}") {
            loop {
                let key = self.expr()?;
                depth = depth.max(self.last);
                self.expect(":")?;
                let value = self.expr()?;
                depth = depth.max(self.last);
                pairs.push((key, value));
                if self.take("}") {
                    break;
                }
                self.expect(",")?;
            }
        }
        self.deeper(depth, 0)?;
        Ok(Expr::Map(pairs))
    }

    pub(super) fn word(&mut self, word: String, line: u32) -> Result<Expr> {
        let lower = word.to_ascii_lowercase();
        let constant = match lower.as_str() {
            "null" => Some(Value::Null),
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        };
        if let Some(value) = constant {
            self.advance();
            return Ok(Expr::Literal(value));
        }
        if lower == "new" {
            self.advance();
            let Token::Word(class) = self.token().clone() else { return Err(self.unexpected()) };
            self.advance();
            self.expect("(")?;
            let mut depth = 0;
            let args = self.list(")", &mut depth)?;
            self.deeper(depth, 0)?;
            return Ok(Expr::New(class, args, line));
        }
        if matches!(self.ahead(1), Token::Symbol("(")) && !RESERVED.contains(&lower.as_str()) {
            self.at += 2;
            let mut depth = 0;
            let args = self.list(")", &mut depth)?;
            self.deeper(depth, 0)?;
            return Ok(Expr::Call(word, args, line));
        }
        let (name, line) = self.name()?;
        Ok(Expr::Name(name, line))
    }
}
