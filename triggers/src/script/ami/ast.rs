//! What the AMIScript parser makes: statements, expressions and embedded SQL, names still unresolved.

use tripline_sql::catalog::Column;
use tripline_sql::types::{DataType, Value, oid};

/// An AMIScript type (AMI-67).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are AMI's")]
pub(crate) enum Type {
    Byte,
    Short,
    Int,
    Long,
    Float,
    Double,
    Char,
    Boolean,
    String,
    BigInteger,
    BigDecimal,
    Utc,
    Utcn,
    Uuid,
    Binary,
    Complex,
    Number,
    Object,
    List,
    Map,
    Set,
    Table,
    /// A column type that AMI has no name for.
    Other(DataType),
}

impl Type {
    /// A type by its AMI name, in any case.
    pub(crate) fn by_name(name: &str) -> Option<Type> {
        Some(match name.to_ascii_lowercase().as_str() {
            "byte" => Type::Byte,
            "short" => Type::Short,
            "int" | "integer" => Type::Int,
            "long" => Type::Long,
            "float" => Type::Float,
            "double" => Type::Double,
            "char" | "character" => Type::Char,
            "boolean" => Type::Boolean,
            "string" | "enum" => Type::String,
            "biginteger" => Type::BigInteger,
            "bigdecimal" => Type::BigDecimal,
            "utc" => Type::Utc,
            "utcn" => Type::Utcn,
            "uuid" => Type::Uuid,
            "binary" => Type::Binary,
            "complex" => Type::Complex,
            "number" => Type::Number,
            "object" => Type::Object,
            "list" => Type::List,
            "map" => Type::Map,
            "set" => Type::Set,
            "table" => Type::Table,
            _ => return None,
        })
    }

    /// Its name in messages and signatures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Type::Byte => "Byte",
            Type::Short => "Short",
            Type::Int => "Int",
            Type::Long => "Long",
            Type::Float => "Float",
            Type::Double => "Double",
            Type::Char => "Char",
            Type::Boolean => "Boolean",
            Type::String => "String",
            Type::BigInteger => "BigInteger",
            Type::BigDecimal => "BigDecimal",
            Type::Utc => "UTC",
            Type::Utcn => "UTCN",
            Type::Uuid => "UUID",
            Type::Binary => "Binary",
            Type::Complex => "Complex",
            Type::Number => "Number",
            Type::Object => "Object",
            Type::List => "List",
            Type::Map => "Map",
            Type::Set => "Set",
            Type::Table => "Table",
            Type::Other(ty) => tripline_sql::types::type_info(ty.oid).map_or("Object", |info| info.name),
        }
    }

    /// The SQL type that holds its values; `text` where SQL has none (AMI-15).
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Type::Byte => DataType::AMI_BYTE,
            Type::Short => DataType::INT2,
            Type::Int => DataType::INT4,
            Type::Long => DataType::INT8,
            Type::Float => DataType::FLOAT4,
            Type::Double => DataType::FLOAT8,
            Type::Boolean => DataType::BOOL,
            Type::Char => DataType::with_typmod(oid::BPCHAR, 5),
            Type::BigInteger | Type::BigDecimal | Type::Number => DataType::NUMERIC,
            Type::Utc | Type::Utcn => DataType::TIMESTAMPTZ,
            Type::Uuid => DataType::UUID,
            Type::Binary => DataType::BYTEA,
            Type::Complex => DataType::AMI_COMPLEX,
            Type::String | Type::Object | Type::List | Type::Map | Type::Set | Type::Table => DataType::TEXT,
            Type::Other(ty) => ty,
        }
    }

    /// Whether its values are collections.
    pub(crate) fn is_collection(self) -> bool {
        matches!(self, Type::List | Type::Map | Type::Set | Type::Table)
    }

    /// The type that a script sees in a column.
    pub(crate) fn of_column(column: &Column) -> Type {
        Type::of(column.ty)
    }

    /// The type that a script sees in a value of this data type.
    pub(crate) fn of(ty: DataType) -> Type {
        match ty.oid {
            oid::INT2 if ty == DataType::AMI_BYTE => Type::Byte,
            oid::TEXT if ty == DataType::AMI_COMPLEX => Type::Complex,
            oid::INT2 => Type::Short,
            oid::INT4 => Type::Int,
            oid::INT8 => Type::Long,
            oid::FLOAT4 => Type::Float,
            oid::FLOAT8 => Type::Double,
            oid::BOOL => Type::Boolean,
            oid::TEXT => Type::String,
            oid::NUMERIC if ty.typmod == -1 => Type::BigDecimal,
            oid::TIMESTAMPTZ if ty.typmod == -1 => Type::Utc,
            oid::UUID => Type::Uuid,
            oid::BYTEA => Type::Binary,
            _ => Type::Other(ty),
        }
    }
}

/// Arithmetic and bit operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Shl,
    Shr,
    Ushr,
    And,
    Xor,
    Or,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Match,
    NotMatch,
    Like,
}

/// Operators of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Binary {
    Arith(Arith),
    Compare(Compare),
    And,
    Or,
}

/// Operators of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Unary {
    Not,
    Neg,
    BitNot,
}

