//! Operators: AND/OR, comparisons, IN lists, LIKE, ANY/ALL over arrays, and everything the operator table knows.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::{BinaryOperator, Expr as Ast, UnaryOperator};

use super::Binder;
use super::coerce::type_of;
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::{CompareOp, Expr, ResolvedOperator, resolve_operator};
use crate::types::{Array, CastContext, DataType, Oid, Value, array_type_of, element_type_of, oid};

fn compare_op(name: &str) -> Option<CompareOp> {
    Some(match name {
        "=" => CompareOp::Equal,
        "<>" | "!=" => CompareOp::NotEqual,
        "<" => CompareOp::Less,
        "<=" => CompareOp::LessEqual,
        ">" => CompareOp::Greater,
        ">=" => CompareOp::GreaterEqual,
        _ => return None,
    })
}

fn is_int(ty: Oid) -> bool {
    matches!(ty, oid::INT2 | oid::INT4 | oid::INT8)
}

/// Whether `Compare` may be given operands of these types as they are.
fn comparable_as_is(left: Oid, right: Oid) -> bool {
    left == right
        || (is_int(left) && is_int(right))
        || matches!((left, right), (oid::NAME, oid::TEXT) | (oid::TEXT, oid::NAME))
}

impl Binder<'_> {
    /// `left op right`.
    pub(super) fn binary(&mut self, ast: &Ast, left: &Ast, op: &BinaryOperator, right: &Ast) -> Result<Expr> {
        match op {
            BinaryOperator::And => return self.junction(ast, &BinaryOperator::And, "AND"),
            BinaryOperator::Or => return self.junction(ast, &BinaryOperator::Or, "OR"),
            _ => {}
        }
        if let (BinaryOperator::Overlaps, Ast::Tuple(first), Ast::Tuple(second)) = (op, left, right) {
            let args: Vec<&Ast> = first.iter().chain(second).collect();
            return self.call_with(ast, "overlaps", &args);
        }
        let name = operator_name(op);
        // `x = ANY (…)` may come as a call.
        if let Ast::AnyOp { .. } | Ast::AllOp { .. } = right {
            return Err(SqlError::syntax("syntax error at or near \"ANY\""));
        }
        if let (Some(op), Ast::Tuple(items), Some(query)) = (compare_op(&name), left, subquery_of(right)) {
            return self.row_subquery(ast, items, op, query);
        }
        let left_expr = self.expr(left)?;
        let right_expr = self.expr(right)?;
        self.operator_at(&name, Some(left_expr), right_expr, Some(left), Some(right), self.position_after(left))
            .map_err(|error| error.at(self.expr_position(ast)))
    }

    fn junction(&mut self, ast: &Ast, op: &BinaryOperator, what: &str) -> Result<Expr> {
        // The left spine is walked by a loop: chains of ten thousand terms are common, nesting of them is not.
        let mut terms: Vec<&Ast> = Vec::new();
        let mut next = ast;
        loop {
            match next {
                Ast::BinaryOp { left, op: own, right } if own == op => {
                    terms.push(right);
                    next = left;
                }
                other => {
                    terms.push(other);
                    break;
                }
            }
        }
        let mut bound = Vec::with_capacity(terms.len());
        for term in terms.into_iter().rev() {
            let expr = self.condition(term, what)?;
            match (expr, op) {
                (Expr::And(items), BinaryOperator::And) | (Expr::Or(items), BinaryOperator::Or) => bound.extend(items),
                (expr, _) => bound.push(expr),
            }
        }
        Ok(if *op == BinaryOperator::And { Expr::And(bound) } else { Expr::Or(bound) })
    }

    /// A prefix operator.
    pub(super) fn unary(&mut self, ast: &Ast, op: UnaryOperator, inner: &Ast) -> Result<Expr> {
        match op {
            UnaryOperator::Not | UnaryOperator::BangNot => {
                let input = self.condition(inner, "NOT")?;
                return Ok(Expr::Not(Box::new(input)));
            }
            UnaryOperator::Minus => {
                if let Ast::Value(value) = inner {
                    if let ast::Value::Number(digits, _) = &value.value {
                        return self.number(&format!("-{digits}")).map_err(|e| e.at(self.expr_position(inner)));
                    }
                }
            }
            _ => {}
        }
        let input = self.expr(inner)?;
        self.operator(ast, &op.to_string(), None, input)
    }

    /// Applies an operator to bound operands; errors stand at `ast`.
    pub(super) fn operator(&mut self, ast: &Ast, name: &str, left: Option<Expr>, right: Expr) -> Result<Expr> {
        self.operator_at(name, left, right, None, None, self.expr_position(ast))
    }

    /// The same with what is known of where the operands stand.
    pub(super) fn operator_at(
        &mut self,
        name: &str,
        left: Option<Expr>,
        right: Expr,
        left_ast: Option<&Ast>,
        right_ast: Option<&Ast>,
        position: Option<Span>,
    ) -> Result<Expr> {
        let (left, right) = match left.as_ref().map(type_of) {
            Some(oid::BYTEA) if type_of(&right) == oid::BIT => (left, self.comdb2_value(right, DataType::BYTEA)?),
            Some(oid::BIT) if type_of(&right) == oid::BYTEA => {
                (left.map(|left| self.comdb2_value(left, DataType::BYTEA)).transpose()?, right)
            }
            _ => (left, right),
        };
        let compare = compare_op(name);
        if let (Some(op), Some(left)) = (compare, &left) {
            if let (Expr::Row { .. }, Expr::Row { .. }) = (left, &right) {
                let (Some(Expr::Row { fields: a, .. }), Expr::Row { fields: b, .. }) = (Some(left.clone()), right)
                else {
                    return Err(SqlError::internal("rows"));
                };
                let values = |fields: Vec<(Arc<str>, Expr)>| fields.into_iter().map(|(_, field)| field).collect();
                return self.compare_rows(op, values(a), values(b), position);
            }
            let (from, to) = (type_of(left), type_of(&right));
            if from == to && is_plain(from) {
                let left = Box::new(left.clone());
                return Ok(Expr::Compare { op, left, right: Box::new(right) });
            }
            // A literal or parameter beside a plain type takes that type.
            if is_plain(from) && to == oid::UNKNOWN {
                let right = self.coerce(right, DataType::new(from), CastContext::Implicit);
                let right = right.map_err(|e| e.at(right_ast.and_then(|ast| self.expr_position(ast))))?;
                return Ok(Expr::Compare { op, left: Box::new(left.clone()), right: Box::new(right) });
            }
        }
        let left_type = left.as_ref().map(type_of);
        let found = resolve_operator(name, left_type, type_of(&right)).map_err(|error| error.at(position))?;
        let context = CastContext::Implicit;
        let left = match left {
            Some(left) => {
                let to = DataType::new(found.left.unwrap_or(oid::ANY));
                let coerced = self.coerce_operand(left, to, compare.is_some(), context);
                Some(coerced.map_err(|e| e.at(left_ast.and_then(|ast| self.expr_position(ast))))?)
            }
            None => None,
        };
        let right = self.coerce_operand(right, DataType::new(found.right), compare.is_some(), context);
        let right = right.map_err(|e| e.at(right_ast.and_then(|ast| self.expr_position(ast))))?;
        self.apply(found, compare, left, right)
    }

    fn coerce_operand(&mut self, expr: Expr, to: DataType, compare: bool, context: CastContext) -> Result<Expr> {
        // Integers of different widths compare as they are.
        if compare && is_int(type_of(&expr)) && is_int(to.oid) {
            return Ok(expr);
        }
        self.coerce(expr, to, context)
    }

    fn apply(
        &mut self,
        found: ResolvedOperator,
        compare: Option<CompareOp>,
        left: Option<Expr>,
        right: Expr,
    ) -> Result<Expr> {
        match (compare, left) {
            (Some(op), Some(left)) if comparable_as_is(type_of(&left), type_of(&right)) => {
                Ok(Expr::Compare { op, left: Box::new(left), right: Box::new(right) })
            }
            (_, left) => {
                let args = left.into_iter().chain(std::iter::once(right)).collect();
                Ok(Expr::Call { function: found.operator.function, args, ty: DataType::new(found.result) })
            }
        }
    }

    /// Row comparison by pairs.
    pub(super) fn compare_rows(
        &mut self,
        op: CompareOp,
        left: Vec<Expr>,
        right: Vec<Expr>,
        position: Option<Span>,
    ) -> Result<Expr> {
        if left.len() != right.len() {
            return Err(SqlError::syntax("unequal number of entries in row expressions").at(position));
        }
        if left.is_empty() {
            return Err(SqlError::unsupported("comparison of rows of zero length").at(position));
        }
        let name = match op {
            CompareOp::NotEqual => "<>",
            CompareOp::Equal => "=",
            CompareOp::Less => "<",
            CompareOp::LessEqual => "<=",
            CompareOp::Greater => ">",
            CompareOp::GreaterEqual => ">=",
        };
        let mut parts = Vec::with_capacity(left.len());
        for (a, b) in left.into_iter().zip(right) {
            parts.push(self.operator_at(name, Some(a), b, None, None, position)?);
        }
        match op {
            CompareOp::Equal => Ok(Expr::And(parts)),
            CompareOp::NotEqual => Ok(Expr::Or(parts)),
            _ => {
                let pairs = parts.into_iter().map(|part| match part {
                    Expr::Compare { left, right, .. } => Ok((*left, *right)),
                    _ => Err(SqlError::unsupported("this comparison of rows")),
                });
                Ok(Expr::CompareRows { op, pairs: pairs.collect::<Result<_>>()? })
            }
        }
    }

    /// IS [NOT] DISTINCT FROM.
    pub(super) fn is_distinct(&mut self, ast: &Ast, left: &Ast, right: &Ast, negated: bool) -> Result<Expr> {
        let left = self.expr(left)?;
        let right = self.expr(right)?;
        if let (Expr::Row { fields: a, .. }, Expr::Row { fields: b, .. }) = (&left, &right) {
            if a.len() != b.len() {
                return Err(SqlError::syntax("unequal number of entries in row expressions"));
            }
            let mut parts = Vec::with_capacity(a.len());
            for ((_, a), (_, b)) in a.clone().into_iter().zip(b.clone()) {
                parts.push(self.distinct_pair(ast, a, b, negated)?);
            }
            return Ok(if negated { Expr::And(parts) } else { Expr::Or(parts) });
        }
        self.distinct_pair(ast, left, right, negated)
    }

    fn distinct_pair(&mut self, ast: &Ast, left: Expr, right: Expr, negated: bool) -> Result<Expr> {
        match self.operator(ast, "=", Some(left), right)? {
            Expr::Compare { left, right, .. } => Ok(Expr::IsDistinct { left, right, negated }),
            Expr::Call { args, .. } => {
                let mut args = args.into_iter();
                let (Some(left), Some(right)) = (args.next(), args.next()) else {
                    return Err(SqlError::internal("an equality of one operand"));
                };
                let (from, to) = (left.data_type(), right.data_type());
                let ty = self.common([from, to].into_iter(), "IS DISTINCT FROM")?;
                let left = Box::new(self.coerce(left, ty, CastContext::Implicit)?);
                let right = Box::new(self.coerce(right, ty, CastContext::Implicit)?);
                Ok(Expr::IsDistinct { left, right, negated })
            }
            _ => Err(SqlError::unsupported("IS DISTINCT FROM of these operands")),
        }
    }

    /// `expr [NOT] IN (list)`.
    pub(super) fn in_list(&mut self, ast: &Ast, expr: &Ast, list: &[Ast], negated: bool) -> Result<Expr> {
        let left = self.expr(expr)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            items.push(self.expr(item)?);
        }
        let row = matches!(left, Expr::Row { .. });
        let types = std::iter::once(left.data_type()).chain(items.iter().map(Expr::data_type));
        let common = if row { None } else { self.common(types, "IN").ok() };
        let Some(ty) = common.filter(|ty| is_plain(ty.oid) || array_type_of(ty.oid).is_some()) else {
            return self.in_by_pairs(ast, left, items, negated);
        };
        let ty = DataType::new(ty.oid);
        if items.len() == 1 {
            let item = items.remove(0);
            return self.operator(ast, if negated { "<>" } else { "=" }, Some(left), item);
        }
        // The comparison that PostgreSQL finds for the common type decides (varchar compares as text).
        let equal = resolve_operator("=", Some(ty.oid), ty.oid).map_err(|e| e.at(self.expr_position(ast)))?;
        let item_type = if is_int(ty.oid) { ty } else { DataType::new(equal.left.unwrap_or(ty.oid)) };
        let left = self.coerce_operand(left, item_type, true, CastContext::Implicit);
        let left = left.map_err(|e| e.at(self.expr_position(expr)))?;
        let mut values = Vec::with_capacity(items.len());
        for (item, at) in items.into_iter().zip(list) {
            // A parameter takes the common type, whatever type it is then compared as.
            let item = match item {
                Expr::Param(..) if type_of(&item) == oid::UNKNOWN => self.coerce(item, ty, CastContext::Implicit)?,
                item => item,
            };
            let item = self.coerce(item, item_type, CastContext::Implicit);
            values.push(item.map_err(|e| e.at(self.expr_position(at)))?);
        }
        if values.iter().all(|value| matches!(value, Expr::Const(..))) {
            return Ok(Expr::InList { input: Box::new(left), list: Arc::new(values), negated });
        }
        let Some(array) = array_type_of(item_type.oid) else {
            return self.in_by_pairs(ast, left, values, negated);
        };
        let test = Expr::Compare {
            op: if negated { CompareOp::NotEqual } else { CompareOp::Equal },
            left: Box::new(Expr::Column(0, left.data_type())),
            right: Box::new(Expr::Column(1, item_type)),
        };
        Ok(Expr::AnyArray {
            left: Box::new(left),
            array: Box::new(Expr::Array { items: values, nested: false, ty: DataType::new(array) }),
            test: Box::new(test),
            all: negated,
        })
    }

    fn in_by_pairs(&mut self, ast: &Ast, left: Expr, items: Vec<Expr>, negated: bool) -> Result<Expr> {
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            parts.push(self.operator(ast, if negated { "<>" } else { "=" }, Some(left.clone()), item)?);
        }
        Ok(match (parts.len(), negated) {
            (1, _) => parts.remove(0),
            (_, true) => Expr::And(parts),
            (_, false) => Expr::Or(parts),
        })
    }

    /// LIKE and ILIKE.
    pub(super) fn like(
        &mut self,
        ast: &Ast,
        name: &str,
        expr: &Ast,
        pattern: &Ast,
        escape: Option<&Ast>,
    ) -> Result<Expr> {
        let input = self.expr(expr)?;
        let mut right = self.expr(pattern)?;
        if let Some(escape) = escape {
            let escape = self.expr(escape)?;
            right = self.call_bound("like_escape", vec![right, escape], self.expr_position(pattern))?;
        }
        self.operator_at(name, Some(input), right, Some(expr), Some(pattern), self.expr_position(ast))
    }

    /// SIMILAR TO.
    pub(super) fn similar(
        &mut self,
        ast: &Ast,
        negated: bool,
        expr: &Ast,
        pattern: &Ast,
        escape: Option<&Ast>,
    ) -> Result<Expr> {
        let input = self.expr(expr)?;
        let mut args = vec![self.expr(pattern)?];
        if let Some(escape) = escape {
            args.push(self.expr(escape)?);
        }
        let right = self.call_bound("similar_to_escape", args, self.expr_position(pattern))?;
        self.operator(ast, if negated { "!~" } else { "~" }, Some(input), right)
    }

    /// `left op ANY|ALL (array or subquery)`.
    pub(super) fn any_all(
        &mut self,
        ast: &Ast,
        left: &Ast,
        op: &BinaryOperator,
        right: &Ast,
        all: bool,
    ) -> Result<Expr> {
        let name = operator_name(op);
        if let Some(query) = subquery_of(right) {
            return self.quantified(ast, left, &name, query, all);
        }
        let left_expr = self.expr(left)?;
        let array = self.expr(right)?;
        let (left_type, mut array_type) = (type_of(&left_expr), type_of(&array));
        let array = if array_type == oid::UNKNOWN {
            // PostgreSQL gives the array the left operand's type.
            let element = if left_type == oid::UNKNOWN { oid::TEXT } else { left_type };
            let found = resolve_operator(&name, Some(element), oid::UNKNOWN);
            let element = found.map_or(element, |found| if is_int(element) { element } else { found.right });
            let to = array_type_of(element).ok_or_else(|| SqlError::unsupported("ANY over this type"))?;
            array_type = to;
            self.coerce_at(array, DataType::new(to), CastContext::Implicit, right)?
        } else {
            array
        };
        let Some(element) = element_type_of(array_type) else {
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, "op ANY/ALL (array) requires array on right side")
                .at(self.expr_position(ast)));
        };
        let left_expr = if left_type == oid::UNKNOWN {
            self.coerce_at(left_expr, DataType::new(element), CastContext::Implicit, left)?
        } else {
            left_expr
        };
        let item = Expr::Column(1, DataType::new(element));
        let own = Expr::Column(0, left_expr.data_type());
        let test = self.operator(ast, &name, Some(own), item)?;
        if type_of(&test) != oid::BOOL {
            return Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                "op ANY/ALL (array) requires operator to yield boolean",
            )
            .at(self.expr_position(ast)));
        }
        Ok(Expr::AnyArray {
            left: Box::new(left_expr),
            array: Box::new(if self.keep_casts { array } else { constant_array(array) }),
            test: Box::new(test),
            all,
        })
    }

    /// The place of the first token after an expression, closing parentheses apart.
    pub(super) fn position_after(&self, left: &Ast) -> Option<Span> {
        if !self.positions {
            return None;
        }
        use sqlparser::ast::Spanned;
        let end = match left {
            Ast::Identifier(ident) => ident.span.end,
            Ast::Value(value) => value.span.end,
            other => other.span().end,
        };
        if end.line != 1 || end.column == 0 {
            return self.expr_position(left);
        }
        let mut at = usize::try_from(end.column - 1).ok()?;
        let bytes = self.text.as_bytes();
        while at < bytes.len() && (bytes[at].is_ascii_whitespace() || bytes[at] == b')') {
            at += 1;
        }
        u32::try_from(at).ok().map(Span)
    }
}

