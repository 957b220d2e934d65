//! What AMI's operators mean for operands of these types (AMI-25 to AMI-33).
//!
//! The translation of AMI's text writes them as calls of a schema `ami`: `ami.eq(a, b)`. Null is tested by equality;
//! other comparisons with it are null here, which is as good as false until `ami.value` makes it so. What comes out are
//! ordinary expressions, so that indexes, rewrites and views need not know about AMI.

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::Expr as Ast;

use super::Binder;
use super::coerce::{is_number, type_of};
use super::names::is_text;
use crate::catalog::{FunctionDef, FunctionKind};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{CompareOp, Expr, Function, FunctionBody, Volatility};
use crate::types::{CastContext, DataType, Oid, Value, from_text, lenient_cast, oid};

/// What a call of a user's method becomes; its first argument is the method's name. In no table of functions: only the
/// binder makes such calls.
static CALL_METHOD: Function = Function {
    oid: 0,
    name: "ami_call_method",
    args: &[oid::TEXT, oid::ANY],
    variadic: true,
    defaults: &[],
    result: oid::ANY,
    columns: &[],
    volatility: Volatility::Volatile,
    strict: false,
    body: FunctionBody::Scalar(|call| {
        let (Some(name), Some(args)) = (call.args.first().and_then(Value::as_str), call.args.get(1..)) else {
            return Err(SqlError::internal("a method without a name"));
        };
        call.ctx.runtime.call_method(name, args, call.result)
    }),
};

/// The schema of AMI's operators in translated text.
pub(super) const SCHEMA: &str = "ami";

fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Const(Value::Null, _))
}

fn is_constant(expr: &Expr) -> bool {
    matches!(expr, Expr::Const(value, _) if !value.is_null())
}

fn is_whole(ty: Oid) -> bool {
    matches!(ty, oid::INT2 | oid::INT4 | oid::INT8)
}

fn is_float(ty: Oid) -> bool {
    matches!(ty, oid::FLOAT4 | oid::FLOAT8)
}

/// A literal string or a text.
fn is_string(expr: &Expr) -> bool {
    match expr {
        Expr::Const(Value::Null, _) => is_text(type_of(expr)) && type_of(expr) != oid::UNKNOWN,
        Expr::Const(..) => is_text(type_of(expr)),
        _ => is_text(type_of(expr)) && type_of(expr) != oid::UNKNOWN,
    }
}

