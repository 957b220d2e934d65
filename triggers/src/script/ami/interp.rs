//! Runs compiled AMIScript over the images of one row. Numbers take the fast paths of `value::arith` without copies;
//! a row is copied only when a script assigns to it. Every loop turn and statement counts against the limits.

use std::borrow::Cow;
use std::sync::Arc;

use parking_lot::Mutex;
use tripline_sql::catalog::TableDef;
use tripline_sql::change::HookContext;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Row, Value};

use super::ast::{Arith, Type};
use super::builtins;
use super::collection::Loops;
use super::compile::{Block, Code, Image, Op, Piece, Program};
use super::methods::Methods;
use super::sql::Site;
use super::value::{self, Rows, Val};
use crate::inbox::Marks;
use crate::script::Limits;

/// Everything a script runs over.
pub(crate) struct Frame<'a> {
    /// The transaction; none in pure expressions of views.
    pub(crate) ctx: Option<&'a mut (dyn HookContext + 'a)>,
    /// The row before.
    pub(crate) old: Cow<'a, [Value]>,
    /// The row after.
    pub(crate) new: Cow<'a, [Value]>,
    /// The row's table.
    pub(crate) table: Option<&'a TableDef>,
    /// Columns of the new image that the row map shows; none: all.
    pub(crate) assigned: Option<&'a [usize]>,
    /// Variables of the trigger.
    pub(crate) vars: Option<&'a Mutex<Vec<Val>>>,
    /// Local variables; reused from run to run.
    pub(crate) locals: &'a mut Vec<Val>,
    /// Values that a view puts in place.
    pub(crate) slots: &'a [Value],
    /// Bounds.
    pub(crate) limits: Limits,
    /// User methods that the running script may call.
    pub(crate) methods: Option<Arc<Methods>>,
    /// Rows of the last SELECT that stood as a statement.
    pub(crate) last_rows: Option<Arc<Rows>>,
    /// Line of the statement that failed; 0 before.
    pub(crate) line: u32,
    /// Stop at a statement that waits for the commit (AMI-81).
    pub(crate) defers: bool,
    /// Where it stopped, innermost first.
    pub(crate) path: Vec<Resume>,
    /// Collections that may hold themselves.
    pub(crate) loops: Loops,
    steps: u64,
    memory: u64,
    calls: u32,
    /// How many scripts and methods are running.
    running: u32,
    /// How many `catch` stand around what runs.
    trying: u32,
}

/// A step of the way to the statement where a script stopped.
#[derive(Clone, Debug)]
pub(crate) enum Resume {
    /// The statement of a block.
    At(usize),
    /// The branch of an `if` taken.
    Branch(bool),
    /// The body of a loop.
    Turn,
    /// The body of a loop over these items, still to come.
    Each(Vec<Val>),
    /// The body of a `catch`, or its handler.
    Try(bool),
}

/// What a key of a set or map takes, with its value and its hashes.
pub(crate) const KEY_BYTES: usize = 128;
/// So many parts of collections are looked at, at the least, for such as hold themselves.
const LOOP_PARTS: usize = 256;
/// Room that must be left on the stack when a script begins: its longest expression fits in it.
const STACK_LEFT: usize = 768 << 10;
const STACK_MORE: usize = 4 << 20;

enum Flow {
    Next,
    Break,
    Continue,
    Return(Val),
    /// Reached a statement that waits for the commit; `path` leads to it.
    Defer,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) enum End {
    /// At its end.
    Done,
    /// At a `return`.
    Return(Val),
    /// Before a statement that waits for the commit.
    Deferred,
}

