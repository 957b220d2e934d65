//! How the executor asks the planner: plans of statements, bound forms of stored texts, and the search path they need.
//!
//! The only file of `exec` that knows how the planner is called.

use std::sync::{Arc, OnceLock};

use sqlparser::ast;

use super::{Backend, system};
use crate::catalog::{Catalog, CatalogSet, IndexDef, PG_CATALOG, Relation, TableDef, TableId};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Expr;
use crate::parse::{self, DialectSetting, ObjectName, ParseOptions, Parsed, RawStatement, Statement};
use crate::plan::{BindContext, Node, Plan, PlanKind, PlanSource, SystemRelation, WriteTarget};
use crate::store::{TableLockMode, WaitPolicy};
use crate::types::{DataType, Oid, Row, Value};

/// The dialect of standard statements, and the one that may read a statement a second time.
const POSTGRES: &str = "postgres";
const AMI: &str = "ami";

/// How this session's texts are parsed.
pub fn parse_options(backend: &Backend) -> ParseOptions {
    let dialect = backend.settings.borrow().get("dialect");
    ParseOptions { dialect: dialect.and_then(|name| DialectSetting::from_name(&name)).unwrap_or_default() }
}

/// A plan of nothing, for writes that come from no statement.
pub(super) fn empty_plan() -> Arc<Plan> {
    static EMPTY: OnceLock<Arc<Plan>> = OnceLock::new();
    let make = || {
        Arc::new(Plan {
            root: Node::Values { rows: Vec::new() },
            subplans: Vec::new(),
            columns: Vec::new(),
            params: Vec::new(),
            kind: PlanKind::Select,
            catalog_version: 0,
            writes: true,
            locks: false,
            restartable: false,
            tables: Vec::new(),
            privileges: Vec::new(),
            notices: Vec::new(),
            statement: None,
        })
    };
    EMPTY.get_or_init(make).clone()
}

/// The search path with the implicit schemas: temporary tables first, then pg_catalog unless it is named.
pub(super) fn implicit_path(backend: &Backend, explicit: &[Oid]) -> Vec<Oid> {
    let mut path = Vec::with_capacity(explicit.len() + 2);
    if let Some(temp) = backend.temp_schema.get() {
        if !explicit.contains(&temp) {
            path.push(temp);
        }
    }
    if !explicit.contains(&PG_CATALOG) {
        path.push(PG_CATALOG);
    }
    path.extend_from_slice(explicit);
    path
}

/// SET of any setting, with what it means for the session.
pub fn apply_setting(backend: &Backend, name: &str, value: Option<&str>, local: bool) -> Result<String> {
    match name.to_ascii_lowercase().as_str() {
        "role" => return set_role(backend, value.unwrap_or("none"), local),
        "session_authorization" => {
            check_own_rights(backend, "session_authorization")?;
            if let Some(value) = value {
                return set_session_authorization(backend, value, local);
            }
            let shown = backend.settings.borrow_mut().set(name, None, local)?.to_string();
            // What the connection logged in as is a role of its own again.
            backend.settings.borrow_mut().set("role", Some("none"), local)?;
            refresh_user(backend);
            return Ok(shown);
        }
        "transaction_read_only" => {
            let on = value.and_then(super::parse_bool).unwrap_or(false);
            backend.read_only.set(on);
        }
        "transaction_isolation" => {
            let value = backend.settings.borrow_mut().set(name, value, true)?;
            let isolation = backend.settings.borrow().isolation("transaction_isolation");
            if let Some(txn) = backend.txn.borrow_mut().as_mut() {
                txn.set_isolation(isolation);
            }
            return Ok(value.to_string());
        }
        _ => {}
    }
    let shown = backend.settings.borrow_mut().set(name, value, local)?.to_string();
    match name.to_ascii_lowercase().as_str() {
        // Texts kept were read by the rule before.
        "dialect" => backend.plans.borrow_mut().clear(),
        "application_name" => backend.control.info.lock().application_name.clone_from(&shown),
        "lock_timeout" => {
            let millis = backend.settings.borrow().lock_timeout;
            let timeout = (millis > 0).then(|| std::time::Duration::from_millis(millis));
            if let Some(txn) = backend.txn.borrow_mut().as_mut() {
                txn.set_lock_timeout(timeout);
            }
        }
        _ => {}
    }
    Ok(shown)
}

