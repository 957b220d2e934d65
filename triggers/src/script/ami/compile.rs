//! AMIScript trees to code: every name becomes a place (a local, a trigger variable, a column of an image), every
//! function and method a function pointer, so that nothing is looked up by name while a script runs (AMI-66, AMI-73).
//! Names in embedded SQL that are no variables are left to `sql.rs`, which knows the tables when the statement runs.

use std::sync::Arc;

use tripline_sql::catalog::{Catalog, TableDef, TypeDef};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::expr::scalar::AmiPattern as Pattern;
use tripline_sql::types::{Value, is_enum};

use super::ast::{Arith, Binary, Compare, Expr, Part, Sent, Sql, Stmt, Type, Unary};
use super::builtins::{self, BuiltinFn, MethodFn};
use super::methods::Methods;
use super::parser;
use super::sql::{SentCode, Site};
use super::value;

/// The five row events of an AMISCRIPT trigger, and code without a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are AMI's")]
pub(crate) enum Event {
    Startup,
    Inserting,
    Inserted,
    Updating,
    Updated,
    Deleting,
}

/// Which image of the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Image {
    Old,
    New,
}

/// `a op b` over operands of these types.
fn arith(op: Arith, a: Box<Code>, b: Box<Code>, types: [Type; 2]) -> Code {
    match op {
        Arith::Add if types.into_iter().any(builtins::is_text) => Code::Concat(a, b),
        Arith::Add | Arith::Sub | Arith::Mul | Arith::Div if types == [Type::Byte; 2] => {
            Code::Call(builtins::byte, vec![Code::Arith(op, a, b)])
        }
        Arith::Div if builtins::arith_type(op, types[0], types[1]) == Type::BigInteger => {
            Code::Call(builtins::divide_whole, vec![*a, *b])
        }
        op => Code::Arith(op, a, b),
    }
}

/// An expression ready to run.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are the language's forms; see ast::Expr")]
pub(crate) enum Code {
    Const(Value),
    Local(u16),
    Var(u16),
    Column(Image, u16),
    RowMap(Image),
    Slot(usize),
    SetLocal(u16, Type, Box<Code>),
    SetVar(u16, Type, Box<Code>),
    /// `op=` and steps on a trigger variable: one step under its lock. The flag: give back the value before.
    ChangeVar(u16, Type, Arith, Box<Code>, bool),
    SetColumn(Image, u16, Type, Box<Code>),
    /// Gives the value before, after running the assignment.
    Post(Box<Code>, Box<Code>),
    SetIndex(Box<Code>, Box<Code>, Box<Code>),
    Arith(Arith, Box<Code>, Box<Code>),
    /// `+` where one side is a string by its type, also while it is null.
    Concat(Box<Code>, Box<Code>),
    Compare(Compare, Box<Code>, Box<Code>),
    And(Box<Code>, Box<Code>),
    Or(Box<Code>, Box<Code>),
    Not(Box<Code>),
    Neg(Box<Code>),
    BitNot(Box<Code>),
    Cond(Box<Code>, Box<Code>, Box<Code>),
    Cast(Type, Box<Code>),
    /// The label of an enum that has the value's text; null if it has none.
    Label(Arc<TypeDef>, Box<Code>),
    Template(Vec<Piece>),
    /// `=~` and `!~` with a constant pattern; the flag: matches.
    Matches(Arc<regex::Regex>, Box<Code>, bool),
    /// `~~` with a constant pattern.
    Like(Arc<Pattern>, Box<Code>),
    Call(BuiltinFn, Vec<Code>),
    /// A text that a function or method made.
    Made(Box<Code>),
    /// A user method by its place in `Methods`.
    UserCall(usize, Vec<Code>),
    Method(MethodFn, Box<Code>, Vec<Code>),
    Index(Box<Code>, Box<Code>),
    List(Vec<Code>),
    Set(Vec<Code>),
    Map(Vec<(Code, Code)>),
    In(Box<Code>, Vec<Code>, bool),
    InQuery(Box<Code>, Box<Site>, bool),
    Query(Box<Site>, Type),
}

