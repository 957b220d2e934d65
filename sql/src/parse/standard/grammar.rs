//! `Postgres`: sqlparser's PostgreSQL dialect with its expression grammar corrected.
//!
//! What differs from the library (section 6 of the PostgreSQL requirements): unary minus binds tighter than `^`, the
//! other prefix operators bind weaker than `+`, all operators that are not arithmetic share one level, comparisons do not
//! chain, `BETWEEN SYMMETRIC` and `type 'literal'` of any type are read, and chains of AND and OR become balanced trees:
//! their depth grows with the logarithm of their length, so that thousands of terms cost no stack when walked, cloned or
//! dropped. Plain operands take a short way that the library's speculative reading of types would make slow.

use std::any::TypeId;

use sqlparser::ast::{
    BinaryOperator, ColumnOption, DataType, Expr, Ident, KeyOrIndexDisplay, NullsDistinctOption, ObjectName,
    TypedString, UnaryOperator, UniqueConstraint, Value, ValueWithSpan,
};
use sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// The dialect all standard statements are parsed with.
#[derive(Debug)]
pub(crate) struct Postgres(PostgreSqlDialect);

/// Its one value.
pub(crate) static POSTGRES: Postgres = Postgres(PostgreSqlDialect {});

const UNARY_SIGN: u8 = 125;
const COLLATE: u8 = 120;
const OTHER: u8 = 70;
const BETWEEN: u8 = 60;
const COMPARISON: u8 = 50;
const IS: u8 = 40;
const AND: u8 = 20;
const OR: u8 = 10;

/// Chains of fewer terms keep the left-deep shape that readers of a tree expect.
const BALANCE_FROM: usize = 16;

macro_rules! same {
    ($($name:ident),* $(,)?) => { $(fn $name(&self) -> bool { self.0.$name() })* };
}

