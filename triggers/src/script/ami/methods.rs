//! User methods (AMI-76): what `CREATE METHOD` declared, found by name and argument types while a script is compiled.
//!
//! A method's own script is compiled when it is first needed, against the same set, so that methods may call each other
//! and themselves. A compiled call is a place in the set: nothing is looked up by name at run time.

use std::sync::{Arc, OnceLock};

use tripline_sql::catalog::{Catalog, FunctionDef, FunctionKind};
use tripline_sql::error::{Result, SqlError, SqlState};

use super::ast::{Stmt, Type};
use super::compile::{self, Event, Program, Scope};
use super::{builtins, parser};

/// `FunctionDef::language` of methods and procedures of AMI.
pub const LANGUAGE: &str = "amiscript";
/// `FunctionDef::dialect` of them.
pub const DIALECT: &str = "ami";

/// A declaration `type name(type argument, …) { … }`.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) result: Type,
    pub(crate) parameters: Vec<(Type, String)>,
    pub(crate) body: Vec<Stmt>,
}

impl Declared {
    /// `name(Type, Type)`.
    pub(crate) fn signature(&self) -> String {
        signature(&self.name, self.parameters.iter().map(|(ty, _)| *ty))
    }
}

/// The user methods of a database at one moment.
#[derive(Debug, Default)]
pub struct Methods {
    list: Vec<Method>,
}

#[derive(Debug)]
struct Method {
    declared: Declared,
    program: OnceLock<Result<Program>>,
}

fn signature(name: &str, types: impl Iterator<Item = Type>) -> String {
    let types: Vec<&str> = types.map(Type::name).collect();
    format!("{name}({})", types.join(", "))
}

impl Methods {
    /// Those of a catalog: each `FunctionDef` of kind Function, dialect "ami" and language "amiscript" holds in `body`
    /// the whole declaration. One that cannot be read (it was refused when it was made) is left out.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Arc<Methods> {
        let defs = Methods::defs(catalog);
        Arc::new(Methods { list: defs.iter().filter_map(|def| Methods::read(&def.body).ok()).collect() })
    }

    /// Their definitions, in the order in which they were made.
    pub(crate) fn defs(catalog: &Catalog) -> Vec<Arc<FunctionDef>> {
        let is_method = |def: &&Arc<FunctionDef>| {
            def.kind == FunctionKind::Function && def.dialect == DIALECT && def.language == LANGUAGE
        };
        let mut defs: Vec<Arc<FunctionDef>> = catalog.functions().filter(is_method).cloned().collect();
        defs.sort_by_key(|def| def.oid);
        defs
    }

    /// This set and one more declaration: to check `CREATE METHOD` before it is stored.
    /// Errors: 42601; 42723 when the signature is taken or the name is a function of the language.
    pub fn with(catalog: &Catalog, declaration: &str) -> Result<Arc<Methods>> {
        let new = Methods::read(declaration)?;
        let mut methods = Arc::into_inner(Methods::of(catalog)).unwrap_or_default();
        let signature = new.declared.signature();
        if builtins::function(&new.declared.name).is_some()
            || methods.list.iter().any(|method| method.declared.signature() == signature)
        {
            return Err(SqlError::new(SqlState::DUPLICATE_FUNCTION, format!("method {signature} already exists")));
        }
        methods.list.push(new);
        Ok(Arc::new(methods))
    }

    fn read(declaration: &str) -> Result<Method> {
        Ok(Method { declared: parser::method(declaration)?, program: OnceLock::new() })
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether some method has this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.list.iter().any(|method| method.declared.name == name)
    }

    /// The method for these argument types: the one that needs the fewest and nearest casts.
    /// Errors: 42883 none, 42725 several.
    pub(crate) fn find(&self, name: &str, types: &[Type]) -> std::result::Result<usize, (SqlState, String)> {
        let mut best: Vec<usize> = Vec::new();
        let mut least = u32::MAX;
        for (place, method) in self.list.iter().enumerate() {
            let parameters = &method.declared.parameters;
            if method.declared.name != name || parameters.len() != types.len() {
                continue;
            }
            let cost =
                parameters.iter().zip(types).try_fold(0_u32, |sum, ((to, _), from)| Some(sum + cost(*from, *to)?));
            match cost {
                Some(cost) if cost < least => {
                    least = cost;
                    best = vec![place];
                }
                Some(cost) if cost == least => best.push(place),
                _ => {}
            }
        }
        let shown = || signature(name, types.iter().copied());
        match best[..] {
            [place] => Ok(place),
            [] => Err((SqlState::UNDEFINED_FUNCTION, format!("method {} does not exist", shown()))),
            _ => Err((SqlState::AMBIGUOUS_FUNCTION, format!("method {} is not unique", shown()))),
        }
    }

    pub(crate) fn result(&self, place: usize) -> Type {
        self.list.get(place).map_or(Type::Object, |method| method.declared.result)
    }

    pub(crate) fn declared(&self, place: usize) -> Option<&Declared> {
        self.list.get(place).map(|method| &method.declared)
    }

    /// The place of the declaration added by `with`.
    pub(crate) fn last(&self) -> usize {
        self.list.len().saturating_sub(1)
    }

    /// A method's compiled script. Errors: what is wrong with it, with the method's name.
    pub(crate) fn program(self: &Arc<Self>, place: usize) -> Result<&Program> {
        let method = self.list.get(place).ok_or_else(|| SqlError::internal("a method that is not there"))?;
        let compiled = method.program.get_or_init(|| {
            let scope = Scope {
                arguments: &method.declared.parameters,
                methods: Some(self),
                event: Event::Startup,
                ..Scope::EMPTY
            };
            let mut program = compile::tree(&method.declared.body, scope)
                .map_err(|error| super::in_option(&format!("method {}", method.declared.signature()), error))?;
            // The set is handed on by the caller; kept here it would keep itself alive.
            program.methods = None;
            Ok(program)
        });
        compiled.as_ref().map_err(Clone::clone)
    }
}

/// How far an argument is from a parameter; none when it cannot be one.
fn cost(from: Type, to: Type) -> Option<u32> {
    const WIDTHS: [Type; 8] =
        [Type::Byte, Type::Short, Type::Int, Type::Long, Type::BigInteger, Type::Float, Type::Double, Type::BigDecimal];
    if from == to {
        return Some(0);
    }
    let rank = |ty: Type| WIDTHS.iter().position(|width| *width == ty);
    Some(match (rank(from), rank(to)) {
        (Some(a), Some(b)) if a < b => u32::try_from(b - a).unwrap_or(8),
        (Some(_), Some(_)) => 20,
        _ if to == Type::Object => 12,
        (Some(_), None) if to == Type::Number => 10,
        // What an expression of unknown type gives shows at run time only.
        _ if from == Type::Object => 14,
        _ if from.is_collection() != to.is_collection() && to != Type::String => return None,
        _ => 24,
    })
}