/// A part of a template string ready to run.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are the language's forms; see ast::Part")]
pub(crate) enum Piece {
    Text(Arc<str>),
    Expr(Code, Option<char>),
    If(Vec<(Code, Vec<Piece>)>, Vec<Piece>),
    /// Statements that begin the loop, its condition, its step.
    Loop(Block, Option<Code>, Option<Code>, Vec<Piece>),
    Each(u16, Type, Code, Vec<Piece>),
}

/// Statements with the lines where they start.
pub(crate) type Block = Vec<(u32, Op)>;

/// A statement ready to run.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the variants are the language's forms; see ast::Stmt")]
pub(crate) enum Op {
    Eval(Code),
    If(Code, Block, Block),
    Loop { condition: Option<Code>, step: Option<Code>, body: Block },
    ForEach { slot: u16, ty: Type, items: Code, body: Block },
    Break,
    Continue,
    Return(Option<Code>),
    Throw(Code),
    Try(Block, u16, Block),
    Sql(Box<Site>),
}

/// A compiled script.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Statements.
    pub(crate) body: Block,
    /// Local slots it needs.
    pub(crate) locals: usize,
    /// Whether it assigns to a column variable.
    pub(crate) assigns: bool,
    /// Whether it runs SQL, and so may see or touch other tables.
    pub(crate) queries: bool,
    /// Whether a part of it may have to wait for the commit (AMI-81).
    pub(crate) defers: bool,
    /// Whether a run leaves traces beyond the row and its result: then it must not be run twice for one event.
    pub(crate) acts: bool,
    /// The user methods that it may call; none when it calls none.
    pub(crate) methods: Option<Arc<Methods>>,
}

/// Names that a script may use besides its own.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// Trigger variables.
    pub(crate) vars: &'a [(Type, String)],
    /// The table whose row is in scope.
    pub(crate) table: Option<&'a TableDef>,
    /// Which event; `Startup` for none.
    pub(crate) event: Event,
    /// `rowVar`.
    pub(crate) row_var: Option<&'a str>,
    /// Names already resolved by an enclosing script (embedded SQL).
    pub(crate) outer: &'a [(String, Code, Type)],
    /// Arguments: the first locals.
    pub(crate) arguments: &'a [(Type, String)],
    /// User methods.
    pub(crate) methods: Option<&'a Arc<Methods>>,
    /// Where the types of the row's columns are defined; none when they are not assigned to.
    pub(crate) catalog: Option<&'a Catalog>,
}

impl Scope<'_> {
    /// No names at all.
    pub(crate) const EMPTY: Scope<'static> = Scope {
        vars: &[],
        table: None,
        event: Event::Startup,
        row_var: None,
        outer: &[],
        arguments: &[],
        methods: None,
        catalog: None,
    };
}

/// Compiles a whole script. Errors: 42601, 42701, 42703, 42704, 42809, 42883, 0A000, each with its line.
pub(crate) fn script(source: &str, scope: Scope<'_>) -> Result<Program> {
    tree(&parser::script(source)?, scope)
}

/// Compiles a parsed script. Errors: as `script`.
pub(crate) fn tree(tree: &[Stmt], scope: Scope<'_>) -> Result<Program> {
    let mut compiler = Compiler::new(scope);
    for (ty, name) in scope.arguments {
        compiler.declare(name, *ty, 1)?;
    }
    let body = compiler.block(tree)?;
    let methods = if compiler.calls { scope.methods.cloned() } else { None };
    Ok(Program {
        body,
        locals: compiler.locals_max,
        assigns: compiler.assigns,
        queries: compiler.queries,
        defers: compiler.defers,
        acts: compiler.acts || compiler.queries || compiler.defers || !scope.vars.is_empty(),
        methods,
    })
}

/// Compiles one expression tree that has no local variables. One that is a column is that column as it is stored.
pub(crate) fn expression(tree: &Expr, scope: Scope<'_>) -> Result<(Code, Type)> {
    let mut compiler = Compiler::new(scope);
    match (tree, scope.table) {
        (Expr::Name(name, line), _) => compiler.variable(name, *line),
        (Expr::Field(of, name, line), Some(table)) if matches!(&**of, Expr::Name(of, _) if table.name.eq_ignore_ascii_case(of)) => {
            compiler.variable(name, *line)
        }
        _ => compiler.expr(tree),
    }
}

