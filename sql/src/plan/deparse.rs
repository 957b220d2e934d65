//! Expressions as text, in the form that PostgreSQL's pg_get_expr and EXPLAIN print.
//!
//! Every operator stands in parentheses; in the pretty form only those stay that the meaning needs, as far as that is
//! cheap to say. Constants carry their type unless it is plain from the digits. Column names come from the caller.

use std::sync::Arc;

use crate::catalog::{Catalog, Relation, TableDef};
use crate::error::{Result, SqlError};
use crate::expr::{CompareOp, Expr, Operator, SubqueryKind, operators};
use crate::plan::bind::{BindContext, bind_domain_unfolded, bind_unfolded};
use crate::types::{
    CastContext, DataType, Oid, TYPE_MARK, TextStyle, Value, element_type_of, format_type, oid, to_text,
};

/// Words that a name must be quoted to be.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "between",
    "bigint",
    "binary",
    "bit",
    "boolean",
    "both",
    "case",
    "cast",
    "char",
    "character",
    "check",
    "coalesce",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "dec",
    "decimal",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "float",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "inout",
    "int",
    "integer",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "least",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "national",
    "natural",
    "nchar",
    "none",
    "normalize",
    "not",
    "notnull",
    "null",
    "nullif",
    "numeric",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "out",
    "outer",
    "overlaps",
    "overlay",
    "placing",
    "position",
    "precision",
    "primary",
    "real",
    "references",
    "returning",
    "right",
    "row",
    "select",
    "session_user",
    "setof",
    "similar",
    "smallint",
    "some",
    "substring",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "time",
    "timestamp",
    "to",
    "trailing",
    "treat",
    "trim",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "values",
    "varchar",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
    "xmlattributes",
    "xmlconcat",
    "xmlelement",
    "xmlexists",
    "xmlforest",
    "xmlnamespaces",
    "xmlparse",
    "xmlpi",
    "xmlroot",
    "xmlserialize",
    "xmltable",
];

/// A name as it must be written: in quotes unless it is plain.
#[must_use]
pub fn quote_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && RESERVED.binary_search(&name).is_err();
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// A text as a literal.
#[must_use]
pub fn quote_text(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// The name of a relation, with its schema if the search path does not find it first.
#[must_use]
pub fn relation_name(catalog: &Catalog, search_path: &[Oid], relation: &Relation) -> String {
    let (schema, name) = match relation {
        Relation::Table(def) => (def.schema, def.name.as_str()),
        Relation::View(def) => (def.schema, def.name.as_str()),
        Relation::Sequence(def) => (def.schema, def.name.as_str()),
        Relation::Index(def, place) => (def.schema, def.indexes.get(*place).map_or("", |index| index.name.as_str())),
    };
    let first = search_path.iter().find_map(|schema| catalog.relation(*schema, name));
    if first.is_some_and(|found| found.oid() == relation.oid()) {
        return quote_name(name);
    }
    let schema = catalog.schema(schema).map_or("", |schema| schema.name.as_str());
    format!("{}.{}", quote_name(schema), quote_name(name))
}

/// A type as format_type prints it: `format_type` for built-in ones; enums, domains and row types by their names, with
/// the schema if the search path does not find them first; `???` for one that does not exist.
#[must_use]
pub fn type_text(catalog: &Catalog, search_path: &[Oid], ty: DataType) -> String {
    let known = format_type(ty);
    if known != "???" {
        return known;
    }
    let (element, array) = match element_type_of(ty.oid) {
        Some(element) => (element, "[]"),
        None => (ty.oid, ""),
    };
    if let Some(def) = catalog.user_type(element) {
        let first = search_path.iter().find_map(|schema| catalog.type_by_name(*schema, &def.name));
        let name = quote_name(&def.name);
        if first.is_some_and(|first| first.oid == def.oid) {
            return format!("{name}{array}");
        }
        let schema = catalog.schema(def.schema).map_or("", |schema| schema.name.as_str());
        return format!("{}.{name}{array}", quote_name(schema));
    }
    if let Some(table) = catalog.table_of_row_type(ty.oid) {
        let array = if table.array_type == ty.oid { "[]" } else { "" };
        return format!("{}{array}", relation_name(catalog, search_path, &Relation::Table(table.clone())));
    }
    let view = catalog.views().find(|view| view.row_type == ty.oid);
    view.map_or(known, |view| relation_name(catalog, search_path, &Relation::View(view.clone())))
}

/// Puts the names of types that users made into an error's texts, where `types::shown_type` left their OIDs.
#[must_use]
pub fn name_types(mut error: SqlError, catalog: &Catalog, search_path: &[Oid]) -> SqlError {
    let named = |text: &str| {
        let mut out = String::with_capacity(text.len());
        for (place, part) in text.split(TYPE_MARK).enumerate() {
            match part.parse() {
                Ok(oid) if place % 2 == 1 => out.push_str(&type_text(catalog, search_path, DataType::new(oid))),
                _ => out.push_str(part),
            }
        }
        out
    };
    let fields = error.fields_mut();
    if fields.message.contains(TYPE_MARK) {
        fields.message = named(&fields.message);
    }
    if let Some(detail) = fields.detail.as_mut().filter(|detail| detail.contains(TYPE_MARK)) {
        *detail = named(detail);
    }
    error
}

/// A stored expression (default, check, generated column, index key or predicate) as pg_get_expr prints it. `ty`: the
/// column's type, for a default. Errors: as binding it.
pub fn stored_text(
    context: &BindContext<'_>,
    text: &str,
    table: Option<&Arc<TableDef>>,
    ty: Option<DataType>,
    pretty: bool,
) -> Result<String> {
    let expr = bind_unfolded(context, text, table, ty)?;
    let name = |_: usize, place: usize| {
        let column = table.and_then(|table| table.columns.get(place));
        column.map_or_else(|| "?column?".to_owned(), |column| quote_name(&column.name))
    };
    Ok(Deparse { context, column: &name, pretty }.text(&expr))
}

/// A domain's condition as pg_get_constraintdef prints it, the value as `VALUE`. Errors: as binding it.
pub fn domain_text(context: &BindContext<'_>, text: &str, base: DataType, pretty: bool) -> Result<String> {
    let expr = bind_domain_unfolded(context, text, base)?;
    let name = |_: usize, _: usize| "VALUE".to_owned();
    Ok(Deparse { context, column: &name, pretty }.text(&expr))
}

/// What printing needs besides the expression.
pub struct Deparse<'a> {
    /// Where names of relations and types are found.
    pub context: &'a BindContext<'a>,
    /// Name of the column `place` of the row `depth` queries out; already quoted.
    pub column: &'a dyn Fn(usize, usize) -> String,
    /// The form with few parentheses.
    pub pretty: bool,
}

