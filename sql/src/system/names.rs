//! Names of objects as text: regclass, regtype and their kin both ways (PG-82), quoting, visibility.

use std::sync::Arc;

use crate::catalog::{Catalog, CatalogSet, INFORMATION_SCHEMA, PG_CATALOG, Relation, TRIPLINE, TypeKind};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{aggregates, functions, operators, window_functions};
use crate::plan::deparse::{quote_name as quote_identifier, type_text};
use crate::plan::find_function;
use crate::types::{DataType, EnumLabel, ObjectNames, Oid, USER_ARRAY, oid, type_by_name};

use super::schema_name;
use super::type_storage::TYPE_FUNCTIONS;

/// Collations with their OIDs.
const COLLATIONS: [(Oid, &str); 3] = [(100, "default"), (950, "C"), (951, "POSIX")];

/// Object names as one session sees them.
#[derive(Debug)]
pub struct CatalogNames {
    set: Arc<CatalogSet>,
    database: Oid,
    /// Schemas searched, pg_catalog included.
    search_path: Vec<Oid>,
}

impl CatalogNames {
    /// Names in a database under a search path (implicit schemas included).
    #[must_use]
    pub fn new(set: Arc<CatalogSet>, database: Oid, search_path: Vec<Oid>) -> CatalogNames {
        CatalogNames { set, database, search_path }
    }

    fn catalog(&self) -> Option<&Arc<Catalog>> {
        self.set.database(self.database)
    }

    /// The relation of this name in this schema: OID only.
    fn relation_in(&self, schema: Oid, name: &str) -> Option<Oid> {
        if let Some(found) = super::relation(schema, name) {
            return Some(found.oid);
        }
        self.catalog()?.relation(schema, name).map(|relation| relation.oid())
    }

    /// OID of a possibly qualified relation.
    #[must_use]
    pub fn find_relation(&self, parts: &[String]) -> Option<Oid> {
        match parts {
            [name] => self.search_path.iter().find_map(|schema| self.relation_in(*schema, name)),
            [schema, name] | [_, schema, name] => self.relation_in(self.schema(schema)?, name),
            _ => None,
        }
    }

    /// OID of a schema by name.
    #[must_use]
    pub fn schema(&self, name: &str) -> Option<Oid> {
        match name {
            "pg_catalog" => Some(PG_CATALOG),
            "information_schema" => Some(INFORMATION_SCHEMA),
            "tripline" => Some(TRIPLINE),
            other => self.catalog()?.schema_by_name(other).map(|def| def.oid),
        }
    }

    /// Whether a relation is found by its bare name.
    #[must_use]
    pub fn visible(&self, relation: Oid) -> bool {
        self.relation_name(relation).is_some_and(|(_, name)| self.find_relation(&[name]) == Some(relation))
    }

    fn relation_name(&self, relation: Oid) -> Option<(Oid, String)> {
        if let Some(found) = super::relation_by_oid(relation) {
            return Some((found.schema, found.name.to_owned()));
        }
        Some(match self.catalog()?.relation_by_oid(relation)? {
            Relation::Table(def) => (def.schema, def.name.clone()),
            Relation::View(def) => (def.schema, def.name.clone()),
            Relation::Sequence(def) => (def.schema, def.name.clone()),
            Relation::Index(def, place) => (def.schema, def.indexes[place].name.clone()),
        })
    }

    /// A function's name, with its schema where the search path does not find it (regproc: or finds others of the name).
    fn function_name(&self, function: Oid, alone: bool) -> Option<String> {
        let built_in = functions().iter().find(|def| def.oid == function).map(|def| def.name);
        let built_in = built_in.or_else(|| aggregates().iter().find(|def| def.oid == function).map(|def| def.name));
        let built_in =
            built_in.or_else(|| window_functions().iter().find(|def| def.oid == function).map(|def| def.name));
        let built_in = built_in.or_else(|| TYPE_FUNCTIONS.iter().find(|def| def.0 == function).map(|def| def.1));
        if let Some(name) = built_in {
            return Some(name.to_owned());
        }
        let own = self.catalog()?;
        let def = own.function(function)?;
        let quoted = quote_identifier(&def.name);
        let same = |other: &crate::catalog::FunctionDef| {
            other.oid != def.oid && other.name == def.name && self.search_path.contains(&other.schema)
        };
        let visible = self.search_path.contains(&def.schema) && !(alone && own.functions().any(|other| same(other)));
        if visible {
            return Some(quoted);
        }
        Some(format!("{}.{quoted}", quote_identifier(&schema_name(own, def.schema))))
    }