impl<'a> Frame<'a> {
    /// A frame without a row.
    pub(crate) fn new(locals: &'a mut Vec<Val>, limits: Limits) -> Frame<'a> {
        Frame {
            ctx: None,
            old: Cow::Borrowed(&[]),
            new: Cow::Borrowed(&[]),
            table: None,
            assigned: None,
            vars: None,
            locals,
            slots: &[],
            limits,
            methods: None,
            last_rows: None,
            line: 0,
            defers: false,
            path: Vec::new(),
            loops: Loops::default(),
            steps: 0,
            memory: 0,
            calls: 0,
            running: 0,
            trying: 0,
        }
    }

    /// Runs a script: the value of its `return`, if one was reached.
    /// Errors: whatever the script raises; 54000 steps, 53200 memory, 57014.
    pub(crate) fn run(&mut self, program: &Program) -> Result<Option<Val>> {
        self.locals.clear();
        self.locals.resize(program.locals, Val::NULL);
        self.start(program)
    }

    /// `run` with the values of the arguments, which are the first locals. The context of an error names the line.
    pub(crate) fn run_with(&mut self, program: &Program, arguments: Vec<Val>) -> Result<Option<Val>> {
        *self.locals = arguments;
        self.locals.resize(program.locals, Val::NULL);
        self.start(program).map_err(|error| error.context(format!("script line {}", self.line)))
    }

    fn start(&mut self, program: &Program) -> Result<Option<Val>> {
        if let Some(methods) = &program.methods {
            self.methods = Some(methods.clone());
        }
        self.running += 1;
        let flow = stacker::maybe_grow(STACK_LEFT, STACK_MORE, || self.block(&program.body));
        self.running -= 1;
        self.settle();
        match flow? {
            Flow::Return(value) => Ok(Some(value)),
            Flow::Next | Flow::Break | Flow::Continue | Flow::Defer => Ok(None),
        }
    }

    /// At the end of all that runs: collections that hold only themselves go.
    fn settle(&mut self) {
        if self.running == 0 && !self.loops.is_empty() {
            self.locals.clear();
            // In proportion to what the run may have made.
            self.loops.settle(LOOP_PARTS + usize::try_from(self.memory / 32).unwrap_or(usize::MAX));
        }
    }

    /// `run` of a trigger's script, which may stop at a statement that waits for the commit.
    pub(crate) fn run_event(&mut self, program: &Program) -> Result<End> {
        if !program.defers {
            return Ok(self.run(program)?.map_or(End::Done, End::Return));
        }
        self.defers = true;
        self.locals.clear();
        self.locals.resize(program.locals, Val::NULL);
        if let Some(methods) = &program.methods {
            self.methods = Some(methods.clone());
        }
        self.running += 1;
        let flow = stacker::maybe_grow(STACK_LEFT, STACK_MORE, || self.block(&program.body));
        self.running -= 1;
        self.defers = false;
        if !matches!(flow, Ok(Flow::Defer)) {
            self.settle();
        }
        Ok(match flow? {
            Flow::Return(value) => End::Return(value),
            Flow::Defer => End::Deferred,
            Flow::Next | Flow::Break | Flow::Continue => End::Done,
        })
    }

    /// Goes on where `run_event` stopped, to the end.
    pub(crate) fn resume(&mut self, program: &Program, path: Vec<Resume>) -> Result<()> {
        if let Some(methods) = &program.methods {
            self.methods = Some(methods.clone());
        }
        self.path = path;
        self.running += 1;
        let flow = stacker::maybe_grow(STACK_LEFT, STACK_MORE, || self.block(&program.body));
        self.running -= 1;
        self.settle();
        flow.map(|_| ())
    }

    /// Calls a user method with locals of its own (AMI-76).
    /// Errors: 54001 when calls nest too deeply (AMI-74), the method's own with its name and line.
    pub(crate) fn call_method(&mut self, place: usize, mut arguments: Vec<Val>) -> Result<Val> {
        let methods = self.methods.clone().ok_or_else(|| SqlError::internal("a call without its methods"))?;
        let declared = methods.declared(place).ok_or_else(|| SqlError::internal("a method that is not there"))?;
        let (depth, depth_max) = self.ctx.as_deref().map_or((0, 16), |ctx| (ctx.depth(), ctx.depth_max()));
        if depth + self.calls + 1 > depth_max {
            return Err(SqlError::new(SqlState::STATEMENT_TOO_COMPLEX, "stack depth limit exceeded")
                .detail(format!("Methods and triggers nest deeper than {depth_max} levels."))
                .hint("Raise trigger_depth_max, or look for methods that call each other."));
        }
        let program = methods.program(place)?;
        for (argument, (ty, _)) in arguments.iter_mut().zip(&declared.parameters) {
            *argument = value::convert(*ty, std::mem::replace(argument, Val::NULL));
        }
        arguments.resize(program.locals, Val::NULL);
        let locals = std::mem::replace(self.locals, arguments);
        self.calls += 1;
        let result = self.start(program);
        self.calls -= 1;
        *self.locals = locals;
        match result {
            Ok(value) => Ok(value.map_or(Val::NULL, |value| value::convert(declared.result, value))),
            Err(error) => {
                let line = std::mem::take(&mut self.line);
                Err(error.context(format!("method {}, line {line}", declared.signature())))
            }
        }
    }

    /// The new image as changed by the script; none if it was not assigned to.
    pub(crate) fn changed_row(self) -> Option<Row> {
        match self.new {
            Cow::Owned(row) => Some(row),
            Cow::Borrowed(_) => None,
        }
    }

    /// The transaction. Errors: 0A000 in an expression of a view.
    pub(crate) fn context(&mut self) -> Result<&mut (dyn HookContext + 'a)> {
        self.ctx
            .as_deref_mut()
            .ok_or_else(|| SqlError::unsupported("a statement or session function in this expression"))
    }

    /// Counts memory that a script took. Errors: 53200.
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<()> {
        self.memory = self.memory.saturating_add(bytes as u64);
        self.has_room(0)
    }

    /// Whether a script may take so much more memory. Errors: 53200.
    pub(crate) fn has_room(&self, bytes: usize) -> Result<()> {
        if self.memory.saturating_add(bytes as u64) > self.limits.memory_bytes {
            return Err(SqlError::new(SqlState::OUT_OF_MEMORY, "script uses too much memory")
                .detail(format!("The limit is {} bytes for one run.", self.limits.memory_bytes)));
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        self.steps += 1;
        if self.steps.is_multiple_of(1024) {
            if self.steps > self.limits.steps {
                return Err(SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "script takes too many steps")
                    .detail(format!("The limit is {} steps for one run.", self.limits.steps)));
            }
            if let Some(ctx) = &self.ctx {
                ctx.check_cancel()?;
            }
        }
        Ok(())
    }

    fn block(&mut self, body: &Block) -> Result<Flow> {
        let first = if self.path.is_empty() || self.defers {
            0
        } else {
            match self.path.pop() {
                Some(Resume::At(place)) => place,
                _ => return Err(SqlError::internal("a script cannot find where it stopped")),
            }
        };
        for (place, (line, op)) in body.iter().enumerate().skip(first) {
            match self.op(op) {
                Ok(Flow::Next) => {}
                Ok(Flow::Defer) => {
                    self.path.push(Resume::At(place));
                    return Ok(Flow::Defer);
                }
                Ok(flow) => return Ok(flow),
                Err(error) => {
                    // The innermost statement is the one that failed.
                    if self.line == 0 {
                        self.line = *line;
                    }
                    return Err(error);
                }
            }
        }
        Ok(Flow::Next)
    }

    fn op(&mut self, op: &Op) -> Result<Flow> {
        self.step()?;
        match op {
            Op::Eval(code) => {
                self.eval(code)?;
            }
            Op::If(condition, then, other) => {
                let taken = match self.resumed() {
                    Some(Resume::Branch(taken)) => taken,
                    _ => self.truth(condition)?,
                };
                let flow = self.block(if taken { then } else { other })?;
                if matches!(flow, Flow::Defer) {
                    self.path.push(Resume::Branch(taken));
                }
                return Ok(flow);
            }
            Op::Loop { condition, step, body } => {
                let mut inside = self.resumed().is_some();
                loop {
                    self.step()?;
                    if !std::mem::take(&mut inside)
                        && let Some(condition) = condition
                        && !self.truth(condition)?
                    {
                        break;
                    }
                    match self.block(body)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => break,
                        Flow::Return(value) => return Ok(Flow::Return(value)),
                        Flow::Defer => {
                            self.path.push(Resume::Turn);
                            return Ok(Flow::Defer);
                        }
                    }
                    if let Some(step) = step {
                        self.eval(step)?;
                    }
                }
            }
            Op::ForEach { slot, ty, items, body } => {
                let (items, mut inside) = match self.resumed() {
                    Some(Resume::Each(rest)) => (rest, true),
                    _ => {
                        let items = self.eval(items)?;
                        (builtins::items(&items), false)
                    }
                };
                let mut items = items.into_iter();
                loop {
                    if !std::mem::take(&mut inside) {
                        let Some(item) = items.next() else { break };
                        self.locals[usize::from(*slot)] = value::convert(*ty, item);
                    }
                    self.step()?;
                    match self.block(body)? {
                        Flow::Next | Flow::Continue => {}
                        Flow::Break => break,
                        Flow::Return(value) => return Ok(Flow::Return(value)),
                        Flow::Defer => {
                            self.path.push(Resume::Each(items.collect()));
                            return Ok(Flow::Defer);
                        }
                    }
                }
            }
            Op::Break => return Ok(Flow::Break),
            Op::Continue => return Ok(Flow::Continue),
            Op::Return(value) => {
                return Ok(Flow::Return(match value {
                    Some(value) => self.eval(value)?,
                    None => Val::NULL,
                }));
            }
            Op::Throw(value) => {
                let value = self.eval(value)?;
                return Err(SqlError::new(SqlState::RAISE_EXCEPTION, value::to_string(&value)?));
            }
            Op::Try(body, slot, handler) => {
                let mut handling = matches!(self.resumed(), Some(Resume::Try(true)));
                let mut flow = Ok(Flow::Next);
                if !handling {
                    self.trying += 1;
                    flow = self.block(body);
                    self.trying -= 1;
                }
                if let Err(error) = &flow
                    && catchable(error)
                {
                    self.line = 0;
                    self.locals[usize::from(*slot)] = Val::text(error.message());
                    handling = true;
                }
                if handling {
                    flow = self.block(handler);
                }
                if matches!(flow, Ok(Flow::Defer)) {
                    self.path.push(Resume::Try(handling));
                }
                return flow;
            }
            Op::Sql(site) if self.defers && self.calls == 0 && site.defers() => return Ok(Flow::Defer),
            Op::Sql(site) => {
                let rows = self.statement(site)?;
                if site.selects() {
                    self.last_rows = Some(Arc::new(rows));
                }
            }
        }
        Ok(Flow::Next)
    }

