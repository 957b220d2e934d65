//! CREATE, ALTER SEQUENCE (PG-162).

use std::sync::Arc;

use sqlparser::ast;

use super::{Ddl, bare, missing_relation};
use crate::catalog::{Entry, Persistence, Relation, SequenceDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{AlterObjectAction, AlterSequenceAction, ObjectName, SequenceOption};
use crate::types::{Oid, oid};

/// Largest value of an integer type.
pub(super) fn type_max(ty: Oid) -> i64 {
    match ty {
        oid::INT2 => i64::from(i16::MAX),
        oid::INT4 => i64::from(i32::MAX),
        _ => i64::MAX,
    }
}

fn type_min(ty: Oid) -> i64 {
    match ty {
        oid::INT2 => i64::from(i16::MIN),
        oid::INT4 => i64::from(i32::MIN),
        _ => i64::MIN,
    }
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// Applies options in neutral form; gives the value to restart at, if one was asked for.
pub(super) fn apply_options(def: &mut SequenceDef, options: &[SequenceOption], fresh: bool) -> Result<Option<i64>> {
    let mut restart = None;
    let (mut start, mut min, mut max) = (None, None, None);
    for option in options {
        match option {
            SequenceOption::DataType(ty) => {
                let (old_min, old_max) = (type_min(def.data_type), type_max(def.data_type));
                if def.max == old_max {
                    def.max = type_max(*ty);
                }
                if def.min == old_min {
                    def.min = type_min(*ty);
                }
                def.data_type = *ty;
            }
            SequenceOption::Start(value) => start = Some(*value),
            SequenceOption::Restart(value) => restart = Some(value.unwrap_or(i64::MIN)),
            SequenceOption::Increment(0) => return Err(invalid("INCREMENT must not be zero")),
            SequenceOption::Increment(value) => def.increment = *value,
            SequenceOption::Min(value) => min = Some(*value),
            SequenceOption::Max(value) => max = Some(*value),
            SequenceOption::Cache(value) if *value < 1 => {
                return Err(invalid(format!("CACHE ({value}) must be greater than zero")));
            }
            SequenceOption::Cache(value) => def.cache = *value,
            SequenceOption::Cycle(value) => def.cycle = *value,
            SequenceOption::OwnedBy(_) => {}
        }
    }
    let up = def.increment > 0;
    if fresh || max.is_some() {
        def.max = max.flatten().unwrap_or(if up { type_max(def.data_type) } else { -1 });
    }
    if fresh || min.is_some() {
        def.min = min.flatten().unwrap_or(if up { 1 } else { type_min(def.data_type) });
    }
    if fresh {
        def.start = if up { def.min } else { def.max };
    }
    if let Some(value) = start {
        def.start = value;
    }
    check_bounds(def)?;
    let restart = restart.map(|value| if value == i64::MIN { def.start } else { value });
    if let Some(value) = restart {
        if value < def.min || value > def.max {
            let (edge, word) =
                if value < def.min { (def.min, "less than MINVALUE") } else { (def.max, "greater than MAXVALUE") };
            return Err(invalid(format!("RESTART value ({value}) cannot be {word} ({edge})")));
        }
    }
    Ok(restart)
}

fn check_bounds(def: &SequenceDef) -> Result<()> {
    let type_name = crate::types::format_type(crate::types::DataType::new(def.data_type));
    if def.max > type_max(def.data_type) {
        return Err(invalid(format!("MAXVALUE ({}) is out of range for sequence data type {type_name}", def.max)));
    }
    if def.min < type_min(def.data_type) {
        return Err(invalid(format!("MINVALUE ({}) is out of range for sequence data type {type_name}", def.min)));
    }
    if def.min >= def.max {
        return Err(invalid(format!("MINVALUE ({}) must be less than MAXVALUE ({})", def.min, def.max)));
    }
    if def.start < def.min {
        return Err(invalid(format!("START value ({}) cannot be less than MINVALUE ({})", def.start, def.min)));
    }
    if def.start > def.max {
        return Err(invalid(format!("START value ({}) cannot be greater than MAXVALUE ({})", def.start, def.max)));
    }
    Ok(())
}

/// Applies the options of an identity column as the library's tree has them.
pub(super) fn apply_tree_options(def: &mut SequenceDef, options: &[ast::SequenceOptions]) -> Result<()> {
    let mut neutral = Vec::new();
    for option in options {
        neutral.push(match option {
            ast::SequenceOptions::IncrementBy(expr, _) => SequenceOption::Increment(number(expr)?),
            ast::SequenceOptions::MinValue(expr) => SequenceOption::Min(expr.as_ref().map(number).transpose()?),
            ast::SequenceOptions::MaxValue(expr) => SequenceOption::Max(expr.as_ref().map(number).transpose()?),
            ast::SequenceOptions::StartWith(expr, _) => SequenceOption::Start(number(expr)?),
            ast::SequenceOptions::Cache(expr) => SequenceOption::Cache(number(expr)?),
            // The library reads CYCLE as "no" = false.
            ast::SequenceOptions::Cycle(no) => SequenceOption::Cycle(!no),
        });
    }
    apply_options(def, &neutral, true).map(|_| ())
}

fn number(expr: &ast::Expr) -> Result<i64> {
    expr.to_string()
        .replace(' ', "")
        .parse()
        .map_err(|_| SqlError::syntax(format!("syntax error at or near \"{expr}\"")))
}

impl Ddl<'_> {
    pub(super) fn create_sequence(
        &self,
        name: &ObjectName,
        if_not_exists: bool,
        temporary: bool,
        options: &[SequenceOption],
    ) -> Result<String> {
        let persistence = if temporary { Persistence::Temporary } else { Persistence::Permanent };
        let (schema, own_name) = self.place_of(name, persistence)?;
        if self.name_taken(schema, &own_name) {
            if if_not_exists {
                let text = format!("relation \"{own_name}\" already exists, skipping");
                self.notice(SqlState::DUPLICATE_TABLE, text);
                return Ok("CREATE SEQUENCE".to_owned());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, format!("relation \"{own_name}\" already exists")));
        }
        let data_type = options.iter().find_map(|option| match option {
            SequenceOption::DataType(ty) => Some(*ty),
            _ => None,
        });
        let mut def = SequenceDef {
            oid: self.allocate_oid(),
            schema,
            name: own_name,
            owner: self.user(),
            data_type: data_type.unwrap_or(oid::INT8),
            start: 1,
            increment: 1,
            min: 1,
            max: i64::MAX,
            cache: 1,
            cycle: false,
            owned_by: None,
            identity: false,
            persistence,
            acl: self.default_acl('S', schema),
            comment: None,
        };
        apply_options(&mut def, options, true)?;
        self.apply_owner(&mut def, options)?;
        self.put(Entry::Sequence(Arc::new(def)))?;
        Ok("CREATE SEQUENCE".to_owned())
    }

    fn apply_owner(&self, def: &mut SequenceDef, options: &[SequenceOption]) -> Result<()> {
        for option in options {
            let SequenceOption::OwnedBy(owner) = option else { continue };
            def.owned_by = match owner {
                None => None,
                Some((table, column)) => {
                    let table = self.table(table)?;
                    let place = table.column_index(column).ok_or_else(|| super::missing_column(&table, column))?;
                    Some((table.id, place))
                }
            };
        }
        Ok(())
    }

    pub(super) fn alter_sequence(
        &self,
        name: &ObjectName,
        if_exists: bool,
        action: &AlterSequenceAction,
    ) -> Result<String> {
        let def = match self.find_relation(name)? {
            Some(Relation::Sequence(def)) => def,
            None if if_exists => {
                self.notice(
                    SqlState::SUCCESSFUL_COMPLETION,
                    format!("relation \"{}\" does not exist, skipping", bare(name)),
                );
                return Ok("ALTER SEQUENCE".to_owned());
            }
            None => return Err(missing_relation(name)),
            Some(_) => {
                return Err(SqlError::new(
                    SqlState::WRONG_OBJECT_TYPE,
                    format!("\"{}\" is not a sequence", bare(name)),
                ));
            }
        };
        self.must_own(def.owner, "sequence", &def.name)?;
        match action {
            AlterSequenceAction::Options(options) => {
                self.change_sequence(&def, options)?;
                Ok("ALTER SEQUENCE".to_owned())
            }
            AlterSequenceAction::Object(action) => self.follow(|| self.alter_relation(name, action, "ALTER SEQUENCE")),
        }
    }

    /// Gives a sequence other options; RESTART takes effect at once.
    pub(super) fn change_sequence(&self, def: &SequenceDef, options: &[SequenceOption]) -> Result<()> {
        let mut changed = def.clone();
        let restart = apply_options(&mut changed, options, false)?;
        self.apply_owner(&mut changed, options)?;
        self.put(Entry::Sequence(Arc::new(changed.clone())))?;
        if let Some(value) = restart {
            self.backend.shared.store.set_value(def.oid, &changed, value, false)?;
        }
        Ok(())
    }

    /// ALTER … RENAME TO, OWNER TO, SET SCHEMA of any relation.
    pub(super) fn alter_relation(&self, name: &ObjectName, action: &AlterObjectAction, tag: &str) -> Result<String> {
        match action {
            AlterObjectAction::Rename(to) => self.rename_relation(name, to, tag),
            AlterObjectAction::Owner(role) => {
                let entry = match self.relation(name)? {
                    Relation::Table(def) => Entry::Table(def),
                    Relation::View(def) => Entry::View(def),
                    Relation::Sequence(def) => {
                        let table = def.owned_by.and_then(|(table, _)| self.catalog().ok()?.table(table).cloned());
                        if let Some(table) = table.filter(|_| self.role(role).is_ok_and(|to| to.oid != def.owner)) {
                            let text = format!("cannot change owner of sequence \"{}\"", def.name);
                            return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text)
                                .detail(format!("Sequence \"{}\" is linked to table \"{}\".", def.name, table.name)));
                        }
                        Entry::Sequence(def)
                    }
                    Relation::Index(def, place) => {
                        let name = &def.indexes[place].name;
                        let text = format!("cannot change owner of index \"{name}\"");
                        self.backend.notice(
                            SqlError::notice(crate::error::Severity::Warning, SqlState::WRONG_OBJECT_TYPE, text)
                                .hint("Change the ownership of the index's table, instead."),
                        );
                        return Ok(tag.to_owned());
                    }
                };
                self.change_owner(entry, role)?;
                Ok(tag.to_owned())
            }
            AlterObjectAction::Schema(to) => {
                let schema = self.schema_named(to, name.offset)?;
                match self.relation(name)? {
                    Relation::Table(def) => self.move_table(&def, schema)?,
                    Relation::View(def) => {
                        let mut changed = (*def).clone();
                        changed.schema = schema;
                        self.free_name(schema, &def.name)?;
                        self.put(Entry::View(Arc::new(changed)))?;
                    }
                    Relation::Sequence(def) => {
                        let mut changed = (*def).clone();
                        changed.schema = schema;
                        self.free_name(schema, &def.name)?;
                        self.put(Entry::Sequence(Arc::new(changed)))?;
                    }
                    Relation::Index(..) => return Err(SqlError::unsupported("ALTER INDEX SET SCHEMA")),
                }
                Ok(tag.to_owned())
            }
            AlterObjectAction::SetOptions(options) => {
                match self.relation(name)? {
                    Relation::View(def) => self.alter_view_options(&def, options)?,
                    _ => {
                        let options = options.iter().map(|(name, value)| (name.to_lowercase(), Some(value.clone())));
                        self.alter_storage(name, &options.collect::<Vec<_>>())?;
                    }
                }
                Ok(tag.to_owned())
            }
            AlterObjectAction::ColumnDefault(column, default) => {
                match self.relation(name)? {
                    Relation::View(def) => self.alter_view_default(&def, column, default.as_deref())?,
                    _ => {
                        let text = format!("\"{}\" is not a view", super::bare(name));
                        return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, text));
                    }
                }
                Ok(tag.to_owned())
            }
            AlterObjectAction::ResetOptions(names) => {
                match self.relation(name)? {
                    Relation::View(def) => self.reset_view_options(&def, names)?,
                    _ => {
                        let options: Vec<_> = names.iter().map(|name| (name.to_lowercase(), None)).collect();
                        self.alter_storage(name, &options)?;
                    }
                }
                Ok(tag.to_owned())
            }
            AlterObjectAction::Attributes(_) => Err(SqlError::unsupported(format!("this form of {tag}"))),
            AlterObjectAction::RenameColumn(..) => Err(SqlError::unsupported(format!("{tag} RENAME COLUMN"))),
            AlterObjectAction::Constraint(..) => Err(SqlError::unsupported(format!("{tag} ALTER CONSTRAINT"))),
        }
    }

    pub(super) fn free_name(&self, schema: Oid, name: &str) -> Result<()> {
        if self.name_taken(schema, name) {
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, format!("relation \"{name}\" already exists")));
        }
        Ok(())
    }

    /// Moves a table with the sequences that its columns own.
    fn move_table(&self, def: &crate::catalog::TableDef, schema: Oid) -> Result<()> {
        self.free_name(schema, &def.name)?;
        let catalog = self.catalog()?;
        let owned: Vec<_> = catalog
            .sequences()
            .filter(|sequence| sequence.owned_by.is_some_and(|(table, _)| table == def.id))
            .cloned()
            .collect();
        for sequence in owned {
            let mut changed = (*sequence).clone();
            changed.schema = schema;
            self.put(Entry::Sequence(Arc::new(changed)))?;
        }
        let mut changed = def.clone();
        changed.schema = schema;
        self.put_table(changed).map(|_| ())
    }

    /// Renames a relation of any kind.
    pub(super) fn rename_relation(&self, name: &ObjectName, to: &str, tag: &str) -> Result<String> {
        let found = match self.find_relation(name)? {
            Some(found) => found,
            None => Relation::Table(self.table(name)?),
        };
        match found {
            Relation::Table(def) => {
                self.must_own(def.owner, "table", &def.name)?;
                self.free_name(def.schema, to)?;
                self.lock(&def)?;
                let mut changed = (*def).clone();
                super::follow::forget_own_name(&mut changed)?;
                to.clone_into(&mut changed.name);
                self.put_table(changed)?;
            }
            Relation::View(def) => {
                self.must_own(def.owner, "view", &def.name)?;
                self.free_name(def.schema, to)?;
                let mut changed = (*def).clone();
                to.clone_into(&mut changed.name);
                self.put(Entry::View(Arc::new(changed)))?;
            }
            Relation::Sequence(def) => {
                self.must_own(def.owner, "sequence", &def.name)?;
                self.free_name(def.schema, to)?;
                let mut changed = (*def).clone();
                to.clone_into(&mut changed.name);
                self.put(Entry::Sequence(Arc::new(changed)))?;
            }
            Relation::Index(table, place) => {
                self.must_own(table.owner, "index", &table.indexes[place].name)?;
                self.free_name(table.schema, to)?;
                let mut changed = (*table).clone();
                let index = changed.indexes[place].oid;
                to.clone_into(&mut changed.indexes[place].name);
                for constraint in &mut changed.constraints {
                    use crate::catalog::ConstraintKind::{PrimaryKey, Unique};
                    if matches!(constraint.kind, PrimaryKey { index: own } | Unique { index: own } if own == index) {
                        to.clone_into(&mut constraint.name);
                    }
                }
                self.put_table(changed)?;
            }
        }
        Ok(tag.to_owned())
    }
}
