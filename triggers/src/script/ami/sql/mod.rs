//! SQL inside a script (AMI-71, AMI-72): what is a column stays SQL, everything that hangs on script variables alone is
//! computed by the script and travels as a parameter. What a statement means is known in one place, the engine's reading
//! of AMI SQL; here it is only written down for it.
//!
//! A site keeps what it found out: for INSERT … VALUES the table and its columns (most such rows go straight to the
//! engine's door, without SQL); for the rest one prepared statement, and one more for each further combination of types
//! that its parameters had.

mod names;
mod write;

pub(crate) use names::{names_of, walk};

use std::fmt::Write;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tripline_sql::catalog::{Catalog, TableDef};
use tripline_sql::change::Prepared;
use tripline_sql::error::{Result, Severity, SqlError, SqlState};
use tripline_sql::types::{DataType, Oid, Value, is_enum};

use crate::script::ami::ast::{Sql, TableName, Type};
use crate::script::ami::compile::{Code, find_column};
use crate::script::ami::interp::Frame;
use crate::script::ami::methods::{DIALECT, Methods};
use crate::script::ami::value::{self, Rows, as_label, text_of, to_column, type_of};

/// OID of schema public.
pub(crate) const PUBLIC: Oid = 2200;

/// A place in a script where SQL stands.
#[derive(Debug)]
pub(crate) struct Site {
    body: Body,
}

/// A part of a statement that is sent as it stands.
#[derive(Clone, Debug)]
pub(crate) enum SentCode {
    /// Text.
    Text(String),
    /// A word and the variable that it is unless a table of the statement has a column of that name.
    Word(String, Code),
    /// A value.
    Value(Code),
}

#[derive(Debug)]
enum Body {
    /// Sent as it stands.
    Sent(Vec<SentCode>),
    /// `CALL p(…)`: its text, and the values.
    Call(String, Vec<Code>),
    /// `use ds=… execute …`.
    Using(Box<Code>, Box<Code>),
    Insert {
        table: TableName,
        columns: Vec<String>,
        rows: Vec<Vec<Code>>,
        plan: Mutex<Option<Arc<InsertPlan>>>,
    },
    General {
        sql: Box<Sql>,
        outer: Vec<(String, Code, Type)>,
        /// Weak: a method's own statements must not keep the set of methods alive.
        methods: Weak<Methods>,
        plan: Mutex<Option<Arc<Statement>>>,
    },
}

impl Clone for Site {
    fn clone(&self) -> Self {
        let body = match &self.body {
            Body::Sent(parts) => Body::Sent(parts.clone()),
            Body::Call(text, args) => Body::Call(text.clone(), args.clone()),
            Body::Using(source, text) => Body::Using(source.clone(), text.clone()),
            Body::Insert { table, columns, rows, .. } => Body::Insert {
                table: table.clone(),
                columns: columns.clone(),
                rows: rows.clone(),
                plan: Mutex::new(None),
            },
            Body::General { sql, outer, methods, .. } => Body::General {
                sql: sql.clone(),
                outer: outer.clone(),
                methods: methods.clone(),
                plan: Mutex::new(None),
            },
        };
        Site { body }
    }
}

#[derive(Debug)]
struct InsertPlan {
    catalog: Weak<Catalog>,
    /// The name means this table as long as there is a table with that id.
    settled: bool,
    table: Arc<TableDef>,
    /// Place and type of each value's column.
    targets: Vec<(usize, DataType)>,
    /// Rows go straight to the door.
    direct: bool,
    statement: Mutex<Option<Arc<dyn Prepared>>>,
    surplus: bool,
}

impl Site {
    /// An INSERT … VALUES, its expressions compiled.
    pub(crate) fn insert(table: &TableName, columns: &[String], rows: Vec<Vec<Code>>) -> Site {
        let body = Body::Insert { table: table.clone(), columns: columns.to_vec(), rows, plan: Mutex::new(None) };
        Site { body }
    }