impl Deparse<'_> {
    /// The text of an expression as pg_get_expr gives it.
    #[must_use]
    pub fn text(&self, expr: &Expr) -> String {
        let mut out = String::new();
        let mut top = expr;
        // What only storing asked for is not shown.
        while let Expr::Cast { input, context, .. } = top {
            if *context == CastContext::Explicit || keyword(top).is_some() {
                break;
            }
            top = input;
        }
        self.write(top, &mut out, true);
        out
    }

    fn open(&self, out: &mut String, top: bool) -> bool {
        let parens = !(self.pretty && top);
        if parens {
            out.push('(');
        }
        parens
    }

    fn close(out: &mut String, parens: bool) {
        if parens {
            out.push(')');
        }
    }

    fn list(&self, items: &[Expr], out: &mut String) {
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                out.push_str(", ");
            }
            self.write(item, out, true);
        }
    }

    fn infix(&self, left: &Expr, op: &str, right: &Expr, out: &mut String, top: bool) {
        let parens = self.open(out, top);
        self.write(left, out, self.pretty && stands_bare(left, op, true));
        out.push(' ');
        out.push_str(op);
        out.push(' ');
        self.write(right, out, self.pretty && stands_bare(right, op, false));
        Self::close(out, parens);
    }

    fn junction(&self, items: &[Expr], word: &str, out: &mut String, top: bool) {
        let parens = self.open(out, top);
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                out.push(' ');
                out.push_str(word);
                out.push(' ');
            }
            let parens = matches!(item, Expr::Or(_) | Expr::AnyArray { .. } | Expr::InList { .. })
                || matches!(item, Expr::And(_)) && word == "AND";
            self.write(item, out, self.pretty && !parens);
        }
        Self::close(out, parens);
    }

    fn suffix(&self, input: &Expr, text: &str, out: &mut String, top: bool) {
        let parens = self.open(out, top);
        self.write(input, out, false);
        out.push(' ');
        out.push_str(text);
        Self::close(out, parens);
    }

    fn write(&self, expr: &Expr, out: &mut String, top: bool) {
        match expr {
            Expr::Const(value, ty) => self.constant(value, *ty, out),
            Expr::Checked { input, domain } => self.cast(expr, input, DataType::new(domain.oid), out),
            Expr::Column(place, _) => out.push_str(&(self.column)(0, *place)),
            Expr::Outer { depth, column, .. } => out.push_str(&(self.column)(*depth, *column)),
            Expr::Param(place, _) => {
                out.push('$');
                out.push_str(&(place + 1).to_string());
            }
            Expr::Call { function, args, .. } => match (operator_of(expr), args.as_slice()) {
                (Some(operator), [left, right]) => self.infix(left, operator.name, right, out, top),
                (Some(operator), [only]) => {
                    let parens = self.open(out, top);
                    out.push_str(operator.name);
                    out.push(' ');
                    self.write(only, out, false);
                    Self::close(out, parens);
                }
                _ if self.spelled(function.name, args, out) => {}
                _ => {
                    let (name, args) = match args.as_slice() {
                        [Expr::Const(oid, _), Expr::Const(name, _), rest @ ..] if super::bind::is_routine(function) => {
                            let catalog = self.context.catalogs.database(self.context.database);
                            let def = oid.as_i64().and_then(|oid| catalog?.function(Oid::try_from(oid).ok()?));
                            // What the search path does not find has its schema.
                            if let Some(def) = def.filter(|def| !self.context.search_path.contains(&def.schema))
                                && let Some(schema) = catalog.and_then(|catalog| catalog.schema(def.schema))
                            {
                                out.push_str(&quote_name(&schema.name));
                                out.push('.');
                            }
                            (name.as_str().unwrap_or_default(), rest)
                        }
                        [Expr::Const(name, _), rest @ ..] if super::bind::is_lua_call(function) => {
                            (name.as_str().unwrap_or_default(), rest)
                        }
                        all => (function.name, all),
                    };
                    out.push_str(&quote_function(name));
                    out.push('(');
                    self.list(args, out);
                    out.push(')');
                }
            },
            Expr::Compare { op, left, right } => self.infix(left, symbol(*op), right, out, top),
            Expr::Cast { input, to, .. } => self.cast(expr, input, *to, out),
            Expr::And(items) => self.junction(items, "AND", out, top),
            Expr::Or(items) => self.junction(items, "OR", out, top),
            Expr::Not(input) => {
                let parens = self.open(out, top);
                out.push_str("NOT ");
                self.write(input, out, false);
                Self::close(out, parens);
            }
            Expr::IsNull { input, negated } => {
                self.suffix(input, if *negated { "IS NOT NULL" } else { "IS NULL" }, out, top);
            }
            Expr::BoolTest { input, value, negated } => {
                let word = match value {
                    Some(true) => "TRUE",
                    Some(false) => "FALSE",
                    None => "UNKNOWN",
                };
                let text = if *negated { format!("IS NOT {word}") } else { format!("IS {word}") };
                self.suffix(input, &text, out, top);
            }
            Expr::IsDistinct { left, right, negated } => {
                let op = if *negated { "IS NOT DISTINCT FROM" } else { "IS DISTINCT FROM" };
                self.infix(left, op, right, out, top);
            }
            Expr::Case { whens, otherwise, .. } => self.case(whens, otherwise, out),
            Expr::Coalesce(args, _) => {
                out.push_str("COALESCE(");
                self.list(args, out);
                out.push(')');
            }
            Expr::Extreme { greatest, args, .. } => {
                out.push_str(if *greatest { "GREATEST(" } else { "LEAST(" });
                self.list(args, out);
                out.push(')');
            }
            Expr::InList { input, list, negated } => self.in_list(input, list, *negated, out, top),
            Expr::AnyArray { left, array, test, all } => {
                let parens = self.open(out, top);
                self.write(left, out, false);
                out.push(' ');
                out.push_str(test_symbol(test));
                out.push_str(if *all { " ALL (" } else { " ANY (" });
                self.write(array, out, true);
                out.push(')');
                Self::close(out, parens);
            }
            Expr::Array { items, .. } => {
                out.push_str("ARRAY[");
                self.list(items, out);
                out.push(']');
            }
            Expr::Row { fields, .. } => {
                out.push_str("ROW(");
                let items: Vec<Expr> = fields.iter().map(|(_, field)| field.clone()).collect();
                self.list(&items, out);
                out.push(')');
            }
            Expr::CompareRows { op, pairs } => {
                let (left, right): (Vec<Expr>, Vec<Expr>) = pairs.iter().cloned().unzip();
                let parens = self.open(out, top);
                out.push_str("ROW(");
                self.list(&left, out);
                out.push_str(") ");
                out.push_str(symbol(*op));
                out.push_str(" ROW(");
                self.list(&right, out);
                out.push(')');
                Self::close(out, parens);
            }
            Expr::Subscript { array, subscripts, .. } => {
                self.write(array, out, false);
                for subscript in subscripts {
                    out.push('[');
                    self.write(subscript, out, true);
                    out.push(']');
                }
            }
            Expr::Slice { array, bounds, .. } => {
                self.write(array, out, false);
                for (lower, upper) in bounds {
                    out.push('[');
                    lower.iter().for_each(|bound| self.write(bound, out, true));
                    out.push(':');
                    upper.iter().for_each(|bound| self.write(bound, out, true));
                    out.push(']');
                }
            }
            Expr::Field { input, field, .. } => {
                out.push('(');
                self.write(input, out, true);
                out.push_str(&format!(").f{}", field + 1));
            }
            Expr::Subquery { kind, plan, .. } => {
                let number = plan.0 + 1;
                match kind {
                    SubqueryKind::Quantified { .. } => out.push_str(&format!("(hashed SubPlan {number})")),
                    _ => out.push_str(&format!("(SubPlan {number})")),
                }
            }
        }
    }

    /// A call that SQL spells in words of its own; false if it is none.
    fn spelled(&self, name: &str, args: &[Expr], out: &mut String) -> bool {
        let field = |expr: &Expr| match expr {
            Expr::Const(value, _) => value.as_str().map(str::to_owned),
            Expr::Cast { input, .. } => match &**input {
                Expr::Const(value, _) => value.as_str().map(str::to_owned),
                _ => None,
            },
            _ => None,
        };
        match (name, args) {
            ("current_user" | "session_user", []) => out.push_str(&name.to_uppercase()),
            ("extract", [unit, from]) if field(unit).is_some() => {
                out.push_str(&format!("EXTRACT({} FROM ", field(unit).unwrap_or_default()));
                self.write(from, out, true);
                out.push(')');
            }
            _ => return false,
        }
        true
    }

    fn cast(&self, expr: &Expr, input: &Expr, to: DataType, out: &mut String) {
        if let Some(word) = keyword(expr) {
            out.push_str(word);
            if to.typmod >= 0 {
                out.push_str(&format!("({})", to.typmod));
            }
            return;
        }
        let simple = match input {
            Expr::Call { .. } => operator_of(input).is_none(),
            other => matches!(
                other,
                Expr::Const(..)
                    | Expr::Column(..)
                    | Expr::Outer { .. }
                    | Expr::Param(..)
                    | Expr::Coalesce(..)
                    | Expr::Extreme { .. }
                    | Expr::Array { .. }
                    | Expr::Row { .. }
                    | Expr::Case { .. }
            ),
        };
        let parens = !(self.pretty && simple);
        if parens {
            out.push('(');
        }
        self.write(input, out, true);
        if parens {
            out.push(')');
        }
        out.push_str("::");
        out.push_str(&self.type_name(to));
    }

    /// A type as format_type prints it, row types by their table.
    #[must_use]
    pub fn type_name(&self, ty: DataType) -> String {
        let catalog = self.context.catalogs.database(self.context.database);
        catalog.map_or_else(|| format_type(ty), |catalog| type_text(catalog, self.context.search_path, ty))
    }

    fn case(&self, whens: &[(Expr, Expr)], otherwise: &Expr, out: &mut String) {
        // NULLIF is bound as a CASE of its own shape.
        if let ([(Expr::Compare { op: CompareOp::Equal, left, right }, Expr::Const(Value::Null, _))], false) =
            (whens, matches!(otherwise, Expr::Const(..)))
        {
            if super::visit::same(left, otherwise) {
                out.push_str("NULLIF(");
                self.write(left, out, true);
                out.push_str(", ");
                self.write(right, out, true);
                out.push(')');
                return;
            }
        }
        out.push_str("CASE");
        for (condition, result) in whens {
            out.push_str(" WHEN ");
            self.write(condition, out, self.pretty);
            out.push_str(" THEN ");
            self.write(result, out, true);
        }
        out.push_str(" ELSE ");
        self.write(otherwise, out, true);
        out.push_str(" END");
    }

    fn in_list(&self, input: &Expr, list: &[Expr], negated: bool, out: &mut String, top: bool) {
        let parens = self.open(out, top);
        self.write(input, out, false);
        out.push_str(if negated { " <> ALL (" } else { " = ANY (" });
        // A varchar column is compared as text, its list stays varchar until it is compared.
        let narrow = matches!(input, Expr::Cast { input, to, .. }
            if to.oid == oid::TEXT && input.data_type().oid == oid::VARCHAR);
        if narrow {
            out.push_str(if self.pretty { "ARRAY[" } else { "(ARRAY[" });
            for (place, item) in list.iter().enumerate() {
                if place > 0 {
                    out.push_str(", ");
                }
                match item {
                    Expr::Const(value, _) => self.constant(value, DataType::VARCHAR, out),
                    other => self.write(other, out, true),
                }
            }
            out.push_str(if self.pretty { "]::text[]" } else { "])::text[]" });
        } else {
            out.push_str("ARRAY[");
            self.list(list, out);
            out.push(']');
        }
        out.push(')');
        Self::close(out, parens);
    }

    fn constant(&self, value: &Value, ty: DataType, out: &mut String) {
        let shown = DataType::new(ty.oid);
        let label = |out: &mut String| {
            out.push_str("::");
            out.push_str(&self.type_name(shown));
        };
        match value {
            Value::Null => {
                out.push_str("NULL");
                label(out);
            }
            Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Value::Int4(n) if *n >= 0 && ty.oid == oid::INT4 => out.push_str(&n.to_string()),
            Value::Oid(relation) if ty.oid == oid::REGCLASS => {
                let catalog = self.context.catalogs.database(self.context.database);
                let found = catalog.and_then(|catalog| {
                    let relation = catalog.relation_by_oid(*relation)?;
                    Some(relation_name(catalog, self.context.search_path, &relation))
                });
                let text = found.unwrap_or_else(|| relation.to_string());
                out.push_str(&quote_text(&text));
                label(out);
            }
            other => {
                let mut text = String::new();
                to_text(other, ty, &plain_style(), &mut text);
                let decimal = ty.oid == oid::NUMERIC
                    && text.starts_with(|c: char| c.is_ascii_digit())
                    && text.bytes().any(|byte| byte == b'.');
                if decimal {
                    out.push_str(&text);
                } else {
                    out.push_str(&quote_text(&text));
                    label(out);
                }
            }
        }
    }
}

