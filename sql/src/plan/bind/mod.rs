//! Binding: a syntax tree → nodes and expressions with every name and type resolved.
//!
//! `Binder` holds what is one per statement: parameters, subplans, WITH queries in scope, and the stack of frames (see
//! `scope`). Literals and parameters start with type `unknown`; `coerce` gives them their type from their surroundings,
//! so a literal of the wrong form fails here, with its position. Depth is counted: what is nested deeper than
//! `DEPTH_MAX` fails with 54001.

mod aggregate;
mod ami;
mod call;
mod coerce;
mod dml;
mod domain;
mod exclusion;
mod expr;
mod from;
mod lua;
mod names;
mod operator;
mod params;
mod query;
mod reg;
mod routine;
mod sample;
mod scope;
mod sublink;
mod text;
mod types;
mod uses;
mod window;

use std::collections::HashMap;
use std::sync::Arc;

use sqlparser::tokenizer::Span as SqlSpan;

use self::params::Params;
use self::query::CteBinding;
use self::scope::Frame;
use super::{AggregateCall, Need, OutputColumn, SetCall, Subplan, SystemRelation, WindowCall, WriteTarget};
use crate::catalog::{Catalog, CatalogSet, Privilege, Relation, TableDef, TableId};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::expr::{Expr, SubplanId};
use crate::types::{DataType, Oid, TextStyle};

pub use self::dml::write_target;
pub use self::exclusion::exclusion_operator;
pub use self::lua::LUA_FUNCTIONS;
pub(super) use self::lua::is_lua_call;
pub use self::reg::find_function;
pub(super) use self::routine::is_routine;
pub use self::text::{
    bind_ami_argument, bind_check, bind_default, bind_domain_check, bind_domain_unfolded, bind_generated,
    bind_index_expr, bind_scalar, bind_unfolded, resolve_type, resolve_type_text, written_columns,
};
pub use self::uses::{NameUse, Named, domain_uses, expression_uses, query_uses, view_text};

/// How deeply expressions and queries may nest.
pub const DEPTH_MAX: usize = 1000;

/// What binding asks of the session besides the catalogs.
pub trait PlanSource {
    /// A relation of pg_catalog, information_schema or tripline by name; without a schema the ones of pg_catalog.
    fn system_relation(&self, schema: Option<&str>, name: &str) -> Option<&'static SystemRelation>;
    /// One by OID.
    fn system_relation_by_oid(&self, oid: Oid) -> Option<&'static SystemRelation>;
    /// OID of a built-in function that SQL does not call by name, such as a type's input function.
    fn type_function(&self, name: &str) -> Option<Oid> {
        let _ = name;
        None
    }
    /// A write target made earlier under the same catalog version.
    fn kept_target(&self, table: TableId) -> Option<Arc<WriteTarget>> {
        let _ = table;
        None
    }
    /// Keeps a write target for this catalog version.
    fn keep_target(&self, target: &Arc<WriteTarget>) {
        let _ = target;
    }
}

/// Under what a statement is bound.
#[derive(Clone, Copy)]
pub struct BindContext<'a> {
    /// The catalogs as the transaction sees them.
    pub catalogs: &'a CatalogSet,
    /// OID of the session's database.
    pub database: Oid,
    /// Schemas searched for names, in order, the implicit ones (pg_temp, pg_catalog) included.
    pub search_path: &'a [Oid],
    /// Settings that the reading of literals depends on.
    pub style: &'a TextStyle,
    /// OID of the current user.
    pub user: Oid,
    /// System relations, kept write targets.
    pub source: &'a dyn PlanSource,
    /// Script variables that may stand where a column may: name → (parameter counted from 0, type).
    pub variables: Option<&'a HashMap<String, (usize, DataType)>>,
}

/// The clause that an expression stands in, for what is allowed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    Select,
    Where,
    JoinOn,
    FromFunction,
    GroupBy,
    Having,
    OrderBy,
    DistinctOn,
    Window,
    Limit,
    Offset,
    Values,
    Returning,
    UpdateSet,
    MergeWhen,
    Check,
    Default,
    Generated,
    IndexExpr,
    IndexPredicate,
    Filter,
    Transform,
    Execute,
}

impl Clause {
    /// How messages name it.
    fn text(self) -> &'static str {
        match self {
            Clause::Select => "SELECT",
            Clause::Where => "WHERE",
            Clause::JoinOn => "JOIN conditions",
            Clause::FromFunction => "functions in FROM",
            Clause::GroupBy => "GROUP BY",
            Clause::Having => "HAVING",
            Clause::OrderBy => "ORDER BY",
            Clause::DistinctOn => "DISTINCT ON",
            Clause::Window => "window definitions",
            Clause::Limit => "LIMIT",
            Clause::Offset => "OFFSET",
            Clause::Values => "VALUES",
            Clause::Returning => "RETURNING",
            Clause::UpdateSet => "UPDATE",
            Clause::MergeWhen => "MERGE WHEN conditions",
            Clause::Check => "check constraints",
            Clause::Default => "DEFAULT expressions",
            Clause::Generated => "column generation expressions",
            Clause::IndexExpr => "index expressions",
            Clause::IndexPredicate => "index predicates",
            Clause::Filter => "FILTER",
            Clause::Transform => "transform expressions",
            Clause::Execute => "EXECUTE parameters",
        }
    }
}

