//! `Statement`: a standard statement as sqlparser's tree, or a form of ours.

use std::sync::Arc;

use sqlparser::ast;

use crate::types::Oid;

/// One statement of a message.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What it is.
    pub statement: Arc<Statement>,
    /// Its text, without the semicolon.
    pub text: Arc<str>,
    /// Byte offset of the text in the message it came in.
    pub offset: u32,
    /// Name of the dialect that read it: "postgres", "ami", "comdb2" …
    pub dialect: &'static str,
    /// Highest `$n` in it.
    pub param_count: usize,
}

/// A statement.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "fields are the clauses of the statement that the variant names")]
pub enum Statement {
    /// SELECT, VALUES, TABLE, WITH … (also WITH before DML when the body is DML).
    Query(Box<ast::Query>),
    Insert(Box<InsertStatement>),
    /// `INSERT INTO t [(cols)] VALUES` of many rows of plain literals and nothing after them, read without a tree.
    InsertValues(Box<InsertValues>),
    Update(Box<ast::Statement>),
    Delete(Box<ast::Statement>),
    Merge(Box<ast::Statement>),
    Copy(Box<CopyStatement>),
    Truncate {
        tables: Vec<ObjectName>,
        restart_identity: bool,
        cascade: bool,
    },
    /// DDL whose sqlparser tree says it all: CREATE TABLE/VIEW/INDEX/SCHEMA, ALTER TABLE, DROP …, COMMENT.
    Ddl(Box<ast::Statement>),
    CreateTableAs {
        create: Box<ast::Statement>,
        with_data: bool,
    },
    CreateSequence {
        name: ObjectName,
        if_not_exists: bool,
        temporary: bool,
        options: Vec<SequenceOption>,
    },
    AlterSequence {
        name: ObjectName,
        if_exists: bool,
        action: AlterSequenceAction,
    },
    CreateDatabase {
        name: String,
        owner: Option<String>,
        options: Vec<(String, String)>,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
        force: bool,
    },
    AlterDatabase {
        name: String,
        action: AlterDatabaseAction,
    },
    CreateRole {
        name: String,
        options: Vec<RoleOption>,
        user: bool,
    },
    AlterRole {
        name: String,
        options: Vec<RoleOption>,
        rename: Option<String>,
        /// SET, or RESET as a change without a value; RESET ALL has the name `all`.
        set: Option<SettingChange>,
        /// IN DATABASE.
        database: Option<String>,
    },
    DropRole {
        names: Vec<String>,
        if_exists: bool,
    },
    Grant(Box<GrantStatement>),
    CreateExtension {
        name: String,
        if_not_exists: bool,
    },
    DropExtension {
        names: Vec<String>,
        if_exists: bool,
    },
    Comment {
        kind: String,
        name: ObjectName,
        column: Option<String>,
        on: Option<ObjectName>,
        text: Option<String>,
    },
    /// One ALTER TABLE … ALTER COLUMN action that the library's tree lacks.
    AlterColumn {
        table: ObjectName,
        if_exists: bool,
        column: String,
        action: ColumnAction,
    },
    AlterDefaultPrivileges(Box<DefaultPrivileges>),
    /// REASSIGN OWNED, or DROP OWNED without a role to give it to.
    Owned {
        roles: Vec<String>,
        to: Option<String>,
        cascade: bool,
    },
    AlterDomain {
        name: ObjectName,
        action: Box<DomainAction>,
    },
    /// ALTER … RENAME / OWNER TO / SET SCHEMA of things other than tables' columns.
    AlterObject {
        kind: String,
        name: ObjectName,
        if_exists: bool,
        action: AlterObjectAction,
    },
    Begin {
        modes: TransactionModes,
        /// Written START TRANSACTION, which the command tag repeats.
        start: bool,
    },
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    Release(String),
    RollbackTo(String),
    SetTransaction {
        session: bool,
        modes: TransactionModes,
    },
    /// SET TRANSACTION SNAPSHOT
    SetSnapshot(String),
    /// PREPARE TRANSACTION
    PrepareTransaction,
    /// COMMIT PREPARED, or ROLLBACK PREPARED
    EndPrepared {
        commit: bool,
        name: String,
    },
    SetConstraints {
        names: Option<Vec<ObjectName>>,
        deferred: bool,
    },
    Set {
        scope: SettingScope,
        change: SettingChange,
    },
    /// `None`: RESET ALL.
    Reset(Option<String>),
    /// `None`: SHOW ALL.
    Show(Option<String>),
    Discard(DiscardTarget),
    Prepare {
        name: String,
        types: Vec<ast::DataType>,
        statement: Box<Parsed>,
    },
    Execute {
        name: String,
        args: Vec<ast::Expr>,
    },
    /// `None`: ALL.
    Deallocate(Option<String>),
    Declare {
        name: String,
        binary: bool,
        scroll: Option<bool>,
        hold: bool,
        query: Box<Parsed>,
    },
    Fetch {
        name: String,
        direction: FetchDirection,
        only_move: bool,
    },
    /// `None`: ALL.
    Close(Option<String>),
    Listen(String),
    /// `None`: all channels.
    Unlisten(Option<String>),
    Notify {
        channel: String,
        payload: Option<String>,
    },
    LockTable {
        tables: Vec<ObjectName>,
        mode: crate::parse::TableLock,
        nowait: bool,
    },
    Explain {
        statement: Box<Parsed>,
        options: Vec<(String, String)>,
    },
    /// VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT …: accepted, with their tag; the tables named must exist.
    Maintenance {
        tag: &'static str,
        tables: Vec<ObjectName>,
        in_block: bool,
    },
    /// REFRESH MATERIALIZED VIEW.
    RefreshView {
        name: ObjectName,
        concurrently: bool,
        with_data: bool,
    },
    Do {
        language: String,
        body: String,
    },
    Call {
        name: ObjectName,
        args: Vec<ast::Expr>,
    },
    CreateFunction(Box<ast::Statement>),
    /// CREATE TRIGGER of any dialect.
    CreateTrigger(Box<TriggerSpec>),
    DropTrigger {
        names: Vec<String>,
        on: Option<ObjectName>,
        if_exists: bool,
        cascade: bool,
        dialect: &'static str,
        tag: &'static str,
    },
    ToggleTrigger {
        names: Vec<String>,
        on: Option<ObjectName>,
        enable: bool,
        dialect: &'static str,
    },
    /// CREATE PUBLIC TABLE and CREATE INDEX … USE of AMI, already in neutral terms.
    AmiCreateTable(Box<AmiTableSpec>),
    AmiCreateIndex(Box<AmiIndexSpec>),
    AmiAlterTable {
        table: ObjectName,
        actions: Vec<AmiAlteration>,
    },
    AmiRenameTable {
        table: ObjectName,
        to: String,
    },
    AmiDropTable {
        tables: Vec<ObjectName>,
        if_exists: bool,
        cascade: bool,
    },
    /// DROP INDEX i ON t {, i ON t}.
    AmiDropIndex {
        indexes: Vec<(String, ObjectName)>,
        if_exists: bool,
    },
    AmiCreateMethod(Box<AmiMethodSpec>),
    AmiDropMethod {
        name: String,
        /// AMI's type words and names.
        arguments: Vec<(String, String)>,
        if_exists: bool,
    },
    AmiCreateProcedure {
        name: String,
        if_not_exists: bool,
        options: Vec<(String, String)>,
    },
    /// CALL of an AMI procedure or of one of the server's own (`__…`).
    AmiCall {
        name: String,
        args: Vec<ast::Expr>,
    },
    /// USE ds=… EXECUTE ….
    AmiExecute {
        source: String,
        text: String,
    },
    CreateProcedure(Box<ProcedureSpec>),
    DropProcedure {
        name: String,
        version: Option<String>,
        if_exists: bool,
        dialect: &'static str,
    },
    PutDefaultProcedure {
        name: String,
        version: String,
    },
    /// A procedure's functions as a function of SQL (CDB-111); what it returns: none is as an untyped literal.
    CreateLuaFunction {
        name: String,
        aggregate: bool,
        deterministic: bool,
        returns: Option<ast::DataType>,
    },
    DropLuaFunction {
        name: String,
        aggregate: bool,
        if_exists: bool,
    },
    SetProcedureVersion {
        name: String,
        version: String,
    },
    ExecProcedure {
        name: String,
        args: Vec<ast::Expr>,
        dialect: &'static str,
        columns: Vec<(String, ast::DataType)>,
    },
    /// A script block, run as it stands (AMI-5).
    Script {
        dialect: &'static str,
        source: String,
    },
    /// A form that a dialect recognises and this version does not carry out: answered 0A000 with the name.
    Unsupported(String),
    /// Nothing but blanks and comments.
    Empty,
}