/// What a function or method made: a text counts as memory of the script.
fn made(code: Code, result: Type) -> Code {
    if result == Type::String { Code::Made(Box::new(code)) } else { code }
}

/// A column as an expression reads it: a `char(n)` is a String without the blanks at its end.
fn as_read((code, ty): (Code, Type)) -> (Code, Type) {
    match (&code, ty) {
        (Code::Column(..) | Code::Slot(_), Type::Other(other)) if value::pads(other) => {
            (Code::Call(builtins::unpadded, vec![code]), Type::String)
        }
        _ => (code, ty),
    }
}

/// Place of a column: exact name first, then the only one that differs by case (AMI-8).
pub(crate) fn find_column(table: &TableDef, name: &str) -> Option<usize> {
    table.column_index(name).or_else(|| {
        let mut same = table.live_columns().filter(|(_, column)| column.name.eq_ignore_ascii_case(name));
        match (same.next(), same.next()) {
            (Some((place, _)), None) => Some(place),
            _ => None,
        }
    })
}

fn error(state: SqlState, line: u32, message: impl std::fmt::Display) -> SqlError {
    SqlError::new(state, format!("line {line}: {message}"))
}

struct Local {
    name: String,
    slot: u16,
    ty: Type,
}

struct Compiler<'a> {
    scope: Scope<'a>,
    locals: Vec<Local>,
    locals_max: usize,
    loops: u32,
    assigns: bool,
    queries: bool,
    calls: bool,
    defers: bool,
    /// It calls a function that does something.
    acts: bool,
    /// Of the statement being compiled.
    line: u32,
}