    /// A statement that is sent as it stands.
    pub(crate) fn sent(parts: Vec<SentCode>) -> Site {
        Site { body: Body::Sent(parts) }
    }

    /// `CALL name(args)`.
    pub(crate) fn call(name: &str, args: Vec<Code>) -> Site {
        let places: Vec<String> = (1..=args.len()).map(|n| format!("${n}")).collect();
        let simple = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let name = if simple { name.to_owned() } else { quoted(name) };
        Site { body: Body::Call(format!("CALL {name}({})", places.join(", ")), args) }
    }

    /// `use ds=source execute text`.
    pub(crate) fn using(source: Code, text: Code) -> Site {
        Site { body: Body::Using(Box::new(source), Box::new(text)) }
    }

    /// Whether it waits for the commit where statements can (AMI-81).
    pub(crate) fn defers(&self) -> bool {
        matches!(self.body, Body::Using(..))
    }

    /// Any other statement with the variables that its names may mean.
    pub(crate) fn general(sql: Sql, outer: Vec<(String, Code, Type)>, methods: Option<&Arc<Methods>>) -> Site {
        let methods = methods.map_or_else(Weak::new, Arc::downgrade);
        Site { body: Body::General { sql: Box::new(sql), outer, methods, plan: Mutex::new(None) } }
    }

    /// Runs it in the frame's transaction.
    pub(crate) fn run(&self, frame: &mut Frame<'_>) -> Result<Rows> {
        match &self.body {
            Body::Insert { table, columns, rows, plan } => insert(frame, table, columns, rows, plan),
            Body::General { sql, outer, methods, plan } => general(frame, sql, outer, methods, plan),
            Body::Sent(parts) => sent(frame, parts),
            Body::Call(text, args) => call(frame, text, args),
            Body::Using(source, text) => using(frame, source, text),
        }
    }

    /// Whether it gives rows.
    pub(crate) fn selects(&self) -> bool {
        match &self.body {
            Body::General { sql, .. } => matches!(**sql, Sql::Select(_)),
            Body::Sent(_) | Body::Call(..) | Body::Using(..) => true,
            Body::Insert { .. } => false,
        }
    }
}

