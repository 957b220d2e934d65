//! What will be done: a typed tree of nodes with every name and type resolved; printable.
//!
//! A `Plan` is immutable and shared: prepared statements keep one until the catalog version changes. Rows flow as
//! `Row`s from node to node; a node's expressions see its input row by place (a join's: left columns, then right
//! columns). `Expr::Outer` refers to rows of enclosing queries (subqueries, LATERAL).

pub mod bind;
mod build;
pub mod deparse;
pub mod explain;
pub mod rewrite;
#[cfg(test)]
mod tests;
pub mod visit;

use std::sync::Arc;

pub use bind::{
    BindContext, LUA_FUNCTIONS, NameUse, Named, PlanSource, bind_ami_argument, bind_check, bind_default,
    bind_domain_check, bind_generated, bind_index_expr, bind_scalar, bind_unfolded, domain_uses, exclusion_operator,
    expression_uses, find_function, query_uses, resolve_type, resolve_type_text, view_text, write_target,
    written_columns,
};
pub use build::plan;

use crate::catalog::{TableDef, TableId};
use crate::expr::{AggregateFunction, CompareOp, Expr, Function, SubplanId, WindowFunction};
use crate::store::{LockMode, WaitPolicy};
use crate::types::{DataType, Oid};

/// A column of a result: what RowDescription says.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputColumn {
    /// Name (PG-86).
    pub name: String,
    /// Type.
    pub ty: DataType,
    /// OID of the table and attribute number, for a plain column of a table; else 0, 0.
    pub origin: (Oid, i16),
}

/// A bound statement that reads or writes rows.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The tree.
    pub root: Node,
    /// Queries inside expressions, found by `SubplanId`.
    pub subplans: Vec<Arc<Subplan>>,
    /// Columns of the result; empty for DML without RETURNING.
    pub columns: Vec<OutputColumn>,
    /// Types of `$1`, `$2` ….
    pub params: Vec<DataType>,
    /// What it does, for the command tag and for access checks.
    pub kind: PlanKind,
    /// Version of the catalogs it was made under.
    pub catalog_version: u64,
    /// Whether it writes rows anywhere (data-modifying CTEs too) or calls volatile functions that do (nextval does not count).
    pub writes: bool,
    /// Whether it locks rows.
    pub locks: bool,
    /// Whether one that has not written yet can begin anew without a trace: a plain UPDATE or DELETE without volatile
    /// functions.
    pub restartable: bool,
    /// Tables it touches with the lock mode needed: read false, write true.
    pub tables: Vec<(TableId, bool)>,
    /// Privileges to check at execution.
    pub privileges: Vec<Need>,
    /// What the client is told at each run.
    pub notices: Vec<crate::error::SqlError>,
    /// What it was made of, to make it again when the catalog has changed; none for writes that come from no statement.
    pub statement: Option<crate::parse::Parsed>,
}

/// A privilege that a plan needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// OID of the relation.
    pub relation: Oid,
    /// The privilege.
    pub privilege: crate::catalog::Privilege,
    /// Attribute numbers of the columns that it is needed on, where one on the columns is enough; of no columns at all any
    /// will do. None: on the whole relation.
    pub columns: Option<Vec<i16>>,
    /// Who needs it: the owner of the view that names the relation; none: the current user.
    pub role: Option<Oid>,
}

/// What a plan does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum PlanKind {
    Select,
    Insert,
    Update,
    Delete,
    Merge,
    Sync,
}

/// A query inside an expression.
#[derive(Debug)]
pub struct Subplan {
    /// Its place in `Plan::subplans`: the key under which its result is remembered.
    pub id: SubplanId,
    /// The tree.
    pub root: Node,
    /// Columns of its result.
    pub columns: Vec<OutputColumn>,
    /// Whether it uses a row of an enclosing query (then it runs anew for each).
    pub correlated: bool,
}

