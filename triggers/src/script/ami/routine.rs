//! Scripts that stand by themselves: methods, procedures and timers (AMI-76, AMI-77, AMI-79). What they are called and
//! where they are kept is their statements' business; here they are compiled with typed arguments and run.

use std::sync::Arc;

use parking_lot::Mutex;
use tripline_sql::catalog::Catalog;
use tripline_sql::change::{HookContext, QueryResult};
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, Value};

use super::ast::Type;
use super::compile::{self, Program, Scope};
use super::interp::Frame;
use super::methods::Methods;
use super::value::{self, Val};
use super::{in_option, parser};
use crate::script::Limits;

/// The texts of a script.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source<'a> {
    /// What messages call it: the option's name.
    pub option: &'a str,
    /// The script.
    pub script: &'a str,
    /// `type name {, type name}`; empty for none.
    pub arguments: &'a str,
    /// Variables kept between runs, in the same form.
    pub variables: &'a str,
}

/// Values of the variables that a procedure or timer keeps between its runs (`vars`); all null at first. In memory only.
#[derive(Debug)]
pub struct Variables(pub(super) Mutex<Vec<Val>>);

/// A compiled script with typed arguments.
#[derive(Debug)]
pub struct Routine {
    program: Program,
    arguments: Vec<(Type, String)>,
    variables: usize,
}

/// What a run gave.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Neither `return` nor a final SELECT was reached.
    Nothing,
    /// The value of `return`; collections as their text.
    Value(Value),
    /// Rows of a final SELECT, or of a table that was returned.
    Table {
        /// Column names and types.
        columns: Vec<(String, DataType)>,
        /// The rows.
        rows: Vec<Row>,
    },
}

impl Output {
    /// It as a statement's result: a value is one row of one column `result`; `tag` is for none at all.
    #[must_use]
    pub fn into_result(self, tag: &str) -> QueryResult {
        let (columns, rows) = match self {
            Output::Nothing => return QueryResult { tag: tag.to_owned(), ..QueryResult::default() },
            Output::Value(value) => {
                let ty = if value.is_null() { DataType::TEXT } else { value::type_of(&value) };
                (vec![("result".to_owned(), ty)], vec![vec![value]])
            }
            Output::Table { columns, rows } => (columns, rows),
        };
        let count = rows.len() as u64;
        QueryResult { columns, rows, count, tag: format!("SELECT {count}") }
    }
}

/// What `CREATE METHOD` needs to know of a declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// The method's name.
    pub name: String,
    /// `name(Type, Type)`: unique in a database.
    pub text: String,
    /// Arguments; what SQL has no type for (Object, List, …) is `text`.
    pub arguments: Vec<(String, DataType)>,
    /// Result type, likewise.
    pub returns: DataType,
}

/// Checks a declaration `type name(type argument, …) { … }` in a database (AMI-76).
/// Errors: 42601, 42701, 42703, 42704, 42883, each with its line; 42723 when the signature is taken.
pub fn check_method(catalog: &Catalog, declaration: &str) -> Result<Signature> {
    let methods = Methods::with(catalog, declaration)?;
    let place = methods.last();
    methods.program(place)?;
    let declared = methods.declared(place).ok_or_else(|| SqlError::internal("a method that is not there"))?;
    Ok(Signature {
        name: declared.name.clone(),
        text: declared.signature(),
        arguments: declared.parameters.iter().map(|(ty, name)| (name.clone(), ty.data_type())).collect(),
        returns: declared.result.data_type(),
    })
}

/// The signature of a stored declaration, whatever else is in the catalog. Errors: 42601, 42704.
pub fn method_signature(declaration: &str) -> Result<String> {
    Ok(parser::method(declaration)?.signature())
}

/// Calls a user method (AMI-76): arguments are cast to its parameters, an impossible cast gives null.
/// Errors: 42883, 42725, 54001, and whatever the method raises.
pub fn call_method(
    ctx: &mut dyn HookContext,
    methods: &Arc<Methods>,
    name: &str,
    args: &[Value],
    limits: Limits,
) -> Result<Value> {
    let types: Vec<Type> = args.iter().map(|arg| Type::of(value::type_of(arg))).collect();
    let place = methods.find(name, &types).map_err(|(state, message)| SqlError::new(state, message))?;
    let mut locals = Vec::new();
    let mut frame = Frame::new(&mut locals, limits);
    frame.ctx = Some(ctx);
    frame.methods = Some(methods.clone());
    frame.call_method(place, args.iter().cloned().map(Val::S).collect())?.into_sql()
}

impl Routine {
    /// Compiles a procedure or timer against the user methods of a catalog.
    /// Errors: 42601, 42701, 42703, 42704, 42883, with the option's name and the line.
    pub fn compile(source: &Source<'_>, catalog: &Catalog) -> Result<Routine> {
        let arguments = parser::variables(source.arguments).map_err(|error| in_option("arguments", error))?;
        let variables = parser::variables(source.variables).map_err(|error| in_option("vars", error))?;
        for (i, (_, name)) in arguments.iter().chain(&variables).enumerate() {
            if arguments.iter().chain(&variables).take(i).any(|(_, before)| before == name) {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("variable \"{name}\" is declared twice"),
                ));
            }
        }
        let methods = Methods::of(catalog);
        let scope = Scope { arguments: &arguments, vars: &variables, methods: Some(&methods), ..Scope::EMPTY };
        let program = compile::script(source.script, scope).map_err(|error| in_option(source.option, error))?;
        Ok(Routine { program, arguments, variables: variables.len() })
    }

    /// Names and types of the arguments; what SQL has no type for is `text`.
    pub fn arguments(&self) -> impl ExactSizeIterator<Item = (&str, DataType)> {
        self.arguments.iter().map(|(ty, name)| (name.as_str(), ty.data_type()))
    }

    /// Fresh variables for it.
    #[must_use]
    pub fn variables(&self) -> Variables {
        Variables(Mutex::new(vec![Val::NULL; self.variables]))
    }

    /// Runs it: arguments are cast to their types, an impossible cast gives null.
    /// Errors: 42883 for a wrong number of arguments; whatever the script raises, its line in the context.
    pub fn run(
        &self,
        ctx: &mut dyn HookContext,
        args: &[Value],
        variables: Option<&Variables>,
        limits: Limits,
    ) -> Result<Output> {
        if args.len() != self.arguments.len() {
            return Err(SqlError::new(
                SqlState::UNDEFINED_FUNCTION,
                format!("{} arguments are needed, {} were given", self.arguments.len(), args.len()),
            ));
        }
        let mut locals = Vec::new();
        let mut frame = Frame::new(&mut locals, limits);
        frame.ctx = Some(ctx);
        frame.vars = variables.map(|variables| &variables.0);
        let args = self.arguments.iter().zip(args).map(|((ty, _), arg)| value::convert(*ty, Val::S(arg.clone())));
        let result = frame.run_with(&self.program, args.collect())?;
        Ok(match result {
            Some(Val::Table(rows)) => output(&rows),
            Some(value) => Output::Value(value.into_sql()?),
            None => frame.last_rows.take().map_or(Output::Nothing, |rows| output(&rows)),
        })
    }
}

fn output(rows: &Arc<value::Rows>) -> Output {
    let columns = rows
        .columns
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let known = rows.types.get(place).copied();
            let seen = || rows.rows.iter().filter_map(|row| row.get(place)).find(|value| !value.is_null());
            (name.to_string(), known.or_else(|| seen().map(value::type_of)).unwrap_or(DataType::TEXT))
        })
        .collect();
    Output::Table { columns, rows: rows.rows.clone() }
}