/// A table by AMI's rules: exact, then the only one that differs by case. Without a schema it is one of the session's
/// temporary tables or of schema public. Errors: 42P01.
pub(crate) fn find_table(catalog: &Catalog, temp: Option<Oid>, name: &TableName) -> Result<Arc<TableDef>> {
    let (schemas, name) = match name {
        (None, name) => ([temp, Some(PUBLIC)], name),
        (Some(schema), name) if schema == "pg_temp" => ([temp, None], name),
        (Some(schema), name) => ([catalog.schema_by_name(schema).map(|schema| schema.oid), None], name),
    };
    for schema in schemas.into_iter().flatten() {
        let mut same: Option<&Arc<TableDef>> = None;
        let mut several = false;
        for table in catalog.tables().filter(|table| table.schema == schema && !table.hidden) {
            if table.name == *name {
                return Ok(table.clone());
            }
            if table.name.eq_ignore_ascii_case(name) {
                several = same.is_some();
                same = Some(table);
            }
        }
        if let Some(table) = same.filter(|_| !several) {
            return Ok(table.clone());
        }
    }
    Err(SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist")))
}

fn undefined_column(table: &TableDef, name: &str) -> SqlError {
    SqlError::new(
        SqlState::UNDEFINED_COLUMN,
        format!("column \"{name}\" of relation \"{}\" does not exist", table.name),
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn qualified(catalog: &Catalog, table: &TableDef) -> String {
    let schema = catalog.schema(table.schema).map_or("public", |schema| &schema.name);
    format!("{}.{}", quoted(schema), quoted(&table.name))
}

// INSERT … VALUES -----------------------------------------------------------------------------------------------

fn insert(
    frame: &mut Frame<'_>,
    name: &TableName,
    columns: &[String],
    rows: &[Vec<Code>],
    kept: &Mutex<Option<Arc<InsertPlan>>>,
) -> Result<Rows> {
    let catalog = frame.context()?.catalog();
    let old = kept.lock().clone();
    let current = |plan: &Arc<InsertPlan>| {
        std::ptr::eq(plan.catalog.as_ptr(), Arc::as_ptr(&catalog))
            || plan.settled && catalog.table(plan.table.id).is_some_and(|now| Arc::ptr_eq(now, &plan.table))
    };
    let plan = match old.filter(current) {
        Some(plan) => plan,
        None => {
            let temp = frame.context()?.temp_schema();
            let plan = Arc::new(plan_insert(&catalog, temp, name, columns, rows.first().map_or(0, Vec::len))?);
            *kept.lock() = Some(plan.clone());
            plan
        }
    };
    if plan.surplus {
        let text = format!(
            "INSERT names {} columns but supplies {} values; the surplus was assigned to \"{}\"",
            columns.len(),
            plan.targets.len(),
            plan.targets.last().map_or("", |(place, _)| &plan.table.columns[*place].name)
        );
        frame.context()?.notice(SqlError::notice(Severity::Warning, SqlState::WARNING, text));
    }
    for row in rows {
        if row.len() != plan.targets.len() {
            let what = if row.len() < plan.targets.len() {
                "more target columns than expressions"
            } else {
                "more expressions than target columns"
            };
            return Err(SqlError::syntax(format!("INSERT has {what}")));
        }
        let mut image =
            if plan.direct { vec![Value::Null; plan.table.columns.len()] } else { Vec::with_capacity(row.len()) };
        for (code, (place, ty)) in row.iter().zip(&plan.targets) {
            let value = frame.eval(code)?.into_sql()?;
            let value = match catalog.user_type(ty.oid).filter(|_| is_enum(ty.oid)) {
                Some(def) => as_label(def, &value),
                None => to_column(value, *ty)?,
            };
            if plan.direct {
                image[*place] = value;
            } else {
                image.push(value);
            }
        }
        if plan.direct {
            frame.context()?.check_insert(plan.table.id)?;
            frame.context()?.insert(plan.table.id, image)?;
            continue;
        }
        let prepared = plan.statement.lock().clone();
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => {
                let mut text = format!("INSERT INTO {} (", qualified(&catalog, &plan.table));
                let mut values = String::new();
                for (i, (place, _)) in plan.targets.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    let _ = write!(text, "{comma}{}", quoted(&plan.table.columns[*place].name));
                    let _ = write!(values, "{comma}${}", i + 1);
                }
                let _ = write!(text, ") VALUES ({values})");
                let types: Vec<Oid> = plan.targets.iter().map(|(_, ty)| ty.oid).collect();
                let prepared = frame.context()?.prepare(&text, &types)?;
                *plan.statement.lock() = Some(prepared.clone());
                prepared
            }
        };
        frame.context()?.run(&*prepared, &image)?;
    }
    Ok(Rows::default())
}

fn plan_insert(
    catalog: &Arc<Catalog>,
    temp: Option<Oid>,
    name: &TableName,
    columns: &[String],
    values: usize,
) -> Result<InsertPlan> {
    let table = find_table(catalog, temp, name)?;
    let live: Vec<usize> = table.live_columns().map(|(place, _)| place).collect();
    let mut places = Vec::new();
    if columns.is_empty() {
        if values != live.len() {
            let what = if values < live.len() {
                "more target columns than expressions"
            } else {
                "more expressions than target columns"
            };
            return Err(SqlError::syntax(format!("INSERT has {what}")));
        }
        places.clone_from(&live);
    }
    for column in columns {
        let place = find_column(&table, column).ok_or_else(|| undefined_column(&table, column))?;
        if places.contains(&place) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{column}\" specified more than once"),
            ));
        }
        places.push(place);
    }
    // AMI-56: surplus values go to the columns after the last one named.
    let surplus = values > places.len();
    while values > places.len() {
        let last = places.last().copied().unwrap_or(0);
        match live.iter().find(|place| **place > last && !places.contains(place)) {
            Some(next) => places.push(*next),
            None => return Err(SqlError::syntax("INSERT has more expressions than target columns")),
        }
    }
    let plain = table
        .live_columns()
        .all(|(_, c)| c.default.is_none() && c.identity.is_none() && c.generated.is_none() && c.sequence.is_none());
    let whole = places.len() == live.len();
    // An upsert writes only the columns named, a key may be generated (AMI-53, AMI-54): a statement's plan knows how.
    let upserts = table.indexes.iter().any(|index| index.upsert);
    let generated = table.indexes.iter().any(|index| {
        index
            .options
            .iter()
            .any(|(key, value)| key.eq_ignore_ascii_case("autogen") && !value.eq_ignore_ascii_case("none"))
    });
    let direct = plain && !generated && (whole || !upserts);
    let targets = places.iter().map(|place| (*place, table.columns[*place].ty)).collect();
    let (catalog, settled) = (Arc::downgrade(catalog), temp.is_none());
    Ok(InsertPlan { catalog, settled, table, targets, direct, statement: Mutex::new(None), surplus })
}