fn plain_style() -> TextStyle {
    TextStyle::default()
}

/// CURRENT_DATE and its relatives are implicit casts of now().
fn keyword(expr: &Expr) -> Option<&'static str> {
    let Expr::Cast { input, to, context: CastContext::Implicit } = expr else { return None };
    if !matches!(input.as_ref(), Expr::Call { function, args, .. } if function.name == "now" && args.is_empty()) {
        return None;
    }
    match to.oid {
        oid::TIMESTAMPTZ => Some("CURRENT_TIMESTAMP"),
        oid::DATE => Some("CURRENT_DATE"),
        oid::TIMETZ => Some("CURRENT_TIME"),
        oid::TIMESTAMP => Some("LOCALTIMESTAMP"),
        oid::TIME => Some("LOCALTIME"),
        _ => None,
    }
}

/// Whether an operand of an arithmetic operator needs no parentheses in the pretty form.
fn stands_bare(operand: &Expr, op: &str, left: bool) -> bool {
    let rank = |op: &str| match op {
        "+" | "-" => 1,
        "*" | "/" | "%" => 2,
        _ => 0,
    };
    let Some(own) = operator_of(operand).filter(|own| own.left != 0).map(|own| rank(own.name)) else { return false };
    own > 0 && rank(op) > 0 && (own > rank(op) || own == rank(op) && left)
}

fn symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Equal => "=",
        CompareOp::NotEqual => "<>",
        CompareOp::Less => "<",
        CompareOp::LessEqual => "<=",
        CompareOp::Greater => ">",
        CompareOp::GreaterEqual => ">=",
    }
}

fn test_symbol(test: &Expr) -> &'static str {
    match test {
        Expr::Compare { op, .. } => symbol(*op),
        other => operator_of(other).map_or("=", |operator| operator.name),
    }
}

/// The operator that a call was written as; functions that users call by name too are shown as calls.
fn operator_of(expr: &Expr) -> Option<&'static Operator> {
    let Expr::Call { function, args, .. } = expr else { return None };
    if matches!(function.name, "abs" | "sqrt" | "cbrt" | "power" | "starts_with" | "array_cat" | "array_append") {
        return None;
    }
    operators()
        .iter()
        .find(|operator| std::ptr::eq(operator.function, *function) && (operator.left == 0) == (args.len() == 1))
}

fn quote_function(name: &str) -> String {
    match name {
        // SQL's own spellings.
        "position" | "overlay" | "substring" | "extract" => format!("\"{name}\""),
        other => quote_name(other),
    }
}
