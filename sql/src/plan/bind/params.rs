//! Parameters: declared types are used, others are found from the first use that says one (PG-101, PG-102).
//!
//! A reference to a parameter without a type is bound as `unknown`; coercing it settles the type for the statement. A
//! reference that nothing ever coerced leaves its parameter open: 42P18 if no other use settled it, else 42P08.

use std::collections::HashMap;

use sqlparser::tokenizer::Span as SqlSpan;

use super::Binder;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::types::{DataType, Oid, oid, shown_type};

struct Param {
    ty: Option<DataType>,
    /// References bound as `unknown` and not coerced yet.
    open: usize,
    span: SqlSpan,
}

/// The parameters of a statement.
pub(super) struct Params {
    list: Vec<Param>,
    fixed: bool,
}

impl Params {
    pub(super) fn new(
        declared: &[Oid],
        count: usize,
        variables: Option<&HashMap<String, (usize, DataType)>>,
    ) -> Params {
        let mut list: Vec<Param> = Vec::with_capacity(count.max(declared.len()));
        for place in 0..count.max(declared.len()) {
            let known = declared.get(place).copied().filter(|oid| *oid != 0 && *oid != oid::UNKNOWN);
            list.push(Param { ty: known.map(DataType::new), open: 0, span: SqlSpan::empty() });
        }
        for (place, ty) in variables.into_iter().flat_map(HashMap::values) {
            while list.len() <= *place {
                list.push(Param { ty: None, open: 0, span: SqlSpan::empty() });
            }
            list[*place].ty = Some(*ty);
        }
        Params { list, fixed: false }
    }

    /// Refuses parameters altogether (defaults, view texts): 42P02.
    pub(super) fn forbid(&mut self) {
        self.fixed = true;
    }

    /// The types, all settled. Errors: 42P18, 42P08.
    pub(super) fn finish(&self, binder: &Binder<'_>) -> Result<Vec<DataType>> {
        let mut types = Vec::with_capacity(self.list.len());
        for (place, param) in self.list.iter().enumerate() {
            match param.ty {
                Some(_) if param.open > 0 => {
                    return Err(SqlError::new(
                        SqlState::AMBIGUOUS_PARAMETER,
                        format!("could not determine data type of parameter ${}", place + 1),
                    )
                    .at(binder.position(param.span)));
                }
                Some(ty) => types.push(ty),
                None if param.open > 0 || param.span.start.line == 0 => {
                    return Err(SqlError::new(
                        SqlState::INDETERMINATE_DATATYPE,
                        format!("could not determine data type of parameter ${}", place + 1),
                    ));
                }
                None => types.push(DataType::TEXT),
            }
        }
        Ok(types)
    }
}

impl Binder<'_> {
    /// A reference to `$n`.
    pub(super) fn param(&mut self, text: &str, span: SqlSpan) -> Result<Expr> {
        let number: usize = text.trim_start_matches('$').parse().unwrap_or(0);
        if number == 0 || number > 65_535 || self.params.fixed {
            return Err(SqlError::new(SqlState::UNDEFINED_PARAMETER, format!("there is no parameter {text}"))
                .at(self.position(span)));
        }
        while self.params.list.len() < number {
            self.params.list.push(Param { ty: None, open: 0, span: SqlSpan::empty() });
        }
        let param = &mut self.params.list[number - 1];
        if let Some(ty) = param.ty {
            return Ok(Expr::Param(number - 1, ty));
        }
        if param.span.start.line == 0 {
            param.span = span;
        }
        param.open += 1;
        Ok(Expr::Param(number - 1, DataType::UNKNOWN))
    }

    /// Settles the type of a parameter that a reference left open. Errors: 42P08 if another use settled another type.
    pub(super) fn settle_param(&mut self, place: usize, ty: DataType) -> Result<Expr> {
        let ty = DataType::new(ty.oid);
        let Some(param) = self.params.list.get_mut(place) else {
            return Err(SqlError::internal("a parameter that was not counted"));
        };
        param.open = param.open.saturating_sub(1);
        match param.ty {
            None => param.ty = Some(ty),
            Some(other) if other.oid == ty.oid => {}
            Some(other) => {
                let span = param.span;
                return Err(SqlError::new(
                    SqlState::AMBIGUOUS_PARAMETER,
                    format!("inconsistent types deduced for parameter ${}", place + 1),
                )
                .detail(format!("{} versus {}", shown_type(other), shown_type(ty)))
                .at(self.position(span)));
            }
        }
        Ok(Expr::Param(place, ty))
    }
}