// Statements sent as they stand -------------------------------------------------------------------------------------

fn rows_of(result: tripline_sql::change::QueryResult) -> Rows {
    let columns = result.columns.iter().map(|(name, _)| Arc::from(name.as_str())).collect();
    let types: Vec<DataType> = result.columns.iter().map(|(_, ty)| *ty).collect();
    let mut rows = result.rows;
    for (place, _) in types.iter().enumerate().filter(|(_, ty)| value::pads(**ty)) {
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(place)) {
            *cell = value::unpadded(std::mem::take(cell));
        }
    }
    Rows { columns, types, rows }
}

/// A statement goes through the door that clients use: the values of variables stand in it as literals.
fn sent(frame: &mut Frame<'_>, parts: &[SentCode]) -> Result<Rows> {
    let mut text = String::new();
    let catalog = frame.context()?.catalog();
    let temp = frame.context()?.temp_schema();
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).map(str::to_owned).collect()
    };
    let mut named: Vec<Arc<TableDef>> = Vec::new();
    for part in parts {
        let found = match part {
            SentCode::Text(text) => words(text),
            SentCode::Word(word, _) => vec![word.clone()],
            SentCode::Value(_) => Vec::new(),
        };
        named.extend(found.into_iter().filter_map(|word| find_table(&catalog, temp, &(None, word)).ok()));
    }
    drop(catalog);
    for part in parts {
        match part {
            SentCode::Text(part) => text.push_str(part),
            SentCode::Word(word, code) => {
                let taken = named
                    .iter()
                    .any(|table| find_column(table, word).is_some() || table.name.eq_ignore_ascii_case(word));
                if taken {
                    text.push_str(word);
                } else {
                    let value = frame.eval(code)?.into_sql()?;
                    literal(&value, &mut text);
                }
            }
            SentCode::Value(code) => {
                let value = frame.eval(code)?.into_sql()?;
                literal(&value, &mut text);
            }
        }
    }
    frame.charge(text.len())?;
    let result = frame.context()?.query_in(DIALECT, &text, &[], &[])?;
    frame.charge(result.rows.len() * 64)?;
    Ok(rows_of(result))
}

/// A value as AMI writes it.
fn literal(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(_) | Value::Int2(_) | Value::Int4(_) | Value::Int8(_) | Value::Numeric(_) => {
            out.push_str(&text_of(value));
        }
        Value::Float8(n) if n.is_finite() => {
            let _ = write!(out, "{n:?}");
        }
        Value::Float4(n) if n.is_finite() => {
            let _ = write!(out, "{n:?}");
        }
        other => text_literal(&text_of(other), out),
    }
}