impl Dialect for Postgres {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.0.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.0.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, kw: Keyword) -> bool {
        self.0.is_reserved_for_identifier(kw)
    }

    fn is_table_alias(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        self.0.is_table_alias(kw, parser)
    }

    fn is_table_factor(&self, kw: &Keyword, parser: &mut Parser) -> bool {
        !starts_no_expression(*kw) && self.0.is_table_factor(kw, parser)
    }

    fn prec_value(&self, prec: Precedence) -> u8 {
        self.0.prec_value(prec)
    }

    same!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        supports_alter_user_as_alter_role,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_exclude_constraint,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_named_fn_args_with_expr_name,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_order_by_using_operator,
        supports_set_names,
        supports_alter_column_type_using,
        supports_left_associative_joins_without_parens,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_aliased_function_args,
    );

    fn parse_column_option(
        &self,
        parser: &mut Parser,
    ) -> Result<Option<Result<Option<ColumnOption>, ParserError>>, ParserError> {
        if parser.parse_keywords(&[Keyword::UNIQUE, Keyword::NULLS]) {
            let not = parser.parse_keyword(Keyword::NOT);
            parser.expect_keyword(Keyword::DISTINCT)?;
            let unique = UniqueConstraint {
                name: None,
                index_name: None,
                index_type_display: KeyOrIndexDisplay::None,
                index_type: None,
                columns: Vec::new(),
                include: Vec::new(),
                index_options: Vec::new(),
                characteristics: parser.parse_constraint_characteristics()?,
                nulls_distinct: if not { NullsDistinctOption::NotDistinct } else { NullsDistinctOption::Distinct },
            };
            return Ok(Some(Ok(Some(ColumnOption::Unique(unique)))));
        }
        self.0.parse_column_option(parser)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        match &parser.peek_token_ref().token {
            Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk
            | Token::Pipe
            | Token::Ampersand
            | Token::QuestionMarkDash
            | Token::DoubleSharp
            | Token::TwoWayArrow
            | Token::TildeEqual
            | Token::AtSign => Some(Ok(OTHER)),
            Token::Assignment | Token::Backslash => Some(Ok(0)),
            Token::Word(word) if word.keyword == Keyword::OPERATOR => Some(Ok(OTHER)),
            Token::Word(word) if word.keyword == Keyword::COLLATE && word.quote_style.is_none() => Some(Ok(COLLATE)),
            Token::Word(word) if is_isnull(word) => Some(Ok(IS)),
            Token::Word(word)
                if matches!(
                    word.keyword,
                    Keyword::XOR
                        | Keyword::RLIKE
                        | Keyword::REGEXP
                        | Keyword::MATCH
                        | Keyword::GLOB
                        | Keyword::MEMBER
                        | Keyword::DIV
                ) =>
            {
                Some(Ok(0))
            }
            _ => self.0.get_next_precedence(parser),
        }
    }

    fn parse_prefix(&self, parser: &mut Parser) -> Option<Result<Expr, ParserError>> {
        let token = parser.peek_token_ref();
        let span = token.span;
        let operator = match &token.token {
            Token::Number(number, _) => {
                let value = Value::Number(number.clone(), false);
                parser.advance_token();
                return Some(Ok(Expr::Value(ValueWithSpan { value, span })));
            }
            Token::SingleQuotedString(text) => {
                let value = Value::SingleQuotedString(text.clone());
                parser.advance_token();
                return Some(Ok(Expr::Value(ValueWithSpan { value, span })));
            }
            Token::Placeholder(name) => {
                let value = Value::Placeholder(name.clone());
                parser.advance_token();
                return Some(Ok(Expr::Value(ValueWithSpan { value, span })));
            }
            Token::Word(word) if word.keyword == Keyword::NoKeyword || word.keyword == Keyword::NAME => {
                let next = &parser.peek_nth_token_ref(1).token;
                let plain = matches!(
                    next,
                    Token::EOF
                        | Token::Comma
                        | Token::RParen
                        | Token::RBracket
                        | Token::Period
                        | Token::Eq
                        | Token::Neq
                        | Token::Lt
                        | Token::Gt
                        | Token::LtEq
                        | Token::GtEq
                        | Token::Plus
                        | Token::Minus
                        | Token::Mul
                        | Token::Div
                        | Token::StringConcat
                        | Token::DoubleColon
                        | Token::SemiColon
                ) || matches!(next, Token::Word(next) if next.quote_style.is_none()
                    && matches!(next.keyword, Keyword::AS | Keyword::FROM | Keyword::AND | Keyword::OR | Keyword::IS | Keyword::IN | Keyword::ASC | Keyword::DESC | Keyword::LIMIT | Keyword::WHERE));
                let typed = matches!(next, Token::SingleQuotedString(_));
                if plain && !is_isnull(word) {
                    let ident = word.clone().into_ident(span);
                    parser.advance_token();
                    return Some(Ok(Expr::Identifier(ident)));
                }
                if typed {
                    let name = ObjectName::from(vec![word.clone().into_ident(span)]);
                    parser.advance_token();
                    let value = match &parser.peek_token_ref().token {
                        Token::SingleQuotedString(text) => ValueWithSpan {
                            value: Value::SingleQuotedString(text.clone()),
                            span: parser.peek_token_ref().span,
                        },
                        _ => return None,
                    };
                    parser.advance_token();
                    return Some(Ok(Expr::TypedString(TypedString {
                        data_type: DataType::Custom(name, vec![]),
                        value,
                        uses_odbc_syntax: false,
                    })));
                }
                return None;
            }
            Token::Word(word) if word.quote_style.is_none() && starts_no_expression(word.keyword) => {
                let token = token.clone();
                return Some(parser.expected("an expression", token));
            }
            Token::Minus => (UnaryOperator::Minus, UNARY_SIGN),
            Token::Plus => (UnaryOperator::Plus, UNARY_SIGN),
            Token::Tilde => (UnaryOperator::BitwiseNot, OTHER),
            Token::AtSign => (UnaryOperator::PGAbs, OTHER),
            Token::PGSquareRoot => (UnaryOperator::PGSquareRoot, OTHER),
            Token::PGCubeRoot => (UnaryOperator::PGCubeRoot, OTHER),
            Token::DoubleExclamationMark => (UnaryOperator::PGPrefixFactorial, OTHER),
            Token::Sharp => (UnaryOperator::Hash, OTHER),
            Token::AtDashAt => (UnaryOperator::AtDashAt, OTHER),
            Token::AtAt => (UnaryOperator::DoubleAt, OTHER),
            _ => return None,
        };
        parser.advance_token();
        let (op, precedence) = operator;
        Some(parser.parse_subexpr(precedence).map(|expr| Expr::UnaryOp { op, expr: Box::new(expr) }))
    }

    fn parse_infix(&self, parser: &mut Parser, expr: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        match precedence {
            COMPARISON => {
                let chained = matches!(expr, Expr::BinaryOp { op, .. } if is_comparison(op))
                    || matches!(expr, Expr::AnyOp { .. } | Expr::AllOp { .. });
                if chained {
                    let token = parser.peek_token();
                    return Some(parser.expected("end of comparison", token));
                }
                None
            }
            AND | OR => {
                let (keyword, op) = if precedence == AND {
                    (Keyword::AND, BinaryOperator::And)
                } else {
                    (Keyword::OR, BinaryOperator::Or)
                };
                // Only a long chain is worth the copy of its first term.
                if !chain_is_long(parser, keyword) {
                    return None;
                }
                let mut terms = vec![expr.clone()];
                while parser.parse_keyword(keyword) {
                    match parser.parse_subexpr(precedence) {
                        Ok(term) => terms.push(term),
                        Err(error) => return Some(Err(error)),
                    }
                }
                balance(terms, &op).map(Ok)
            }
            BETWEEN => between_symmetric(parser, expr),
            // The library reads it behind a first operand only.
            COLLATE if parser.parse_keyword(Keyword::COLLATE) => Some(
                parser
                    .parse_object_name(false)
                    .map(|collation| Expr::Collate { expr: Box::new(expr.clone()), collation }),
            ),
            IS if matches!(&parser.peek_token_ref().token, Token::Word(word) if is_isnull(word)) => {
                parser.advance_token();
                Some(Ok(Expr::IsNull(Box::new(expr.clone()))))
            }
            _ => None,
        }
    }
}

