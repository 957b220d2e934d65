//! CREATE FUNCTION … LANGUAGE sql, and what is done to such functions (section 7). Nothing keeps book of who calls a
//! function: who might is found by its name in the texts that the catalog keeps.

use std::sync::Arc;

use sqlparser::ast;

use super::dependency::Dependent;
use super::{Ddl, bare};
use crate::catalog::{
    AclItem, ConstraintKind, Entry, EntryKey, FunctionDef, FunctionKind, Persistence, SQL_FUNCTIONS, TypeDef, TypeKind,
};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{DialectSetting, ObjectName, ParseOptions, Statement, fold, object_name};
use crate::types::{DataType, Oid, oid, shown_type};

fn invalid(text: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::INVALID_FUNCTION_DEFINITION, text)
}

/// `f(integer,text)`.
pub(super) fn signature(def: &FunctionDef) -> String {
    let types: Vec<String> = def.arguments.iter().map(|(_, ty)| shown_type(DataType::new(ty.oid))).collect();
    format!("{}({})", def.name, types.join(","))
}

/// What a function takes and gives.
struct Shape {
    arguments: Vec<(String, DataType)>,
    defaults: Vec<String>,
    columns: Vec<(String, DataType)>,
    returns: DataType,
    returns_set: bool,
}

impl Ddl<'_> {
    /// CREATE [OR REPLACE] FUNCTION. Errors: 42P13, 42723, 42704 and 0A000 for languages, those of the body.
    pub(super) fn create_function(&self, tree: &ast::Statement) -> Result<String> {
        let ast::Statement::CreateFunction(create) = tree else {
            return Err(SqlError::internal("a function without its statement"));
        };
        let body = body(create)?;
        refuse(create)?;
        let (schema, name) = self.place_of(&object_name(&create.name), Persistence::Permanent)?;
        let shape = self.function_shape(create)?;
        let catalog = self.catalog()?;
        let same = |def: &&Arc<FunctionDef>| {
            def.dialect == SQL_FUNCTIONS
                && def.schema == schema
                && def.name == name
                && def.arguments.len() == shape.arguments.len()
                && def.arguments.iter().zip(&shape.arguments).all(|((_, own), (_, other))| own.oid == other.oid)
        };
        let existing = catalog.functions().find(same).cloned();
        if let Some(def) = &existing {
            self.may_replace(def, create.or_replace, &shape)?;
        }
        let (function, owner, acl, comment): (Oid, Oid, Vec<AclItem>, Option<String>) = match &existing {
            Some(def) => (def.oid, def.owner, def.acl.clone(), def.comment.clone()),
            None => (self.allocate_oid(), self.user(), self.default_acl('f', schema), None),
        };
        let def = FunctionDef {
            oid: function,
            schema,
            name,
            kind: FunctionKind::Function,
            language: "sql".to_owned(),
            dialect: SQL_FUNCTIONS.to_owned(),
            arguments: shape.arguments,
            defaults: shape.defaults,
            columns: shape.columns,
            returns: shape.returns,
            returns_set: shape.returns_set,
            volatility: Some(match create.behavior {
                Some(ast::FunctionBehavior::Immutable) => 'i',
                Some(ast::FunctionBehavior::Stable) => 's',
                _ => 'v',
            }),
            strict: matches!(
                create.called_on_null,
                Some(ast::FunctionCalledOnNull::Strict | ast::FunctionCalledOnNull::ReturnsNullOnNullInput)
            ),
            body,
            options: Vec::new(),
            version: None,
            default_version: false,
            owner,
            acl,
            comment,
        };
        // It may call itself, so it is there before its body is looked at.
        self.put(Entry::Function(Arc::new(def)))?;
        if self.backend.settings.borrow().is_on("check_function_bodies") {
            crate::exec::routine::check(self.backend, function)?;
        }
        Ok("CREATE FUNCTION".to_owned())
    }

    fn may_replace(&self, def: &FunctionDef, replace: bool, shape: &Shape) -> Result<()> {
        if !replace {
            return Err(SqlError::new(
                SqlState::DUPLICATE_FUNCTION,
                format!("function \"{}\" already exists with same argument types", def.name),
            ));
        }
        self.must_own(def.owner, "function", &def.name)?;
        let hint = || format!("Use DROP FUNCTION {} first.", signature(def));
        let same_columns = def.columns.iter().map(|(_, ty)| ty.oid).eq(shape.columns.iter().map(|(_, ty)| ty.oid));
        if def.returns.oid != shape.returns.oid || def.returns_set != shape.returns_set || !same_columns {
            return Err(invalid("cannot change return type of existing function").hint(hint()));
        }
        for ((own, _), (other, _)) in def.arguments.iter().zip(&shape.arguments) {
            if !own.is_empty() && own != other {
                return Err(invalid(format!("cannot change name of input parameter \"{own}\"")).hint(hint()));
            }
        }
        if def.defaults.len() > shape.defaults.len() {
            return Err(invalid("cannot remove parameter defaults from existing function").hint(hint()));
        }
        Ok(())
    }

    fn function_shape(&self, create: &ast::CreateFunction) -> Result<Shape> {
        let (mut arguments, mut defaults, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        for arg in create.args.iter().flatten() {
            let name = arg.name.as_ref().map(fold).unwrap_or_default();
            let ty = self.function_type(&arg.data_type)?;
            let taken = matches!(arg.mode, None | Some(ast::ArgMode::In | ast::ArgMode::InOut));
            if arg.mode == Some(ast::ArgMode::Variadic) {
                return Err(SqlError::unsupported("a VARIADIC parameter of a function in SQL"));
            }
            if taken {
                let known = |other: &(String, DataType)| !name.is_empty() && other.0 == name;
                if arguments.iter().any(known) {
                    return Err(invalid(format!("parameter name \"{name}\" used more than once")));
                }
                match &arg.default_expr {
                    Some(default) => {
                        let text = default.to_string();
                        self.bind(|context| crate::plan::bind_default(context, &text, &name, ty))?;
                        defaults.push(text);
                    }
                    None if !defaults.is_empty() => {
                        return Err(invalid("input parameters after one with a default value must also have defaults"));
                    }
                    None => {}
                }
                arguments.push((name.clone(), ty));
            }
            if matches!(arg.mode, Some(ast::ArgMode::Out | ast::ArgMode::InOut)) {
                let at = columns.len() + 1;
                columns.push((if name.is_empty() { format!("column{at}") } else { name }, ty));
            }
        }
        let (mut returns_set, mut declared) = (false, None);
        match &create.return_type {
            Some(ast::FunctionReturnType::DataType(ast::DataType::Table(list))) => {
                returns_set = true;
                for column in list.iter().flatten() {
                    columns.push((fold(&column.name), self.function_type(&column.data_type)?));
                }
            }
            Some(ast::FunctionReturnType::DataType(ty)) => declared = Some(self.result_type(ty)?),
            Some(ast::FunctionReturnType::SetOf(ty)) => {
                (returns_set, declared) = (true, Some(self.result_type(ty)?));
            }
            None if columns.is_empty() => return Err(invalid("function result type must be specified")),
            None => {}
        }
        let made = match columns.as_slice() {
            [] => None,
            [(_, ty)] => Some(*ty),
            _ => Some(DataType::RECORD),
        };
        let returns = match (made, declared) {
            (Some(made), Some(declared)) if made.oid != declared.oid => {
                let shown = shown_type(made);
                return Err(invalid(format!("function result type must be {shown} because of OUT parameters")));
            }
            (Some(ty), _) | (None, Some(ty)) => ty,
            (None, None) => return Err(invalid("function result type must be specified")),
        };
        if returns.oid == oid::RECORD && columns.is_empty() {
            return Err(SqlError::unsupported("RETURNS record without OUT parameters"));
        }
        Ok(Shape { arguments, defaults, columns, returns, returns_set })
    }

    /// A type of an argument or column, without its modifier, as PostgreSQL drops it.
    fn function_type(&self, ty: &ast::DataType) -> Result<DataType> {
        let found = DataType::new(self.usable_type(ty)?.oid);
        if is_polymorphic(found.oid) {
            return Err(SqlError::unsupported("a polymorphic function in SQL"));
        }
        if matches!(found.oid, oid::VOID | oid::RECORD | oid::UNKNOWN) {
            return Err(invalid(format!("SQL functions cannot have arguments of type {}", shown_type(found))));
        }
        Ok(found)
    }

    fn result_type(&self, ty: &ast::DataType) -> Result<DataType> {
        let word = ty.to_string().to_lowercase();
        match word.as_str() {
            "void" => return Ok(DataType::VOID),
            "record" => return Ok(DataType::RECORD),
            "trigger" | "event_trigger" => {
                return Err(invalid(format!("SQL functions cannot return type {word}")));
            }
            _ => {}
        }
        let found = DataType::new(self.usable_type(ty)?.oid);
        if is_polymorphic(found.oid) {
            return Err(SqlError::unsupported("a polymorphic function in SQL"));
        }
        Ok(found)
    }

    /// The functions that a name and, if there are any, arguments mean. Errors: 3F000.
    fn functions_meant(
        &self,
        name: &ObjectName,
        args: Option<&[ast::OperateFunctionArg]>,
    ) -> Result<Vec<Arc<FunctionDef>>> {
        let types = match args {
            Some(args) => {
                let taken = args.iter().filter(|arg| !matches!(arg.mode, Some(ast::ArgMode::Out)));
                Some(taken.map(|arg| Ok(self.resolve_type(&arg.data_type)?.oid)).collect::<Result<Vec<Oid>>>()?)
            }
            None => None,
        };
        let schemas = match name.parts.as_slice() {
            [.., schema, _] => vec![self.schema_named(schema, name.offset)?],
            _ => self.backend.search_path().to_vec(),
        };
        let catalog = self.catalog()?;
        let mut found: Vec<Arc<FunctionDef>> = Vec::new();
        for schema in schemas {
            let own = catalog
                .functions()
                .filter(|def| def.dialect == SQL_FUNCTIONS && def.schema == schema && def.name == bare(name));
            let fits = own.filter(|def| {
                types.as_ref().is_none_or(|types| def.arguments.iter().map(|(_, ty)| ty.oid).eq(types.iter().copied()))
            });
            found.extend(fits.cloned());
            if !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// The one function that is meant. Errors: 42883, 42725.
    fn function_meant(&self, name: &ObjectName, args: Option<&[ast::OperateFunctionArg]>) -> Result<Arc<FunctionDef>> {
        let found = self.functions_meant(name, args)?;
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, self.missing_function(name, args))),
            _ => Err(SqlError::new(
                SqlState::AMBIGUOUS_FUNCTION,
                format!("function name \"{}\" is not unique", name.parts.join(".")),
            )
            .hint("Specify the argument list to select the function unambiguously.")),
        }
    }

    fn missing_function(&self, name: &ObjectName, args: Option<&[ast::OperateFunctionArg]>) -> String {
        let name = name.parts.join(".");
        let Some(args) = args else { return format!("could not find a function named \"{name}\"") };
        let shown = |arg: &ast::OperateFunctionArg| match self.resolve_type(&arg.data_type) {
            Ok(ty) => shown_type(DataType::new(ty.oid)),
            Err(_) => arg.data_type.to_string(),
        };
        format!("function {name}({}) does not exist", args.iter().map(shown).collect::<Vec<_>>().join(", "))
    }

    /// DROP FUNCTION. Errors: 42883, 42725, 2BP01.
    pub(super) fn drop_functions(&self, drop: &ast::DropFunction) -> Result<String> {
        let cascade = matches!(drop.drop_behavior, Some(ast::DropBehavior::Cascade));
        for desc in &drop.func_desc {
            let (name, args) = (object_name(&desc.name), desc.args.as_deref());
            let missing = match (self.functions_meant(&name, args), args) {
                (Ok(found), _) if !found.is_empty() => None,
                (Ok(_), Some(_)) => Some(self.missing_function(&name, args)),
                (Ok(_), None) => Some(format!("function {}() does not exist", name.parts.join("."))),
                // Its schema is gone, or a type of its arguments.
                (Err(error), _)
                    if [SqlState::INVALID_SCHEMA_NAME, SqlState::UNDEFINED_OBJECT].contains(&error.state()) =>
                {
                    Some(error.message().to_owned())
                }
                (Err(error), _) => return Err(error),
            };
            if let (true, Some(text)) = (drop.if_exists, missing) {
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{text}, skipping"));
                continue;
            }
            let def = self.function_meant(&name, args)?;
            self.must_own(def.owner, "function", &def.name)?;
            self.settle_callers(&def, cascade)?;
            self.remove(EntryKey::Function(def.oid))?;
        }
        Ok("DROP FUNCTION".to_owned())
    }

    /// What calls a function, as far as texts tell, and the domains whose conditions do.
    pub(super) fn callers(&self, def: &FunctionDef) -> Result<(Vec<Dependent>, Vec<String>)> {
        let catalog = self.catalog()?;
        let other = |one: &&Arc<FunctionDef>| one.name == def.name && one.oid != def.oid;
        if catalog.functions().any(|one| other(&one)) {
            // Which of several of the name a text means is not known.
            return Ok((Vec::new(), Vec::new()));
        }
        let names = |text: &str| calls(text, &def.name);
        let mut found: Vec<(Oid, Dependent)> = Vec::new();
        for table in catalog.tables() {
            let mut add = |dependent| found.push((table.id.0, dependent));
            if let crate::catalog::TableShape::Materialized { query, .. } = &table.shape
                && names(query)
            {
                add(Dependent::View(table.id.0));
            }
            for (place, column) in table.live_columns() {
                if column.default.as_deref().is_some_and(names) {
                    add(Dependent::Default(table.id, place));
                }
                if column.generated.as_ref().is_some_and(|generated| names(&generated.expr)) {
                    add(Dependent::Column(table.id, place));
                }
            }
            for constraint in &table.constraints {
                if matches!(&constraint.kind, ConstraintKind::Check { expr, .. } if names(expr)) {
                    add(Dependent::ForeignKey(table.id, constraint.name.clone()));
                }
            }
        }
        let views = catalog.views().filter(|view| names(&view.query));
        found.extend(views.map(|view| (view.oid, Dependent::View(view.oid))));
        found.sort_by_key(|(oid, _)| *oid);
        let domain = |ty: &&Arc<TypeDef>| matches!(&ty.kind, TypeKind::Domain(domain) if domain.checks.iter().any(|check| names(&check.expr)));
        let held = catalog.types().filter(domain).map(|ty| format!("type {}", ty.name)).collect();
        Ok((found.into_iter().map(|(_, dependent)| dependent).collect(), held))
    }

    /// All that calls a function goes with CASCADE but a domain's condition, which keeps the function.
    pub(super) fn settle_callers(&self, def: &FunctionDef, cascade: bool) -> Result<()> {
        let (found, held) = self.callers(def)?;
        let what = format!("function {}", signature(def));
        if !held.is_empty() {
            let lines: Vec<String> = held.iter().map(|one| format!("{one} depends on {what}")).collect();
            return Err(SqlError::new(
                SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                format!("cannot drop {what} because other objects depend on it"),
            )
            .detail(lines.join("\n"))
            .hint("Drop the dependent objects first."));
        }
        self.settle(&what, &found, cascade)
    }

    /// A function by the name that ALTER and COMMENT give: with its arguments as written as the last part.
    pub(super) fn function_named(&self, name: &ObjectName) -> Result<Arc<FunctionDef>> {
        let (last, front) = name.parts.split_last().ok_or_else(|| SqlError::internal("a function without a name"))?;
        let mut plain = ObjectName { parts: front.to_vec(), offset: name.offset };
        if !last.starts_with('(') {
            plain.parts.push(last.clone());
            return self.function_meant(&plain, None);
        }
        let options = ParseOptions { dialect: DialectSetting::Postgres };
        let parsed = crate::parse::parse_one(&format!("DROP FUNCTION f{last}"), &options)?;
        let Statement::Ddl(tree) = &*parsed.statement else { return Err(SqlError::syntax("syntax error at \"(\"")) };
        let ast::Statement::DropFunction(drop) = &**tree else {
            return Err(SqlError::syntax("syntax error at \"(\""));
        };
        self.function_meant(&plain, drop.func_desc.first().and_then(|desc| desc.args.as_deref()))
    }

    /// ALTER FUNCTION … RENAME, OWNER, SET SCHEMA. Errors: 42883, 42723, 42501.
    pub(super) fn alter_function(&self, name: &ObjectName, action: &crate::parse::AlterObjectAction) -> Result<()> {
        use crate::parse::AlterObjectAction as Action;
        let def = self.function_named(name)?;
        self.must_own(def.owner, "function", &def.name)?;
        let mut changed = (*def).clone();
        match action {
            Action::Rename(to) => changed.name.clone_from(to),
            Action::Owner(role) => return self.change_owner(Entry::Function(def), role),
            Action::Schema(schema) => changed.schema = self.schema_named(schema, name.offset)?,
            _ => return Err(SqlError::unsupported("this form of ALTER FUNCTION")),
        }
        let catalog = self.catalog()?;
        let taken = |other: &&Arc<FunctionDef>| {
            other.oid != changed.oid
                && other.dialect == SQL_FUNCTIONS
                && (other.schema, other.name.as_str()) == (changed.schema, changed.name.as_str())
                && other.arguments.iter().map(|(_, ty)| ty.oid).eq(changed.arguments.iter().map(|(_, ty)| ty.oid))
        };
        if catalog.functions().any(|other| taken(&other)) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_FUNCTION,
                format!("function {} already exists in schema \"{}\"", signature(&changed).replace(',', ", "), {
                    crate::system::schema_name(&catalog, changed.schema)
                }),
            ));
        }
        self.put(Entry::Function(Arc::new(changed)))
    }

    /// COMMENT ON FUNCTION. Errors: 42883, 42501.
    pub(super) fn comment_function(&self, name: &ObjectName, text: Option<String>) -> Result<()> {
        let def = self.function_named(name)?;
        self.must_own(def.owner, "function", &def.name)?;
        let mut changed = (*def).clone();
        changed.comment = text;
        self.put(Entry::Function(Arc::new(changed)))
    }
}