impl<'a> Compiler<'a> {
    fn new(scope: Scope<'a>) -> Compiler<'a> {
        Compiler {
            scope,
            locals: Vec::new(),
            locals_max: 0,
            loops: 0,
            assigns: false,
            queries: false,
            calls: false,
            defers: false,
            acts: false,
            line: 0,
        }
    }

    fn declare(&mut self, name: &str, ty: Type, line: u32) -> Result<u16> {
        if self.resolve(name, true).is_some() {
            return Err(error(SqlState::DUPLICATE_COLUMN, line, format!("variable \"{name}\" already exists")));
        }
        let slot = u16::try_from(self.locals.len())
            .map_err(|_| error(SqlState::PROGRAM_LIMIT_EXCEEDED, line, "too many variables"))?;
        self.locals.push(Local { name: name.to_owned(), slot, ty });
        self.locals_max = self.locals_max.max(self.locals.len());
        Ok(slot)
    }

    /// The place of a name and its type. `exact` leaves out look-ups that ignore case.
    fn resolve(&self, name: &str, exact: bool) -> Option<(Code, Type)> {
        if let Some(local) = self.locals.iter().find(|local| local.name == name) {
            return Some((Code::Local(local.slot), local.ty));
        }
        if let Some(place) = self.scope.vars.iter().position(|(_, var)| var == name) {
            return Some((Code::Var(u16::try_from(place).ok()?), self.scope.vars[place].0));
        }
        if let Some((_, code, ty)) = self.scope.outer.iter().find(|(outer, ..)| outer == name) {
            return Some((code.clone(), *ty));
        }
        let table = self.scope.table?;
        let column = |name: &str, image: Image| {
            let place = if exact { table.column_index(name) } else { find_column(table, name) }?;
            Some((Code::Column(image, u16::try_from(place).ok()?), Type::of_column(&table.columns[place])))
        };
        let row_var = self.scope.row_var;
        match self.scope.event {
            Event::Startup => None,
            Event::Updating => {
                for (prefix, image) in [("new_", Image::New), ("old_", Image::Old)] {
                    if let Some(rest) = name.strip_prefix(prefix) {
                        if row_var == Some(rest) {
                            return Some((Code::RowMap(image), Type::Map));
                        }
                        if let Some(found) = column(rest, image) {
                            return Some(found);
                        }
                    }
                }
                column(name, Image::New)
            }
            event => {
                let image = if event == Event::Deleting { Image::Old } else { Image::New };
                if row_var == Some(name) {
                    return Some((Code::RowMap(image), Type::Map));
                }
                column(name, image)
            }
        }
    }

    fn variable(&self, name: &str, line: u32) -> Result<(Code, Type)> {
        self.resolve(name, false)
            .ok_or_else(|| error(SqlState::UNDEFINED_COLUMN, line, format!("variable \"{name}\" does not exist")))
    }

    // Statements ------------------------------------------------------------------------------------------------

    fn block(&mut self, body: &[Stmt]) -> Result<Block> {
        let mark = self.locals.len();
        let mut out = Block::new();
        for statement in body {
            self.statement(statement, &mut out)?;
        }
        self.locals.truncate(mark);
        Ok(out)
    }

    fn one(&mut self, statement: &Stmt) -> Result<Block> {
        self.block(std::slice::from_ref(statement))
    }

    fn looped(&mut self, body: &Stmt) -> Result<Block> {
        self.loops += 1;
        let body = self.one(body);
        self.loops -= 1;
        body
    }

    fn emit(&self, out: &mut Block, op: Op) {
        out.push((self.line, op));
    }

    fn statement(&mut self, statement: &Stmt, out: &mut Block) -> Result<()> {
        match statement {
            Stmt::At(line, inner) => {
                let before = std::mem::replace(&mut self.line, *line);
                let done = self.statement(inner, out);
                self.line = before;
                return done;
            }
            Stmt::Block(body, None) => out.extend(self.block(body)?),
            Stmt::Block(body, Some((name, handler))) => {
                let body = self.block(body)?;
                let mark = self.locals.len();
                let slot = self.declare(name, Type::Object, 0)?;
                let handler = self.one(handler)?;
                self.locals.truncate(mark);
                self.emit(out, Op::Try(body, slot, handler));
            }
            Stmt::Declare(ty, names) => {
                for (name, value, line) in names {
                    let code = match value {
                        Some(Expr::Query(query, _)) => self.query(query, *ty)?,
                        Some(value) => self.expr(value)?.0,
                        None => Code::Const(Value::Null),
                    };
                    let slot = self.declare(name, *ty, *line)?;
                    self.emit(out, Op::Eval(Code::SetLocal(slot, *ty, Box::new(code))));
                }
            }
            Stmt::Expr(expr) => {
                let code = self.expr(expr)?.0;
                self.emit(out, Op::Eval(code));
            }
            Stmt::If(condition, then, other) => {
                let condition = self.expr(condition)?.0;
                let then = self.one(then)?;
                let other = match other {
                    Some(other) => self.one(other)?,
                    None => Vec::new(),
                };
                self.emit(out, Op::If(condition, then, other));
            }
            Stmt::While(condition, body) => {
                let condition = Some(self.expr(condition)?.0);
                let body = self.looped(body)?;
                self.emit(out, Op::Loop { condition, step: None, body });
            }
            Stmt::For(init, condition, step, body) => {
                let mark = self.locals.len();
                if let Some(init) = init {
                    self.statement(init, out)?;
                }
                let condition = condition.as_ref().map(|c| self.expr(c).map(|(code, _)| code)).transpose()?;
                let step = step.as_ref().map(|s| self.expr(s).map(|(code, _)| code)).transpose()?;
                let body = self.looped(body)?;
                self.locals.truncate(mark);
                self.emit(out, Op::Loop { condition, step, body });
            }
            Stmt::ForEach(ty, name, items, body, line) => {
                let items = match items {
                    Expr::Query(query, _) => self.query(query, Type::List)?,
                    items => self.expr(items)?.0,
                };
                let mark = self.locals.len();
                let slot = self.declare(name, *ty, *line)?;
                let body = self.looped(body)?;
                self.locals.truncate(mark);
                self.emit(out, Op::ForEach { slot, ty: *ty, items, body });
            }
            Stmt::Break(line) | Stmt::Continue(line) if self.loops == 0 => {
                return Err(error(SqlState::SYNTAX_ERROR, *line, "break and continue stand only in loops"));
            }
            Stmt::Break(_) => self.emit(out, Op::Break),
            Stmt::Continue(_) => self.emit(out, Op::Continue),
            Stmt::Return(value) => {
                let value = value.as_ref().map(|v| self.expr(v).map(|(code, _)| code)).transpose()?;
                self.emit(out, Op::Return(value));
            }
            Stmt::Throw(value, _) => {
                let code = self.expr(value)?.0;
                self.emit(out, Op::Throw(code));
            }
            Stmt::Sql(sql, _) => {
                let site = Box::new(self.site(sql)?);
                self.emit(out, Op::Sql(site));
            }
        }
        Ok(())
    }

    fn site(&mut self, sql: &Sql) -> Result<Site> {
        self.queries = true;
        if let Sql::Insert { table, columns, rows, limit: None } = sql {
            let mut compiled = Vec::with_capacity(rows.len());
            for row in rows {
                let row: Result<Vec<Code>> = row.iter().map(|value| self.expr(value).map(|(code, _)| code)).collect();
                compiled.push(row?);
            }
            return Ok(Site::insert(table, columns, compiled));
        }
        if let Sql::Use { source, text } = sql {
            self.defers = true;
            let source = self.expr(source)?.0;
            return Ok(Site::using(source, self.expr(text)?.0));
        }
        if let Sql::Call(name, args) = sql {
            return Ok(Site::call(name, self.all(args)?));
        }
        if let Sql::Text(parts) = sql {
            let mut out = Vec::with_capacity(parts.len());
            for part in parts {
                out.push(match part {
                    Sent::Text(text) => SentCode::Text(text.clone()),
                    Sent::Word(word) => match self.resolve(word, false).map(as_read) {
                        Some((code, _)) => SentCode::Word(word.clone(), code),
                        None => SentCode::Text(word.clone()),
                    },
                    Sent::Value(value) => SentCode::Value(self.expr(value)?.0),
                });
            }
            return Ok(Site::sent(out));
        }
        let mut names = Vec::new();
        super::sql::names_of(sql, &mut names);
        let mut outer = Vec::new();
        for name in names {
            if let Some((code, ty)) = self.resolve(&name, true).or_else(|| self.resolve(&name, false)) {
                let (code, ty) = as_read((code, ty));
                outer.push((name, code, ty));
            }
        }
        let methods = self.scope.methods.filter(|methods| !methods.is_empty());
        self.calls |= methods.is_some();
        Ok(Site::general(sql.clone(), outer, methods))
    }

    fn query(&mut self, query: &super::ast::Query, ty: Type) -> Result<Code> {
        Ok(Code::Query(Box::new(self.site(&Sql::Select(query.clone()))?), ty))
    }

    // Expressions -----------------------------------------------------------------------------------------------

    fn boxed(&mut self, tree: &Expr) -> Result<Box<Code>> {
        Ok(Box::new(self.expr(tree)?.0))
    }

    fn all(&mut self, trees: &[Expr]) -> Result<Vec<Code>> {
        trees.iter().map(|tree| self.expr(tree).map(|(code, _)| code)).collect()
    }

    fn expr(&mut self, tree: &Expr) -> Result<(Code, Type)> {
        super::room(|| self.expr_inner(tree))
    }

    fn expr_inner(&mut self, tree: &Expr) -> Result<(Code, Type)> {
        Ok(match tree {
            Expr::Literal(value) => (Code::Const(value.clone()), Type::of(value::type_of(value))),
            Expr::Template(parts) => (Code::Template(self.pieces(parts)?), Type::String),
            Expr::Tuple(items) => (Code::List(self.all(items)?), Type::List),
            Expr::InQuery(value, query, not, _) => {
                let value = self.boxed(value)?;
                let site = self.site(&Sql::Select((**query).clone()))?;
                (Code::InQuery(value, Box::new(site), *not), Type::Boolean)
            }
            Expr::Name(name, line) => as_read(self.variable(name, *line)?),
            Expr::Slot(slot) => (Code::Slot(*slot), Type::Object),
            Expr::Field(table, name, line) => match (&**table, self.scope.table) {
                (Expr::Name(table, _), Some(def)) if def.name.eq_ignore_ascii_case(table) => {
                    as_read(self.variable(name, *line)?)
                }
                _ => return Err(error(SqlState::UNDEFINED_COLUMN, *line, format!("\"{name}\" is not a variable"))),
            },
            Expr::Unary(op, inner) => {
                let (code, ty) = self.expr(inner)?;
                let code = Box::new(code);
                match op {
                    Unary::Not => (Code::Not(code), Type::Boolean),
                    Unary::Neg if ty == Type::Byte => (Code::Call(builtins::byte, vec![Code::Neg(code)]), ty),
                    Unary::Neg => (Code::Neg(code), ty),
                    Unary::BitNot => (Code::BitNot(code), ty),
                }
            }
            Expr::Binary(op, left, right) => self.binary(*op, left, right)?,
            Expr::Cond(condition, then, other) => {
                let condition = self.boxed(condition)?;
                let (then, ty) = self.expr(then)?;
                let (other, other_ty) = self.expr(other)?;
                let ty = if ty == other_ty { ty } else { Type::Object };
                (Code::Cond(condition, Box::new(then), Box::new(other)), ty)
            }
            Expr::Cast(ty, inner) => (Code::Cast(*ty, self.boxed(inner)?), *ty),
            Expr::Assign(target, op, value, line) => self.assign(target, *op, value, *line)?,
            Expr::Step(target, by, prefix, line) => self.step(target, *by, *prefix, *line)?,
            Expr::Call(name, args, line) => self.call(name, args, *line)?,
            Expr::Method(target, name, args, line) => self.method(target, name, args, *line)?,
            Expr::Index(target, index) => (Code::Index(self.boxed(target)?, self.boxed(index)?), Type::Object),
            Expr::New(class, args, line) => match class.to_ascii_lowercase().as_str() {
                "list" => (Code::List(self.all(args)?), Type::List),
                "set" => (Code::Set(self.all(args)?), Type::Set),
                "map" if args.len() % 2 == 0 => {
                    let args = self.all(args)?;
                    (Code::Map(args.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()), Type::Map)
                }
                "map" => {
                    return Err(error(SqlState::UNDEFINED_FUNCTION, *line, "new Map needs keys and values in pairs"));
                }
                _ => return Err(error(SqlState::UNDEFINED_OBJECT, *line, format!("type \"{class}\" does not exist"))),
            },
            Expr::List(items) => (Code::List(self.all(items)?), Type::List),
            Expr::Map(pairs) => {
                let mut out = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    out.push((self.expr(key)?.0, self.expr(value)?.0));
                }
                (Code::Map(out), Type::Map)
            }
            Expr::In(value, list, not) => (Code::In(self.boxed(value)?, self.all(list)?, *not), Type::Boolean),
            Expr::Star => return Err(SqlError::syntax("\"*\" stands only in count(*)")),
            Expr::Query(query, _) => (self.query(query, Type::Object)?, Type::Object),
        })
    }

