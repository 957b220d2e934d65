//! ALTER TABLE: several actions in one statement, each on what the one before left.

use std::sync::Arc;

use sqlparser::ast;

use super::dependency::Dependent;
use super::{Ddl, bare, find_column, missing_column};
use crate::catalog::{ConstraintKind, Entry, EntryKey, IndexDef, Relation, TableDef, ViewDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{ColumnAction, ObjectName, fold, object_name};
use crate::types::encode_row;

impl Ddl<'_> {
    pub(super) fn alter_table(&self, alter: &ast::AlterTable) -> Result<String> {
        let name = object_name(&alter.name);
        if alter.if_exists && self.find_relation(&name)?.is_none() {
            self.notice(
                SqlState::SUCCESSFUL_COMPLETION,
                format!("relation \"{}\" does not exist, skipping", bare(&name)),
            );
            return Ok("ALTER TABLE".to_owned());
        }
        if let [ast::AlterTableOperation::RenameTable { table_name }] = alter.operations.as_slice() {
            let (ast::RenameTableNameKind::As(to) | ast::RenameTableNameKind::To(to)) = table_name;
            return self.follow(|| self.rename_relation(&name, &super::last(to), "ALTER TABLE"));
        }
        if let [ast::AlterTableOperation::OwnerTo { new_owner }] = alter.operations.as_slice() {
            let action = crate::parse::AlterObjectAction::Owner(owner_name(new_owner));
            return self.alter_relation(&name, &action, "ALTER TABLE");
        }
        if let (
            [ast::AlterTableOperation::RenameColumn { old_column_name, new_column_name }],
            Some(Relation::View(view)),
        ) = (alter.operations.as_slice(), self.find_relation(&name)?)
        {
            self.follow(|| self.rename_view_column(&view, &fold(old_column_name), &fold(new_column_name)))?;
            return Ok("ALTER TABLE".to_owned());
        }
        if let ([ast::AlterTableOperation::AlterColumn { column_name, op }], Some(Relation::View(view))) =
            (alter.operations.as_slice(), self.find_relation(&name)?)
        {
            let column = fold(column_name);
            match op {
                ast::AlterColumnOperation::SetDefault { value } => {
                    self.alter_view_default(&view, &column, Some(value))?;
                    return Ok("ALTER TABLE".to_owned());
                }
                ast::AlterColumnOperation::DropDefault => {
                    self.alter_view_default(&view, &column, None)?;
                    return Ok("ALTER TABLE".to_owned());
                }
                _ => {}
            }
        }
        let table = self.own_table(&name)?;
        self.lock(&table)?;
        for operation in &alter.operations {
            let table = self.table_now(&table)?;
            self.alter_one(&table, operation)?;
        }
        self.refuse_unmaintainable(&table)?;
        Ok("ALTER TABLE".to_owned())
    }

    pub(super) fn table_now(&self, table: &TableDef) -> Result<Arc<TableDef>> {
        self.catalog()?.table(table.id).cloned().ok_or_else(|| SqlError::internal("the table is gone"))
    }

    fn alter_one(&self, table: &Arc<TableDef>, operation: &ast::AlterTableOperation) -> Result<()> {
        use ast::AlterTableOperation as Op;
        match operation {
            Op::AddColumn { if_not_exists, column_def, .. } => self.add_column(table, column_def, *if_not_exists),
            Op::DropColumn { column_names, if_exists, drop_behavior, .. } => {
                let cascade = matches!(drop_behavior, Some(ast::DropBehavior::Cascade));
                column_names.iter().try_for_each(|column| {
                    let table = self.table_now(table)?;
                    self.drop_column(&table, &fold(column), *if_exists, cascade)
                })
            }
            Op::RenameColumn { old_column_name, new_column_name } => {
                self.follow(|| self.rename_column(table, &fold(old_column_name), &fold(new_column_name)))
            }
            Op::AlterColumn { column_name, op } => self.alter_column(table, &fold(column_name), op),
            Op::AddConstraint { constraint, not_valid } => {
                let mut changed = (**table).clone();
                let from = changed.constraints.len();
                self.add_constraints(&mut changed, vec![(constraint.clone(), *not_valid)], false)?;
                self.check_new_nulls(table, &changed)?;
                let changed = self.put_table(changed)?;
                self.check_expressions(&changed)?;
                self.validate(changed.id, from)
            }
            Op::DropConstraint { if_exists, name, drop_behavior } => {
                let cascade = matches!(drop_behavior, Some(ast::DropBehavior::Cascade));
                self.drop_constraint(table, &fold(name), *if_exists, cascade)
            }
            Op::RenameConstraint { old_name, new_name } => {
                self.rename_constraint(table, &fold(old_name), &fold(new_name))
            }
            Op::ValidateConstraint { name } => self.validate_constraint(table, &fold(name)),
            Op::RenameTable { table_name } => {
                let (ast::RenameTableNameKind::As(to) | ast::RenameTableNameKind::To(to)) = table_name;
                let to = super::last(to);
                self.free_name(table.schema, &to)?;
                let mut changed = (**table).clone();
                super::follow::forget_own_name(&mut changed)?;
                changed.name = to;
                self.follow(|| self.put_table(changed).map(|_| ()))
            }
            Op::OwnerTo { new_owner } => self.change_owner(Entry::Table(table.clone()), &owner_name(new_owner)),
            Op::EnableTrigger { name } | Op::EnableAlwaysTrigger { name } => self.toggle_on(table, &fold(name), true),
            Op::DisableTrigger { name } => self.toggle_on(table, &fold(name), false),
            // Physical hints that change nothing here (PG-2).
            Op::ReplicaIdentity { .. } | Op::SetLogged => Ok(()),
            Op::SetOptionsParens { options } => self.set_table_options(table, options),
            other => Err(SqlError::unsupported(format!("ALTER TABLE {other}"))),
        }
    }

    fn add_column(&self, table: &Arc<TableDef>, def: &ast::ColumnDef, if_not_exists: bool) -> Result<()> {
        let name = fold(&def.name);
        if table.column_index(&name).is_some() {
            let text = format!("column \"{name}\" of relation \"{}\" already exists", table.name);
            if if_not_exists {
                self.notice(SqlState::DUPLICATE_COLUMN, format!("{text}, skipping"));
                return Ok(());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_COLUMN, text));
        }
        let mut sequences = Vec::new();
        let built = self.build_column(table, def, &mut sequences)?;
        let mut changed = (**table).clone();
        let (from, place) = (changed.constraints.len(), changed.columns.len());
        let mut column = built.column;
        // A constant default is remembered for the rows that are there; a volatile one must be computed for each.
        let computed = !sequences.is_empty() || column.generated.is_some();
        let mut fill = computed;
        if let (Some(text), false) = (&column.default, computed) {
            match self.constant_default(table, text, column.ty)? {
                Some(value) => {
                    let mut bytes = Vec::new();
                    encode_row(std::slice::from_ref(&value), &mut bytes);
                    column.missing = Some(bytes);
                }
                None => fill = true,
            }
        }
        let not_null = column.not_null;
        column.not_null = false;
        self.keep_watched_column(table.id, &column.name, None, changed.schema_version + 1)?;
        changed.columns.push(column);
        changed.schema_version += 1;
        for sequence in sequences {
            self.put(Entry::Sequence(Arc::new(sequence)))?;
        }
        self.add_constraints(&mut changed, built.constraints.into_iter().collect(), false)?;
        self.check_generated(&changed)?;
        let mut changed = (*self.put_table(changed)?).clone();
        if fill {
            self.fill_column(&changed, place)?;
        }
        if not_null || changed.columns[place].not_null {
            self.refuse_nulls(&changed, place)?;
            changed.columns[place].not_null = true;
            self.put_table(changed.clone())?;
        }
        self.check_expressions(&std::sync::Arc::new(changed.clone()))?;
        self.validate(changed.id, from)
    }

    /// 23502 if a row has NULL in the column.
    pub(super) fn refuse_nulls(&self, table: &TableDef, place: usize) -> Result<()> {
        let column = &table.columns[place].name;
        let quoted = crate::system::quote_identifier(column);
        let sql = format!("SELECT 1 FROM {} WHERE {quoted} IS NULL LIMIT 1", self.qualified(table)?);
        if self.query(&sql, &[])?.rows.is_empty() {
            return Ok(());
        }
        let schema = crate::system::schema_name(&*self.catalog()?, table.schema);
        Err(SqlError::new(
            SqlState::NOT_NULL_VIOLATION,
            format!("column \"{column}\" of relation \"{}\" contains null values", table.name),
        )
        .table(schema, &table.name)
        .column(column))
    }

    fn check_new_nulls(&self, before: &TableDef, after: &TableDef) -> Result<()> {
        for (place, column) in after.live_columns() {
            if column.not_null && !before.columns[place].not_null {
                self.refuse_nulls(before, place)?;
            }
        }
        Ok(())
    }

    pub(super) fn drop_column(&self, table: &Arc<TableDef>, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
        let Some(place) = find_column(table, name) else {
            if if_exists {
                self.notice(
                    SqlState::SUCCESSFUL_COMPLETION,
                    format!("column \"{name}\" of relation \"{}\" does not exist, skipping", table.name),
                );
                return Ok(());
            }
            return Err(missing_column(table, name));
        };
        let uses_index = |index: &IndexDef| {
            index.keys.iter().any(|key| key.column == Some(place) || names_column(key.expr.as_deref(), name))
                || index.include.contains(&place)
                || names_column(index.predicate.as_deref(), name)
        };
        let gone: Vec<u32> = table.indexes.iter().filter(|index| uses_index(index)).map(|index| index.oid).collect();
        let mut dependents = self.views_naming(table, place)?;
        dependents.extend(self.triggers_naming(table, name)?);
        for index in &gone {
            dependents.extend(
                self.keys_on(table, *index)?
                    .into_iter()
                    .filter(|found| !matches!(found, Dependent::ForeignKey(child, _) if *child == table.id)),
            );
        }
        let generated = table.live_columns().filter(|(other, column)| {
            *other != place && names_column(column.generated.as_ref().map(|generated| generated.expr.as_str()), name)
        });
        dependents.extend(generated.map(|(other, _)| Dependent::Column(table.id, other)));
        self.settle(&format!("column {name} of table {}", table.name), &dependents, cascade)?;
        let mut changed = (*self.table_now(table)?).clone();
        changed.constraints.retain(|constraint| match &constraint.kind {
            ConstraintKind::PrimaryKey { index }
            | ConstraintKind::Unique { index }
            | ConstraintKind::Exclude { index, .. } => !gone.contains(index),
            ConstraintKind::Check { columns, .. } => !columns.contains(&place),
            ConstraintKind::ForeignKey(key) => !key.columns.contains(&place),
        });
        changed.indexes.retain(|index| !gone.contains(&index.oid));
        self.keep_watched_column(table.id, name, Some((place, changed.columns[place].ty)), changed.schema_version + 1)?;
        let column = &mut changed.columns[place];
        let sequence = column.sequence.take();
        column.name = format!("........pg.dropped.{}........", place + 1);
        (column.dropped, column.not_null) = (true, false);
        (column.default, column.identity, column.generated, column.missing) = (None, None, None, None);
        changed.schema_version += 1;
        self.put_table(changed)?;
        match sequence {
            Some(oid) => self.remove(EntryKey::Sequence(oid)),
            None => Ok(()),
        }
    }

    /// AMI-45: triggers whose options name the column.
    pub(super) fn triggers_naming(&self, table: &TableDef, column: &str) -> Result<Vec<Dependent>> {
        let catalog = self.catalog()?;
        let named = catalog.triggers_of(table.id).iter().filter(|def| {
            matches!(def.kind.as_str(), "aggregate" | "projection" | "join" | "decorate" | "relay")
                && def.options.iter().any(|(_, value)| names_column(Some(value), column))
        });
        Ok(named.map(|def| Dependent::Trigger(def.id.0)).collect())
    }

    /// AMI-45: what cannot be done to a column that a trigger names. Errors: 2BP01.
    pub(super) fn refuse_named(&self, table: &TableDef, column: &str, what: &str) -> Result<()> {
        let Some(Dependent::Trigger(oid)) = self.triggers_naming(table, column)?.into_iter().next() else {
            return Ok(());
        };
        let trigger = self.catalog()?.trigger(crate::catalog::TriggerId(oid)).map(|def| def.name.clone());
        Err(SqlError::new(
            SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
            format!("cannot {what} column {column} of table {} because other objects depend on it", table.name),
        )
        .detail(format!("trigger {} names column {column}", trigger.unwrap_or_default())))
    }

    pub(super) fn rename_column(&self, table: &Arc<TableDef>, from: &str, to: &str) -> Result<()> {
        let place = find_column(table, from)
            .ok_or_else(|| SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{from}\" does not exist")))?;
        if table.column_index(to).is_some() {
            return Err(SqlError::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{to}\" of relation \"{}\" already exists", table.name),
            ));
        }
        self.refuse_named(table, from, "rename")?;
        let mut changed = (**table).clone();
        let rename = |text: &str| rename_in_text(text, from, to);
        to.clone_into(&mut changed.columns[place].name);
        for constraint in &mut changed.constraints {
            if let ConstraintKind::Check { expr, columns } = &mut constraint.kind {
                if columns.contains(&place) {
                    *expr = rename(expr)?;
                }
            }
        }
        for column in &mut changed.columns {
            if let Some(generated) = &mut column.generated {
                generated.expr = rename(&generated.expr)?;
            }
        }
        for index in &mut changed.indexes {
            for key in &mut index.keys {
                if let Some(text) = &key.expr {
                    key.expr = Some(rename(text)?);
                }
            }
            if let Some(text) = &index.predicate {
                index.predicate = Some(rename(text)?);
            }
        }
        changed.schema_version += 1;
        self.put_table(changed)?;
        self.rename_watched(table, from, to)
    }

    /// ALTER VIEW … RENAME COLUMN. Errors: 42703, 42701, 42501.
    pub(super) fn rename_view_column(&self, view: &ViewDef, from: &str, to: &str) -> Result<()> {
        self.must_own(view.owner, "view", &view.name)?;
        let mut changed = view.clone();
        if changed.columns.iter().any(|column| column.name == to) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_COLUMN,
                format!("column \"{to}\" of relation \"{}\" already exists", view.name),
            ));
        }
        let Some(column) = changed.columns.iter_mut().find(|column| column.name == from) else {
            return Err(SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{from}\" does not exist")));
        };
        to.clone_into(&mut column.name);
        self.put(Entry::View(Arc::new(changed)))
    }

    fn alter_column(&self, table: &Arc<TableDef>, name: &str, op: &ast::AlterColumnOperation) -> Result<()> {
        let place = find_column(table, name).ok_or_else(|| missing_column(table, name))?;
        let mut changed = (**table).clone();
        let column = &mut changed.columns[place];
        match op {
            ast::AlterColumnOperation::SetNotNull => {
                self.refuse_nulls(table, place)?;
                column.not_null = true;
            }
            ast::AlterColumnOperation::DropNotNull => {
                let key =
                    table.primary_key().is_some_and(|index| index.keys.iter().any(|key| key.column == Some(place)));
                if key {
                    return Err(SqlError::new(
                        SqlState::INVALID_TABLE_DEFINITION,
                        format!("column \"{name}\" is in a primary key"),
                    ));
                }
                if column.identity.is_some() {
                    return Err(SqlError::syntax(format!(
                        "column \"{name}\" of relation \"{}\" is an identity column",
                        table.name
                    )));
                }
                column.not_null = false;
            }
            ast::AlterColumnOperation::SetDefault { value } => {
                if column.identity.is_some() || column.generated.is_some() {
                    let kind = if column.identity.is_some() { "an identity" } else { "a generated" };
                    return Err(SqlError::syntax(format!(
                        "column \"{name}\" of relation \"{}\" is {kind} column",
                        table.name
                    )));
                }
                column.default = self.default_text(value);
                column.sequence = None;
            }
            ast::AlterColumnOperation::DropDefault => {
                if column.identity.is_none() {
                    (column.default, column.sequence) = (None, None);
                }
            }
            ast::AlterColumnOperation::SetDataType { data_type, using, .. } => {
                let (ty, domain) = self.below_domain(self.usable_type(data_type)?)?;
                if ty != column.ty {
                    self.refuse_named(table, name, "alter type of")?;
                }
                let integer =
                    matches!(ty.oid, crate::types::oid::INT2 | crate::types::oid::INT4 | crate::types::oid::INT8);
                if column.identity.is_some() && !integer {
                    return Err(SqlError::new(
                        SqlState::INVALID_PARAMETER_VALUE,
                        "identity column type must be smallint, integer, or bigint",
                    ));
                }
                self.change_type(table, place, ty, using.as_ref())?;
                if domain == 0 && column.domain == 0 {
                    return Ok(());
                }
                let mut changed = (*self.table_now(table)?).clone();
                changed.columns[place].domain = domain;
                let changed = self.put_table(changed)?;
                return if domain == 0 { Ok(()) } else { self.check_domain_column(&changed, place) };
            }
            ast::AlterColumnOperation::AddGenerated { generated_as, sequence_options } => {
                if !column.not_null {
                    return Err(SqlError::new(
                        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                        format!(
                            "column \"{name}\" of relation \"{}\" must be declared NOT NULL before identity can be added",
                            table.name
                        ),
                    ));
                }
                let options = sequence_options.as_deref().unwrap_or_default();
                let mut sequence = self.identity_sequence(table, &table.columns[place], options, &[])?;
                sequence.owned_by = Some((table.id, place));
                column.identity =
                    Some(generated_as.as_ref().map_or(crate::catalog::Identity::Always, super::column::identity_of));
                column.sequence = Some(sequence.oid);
                self.put(Entry::Sequence(Arc::new(sequence)))?;
            }
        }
        let changed = self.put_table(changed)?;
        self.check_expressions(&changed)
    }

    /// ALTER TABLE … ALTER COLUMN: identity, DROP EXPRESSION, and what has no effect here.
    pub(super) fn alter_column_action(
        &self,
        name: &ObjectName,
        if_exists: bool,
        column: &str,
        action: &ColumnAction,
    ) -> Result<String> {
        let done = || Ok("ALTER TABLE".to_owned());
        if if_exists && self.find_relation(name)?.is_none() {
            let text = format!("relation \"{}\" does not exist, skipping", bare(name));
            self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
            return done();
        }
        let table = self.own_table(name)?;
        self.lock(&table)?;
        let table = self.table_now(&table)?;
        let place = find_column(&table, column).ok_or_else(|| missing_column(&table, column))?;
        let mut changed = (*table).clone();
        let own = &mut changed.columns[place];
        let refuse = |what: &str, missing_ok: bool| {
            let text = format!("column \"{column}\" of relation \"{}\" is not {what} column", table.name);
            if missing_ok {
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{text}, skipping"));
                return Ok("ALTER TABLE".to_owned());
            }
            Err(SqlError::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, text))
        };
        match action {
            ColumnAction::Ignored => return done(),
            ColumnAction::DropIdentity { if_exists } => {
                if own.identity.take().is_none() {
                    return refuse("an identity", *if_exists);
                }
                let sequence = own.sequence.take();
                self.put_table(changed)?;
                if let Some(oid) = sequence {
                    self.remove(EntryKey::Sequence(oid))?;
                }
            }
            ColumnAction::DropExpression { if_exists } => {
                if own.generated.take().is_none() {
                    return refuse("a stored generated", *if_exists);
                }
                changed.schema_version += 1;
                self.put_table(changed)?;
            }
            ColumnAction::Identity { always, options } => {
                let (Some(_), Some(sequence)) = (own.identity, own.sequence) else {
                    return refuse("an identity", false);
                };
                match always {
                    Some(true) => own.identity = Some(crate::catalog::Identity::Always),
                    Some(false) => own.identity = Some(crate::catalog::Identity::ByDefault),
                    None => {}
                }
                self.put_table(changed)?;
                if !options.is_empty() {
                    let known = self.catalog()?.sequence(sequence).cloned();
                    let known = known.ok_or_else(|| SqlError::internal("the sequence of an identity is gone"))?;
                    self.change_sequence(&known, options)?;
                }
            }
        }
        done()
    }

    fn drop_constraint(&self, table: &Arc<TableDef>, name: &str, if_exists: bool, cascade: bool) -> Result<()> {
        let Some(place) = table.constraints.iter().position(|constraint| constraint.name == name) else {
            let text = format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name);
            if if_exists {
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{text}, skipping"));
                return Ok(());
            }
            return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, text));
        };
        let index = match table.constraints[place].kind {
            ConstraintKind::PrimaryKey { index }
            | ConstraintKind::Unique { index }
            | ConstraintKind::Exclude { index, .. } => Some(index),
            _ => None,
        };
        if let Some(index) = index {
            let what = format!("constraint {name} on table {}", table.name);
            self.settle(&what, &self.keys_on(table, index)?, cascade)?;
        }
        let mut changed = (*self.table_now(table)?).clone();
        changed.constraints.retain(|constraint| constraint.name != name);
        changed.indexes.retain(|own| Some(own.oid) != index);
        self.put_table(changed).map(|_| ())
    }

    fn rename_constraint(&self, table: &Arc<TableDef>, from: &str, to: &str) -> Result<()> {
        if table.constraints.iter().any(|constraint| constraint.name == to) {
            return Err(SqlError::new(
                SqlState::DUPLICATE_OBJECT,
                format!("constraint \"{to}\" for relation \"{}\" already exists", table.name),
            ));
        }
        let mut changed = (**table).clone();
        let found = changed.constraints.iter_mut().find(|constraint| constraint.name == from);
        let found = found.ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("constraint \"{from}\" for table \"{}\" does not exist", table.name),
            )
        })?;
        to.clone_into(&mut found.name);
        let oid = found.oid;
        for index in changed.indexes.iter_mut().filter(|index| index.constraint == oid) {
            to.clone_into(&mut index.name);
        }
        self.put_table(changed).map(|_| ())
    }

    fn validate_constraint(&self, table: &Arc<TableDef>, name: &str) -> Result<()> {
        let mut changed = (**table).clone();
        let found = changed.constraints.iter_mut().find(|constraint| constraint.name == name);
        let found = found.ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("constraint \"{name}\" of relation \"{}\" does not exist", table.name),
            )
        })?;
        found.validated = true;
        let found = found.clone();
        self.validate_one(table, &found)?;
        self.put_table(changed).map(|_| ())
    }
}

fn owner_name(owner: &ast::Owner) -> String {
    match owner {
        ast::Owner::Ident(ident) => fold(ident),
        ast::Owner::CurrentRole | ast::Owner::CurrentUser => "current_user".to_owned(),
        ast::Owner::SessionUser => "session_user".to_owned(),
    }
}

/// Whether a text has the name as a word of its own, case aside.
pub(super) fn names_column(text: Option<&str>, name: &str) -> bool {
    text.is_some_and(|text| {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word.eq_ignore_ascii_case(name))
    })
}

/// An expression's text with a column renamed.
fn rename_in_text(text: &str, from: &str, to: &str) -> Result<String> {
    let mut tree = crate::parse::parse_expr(text)?;
    let _ = sqlparser::ast::visit_expressions_mut(&mut tree, |expr| {
        let ident = match expr {
            ast::Expr::Identifier(ident) => Some(ident),
            ast::Expr::CompoundIdentifier(parts) => parts.last_mut(),
            _ => None,
        };
        if let Some(ident) = ident.filter(|ident| fold(ident) == from) {
            *ident = ast::Ident::with_quote('"', to);
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    Ok(tree.to_string())
}