/// A possibly qualified name, folded as PostgreSQL folds: parts in order, with the byte offset of the first in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Parts, outermost first: `[schema, name]`.
    pub parts: Vec<String>,
    /// Byte offset in the statement's text.
    pub offset: u32,
}

/// INSERT with the clauses that sqlparser's tree lacks.
#[derive(Clone, Debug)]
pub struct InsertStatement {
    /// The tree.
    pub insert: ast::Insert,
    /// OVERRIDING SYSTEM (true) or USER (false) VALUE.
    pub overriding_system: Option<bool>,
    /// `ON CONFLICT (…) WHERE predicate`.
    pub conflict_predicate: Option<ast::Expr>,
    /// `ON CONFLICT (expr, …)` targets that are not plain columns, by place in the target list.
    pub conflict_exprs: Vec<ast::Expr>,
    /// What AMI's form of it asks for.
    pub ami: AmiInsert,
}

/// The forms of AMI's INSERT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AmiInsert {
    /// It is PostgreSQL's.
    #[default]
    No,
    /// By place; surplus values go to the columns after the last one named (AMI-56).
    Values,
    /// BYNAME: the query's columns go to the columns of their names.
    ByName,
    /// SYNC, with the columns of ON (AMI-61).
    Sync(Option<Vec<String>>),
}