    /// The step of the way back at a statement that holds others, while a script goes on where it stopped.
    fn resumed(&mut self) -> Option<Resume> {
        if self.path.is_empty() || self.defers { None } else { self.path.pop() }
    }

    fn truth(&mut self, code: &Code) -> Result<bool> {
        if let Code::Compare(op, a, b) = code
            && let (Some(a), Some(b)) = (self.peek(a), self.peek(b))
        {
            let order = value::order(a, b);
            use super::ast::Compare as C;
            return Ok(match op {
                C::Eq => (a.is_null() && b.is_null()) || order.is_some_and(std::cmp::Ordering::is_eq),
                C::Ne => !((a.is_null() && b.is_null()) || order.is_some_and(std::cmp::Ordering::is_eq)),
                C::Lt => order.is_some_and(std::cmp::Ordering::is_lt),
                C::Le => order.is_some_and(std::cmp::Ordering::is_le),
                C::Gt => order.is_some_and(std::cmp::Ordering::is_gt),
                C::Ge => order.is_some_and(std::cmp::Ordering::is_ge),
                C::Match | C::NotMatch | C::Like => false,
            });
        }
        Ok(self.eval(code)?.truth())
    }

    fn image(&self, image: Image) -> &[Value] {
        match image {
            Image::Old => &self.old,
            Image::New => &self.new,
        }
    }