    /// An operator by `name`, or by `name(left,right)` with NONE for a side that it does not have. Errors: 42883, 42725,
    /// 22P02, 54023.
    fn find_operator(&self, ty: Oid, text: &str) -> Result<Oid> {
        let (name, sides) = match text.split_once('(') {
            Some((name, rest)) => (name.trim(), rest.strip_suffix(')')),
            None => (text, None),
        };
        let bare = name.strip_prefix("pg_catalog.").unwrap_or(name);
        let missing = || SqlError::new(SqlState::UNDEFINED_FUNCTION, format!("operator does not exist: {text}"));
        if ty == oid::REGOPER {
            let mut found = operators().iter().filter(|def| def.name == bare);
            return match (found.next(), found.next()) {
                (Some(only), None) => Ok(only.oid),
                (None, _) => Err(missing()),
                _ => {
                    let text = format!("more than one operator named {name}");
                    Err(SqlError::new(SqlState::AMBIGUOUS_FUNCTION, text))
                }
            };
        }
        let Some(sides) = sides else {
            let error = SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, "expected a left parenthesis");
            return Err(error);
        };
        let side = |text: &str| {
            let text = text.trim();
            if text.eq_ignore_ascii_case("none") { Ok(0) } else { self.find(oid::REGTYPE, text) }
        };
        match sides.split(',').collect::<Vec<_>>().as_slice() {
            [left, right] => {
                let (left, right) = (side(left)?, side(right)?);
                let same = |def: &&crate::expr::Operator| (def.name, def.left, def.right) == (bare, left, right);
                operators().iter().find(same).map(|def| def.oid).ok_or_else(missing)
            }
            [_] => Err(SqlError::new(SqlState::UNDEFINED_PARAMETER, "missing argument")
                .hint("Use NONE to denote the missing argument of a unary operator.")),
            _ => Err(SqlError::new(SqlState::new("54023"), "too many arguments")
                .hint("Provide two argument types for operator.")),
        }
    }

    fn function_arguments(&self, function: Oid) -> Vec<Oid> {
        if let Some(def) = functions().iter().find(|def| def.oid == function) {
            return def.args.to_vec();
        }
        if let Some(def) = aggregates().iter().find(|def| def.oid == function) {
            return def.args.to_vec();
        }
        let user = self.catalog().and_then(|own| own.function(function).cloned());
        user.map(|def| def.arguments.iter().map(|(_, ty)| ty.oid).collect()).unwrap_or_default()
    }
}

impl ObjectNames for CatalogNames {
    fn name(&self, ty: Oid, object: Oid) -> Option<String> {
        if object == 0 {
            return Some("-".to_owned());
        }
        match ty {
            oid::REGCLASS => {
                let (schema, name) = self.relation_name(object)?;
                let quoted = quote_identifier(&name);
                if self.visible(object) {
                    return Some(quoted);
                }
                let own = self.catalog()?;
                Some(format!("{}.{quoted}", quote_identifier(&schema_name(own, schema))))
            }
            oid::REGTYPE if object == oid::BIT => Some("bit".to_owned()),
            oid::REGTYPE if object == oid::BPCHAR => Some("character".to_owned()),
            oid::REGTYPE => {
                Some(type_text(self.catalog()?, &self.search_path, DataType::new(object))).filter(|name| name != "???")
            }
            oid::REGPROC => self.function_name(object, true),
            oid::REGPROCEDURE => {
                let arguments = self.function_arguments(object);
                let own = self.catalog()?;
                let shown = |ty: &Oid| type_text(own, &self.search_path, DataType::new(*ty));
                let list: Vec<String> = arguments.iter().map(shown).collect();
                Some(format!("{}({})", self.function_name(object, false)?, list.join(",")))
            }
            oid::REGNAMESPACE => {
                let own = self.catalog()?;
                let name = schema_name(own, object);
                (!name.is_empty()).then(|| quote_identifier(&name))
            }
            oid::REGROLE => self.set.shared.role(object).map(|def| quote_identifier(&def.name)),
            oid::REGCOLLATION => {
                COLLATIONS.iter().find(|(own, _)| *own == object).map(|(_, name)| quote_identifier(name))
            }
            oid::REGOPER | oid::REGOPERATOR => {
                let def = operators().iter().find(|def| def.oid == object)?;
                if ty == oid::REGOPER {
                    let alone = operators().iter().filter(|own| own.name == def.name).count() == 1;
                    return Some(if alone { def.name.to_owned() } else { format!("pg_catalog.{}", def.name) });
                }
                let own = self.catalog()?;
                let side = |ty: Oid| match ty {
                    0 => "NONE".to_owned(),
                    ty => type_text(own, &self.search_path, DataType::new(ty)),
                };
                Some(format!("{}({},{})", def.name, side(def.left), side(def.right)))
            }
            _ => None,
        }
    }

    fn enum_label(&self, ty: Oid, text: &str) -> Result<Arc<EnumLabel>> {
        let def = self.catalog().and_then(|own| own.user_type(ty));
        let Some(TypeKind::Enum(labels)) = def.map(|def| &def.kind) else {
            return Err(SqlError::internal(format!("type {ty} is no enum")));
        };
        labels.label(text).cloned().ok_or_else(|| {
            let name = self.name(oid::REGTYPE, ty).unwrap_or_default();
            SqlError::new(
                SqlState::INVALID_TEXT_REPRESENTATION,
                format!("invalid input value for enum {name}: \"{text}\""),
            )
        })
    }

