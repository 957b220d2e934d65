//! Column references, result column names (PG-86), and where an expression stands in the text.

use sqlparser::ast;
use sqlparser::ast::{Expr as Ast, Spanned};
use sqlparser::tokenizer::Span as SqlSpan;

use super::Binder;
use super::scope::{Item, Name, to_outer};
use super::uses::is_joined;
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::Expr;
use crate::expr::scalar::{ROW_CTID, ROW_XMIN};
use crate::parse::is_star_mark;
use crate::types::{DataType, Oid, oid, type_info};

impl Binder<'_> {
    /// Where an expression starts; of an operator expression PostgreSQL's own rule is close enough to its start.
    pub(super) fn expr_position(&self, ast: &ast::Expr) -> Option<Span> {
        if !self.positions {
            return None;
        }
        self.position(leftmost(ast))
    }

    /// Where a name starts.
    pub(super) fn name_position(&self, name: &ast::ObjectName) -> Option<Span> {
        match name.0.first() {
            Some(ast::ObjectNamePart::Identifier(ident)) => self.position(ident.span),
            _ => None,
        }
    }

    /// The folded parts of a name.
    pub(super) fn name_parts(&self, name: &ast::ObjectName) -> Vec<String> {
        let mut parts = Vec::with_capacity(name.0.len());
        for part in &name.0 {
            if let ast::ObjectNamePart::Identifier(ident) = part {
                parts.push(Name::new(ident, self.ami).folded.into_owned());
            }
        }
        parts
    }

    /// The folded form of an identifier.
    pub(super) fn fold(&self, ident: &ast::Ident) -> String {
        Name::new(ident, self.ami).folded.into_owned()
    }

    /// A column (or variable, or whole row) by its plain name.
    pub(super) fn column(&mut self, ident: &ast::Ident) -> Result<Expr> {
        let name = Name::new(ident, self.ami);
        if let Some(found) = self.find_column(&name, ident.span)? {
            return Ok(found);
        }
        if let Some((place, ty)) = self.variable(&name) {
            return Ok(Expr::Param(place, ty));
        }
        // Comdb2 calls the column of generate_series so (CDB-408).
        if name.folded == "value"
            && let Some(found) = self.find_column(&Name::plain("generate_series"), ident.span)?
        {
            return Ok(found);
        }
        if let Some((item, depth)) = self.row_item(&name, None) {
            return self.whole_row(item, depth);
        }
        if name.folded == "tableoid" && ident.quote_style.is_none() {
            let relations: Vec<u32> =
                self.frame().items.iter().filter(|item| item.by_column).map(|item| item.relation).collect();
            match relations.as_slice() {
                [only] if *only != 0 => {
                    return Ok(Expr::Const(crate::types::Value::Oid(*only), DataType::OID));
                }
                [_, _, ..] => {
                    return Err(SqlError::new(
                        SqlState::AMBIGUOUS_COLUMN,
                        "column reference \"tableoid\" is ambiguous",
                    )
                    .at(self.position(ident.span)));
                }
                _ => {}
            }
        }
        if ident.quote_style.is_none() && is_system_column(&name.folded) {
            let items = self.frame().items.iter().filter(|item| item.by_column && item.relation != 0);
            let relations: Vec<_> = items.map(|item| (item.relation, item.row_id)).collect();
            match relations.as_slice() {
                [only] => return self.system_column(&name.folded, *only),
                [_, _, ..] => {
                    let message = format!("column reference \"{}\" is ambiguous", name.folded);
                    return Err(SqlError::new(SqlState::AMBIGUOUS_COLUMN, message).at(self.position(ident.span)));
                }
                [] => {}
            }
        }
        // A function that SQL writes without parentheses.
        if name.folded == "current_schema" && ident.quote_style.is_none() {
            return self.call_bound("current_schema", Vec::new(), self.position(ident.span));
        }
        let error = SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{}\" does not exist", name.folded));
        let error = match self.similar_column(&name) {
            Some(near) => error.hint(format!("Perhaps you meant to reference the column \"{near}\".")),
            None => error,
        };
        Err(error.at(self.position(ident.span)))
    }

    /// A system column of a table in FROM (PG-83). Where its rows come without their ids the statement is bound again with
    /// them.
    fn system_column(&mut self, name: &str, (relation, row_id): (Oid, Option<usize>)) -> Result<Expr> {
        let missing = || SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{name}\" does not exist"));
        if self.catalog.table(crate::catalog::TableId(relation)).is_none() {
            return Err(missing());
        }
        let Some(row_id) = row_id else {
            self.wants_row_ids = !self.row_ids;
            return Err(if self.row_ids {
                SqlError::unsupported(format!("the column {name} here"))
            } else {
                missing()
            });
        };
        let row = Expr::Column(row_id, DataType::INT8);
        let zero = |ty: DataType| Ok(Expr::Const(crate::types::Value::Oid(0), ty));
        match name {
            "ctid" => Ok(Expr::Call { function: &ROW_CTID, args: vec![row], ty: DataType::TID }),
            "xmin" => {
                let table = Expr::Const(crate::types::Value::Oid(relation), DataType::OID);
                Ok(Expr::Call { function: &ROW_XMIN, args: vec![table, row], ty: DataType::XID })
            }
            "xmax" => zero(DataType::XID),
            _ => zero(DataType::CID),
        }
    }

    fn variable(&self, name: &Name<'_>) -> Option<(usize, DataType)> {
        let variables = self.context.variables?;
        variables.get(name.raw).or_else(|| variables.get(name.folded.as_ref())).copied()
    }

    fn find_column(&mut self, name: &Name<'_>, span: SqlSpan) -> Result<Option<Expr>> {
        let top = self.frames.len();
        for (index, frame) in self.frames.iter().enumerate().rev() {
            if frame.hidden {
                continue;
            }
            let mut found: Option<Expr> = None;
            let mut from = ((0, false), (0, 0));
            for item in frame.items.iter().filter(|item| item.by_column) {
                let twice = match item.find(name) {
                    Ok(None) => continue,
                    Ok(Some((expr, origin))) => {
                        from = ((item.relation, is_joined(item)), origin);
                        found.replace(expr).is_some()
                    }
                    Err(()) => true,
                };
                if twice {
                    return Err(SqlError::new(
                        SqlState::AMBIGUOUS_COLUMN,
                        format!("column reference \"{}\" is ambiguous", name.folded),
                    )
                    .at(self.position(span)));
                }
            }
            if let Some(mut expr) = found {
                let depth = top - 1 - index;
                self.reads(from.1);
                if self.uses.is_some() {
                    self.note_column(from.0, from.1, &name.folded, span);
                }
                if depth == 0 {
                    self.note_use(&expr, span);
                } else {
                    to_outer(&mut expr, depth);
                }
                return Ok(Some(expr));
            }
        }
        Ok(None)
    }

    fn note_use(&mut self, expr: &Expr, span: SqlSpan) {
        if let Expr::Column(place, _) = expr {
            self.frame().uses.push((*place, span));
        }
    }

    /// The entry of FROM that is called so, and how many levels out it is.
    pub(super) fn row_item(&self, name: &Name<'_>, schema: Option<Oid>) -> Option<(Item, usize)> {
        let top = self.frames.len();
        for (index, frame) in self.frames.iter().enumerate().rev().filter(|(_, frame)| !frame.hidden) {
            let mut items = frame.items.iter().filter(|item| item.by_name);
            let found = items.find(|item| {
                item.name.as_deref().is_some_and(|own| name.matches(own, item.loose || self.ami))
                    && (schema.is_none() || item.schema == schema)
            });
            if let Some(item) = found {
                return Some((item.clone(), top - 1 - index));
            }
        }
        None
    }

    /// A whole row as one value: NULL where an outer join found none. Whether it did the row's id says; where the row comes
    /// without, the statement is bound again.
    fn whole_row(&mut self, item: Item, depth: usize) -> Result<Expr> {
        item.all().into_iter().for_each(|column| self.reads(column.origin));
        let mut row = item.row();
        if item.nullable && !item.scalar {
            let Some(place) = item.row_id.or(item.mark) else {
                self.wants_row_ids = !self.row_ids;
                return Err(SqlError::unsupported("a whole row of the far side of an outer join here"));
            };
            let ty = row.data_type();
            let gone = Expr::IsNull { input: Box::new(Expr::Column(place, DataType::BOOL)), negated: false };
            let null = Expr::Const(crate::types::Value::Null, ty);
            row = Expr::Case { whens: vec![(gone, null)], otherwise: Box::new(row), ty };
        }
        to_outer(&mut row, depth);
        Ok(row)
    }

    /// `t.*` where it is a value.
    pub(super) fn starred_row(&mut self, name: &ast::ObjectName) -> Result<Expr> {
        let idents = name.0.iter().filter_map(|part| match part {
            ast::ObjectNamePart::Identifier(ident) => Some(ident.clone()),
            ast::ObjectNamePart::Function(_) => None,
        });
        let (item, depth) = self.starred(&idents.collect::<Vec<_>>())?;
        self.whole_row(item, depth)
    }

    /// A record of which fields are wanted: of a whole row its columns will do, which are NULL where it is missing.
    pub(super) fn record(&mut self, ast: &Ast) -> Result<Expr> {
        let mut plain = ast;
        while let Ast::Nested(inner) = plain {
            plain = inner;
        }
        if let Some(row) = self.columns_of(plain)? {
            return Ok(row);
        }
        self.expr(ast)
    }

    /// The columns of `t`, `t.*` or `s.t.*` as a row, if it is one.
    fn columns_of(&mut self, ast: &Ast) -> Result<Option<Expr>> {
        let found = match ast {
            Ast::Identifier(ident) => {
                let name = Name::new(ident, self.ami);
                if self.find_column(&name, SqlSpan::empty())?.is_some() || self.variable(&name).is_some() {
                    return Ok(None);
                }
                self.row_item(&name, None)
            }
            Ast::CompoundIdentifier(idents) => match idents.split_last() {
                Some((star, of)) if is_star_mark(star) => Some(self.starred(of)?),
                _ => None,
            },
            _ => None,
        };
        Ok(found.map(|(item, depth)| {
            item.all().into_iter().for_each(|column| self.reads(column.origin));
            let mut row = item.row();
            to_outer(&mut row, depth);
            row
        }))
    }

    /// The entry of FROM before `.*`. Errors: 42P01.
    pub(super) fn starred(&mut self, of: &[ast::Ident]) -> Result<(Item, usize)> {
        let (schema, ident) = match of {
            [table] => (None, table),
            [.., schema, table] => (Some(self.schema_oid(&self.fold(schema)).unwrap_or(0)), table),
            [] => return Err(SqlError::syntax("syntax error at or near \"*\"")),
        };
        let name = Name::new(ident, self.ami);
        self.row_item(&name, schema).ok_or_else(|| self.missing_item(&name, ident.span))
    }

    /// The fields that an item of ROW(…) stands for: those of `t.*`, or itself.
    pub(super) fn row_items(&mut self, ast: &Ast) -> Result<Vec<Expr>> {
        if matches!(ast, Ast::CompoundIdentifier(idents) if idents.last().is_some_and(is_star_mark)) {
            if let Some(Expr::Row { fields, .. }) = self.columns_of(ast)? {
                return Ok(fields.into_iter().map(|(_, field)| field).collect());
            }
        }
        Ok(vec![self.expr(ast)?])
    }

    /// `a.b`, `s.a.b`: a column, or a field of a column's record.
    pub(super) fn qualified(&mut self, idents: &[ast::Ident]) -> Result<Expr> {
        if let Some((star, of)) = idents.split_last()
            && is_star_mark(star)
        {
            let (item, depth) = self.starred(of)?;
            return self.whole_row(item, depth);
        }
        let span = idents.first().map_or_else(SqlSpan::empty, |ident| ident.span);
        let (schema, table, column) = match idents {
            [table, column] => (None, table, column),
            [schema, table, column] | [_, schema, table, column] => (Some(schema), table, column),
            _ => {
                return Err(SqlError::syntax("improper qualified name (too many dotted names)").at(self.position(span)));
            }
        };
        let table_name = Name::new(table, self.ami);
        let column_name = Name::new(column, self.ami);
        let top = self.frames.len();
        let schema_oid = schema.map(|ident| self.schema_oid(&self.fold(ident)).unwrap_or(0));
        for (index, frame) in self.frames.iter().enumerate().rev().filter(|(_, frame)| !frame.hidden) {
            let item = frame.items.iter().find(|item| {
                item.by_name
                    && item.name.as_deref().is_some_and(|own| table_name.matches(own, item.loose || self.ami))
                    && (schema_oid.is_none() || item.schema == schema_oid)
            });
            let Some(item) = item else { continue };
            let depth = top - 1 - index;
            return match item.find(&column_name) {
                Ok(Some((mut expr, origin))) => {
                    if self.uses.is_some() {
                        self.note_column((item.relation, false), origin, &column_name.folded, column.span);
                    }
                    if depth == 0 {
                        self.note_use(&expr, span);
                    } else {
                        to_outer(&mut expr, depth);
                    }
                    self.reads(origin);
                    Ok(expr)
                }
                Ok(None) if column_name.folded == "tableoid" && item.relation != 0 => {
                    Ok(Expr::Const(crate::types::Value::Oid(item.relation), DataType::OID))
                }
                Ok(None) if is_system_column(&column_name.folded) && item.relation != 0 => {
                    let known = (item.relation, item.row_id);
                    let mut expr = self.system_column(&column_name.folded, known)?;
                    to_outer(&mut expr, depth);
                    Ok(expr)
                }
                Ok(None) => Err(SqlError::new(
                    SqlState::UNDEFINED_COLUMN,
                    format!("column {}.{} does not exist", table_name.folded, column_name.folded),
                )
                .at(self.position(span))),
                Err(()) => Err(SqlError::new(
                    SqlState::AMBIGUOUS_COLUMN,
                    format!("column reference \"{}\" is ambiguous", column_name.folded),
                )
                .at(self.position(span))),
            };
        }
        // (column).field without the parentheses is not SQL, but script variables with fields do not exist either.
        Err(self.missing_item(&table_name, span))
    }

    /// 42P01 for a table that no FROM entry is called.
    pub(super) fn missing_item(&self, name: &Name<'_>, span: SqlSpan) -> SqlError {
        let hidden = self
            .frames
            .iter()
            .filter(|frame| frame.hidden)
            .flat_map(|frame| &frame.items)
            .any(|item| item.name.as_deref().is_some_and(|own| name.matches(own, item.loose)));
        let by_relation = self.frames.iter().flat_map(|frame| &frame.items).find(|item| {
            self.catalog.relation_by_oid(item.relation).is_some_and(|relation| match relation {
                crate::catalog::Relation::Table(def) => name.matches(&def.name, false),
                crate::catalog::Relation::View(def) => name.matches(&def.name, false),
                _ => false,
            })
        });
        let error = if hidden {
            SqlError::new(
                SqlState::UNDEFINED_TABLE,
                format!("invalid reference to FROM-clause entry for table \"{}\"", name.folded),
            )
            .hint(format!(
                "There is an entry for table \"{}\", but it cannot be referenced from this part of the query.",
                name.folded
            ))
        } else if let Some(alias) = by_relation.and_then(|item| item.name.as_ref()) {
            SqlError::new(
                SqlState::UNDEFINED_TABLE,
                format!("invalid reference to FROM-clause entry for table \"{}\"", name.folded),
            )
            .hint(format!("Perhaps you meant to reference the table alias \"{alias}\"."))
        } else {
            SqlError::new(SqlState::UNDEFINED_TABLE, format!("missing FROM-clause entry for table \"{}\"", name.folded))
        };
        error.at(self.position(span))
    }

    fn similar_column(&self, name: &Name<'_>) -> Option<String> {
        let limit = (name.folded.chars().count() / 2).min(3);
        let mut best: Option<(usize, String)> = None;
        for item in self.frames.iter().filter(|frame| !frame.hidden).flat_map(|frame| &frame.items) {
            for column in item.all() {
                let distance = edit_distance(&name.folded, &column.name);
                if distance <= limit && best.as_ref().is_none_or(|(known, _)| distance < *known) {
                    let table = item.name.as_deref().unwrap_or_default();
                    best = Some((distance, format!("{table}.{}", column.name)));
                }
            }
        }
        best.map(|(_, name)| name)
    }

    /// The name of a result column without an alias (PG-86).
    pub(super) fn result_name(&self, ast: &ast::Expr) -> String {
        self.own_name(ast).map_or_else(|| "?column?".to_owned(), |(name, _)| name)
    }

    /// Name and strength (2: a column's or function's own, 1: a weak one that an outer name overrides).
    fn own_name(&self, ast: &ast::Expr) -> Option<(String, u8)> {
        use ast::Expr as E;
        let strong = |name: &str| Some((name.to_owned(), 2));
        match ast {
            E::Identifier(ident) => Some((self.fold(ident), 2)),
            E::CompoundIdentifier(idents) => {
                idents.iter().rfind(|ident| !is_star_mark(ident)).map(|ident| (self.fold(ident), 2))
            }
            E::CompoundFieldAccess { root, access_chain } => {
                let field = access_chain.iter().rev().find_map(|access| match access {
                    ast::AccessExpr::Dot(E::Identifier(ident)) => Some((self.fold(ident), 2)),
                    _ => None,
                });
                field.or_else(|| self.own_name(root))
            }
            E::Nested(inner) | E::Collate { expr: inner, .. } => self.own_name(inner),
            E::Function(function) => {
                let mut parts = self.name_parts(&function.name);
                let name = parts.pop()?;
                // An operator of AMI in translated text has no name.
                if self.ami && parts.last().is_some_and(|schema| schema == super::ami::SCHEMA) {
                    return None;
                }
                strong(&name)
            }
            E::Cast { expr, data_type, .. } => match self.own_name(expr) {
                Some((name, 2)) => Some((name, 2)),
                _ => Some((self.type_name(data_type), 1)),
            },
            E::TypedString(typed) => Some((self.type_name(&typed.data_type), 1)),
            E::Interval(_) => Some(("interval".to_owned(), 1)),
            E::Case { else_result, .. } => match else_result.as_ref().and_then(|otherwise| self.own_name(otherwise)) {
                Some((name, 2)) => Some((name, 2)),
                _ => Some(("case".to_owned(), 1)),
            },
            E::Exists { negated: false, .. } => strong("exists"),
            E::Subquery(query) => self.query_name(query).map(|name| (name, 2)),
            E::BinaryOp { op: ast::BinaryOperator::Overlaps, .. } => strong("overlaps"),
            E::Array(_) => strong("array"),
            E::Tuple(_) => strong("row"),
            E::Extract { .. } => strong("extract"),
            E::AtTimeZone { .. } => strong("timezone"),
            E::Ceil { .. } => strong("ceil"),
            E::Floor { .. } => strong("floor"),
            E::Position { .. } => strong("position"),
            E::Substring { shorthand: true, .. } => strong("substr"),
            E::Substring { .. } => strong("substring"),
            E::Overlay { .. } => strong("overlay"),
            E::Trim { trim_where, .. } => strong(match trim_where {
                Some(ast::TrimWhereField::Leading) => "ltrim",
                Some(ast::TrimWhereField::Trailing) => "rtrim",
                _ => "btrim",
            }),
            _ => None,
        }
    }

    fn query_name(&self, query: &ast::Query) -> Option<String> {
        match query.body.as_ref() {
            ast::SetExpr::Select(select) => match select.projection.first()? {
                ast::SelectItem::ExprWithAlias { alias, .. } => Some(self.fold(alias)),
                ast::SelectItem::UnnamedExpr(expr) => self.own_name(expr).map(|(name, _)| name),
                // What `(VALUES …)` was made into.
                ast::SelectItem::Wildcard(_) => match select.from.first().map(|from| &from.relation) {
                    Some(ast::TableFactor::Derived { alias: Some(alias), .. }) if alias.name.value == "*VALUES*" => {
                        Some("column1".to_owned())
                    }
                    _ => None,
                },
                _ => None,
            },
            ast::SetExpr::Query(inner) => self.query_name(inner),
            ast::SetExpr::Values(_) => Some("column1".to_owned()),
            _ => None,
        }
    }

    fn type_name(&self, ty: &ast::DataType) -> String {
        match self.written_type(ty) {
            Ok(found) => match type_info(found.oid) {
                Some(info) => {
                    // The name of an array cast is its element's.
                    let element = type_info(info.element).filter(|_| info.name.starts_with('_'));
                    element.unwrap_or(info).name.to_owned()
                }
                None => self.custom_name(ty),
            },
            Err(_) => "?column?".to_owned(),
        }
    }

    /// A user's type as it is called, without its schema; of an array its element's.
    fn custom_name(&self, ty: &ast::DataType) -> String {
        match ty {
            ast::DataType::Custom(name, _) => self.name_parts(name).pop().unwrap_or_default(),
            ast::DataType::Array(
                ast::ArrayElemTypeDef::SquareBracket(element, _)
                | ast::ArrayElemTypeDef::AngleBracket(element)
                | ast::ArrayElemTypeDef::Parenthesis(element),
            ) => self.custom_name(element),
            other => other.to_string(),
        }
    }

    /// Origin of a result expression that is a plain column of the current row.
    pub(super) fn origin(&mut self, expr: &Expr) -> (Oid, i16) {
        match expr {
            Expr::Column(place, _) => self.frame().origin(*place),
            _ => (0, 0),
        }
    }

    /// The spelling of a column of an AMI table, which result columns keep (AMI-8).
    pub(super) fn ami_name(&self, origin: (Oid, i16)) -> Option<String> {
        let place = usize::try_from(origin.1).ok()?.checked_sub(1)?;
        let table = self.catalog.table(crate::catalog::TableId(origin.0))?;
        if table.dialect != "ami" {
            return None;
        }
        table.columns.get(place).map(|column| column.name.clone())
    }
}