    /// A SQL value that can be read where it lies.
    fn peek<'s>(&'s self, code: &'s Code) -> Option<&'s Value> {
        match code {
            Code::Const(value) => Some(value),
            Code::Column(image, place) => Some(self.image(*image).get(usize::from(*place)).unwrap_or(&Value::Null)),
            Code::Local(slot) => match &self.locals[usize::from(*slot)] {
                Val::S(value) => Some(value),
                _ => None,
            },
            Code::Slot(slot) => self.slots.get(*slot),
            _ => None,
        }
    }

    /// The value of an expression.
    pub(crate) fn eval(&mut self, code: &Code) -> Result<Val> {
        if let Some(value) = self.peek(code) {
            return Ok(Val::S(value.clone()));
        }
        Ok(match code {
            Code::Const(value) => Val::S(value.clone()),
            Code::Local(slot) => self.locals[usize::from(*slot)].clone(),
            Code::Column(..) | Code::Slot(_) => Val::NULL,
            Code::Var(slot) => {
                self.vars.and_then(|vars| vars.lock().get(usize::from(*slot)).cloned()).unwrap_or(Val::NULL)
            }
            Code::RowMap(image) => self.row_map(*image),
            Code::SetLocal(slot, ty, inner) => {
                let value = value::convert(*ty, self.eval(inner)?);
                self.locals[usize::from(*slot)] = value.clone();
                value
            }
            Code::SetVar(slot, ty, inner) => {
                let value = value::convert(*ty, self.eval(inner)?);
                self.set_var(*slot, value.clone());
                value
            }
            Code::ChangeVar(slot, ty, op, inner, before) => {
                let by = self.eval(inner)?.into_sql()?;
                let Some(vars) = self.vars else { return Ok(Val::NULL) };
                let mut vars = vars.lock();
                let Some(place) = vars.get_mut(usize::from(*slot)) else { return Ok(Val::NULL) };
                let old = place.clone();
                let before_it = old.clone().into_sql()?;
                let new = if *op == Arith::Add && builtins::is_text(*ty) {
                    Value::text(value::concat(&before_it, &by))
                } else {
                    value::arith(*op, &before_it, &by)?
                };
                let new = value::convert(*ty, Val::S(new));
                place.clone_from(&new);
                if *before { old } else { new }
            }
            Code::SetColumn(image, place, ty, inner) => {
                let value = match (ty, self.eval(inner)?) {
                    (Type::Other(to), value) => value::to_column(value.into_sql()?, *to)?,
                    (ty, value) => value::convert(*ty, value).into_sql()?,
                };
                let row = match image {
                    Image::Old => self.old.to_mut(),
                    Image::New => self.new.to_mut(),
                };
                if let Some(cell) = row.get_mut(usize::from(*place)) {
                    cell.clone_from(&value);
                }
                Val::S(value)
            }
            Code::Post(place, store) => {
                let before = self.eval(place)?;
                self.eval(store)?;
                before
            }
            Code::SetIndex(object, index, inner) => {
                let (object, index) = (self.eval(object)?, self.eval(index)?);
                let value = self.eval(inner)?;
                self.charge(KEY_BYTES)?;
                self.loops.note(&object, &value);
                self.loops.note(&object, &index);
                builtins::set_index(&object, index, value.clone())?;
                value
            }
            Code::Arith(op, a, b) => self.arith(*op, a, b)?,
            Code::Concat(a, b) => self.concat(a, b)?,
            Code::Compare(op, a, b) => {
                if self.peek(a).is_some() && self.peek(b).is_some() {
                    return Ok(Val::bool(self.truth(code)?));
                }
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                Val::bool(value::compares(*op, &a, &b))
            }
            Code::And(a, b) => Val::bool(self.truth(a)? && self.truth(b)?),
            Code::Or(a, b) => Val::bool(self.truth(a)? || self.truth(b)?),
            Code::Not(inner) => match self.eval(inner)? {
                Val::S(Value::Null) => Val::NULL,
                other => Val::bool(!other.truth()),
            },
            Code::Neg(inner) => Val::S(value::negate(&self.eval(inner)?.into_sql()?)?),
            Code::BitNot(inner) => Val::S(value::arith(Arith::Xor, &self.eval(inner)?.into_sql()?, &Value::Int4(-1))?),
            Code::Cond(condition, then, other) => {
                let branch = if self.truth(condition)? { then } else { other };
                self.eval(branch)?
            }
            Code::Cast(ty, inner) => value::convert(*ty, self.eval(inner)?),
            Code::Label(def, inner) => Val::S(value::as_label(def, &self.eval(inner)?.into_sql()?)),
            Code::Template(parts) => {
                let mut out = String::new();
                self.template(parts, &mut out)?;
                Val::text(out)
            }
            Code::Matches(regex, inner, wanted) => {
                let value = self.eval(inner)?;
                Val::bool(value.as_text().is_some_and(|text| regex.is_match(&text) == *wanted))
            }
            Code::Like(pattern, inner) => {
                let value = self.eval(inner)?;
                Val::bool(value.as_text().is_some_and(|text| pattern.matches(&text)))
            }
            Code::InQuery(inner, site, not) => {
                let value = self.eval(inner)?;
                let rows = self.statement(site)?;
                let found = rows.rows.into_iter().any(|row| match &value {
                    Val::List(_) => {
                        let row = Val::list(row.into_iter().map(Val::S).collect());
                        value::equals(&value, &row)
                    }
                    value => row.into_iter().next().is_some_and(|first| value::equals(value, &Val::S(first))),
                });
                Val::bool(found != *not)
            }
            Code::Call(function, args) => {
                let args = self.all(args)?;
                function(self, &args)?
            }
            Code::Made(inner) => {
                let value = self.eval(inner)?;
                if let Val::S(Value::Text(text)) = &value {
                    self.charge(text.len())?;
                }
                value
            }
            Code::UserCall(place, args) => {
                let args = self.all(args)?;
                self.call_method(*place, args)?
            }
            Code::Method(method, target, args) => {
                let target = self.eval(target)?;
                let args = self.all(args)?;
                if target.is_null() { Val::NULL } else { method(self, &target, &args)? }
            }
            Code::Index(object, index) => {
                let (object, index) = (self.eval(object)?, self.eval(index)?);
                builtins::index(&object, &index)
            }
            Code::List(items) => {
                let items = self.all(items)?;
                self.charge(items.len() * 32)?;
                Val::list(items)
            }
            Code::Set(items) => {
                let items = self.all(items)?;
                self.charge(items.len() * KEY_BYTES)?;
                Val::set(items)
            }
            Code::Map(pairs) => {
                let map = Val::map([]);
                for (key, item) in pairs {
                    let (key, item) = (self.eval(key)?, self.eval(item)?);
                    self.charge(KEY_BYTES)?;
                    builtins::set_index(&map, key, item)?;
                }
                map
            }
            Code::In(inner, list, not) => {
                let value = self.eval(inner)?;
                let mut found = false;
                for item in list {
                    if value::equals(&value, &self.eval(item)?) {
                        found = true;
                        break;
                    }
                }
                Val::bool(found != *not)
            }
            Code::Query(site, ty) => {
                let result = self.statement(site)?;
                shape(*ty, result)
            }
        })
    }