/// A node of a plan.
#[derive(Clone, Debug)]
pub enum Node {
    /// Rows of expressions; `SELECT 1` is one row over nothing.
    Values {
        /** Rows of expressions over no input. */
        rows: Vec<Vec<Expr>>,
    },
    /// All rows of a table that pass the filter. Output: all columns of `TableDef::columns` in place (dropped ones NULL).
    /// With `row_id` one more int8 column follows, the row's id (for Update, Delete, Merge, LockRows).
    SeqScan {
        /** The table. */
        table: Arc<TableDef>,
        /** Condition. */
        filter: Option<Expr>,
        /** Adds the row id. */
        row_id: bool,
    },
    /// Rows of a table through an index, in its order. Output as SeqScan.
    IndexScan {
        /// The table.
        table: Arc<TableDef>,
        /// OID of the index.
        index: Oid,
        /// One set of bounds, or several to be united (`IN`, `= ANY`); expressions over no row (params, constants, outer rows).
        ranges: Vec<IndexBounds>,
        /// Last first.
        reverse: bool,
        /// What the bounds do not say.
        filter: Option<Expr>,
        /// The bounds name at most one row: all columns of a unique index, for equality.
        unique: bool,
        /// Adds the row id as one more int8 column.
        row_id: bool,
    },
    /// A catalog relation: computed rows.
    SystemScan {
        /// The relation.
        relation: &'static SystemRelation,
        /// Bounds of the first column, `column op expression`; the filter still holds them all.
        bounds: Vec<(CompareOp, Expr)>,
        /// Equality conditions `column = expression` pushed down (oid and name look-ups); the filter still holds them all.
        keys: Vec<(usize, Expr)>,
        /// Condition.
        filter: Option<Expr>,
    },
    /// Rows of set-returning functions side by side (shorter ones padded with NULL); `WITH ORDINALITY` adds a column.
    FunctionScan {
        /** Calls. */
        calls: Vec<SetCall>,
        /** Adds a bigint row number. */
        ordinality: bool,
    },
    /// Rows of a WITH query of an enclosing `With`, by its place in the statement.
    CteScan {
        /** Which. */
        cte: u32,
    },
    /// Keeps rows for which the condition is true.
    Filter {
        /** Input. */
        input: Box<Node>,
        /** Condition. */
        predicate: Expr,
    },
    /// Computes columns.
    Project {
        /** Input. */
        input: Box<Node>,
        /** Columns. */
        exprs: Vec<Expr>,
    },
    /// Computes columns of which some are set-returning: rows multiply (PostgreSQL's rules for several sets).
    ProjectSet {
        /** Input. */
        input: Box<Node>,
        /** Columns. */
        exprs: Vec<ProjectColumn>,
    },
    /// Joins by trying all pairs. With `lateral` the right side sees the left row as `Outer` depth 1.
    NestedLoop {
        /// Left.
        left: Box<Node>,
        /// Right.
        right: Box<Node>,
        /// Kind.
        kind: JoinKind,
        /// Condition over (left, right).
        on: Option<Expr>,
        /// The right side is run anew for each left row.
        lateral: bool,
        /// Column counts of both sides, to pad with NULL.
        widths: (usize, usize),
    },
    /// Joins by equal keys.
    HashJoin {
        /// Left.
        left: Box<Node>,
        /// Right: the one hashed.
        right: Box<Node>,
        /// Kind.
        kind: JoinKind,
        /// Keys over the left row.
        left_keys: Vec<Expr>,
        /// Keys over the right row, of the same types.
        right_keys: Vec<Expr>,
        /// Further condition over (left, right).
        residual: Option<Expr>,
        /// Column counts of both sides.
        widths: (usize, usize),
    },
    /// Groups rows. Output: the group expressions, then the aggregates. Without group expressions: one row always.
    Aggregate {
        /// Input.
        input: Box<Node>,
        /// Group keys.
        group: Vec<Expr>,
        /// Which of them each grouping set uses; a plain GROUP BY has one set with all. With several sets a last int4 column
        /// per `grouping` entry follows the aggregates.
        sets: Vec<Vec<usize>>,
        /// GROUPING(…) calls: places of group keys.
        grouping: Vec<Vec<usize>>,
        /// Aggregates.
        aggregates: Vec<AggregateCall>,
    },
    /// Window functions. Output: the input's columns, then one per call.
    Window {
        /** Input. */
        input: Box<Node>,
        /** Calls. */
        calls: Vec<WindowCall>,
    },
    /// Orders rows; stable. `limit` keeps only so many (top-n).
    Sort {
        /** Input. */
        input: Box<Node>,
        /** Keys. */
        keys: Vec<SortKey>,
        /** Rows needed, if known. */
        limit: Option<Expr>,
    },
    /// LIMIT and OFFSET; int8 expressions over no row; NULL = none.
    Limit {
        /** Input. */
        input: Box<Node>,
        /** LIMIT. */
        limit: Option<Expr>,
        /** OFFSET. */
        offset: Option<Expr>,
        /** WITH TIES by these keys. */
        ties: Option<Vec<SortKey>>,
    },
    /// DISTINCT (all columns) or DISTINCT ON (keys; the first row of each, input sorted by them).
    Distinct {
        /** Input. */
        input: Box<Node>,
        /** Keys, or none for all columns. */
        on: Option<Vec<Expr>>,
    },
    /// UNION, INTERSECT, EXCEPT over inputs of the same types.
    SetOperation {
        /** Left. */
        left: Box<Node>,
        /** Right. */
        right: Box<Node>,
        /** Which. */
        op: SetOp,
        /** ALL. */
        all: bool,
    },
    /// WITH queries, then the body. Data-modifying ones run to the end even if nobody reads them.
    With {
        /** Queries. */
        ctes: Vec<Cte>,
        /** Body. */
        body: Box<Node>,
    },
    /// WITH RECURSIVE: the seed's rows, then the step's over the last round's rows (`CteScan` of `cte`) until none.
    RecursiveUnion {
        /** Number of the CTE that the step scans. */
        cte: u32,
        /** Seed. */
        seed: Box<Node>,
        /** Step. */
        step: Box<Node>,
        /** UNION ALL. */
        all: bool,
    },
    /// Locks the rows that the input came from and checks conditions again on newer versions. The input carries the
    /// locked tables' row ids as trailing hidden int8 columns, which are cut off here.
    LockRows {
        /** Input. */
        input: Box<Node>,
        /** What to lock. */
        locks: Vec<RowLock>,
    },
    /// INSERT.
    Insert(Box<InsertPlan>),
    /// UPDATE.
    Update(Box<UpdatePlan>),
    /// DELETE.
    Delete(Box<DeletePlan>),
    /// MERGE.
    Merge(Box<MergePlan>),
}