/// Places from here up stand for aggregate results until the Aggregate node is placed.
const AGGREGATE_MARK: usize = 1 << 40;
/// Places from here up stand for window results.
const WINDOW_MARK: usize = 1 << 41;
/// Places from here up stand for GROUPING results.
const GROUPING_MARK: usize = 1 << 42;
/// Places from here up stand for results of set-returning functions.
const SET_MARK: usize = 1 << 43;

/// What one query level has collected from its expressions.
#[derive(Default)]
struct Level {
    /// Aggregate calls, found as `AGGREGATE_MARK + i`.
    pub aggregates: Vec<AggregateCall>,
    /// GROUPING calls.
    pub grouping: Vec<Vec<Expr>>,
    /// Window calls.
    pub windows: Vec<WindowCall>,
    /// Set-returning calls, inner ones first.
    pub sets: Vec<SetCall>,
    /// Named windows.
    pub named_windows: Vec<(String, window::Spec)>,
    /// Inside the arguments of an aggregate.
    pub in_aggregate: bool,
    /// Inside the arguments of a window call.
    pub in_window: bool,
}

/// A statement being bound.
pub(in crate::plan) struct Binder<'a> {
    context: BindContext<'a>,
    catalog: Arc<Catalog>,
    /// The dialect is AMI's: names are looked up without case, `"…"` may be a string.
    ami: bool,
    /// Spans of the tree are byte offsets of the client's statement (not of a view or default).
    positions: bool,
    search_path: Arc<[Oid]>,
    frames: Vec<Frame>,
    levels: Vec<Level>,
    clause: Clause,
    depth: usize,
    params: Params,
    pub(in crate::plan) subplans: Vec<Option<Subplan>>,
    ctes: Vec<CteBinding>,
    cte_count: u32,
    pub(in crate::plan) tables: Vec<(TableId, bool)>,
    pub(in crate::plan) privileges: Vec<Need>,
    pub(in crate::plan) writes: bool,
    pub(in crate::plan) locks: bool,
    pub(in crate::plan) volatile: bool,
    view_depth: usize,
    /// Whose business it is what the view being read or written through names: its owner's.
    view_owner: Option<Oid>,
    /// The view that the statement being bound writes through.
    through: Option<Arc<dml::Through>>,
    /// Frames from here up are left sides of the joins of the FROM clause being bound.
    lateral_base: usize,
    /// Locking clauses of the query being bound.
    lock_clauses: Vec<crate::parse::RowLock>,
    /// The columns that the INSERT being bound names, for messages.
    insert_names: Vec<(String, SqlSpan)>,
    /// What the client is told at each run.
    pub(in crate::plan) notices: Vec<SqlError>,
    /// Every table gives its rows' ids, for system columns.
    pub(in crate::plan) row_ids: bool,
    /// A system column was asked for that needs them.
    pub(in crate::plan) wants_row_ids: bool,
    /// Casts of constants stay, as printing needs them.
    keep_casts: bool,
    /// The statement's text, to find operators in.
    text: Arc<str>,
    /// What the names of the text stand for, where that is asked.
    uses: Option<std::cell::RefCell<Vec<NameUse>>>,
}