    /// An error of the statement being compiled.
    fn at_line(&self, found: SqlError) -> SqlError {
        error(found.state(), self.line, found.message())
    }

    fn pieces(&mut self, parts: &[Part]) -> Result<Vec<Piece>> {
        let mut out = Vec::with_capacity(parts.len());
        for part in parts {
            out.push(match part {
                Part::Text(text) => Piece::Text(Arc::from(text.as_str())),
                Part::Expr(expr, wrap) => Piece::Expr(self.expr(expr)?.0, *wrap),
                Part::If(branches, other) => {
                    let mut compiled = Vec::with_capacity(branches.len());
                    for (condition, parts) in branches {
                        compiled.push((self.expr(condition)?.0, self.pieces(parts)?));
                    }
                    Piece::If(compiled, self.pieces(other)?)
                }
                Part::Loop(head, parts) => {
                    let mark = self.locals.len();
                    let head = match &**head {
                        Stmt::At(_, inner) => inner,
                        head => head,
                    };
                    let piece = match head {
                        Stmt::For(init, condition, step, _) => {
                            let mut begin = Block::new();
                            if let Some(init) = init {
                                self.statement(init, &mut begin)?;
                            }
                            let condition =
                                condition.as_ref().map(|c| self.expr(c).map(|(code, _)| code)).transpose()?;
                            let step = step.as_ref().map(|s| self.expr(s).map(|(code, _)| code)).transpose()?;
                            Piece::Loop(begin, condition, step, self.pieces(parts)?)
                        }
                        Stmt::While(condition, _) => {
                            let condition = self.expr(condition)?.0;
                            Piece::Loop(Block::new(), Some(condition), None, self.pieces(parts)?)
                        }
                        Stmt::ForEach(ty, name, items, _, line) => {
                            let items = self.expr(items)?.0;
                            let slot = self.declare(name, *ty, *line)?;
                            Piece::Each(slot, *ty, items, self.pieces(parts)?)
                        }
                        _ => return Err(SqlError::syntax("a flow token in a string is not complete")),
                    };
                    self.locals.truncate(mark);
                    piece
                }
            });
        }
        Ok(out)
    }