/// Bounds of one range of an index scan.
#[derive(Clone, Debug, Default)]
pub struct IndexBounds {
    /// Equality on the first columns. A NULL value gives no rows (`=`), unless listed in `nulls`.
    pub prefix: Vec<Expr>,
    /// Places in `prefix` where a NULL stands for IS NULL.
    pub nulls: Vec<usize>,
    /// Lower bound of the next column, and whether included.
    pub lower: Option<(Expr, bool)>,
    /// Upper bound of the next column, and whether included.
    pub upper: Option<(Expr, bool)>,
    /// The last prefix expression is an array: one range per item (`= ANY($1)`).
    pub any: bool,
}

/// One relation of pg_catalog, information_schema or tripline.
pub struct SystemRelation {
    /// OID, PostgreSQL's where it has one.
    pub oid: Oid,
    /// OID of the schema.
    pub schema: Oid,
    /// Name.
    pub name: &'static str,
    /// Columns: name and type, in PostgreSQL 15's order.
    pub columns: &'static [(&'static str, Oid)],
    /// A view rather than a table (relkind).
    pub view: bool,
    /// Computes the rows; `keys` are equality conditions by column place that it may use to compute fewer.
    pub rows: SystemRows,
}

/// Columns of the domain `yes_or_no` in information_schema, which is `varchar(3)` below.
const YES_OR_NO: &[&str] = &[
    "as_locator",
    "cycle_option",
    "enforced",
    "identity_cycle",
    "initially_deferred",
    "is_deferrable",
    "is_derived_reference_attribute",
    "is_deterministic",
    "is_final",
    "is_grantable",
    "is_identity",
    "is_implicitly_invocable",
    "is_insertable_into",
    "is_instantiable",
    "is_null_call",
    "is_nullable",
    "is_result",
    "is_self_referencing",
    "is_supported",
    "is_trigger_deletable",
    "is_trigger_insertable_into",
    "is_trigger_updatable",
    "is_typed",
    "is_udt_dependent",
    "is_updatable",
    "is_user_defined_cast",
    "new_savepoint_level",
    "nulls_distinct",
    "result_cast_as_locator",
    "schema_level_routine",
    "with_hierarchy",
];

impl SystemRelation {
    /// A column's type with its modifier.
    #[must_use]
    pub fn column_type(&self, name: &str, ty: Oid) -> DataType {
        let short = self.schema == crate::catalog::INFORMATION_SCHEMA
            && ty == crate::types::oid::VARCHAR
            && YES_OR_NO.binary_search(&name).is_ok();
        if short { DataType::with_typmod(ty, 7) } else { DataType::new(ty) }
    }
}

/// Code of a catalog relation.
pub type SystemRows =
    fn(&dyn SystemContext, keys: &[(usize, crate::types::Value)]) -> crate::error::Result<Vec<crate::types::Row>>;

