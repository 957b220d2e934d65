//! COMMENT ON.

use std::sync::Arc;

use super::{Ddl, bare, find_column, missing_column};
use crate::catalog::{Entry, Relation};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::ObjectName;

impl Ddl<'_> {
    pub(super) fn comment(
        &self,
        kind: &str,
        name: &ObjectName,
        column: Option<&str>,
        on: Option<&ObjectName>,
        text: Option<String>,
    ) -> Result<String> {
        let text = text.filter(|text| !text.is_empty());
        match kind.to_uppercase().as_str() {
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "SEQUENCE" | "INDEX" => self.comment_relation(name, text)?,
            "COLUMN" => self.comment_column(name, column.unwrap_or_default(), text)?,
            "CONSTRAINT" => {
                let table = self.own_table(on.unwrap_or(name))?;
                let mut changed = (*table).clone();
                let found = changed.constraints.iter_mut().find(|constraint| constraint.name == bare(name));
                found
                    .ok_or_else(|| {
                        SqlError::new(
                            SqlState::UNDEFINED_OBJECT,
                            format!("constraint \"{}\" for table \"{}\" does not exist", bare(name), table.name),
                        )
                    })?
                    .comment = text;
                self.put_table(changed)?;
            }
            "SCHEMA" => {
                let catalog = self.catalog()?;
                let def = catalog.schema_by_name(bare(name)).ok_or_else(|| {
                    SqlError::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{}\" does not exist", bare(name)))
                })?;
                let mut changed = (**def).clone();
                changed.comment = text;
                self.put(Entry::Schema(Arc::new(changed)))?;
            }
            "DATABASE" => {
                let set = self.set();
                let def = set.shared.database_by_name(bare(name)).ok_or_else(|| {
                    SqlError::new(SqlState::INVALID_CATALOG_NAME, format!("database \"{}\" does not exist", bare(name)))
                })?;
                let mut changed = (**def).clone();
                changed.comment = text;
                self.put(Entry::Database(Arc::new(changed)))?;
            }
            "ROLE" => {
                let mut changed = (*self.role(bare(name))?).clone();
                changed.comment = text;
                self.put(Entry::Role(Arc::new(changed)))?;
            }
            "TYPE" | "DOMAIN" => self.comment_type(name, text, kind.eq_ignore_ascii_case("DOMAIN"))?,
            "FUNCTION" | "ROUTINE" => self.comment_function(name, text)?,
            "EXTENSION" => {}
            other => return Err(SqlError::unsupported(format!("COMMENT ON {other}"))),
        }
        Ok("COMMENT".to_owned())
    }

    fn comment_relation(&self, name: &ObjectName, text: Option<String>) -> Result<()> {
        match self.relation(name)? {
            Relation::Table(def) => {
                self.must_own(def.owner, "table", &def.name)?;
                let mut changed = (*def).clone();
                changed.comment = text;
                self.put_table(changed).map(|_| ())
            }
            Relation::View(def) => {
                self.must_own(def.owner, "view", &def.name)?;
                let mut changed = (*def).clone();
                changed.comment = text;
                self.put(Entry::View(Arc::new(changed)))
            }
            Relation::Sequence(def) => {
                self.must_own(def.owner, "sequence", &def.name)?;
                let mut changed = (*def).clone();
                changed.comment = text;
                self.put(Entry::Sequence(Arc::new(changed)))
            }
            Relation::Index(table, place) => {
                self.must_own(table.owner, "index", &table.indexes[place].name)?;
                let mut changed = (*table).clone();
                changed.indexes[place].comment = text;
                self.put_table(changed).map(|_| ())
            }
        }
    }

    fn comment_column(&self, relation: &ObjectName, column: &str, text: Option<String>) -> Result<()> {
        match self.relation(relation)? {
            Relation::Table(def) => {
                self.must_own(def.owner, "table", &def.name)?;
                let place = find_column(&def, column).ok_or_else(|| missing_column(&def, column))?;
                let mut changed = (*def).clone();
                changed.columns[place].comment = text;
                self.put_table(changed).map(|_| ())
            }
            Relation::View(def) => {
                let mut changed = (*def).clone();
                let found = changed.columns.iter_mut().find(|own| own.name == column);
                found
                    .ok_or_else(|| {
                        SqlError::new(
                            SqlState::UNDEFINED_COLUMN,
                            format!("column \"{column}\" of relation \"{}\" does not exist", def.name),
                        )
                    })?
                    .comment = text;
                self.put(Entry::View(Arc::new(changed)))
            }
            _ => Err(SqlError::new(
                SqlState::WRONG_OBJECT_TYPE,
                format!("\"{}\" is not a table, view, or composite type", bare(relation)),
            )),
        }
    }
}