fn role_named(backend: &Backend, name: &str) -> Result<(Oid, bool)> {
    let set = backend.catalogs();
    let role = set.shared.role_by_name(name);
    role.map(|role| (role.oid, role.superuser))
        .ok_or_else(|| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("role \"{name}\" does not exist")))
}

/// What acts with its owner's rights may not choose others, least of all its caller's. Errors: 42501.
fn check_own_rights(backend: &Backend, parameter: &str) -> Result<()> {
    if backend.lent_by.get().is_none() {
        return Ok(());
    }
    let text = format!("cannot set parameter \"{parameter}\" within security-definer function");
    Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, text))
}

fn set_role(backend: &Backend, name: &str, local: bool) -> Result<String> {
    check_own_rights(backend, "role")?;
    let session = backend.session_user.get();
    let set = backend.catalogs();
    let session_super = set.shared.role(session).is_some_and(|role| role.superuser)
        || (backend.internal && session == crate::catalog::BOOTSTRAP_ROLE);
    if name.eq_ignore_ascii_case("none") {
        backend.settings.borrow_mut().set("role", Some("none"), local)?;
    } else {
        let (oid, _) = role_named(backend, name)?;
        if !session_super && !set.shared.is_member(session, oid) {
            return Err(SqlError::new(
                SqlState::INSUFFICIENT_PRIVILEGE,
                format!("permission denied to set role \"{name}\""),
            ));
        }
        backend.settings.borrow_mut().set("role", Some(name), local)?;
    }
    refresh_user(backend);
    Ok(name.to_owned())
}

fn set_session_authorization(backend: &Backend, name: &str, local: bool) -> Result<String> {
    let (oid, _) = role_named(backend, name)?;
    // Who logged in decides, whatever role is taken on now.
    let login = backend.control.info.lock().user.clone();
    let login = backend.catalogs().shared.role_by_name(&login).map(|role| (role.oid, role.superuser));
    let may = match login {
        Some((own, superuser)) => {
            superuser || own == oid || (backend.internal && own == crate::catalog::BOOTSTRAP_ROLE)
        }
        None => backend.internal,
    };
    if !may {
        return Err(SqlError::new(SqlState::INSUFFICIENT_PRIVILEGE, "permission denied to set session authorization"));
    }
    backend.settings.borrow_mut().set("session_authorization", Some(name), local)?;
    // A role that was taken on before is laid down.
    backend.settings.borrow_mut().set("role", Some("none"), local)?;
    refresh_user(backend);
    Ok(name.to_owned())
}

/// Takes the session's and current user from the settings, after SET and after rollback; not while a trigger acts with its
/// owner's rights.
pub fn refresh_user(backend: &Backend) {
    if backend.lent_by.get().is_some() {
        return;
    }
    let set = backend.catalogs();
    let settings = backend.settings.borrow();
    if let Some(role) = settings.get("session_authorization").and_then(|name| set.shared.role_by_name(&name).cloned()) {
        backend.session_user.set(role.oid);
    }
    let role = settings.get("role").filter(|name| &**name != "none");
    let oid = role
        .and_then(|name| set.shared.role_by_name(&name).map(|role| role.oid))
        .unwrap_or_else(|| backend.session_user.get());
    backend.current_user.set(oid);
    let superuser = set.shared.role(oid).is_some_and(|role| role.superuser)
        || (backend.internal && oid == crate::catalog::BOOTSTRAP_ROLE);
    backend.superuser.set(superuser);
    drop(settings);
    backend.settings.borrow_mut().force("is_superuser", if superuser { "on" } else { "off" });
}