/// What catalog relations are computed from, besides `Runtime`.
pub trait SystemContext {
    /// The session as expressions see it.
    fn runtime(&self) -> &dyn crate::expr::Runtime;
    /// Rows that only the engine knows: "sessions", "locks", "settings", "prepared_statements", "cursors",
    /// "triggers", "subscriptions", "log" …, in the columns of the relation that asks.
    fn engine_rows(&self, what: &str) -> crate::error::Result<Vec<crate::types::Row>>;
}

impl std::fmt::Debug for SystemRelation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A call of a set-returning function.
#[derive(Clone, Debug)]
pub struct SetCall {
    /// The function; a scalar one gives one row.
    pub function: &'static Function,
    /// Arguments.
    pub args: Vec<Expr>,
    /// Types of its columns.
    pub columns: Vec<DataType>,
}

/// A column of `ProjectSet`.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum ProjectColumn {
    Scalar(Expr),
    Set(SetCall),
}

/// Kinds of join. Semi and anti joins output the left row only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
    Semi,
    Anti,
}

/// An aggregate call.
#[derive(Clone, Debug)]
pub struct AggregateCall {
    /// The function.
    pub function: &'static AggregateFunction,
    /// Arguments over the input row.
    pub args: Vec<Expr>,
    /// DISTINCT
    pub distinct: bool,
    /// ORDER BY inside the call.
    pub order: Vec<SortKey>,
    /// FILTER (WHERE …)
    pub filter: Option<Expr>,
    /// Result type.
    pub ty: DataType,
}

/// A window call.
#[derive(Clone, Debug)]
pub struct WindowCall {
    /// What is computed.
    pub function: WindowTarget,
    /// Arguments over the input row.
    pub args: Vec<Expr>,
    /// FILTER
    pub filter: Option<Expr>,
    /// PARTITION BY
    pub partition: Vec<Expr>,
    /// ORDER BY
    pub order: Vec<SortKey>,
    /// Frame.
    pub frame: Frame,
    /// Result type.
    pub ty: DataType,
}

/// What a window call computes.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum WindowTarget {
    Function(&'static WindowFunction),
    Aggregate(&'static AggregateFunction),
}

/// A window frame.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub struct Frame {
    pub units: FrameUnits,
    pub start: FrameBound,
    pub end: FrameBound,
    pub exclude: FrameExclude,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum FrameUnits {
    Rows,
    Range,
    Groups,
}

#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum FrameExclude {
    NoOthers,
    CurrentRow,
    Group,
    Ties,
}