    fn binary(&mut self, op: Binary, left: &Expr, right: &Expr) -> Result<(Code, Type)> {
        let (a, left) = self.expr(left)?;
        let (b, right) = self.expr(right)?;
        // Constant patterns are read once, here.
        if let (Binary::Compare(compare), Code::Const(Value::Text(text))) = (op, &b) {
            match compare {
                Compare::Match | Compare::NotMatch => {
                    let regex = Arc::new(builtins::regex(text).map_err(|found| self.at_line(found))?);
                    return Ok((Code::Matches(regex, Box::new(a), compare == Compare::Match), Type::Boolean));
                }
                Compare::Like => {
                    let pattern = Pattern::new(text).map_err(|found| self.at_line(found))?;
                    return Ok((Code::Like(Arc::new(pattern), Box::new(a)), Type::Boolean));
                }
                _ => {}
            }
        }
        if let (Binary::Arith(op), true) = (op, left == Type::Complex || right == Type::Complex)
            && left != Type::String
            && right != Type::String
        {
            return Ok((Code::Call(super::complex::function(op)?, vec![a, b]), Type::Complex));
        }
        let (a, b) = (Box::new(a), Box::new(b));
        Ok(match op {
            Binary::And => (Code::And(a, b), Type::Boolean),
            Binary::Or => (Code::Or(a, b), Type::Boolean),
            Binary::Compare(Compare::Match, ..) => (Code::Call(builtins::matches, vec![*a, *b]), Type::Boolean),
            Binary::Compare(Compare::NotMatch) => {
                (Code::Not(Box::new(Code::Call(builtins::matches, vec![*a, *b]))), Type::Boolean)
            }
            Binary::Compare(Compare::Like) => (Code::Call(builtins::like, vec![*a, *b]), Type::Boolean),
            Binary::Compare(op) => (Code::Compare(op, a, b), Type::Boolean),
            Binary::Arith(op) => (arith(op, a, b, [left, right]), builtins::arith_type(op, left, right)),
        })
    }