fn is_polymorphic(ty: Oid) -> bool {
    matches!(ty, oid::ANY | oid::ANYELEMENT | oid::ANYARRAY | oid::ANYENUM | oid::ANYCOMPATIBLE | oid::ANYRANGE)
}

/// Whether a text has a call of something of this name.
fn calls(text: &str, name: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let after = text[at + name.len()..].trim_start_matches('"').trim_start();
        !text[..at].ends_with(word) && after.starts_with('(')
    })
}

/// The text of the body. Errors: 42P13 without one, 42704 and 0A000 for its language.
fn body(create: &ast::CreateFunction) -> Result<String> {
    let text = |expr: &ast::Expr| match expr {
        ast::Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    };
    let language = create.language.as_ref().map(fold);
    let body = match &create.function_body {
        Some(ast::CreateFunctionBody::AsBeforeOptions { body, link_symbol: None }) => text(body),
        Some(ast::CreateFunctionBody::AsAfterOptions(body)) => text(body),
        Some(ast::CreateFunctionBody::Return(expr)) => Some(format!("SELECT {expr}")),
        Some(_) => return Err(SqlError::unsupported("a body of this form")),
        None => None,
    };
    let returned = matches!(create.function_body, Some(ast::CreateFunctionBody::Return(_)));
    match language.as_deref() {
        Some("sql") => {}
        None if returned => {}
        None => return Err(invalid("no language specified")),
        Some(other @ ("plpgsql" | "c" | "internal")) => {
            return Err(SqlError::unsupported(format!("CREATE FUNCTION in language {other}")));
        }
        Some(other) => {
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, format!("language \"{other}\" does not exist")));
        }
    }
    body.ok_or_else(|| invalid("no function body specified"))
}

/// What is not there yet. Errors: 0A000.
fn refuse(create: &ast::CreateFunction) -> Result<()> {
    let what = if matches!(create.security, Some(ast::FunctionSecurity::Definer)) {
        "SECURITY DEFINER"
    } else if !create.set_params.is_empty() {
        "SET of a function"
    } else if create.temporary {
        "a temporary function"
    } else {
        return Ok(());
    };
    Err(SqlError::unsupported(what))
}