    fn row_fields(&self, ty: Oid) -> Option<Vec<(Arc<str>, DataType)>> {
        let table = self.catalog()?.table_of_rows(ty)?;
        Some(table.live_columns().map(|(_, column)| (Arc::from(column.name.as_str()), column.ty)).collect())
    }

    fn find(&self, ty: Oid, text: &str) -> Result<Oid> {
        let text = text.trim();
        if text == "-" {
            return Ok(0);
        }
        if let Ok(number) = text.parse::<Oid>() {
            return Ok(number);
        }
        if matches!(ty, oid::REGOPER | oid::REGOPERATOR) {
            return self.find_operator(ty, text);
        }
        let parts = split_name(text)?;
        let last = parts.last().cloned().unwrap_or_default();
        let missing = |state, what: &str| Err(SqlError::new(state, format!("{what} \"{text}\" does not exist")));
        match ty {
            oid::REGCLASS => match self.find_relation(&parts) {
                Some(found) => Ok(found),
                None => missing(SqlState::UNDEFINED_TABLE, "relation"),
            },
            oid::REGTYPE => {
                let (base, is_array) = text.strip_suffix("[]").map_or((text, false), |base| (base, true));
                let bare = base.rsplit('.').next().unwrap_or(base).trim_matches('"').to_lowercase();
                let found = type_by_name(&bare).map(|info| if is_array { info.array } else { info.oid });
                let bare = split_name(base)?;
                let user = || {
                    let own = self.catalog()?;
                    let schemas = match bare.as_slice() {
                        [_] => self.search_path.clone(),
                        [schema, _] | [_, schema, _] => vec![self.schema(schema)?],
                        _ => return None,
                    };
                    let name = bare.last()?;
                    schemas.into_iter().find_map(|schema| {
                        if let Some(def) = own.type_by_name(schema, name) {
                            return Some(if is_array { def.oid | USER_ARRAY } else { def.oid });
                        }
                        match own.relation(schema, name)? {
                            Relation::Table(def) => Some(if is_array { def.array_type } else { def.row_type }),
                            Relation::View(def) if !is_array => Some(def.row_type),
                            _ => None,
                        }
                    })
                };
                match found.or_else(user) {
                    Some(found) => Ok(found),
                    None => missing(SqlState::UNDEFINED_OBJECT, "type"),
                }
            }
            oid::REGPROC | oid::REGPROCEDURE => find_function(
                text,
                ty,
                self.catalog().map(|own| &**own),
                &self.search_path,
                split_name,
                |text| self.find(oid::REGTYPE, text),
                |name| self.schema(name),
                super::type_storage::type_function,
            ),
            oid::REGNAMESPACE => match self.schema(&last) {
                Some(found) => Ok(found),
                None => missing(SqlState::INVALID_SCHEMA_NAME, "schema"),
            },
            oid::REGROLE => match self.set.shared.role_by_name(&last) {
                Some(def) => Ok(def.oid),
                None => missing(SqlState::UNDEFINED_OBJECT, "role"),
            },
            oid::REGCOLLATION => match COLLATIONS.iter().find(|(_, name)| *name == last) {
                Some((found, _)) => Ok(*found),
                None => Err(SqlError::new(
                    SqlState::UNDEFINED_OBJECT,
                    format!("collation \"{last}\" for encoding \"UTF8\" does not exist"),
                )),
            },
            // There is no text search, so none of its objects.
            oid::REGCONFIG => missing(SqlState::UNDEFINED_OBJECT, "text search configuration"),
            oid::REGDICTIONARY => missing(SqlState::UNDEFINED_OBJECT, "text search dictionary"),
            _ => Err(SqlError::unsupported("a name of this type")),
        }
    }
}

/// Splits `a."B c".d` into its parts, folded as identifiers are. Errors: 42602.
fn split_name(text: &str) -> Result<Vec<String>> {
    let invalid = || SqlError::new(SqlState::INVALID_NAME, "invalid name syntax");
    let mut parts = Vec::new();
    let mut chars = text.chars().peekable();
    loop {
        let mut part = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next().ok_or_else(invalid)? {
                    '"' if chars.next_if_eq(&'"').is_some() => part.push('"'),
                    '"' => break,
                    other => part.push(other),
                }
            }
        } else {
            while let Some(c) = chars.next_if(|c| *c != '.') {
                part.extend(c.to_lowercase());
            }
        }
        if part.is_empty() {
            return Err(invalid());
        }
        parts.push(part);
        match chars.next() {
            None => return Ok(parts),
            Some('.') => {}
            Some(_) => return Err(invalid()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-82: names with quotes and schemas.
    #[test]
    fn names_are_split_and_quoted() {
        assert_eq!(split_name("Public.\"T a\"\"b\"").expect("a name"), ["public", "T a\"b"]);
        assert_eq!(split_name("a.").unwrap_err().state(), SqlState::INVALID_NAME);
        assert_eq!(
            (quote_identifier("abc"), quote_identifier("Abc"), quote_identifier("user")),
            ("abc".into(), "\"Abc\"".into(), "\"user\"".into())
        );
    }
}