    /// Runs embedded SQL. Where the script may go on after an error, the statement leaves nothing behind then (AMI-14).
    fn statement(&mut self, site: &Site) -> Result<Rows> {
        if self.trying == 0 {
            return site.run(self);
        }
        let ctx = self.context()?;
        let (mark, inboxes) = (ctx.mark()?, Marks::of(ctx));
        let result = site.run(self);
        let ctx = self.context()?;
        if result.is_ok() {
            ctx.keep(mark)?;
        } else {
            inboxes.undo();
            ctx.undo(mark)?;
        }
        result
    }

    fn arith(&mut self, op: Arith, a: &Code, b: &Code) -> Result<Val> {
        let result = match (self.peek(a), self.peek(b)) {
            (Some(a), Some(b)) => value::arith(op, a, b)?,
            _ => {
                let left = self.eval(a)?;
                let right = self.eval(b)?;
                Self::arith_values(op, left, right)?
            }
        };
        if let Value::Text(text) = &result {
            self.charge(text.len())?;
        }
        Ok(Val::S(result))
    }

    fn concat(&mut self, a: &Code, b: &Code) -> Result<Val> {
        let text = match (self.peek(a), self.peek(b)) {
            (Some(a), Some(b)) => value::concat(a, b),
            _ => {
                let left = self.eval(a)?;
                let right = self.eval(b)?;
                Self::concat_values(&left, &right)?
            }
        };
        self.charge(text.len())?;
        Ok(Val::S(Value::text(text)))
    }