    fn assign(&mut self, target: &Expr, op: Option<Arith>, value: &Expr, line: u32) -> Result<(Code, Type)> {
        match target {
            Expr::Name(name, line) => {
                let (place, ty) = self.variable(name, *line)?;
                let (value, of) = match value {
                    Expr::Query(query, _) => (self.query(query, ty)?, ty),
                    value => self.expr(value)?,
                };
                if let (Some(op), Code::Var(slot)) = (op, &place) {
                    return Ok((Code::ChangeVar(*slot, ty, op, Box::new(value), false), ty));
                }
                let value = match op {
                    Some(op) => arith(op, Box::new(as_read((place.clone(), ty)).0), Box::new(value), [ty, of]),
                    None => value,
                };
                Ok((self.store(place, ty, value, name, *line)?, ty))
            }
            Expr::Index(object, index) => {
                let (object, index) = (self.boxed(object)?, self.boxed(index)?);
                if matches!(*object, Code::RowMap(_)) {
                    return Err(error(SqlState::WRONG_OBJECT_TYPE, line, "a row map is read-only"));
                }
                let (value, of) = self.expr(value)?;
                let value = match op {
                    Some(op) => {
                        let before = Box::new(Code::Index(object.clone(), index.clone()));
                        arith(op, before, Box::new(value), [Type::Object, of])
                    }
                    None => value,
                };
                Ok((Code::SetIndex(object, index, Box::new(value)), Type::Object))
            }
            _ => Err(error(SqlState::SYNTAX_ERROR, line, "this cannot be assigned to")),
        }
    }