/// What binding finds in this session.
struct Source<'a>(&'a Backend);

impl PlanSource for Source<'_> {
    fn system_relation(&self, schema: Option<&str>, name: &str) -> Option<&'static SystemRelation> {
        system::relation(schema, name)
    }

    fn system_relation_by_oid(&self, oid: Oid) -> Option<&'static SystemRelation> {
        system::relation_by_oid(oid)
    }

    fn type_function(&self, name: &str) -> Option<Oid> {
        crate::system::type_function(name)
    }

    fn kept_target(&self, table: TableId) -> Option<Arc<WriteTarget>> {
        self.0.targets.borrow().get(&table).cloned()
    }

    fn keep_target(&self, target: &Arc<WriteTarget>) {
        self.0.targets.borrow_mut().insert(target.table.id, target.clone());
    }
}

/// Lends what binding needs.
pub fn with_bind_context<T>(backend: &Backend, work: impl FnOnce(&BindContext<'_>) -> Result<T>) -> Result<T> {
    backend.refresh_names();
    let catalogs = backend.catalogs();
    let explicit = backend.search_path();
    let path = implicit_path(backend, &explicit);
    let style = backend.settings.borrow().style.clone();
    let source = Source(backend);
    work(&BindContext {
        catalogs: &catalogs,
        database: backend.database,
        search_path: &path,
        style: &style,
        user: backend.current_user.get(),
        source: &source,
        variables: None,
    })
}

/// Plans a statement as it was read. Errors: everything that binding finds.
fn plan_as_read(backend: &Backend, parsed: &Parsed, types: &[Oid]) -> Result<Arc<Plan>> {
    let plan = with_bind_context(backend, |context| crate::plan::plan(parsed, context, types).map(Arc::new));
    plan.map_err(|mut error| {
        if parsed.dialect == AMI {
            // Its places are in a translation.
            error.fields_mut().position = None;
        }
        error
    })
}

/// Plans a statement. One that PostgreSQL's reading cannot name is read once more, as AMI's (AMI-3). Errors: as `route`.
pub fn plan(backend: &Backend, parsed: &Parsed, types: &[Oid]) -> Result<Arc<Plan>> {
    route(backend, &mut parsed.clone(), types)
}

/// As `plan`, and keeps in `parsed` the reading that was found: it is chosen once, when a statement is analysed, and a
/// later plan of the same statement never changes it. What fails while DDL on one of its tables is under way is tried
/// again once that has ended: as in PostgreSQL, which locks tables before it looks at their columns. Errors: those of
/// planning, of a wait.
pub fn route(backend: &Backend, parsed: &mut Parsed, types: &[Oid]) -> Result<Arc<Plan>> {
    loop {
        let error = match route_once(backend, parsed, types) {
            Ok(plan) => return Ok(plan),
            Err(error) => error,
        };
        if !catalog_moved_on(backend, parsed)? {
            return Err(error);
        }
    }
}

/// Waits for DDL on the tables of a statement that could not be planned; whether the catalog is another one then.
fn catalog_moved_on(backend: &Backend, parsed: &Parsed) -> Result<bool> {
    if backend.txn.borrow().is_none() {
        return Ok(false);
    }
    let version = backend.catalogs().version;
    for name in parse::relations(&parsed.statement).unwrap_or_default() {
        if let Ok(Relation::Table(table)) = super::objects::find_relation(backend, &name) {
            let locked = backend.with_txn(|txn| txn.lock_table(table.id, TableLockMode::AccessShare, WaitPolicy::Wait));
            if let Err(error) = locked
                && error.state() != SqlState::UNDEFINED_TABLE
            {
                return Err(error);
            }
        }
    }
    backend.refresh_catalog();
    Ok(backend.catalogs().version != version)
}

/// `route` under the catalog of now.
fn route_once(backend: &Backend, parsed: &mut Parsed, types: &[Oid]) -> Result<Arc<Plan>> {
    let error = match plan_as_read(backend, parsed, types) {
        Err(error) => error,
        Ok(plan) => return Ok(plan),
    };
    let raw = RawStatement { range: 0..parsed.text.len(), next: parsed.text.len(), dialect: POSTGRES };
    let setting = parse_options(backend).dialect;
    let other = match (parsed.dialect, setting) {
        (POSTGRES, DialectSetting::Auto) => read_again(backend, &parsed.text, &raw, &error),
        // AMI comes first there, and what it cannot name may be PostgreSQL's (AMI-4).
        (AMI, _) if is_unread(&error) => {
            let options = ParseOptions { dialect: DialectSetting::Postgres };
            parse::parse(&parsed.text, &raw, &options).ok()
        }
        _ => None,
    };
    let Some(mut other) = other else { return Err(error) };
    other.offset = parsed.offset;
    match plan_as_read(backend, &other, types) {
        Ok(plan) => {
            *parsed = other;
            Ok(plan)
        }
        // It is AMI's now, and so is what is wrong with it; where both say the same, PostgreSQL's has the place.
        Err(own) if other.dialect == AMI && (own.state() != error.state() || parse::has_ami_mark(&parsed.text)) => {
            Err(own)
        }
        Err(_) => Err(error),
    }
}

/// Makes a plan again under the catalog of now, for parameters of the types that it had. Errors: those of `plan`.
pub(super) fn plan_again(backend: &Backend, old: &Plan) -> Result<Arc<Plan>> {
    let Some(parsed) = &old.statement else { return Err(SqlError::internal("a plan of no statement")) };
    let types: Vec<Oid> = old.params.iter().map(|ty| ty.oid).collect();
    plan(backend, parsed, &types)
}

/// Reads one statement of a message. Errors: those of `parse::parse`.
pub fn parse_statement(backend: &Backend, text: &str, raw: &RawStatement, options: &ParseOptions) -> Result<Parsed> {
    parse::parse(text, raw, options)
        .and_then(|parsed| unknown_type(backend, &parsed).map_or(Ok(parsed), Err))
        .or_else(|error| second(backend, text, raw, error))
}

/// The other reading of a statement that PostgreSQL refused, or the error to report (AMI-3, step 5).
fn second(backend: &Backend, text: &str, raw: &RawStatement, error: SqlError) -> Result<Parsed> {
    if let Some(parsed) = read_again(backend, text, raw, &error) {
        return Ok(parsed);
    }
    let own = text.get(raw.range.clone()).unwrap_or_default();
    if is_unread(&error) && parse_options(backend).dialect == DialectSetting::Auto && parse::has_ami_mark(own) {
        return Err(parse::ami_error(text, raw).unwrap_or(error));
    }
    Err(error)
}

/// A definition whose columns are of types that PostgreSQL does not know may be AMI's: 42704 before anything is done.
fn unknown_type(backend: &Backend, parsed: &Parsed) -> Option<SqlError> {
    let Statement::Ddl(tree) = &*parsed.statement else { return None };
    match &**tree {
        ast::Statement::AlterTable(alter) => alter.operations.iter().find_map(|operation| match operation {
            ast::AlterTableOperation::AddColumn { column_def, .. } => type_error(backend, &column_def.data_type),
            _ => None,
        }),
        ast::Statement::CreateTable(create) => create.columns.iter().find_map(|column| {
            let known = ["String", "Long", "UTC", "UTCN", "Binary", "Boolean", "BigInteger", "BigDecimal", "Enum"];
            let name = column.data_type.to_string();
            known.iter().any(|word| name.eq_ignore_ascii_case(word)).then(|| type_error(backend, &column.data_type))?
        }),
        _ => None,
    }
}

fn type_error(backend: &Backend, ty: &ast::DataType) -> Option<SqlError> {
    // `serial` and its kin are no types, and other dialects have names of their own: definitions know them.
    let word = ty.to_string();
    if parse::ami_column_type(&word).is_none() || word.to_ascii_lowercase().contains("serial") {
        return None;
    }
    let error = resolve_type(backend, ty).err().filter(|error| error.state() == SqlState::UNDEFINED_OBJECT)?;
    Some(error.hint("A table with AMI's types is made by CREATE PUBLIC TABLE."))
}

fn is_unread(error: &SqlError) -> bool {
    [
        SqlState::SYNTAX_ERROR,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_OBJECT,
        SqlState::AMBIGUOUS_FUNCTION,
        SqlState::UNDEFINED_FUNCTION,
    ]
    .contains(&error.state())
}

/// Reads a text of at most one statement. Errors: those of `parse::parse_one`.
pub fn parse_text(backend: &Backend, text: &str) -> Result<Parsed> {
    let options = parse_options(backend);
    let read = parse::parse_one(text, &options);
    read.and_then(|parsed| unknown_type(backend, &parsed).map_or(Ok(parsed), Err)).or_else(|error| {
        let raw = parse::split_first(text, 0, &options).ok().flatten();
        let alone = raw.filter(|raw| matches!(parse::split_first(text, raw.next, &options), Ok(None)));
        match alone {
            Some(raw) => second(backend, text, &raw, error),
            None => Err(error),
        }
    })
}

/// The second reading of what PostgreSQL refused with a syntax or name-resolution error: as AMI's, if every table that
/// it names is one of AMI's (AMI-3).
fn read_again(backend: &Backend, text: &str, raw: &RawStatement, error: &SqlError) -> Option<Parsed> {
    if parse_options(backend).dialect != DialectSetting::Auto || !is_unread(error) {
        return None;
    }
    let parsed = parse::second_reading(text, raw, AMI)?;
    let names = parse::relations(&parsed.statement)?;
    let is_ami = |name: &ObjectName| match super::objects::find_relation(backend, name) {
        Ok(Relation::Table(table)) => table.dialect == AMI,
        _ => false,
    };
    (!names.is_empty() && names.iter().all(is_ami)).then_some(parsed)
}

/// What a table's rows go through when written.
pub(super) fn write_target(backend: &Backend, table: &Arc<TableDef>) -> Result<Arc<WriteTarget>> {
    with_bind_context(backend, |context| crate::plan::write_target(context, table))
}

/// A type as written.
pub fn resolve_type(backend: &Backend, ty: &ast::DataType) -> Result<DataType> {
    with_bind_context(backend, |context| crate::plan::resolve_type(context, ty))
}

/// Values of the arguments of EXECUTE of the prepared statement `name`. Errors: 42601 if there are more or fewer than
/// it has parameters.
pub fn eval_arguments(backend: &Backend, name: &str, args: &[ast::Expr], types: &[DataType]) -> Result<Vec<Value>> {
    if args.len() != types.len() {
        let message = format!("wrong number of parameters for prepared statement \"{name}\"");
        return Err(SqlError::new(SqlState::SYNTAX_ERROR, message).detail(format!(
            "Expected {} parameters but got {}.",
            types.len(),
            args.len()
        )));
    }
    let snapshot = backend.begin_statement(false)?;
    let run = super::Run::with_snapshot(backend, empty_plan(), Vec::new(), snapshot, 0);
    let exec = super::Exec { backend, run: &run };
    let mut out = Vec::with_capacity(args.len());
    let mut result = Ok(());
    for (arg, ty) in args.iter().zip(types) {
        let value = with_bind_context(backend, |context| crate::plan::bind_scalar(context, arg, &[], Some(*ty)))
            .and_then(|expr| exec.cx().eval(&expr, &[]));
        match value {
            Ok(value) => out.push(value),
            Err(error) => {
                result = Err(error);
                break;
            }
        }
    }
    backend.end_statement(snapshot);
    result.map(|()| out)
}

/// Values of the arguments of AMI's CALL, with their types; `$n` are of the types given.
pub(super) fn eval_any(
    backend: &Backend,
    args: &[ast::Expr],
    types: &[Oid],
    params: &[Value],
) -> Result<Vec<(Value, DataType)>> {
    let snapshot = backend.begin_statement(false)?;
    let run = super::Run::with_snapshot(backend, empty_plan(), params.to_vec(), snapshot, 0);
    let exec = super::Exec { backend, run: &run };
    let value = |arg| {
        let expr = with_bind_context(backend, |context| crate::plan::bind_ami_argument(context, arg, types))?;
        Ok((exec.cx().eval(&expr, &[])?, expr.data_type()))
    };
    let values = args.iter().map(value).collect();
    backend.end_statement(snapshot);
    values
}

/// EXPLAIN: the plan as lines, or as one JSON text.
pub fn explain(
    backend: &Backend,
    plan: &Plan,
    json: bool,
    options: crate::plan::explain::ExplainOptions,
    actuals: &crate::plan::explain::Actuals,
    times: &[(&'static str, std::time::Duration)],
) -> Vec<String> {
    let shown = with_bind_context(backend, |context| {
        Ok(if json {
            vec![crate::plan::explain::explain_json(plan, context, options, actuals, times)]
        } else {
            crate::plan::explain::explain_text(plan, context, options, actuals)
        })
    });
    let mut lines = shown.unwrap_or_default();
    if json {
        return lines;
    }
    lines.extend(times.iter().map(|(label, time)| format!("{label}: {:.3} ms", time.as_secs_f64() * 1000.0)));
    lines
}

/// A stored text over a table's row, bound.
pub fn bind_table_expr(backend: &Backend, table: &Arc<TableDef>, text: &str, kind: TableExpr) -> Result<Expr> {
    with_bind_context(backend, |context| bind_in(context, table, text, kind))
}

fn bind_in(context: &BindContext<'_>, table: &Arc<TableDef>, text: &str, kind: TableExpr) -> Result<Expr> {
    match kind {
        TableExpr::Check => crate::plan::bind_check(context, text, table),
        TableExpr::Generated(place) => {
            let column = &table.columns[place];
            crate::plan::bind_generated(context, text, table, &column.name, column.ty)
        }
        TableExpr::Default(place) => {
            let column = &table.columns[place];
            crate::plan::bind_default(context, text, &column.name, column.ty)
        }
        TableExpr::Index => crate::plan::bind_index_expr(context, text, table, false),
        TableExpr::Predicate => crate::plan::bind_index_expr(context, text, table, true),
    }
}

/// Nothing but the catalog: for keys of indexes, which rest on nothing else.
struct NoSource;

impl PlanSource for NoSource {
    fn system_relation(&self, _: Option<&str>, _: &str) -> Option<&'static SystemRelation> {
        None
    }

    fn system_relation_by_oid(&self, _: Oid) -> Option<&'static SystemRelation> {
        None
    }
}

fn bind_alone(catalog: &Catalog, table: &TableDef, text: &str, kind: TableExpr) -> Result<Expr> {
    let catalogs = CatalogSet::of_one(catalog);
    // Labels of enums are all that such a text may need to know by name.
    let names = Arc::new(Labels(Arc::new(catalog.clone())));
    let style = crate::types::TextStyle { names: Some(names), ..crate::types::TextStyle::default() };
    let path = [PG_CATALOG, crate::catalog::PUBLIC, table.schema];
    let context = BindContext {
        catalogs: &catalogs,
        database: catalog.database,
        search_path: &path,
        style: &style,
        user: crate::catalog::BOOTSTRAP_ROLE,
        source: &NoSource,
        variables: None,
    };
    bind_in(&context, &Arc::new(table.clone()), text, kind)
}

/// The enum types of a catalog.
#[derive(Debug)]
struct Labels(Arc<Catalog>);

impl crate::types::ObjectNames for Labels {
    fn name(&self, _: crate::types::Oid, _: crate::types::Oid) -> Option<String> {
        None
    }

    fn find(&self, ty: crate::types::Oid, text: &str) -> Result<crate::types::Oid> {
        // Names mean what they mean to a session, which there is none of here: numbers and built-in types are left.
        let style = crate::types::TextStyle::default();
        match crate::types::from_text(text, crate::types::DataType::new(ty), &style)? {
            Value::Oid(oid) => Ok(oid),
            _ => Err(SqlError::internal("an object that is no number")),
        }
    }

    fn enum_label(&self, ty: crate::types::Oid, text: &str) -> Result<Arc<crate::types::EnumLabel>> {
        let def = self.0.user_type(ty);
        let labels = match def.map(|def| (&def.name, &def.kind)) {
            Some((name, crate::catalog::TypeKind::Enum(labels))) => (name, labels),
            _ => return Err(SqlError::internal("an enum type that is gone")),
        };
        labels.1.label(text).cloned().ok_or_else(|| {
            let message = format!("invalid input value for enum {}: \"{text}\"", labels.0);
            SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, message)
        })
    }

    fn row_fields(&self, _: crate::types::Oid) -> Option<Vec<(Arc<str>, crate::types::DataType)>> {
        None
    }
}

