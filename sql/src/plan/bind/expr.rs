//! Expressions: one method per form. Operators are in `operator`, calls in `call`, subqueries in `sublink`.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::coerce::{is_array, type_of};
use super::{Binder, DEPTH_MAX};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{Expr, common_type};
use crate::parse::is_star_mark;
use crate::types::{Array, CastContext, DataType, Value, array_type_of, element_type_of, from_text, oid, shown_type};

impl Binder<'_> {
    /// Binds an expression over the current row. Its type may be `unknown`.
    pub(super) fn expr(&mut self, ast: &Ast) -> Result<Expr> {
        // The common leaves, without the bookkeeping.
        match ast {
            Ast::Identifier(ident) => return self.column(ident),
            Ast::Value(value) => return self.value(value),
            _ => {}
        }
        self.enter()?;
        debug_assert!(self.depth <= DEPTH_MAX);
        let bound = stacker::maybe_grow(96 * 1024, 1024 * 1024, || self.form(ast));
        self.depth -= 1;
        bound
    }

    fn form(&mut self, ast: &Ast) -> Result<Expr> {
        match ast {
            Ast::Identifier(ident) => self.column(ident),
            Ast::CompoundIdentifier(idents) => self.qualified(idents),
            Ast::QualifiedWildcard(name, _) => self.starred_row(name),
            Ast::Value(value) => self.value(value),
            Ast::Nested(inner) => self.expr(inner),
            Ast::BinaryOp { left, op, right } => self.binary(ast, left, op, right),
            Ast::UnaryOp { op, expr } => self.unary(ast, *op, expr),
            Ast::Function(function) => self.function(function),
            Ast::Cast { expr, data_type, kind, .. } => {
                let double = matches!(kind, ast::CastKind::DoubleColon);
                if !matches!(kind, ast::CastKind::Cast | ast::CastKind::DoubleColon) {
                    return Err(SqlError::unsupported("TRY_CAST"));
                }
                let to = self.written_type(data_type)?;
                self.cast(expr, to, double)
            }
            Ast::TypedString(typed) => {
                let to = match &typed.data_type {
                    // A literal of type bit is as long as it is written.
                    ast::DataType::Bit(None) => DataType::new(oid::BIT),
                    ty => self.written_type(ty)?,
                };
                if let ast::Value::Placeholder(text) = &typed.value.value {
                    let error = SqlError::syntax(format!("syntax error at or near \"{text}\""));
                    return Err(error.at(self.position(typed.value.span)));
                }
                let text = literal_text(&typed.value.value);
                let value = self.literal(text.unwrap_or_default(), to, CastContext::Explicit);
                value.map(|value| Expr::Const(value, to)).map_err(|e| e.at(self.position(typed.value.span)))
            }
            Ast::Interval(interval) => self.interval(interval),
            Ast::IsNull(inner) => self.is_null(inner, false),
            Ast::IsNotNull(inner) => self.is_null(inner, true),
            Ast::IsTrue(inner) => self.bool_test(inner, Some(true), false, "IS TRUE"),
            Ast::IsNotTrue(inner) => self.bool_test(inner, Some(true), true, "IS NOT TRUE"),
            Ast::IsFalse(inner) => self.bool_test(inner, Some(false), false, "IS FALSE"),
            Ast::IsNotFalse(inner) => self.bool_test(inner, Some(false), true, "IS NOT FALSE"),
            Ast::IsUnknown(inner) => self.bool_test(inner, None, false, "IS UNKNOWN"),
            Ast::IsNotUnknown(inner) => self.bool_test(inner, None, true, "IS NOT UNKNOWN"),
            Ast::IsDistinctFrom(left, right) => self.is_distinct(ast, left, right, false),
            Ast::IsNotDistinctFrom(left, right) => self.is_distinct(ast, left, right, true),
            Ast::Between { expr, negated, low, high } => self.between(ast, expr, *negated, low, high),
            Ast::InList { expr, list, negated } => self.in_list(ast, expr, list, *negated),
            Ast::InSubquery { expr, subquery, negated } => self.in_subquery(ast, expr, subquery, *negated),
            Ast::InUnnest { .. } => Err(SqlError::unsupported("IN UNNEST")),
            Ast::Like { negated, expr, pattern, escape_char, .. } => {
                self.like(ast, if *negated { "!~~" } else { "~~" }, expr, pattern, escape_char.as_deref())
            }
            Ast::ILike { negated, expr, pattern, escape_char, .. } => {
                self.like(ast, if *negated { "!~~*" } else { "~~*" }, expr, pattern, escape_char.as_deref())
            }
            Ast::SimilarTo { negated, expr, pattern, escape_char } => {
                self.similar(ast, *negated, expr, pattern, escape_char.as_deref())
            }
            Ast::AnyOp { left, compare_op, right, .. } => self.any_all(ast, left, compare_op, right, false),
            Ast::AllOp { left, compare_op, right } => self.any_all(ast, left, compare_op, right, true),
            Ast::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref())
            }
            Ast::Exists { subquery, negated } => self.exists(subquery, *negated),
            Ast::Subquery(query) => self.scalar_subquery(query),
            Ast::Tuple(items) => self.row(items),
            Ast::Array(array) => self.array(&array.elem, None),
            Ast::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            Ast::Collate { expr, collation } => self.collate(expr, collation),
            Ast::AtTimeZone { timestamp, time_zone } => self.call_with(ast, "timezone", &[time_zone, timestamp]),
            Ast::Extract { field, expr, .. } => {
                let field = field.to_string().trim_matches('\'').to_ascii_lowercase();
                let input = self.expr(expr)?;
                let args = vec![Expr::Const(Value::from(field), DataType::TEXT), input];
                self.call_bound("extract", args, self.expr_position(ast))
            }
            Ast::Ceil { expr, .. } => self.call_with(ast, "ceil", &[expr]),
            Ast::Floor { expr, .. } => self.call_with(ast, "floor", &[expr]),
            Ast::Position { expr, r#in } => self.call_with(ast, "position", &[r#in, expr]),
            Ast::Substring { expr, substring_from, substring_for, .. } => {
                self.substring(ast, expr, substring_from.as_deref(), substring_for.as_deref())
            }
            Ast::Trim { trim_where, trim_what, expr, trim_characters } => {
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut args: Vec<&Ast> = vec![expr];
                args.extend(trim_what.as_deref());
                args.extend(trim_characters.iter().flatten());
                self.call_with(ast, name, &args)
            }
            Ast::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let mut args: Vec<&Ast> = vec![expr, overlay_what, overlay_from];
                args.extend(overlay_for.as_deref());
                self.call_with(ast, "overlay", &args)
            }
            Ast::IsNormalized { .. } => Err(SqlError::unsupported("IS NORMALIZED")),
            Ast::Prefixed { value, .. } => self.expr(value),
            other => {
                let text: String = other.to_string().chars().take(40).collect();
                Err(SqlError::unsupported(format!("the expression {text}")).at(self.expr_position(other)))
            }
        }
    }

    /// A literal or parameter.
    pub(super) fn value(&mut self, value: &ast::ValueWithSpan) -> Result<Expr> {
        match &value.value {
            ast::Value::Number(digits, _) => self.number(digits).map_err(|e| e.at(self.position(value.span))),
            ast::Value::Boolean(b) => Ok(Expr::Const(Value::Bool(*b), DataType::BOOL)),
            ast::Value::Null => Ok(Expr::Const(Value::Null, DataType::UNKNOWN)),
            ast::Value::Placeholder(text) => self.param(text, value.span),
            ast::Value::SingleQuotedByteStringLiteral(bits) => {
                let bits = from_text(bits, DataType::BIT, self.context.style)?;
                Ok(Expr::Const(bits, DataType::BIT))
            }
            ast::Value::HexStringLiteral(digits) => {
                let bits = from_text(&format!("x{digits}"), DataType::BIT, self.context.style)?;
                Ok(Expr::Const(bits, DataType::BIT))
            }
            other => match literal_text(other) {
                Some(text) => Ok(Expr::Const(Value::text(text), DataType::UNKNOWN)),
                None => Err(SqlError::unsupported("this kind of literal").at(self.position(value.span))),
            },
        }
    }

    /// A number: int4, int8 or numeric by size (PG-103).
    pub(super) fn number(&self, digits: &str) -> Result<Expr> {
        if let Ok(n) = digits.parse::<i64>() {
            return Ok(match i32::try_from(n) {
                Ok(n) => Expr::Const(Value::Int4(n), DataType::INT4),
                Err(_) => Expr::Const(Value::Int8(n), DataType::INT8),
            });
        }
        Ok(Expr::Const(from_text(digits, DataType::NUMERIC, self.context.style)?, DataType::NUMERIC))
    }

    /// CAST; an ARRAY constructor takes the type of its items from the cast.
    fn cast(&mut self, inner: &Ast, to: DataType, double: bool) -> Result<Expr> {
        let mut plain = inner;
        while let Ast::Nested(nested) = plain {
            plain = nested;
        }
        let bound = match (plain, element_type_of(to.oid)) {
            (Ast::Array(array), Some(element)) => {
                self.array(&array.elem, Some(DataType::with_typmod(element, to.typmod)))?
            }
            _ => self.expr(inner)?,
        };
        self.explicit_cast(bound, to).map_err(|error| {
            // A cast that does not exist is reported at its `::`, a bad literal at the literal.
            let at = if double && error.state() == SqlState::CANNOT_COERCE {
                self.position_after(inner)
            } else {
                self.expr_position(inner)
            };
            error.at(at)
        })
    }

    fn interval(&mut self, interval: &ast::Interval) -> Result<Expr> {
        let text = match interval.value.as_ref() {
            Ast::Value(value) => literal_text(&value.value).unwrap_or_default().to_owned(),
            _ => return Err(SqlError::syntax("syntax error in INTERVAL literal")),
        };
        let text = match &interval.leading_field {
            Some(field) if text.trim().parse::<f64>().is_ok() => format!("{text} {field}"),
            _ => text,
        };
        let to = DataType::INTERVAL;
        let value = self.literal(&text, to, CastContext::Explicit);
        value.map(|value| Expr::Const(value, to)).map_err(|e| e.at(self.expr_position(&interval.value)))
    }

    fn is_null(&mut self, inner: &Ast, negated: bool) -> Result<Expr> {
        let input = self.expr(inner)?;
        Ok(Expr::IsNull { input: Box::new(input), negated })
    }

    fn bool_test(&mut self, inner: &Ast, value: Option<bool>, negated: bool, what: &str) -> Result<Expr> {
        let input = self.condition(inner, what)?;
        Ok(Expr::BoolTest { input: Box::new(input), value, negated })
    }

    fn between(&mut self, ast: &Ast, expr: &Ast, negated: bool, low: &Ast, high: &Ast) -> Result<Expr> {
        let input = self.expr(expr)?;
        let low = self.expr(low)?;
        let high = self.expr(high)?;
        if negated {
            let below = self.operator(ast, "<", Some(input.clone()), low)?;
            let above = self.operator(ast, ">", Some(input), high)?;
            return Ok(Expr::Or(vec![below, above]));
        }
        let from = self.operator(ast, ">=", Some(input.clone()), low)?;
        let to = self.operator(ast, "<=", Some(input), high)?;
        Ok(Expr::And(vec![from, to]))
    }

    fn case(&mut self, operand: Option<&Ast>, whens: &[ast::CaseWhen], otherwise: Option<&Ast>) -> Result<Expr> {
        let operand = match operand {
            Some(ast) => {
                let bound = self.expr(ast)?;
                Some(self.settle_text(bound)?)
            }
            None => None,
        };
        let mut conditions = Vec::with_capacity(whens.len());
        let mut results = Vec::with_capacity(whens.len() + 1);
        for when in whens {
            conditions.push(match &operand {
                Some(operand) => {
                    let value = self.expr(&when.condition)?;
                    self.operator(&when.condition, "=", Some(operand.clone()), value)?
                }
                None => self.condition(&when.condition, "CASE/WHEN")?,
            });
            results.push((self.expr(&when.result)?, Some(&when.result)));
        }
        // ELSE decides first when the types are of different categories.
        let last = match otherwise {
            Some(ast) => (self.expr(ast)?, Some(ast)),
            None => (Expr::Const(Value::Null, DataType::UNKNOWN), None),
        };
        results.insert(0, last);
        let (mut results, ty) = self.unify(results, "CASE")?;
        let otherwise = Box::new(results.remove(0));
        Ok(Expr::Case { whens: conditions.into_iter().zip(results).collect(), otherwise, ty })
    }

    /// Brings expressions to their common type. Errors: 42804 naming `what`.
    pub(super) fn unify(&mut self, mut exprs: Vec<(Expr, Option<&Ast>)>, what: &str) -> Result<(Vec<Expr>, DataType)> {
        if exprs.iter().any(|(expr, _)| type_of(expr) == oid::BYTEA) {
            for (expr, _) in &mut exprs {
                *expr = self.comdb2_value(expr.clone(), DataType::BYTEA)?;
            }
        }
        let ty = self.common(exprs.iter().map(|(expr, _)| expr.data_type()), what).map_err(|error| {
            let first = exprs.first().map(|(expr, _)| type_of(expr));
            let odd = exprs.iter().find(|(expr, _)| Some(type_of(expr)) != first);
            error.at(odd.and_then(|(_, ast)| ast.and_then(|ast| self.expr_position(ast))))
        })?;
        let mut made = Vec::with_capacity(exprs.len());
        for (expr, ast) in exprs {
            let coerced = self.coerce(expr, ty, CastContext::Implicit);
            made.push(coerced.map_err(|error| error.at(ast.and_then(|ast| self.expr_position(ast))))?);
        }
        Ok((made, ty))
    }

    /// The common type of several, unknown ones giving way; text if all are unknown. A modifier that all share stays.
    pub(super) fn common(&self, types: impl Iterator<Item = DataType>, what: &str) -> Result<DataType> {
        let mut distinct = Vec::new();
        let mut typmod: Option<i32> = None;
        for ty in types {
            if !distinct.contains(&ty.oid) {
                distinct.push(ty.oid);
            }
            typmod = Some(match typmod {
                None => ty.typmod,
                Some(other) if other == ty.typmod => other,
                Some(_) => -1,
            });
        }
        match distinct.as_slice() {
            [one] if *one != oid::UNKNOWN => Ok(DataType::with_typmod(*one, typmod.unwrap_or(-1))),
            _ => common_type(&distinct).map(DataType::new).map_err(|mut error| {
                if error.state() == SqlState::DATATYPE_MISMATCH {
                    let fields = error.fields_mut();
                    fields.message = format!("{what} {}", fields.message);
                }
                error
            }),
        }
    }

    fn row(&mut self, items: &[Ast]) -> Result<Expr> {
        let mut fields = Vec::with_capacity(items.len());
        for item in items {
            fields.extend(self.row_items(item)?.into_iter().map(|field| (Arc::from(""), field)));
        }
        Ok(Expr::Row { fields, ty: DataType::RECORD })
    }

    /// ARRAY[…], its items of the type asked for or of their common type.
    pub(super) fn array(&mut self, items: &[Ast], element: Option<DataType>) -> Result<Expr> {
        let mut nested = false;
        let mut bound = Vec::with_capacity(items.len());
        for item in items {
            let expr = match item {
                Ast::Array(inner) => self.array(&inner.elem, element)?,
                _ => self.expr(item)?,
            };
            nested |= is_array(type_of(&expr)) && !matches!(type_of(&expr), oid::INT2VECTOR | oid::OIDVECTOR);
            bound.push((expr, Some(item)));
        }
        if bound.is_empty() {
            let Some(ty) = element.and_then(|element| array_type_of(element.oid)) else {
                return Err(SqlError::new(SqlState::INDETERMINATE_DATATYPE, "cannot determine type of empty array")
                    .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."));
            };
            let empty = Array { element: element.map_or(0, |ty| ty.oid), dims: Vec::new(), items: Vec::new() };
            return Ok(Expr::Const(Value::Array(Arc::new(empty)), DataType::new(ty)));
        }
        let (items, ty) = match element {
            Some(element) => {
                let target = if nested { array_type_of(element.oid).map_or(element, DataType::new) } else { element };
                let mut made = Vec::with_capacity(bound.len());
                for (expr, ast) in bound {
                    let cast = self.explicit_cast(expr, target);
                    made.push(cast.map_err(|e| e.at(ast.and_then(|ast| self.expr_position(ast))))?);
                }
                (made, target)
            }
            None => self.unify(bound, "ARRAY")?,
        };
        let array = if nested { Some(ty.oid) } else { array_type_of(ty.oid) };
        let Some(array) = array else {
            return Err(SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("could not find array type for data type {}", shown_type(ty)),
            ));
        };
        Ok(Expr::Array { items, nested, ty: DataType::new(array) })
    }

    pub(super) fn access(&mut self, root: &Ast, chain: &[ast::AccessExpr]) -> Result<Expr> {
        let fields = matches!(chain, [ast::AccessExpr::Dot(_), ..]);
        let mut rest = chain;
        // In `t.c[1]` a table's column comes before a field of a column t.
        let column = match (root, chain) {
            (
                Ast::Identifier(table),
                [ast::AccessExpr::Dot(Ast::Identifier(column)), ast::AccessExpr::Subscript(_), ..],
            ) => self.expr(&Ast::CompoundIdentifier(vec![table.clone(), column.clone()])).ok(),
            _ => None,
        };
        let mut input = match column {
            Some(column) => {
                rest = &chain[1..];
                column
            }
            None if fields => self.record(root)?,
            None => self.expr(root)?,
        };
        while let Some(first) = rest.first() {
            if let ast::AccessExpr::Dot(field) = first {
                let Ast::Identifier(ident) = field else {
                    return Err(SqlError::unsupported("this kind of field access"));
                };
                input = self.field(input, ident)?;
                rest = &rest[1..];
                continue;
            }
            let count = rest.iter().take_while(|access| matches!(access, ast::AccessExpr::Subscript(_))).count();
            input = self.subscript(input, &rest[..count], root)?;
            rest = &rest[count..];
        }
        Ok(input)
    }

    fn field(&mut self, input: Expr, ident: &ast::Ident) -> Result<Expr> {
        // `f((row).*)` is `f(row)`.
        if is_star_mark(ident) {
            return Ok(input);
        }
        let name = self.fold(ident);
        let missing = |kind: String| {
            SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" not found in data type {kind}"))
        };
        if let Expr::Row { fields, .. } = input {
            // The fields of ROW(…) have no names of their own: f1, f2 ….
            let called = |place: usize, own: &str| own == name || own.is_empty() && name == format!("f{}", place + 1);
            let found = fields.into_iter().enumerate().find(|(place, (own, _))| called(*place, own));
            return found
                .map(|(_, (_, field))| field)
                .ok_or_else(|| missing("record".to_owned()).at(self.position(ident.span)));
        }
        let ty = type_of(&input);
        if let Expr::Column(place, _) = &input {
            if let Some(call) = place.checked_sub(super::SET_MARK).and_then(|i| self.level().sets.get(i).cloned()) {
                let columns = call.function.columns;
                if let Some(field) = columns.iter().position(|(own, _)| *own == name) {
                    let ty = call.columns.get(field).copied().unwrap_or(DataType::TEXT);
                    return Ok(Expr::Field { input: Box::new(input), field, ty });
                }
            }
        }
        if let Expr::Call { function, .. } = &input {
            if let Some(field) = function.columns.iter().position(|(own, _)| *own == name) {
                let ty = DataType::new(function.columns[field].1);
                return Ok(Expr::Field { input: Box::new(input), field, ty });
            }
        }
        if let Some(columns) = super::call::record_columns(input.data_type()) {
            return match columns.iter().position(|(own, _)| *own == name) {
                Some(field) => Ok(Expr::Field { input: Box::new(input), field, ty: columns[field].1 }),
                None => {
                    let message = format!("could not identify column \"{name}\" in record data type");
                    Err(SqlError::new(SqlState::UNDEFINED_COLUMN, message).at(self.position(ident.span)))
                }
            };
        }
        let table = self.catalog.table_of_rows(ty).cloned();
        if let Some(table) = table {
            let mut columns = table.live_columns().map(|(_, column)| column);
            if let Some(field) = columns.position(|column| column.name == name) {
                let column_type = table.live_columns().nth(field).map_or(DataType::TEXT, |(_, column)| column.ty);
                return Ok(Expr::Field { input: Box::new(input), field, ty: column_type });
            }
            return Err(missing(table.name.clone()).at(self.position(ident.span)));
        }
        Err(SqlError::new(
            SqlState::WRONG_OBJECT_TYPE,
            format!(
                "column notation .{name} applied to type {}, which is not a composite type",
                shown_type(DataType::new(ty))
            ),
        )
        .at(self.position(ident.span)))
    }

    fn subscript(&mut self, input: Expr, chain: &[ast::AccessExpr], root: &Ast) -> Result<Expr> {
        let ty = type_of(&input);
        if ty == oid::JSONB {
            let mut value = input;
            for access in chain {
                let ast::AccessExpr::Subscript(ast::Subscript::Index { index }) = access else {
                    return Err(SqlError::new(SqlState::DATATYPE_MISMATCH, "jsonb subscript does not support slices"));
                };
                let mut key = self.expr(index)?;
                if type_of(&key) == oid::UNKNOWN {
                    key = self.settle_text(key)?;
                }
                value = self.operator(index, "->", Some(value), key)?;
            }
            return Ok(value);
        }
        if ty == oid::NAME
            && let [ast::AccessExpr::Subscript(ast::Subscript::Index { index })] = chain
        {
            // A name is an array of bytes: typname[0].
            let place = self.optional_int(Some(index))?.ok_or_else(|| SqlError::internal("no subscript"))?;
            return self.call_bound("name_byte", vec![input, place], self.expr_position(root));
        }
        let Some(element) = element_type_of(ty).filter(|_| is_array(ty)).or_else(|| vector_element(ty)) else {
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    shown_type(DataType::new(ty))
                ),
            )
            .at(self.expr_position(root)));
        };
        let slice =
            chain.iter().any(|access| matches!(access, ast::AccessExpr::Subscript(ast::Subscript::Slice { .. })));
        if slice {
            let mut bounds = Vec::with_capacity(chain.len());
            for access in chain {
                bounds.push(match access {
                    ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, .. }) => {
                        (self.optional_int(lower_bound.as_ref())?, self.optional_int(upper_bound.as_ref())?)
                    }
                    ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                        let one = Expr::Const(Value::Int4(1), DataType::INT4);
                        (Some(one), self.optional_int(Some(index))?)
                    }
                    ast::AccessExpr::Dot(_) => (None, None),
                });
            }
            return Ok(Expr::Slice { array: Box::new(input), bounds, ty: DataType::new(ty) });
        }
        let mut subscripts = Vec::with_capacity(chain.len());
        for access in chain {
            if let ast::AccessExpr::Subscript(ast::Subscript::Index { index }) = access {
                subscripts.extend(self.optional_int(Some(index))?);
            }
        }
        Ok(Expr::Subscript { array: Box::new(input), subscripts, ty: DataType::new(element) })
    }

    fn optional_int(&mut self, ast: Option<&Ast>) -> Result<Option<Expr>> {
        let Some(ast) = ast else { return Ok(None) };
        let bound = self.expr(ast)?;
        let from = bound.data_type();
        match self.try_coerce(bound, DataType::INT4, CastContext::Assignment)? {
            Some(expr) => Ok(Some(expr)),
            None => Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("array subscript must have type integer, not {}", shown_type(from)),
            )
            .at(self.expr_position(ast))),
        }
    }

    fn collate(&mut self, inner: &Ast, collation: &ast::ObjectName) -> Result<Expr> {
        let parts = self.name_parts(collation);
        let name = parts.last().map_or("", String::as_str);
        if !matches!(name, "C" | "POSIX" | "default" | "ucs_basic") {
            return Err(SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("collation \"{}\" for encoding \"UTF8\" does not exist", parts.join(".")),
            )
            .at(self.name_position(collation)));
        }
        let input = self.expr(inner)?;
        let input = self.settle_text(input)?;
        if super::names::is_text(type_of(&input)) {
            return Ok(input);
        }
        Err(SqlError::new(
            SqlState::DATATYPE_MISMATCH,
            format!("collations are not supported by type {}", shown_type(DataType::new(type_of(&input)))),
        )
        .at(self.expr_position(inner)))
    }

    fn substring(&mut self, ast: &Ast, expr: &Ast, from: Option<&Ast>, length: Option<&Ast>) -> Result<Expr> {
        match (from, length) {
            (None, Some(length)) => {
                let input = self.expr(expr)?;
                let length = self.expr(length)?;
                let one = Expr::Const(Value::Int4(1), DataType::INT4);
                self.call_bound("substring", vec![input, one, length], self.expr_position(ast))
            }
            (Some(from), None) => self.call_with(ast, "substring", &[expr, from]),
            (Some(from), Some(length)) => self.call_with(ast, "substring", &[expr, from, length]),
            (None, None) => self.call_with(ast, "substring", &[expr]),
        }
    }
}

fn vector_element(ty: crate::types::Oid) -> Option<crate::types::Oid> {
    match ty {
        oid::INT2VECTOR => Some(oid::INT2),
        oid::OIDVECTOR => Some(oid::OID),
        _ => None,
    }
}

/// The text of a string literal of any form.
pub(super) fn literal_text(value: &ast::Value) -> Option<&str> {
    use ast::Value as V;
    match value {
        V::SingleQuotedString(text)
        | V::EscapedStringLiteral(text)
        | V::UnicodeStringLiteral(text)
        | V::NationalStringLiteral(text)
        | V::DoubleQuotedString(text) => Some(text),
        V::DollarQuotedString(text) => Some(&text.value),
        V::Number(digits, _) => Some(digits),
        _ => None,
    }
}
