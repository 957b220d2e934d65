//! Functions of SQL whose code is a Comdb2 procedure's (CDB-111). The definition holds a name and a result type; the source is
//! that of the procedure's default version at each call.

use std::sync::Arc;

use sqlparser::ast;

use super::Ddl;
use crate::catalog::{Entry, EntryKey, FunctionDef, FunctionKind, PUBLIC};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{functions_named, is_aggregate};
use crate::plan::LUA_FUNCTIONS;
use crate::types::DataType;

impl Ddl<'_> {
    fn lua_function(&self, name: &str) -> Result<Option<Arc<FunctionDef>>> {
        let catalog = self.catalog()?;
        Ok(catalog.functions().find(|def| def.dialect == LUA_FUNCTIONS && def.name == name).cloned())
    }

    /// CREATE LUA SCALAR | AGGREGATE FUNCTION.
    /// Errors: 42602, 42622 a bad name, 42883 no such procedure, 42723 a function of that name exists.
    pub(super) fn create_lua_function(
        &self,
        name: &str,
        aggregate: bool,
        deterministic: bool,
        returns: Option<&ast::DataType>,
    ) -> Result<String> {
        // The name is one of the chunk's local functions too.
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        if !name.starts_with(letter) || !name.chars().all(|c| letter(c) || c.is_ascii_digit()) {
            return Err(SqlError::new(SqlState::INVALID_NAME, format!("illegal function name: {name}")));
        }
        let catalog = self.catalog()?;
        if !catalog.functions().any(|def| def.dialect == "comdb2" && def.default_version && def.name == name) {
            return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no such procedure: {name}")));
        }
        if self.lua_function(name)?.is_some() || functions_named(name).next().is_some() || is_aggregate(name) {
            return Err(SqlError::new(SqlState::DUPLICATE_FUNCTION, format!("function:{name} already exists")));
        }
        let returns = match returns {
            Some(ty) => self.resolve_type(ty)?,
            None => DataType::UNKNOWN,
        };
        let def = FunctionDef {
            oid: self.allocate_oid(),
            schema: PUBLIC,
            name: name.to_owned(),
            kind: if aggregate { FunctionKind::Aggregate } else { FunctionKind::Function },
            language: "lua".to_owned(),
            dialect: LUA_FUNCTIONS.to_owned(),
            arguments: Vec::new(),
            defaults: Vec::new(),
            columns: Vec::new(),
            returns,
            returns_set: false,
            volatility: Some(if deterministic { 's' } else { 'v' }),
            strict: false,
            body: String::new(),
            options: Vec::new(),
            version: None,
            default_version: false,
            owner: self.user(),
            acl: Vec::new(),
            comment: None,
        };
        self.put(Entry::Function(Arc::new(def)))?;
        Ok("CREATE LUA FUNCTION".to_owned())
    }

    /// DROP LUA SCALAR | AGGREGATE FUNCTION; the procedure stays. Errors: 42883, 42501.
    pub(super) fn drop_lua_function(&self, name: &str, aggregate: bool, if_exists: bool) -> Result<String> {
        let kind = if aggregate { FunctionKind::Aggregate } else { FunctionKind::Function };
        match self.lua_function(name)?.filter(|def| def.kind == kind) {
            Some(def) => {
                self.must_own(def.owner, "function", name)?;
                self.remove(EntryKey::Function(def.oid))?;
            }
            None if if_exists => {
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("no such function: {name}, skipping"));
            }
            None => return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("no such function: {name}"))),
        }
        Ok("DROP LUA FUNCTION".to_owned())
    }
}
