//! CREATE, ALTER and DROP of enums, domains and composite types.
//!
//! A composite type is a hidden table without rows: its row type is the type. A label's order never changes, so an enum
//! grows without touching rows; renaming a label rewrites the columns that hold it.

use std::sync::Arc;

use sqlparser::ast;

use super::dependency::Dependent;
use super::{Ddl, bare};
use crate::catalog::{
    DomainCheck, DomainDef, Entry, EntryKey, EnumDef, Persistence, Relation, TableDef, TableShape, TypeDef, TypeKind,
};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{CompareOp, Expr};
use crate::parse::{AlterObjectAction, DomainAction, ObjectName, fold, object_name};
use crate::plan::bind_domain_check;
use crate::plan::deparse::type_text;
use crate::types::{DataType, EnumLabel, Oid, USER_ARRAY, USER_DOMAIN, USER_ENUM, Value, element_type_of, is_domain};

/// Longest label in bytes.
const LABEL_BYTES_MAX: usize = 63;

impl Ddl<'_> {
    pub(super) fn create_type(
        &self,
        name: &ast::ObjectName,
        form: Option<&ast::UserDefinedTypeRepresentation>,
    ) -> Result<String> {
        let name = object_name(name);
        match form {
            Some(ast::UserDefinedTypeRepresentation::Enum { labels }) => self.create_enum(&name, labels)?,
            Some(ast::UserDefinedTypeRepresentation::Composite { attributes }) => {
                self.create_composite(&name, attributes)?;
            }
            Some(ast::UserDefinedTypeRepresentation::Range { .. }) => {
                return Err(SqlError::unsupported("CREATE TYPE … AS RANGE"));
            }
            _ => return Err(SqlError::unsupported("CREATE TYPE of a base type")),
        }
        Ok("CREATE TYPE".to_owned())
    }

    /// Schema and name of a new type. Errors: 42710 if there is one.
    fn type_place(&self, name: &ObjectName) -> Result<(Oid, String)> {
        let (schema, own) = self.place(name)?;
        let catalog = self.catalog()?;
        let row_type = matches!(catalog.relation(schema, &own), Some(Relation::Table(_) | Relation::View(_)));
        if row_type || catalog.type_by_name(schema, &own).is_some() {
            return Err(duplicate(&own));
        }
        Ok((schema, own))
    }

    fn create_enum(&self, name: &ObjectName, labels: &[ast::Ident]) -> Result<()> {
        let (schema, own) = self.type_place(name)?;
        let mut def = EnumDef::default();
        let mut order = 0.0;
        for label in labels {
            check_label(&label.value)?;
            if def.label(&label.value).is_some() {
                return Err(SqlError::new(
                    SqlState::UNIQUE_VIOLATION,
                    "duplicate key value violates unique constraint \"pg_enum_typid_label_index\"",
                ));
            }
            order += 1.0;
            let made = EnumLabel { order, label: Arc::from(label.value.as_str()) };
            def.labels.push((self.allocate_oid(), Arc::new(made)));
        }
        let oid = self.allocate_oid() | USER_ENUM;
        self.put_type(TypeDef {
            oid,
            schema,
            name: own,
            owner: self.user(),
            kind: TypeKind::Enum(def),
            acl: self.default_acl('T', schema),
            comment: None,
        })
    }

    pub(super) fn put_type(&self, mut def: TypeDef) -> Result<()> {
        if let TypeKind::Domain(domain) = &mut def.kind {
            self.say_schemas_of_domain(domain);
        }
        self.put(Entry::Type(Arc::new(def)))
    }

    fn create_composite(
        &self,
        name: &ObjectName,
        attributes: &[ast::UserDefinedTypeCompositeAttributeDef],
    ) -> Result<()> {
        let (schema, own) = self.type_place(name)?;
        if self.name_taken(schema, &own) {
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, format!("relation \"{own}\" already exists")));
        }
        let mut table = self.empty_table(schema, own, Persistence::Permanent);
        table.shape = TableShape::Composite;
        table.acl = self.default_acl('T', schema);
        table.hidden = true;
        for attribute in attributes {
            let name = fold(&attribute.name);
            if table.column_index(&name).is_some() {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            let (ty, domain) = self.below_domain(self.usable_type(&attribute.data_type)?)?;
            let output = crate::plan::OutputColumn { name: name.clone(), ty, origin: (0, 0) };
            let mut column = super::create::plain_column(name, &output);
            (column.ty, column.domain) = (ty, domain);
            table.columns.push(column);
        }
        self.put_table(table).map(|_| ())
    }

    /// A type as columns hold it: base type and domain (0 for none).
    pub(super) fn below_domain(&self, ty: DataType) -> Result<(DataType, Oid)> {
        if !is_domain(ty.oid) {
            return Ok((ty, 0));
        }
        match self.catalog()?.user_type(ty.oid).map(|def| &def.kind) {
            Some(TypeKind::Domain(domain)) => Ok((domain.base, ty.oid)),
            _ => Err(SqlError::internal("a domain that is gone")),
        }
    }

    pub(super) fn create_domain(&self, create: &ast::CreateDomain) -> Result<String> {
        let (schema, own) = self.type_place(&object_name(&create.name))?;
        let written = self.usable_type(&create.data_type)?;
        let pseudo = crate::types::type_info(written.oid).is_some_and(|info| info.kind == b'p');
        if pseudo {
            let name = type_text(&*self.catalog()?, &self.searched(), written);
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("\"{name}\" is not a valid base type for a domain"),
            ));
        }
        let (base, parent) = self.below_domain(written)?;
        let collation = create.collation.as_ref().map(fold);
        let default = create.default.as_ref().and_then(|expr| self.default_text(expr));
        let mut domain = DomainDef { base, parent, default, not_null: false, checks: Vec::new(), collation };
        for constraint in &create.constraints {
            let ast::TableConstraint::Check(check) = constraint else {
                return Err(SqlError::syntax("this constraint is not possible for domains"));
            };
            if crate::parse::is_not_null_mark(check) {
                domain.not_null = true;
                continue;
            }
            let made = self.domain_check(&own, &domain, check.name.as_ref().map(fold), &check.expr)?;
            domain.checks.push(made);
        }
        let oid = self.allocate_oid() | USER_DOMAIN;
        if let Some(text) = &domain.default {
            self.constant_default(&self.empty_table(schema, own.clone(), Persistence::Permanent), text, base)?;
        }
        self.put_type(TypeDef {
            oid,
            schema,
            name: own,
            owner: self.user(),
            kind: TypeKind::Domain(domain),
            acl: self.default_acl('T', schema),
            comment: None,
        })?;
        Ok("CREATE DOMAIN".to_owned())
    }

    fn domain_check(
        &self,
        domain: &str,
        def: &DomainDef,
        name: Option<String>,
        expr: &ast::Expr,
    ) -> Result<DomainCheck> {
        let text = expr.to_string();
        self.bind(|context| bind_domain_check(context, &text, def.base))?;
        let taken = |name: &str| def.checks.iter().any(|check| check.name == name);
        let name = match name {
            Some(name) if taken(&name) => {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_OBJECT,
                    format!("constraint \"{name}\" for domain \"{domain}\" already exists"),
                ));
            }
            Some(name) => name,
            None => {
                let plain = format!("{domain}_check");
                let numbered = (1..).map(|number| format!("{plain}{number}"));
                std::iter::once(plain.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or(plain)
            }
        };
        Ok(DomainCheck { oid: self.allocate_oid(), name, expr: text, validated: true })
    }

    /// The enum or domain of this name.
    pub(super) fn find_type(&self, name: &ObjectName) -> Result<Option<Arc<TypeDef>>> {
        let catalog = self.catalog()?;
        Ok(match name.parts.as_slice() {
            [own] => self.searched().into_iter().find_map(|schema| catalog.type_by_name(schema, own)).cloned(),
            [schema, own] | [_, schema, own] => {
                let schema = self.schema_named(schema, name.offset)?;
                catalog.type_by_name(schema, own).cloned()
            }
            _ => None,
        })
    }

    pub(super) fn missing_type(name: &ObjectName) -> SqlError {
        SqlError::new(SqlState::UNDEFINED_OBJECT, format!("type \"{}\" does not exist", name.parts.join(".")))
    }

    fn own_type(&self, name: &ObjectName) -> Result<Arc<TypeDef>> {
        let def = self.find_type(name)?.ok_or_else(|| Self::missing_type(name))?;
        self.must_own(def.owner, "type", &def.name)?;
        Ok(def)
    }

    pub(super) fn alter_type(&self, name: &ast::ObjectName, operation: &ast::AlterTypeOperation) -> Result<String> {
        let name = object_name(name);
        match operation {
            ast::AlterTypeOperation::Rename(rename) => {
                self.alter_type_object(&name, &AlterObjectAction::Rename(fold(&rename.new_name)), false)?;
            }
            ast::AlterTypeOperation::AddValue(add) => self.add_label(&name, add)?,
            ast::AlterTypeOperation::RenameValue(rename) => {
                self.rename_label(&name, &rename.from.value, &rename.to.value)?;
            }
        }
        Ok("ALTER TYPE".to_owned())
    }

    fn own_enum(&self, name: &ObjectName) -> Result<(Arc<TypeDef>, EnumDef)> {
        let def = match self.find_type(name)? {
            None if matches!(self.find_relation(name)?, Some(Relation::Table(_))) => {
                return Err(not_an_enum(bare(name)));
            }
            _ => self.own_type(name)?,
        };
        match &def.kind {
            TypeKind::Enum(labels) => Ok((def.clone(), labels.clone())),
            TypeKind::Domain(_) => Err(not_an_enum(bare(name))),
        }
    }

    fn add_label(&self, name: &ObjectName, add: &ast::AlterTypeAddValue) -> Result<()> {
        let (def, mut labels) = self.own_enum(name)?;
        let text = &add.value.value;
        check_label(text)?;
        if labels.label(text).is_some() {
            let message = format!("enum label \"{text}\" already exists");
            if add.if_not_exists {
                self.notice(SqlState::DUPLICATE_OBJECT, format!("{message}, skipping"));
                return Ok(());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, message));
        }
        let neighbour = |label: &ast::Ident| {
            labels.labels.iter().position(|(_, own)| *own.label == *label.value).ok_or_else(|| {
                SqlError::new(
                    SqlState::INVALID_PARAMETER_VALUE,
                    format!("\"{}\" is not an existing enum label", label.value),
                )
            })
        };
        let place = match &add.position {
            None => labels.labels.len(),
            Some(ast::AlterTypeAddValuePosition::Before(label)) => neighbour(label)?,
            Some(ast::AlterTypeAddValuePosition::After(label)) => neighbour(label)? + 1,
        };
        let order = |place: usize| labels.labels.get(place).map(|(_, label)| label.order);
        let before = place.checked_sub(1).and_then(order);
        let order = match (before, order(place)) {
            (None, None) => 1.0,
            (Some(before), None) => before + 1.0,
            (None, Some(after)) => after - 1.0,
            (Some(before), Some(after)) => {
                let middle = f32::midpoint(before, after);
                if middle <= before || middle >= after {
                    return Err(SqlError::unsupported("one more label between these two")
                        .hint("Make a new type with the labels in the order wanted, and change the columns to it."));
                }
                middle
            }
        };
        let made = Arc::new(EnumLabel { order, label: Arc::from(text.as_str()) });
        labels.labels.insert(place, (self.allocate_oid(), made));
        self.put_type(TypeDef { kind: TypeKind::Enum(labels), ..(*def).clone() })
    }

    fn rename_label(&self, name: &ObjectName, from: &str, to: &str) -> Result<()> {
        let (def, mut labels) = self.own_enum(name)?;
        check_label(to)?;
        let taken = labels.label(to).is_some();
        let found = labels.labels.iter_mut().find(|(_, label)| &*label.label == from).ok_or_else(|| {
            SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("\"{from}\" is not an existing enum label"))
        })?;
        if taken {
            return Err(SqlError::new(SqlState::DUPLICATE_OBJECT, format!("enum label \"{to}\" already exists")));
        }
        let old = found.1.clone();
        let new = Arc::new(EnumLabel { order: old.order, label: Arc::from(to) });
        found.1 = new.clone();
        self.put_type(TypeDef { kind: TypeKind::Enum(labels), ..(*def).clone() })?;
        self.rename_label_in_texts(from, to)?;
        let (old, new) = (Value::Enum(old), Value::Enum(new));
        for table in self.catalog()?.tables().cloned().collect::<Vec<_>>() {
            for (place, column) in table.columns.iter().enumerate().filter(|(_, column)| !column.dropped) {
                let ty = DataType::new(def.oid);
                let value = Expr::Column(place, column.ty);
                let changed = if column.ty.oid == def.oid {
                    let (left, right) = (Box::new(value.clone()), Box::new(Expr::Const(old.clone(), ty)));
                    let condition = Expr::Compare { op: CompareOp::Equal, left, right };
                    let whens = vec![(condition, Expr::Const(new.clone(), ty))];
                    Expr::Case { whens, otherwise: Box::new(value), ty }
                } else if column.ty.oid == def.oid | USER_ARRAY {
                    let function = crate::expr::functions_named("array_replace").next();
                    let function = function.ok_or_else(|| SqlError::internal("array_replace is missing"))?;
                    let args = vec![value, Expr::Const(old.clone(), ty), Expr::Const(new.clone(), ty)];
                    Expr::Call { function, args, ty: column.ty }
                } else {
                    continue;
                };
                let table = self.catalog()?.table(table.id).cloned();
                let table = table.ok_or_else(|| SqlError::internal("a table that is gone"))?;
                self.lock(&table)?;
                self.change_type_by(&table, place, column.ty, Some(changed))?;
            }
        }
        Ok(())
    }

    /// RENAME, OWNER TO and SET SCHEMA of a type or domain.
    pub(super) fn alter_type_object(&self, name: &ObjectName, action: &AlterObjectAction, domain: bool) -> Result<()> {
        if self.find_type(name)?.is_none() {
            if let (Some(Relation::Table(table)), false) = (self.find_relation(name)?, domain) {
                return self.alter_composite(&table, action);
            }
        }
        let def = self.own_type(name)?;
        if domain && !is_domain(def.oid) {
            return Err(not_a_domain(&def.name));
        }
        if matches!(action, AlterObjectAction::Attributes(_)) {
            return Err(super::missing_relation(name));
        }
        let mut changed = (*def).clone();
        match action {
            AlterObjectAction::Rename(to) => changed.name.clone_from(to),
            AlterObjectAction::Owner(role) => return self.change_owner(Entry::Type(def), role),
            AlterObjectAction::Schema(to) => changed.schema = self.schema_named(to, name.offset)?,
            _ => return Err(SqlError::unsupported("this form of ALTER TYPE")),
        }
        if (changed.schema, &changed.name) != (def.schema, &def.name)
            && self.catalog()?.type_by_name(changed.schema, &changed.name).is_some()
        {
            return Err(duplicate(&changed.name));
        }
        self.put_type(changed)
    }

    fn alter_composite(&self, table: &Arc<TableDef>, action: &AlterObjectAction) -> Result<()> {
        if let AlterObjectAction::Attributes(actions) = action
            && table.is_composite()
        {
            return self.alter_attributes(table, actions);
        }
        if !table.is_composite() {
            return Err(SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("{} is a table's row type", table.name))
                .hint("Use ALTER TABLE instead."));
        }
        self.must_own(table.owner, "type", &table.name)?;
        let mut changed = (**table).clone();
        match action {
            AlterObjectAction::Rename(to) => changed.name.clone_from(to),
            AlterObjectAction::Owner(role) => return self.change_owner(Entry::Table(table.clone()), role),
            AlterObjectAction::Schema(to) => changed.schema = self.schema_named(to, 0)?,
            _ => return Err(SqlError::unsupported("this form of ALTER TYPE")),
        }
        if (changed.schema, &changed.name) != (table.schema, &table.name)
            && self.name_taken(changed.schema, &changed.name)
        {
            return Err(duplicate(&changed.name));
        }
        self.put_table(changed).map(|_| ())
    }

    pub(super) fn alter_domain(&self, name: &ObjectName, action: &DomainAction) -> Result<String> {
        let def = self.own_type(name)?;
        let TypeKind::Domain(old) = &def.kind else { return Err(not_a_domain(&def.name)) };
        let mut domain = old.clone();
        let missing = |constraint: &str| {
            SqlError::new(
                SqlState::UNDEFINED_OBJECT,
                format!("constraint \"{constraint}\" of domain \"{}\" does not exist", def.name),
            )
        };
        let mut validate = false;
        match action {
            DomainAction::SetDefault(expr) => domain.default = self.default_text(expr),
            DomainAction::DropDefault => domain.default = None,
            DomainAction::SetNotNull => (domain.not_null, validate) = (true, true),
            DomainAction::DropNotNull => domain.not_null = false,
            DomainAction::Add { name: own, check, not_valid } => {
                let mut made = self.domain_check(&def.name, &domain, own.clone(), check)?;
                made.validated = !not_valid;
                validate = made.validated;
                domain.checks.push(made);
            }
            DomainAction::Drop { name: own, if_exists } => {
                if !domain.checks.iter().any(|check| check.name == *own) {
                    if !if_exists {
                        return Err(missing(own));
                    }
                    let text = format!("constraint \"{own}\" of domain \"{}\" does not exist, skipping", def.name);
                    self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
                }
                domain.checks.retain(|check| check.name != *own);
            }
            DomainAction::RenameConstraint { from, to } => {
                domain.checks.iter_mut().find(|check| check.name == *from).ok_or_else(|| missing(from))?.name =
                    to.clone();
            }
            DomainAction::Validate(own) => {
                domain.checks.iter_mut().find(|check| check.name == *own).ok_or_else(|| missing(own))?.validated = true;
                validate = true;
            }
        }
        self.put_type(TypeDef { kind: TypeKind::Domain(domain), ..(*def).clone() })?;
        // Plans and write targets know their table's definition: a column of the domain is another one now.
        for table in self.tables_of_domain(def.oid)? {
            let places: Vec<usize> =
                table.live_columns().filter(|(_, column)| column.domain == def.oid).map(|(place, _)| place).collect();
            let table = self.put_table((*table).clone())?;
            if validate {
                self.lock(&table)?;
                self.validate_domain(&table, &places, action)?;
            }
        }
        Ok("ALTER DOMAIN".to_owned())
    }

    fn tables_of_domain(&self, domain: Oid) -> Result<Vec<Arc<TableDef>>> {
        let catalog = self.catalog()?;
        let uses = |table: &&Arc<TableDef>| table.live_columns().any(|(_, column)| column.domain == domain);
        Ok(catalog.tables().filter(uses).cloned().collect())
    }

    /// Every value that is there must be one that the domain now allows. Errors: 23502, 23514.
    fn validate_domain(&self, table: &TableDef, places: &[usize], action: &DomainAction) -> Result<()> {
        let target = self.qualified(table)?;
        for place in places {
            let column = &table.columns[*place];
            let quoted = crate::system::quote_identifier(&column.name);
            let (condition, error) = match action {
                DomainAction::SetNotNull => (
                    format!("{quoted} IS NULL"),
                    SqlError::new(
                        SqlState::NOT_NULL_VIOLATION,
                        format!("column \"{}\" of table \"{}\" contains null values", column.name, table.name),
                    ),
                ),
                _ => {
                    let domain = type_text(&*self.catalog()?, &self.searched(), DataType::new(column.domain));
                    // The cast raises the domain's own error at the first value that it does not allow.
                    let probe = format!("SELECT count({quoted}::text::{domain}) FROM {target}");
                    let message = format!(
                        "column \"{}\" of table \"{}\" contains values that violate the new constraint",
                        column.name, table.name
                    );
                    match self.query(&probe, &[]) {
                        Ok(_) => continue,
                        Err(error) if error.state() == SqlState::CHECK_VIOLATION => {
                            return Err(SqlError::new(SqlState::CHECK_VIOLATION, message));
                        }
                        Err(error) => return Err(error),
                    }
                }
            };
            let found = self.query(&format!("SELECT 1 FROM {target} WHERE {condition} LIMIT 1"), &[])?;
            if !found.rows.is_empty() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Every value of a column must be one that its domain allows. Errors: 23502, 23514 as the domain's own.
    pub(super) fn check_domain_column(&self, table: &TableDef, place: usize) -> Result<()> {
        let quoted = crate::system::quote_identifier(&table.columns[place].name);
        let domain = self.type_shown(table.columns[place].domain)?;
        let target = self.qualified(table)?;
        self.query(&format!("SELECT count({quoted}::text::{domain}) FROM {target}"), &[]).map(|_| ())
    }

    /// Columns of tables whose type is this one, its array, or a domain over it.
    fn columns_of_type(&self, ty: Oid) -> Result<Vec<Dependent>> {
        let catalog = self.catalog()?;
        let mut found = Vec::new();
        let mut tables: Vec<_> = catalog.tables().cloned().collect();
        tables.sort_by_key(|table| table.id.0);
        for table in tables {
            for (place, column) in table.live_columns() {
                let held = if column.domain == 0 { column.ty.oid } else { column.domain };
                if held == ty || element_type_of(held) == Some(ty) {
                    found.push(Dependent::Column(table.id, place));
                }
            }
        }
        Ok(found)
    }

    pub(super) fn drop_types(&self, names: &[ObjectName], if_exists: bool, cascade: bool, domain: bool) -> Result<()> {
        for name in names {
            let found = match self.find_type(name) {
                Err(error) if if_exists && error.state() == SqlState::INVALID_SCHEMA_NAME => {
                    let text = format!("schema \"{}\" does not exist, skipping", name.parts[0]);
                    self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
                    continue;
                }
                found => found?,
            };
            if let Some(def) = found {
                if domain && !is_domain(def.oid) {
                    return Err(not_a_domain(&def.name));
                }
                self.must_own(def.owner, "type", &def.name)?;
                let mut dependents = self.columns_of_type(def.oid)?;
                for other in self.catalog()?.types() {
                    let over = match &other.kind {
                        TypeKind::Domain(own) => own.parent == def.oid || (own.parent == 0 && own.base.oid == def.oid),
                        TypeKind::Enum(_) => false,
                    };
                    if over {
                        dependents.push(Dependent::Type(other.oid));
                    }
                }
                self.settle(&format!("type {}", self.type_shown(def.oid)?), &dependents, cascade)?;
                self.remove(EntryKey::Type(def.oid))?;
                continue;
            }
            match self.find_relation(name)? {
                Some(Relation::Table(table)) if table.is_composite() && !domain => {
                    self.must_own(table.owner, "type", &table.name)?;
                    let mut dependents = self.columns_of_type(table.row_type)?;
                    dependents.extend(self.columns_of_type(table.array_type)?);
                    self.settle(&format!("type {}", table.name), &dependents, cascade)?;
                    self.drop_table(&table)?;
                }
                Some(Relation::Table(table)) if !domain => {
                    let own = &table.name;
                    return Err(SqlError::new(
                        SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                        format!("cannot drop type {own} because table {own} requires it"),
                    )
                    .hint(format!("You can drop table {own} instead.")));
                }
                _ if if_exists => self.notice(
                    SqlState::SUCCESSFUL_COMPLETION,
                    format!("type \"{}\" does not exist, skipping", name.parts.join(".")),
                ),
                _ => return Err(Self::missing_type(name)),
            }
        }
        Ok(())
    }

    /// How messages name a type.
    pub(super) fn type_shown(&self, ty: Oid) -> Result<String> {
        Ok(type_text(&*self.catalog()?, &self.searched(), DataType::new(ty)))
    }

    /// COMMENT ON TYPE and DOMAIN.
    pub(super) fn comment_type(&self, name: &ObjectName, text: Option<String>, domain: bool) -> Result<()> {
        if let (None, Some(Relation::Table(table)), false) = (self.find_type(name)?, self.find_relation(name)?, domain)
        {
            self.must_own(table.owner, "type", &table.name)?;
            let mut changed = (*table).clone();
            changed.comment = text;
            return self.put_table(changed).map(|_| ());
        }
        let def = self.own_type(name)?;
        if domain && !is_domain(def.oid) {
            return Err(not_a_domain(&def.name));
        }
        self.put_type(TypeDef { comment: text, ..(*def).clone() })
    }
}

fn duplicate(name: &str) -> SqlError {
    SqlError::new(SqlState::DUPLICATE_OBJECT, format!("type \"{name}\" already exists"))
}

fn not_a_domain(name: &str) -> SqlError {
    SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("{name} is not a domain"))
}

fn not_an_enum(name: &str) -> SqlError {
    SqlError::new(SqlState::WRONG_OBJECT_TYPE, format!("{name} is not an enum"))
}

fn check_label(label: &str) -> Result<()> {
    if label.len() > LABEL_BYTES_MAX {
        return Err(SqlError::new(SqlState::INVALID_NAME, format!("invalid enum label \"{label}\""))
            .detail(format!("Labels must be {LABEL_BYTES_MAX} bytes or less.")));
    }
    Ok(())
}