impl Binder<'_> {
    /// One of AMI's operators.
    pub(super) fn ami_call(&mut self, name: &str, call: &ast::Function) -> Result<Expr> {
        let args = self.call_args(name, call)?;
        let mut bound = Vec::with_capacity(args.exprs.len());
        for arg in &args.exprs {
            bound.push(self.expr(arg)?);
        }
        let mut bound = bound.into_iter();
        let (Some(first), at) = (bound.next(), args.exprs.first().copied()) else {
            return Err(SqlError::internal("an operator of AMI without operands"));
        };
        let Some(at) = at else { return Err(SqlError::internal("an operator of AMI without operands")) };
        match (name, bound.next()) {
            ("value", None) => Ok(known(first)),
            ("text", None) => self.ami_text(first),
            ("byte", None) => self.lenient(first, DataType::AMI_BYTE),
            ("complex", None) => self.lenient(first, DataType::AMI_COMPLEX),
            ("cast", Some(second)) => self.lenient(first, second.data_type()),
            ("same_name", Some(second)) => {
                let left = self.call_bound("lower", vec![first], None)?;
                let right = self.call_bound("lower", vec![second], None)?;
                self.operator(at, "=", Some(left), right)
            }
            (_, Some(second)) => self.ami_binary(name, first, second, at),
            _ => Err(SqlError::internal(format!("no operator of AMI: {name}"))),
        }
    }

    /// A call of a user's method (AMI-76); none if there is no method of that name. Among several the one whose argument
    /// types are these says the result's type, else the first.
    pub(super) fn ami_method(&mut self, name: &str, call: &ast::Function) -> Result<Option<Expr>> {
        let methods: Vec<_> = self
            .catalog
            .functions()
            .filter(|def| {
                def.dialect == "ami" && def.kind == FunctionKind::Function && def.name.eq_ignore_ascii_case(name)
            })
            .cloned()
            .collect();
        if methods.is_empty() {
            return Ok(None);
        }
        let args = self.call_args(name, call)?;
        let mut bound = Vec::with_capacity(args.exprs.len() + 1);
        for arg in &args.exprs {
            let arg = self.expr(arg)?;
            bound.push(self.settle_text(arg)?);
        }
        let fitting: Vec<_> = methods.iter().filter(|def| def.arguments.len() == bound.len()).collect();
        let exact = |def: &&&Arc<FunctionDef>| {
            def.arguments.iter().zip(&bound).all(|((_, ty), arg)| ty.oid == arg.data_type().oid)
        };
        let Some(method) = fitting.iter().find(exact).or_else(|| fitting.first()) else {
            return Err(SqlError::new(
                SqlState::UNDEFINED_FUNCTION,
                format!("no method {name} takes {} arguments", bound.len()),
            ));
        };
        let ty = method.returns;
        bound.insert(0, Expr::Const(Value::text(method.name.as_str()), DataType::TEXT));
        Ok(Some(Expr::Call { function: &CALL_METHOD, args: bound, ty }))
    }

    fn ami_binary(&mut self, name: &str, left: Expr, right: Expr, at: &Ast) -> Result<Expr> {
        match name {
            "eq" => self.ami_equal(left, right, at),
            "ne" => self.ami_unequal(left, right, at),
            "lt" => self.ami_compare("<", left, right, at),
            "le" => self.ami_compare("<=", left, right, at),
            "gt" => self.ami_compare(">", left, right, at),
            "ge" => self.ami_compare(">=", left, right, at),
            "match" | "no_match" | "like" => {
                let left = self.ami_text(left)?;
                let right = self.ami_text(right)?;
                match name {
                    "like" => self.call_bound("ami_like", vec![left, right], None),
                    "match" => self.operator(at, "~", Some(left), right),
                    _ => self.operator(at, "!~", Some(left), right),
                }
            }
            "add" if is_string(&left) || is_string(&right) => {
                let left = self.ami_piece(left)?;
                let right = self.ami_piece(right)?;
                self.operator(at, "||", Some(left), right)
            }
            "add" => self.ami_arithmetic("+", left, right, at),
            "sub" => self.ami_arithmetic("-", left, right, at),
            "mul" => self.ami_arithmetic("*", left, right, at),
            "div" => self.ami_divide(left, right, at),
            "mod" => self.ami_modulus(left, right, at),
            "shl" => self.operator(at, "<<", Some(left), right),
            "shr" => self.operator(at, ">>", Some(left), right),
            "bit_and" => self.operator(at, "&", Some(left), right),
            "bit_or" => self.operator(at, "|", Some(left), right),
            "bit_xor" => self.operator(at, "#", Some(left), right),
            "ushr" => Err(SqlError::unsupported("\">>>\" in an AMI statement")),
            _ => Err(SqlError::internal(format!("no operator of AMI: {name}"))),
        }
    }

    /// Brings operands to types that compare (AMI-31); what cannot be converted is null.
    fn ami_pair(&mut self, left: Expr, right: Expr) -> Result<(Expr, Expr)> {
        let (from, to) = (type_of(&left), type_of(&right));
        if from == to {
            return Ok((left, right));
        }
        if let Some(target) = self.ami_beside(&left, to) {
            return Ok((self.lenient(left, target)?, right));
        }
        if let Some(target) = self.ami_beside(&right, from) {
            let right = self.lenient(right, target)?;
            return Ok((left, right));
        }
        Ok((left, right))
    }

    /// What an operand becomes beside one of type `other`; none if it stays.
    fn ami_beside(&self, expr: &Expr, other: Oid) -> Option<DataType> {
        let ty = type_of(expr);
        let literal = ty == oid::UNKNOWN && is_constant(expr);
        if !(literal || is_text(ty) && ty != oid::UNKNOWN) || is_text(other) {
            return (is_whole(ty) && other == oid::TIMESTAMPTZ).then_some(DataType::TIMESTAMPTZ);
        }
        if !is_number(other) {
            return Some(DataType::new(other));
        }
        if is_float(other) {
            return Some(DataType::FLOAT8);
        }
        // A literal of a whole number stays one, so that an index serves it.
        if let Expr::Const(value, _) = expr
            && value.as_str().is_some_and(|text| from_text(text, DataType::new(other), self.context.style).is_ok())
        {
            return Some(DataType::new(other));
        }
        Some(DataType::NUMERIC)
    }

    fn ami_compare(&mut self, op: &str, left: Expr, right: Expr, at: &Ast) -> Result<Expr> {
        if is_null(&left) || is_null(&right) {
            return Ok(Expr::Const(Value::Null, DataType::BOOL));
        }
        let (left, right) = self.ami_pair(left, right)?;
        self.operator(at, op, Some(left), right)
    }

    fn ami_equal(&mut self, left: Expr, right: Expr, at: &Ast) -> Result<Expr> {
        self.ami_equality(left, right, at, true)
    }

    fn ami_unequal(&mut self, left: Expr, right: Expr, at: &Ast) -> Result<Expr> {
        self.ami_equality(left, right, at, false)
    }

    fn ami_equality(&mut self, left: Expr, right: Expr, at: &Ast, equal: bool) -> Result<Expr> {
        if let (Expr::Row { fields: a, .. }, Expr::Row { fields: b, .. }) = (&left, &right) {
            if a.len() != b.len() {
                return Err(SqlError::syntax("unequal number of entries in row expressions"));
            }
            let pairs: Vec<(Expr, Expr)> =
                a.iter().map(|(_, a)| a.clone()).zip(b.iter().map(|(_, b)| b.clone())).collect();
            let mut parts = Vec::with_capacity(pairs.len());
            for (a, b) in pairs {
                parts.push(self.ami_equality(a, b, at, equal)?);
            }
            return Ok(if equal { Expr::And(parts) } else { Expr::Or(parts) });
        }
        let tested = match (is_null(&left), is_null(&right)) {
            (true, true) => return Ok(Expr::Const(Value::Bool(equal), DataType::BOOL)),
            (true, false) => Some(right.clone()),
            (false, true) => Some(left.clone()),
            (false, false) => None,
        };
        if let Some(tested) = tested {
            let tested = self.settle_text(tested)?;
            return Ok(Expr::IsNull { input: Box::new(tested), negated: !equal });
        }
        let (left, right) = self.ami_pair(left, right)?;
        // A literal that could not be converted equals nothing.
        if is_null(&left) || is_null(&right) {
            return Ok(Expr::Const(Value::Bool(!equal), DataType::BOOL));
        }
        let never_null = |binder: &mut Self, expr: &Expr| is_constant(expr) || binder.is_never_null(expr);
        let (a, b) = (never_null(self, &left), never_null(self, &right));
        let compared = self.operator(at, "=", Some(left), right)?;
        match compared {
            Expr::Compare { op, left, right } => Ok(if equal && (a || b) {
                Expr::Compare { op, left, right }
            } else if a && b {
                Expr::Compare { op: CompareOp::NotEqual, left, right }
            } else {
                Expr::IsDistinct { left, right, negated: equal }
            }),
            other if equal => Ok(other),
            other => Ok(Expr::Not(Box::new(known(other)))),
        }
    }

    /// A column that is declared so.
    fn is_never_null(&mut self, expr: &Expr) -> bool {
        if self.frames.is_empty() {
            return false;
        }
        let (relation, attribute) = self.origin(expr);
        let place = usize::try_from(attribute).ok().and_then(|attribute| attribute.checked_sub(1));
        let table = self.catalog.table(crate::catalog::TableId(relation));
        // Beyond an outer join a column may be null although its table never has one.
        let single = self.frames.last().is_some_and(|frame| frame.items.len() == 1);
        single && table.zip(place).and_then(|(table, place)| table.columns.get(place)).is_some_and(|c| c.not_null)
    }

    fn ami_numbers(&mut self, left: Expr, right: Expr) -> Result<(Expr, Expr)> {
        let settle = |binder: &mut Self, expr: Expr, other: Oid| -> Result<Expr> {
            if type_of(&expr) == oid::UNKNOWN && is_null(&expr) {
                return binder.lenient(expr, if is_number(other) { DataType::new(other) } else { DataType::INT4 });
            }
            if type_of(&expr) == oid::TIMESTAMPTZ { binder.lenient(expr, DataType::INT8) } else { Ok(expr) }
        };
        let (from, to) = (type_of(&left), type_of(&right));
        let left = settle(self, left, to)?;
        let right = settle(self, right, from)?;
        Ok((left, right))
    }

    fn ami_arithmetic(&mut self, op: &str, left: Expr, right: Expr, at: &Ast) -> Result<Expr> {
        let (left, right) = self.ami_numbers(left, right)?;
        self.operator(at, op, Some(left), right)
    }

    /// Whole division truncates and gives null for zero; floating follows IEEE (AMI-29, AMI-30).
    fn ami_divide(&mut self, left: Expr, right: Expr, at: &Ast) -> Result<Expr> {
        let (left, right) = self.ami_numbers(left, right)?;
        let zero = self.is_zero(right.clone(), at)?;
        let (from, to) = (type_of(&left), type_of(&right));
        let quotient = self.operator(at, "/", Some(left.clone()), right)?;
        let Some(zero) = zero else { return Ok(quotient) };
        let ty = quotient.data_type();
        let otherwise = if is_float(from) || is_float(to) {
            let infinity = Expr::Const(Value::Float8(f64::INFINITY), DataType::FLOAT8);
            let product = self.operator(at, "*", Some(left), infinity)?;
            self.explicit_cast(product, ty)?
        } else {
            Expr::Const(Value::Null, ty)
        };
        Ok(Expr::Case { whens: vec![(zero, otherwise)], otherwise: Box::new(quotient), ty })
    }

    fn ami_modulus(&mut self, left: Expr, right: Expr, at: &Ast) -> Result<Expr> {
        let (left, right) = self.ami_numbers(left, right)?;
        let float = is_float(type_of(&left)) || is_float(type_of(&right));
        let (left, right) = if float {
            (self.lenient(left, DataType::NUMERIC)?, self.lenient(right, DataType::NUMERIC)?)
        } else {
            (left, right)
        };
        let zero = self.is_zero(right.clone(), at)?;
        let rest = self.operator(at, "%", Some(left), right)?;
        let rest = match zero {
            Some(zero) => {
                let ty = rest.data_type();
                let null = Expr::Const(Value::Null, ty);
                Expr::Case { whens: vec![(zero, null)], otherwise: Box::new(rest), ty }
            }
            None => rest,
        };
        if float { self.explicit_cast(rest, DataType::FLOAT8) } else { Ok(rest) }
    }

    /// `expr = 0`; none for a constant that is not.
    fn is_zero(&mut self, expr: Expr, at: &Ast) -> Result<Option<Expr>> {
        let nonzero = match &expr {
            Expr::Const(Value::Int2(n), _) => *n != 0,
            Expr::Const(Value::Int4(n), _) => *n != 0,
            Expr::Const(Value::Int8(n), _) => *n != 0,
            Expr::Const(Value::Float8(n), _) => *n != 0.0,
            _ => false,
        };
        if nonzero {
            return Ok(None);
        }
        let zero = Expr::Const(Value::Int4(0), DataType::INT4);
        self.operator(at, "=", Some(expr), zero).map(Some)
    }

    /// A value's text; null stays null.
    fn ami_text(&mut self, expr: Expr) -> Result<Expr> {
        match type_of(&expr) {
            oid::TEXT => Ok(expr),
            oid::UNKNOWN => self.settle_text(expr),
            _ => self.lenient(expr, DataType::TEXT),
        }
    }

    /// A piece of a concatenation: null counts as empty (AMI-26).
    fn ami_piece(&mut self, expr: Expr) -> Result<Expr> {
        let text = self.ami_text(expr)?;
        let empty = Expr::Const(Value::text(""), DataType::TEXT);
        Ok(match text {
            Expr::Const(Value::Null, _) => empty,
            Expr::Const(..) => text,
            other => Expr::Coalesce(vec![other, empty], DataType::TEXT),
        })
    }

    /// A conversion by AMI's rules: null instead of an error (AMI-32).
    pub(super) fn lenient(&mut self, expr: Expr, to: DataType) -> Result<Expr> {
        let from = expr.data_type();
        if from == to {
            return Ok(expr);
        }
        match &expr {
            Expr::Const(Value::Null, _) => return Ok(Expr::Const(Value::Null, to)),
            Expr::Const(value, _) => {
                let from = if from.oid == oid::UNKNOWN { DataType::TEXT } else { from };
                return Ok(Expr::Const(lenient_cast(value.clone(), from, to, self.context.style), to));
            }
            Expr::Param(..) if from.oid == oid::UNKNOWN => return self.coerce(expr, to, CastContext::Implicit),
            _ => {}
        }
        if from.oid != oid::UNKNOWN && Self::can_coerce(from.oid, to.oid, CastContext::Implicit) && to.typmod < 0 {
            return self.coerce(expr, to, CastContext::Implicit);
        }
        Ok(Expr::Cast { input: Box::new(expr), to, context: CastContext::Lenient })
    }

    /// Notes that surplus values of an INSERT go on in the table's order (AMI-56): the places, with the surplus ones.
    /// Errors: 42601 if there is no such column.
    pub(super) fn ami_surplus(
        &mut self,
        table: &crate::catalog::TableDef,
        mut columns: Vec<usize>,
        width: usize,
    ) -> Result<Vec<usize>> {
        let named = columns.len();
        let mut extra = Vec::new();
        while columns.len() < width {
            let last = columns.last().copied();
            let next = table
                .live_columns()
                .map(|(place, _)| place)
                .find(|place| last.is_none_or(|last| *place > last) && !columns.contains(place));
            let Some(next) = next else {
                return Err(SqlError::syntax("INSERT has more expressions than target columns"));
            };
            extra.push(format!("\"{}\"", table.columns[next].name));
            columns.push(next);
        }
        self.notices.push(SqlError::notice(
            crate::error::Severity::Warning,
            SqlState::WARNING,
            format!(
                "INSERT names {named} columns but supplies {width} values; the surplus was assigned to {}",
                extra.join(", ")
            ),
        ));
        Ok(columns)
    }
}

/// A condition that is never null (AMI-27).
fn known(expr: Expr) -> Expr {
    match expr {
        Expr::IsNull { .. } | Expr::IsDistinct { .. } | Expr::Const(Value::Bool(_), _) | Expr::Coalesce(..) => expr,
        other => Expr::Coalesce(vec![other, Expr::Const(Value::Bool(false), DataType::BOOL)], DataType::BOOL),
    }
}