    /// The enum that a column of this type holds, if it is one.
    fn label(&self, ty: Type) -> Option<&'a Arc<TypeDef>> {
        match ty {
            Type::Other(ty) if is_enum(ty.oid) => self.scope.catalog?.user_type(ty.oid),
            _ => None,
        }
    }

    /// Code that stores into a variable's place.
    fn store(&mut self, place: Code, ty: Type, value: Code, name: &str, line: u32) -> Result<Code> {
        let value = Box::new(value);
        Ok(match place {
            Code::Local(slot) => Code::SetLocal(slot, ty, value),
            Code::Var(slot) => Code::SetVar(slot, ty, value),
            Code::Column(image, place) => {
                // The bare name in onUpdating may be read; assigning to it changes nothing (AMI-106).
                if self.scope.event == Event::Updating && !name.starts_with("new_") && !name.starts_with("old_") {
                    return Ok(Code::Cast(ty, value));
                }
                self.assigns = true;
                match self.label(ty) {
                    Some(def) => Code::SetColumn(image, place, Type::Object, Box::new(Code::Label(def.clone(), value))),
                    None => Code::SetColumn(image, place, ty, value),
                }
            }
            Code::RowMap(_) => {
                return Err(error(SqlState::WRONG_OBJECT_TYPE, line, format!("row map \"{name}\" is read-only")));
            }
            _ => return Err(error(SqlState::SYNTAX_ERROR, line, format!("\"{name}\" cannot be assigned to"))),
        })
    }

    fn step(&mut self, target: &Expr, by: i32, prefix: bool, line: u32) -> Result<(Code, Type)> {
        let Expr::Name(name, line) = target else {
            return Err(error(SqlState::SYNTAX_ERROR, line, "++ and -- need a variable"));
        };
        let (place, ty) = self.variable(name, *line)?;
        let one = Code::Const(Value::Int4(by));
        if let Code::Var(slot) = place {
            return Ok((Code::ChangeVar(slot, ty, Arith::Add, Box::new(one), !prefix), ty));
        }
        let value = Code::Arith(Arith::Add, Box::new(place.clone()), Box::new(one));
        let store = self.store(place.clone(), ty, value, name, *line)?;
        Ok((if prefix { store } else { Code::Post(Box::new(place), Box::new(store)) }, ty))
    }

    fn call(&mut self, name: &str, args: &[Expr], line: u32) -> Result<(Code, Type)> {
        if let Some(methods) = self.scope.methods.filter(|methods| methods.knows(name)) {
            let mut codes = Vec::with_capacity(args.len());
            let mut types = Vec::with_capacity(args.len());
            for arg in args {
                let (code, ty) = self.expr(arg)?;
                codes.push(code);
                types.push(ty);
            }
            let place = methods.find(name, &types).map_err(|(state, message)| error(state, line, message))?;
            self.calls = true;
            // What a method does is not known before it is compiled: it may run SQL.
            self.queries = true;
            return Ok((Code::UserCall(place, codes), methods.result(place)));
        }
        let Some(builtin) = builtins::function(name) else {
            return Err(error(SqlState::UNDEFINED_FUNCTION, line, format!("method {name}(…) does not exist")));
        };
        if args.len() < builtin.args_min || args.len() > builtin.args_max {
            return Err(error(
                SqlState::UNDEFINED_FUNCTION,
                line,
                format!("method {name} does not take {} arguments", args.len()),
            ));
        }
        self.acts |= builtin.acts();
        let code = Code::Call(builtin.code, self.all(args)?);
        Ok((made(code, builtin.result), builtin.result))
    }

    fn method(&mut self, target: &Expr, name: &str, args: &[Expr], line: u32) -> Result<(Code, Type)> {
        let (target, ty) = self.expr(target)?;
        let Some(method) = builtins::method(name, ty) else {
            return Err(error(
                SqlState::UNDEFINED_FUNCTION,
                line,
                format!("method {name}(…) does not exist for this type"),
            ));
        };
        if matches!(target, Code::RowMap(_)) && method.changes {
            return Err(error(
                SqlState::WRONG_OBJECT_TYPE,
                line,
                format!("method {name} cannot be used on a read-only row map"),
            ));
        }
        if args.len() < method.args_min || args.len() > method.args_max {
            return Err(error(
                SqlState::UNDEFINED_FUNCTION,
                line,
                format!("method {name} does not take {} arguments", args.len()),
            ));
        }
        let code = Code::Method(method.code, Box::new(target), self.all(args)?);
        Ok((made(code, method.result), method.result))
    }
}