/// Columns that every table has without showing them. (`tableoid` needs no row.)
fn is_system_column(name: &str) -> bool {
    matches!(name, "ctid" | "xmin" | "xmax" | "cmin" | "cmax")
}

/// The first token of an expression.
fn leftmost(ast: &ast::Expr) -> SqlSpan {
    use ast::Expr as E;
    match ast {
        E::Identifier(ident) => ident.span,
        E::CompoundIdentifier(idents) => idents.first().map_or_else(SqlSpan::empty, |ident| ident.span),
        E::Value(value) => value.span,
        E::Function(function) => match function.name.0.first() {
            Some(ast::ObjectNamePart::Identifier(ident)) => ident.span,
            _ => SqlSpan::empty(),
        },
        E::BinaryOp { left, .. } => leftmost(left),
        E::Nested(inner) | E::Cast { expr: inner, .. } | E::IsNull(inner) | E::IsNotNull(inner) => leftmost(inner),
        E::TypedString(typed) => typed.value.span,
        other => other.span(),
    }
}

/// Whether a type's literals print with quotes: used where messages show values.
#[must_use]
pub(super) fn is_text(ty: Oid) -> bool {
    matches!(ty, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME | oid::UNKNOWN)
}

fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let cost = usize::from(a != *b);
            let next = (diagonal + cost).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[right.len()]
}