/// A multi-row INSERT of literals.
#[derive(Clone, Debug)]
pub struct InsertValues {
    /// The table.
    pub table: ObjectName,
    /// Columns as folded names; `None` = all, in table order.
    pub columns: Option<Vec<String>>,
    /// Values of all rows, row after row; its length is a multiple of `width`.
    pub values: Vec<Literal>,
    /// Values per row, at least 1.
    pub width: usize,
}

/// A literal as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A number with its sign: `-1.5e3`.
    Number(Box<str>),
    /// A string of no type yet, quotes and doublings resolved.
    String(Box<str>),
    /// NULL.
    Null,
    /// TRUE, FALSE.
    Bool(bool),
    /// DEFAULT.
    Default,
}

/// A locking clause of a query, read from the tree by `lock_clause`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowLock {
    /// How strong.
    pub strength: LockStrength,
    /// `OF` one table or alias; `None` = all of the query. `OF a, b` arrives as two clauses.
    pub table: Option<ObjectName>,
    /// NOWAIT.
    pub nowait: bool,
    /// SKIP LOCKED.
    pub skip_locked: bool,
}

/// Strengths of row locks, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum LockStrength {
    KeyShare,
    Share,
    NoKeyUpdate,
    Update,
}

/// COPY.
#[derive(Clone, Debug)]
pub struct CopyStatement {
    /// A table with columns (empty = all), or a query.
    pub source: CopySource,
    /// FROM rather than TO.
    pub from: bool,
    /// STDIN/STDOUT, or a file, or a program.
    pub target: CopyTarget,
    /// Options.
    pub options: CopyOptions,
    /// WHERE of COPY FROM.
    pub filter: Option<ast::Expr>,
}

/// What COPY copies.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum CopySource {
    Table { name: ObjectName, columns: Vec<String> },
    Query(Box<Parsed>),
}

/// Where COPY copies from or to.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum CopyTarget {
    Stdio,
    File(String),
    Program(String),
}