/// What an expression over a table's row is for.
#[derive(Clone, Copy, Debug)]
pub enum TableExpr {
    /// CHECK.
    Check,
    /// GENERATED, to this column.
    Generated(usize),
    /// DEFAULT of this column.
    Default(usize),
    /// Key of an index.
    Index,
    /// WHERE of an index.
    Predicate,
}

/// Key values of an index for a row, if its expressions can be bound.
pub(super) fn index_key(backend: &Backend, table: &TableDef, index: &IndexDef, row: &[Value]) -> Option<Row> {
    let catalog = backend.catalog().ok()?;
    let extractor = crate::store::KeyExtractors::extractor(&Extractors, &catalog, table, index).ok()?;
    extractor.key(row).ok().flatten()
}

/// Makes key extractors of expression and partial indexes.
#[derive(Debug)]
pub struct Extractors;

struct BoundKey {
    keys: Vec<KeyPart>,
    predicate: Option<Expr>,
}

enum KeyPart {
    Column(usize),
    Expr(Expr),
}

impl crate::store::KeyExtractor for BoundKey {
    fn key(&self, row: &[Value]) -> Result<Option<Vec<Value>>> {
        let style = crate::types::TextStyle::default();
        let context =
            crate::expr::EvalContext { params: &[], style: &style, outer: None, runtime: &super::detached::Detached };
        if let Some(predicate) = &self.predicate {
            if !crate::expr::eval_predicate(predicate, row, &context)? {
                return Ok(None);
            }
        }
        let mut key = Vec::with_capacity(self.keys.len());
        for part in &self.keys {
            key.push(match part {
                KeyPart::Column(place) => row.get(*place).cloned().unwrap_or(Value::Null),
                KeyPart::Expr(expr) => crate::expr::eval(expr, row, &context)?,
            });
        }
        Ok(Some(key))
    }
}

impl crate::store::KeyExtractors for Extractors {
    fn extractor(
        &self,
        catalog: &Catalog,
        table: &TableDef,
        index: &IndexDef,
    ) -> Result<Arc<dyn crate::store::KeyExtractor>> {
        let mut keys = Vec::with_capacity(index.keys.len());
        for key in &index.keys {
            keys.push(match (key.column, &key.expr) {
                (Some(place), _) => KeyPart::Column(place),
                (None, Some(text)) => KeyPart::Expr(bind_alone(catalog, table, text, TableExpr::Index)?),
                (None, None) => return Err(SqlError::internal("an index key of nothing")),
            });
        }
        let predicate = match &index.predicate {
            Some(text) => Some(bind_alone(catalog, table, text, TableExpr::Predicate)?),
            None => None,
        };
        Ok(Arc::new(BoundKey { keys, predicate }))
    }
}