/// A part of a template string.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// Text.
    Text(String),
    /// An expression whose text goes here; the quote to escape in it.
    Expr(Expr, Option<char>),
    /// `${if(c)}…${else if(c)}…${else}…${}`.
    If(Vec<(Expr, Vec<Part>)>, Vec<Part>),
    /// `${for(…)}…${}` and `${while(c)}…${}`: a loop whose own body is empty.
    Loop(Box<Stmt>, Vec<Part>),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are the language's forms")]
pub(crate) enum Expr {
    Literal(Value),
    Template(Vec<Part>),
    Name(String, u32),
    /// `a.b` without a call: a column of a table.
    Field(Box<Expr>, String, u32),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    Cond(Box<Expr>, Box<Expr>, Box<Expr>),
    Cast(Type, Box<Expr>),
    Assign(Box<Expr>, Option<Arith>, Box<Expr>, u32),
    /// `x++`, `--x`: target, added, whether the result is the new value.
    Step(Box<Expr>, i32, bool, u32),
    Call(String, Vec<Expr>, u32),
    Method(Box<Expr>, String, Vec<Expr>, u32),
    Index(Box<Expr>, Box<Expr>),
    New(String, Vec<Expr>, u32),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    In(Box<Expr>, Vec<Expr>, bool),
    /// `x IN (select …)`; the flag: NOT.
    InQuery(Box<Expr>, Box<Query>, bool, u32),
    /// `(a, b)`: an operand of IN.
    Tuple(Vec<Expr>),
    /// `*` as the argument of an aggregate.
    Star,
    Query(Box<Query>, u32),
    /// A value that a view puts in place of an aggregate or group key.
    Slot(usize),
}

/// A statement.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are the language's forms")]
pub(crate) enum Stmt {
    /// A statement and the line where it starts.
    At(u32, Box<Stmt>),
    Block(Vec<Stmt>, Option<(String, Box<Stmt>)>),
    Declare(Type, Vec<(String, Option<Expr>, u32)>),
    Expr(Expr),
    If(Expr, Box<Stmt>, Option<Box<Stmt>>),
    For(Option<Box<Stmt>>, Option<Expr>, Option<Expr>, Box<Stmt>),
    ForEach(Type, String, Expr, Box<Stmt>, u32),
    While(Expr, Box<Stmt>),
    Break(u32),
    Continue(u32),
    Return(Option<Expr>),
    Throw(Expr, u32),
    Sql(Box<Sql>, u32),
}

/// An embedded SQL statement.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub(crate) enum Sql {
    Insert {
        table: TableName,
        columns: Vec<String>,
        rows: Vec<Vec<Expr>>,
        limit: Option<Limit>,
    },
    InsertSelect {
        table: TableName,
        columns: Vec<String>,
        by_name: bool,
        query: Query,
    },
    /// With the columns of `ON` (AMI-61).
    Sync {
        table: TableName,
        columns: Vec<String>,
        keys: Option<Vec<String>>,
        query: Query,
    },
    Update {
        table: TableName,
        joins: Vec<FromItem>,
        sets: Vec<(String, Expr)>,
        filter: Option<Expr>,
        limit: Option<Limit>,
    },
    Delete {
        table: TableName,
        joins: Vec<FromItem>,
        filter: Option<Expr>,
        limit: Option<Limit>,
    },
    Select(Query),
    /// A statement that is sent as it stands, the values of variables put in as literals.
    Text(Vec<Sent>),
    /// `CALL p(e, …)` (AMI-77).
    Call(String, Vec<Expr>),
    /// `use ds=name execute text` (AMI-80, AMI-81).
    Use {
        source: Expr,
        text: Expr,
    },
}

/// A table as written: its schema, if one stands before it, and its name.
pub(crate) type TableName = (Option<String>, String);

/// `LIMIT [skip,] n`.
pub(crate) type Limit = (Option<Expr>, Expr);

/// A part of a statement that is sent as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sent {
    /// Text.
    Text(String),
    /// A word that may be a variable: it is one unless a table of the statement has a column of that name (AMI-71).
    Word(String),
    /// A string with `${}` parts.
    Value(Expr),
}

/// How a table of FROM joins those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are SQL's")]
pub(crate) enum JoinKind {
    Cross,
    Inner,
    Left,
    Right,
    Full,
}

/// What stands in FROM.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants say it")]
pub(crate) enum Source {
    Table(TableName),
    Query(Box<Query>),
}

/// A table of FROM.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say it")]
pub(crate) struct FromItem {
    pub(crate) source: Source,
    pub(crate) alias: Option<String>,
    pub(crate) join: JoinKind,
    /// Only what has no match.
    pub(crate) only: bool,
    pub(crate) on: Option<Expr>,
}

/// An item of a SELECT.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the variants are its forms")]
pub(crate) enum Item {
    Value(Expr, Option<String>),
    Star,
    /// `* EXCEPT(c, …)`.
    StarExcept(Vec<String>),
    /// `t.*`.
    TableStar(String),
}

/// An embedded SELECT.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs, reason = "the fields are its clauses")]
pub(crate) struct Query {
    pub(crate) distinct: bool,
    pub(crate) items: Vec<Item>,
    pub(crate) from: Vec<FromItem>,
    pub(crate) filter: Option<Expr>,
    pub(crate) group_by: Vec<Expr>,
    pub(crate) having: Option<Expr>,
    pub(crate) order_by: Vec<(Expr, bool)>,
    pub(crate) limit: Option<Limit>,
    pub(crate) union: Option<Box<Query>>,
}