/// Reserved words that cannot begin an expression, nor be a table's name.
pub(crate) fn starts_no_expression(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::AND
            | Keyword::AS
            | Keyword::ASC
            | Keyword::CHECK
            | Keyword::COLLATE
            | Keyword::CONSTRAINT
            | Keyword::CREATE
            | Keyword::DESC
            | Keyword::DO
            | Keyword::ELSE
            | Keyword::END
            | Keyword::EXCEPT
            | Keyword::FETCH
            | Keyword::FOR
            | Keyword::FOREIGN
            | Keyword::FROM
            | Keyword::GRANT
            | Keyword::GROUP
            | Keyword::HAVING
            | Keyword::IN
            | Keyword::INTERSECT
            | Keyword::INTO
            | Keyword::LIMIT
            | Keyword::OFFSET
            | Keyword::ON
            | Keyword::OR
            | Keyword::ORDER
            | Keyword::PRIMARY
            | Keyword::REFERENCES
            | Keyword::RETURNING
            | Keyword::THEN
            | Keyword::TO
            | Keyword::UNION
            | Keyword::UNIQUE
            | Keyword::USING
            | Keyword::WHEN
            | Keyword::WHERE
            | Keyword::WINDOW
    )
}

/// The postfix operator `x ISNULL`, which the library does not know.
fn is_isnull(word: &sqlparser::tokenizer::Word) -> bool {
    word.quote_style.is_none() && word.keyword == Keyword::NoKeyword && word.value.eq_ignore_ascii_case("isnull")
}

fn is_comparison(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// True when at least `BALANCE_FROM` more terms seem to follow on this level. A wrong yes costs a copy, nothing else.
fn chain_is_long(parser: &Parser, keyword: Keyword) -> bool {
    let mut count = 0;
    let mut depth = 0usize;
    let start = parser.index();
    for at in start..start + 2000 {
        match &parser.token_at(at).token {
            Token::EOF | Token::SemiColon => return false,
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => {
                if depth == 0 {
                    return false;
                }
                depth -= 1;
            }
            Token::Comma if depth == 0 => return false,
            Token::Word(word) if depth == 0 => {
                if word.keyword == keyword {
                    count += 1;
                    if count >= BALANCE_FROM {
                        return true;
                    }
                } else if matches!(
                    word.keyword,
                    Keyword::JOIN | Keyword::GROUP | Keyword::ORDER | Keyword::UNION | Keyword::WHEN | Keyword::THEN
                ) {
                    return false;
                }
            }
            _ => {}
        }
    }
    count > 0
}

/// A tree of logarithmic depth over the terms, in their order.
fn balance(terms: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    let mut level = terms;
    while level.len() > 1 {
        let mut next = Vec::with_capacity(level.len().div_ceil(2));
        let mut terms = level.into_iter();
        while let Some(left) = terms.next() {
            next.push(match terms.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        level = next;
    }
    level.pop()
}

/// `x [NOT] BETWEEN SYMMETRIC a AND b`, as PostgreSQL expands it, and the noise word ASYMMETRIC.
fn between_symmetric(parser: &mut Parser, expr: &Expr) -> Option<Result<Expr, ParserError>> {
    let negated = parser.peek_keyword(Keyword::NOT);
    let at = usize::from(negated);
    let is = |n: usize, word: &str| matches!(&parser.peek_nth_token_ref(n).token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word));
    if !is(at, "between") {
        return None;
    }
    let symmetric = is(at + 1, "symmetric");
    if !symmetric && !is(at + 1, "asymmetric") {
        return None;
    }
    for _ in 0..at + 2 {
        parser.advance_token();
    }
    let bounds = parser.parse_subexpr(BETWEEN).and_then(|low| {
        parser.expect_keyword_is(Keyword::AND)?;
        Ok((low, parser.parse_subexpr(BETWEEN)?))
    });
    let (low, high) = match bounds {
        Ok(bounds) => bounds,
        Err(error) => return Some(Err(error)),
    };
    let between = |low: Expr, high: Expr| Expr::Between {
        expr: Box::new(expr.clone()),
        negated,
        low: Box::new(low),
        high: Box::new(high),
    };
    if !symmetric {
        return Some(Ok(between(low, high)));
    }
    let op = if negated { BinaryOperator::And } else { BinaryOperator::Or };
    Some(Ok(Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(between(low.clone(), high.clone())),
        op,
        right: Box::new(between(high, low)),
    }))))
}

/// An identifier that no text can spell: carries what a tree of the library has no place for.
pub(crate) fn mark(text: &str) -> Ident {
    Ident::with_quote('"', format!("\u{0}{text}"))
}