impl<'a> Binder<'a> {
    /// A binder for one statement. Errors: 3D000 if the database is gone.
    pub(in crate::plan) fn new(
        context: &BindContext<'a>,
        ami: bool,
        declared: &[Oid],
        param_count: usize,
    ) -> Result<Binder<'a>> {
        let catalog = context.catalogs.database(context.database).cloned().ok_or_else(|| {
            SqlError::new(SqlState::INVALID_CATALOG_NAME, "the database of this session does not exist")
        })?;
        Ok(Binder {
            context: *context,
            catalog,
            ami,
            positions: true,
            search_path: Arc::from(context.search_path),
            frames: Vec::new(),
            levels: vec![Level::default()],
            clause: Clause::Select,
            depth: 0,
            params: Params::new(declared, param_count, context.variables),
            subplans: Vec::new(),
            ctes: Vec::new(),
            cte_count: 0,
            tables: Vec::new(),
            privileges: Vec::new(),
            writes: false,
            locks: false,
            volatile: false,
            view_depth: 0,
            view_owner: None,
            through: None,
            lateral_base: 0,
            lock_clauses: Vec::new(),
            insert_names: Vec::new(),
            notices: Vec::new(),
            row_ids: false,
            wants_row_ids: false,
            keep_casts: false,
            text: Arc::from(""),
            uses: None,
        })
    }

    /// Keeps the statement's text.
    pub(in crate::plan) fn set_text(&mut self, text: &Arc<str>) {
        self.text = text.clone();
    }

    /// The types of the parameters. Errors: 42P18, 42P08.
    pub(in crate::plan) fn finish_params(&self) -> Result<Vec<DataType>> {
        self.params.finish(self)
    }

    /// Byte offset of a span.
    fn position(&self, span: SqlSpan) -> Option<Span> {
        if !self.positions || span.start.line != 1 || span.start.column == 0 {
            return None;
        }
        u32::try_from(span.start.column - 1).ok().map(Span)
    }

    /// Counts one level of nesting. Errors: 54001.
    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            self.depth -= 1;
            return Err(SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .hint("The statement nests expressions or queries too deeply."));
        }
        Ok(())
    }

    /// The row that expressions are over.
    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// What the innermost query collects.
    fn level(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    /// Runs `work` with another clause.
    fn in_clause<T>(&mut self, clause: Clause, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let before = std::mem::replace(&mut self.clause, clause);
        let result = work(self);
        self.clause = before;
        result
    }

    /// Notes that the plan touches a table.
    fn touch(&mut self, table: TableId, write: bool) {
        match self.tables.iter_mut().find(|(id, _)| *id == table) {
            Some((_, writes)) => *writes |= write,
            None => self.tables.push((table, write)),
        }
    }

    /// Notes a privilege on a whole relation.
    fn need(&mut self, relation: Oid, privilege: Privilege) {
        self.need_as(self.view_owner, relation, privilege, None);
    }

    /// Notes a privilege on columns.
    fn need_columns(&mut self, relation: Oid, privilege: Privilege, columns: &[i16]) {
        self.need_as(self.view_owner, relation, privilege, Some(columns));
    }

    /// Notes that a column is read.
    fn reads(&mut self, (relation, column): (Oid, i16)) {
        if relation != 0 {
            self.need_columns(relation, Privilege::Select, &[column]);
        }
    }

    /// Notes a privilege that the current user or the owner of a view needs.
    fn need_as(&mut self, role: Option<Oid>, relation: Oid, privilege: Privilege, columns: Option<&[i16]>) {
        // Everything is allowed to a superuser; the roles are among what a plan is made again for.
        let shared = &self.context.catalogs.shared;
        if role.is_some_and(|role| shared.role(role).is_some_and(|def| def.superuser)) {
            return;
        }
        let same = |need: &&mut Need| (need.relation, need.privilege, need.role) == (relation, privilege, role);
        let known = self.privileges.iter_mut().find(same);
        match (known, columns) {
            (Some(need), None) => need.columns = None,
            (Some(Need { columns: Some(known), .. }), Some(columns)) => {
                for column in columns {
                    if !known.contains(column) {
                        known.push(*column);
                    }
                }
            }
            (Some(_), Some(_)) => {}
            (None, columns) => {
                self.privileges.push(Need { relation, privilege, columns: columns.map(<[i16]>::to_vec), role });
            }
        }
    }

    /// Keeps a subquery's plan.
    fn add_subplan(&mut self, root: super::Node, columns: Vec<OutputColumn>, correlated: bool) -> SubplanId {
        let id = SubplanId(u32::try_from(self.subplans.len()).unwrap_or(u32::MAX));
        self.subplans.push(Some(Subplan { id, root, columns, correlated }));
        id
    }

    /// A user's relation by folded names: in the schema, or along the search path.
    fn find_relation_in(&self, schema: Option<&str>, name: &str) -> Result<Option<Relation>> {
        match schema {
            Some(schema) => match self.schema_oid(schema) {
                Some(oid) => Ok(self.catalog.relation(oid, name)),
                None => Ok(None),
            },
            None => Ok(self.search_path.iter().find_map(|schema| self.catalog.relation(*schema, name))),
        }
    }

    /// An AMI table by name without case, along the search path, when exactly one matches (AMI-8).
    fn find_ami_table(&self, name: &str) -> Option<Arc<TableDef>> {
        let matching: Vec<&Arc<TableDef>> = self
            .catalog
            .tables()
            .filter(|def| (self.ami || def.dialect == "ami") && !def.hidden && def.name.eq_ignore_ascii_case(name))
            .collect();
        let schema = self.search_path.iter().find(|schema| matching.iter().any(|def| def.schema == **schema))?;
        let mut found = matching.into_iter().filter(|def| def.schema == *schema);
        let first = found.next()?.clone();
        if found.next().is_some() { None } else { Some(first) }
    }
}
