//! Window calls: named windows, their inheritance, frames.

use sqlparser::ast;

use super::call::{Args, sort_key};
use super::coerce::type_of;
use super::{Binder, Clause, WINDOW_MARK};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::{Expr, Target, resolve_function};
use crate::parse::exclude_mark;
use crate::plan::{Frame, FrameBound, FrameExclude, FrameUnits, SortKey, WindowCall, WindowTarget};
use crate::types::{CastContext, DataType, Oid, oid};

/// A bound window.
#[derive(Clone)]
pub(super) struct Spec {
    pub partition: Vec<Expr>,
    pub order: Vec<SortKey>,
    pub frame: Option<Frame>,
}

fn default_frame() -> Frame {
    Frame {
        units: FrameUnits::Range,
        start: FrameBound::UnboundedPreceding,
        end: FrameBound::CurrentRow,
        exclude: FrameExclude::NoOthers,
    }
}

fn windowing(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::WINDOWING_ERROR, message)
}

impl Binder<'_> {
    /// WINDOW w AS (…).
    pub(super) fn bind_named_windows(&mut self, named: &[ast::NamedWindowDefinition]) -> Result<()> {
        for ast::NamedWindowDefinition(name, definition) in named {
            let folded = self.fold(name);
            if self.level().named_windows.iter().any(|(known, _)| *known == folded) {
                return Err(windowing(format!("window \"{folded}\" is already defined")).at(self.position(name.span)));
            }
            let spec = match definition {
                ast::NamedWindowExpr::NamedWindow(other) => self.named_window(other)?,
                ast::NamedWindowExpr::WindowSpec(spec) => self.window_spec(spec)?,
            };
            self.level().named_windows.push((folded, spec));
        }
        Ok(())
    }

    fn named_window(&mut self, ident: &ast::Ident) -> Result<Spec> {
        let name = self.fold(ident);
        let found = self.level().named_windows.iter().find(|(known, _)| *known == name).map(|(_, spec)| spec.clone());
        found.ok_or_else(|| {
            SqlError::new(SqlState::UNDEFINED_OBJECT, format!("window \"{name}\" does not exist"))
                .at(self.position(ident.span))
        })
    }

    fn window_spec(&mut self, spec: &ast::WindowSpec) -> Result<Spec> {
        let base = match &spec.window_name {
            Some(name) => Some((self.fold(name), self.named_window(name)?, name.span)),
            None => None,
        };
        let (mut partition, mut order) = (Vec::new(), Vec::new());
        if let Some((name, inherited, span)) = base {
            if !spec.partition_by.is_empty() {
                return Err(windowing(format!("cannot override PARTITION BY clause of window \"{name}\""))
                    .at(self.position(span)));
            }
            if spec.order_by.iter().any(|item| exclude_mark(&item.expr).is_none()) && !inherited.order.is_empty() {
                return Err(
                    windowing(format!("cannot override ORDER BY clause of window \"{name}\"")).at(self.position(span))
                );
            }
            if inherited.frame.is_some() {
                return Err(windowing(format!("cannot copy window \"{name}\" because it has a frame clause"))
                    .at(self.position(span)));
            }
            partition = inherited.partition;
            order = inherited.order;
        }
        self.in_clause(Clause::Window, |binder| {
            for ast in &spec.partition_by {
                let expr = binder.expr(ast)?;
                partition.push(binder.settle_text(expr)?);
            }
            for item in spec.order_by.iter().filter(|item| exclude_mark(&item.expr).is_none()) {
                let expr = binder.expr(&item.expr)?;
                let expr = binder.settle_text(expr)?;
                order.push(sort_key(expr, &item.options)?);
            }
            Ok(())
        })?;
        let exclude = match spec.order_by.iter().find_map(|item| exclude_mark(&item.expr)) {
            Some("current row") => FrameExclude::CurrentRow,
            Some("group") => FrameExclude::Group,
            Some("ties") => FrameExclude::Ties,
            _ => FrameExclude::NoOthers,
        };
        let frame = match &spec.window_frame {
            Some(frame) => Some(Frame { exclude, ..self.window_frame(frame, &order)? }),
            None => None,
        };
        Ok(Spec { partition, order, frame })
    }

    fn window_frame(&mut self, frame: &ast::WindowFrame, order: &[SortKey]) -> Result<Frame> {
        let units = match frame.units {
            ast::WindowFrameUnits::Rows => FrameUnits::Rows,
            ast::WindowFrameUnits::Range => FrameUnits::Range,
            ast::WindowFrameUnits::Groups => FrameUnits::Groups,
        };
        if units == FrameUnits::Groups && order.is_empty() {
            return Err(windowing("GROUPS mode requires an ORDER BY clause"));
        }
        let start = self.frame_bound(&frame.start_bound, units, order)?;
        let end = match &frame.end_bound {
            Some(bound) => self.frame_bound(bound, units, order)?,
            None => FrameBound::CurrentRow,
        };
        let message = match (&start, &end) {
            (FrameBound::UnboundedFollowing, _) => Some("frame start cannot be UNBOUNDED FOLLOWING"),
            (_, FrameBound::UnboundedPreceding) => Some("frame end cannot be UNBOUNDED PRECEDING"),
            (FrameBound::CurrentRow, FrameBound::Preceding(_)) => {
                Some("frame starting from current row cannot have preceding rows")
            }
            (FrameBound::Following(_), FrameBound::Preceding(_) | FrameBound::CurrentRow) => {
                Some("frame starting from following row cannot have preceding rows")
            }
            _ => None,
        };
        match message {
            Some(message) => Err(windowing(message)),
            None => Ok(Frame { units, start, end, exclude: FrameExclude::NoOthers }),
        }
    }

    fn frame_bound(
        &mut self,
        bound: &ast::WindowFrameBound,
        units: FrameUnits,
        order: &[SortKey],
    ) -> Result<FrameBound> {
        let offset = |binder: &mut Self, ast: &ast::Expr| -> Result<Expr> {
            let expr = binder.in_clause(Clause::Window, |binder| binder.expr(ast))?;
            let to = match units {
                FrameUnits::Rows | FrameUnits::Groups => DataType::INT8,
                FrameUnits::Range => match order {
                    [key] => range_offset(type_of(&key.expr)),
                    _ => {
                        return Err(windowing(
                            "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
                        )
                        .at(binder.expr_position(ast)));
                    }
                },
            };
            binder.coerce_at(expr, to, CastContext::Assignment, ast)
        };
        Ok(match bound {
            ast::WindowFrameBound::CurrentRow => FrameBound::CurrentRow,
            ast::WindowFrameBound::Preceding(None) => FrameBound::UnboundedPreceding,
            ast::WindowFrameBound::Following(None) => FrameBound::UnboundedFollowing,
            ast::WindowFrameBound::Preceding(Some(ast)) => FrameBound::Preceding(offset(self, ast)?),
            ast::WindowFrameBound::Following(Some(ast)) => FrameBound::Following(offset(self, ast)?),
        })
    }

    /// `f(…) OVER …`.
    pub(super) fn window_call(
        &mut self,
        name: &str,
        call: &ast::Function,
        args: &Args<'_>,
        position: Option<Span>,
    ) -> Result<Expr> {
        if !matches!(self.clause, Clause::Select | Clause::OrderBy | Clause::DistinctOn) {
            return Err(windowing(format!("window functions are not allowed in {}", self.clause.text())).at(position));
        }
        if self.level().in_window {
            return Err(windowing("window function calls cannot be nested").at(position));
        }
        if self.level().in_aggregate {
            return Err(SqlError::new(
                SqlState::GROUPING_ERROR,
                "aggregate function calls cannot contain window function calls",
            )
            .at(position));
        }
        let spec = match &call.over {
            Some(ast::WindowType::NamedWindow(name)) => self.named_window(name)?,
            Some(ast::WindowType::WindowSpec(spec)) => self.window_spec(spec)?,
            None => return Err(SqlError::internal("a window call without OVER")),
        };
        if args.distinct {
            return Err(SqlError::unsupported("DISTINCT for a window function").at(position));
        }
        if !args.order.is_empty() {
            return Err(SqlError::unsupported("aggregate ORDER BY for window functions").at(position));
        }
        self.level().in_window = true;
        let made = self.window_parts(name, call, args, spec, position);
        self.level().in_window = false;
        let made = made?;
        let ty = made.ty;
        let level = self.level();
        level.windows.push(made);
        Ok(Expr::Column(WINDOW_MARK + level.windows.len() - 1, ty))
    }

    fn window_parts(
        &mut self,
        name: &str,
        call: &ast::Function,
        args: &Args<'_>,
        spec: Spec,
        position: Option<Span>,
    ) -> Result<WindowCall> {
        let mut bound = Vec::with_capacity(args.exprs.len());
        for arg in &args.exprs {
            bound.push(self.expr(arg)?);
        }
        let types: Vec<Oid> = bound.iter().map(type_of).collect();
        let found = resolve_function(name, &types, args.variadic).map_err(|error| error.at(position))?;
        let function = match found.target {
            Target::Window(function) => WindowTarget::Function(function),
            Target::Aggregate(function) => WindowTarget::Aggregate(function),
            Target::Function(_) | Target::Cast(_) => {
                return Err(SqlError::new(
                    SqlState::WRONG_OBJECT_TYPE,
                    format!("OVER specified, but {name} is not a window function nor an aggregate function"),
                )
                .at(position));
            }
        };
        let values = self.coerce_args(bound, &found, Some(&args.exprs)).map_err(|error| error.at(position))?;
        let filter = match (&call.filter, &function) {
            (None, _) => None,
            (Some(_), WindowTarget::Function(_)) => {
                return Err(SqlError::unsupported("FILTER for non-aggregate window functions").at(position));
            }
            (Some(filter), WindowTarget::Aggregate(_)) => Some(self.condition(filter, "FILTER")?),
        };
        Ok(WindowCall {
            function,
            args: values,
            filter,
            partition: spec.partition,
            order: spec.order,
            frame: spec.frame.unwrap_or_else(default_frame),
            ty: DataType::new(found.result),
        })
    }
}

/// What an offset of a RANGE frame is, for the type of its key.
fn range_offset(key: Oid) -> DataType {
    match key {
        oid::INT2 | oid::INT4 | oid::INT8 => DataType::INT8,
        oid::FLOAT4 | oid::FLOAT8 => DataType::FLOAT8,
        oid::DATE | oid::TIME | oid::TIMETZ | oid::TIMESTAMP | oid::TIMESTAMPTZ | oid::INTERVAL => DataType::INTERVAL,
        _ => DataType::NUMERIC,
    }
}