    fn concat_values(a: &Val, b: &Val) -> Result<String> {
        if let (Val::S(a), Val::S(b)) = (a, b) {
            return Ok(value::concat(a, b));
        }
        let text = |v: &Val| if v.is_null() { Ok(String::new()) } else { value::to_string(v) };
        Ok(text(a)? + &text(b)?)
    }

    fn arith_values(op: Arith, a: Val, b: Val) -> Result<Value> {
        match (&a, &b) {
            (Val::S(a), Val::S(b)) => value::arith(op, a, b),
            _ if op == Arith::Add => Ok(Value::text(Self::concat_values(&a, &b)?)),
            _ => Err(SqlError::new(SqlState::DATATYPE_MISMATCH, "operator does not work on a collection")),
        }
    }

    fn template(&mut self, parts: &[Piece], out: &mut String) -> Result<()> {
        for part in parts {
            match part {
                Piece::Text(text) => {
                    self.charge(text.len())?;
                    out.push_str(text);
                }
                Piece::Expr(code, wrap) => {
                    let value = self.eval(code)?;
                    if value.is_null() {
                        continue;
                    }
                    let text = value::to_string(&value)?;
                    self.charge(text.len())?;
                    for c in text.chars() {
                        if Some(c) == *wrap {
                            out.push('\\');
                        }
                        out.push(c);
                    }
                }
                Piece::If(branches, other) => {
                    let mut taken = other;
                    for (condition, parts) in branches {
                        if self.truth(condition)? {
                            taken = parts;
                            break;
                        }
                    }
                    self.template(taken, out)?;
                }
                Piece::Loop(begin, condition, step, parts) => {
                    self.block(begin)?;
                    loop {
                        self.step()?;
                        if let Some(condition) = condition
                            && !self.truth(condition)?
                        {
                            break;
                        }
                        self.template(parts, out)?;
                        if let Some(step) = step {
                            self.eval(step)?;
                        }
                    }
                }
                Piece::Each(slot, ty, items, parts) => {
                    let items = self.eval(items)?;
                    for item in builtins::items(&items) {
                        self.step()?;
                        self.locals[usize::from(*slot)] = value::convert(*ty, item);
                        self.template(parts, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(crate) fn all(&mut self, codes: &[Code]) -> Result<Vec<Val>> {
        codes.iter().map(|code| self.eval(code)).collect()
    }

    fn set_var(&self, slot: u16, value: Val) {
        if let Some(vars) = self.vars
            && let Some(place) = vars.lock().get_mut(usize::from(slot))
        {
            *place = value;
        }
    }

    fn row_map(&self, image: Image) -> Val {
        let Some(table) = self.table else { return Val::NULL };
        let row = self.image(image);
        let shown = if image == Image::New { self.assigned } else { None };
        let pairs = table
            .live_columns()
            .filter(|(place, _)| shown.is_none_or(|shown| shown.contains(place)))
            .map(|(place, column)| {
                let item = row.get(place).cloned().unwrap_or(Value::Null);
                let item = if value::pads(column.ty) { value::unpadded(item) } else { item };
                (Arc::from(column.name.as_str()), item)
            })
            .collect();
        Val::Row(Arc::new(pairs))
    }
}

/// Errors that a script may catch: not what ends the statement or the transaction from outside.
fn catchable(error: &SqlError) -> bool {
    !matches!(error.state().class(), "57" | "40" | "53" | "54" | "58" | "XX")
}

/// A query's rows as a value of the type asked for (AMI-72); a shape that does not fit gives null.
fn shape(ty: Type, rows: Rows) -> Val {
    let width = rows.columns.len();
    match ty {
        Type::Table => Val::Table(Arc::new(rows)),
        Type::List | Type::Set if width == 1 => {
            let items: Vec<Val> = rows.rows.into_iter().flatten().map(Val::S).collect();
            if ty == Type::List {
                return Val::list(items);
            }
            Val::set(items)
        }
        Type::List => {
            let columns = rows.columns;
            Val::list(rows.rows.into_iter().map(|row| map_of(&columns, row)).collect())
        }
        Type::Set => Val::NULL,
        Type::Map => match (rows.rows.len(), rows.rows.into_iter().next()) {
            (1, Some(row)) => map_of(&rows.columns, row),
            _ => Val::NULL,
        },
        ty => match (width, rows.rows.len(), rows.rows.first()) {
            (1, 1, Some(row)) => value::convert(ty, Val::S(row.first().cloned().unwrap_or(Value::Null))),
            (_, 0, _) => Val::NULL,
            _ if ty == Type::Object => Val::Table(Arc::new(rows)),
            _ => Val::NULL,
        },
    }
}

fn map_of(columns: &[Arc<str>], row: Vec<Value>) -> Val {
    Val::map(columns.iter().zip(row).map(|(name, value)| (Val::S(Value::Text(name.clone())), Val::S(value))))
}