/// The text of an operator.
pub(super) fn operator_name(op: &BinaryOperator) -> String {
    match op {
        // There are none but pg_catalog's: with any other schema none is found.
        BinaryOperator::PGCustomBinaryOperator(parts) => match parts.as_slice() {
            [schema, own] if schema.eq_ignore_ascii_case("pg_catalog") => own.clone(),
            parts => parts.join("."),
        },
        BinaryOperator::NotEq => "<>".to_owned(),
        BinaryOperator::Eq => "=".to_owned(),
        other => other.to_string(),
    }
}

/// The query of `(SELECT …)`, alone.
fn subquery_of(ast: &Ast) -> Option<&ast::Query> {
    match ast {
        Ast::Subquery(query) => Some(query),
        Ast::Nested(inner) => subquery_of(inner),
        _ => None,
    }
}

/// Types whose `=` takes two of just this type, so that resolution can be skipped.
fn is_plain(ty: Oid) -> bool {
    matches!(
        ty,
        oid::BOOL
            | oid::INT2
            | oid::INT4
            | oid::INT8
            | oid::FLOAT4
            | oid::FLOAT8
            | oid::NUMERIC
            | oid::TEXT
            | oid::BPCHAR
            | oid::NAME
            | oid::CHAR
            | oid::BYTEA
            | oid::DATE
            | oid::TIME
            | oid::TIMETZ
            | oid::TIMESTAMP
            | oid::TIMESTAMPTZ
            | oid::INTERVAL
            | oid::UUID
            | oid::OID
            | oid::JSONB
    )
}

/// An array of constants as one constant.
fn constant_array(expr: Expr) -> Expr {
    let Expr::Array { items, nested: false, ty } = &expr else { return expr };
    let Some(element) = element_type_of(ty.oid) else { return expr };
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Expr::Const(value, _) => values.push(value.clone()),
            _ => return expr,
        }
    }
    Expr::Const(Value::Array(Arc::new(Array::one_dimensional(element, values))), *ty)
}