/// A text as AMI writes it.
fn text_literal(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A procedure runs with the values as they are.
fn call(frame: &mut Frame<'_>, text: &str, args: &[Code]) -> Result<Rows> {
    let mut values = Vec::with_capacity(args.len());
    for code in args {
        values.push(frame.eval(code)?.into_sql()?);
    }
    let types: Vec<Oid> = values.iter().map(|value| if value.is_null() { 0 } else { type_of(value).oid }).collect();
    let result = frame.context()?.query_in(DIALECT, text, &types, &values)?;
    frame.charge(result.rows.len() * 64)?;
    Ok(rows_of(result))
}

/// `use ds=source execute text`: on a data source (AMI-80). Errors: 42704 for an unknown one.
fn using(frame: &mut Frame<'_>, source: &Code, text: &Code) -> Result<Rows> {
    let source = text_of(&frame.eval(source)?.into_sql()?);
    let text = text_of(&frame.eval(text)?.into_sql()?);
    let result = crate::source::execute(frame.context()?, &source, &text)?;
    frame.charge(result.rows.len() * 64)?;
    Ok(rows_of(result))
}

// Other statements ----------------------------------------------------------------------------------------------

/// A statement as the engine gets it.
#[derive(Debug)]
struct Statement {
    catalog: Weak<Catalog>,
    /// Its names mean these tables as long as the tables are the same.
    settled: bool,
    tables: Vec<Arc<TableDef>>,
    text: String,
    params: Vec<(Code, Type)>,
    variants: Mutex<Vec<Variant>>,
}

/// A statement prepared for parameters of these types; 0 is a null of no known type.
type Variant = (Vec<Oid>, Arc<dyn Prepared>);

const SIGNATURES_MAX: usize = 32;

fn general(
    frame: &mut Frame<'_>,
    sql: &Sql,
    outer: &[(String, Code, Type)],
    methods: &Weak<Methods>,
    kept: &Mutex<Option<Arc<Statement>>>,
) -> Result<Rows> {
    let catalog = frame.context()?.catalog();
    let old = kept.lock().clone();
    let current = |plan: &Arc<Statement>| {
        std::ptr::eq(plan.catalog.as_ptr(), Arc::as_ptr(&catalog))
            || plan.settled
                && plan.tables.iter().all(|table| catalog.table(table.id).is_some_and(|now| Arc::ptr_eq(now, table)))
    };
    let plan = match old.filter(current) {
        Some(plan) => plan,
        None => {
            let temp = frame.context()?.temp_schema();
            let plan = Arc::new(write::Writer::new(&catalog, temp, outer, methods.upgrade()).statement(sql)?);
            *kept.lock() = Some(plan.clone());
            plan
        }
    };
    drop(catalog);
    let mut values = Vec::with_capacity(plan.params.len());
    let mut signature = Vec::with_capacity(plan.params.len());
    for (code, ty) in &plan.params {
        let value = frame.eval(code)?.into_sql()?;
        signature.push(match &value {
            // As what it would be, so that a null needs no statement of its own.
            Value::Null if *ty == Type::Object || ty.is_collection() => 0,
            Value::Null => ty.data_type().oid,
            value => type_of(value).oid,
        });
        values.push(value);
    }
    let found = plan.variants.lock().iter().find(|(have, _)| *have == signature).map(|(_, s)| s.clone());
    let statement = match found {
        Some(statement) => statement,
        None => {
            let statement = frame.context()?.prepare_in(DIALECT, &plan.text, &signature)?;
            let mut kept = plan.variants.lock();
            if kept.len() < SIGNATURES_MAX {
                kept.push((signature, statement.clone()));
            }
            statement
        }
    };
    let result = frame.context()?.run(&*statement, &values)?;
    frame.charge(result.rows.len() * 64)?;
    Ok(rows_of(result))
}