/// Options of COPY; `None` = the format's default.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub struct CopyOptions {
    pub format: CopyFormat,
    pub delimiter: Option<char>,
    pub null: Option<String>,
    pub header: CopyHeader,
    pub quote: Option<char>,
    pub escape: Option<char>,
    /// Column names; `*` as one entry.
    pub force_quote: Vec<String>,
    pub force_null: Vec<String>,
    pub force_not_null: Vec<String>,
    pub encoding: Option<String>,
    pub freeze: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum CopyFormat {
    #[default]
    Text,
    Csv,
    Binary,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum CopyHeader {
    #[default]
    No,
    Yes,
    Match,
}

/// Modes of BEGIN, SET TRANSACTION …; `None` = not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub struct TransactionModes {
    pub isolation: Option<IsolationLevel>,
    pub read_only: Option<bool>,
    pub deferrable: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum IsolationLevel {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub enum SettingScope {
    Session,
    Local,
}

/// `name = value`; `None` = DEFAULT. A list (search_path) is joined by ", " with items quoted as SHOW prints them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingChange {
    /// Name, lower case; `SET TIME ZONE x` has the name timezone.
    pub name: String,
    /// Value.
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum DiscardTarget {
    All,
    Plans,
    Sequences,
    Temp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum FetchDirection {
    Forward(i64),
    ForwardAll,
    Backward(i64),
    BackwardAll,
    Absolute(i64),
    Relative(i64),
}

/// Modes of LOCK TABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum TableLock {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// Options of CREATE/ALTER SEQUENCE and of identity columns, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum SequenceOption {
    DataType(Oid),
    Start(i64),
    Restart(Option<i64>),
    Increment(i64),
    Min(Option<i64>),
    Max(Option<i64>),
    Cache(i64),
    Cycle(bool),
    /// Table and column; `None` = NONE.
    OwnedBy(Option<(ObjectName, String)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum AlterSequenceAction {
    Options(Vec<SequenceOption>),
    Object(AlterObjectAction),
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum AlterObjectAction {
    Rename(String),
    Owner(String),
    Schema(String),
    SetOptions(Vec<(String, String)>),
    /// Of a view or materialized view: from, to.
    RenameColumn(String, String),
    /// ALTER CONSTRAINT: name, DEFERRABLE, INITIALLY DEFERRED.
    Constraint(String, bool, bool),
    /// ALTER COLUMN … SET DEFAULT of a view; none: DROP DEFAULT.
    ColumnDefault(String, Option<Box<ast::Expr>>),
    /// Of a composite type.
    Attributes(Vec<AttributeAction>),
    /// RESET (…) of storage parameters.
    ResetOptions(Vec<String>),
}

/// What ALTER TYPE does to one attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum AttributeAction {
    Add(String, ast::DataType),
    Drop { name: String, if_exists: bool },
    Type(String, ast::DataType),
    Rename(String, String),
}

/// Actions of ALTER DOMAIN.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum DomainAction {
    SetDefault(ast::Expr),
    DropDefault,
    SetNotNull,
    DropNotNull,
    Add { name: Option<String>, check: ast::Expr, not_valid: bool },
    Drop { name: String, if_exists: bool },
    RenameConstraint { from: String, to: String },
    Validate(String),
}

/// Actions of `Statement::AlterColumn`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum ColumnAction {
    DropIdentity {
        if_exists: bool,
    },
    DropExpression {
        if_exists: bool,
    },
    /// `SET GENERATED {ALWAYS | BY DEFAULT}` and `SET` or `RESTART` of the sequence's options.
    Identity {
        always: Option<bool>,
        options: Vec<SequenceOption>,
    },
    /// SET STATISTICS, STORAGE, COMPRESSION: accepted, without effect.
    Ignored,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum AlterDatabaseAction {
    Rename(String),
    Owner(String),
    Set(SettingChange),
    ResetAll,
    Reset(String),
}

/// Options of CREATE/ALTER ROLE.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are PostgreSQL's")]
pub enum RoleOption {
    Superuser(bool),
    CreateDb(bool),
    CreateRole(bool),
    Inherit(bool),
    Login(bool),
    Replication(bool),
    BypassRls(bool),
    ConnectionLimit(i32),
    /// `None`: PASSWORD NULL.
    Password(Option<String>),
    ValidUntil(String),
    InRole(Vec<String>),
    Role(Vec<String>),
    Admin(Vec<String>),
}

/// GRANT and REVOKE, of privileges and of roles.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub struct GrantStatement {
    pub revoke: bool,
    /// Upper case words; `ALL` alone for all; column lists in the second part.
    pub privileges: Vec<(String, Vec<String>)>,
    /// TABLE, SEQUENCE, SCHEMA, DATABASE, FUNCTION, "ALL TABLES IN SCHEMA" …; "ROLE" when roles are granted.
    pub object_kind: String,
    pub objects: Vec<ObjectName>,
    pub grantees: Vec<String>,
    pub grant_option: bool,
    pub cascade: bool,
    pub granted_by: Option<String>,
}

/// ALTER DEFAULT PRIVILEGES.
#[derive(Clone, Debug)]
pub struct DefaultPrivileges {
    /// The roles that make the objects; none: the user.
    pub roles: Vec<String>,
    /// The schemas that they are made in; none: any.
    pub schemas: Vec<String>,
    /// GRANT or REVOKE; its only object is TABLES, SEQUENCES, FUNCTIONS, ROUTINES, TYPES or SCHEMAS.
    pub grant: GrantStatement,
}

/// A CREATE TRIGGER of any dialect as written; tables not yet resolved.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "see catalog::TriggerDef")]
pub struct TriggerSpec {
    pub name: String,
    pub if_not_exists: bool,
    pub dialect: &'static str,
    pub kind: String,
    pub tables: Vec<ObjectName>,
    /// Per table of `tables` (same order): events with their column lists; empty = the kind decides.
    pub events: Vec<EventSpec>,
    pub timing: crate::catalog::Timing,
    pub level: crate::catalog::Level,
    pub when: Option<String>,
    pub priority: i64,
    pub options: Vec<(String, String)>,
    pub body: String,
    /// Command tag to answer: `CREATE TRIGGER`, `CREATE LUA TRIGGER` ….
    pub tag: &'static str,
}

/// Events of one table in a `TriggerSpec`; `Some(vec![])` = all columns.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct EventSpec {
    pub insert: Option<Vec<String>>,
    pub update: Option<Vec<String>>,
    pub delete: Option<Vec<String>>,
}

/// CREATE PUBLIC TABLE.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub struct AmiTableSpec {
    pub name: String,
    /// Private to the connection (AMI-50).
    pub temporary: bool,
    pub if_not_exists: bool,
    /// Name, type, NONULL, further words.
    pub columns: Vec<(String, crate::types::DataType, bool, Vec<(String, String)>)>,
    pub options: Vec<(String, String)>,
    pub query: Option<Box<Parsed>>,
}

