//! CREATE TABLE and CREATE TABLE AS.

use sqlparser::ast;

use super::{Ddl, bare};
use crate::catalog::{Column, Persistence, TableDef, TableId};
use crate::error::{Result, Span, SqlError, SqlState};
use crate::parse::{ObjectName, fold, like_mark, object_name};
use crate::plan::OutputColumn;
use crate::types::{Oid, USER_ARRAY};

impl Ddl<'_> {
    pub(super) fn create_table(&self, create: &ast::CreateTable) -> Result<String> {
        refuse_unsupported(create)?;
        let Some(mut table) = self.new_table(create)? else { return Ok("CREATE TABLE".to_owned()) };
        if let Some(like) = &create.like {
            self.copy_columns(&mut table, like)?;
        }
        let mut sequences = Vec::new();
        let mut constraints = Vec::new();
        for column in &create.columns {
            if let Some(like) = like_mark(&column.name)? {
                self.copy_like(&mut table, &like, &mut sequences)?;
                continue;
            }
            let built = self.build_column(&table, column, &mut sequences)?;
            if table.column_index(&built.column.name).is_some() {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{}\" specified more than once", built.column.name),
                ));
            }
            table.columns.push(built.column);
            constraints.extend(built.constraints);
        }
        constraints.extend(create.constraints.iter().cloned().map(|constraint| (constraint, false)));
        table.options = super::storage::table_options(&create.table_options)?;
        self.add_constraints(&mut table, constraints, true)?;
        self.check_generated(&table)?;
        for sequence in sequences {
            self.put(crate::catalog::Entry::Sequence(std::sync::Arc::new(sequence)))?;
        }
        let table = self.put_table(table)?;
        self.check_expressions(&table)?;
        self.note_on_commit(&table, create.on_commit.as_ref());
        Ok("CREATE TABLE".to_owned())
    }

    /// CREATE TABLE AS and SELECT INTO: the query's columns, then its rows.
    pub(super) fn create_table_as(&self, create: &ast::Statement, with_data: bool) -> Result<String> {
        if let ast::Statement::CreateView(view) = create {
            return self.create_matview(view, with_data);
        }
        let ast::Statement::CreateTable(create) = create else {
            return Err(SqlError::internal("CREATE TABLE AS without a table"));
        };
        refuse_unsupported(create)?;
        let Some(query) = &create.query else { return Err(SqlError::internal("CREATE TABLE AS without a query")) };
        let Some(mut table) = self.new_table(create)? else { return Ok("CREATE TABLE AS".to_owned()) };
        let text = self.defining(query);
        let columns = self.query_columns(&text)?;
        let names: Vec<String> = create.columns.iter().map(|column| fold(&column.name)).collect();
        if names.len() > columns.len() {
            return Err(SqlError::syntax("too many column names were specified"));
        }
        for (place, column) in columns.into_iter().enumerate() {
            let name = names.get(place).cloned().unwrap_or(column.name.clone());
            if table.column_index(&name).is_some() {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_COLUMN,
                    format!("column \"{name}\" specified more than once"),
                ));
            }
            table.columns.push(self.result_column(name, &column)?);
        }
        let table = self.put_table(table)?;
        self.note_on_commit(&table, create.on_commit.as_ref());
        if !with_data {
            return Ok("CREATE TABLE AS".to_owned());
        }
        let target = self.qualified(&table)?;
        let result = self.query(&format!("INSERT INTO {target} {text}"), &[])?;
        Ok(format!("SELECT {}", result.count))
    }

    /// An empty table of the statement's name; none if it exists and `IF NOT EXISTS` was said.
    fn new_table(&self, create: &ast::CreateTable) -> Result<Option<TableDef>> {
        let name = object_name(&create.name);
        let persistence = if create.temporary {
            Persistence::Temporary
        } else if create.unlogged {
            Persistence::Unlogged
        } else {
            Persistence::Permanent
        };
        let (schema, own_name) = self.place_of(&name, persistence)?;
        if self.name_taken(schema, &own_name) {
            if create.if_not_exists {
                let text = format!("relation \"{own_name}\" already exists, skipping");
                self.notice(SqlState::DUPLICATE_TABLE, text);
                return Ok(None);
            }
            return Err(SqlError::new(
                SqlState::DUPLICATE_TABLE,
                format!("relation \"{}\" already exists", bare(&name)),
            ));
        }
        Ok(Some(self.empty_table(schema, own_name, persistence)))
    }

    pub(super) fn empty_table(&self, schema: Oid, name: String, persistence: Persistence) -> TableDef {
        let row_type = self.allocate_oid();
        TableDef {
            id: TableId(self.allocate_oid()),
            schema,
            name,
            owner: self.user(),
            row_type,
            array_type: row_type | USER_ARRAY,
            columns: Vec::new(),
            constraints: Vec::new(),
            indexes: Vec::new(),
            persistence,
            schema_version: 1,
            dialect: "postgres".to_owned(),
            options: Vec::new(),
            maintained_by: 0,
            hidden: false,
            display: Vec::new(),
            acl: if persistence == Persistence::Temporary { Vec::new() } else { self.default_acl('r', schema) },
            comment: None,
            shape: crate::catalog::TableShape::default(),
        }
    }

    /// Schema and name for a new relation; temporary ones go to the session's own schema.
    pub(super) fn place_of(&self, name: &ObjectName, persistence: Persistence) -> Result<(Oid, String)> {
        if persistence != Persistence::Temporary {
            return self.place(name);
        }
        match name.parts.as_slice() {
            [bare] => Ok((self.temporary_schema()?, bare.clone())),
            [schema, bare] if schema == "pg_temp" => Ok((self.temporary_schema()?, bare.clone())),
            _ => Err(SqlError::new(
                SqlState::INVALID_TABLE_DEFINITION,
                "cannot create temporary relation in non-temporary schema",
            )
            .at(Span(name.offset))),
        }
    }

    pub(super) fn name_taken(&self, schema: Oid, name: &str) -> bool {
        self.catalog().is_ok_and(|catalog| catalog.relation(schema, name).is_some())
    }

    fn copy_columns(&self, table: &mut TableDef, like: &ast::CreateTableLikeKind) -> Result<()> {
        let like = match like {
            ast::CreateTableLikeKind::Parenthesized(like) | ast::CreateTableLikeKind::Plain(like) => like,
        };
        let source = self.table(&object_name(&like.name))?;
        let with_defaults = matches!(like.defaults, Some(ast::CreateTableLikeDefaults::Including));
        for (_, column) in source.live_columns() {
            let mut copy = column.clone();
            if !with_defaults {
                copy.default = None;
                copy.generated = None;
            }
            (copy.sequence, copy.identity, copy.missing, copy.comment) = (None, None, None, None);
            table.columns.push(copy);
        }
        Ok(())
    }

    fn note_on_commit(&self, table: &TableDef, action: Option<&ast::OnCommit>) {
        let drop = match action {
            Some(ast::OnCommit::Drop) => true,
            Some(ast::OnCommit::DeleteRows) => false,
            _ => return,
        };
        self.backend.pending.borrow_mut().on_commit.push((table.id, drop));
    }
}