/// A sort key.
#[derive(Clone, Debug)]
pub struct SortKey {
    /// Over the input row.
    pub expr: Expr,
    /// DESC
    pub descending: bool,
    /// NULLS FIRST
    pub nulls_first: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum SetOp {
    Union,
    Intersect,
    Except,
}

/// A WITH query.
#[derive(Clone, Debug)]
pub struct Cte {
    /// Its number within the statement.
    pub id: u32,
    /// Name, for EXPLAIN.
    pub name: String,
    /// The tree.
    pub root: Node,
    /// It changes rows: run it even if unread, once.
    pub modifies: bool,
}

/// A row lock of `LockRows`.
#[derive(Clone, Debug)]
pub struct RowLock {
    /// The table.
    pub table: Arc<TableDef>,
    /// Place of its row id in the input row.
    pub row_id: usize,
    /// Place of its first column in the input row.
    pub first_column: usize,
    /// Mode.
    pub mode: LockMode,
    /// What to do when held by another.
    pub wait: WaitPolicy,
    /// Condition over the input row to check again when a newer version replaced the row's columns.
    pub recheck: Option<Expr>,
}

/// A table as a target of writes, with what every written row must go through.
#[derive(Clone, Debug)]
pub struct WriteTarget {
    /// The table.
    pub table: Arc<TableDef>,
    /// Default of each column over no row, by place; none = NULL. Identity and serial columns call nextval.
    pub defaults: Vec<Option<Expr>>,
    /// Generated columns: place and expression over the whole row.
    pub generated: Vec<(usize, Expr)>,
    /// CHECK constraints: place in `TableDef::constraints` and condition over the whole row.
    pub checks: Vec<(usize, Expr)>,
    /// Columns of domains: their values checked.
    pub domains: Vec<Expr>,
    /// EXCLUDE constraints.
    pub exclusions: Vec<Exclusion>,
    /// WITH CHECK OPTION of the views that the rows are written through: name of the view, and its condition over the
    /// whole row, innermost view first.
    pub views: Vec<(Arc<str>, Expr)>,
}

/// An EXCLUDE constraint: two rows conflict if every operator finds that their keys do.
#[derive(Clone, Debug)]
pub struct Exclusion {
    /// Place in `TableDef::constraints`.
    pub place: usize,
    /// Its index.
    pub index: Oid,
    /// Keys of the index over the whole row; a row with a NULL among them conflicts with none.
    pub keys: Vec<Expr>,
    /// WHERE: rows that do not meet it conflict with none.
    pub predicate: Option<Expr>,
    /// What must hold for a conflict, over the keys of one row followed by those of the other.
    pub tests: Vec<Expr>,
    /// How many of the first keys are compared by `=`: conflicts have the same values there.
    pub equal: usize,
    /// Whether one key follows, a range compared by `&&`: then rows that satisfy the constraint follow one another
    /// without overlap, and only the neighbours of a new row can conflict with it.
    pub ranges: bool,
}

/// INSERT.
#[derive(Debug, Clone)]
pub struct InsertPlan {
    /// Target.
    pub target: Arc<WriteTarget>,
    /// Rows to insert: one column per entry of `columns`. For DEFAULT in a VALUES cell the binder puts the default's
    /// expression into the cell.
    pub input: Node,
    /// For each column of the input: the place it goes to. Places not named take the default.
    pub columns: Vec<usize>,
    /// ON CONFLICT.
    pub conflict: Option<OnConflict>,
    /// RETURNING over the final row; empty = none.
    pub returning: Vec<Expr>,
    /// AMI's SYNC: the table is to mirror the input (AMI-61).
    pub sync: Option<SyncPlan>,
}

/// SYNC: which columns of the input decide that a row is the same one.
#[derive(Debug, Clone)]
pub struct SyncPlan {
    /// Places in the input of the columns of ON; none without ON.
    pub keys: Option<Vec<usize>>,
}

/// ON CONFLICT.
#[derive(Debug, Clone)]
pub struct OnConflict {
    /// OIDs of the unique indexes that arbitrate; empty = any (DO NOTHING only).
    pub arbiters: Vec<Oid>,
    /// DO UPDATE: assignments (place, expression) over (existing row, excluded row); none = DO NOTHING.
    pub update: Option<(Vec<(usize, Expr)>, Option<Expr>)>,
}

/// UPDATE. The input's rows are: the target's columns, the target's row id (int8), then the columns of FROM.
#[derive(Debug, Clone)]
pub struct UpdatePlan {
    /// Target.
    pub target: Arc<WriteTarget>,
    /// Candidate rows.
    pub input: Node,
    /// Condition over the input row, checked again when a newer version replaced the target's columns.
    pub recheck: Option<Expr>,
    /// Assignments: place and expression over the input row. A multi-column subquery assignment repeats the subquery as
    /// `Field` of one `Subquery { kind: Row }`.
    pub assignments: Vec<(usize, Expr)>,
    /// RETURNING over (final row, row id, columns of FROM); empty = none.
    pub returning: Vec<Expr>,
}

/// DELETE. The input's rows are as UPDATE's.
#[derive(Debug, Clone)]
pub struct DeletePlan {
    /// Target.
    pub target: Arc<WriteTarget>,
    /// Candidate rows.
    pub input: Node,
    /// See `UpdatePlan::recheck`.
    pub recheck: Option<Expr>,
    /// RETURNING over (old row, row id, columns of USING).
    pub returning: Vec<Expr>,
}

/// MERGE. The input is the source left-joined to the target: source columns, then target columns and row id (NULL if unmatched).
#[derive(Debug, Clone)]
pub struct MergePlan {
    /// Target.
    pub target: Arc<WriteTarget>,
    /// Joined rows.
    pub input: Node,
    /// Place of the target's first column in the input row.
    pub target_offset: usize,
    /// WHEN clauses in order.
    pub clauses: Vec<MergeClause>,
}

/// One WHEN of MERGE; expressions over the input row.
#[derive(Debug, Clone)]
pub struct MergeClause {
    /// WHEN MATCHED rather than NOT MATCHED.
    pub matched: bool,
    /// AND …
    pub condition: Option<Expr>,
    /// THEN …
    pub action: MergeAction,
}

/// THEN of MERGE.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum MergeAction {
    Nothing,
    Update(Vec<(usize, Expr)>),
    Delete,
    Insert(Vec<(usize, Expr)>),
}