/// A type of an AMI column as written.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are its parts")]
pub struct AmiType {
    pub ty: crate::types::DataType,
    pub nonull: bool,
    /// The type word (`type`) and further words.
    pub words: Vec<(String, String)>,
}

/// An action of AMI's ALTER TABLE (AMI-43).
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub enum AmiAlteration {
    /// Without a type the column takes the value's; `value` is standard SQL over the row.
    Add {
        name: String,
        ty: Option<AmiType>,
        value: Option<String>,
        before: Option<String>,
    },
    Drop {
        name: String,
    },
    Rename {
        name: String,
        to: String,
    },
    Modify {
        name: String,
        to: String,
        ty: AmiType,
    },
}

/// CREATE METHOD.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub struct AmiMethodSpec {
    pub name: String,
    pub if_not_exists: bool,
    /// AMI's type word.
    pub returns: String,
    /// Type word and name.
    pub arguments: Vec<(String, String)>,
    /// The whole declaration, `type name(type argument, …) { … }`.
    pub body: String,
}

/// AMI CREATE INDEX.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub struct AmiIndexSpec {
    pub name: String,
    pub table: ObjectName,
    pub if_not_exists: bool,
    /// Column and type word: HASH, SORT, SERIES.
    pub columns: Vec<(String, String)>,
    pub options: Vec<(String, String)>,
}

/// CREATE PROCEDURE of a dialect with a script body.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub struct ProcedureSpec {
    pub name: String,
    pub dialect: &'static str,
    pub language: &'static str,
    pub version: Option<String>,
    pub body: String,
    pub options: Vec<(String, String)>,
}