impl Ddl<'_> {
    /// A column as a query's result gives it, with the collation of the column that it shows.
    pub(super) fn result_column(&self, name: String, column: &OutputColumn) -> Result<Column> {
        let mut own = plain_column(name, column);
        let (table, number) = column.origin;
        let catalog = self.catalog()?;
        let place = usize::try_from(number - 1).unwrap_or(usize::MAX);
        if let Some(origin) = catalog.table(TableId(table)).and_then(|table| table.columns.get(place)) {
            own.collation.clone_from(&origin.collation);
        }
        Ok(own)
    }
}

/// The same for one that shows none.
pub(super) fn plain_column(name: String, column: &OutputColumn) -> Column {
    let ty = if column.ty.oid == crate::types::oid::UNKNOWN { crate::types::DataType::TEXT } else { column.ty };
    Column {
        name,
        ty,
        not_null: false,
        default: None,
        identity: None,
        generated: None,
        sequence: None,
        missing: None,
        collation: None,
        dropped: false,
        comment: None,
        domain: 0,
        acl: Vec::new(),
    }
}

fn refuse_unsupported(create: &ast::CreateTable) -> Result<()> {
    if create.partition_by.is_some() || create.partition_of.is_some() {
        return Err(SqlError::unsupported("a partitioned table"));
    }
    if create.inherits.is_some() {
        return Err(SqlError::unsupported("INHERITS"));
    }
    Ok(())
}
