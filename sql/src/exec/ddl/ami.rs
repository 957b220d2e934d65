//! AMI's tables, indexes, methods and procedures (AMI-37 to AMI-54, AMI-76, AMI-77).
//!
//! They are ordinary relations and functions of schema public; what AMI adds lies in options of the definition. Names keep
//! their spelling and are unique without regard to case (AMI-8). Values for new columns go through the one door, so that
//! triggers see them (AMI-44).

use std::sync::Arc;

use super::{Ddl, find_column, missing_column};
use crate::catalog::{
    Column, Entry, EntryKey, FunctionDef, FunctionKind, IndexDef, IndexKey, IndexMethod, PUBLIC, Persistence, Relation,
    Reserved, SequenceDef, TableDef,
};
use crate::error::{Result, SqlError, SqlState};
use crate::exec::planning::plan;
use crate::exec::statement::run_plan;
use crate::parse::{
    AmiAlteration, AmiIndexSpec, AmiMethodSpec, AmiTableSpec, AmiType, ObjectName, Parsed, Statement, ami_statement,
};
use crate::types::{DataType, Oid, Row, Value, oid};

/// The dialect's name in definitions.
const AMI: &str = "ami";

/// Options of CREATE PUBLIC TABLE (AMI-37, AMI-39).
const TABLE_OPTIONS: &[&str] = &[
    "persistengine",
    "persistoptions",
    "persist_dir",
    "persist_compact_percent",
    "broadcast",
    "refreshperiodms",
    "onundefcolumn",
    "initialcapacity",
];

/// Options of an engine, and the engines that have them.
const ENGINE_OPTIONS: [(&str, &[&str]); 3] = [
    ("PersistOptions", &["FAST", "TEXT", "HISTORICAL"]),
    ("persist_dir", &["FAST", "TEXT"]),
    ("persist_compact_percent", &["FAST"]),
];

fn invalid(message: String) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

fn bad_value(key: &str, value: &str) -> SqlError {
    invalid(format!("invalid value \"{value}\" for option {key}"))
}

fn duplicate_column(name: &str, table: Option<&str>) -> SqlError {
    SqlError::new(
        SqlState::DUPLICATE_COLUMN,
        match table {
            Some(table) => format!("column \"{name}\" of relation \"{table}\" already exists"),
            None => format!("column \"{name}\" specified more than once"),
        },
    )
}

/// Errors: 22023; 0A000 for an engine that is a plug-in of AMI.
fn check_table_options(options: &[(String, String)]) -> Result<()> {
    for (key, value) in options {
        let lower = key.to_ascii_lowercase();
        if !TABLE_OPTIONS.contains(&lower.as_str()) {
            return Err(invalid(format!("unrecognized option \"{key}\" for CREATE PUBLIC TABLE")));
        }
        let one_of = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        let at_least = |least: u64| value.parse::<u64>().is_ok_and(|number| number >= least);
        let fits = match lower.as_str() {
            "persistengine" if value.trim().is_empty() => false,
            "persistengine" if !one_of(&["FAST", "TEXT", "HISTORICAL"]) => {
                return Err(SqlError::unsupported(format!("the persist engine \"{value}\""))
                    .hint("The engines are FAST, TEXT and HISTORICAL; rows are kept whichever is named."));
            }
            "persist_compact_percent" => value.trim().parse::<f64>().is_ok_and(|part| (0.0..=1.0).contains(&part)),
            "persist_dir" => !value.trim().is_empty(),
            "broadcast" => one_of(&["true", "false"]),
            "refreshperiodms" => at_least(0),
            "initialcapacity" => at_least(1),
            "onundefcolumn" => one_of(&["REJECT", "IGNORE", "ADD"]),
            _ => true,
        };
        if !fits {
            return Err(bad_value(key, value));
        }
    }
    let named = |name: &str| options.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    for (option, engines) in ENGINE_OPTIONS {
        if let Some((key, _)) = named(option)
            && !named("PersistEngine")
                .is_some_and(|(_, engine)| engines.iter().any(|one| one.eq_ignore_ascii_case(engine)))
        {
            return Err(invalid(format!("option \"{key}\" needs PersistEngine=\"{}\"", engines.join("|"))));
        }
    }
    Ok(())
}

/// 42P16 for a reserved name with another type; 0A000 for what is not filled.
fn check_reserved_type(name: &str, ty: DataType) -> Result<()> {
    let Some(reserved) = Reserved::by_name(name) else { return Ok(()) };
    if reserved.data_type() != ty {
        return Err(SqlError::new(
            SqlState::INVALID_TABLE_DEFINITION,
            format!("reserved column \"{name}\" must be of type {}", crate::types::format_type(reserved.data_type())),
        ));
    }
    if reserved == Reserved::Now {
        return Err(SqlError::unsupported("the reserved column \"W\""));
    }
    Ok(())
}

fn plain_column(name: &str, ty: DataType, not_null: bool) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        not_null,
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

/// How a column's type was written, kept for DESCRIBE.
fn type_option(column: &str, words: &[(String, String)]) -> (String, String) {
    let mut text = String::new();
    for (key, value) in words {
        if !text.is_empty() {
            text.push(' ');
        }
        match (key.as_str(), value.as_str()) {
            ("type", word) => text.push_str(word),
            (key, "true") => text.push_str(&key.to_uppercase()),
            (key, value) => text.push_str(&format!("{}=\"{value}\"", key.to_uppercase())),
        }
    }
    (format!("type of {column}"), text)
}

fn plain_key(place: usize, ty: DataType) -> IndexKey {
    IndexKey {
        column: Some(place),
        expr: None,
        ty,
        descending: false,
        nulls_first: false,
        operator_class: None,
        collation: None,
    }
}

impl Ddl<'_> {
    /// Whether a relation of schema public has this name, case aside.
    fn ami_taken(&self, name: &str) -> Result<bool> {
        let catalog = self.catalog()?;
        Ok(catalog.relation(PUBLIC, name).is_some()
            || catalog.tables().any(|def| def.schema == PUBLIC && !def.hidden && def.name.eq_ignore_ascii_case(name)))
    }

    /// CREATE PUBLIC TABLE (AMI-37).
    pub(super) fn ami_create_table(&self, spec: &AmiTableSpec) -> Result<String> {
        let done = || Ok("CREATE TABLE".to_owned());
        check_table_options(&spec.options)?;
        let schema = if spec.temporary { self.temporary_schema()? } else { PUBLIC };
        let taken = match schema {
            PUBLIC => self.ami_taken(&spec.name)?,
            own => self.catalog()?.tables().any(|old| old.schema == own && old.name.eq_ignore_ascii_case(&spec.name)),
        };
        if taken {
            let text = format!("relation \"{}\" already exists", spec.name);
            if spec.if_not_exists {
                self.notice(SqlState::DUPLICATE_TABLE, format!("{text}, skipping"));
                return done();
            }
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, text));
        }
        if !self.backend.superuser.get() && !spec.temporary {
            self.may_create_in(PUBLIC)?;
        }
        let persistence = if spec.temporary { Persistence::Temporary } else { Persistence::Permanent };
        let mut table = self.empty_table(schema, spec.name.clone(), persistence);
        AMI.clone_into(&mut table.dialect);
        table.options.clone_from(&spec.options);
        for (name, ty, not_null, words) in &spec.columns {
            if table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
                return Err(duplicate_column(name, None));
            }
            check_reserved_type(name, *ty)?;
            table.columns.push(plain_column(name, *ty, *not_null));
            table.options.push(type_option(name, words));
        }
        let rows = match &spec.query {
            Some(query) => Some(self.ami_table_source(query, &mut table)?),
            None => None,
        };
        self.object_key(&mut table);
        let stored = self.put_table(table)?;
        if let Some(rows) = rows
            && !rows.is_empty()
        {
            crate::exec::insert_rows(self.backend, stored.id, rows)?;
        }
        done()
    }

    /// The rows of `AS select` or `AS use ds=…`, as rows of the table; columns not declared are the query's.
    fn ami_table_source(&self, query: &Parsed, table: &mut TableDef) -> Result<Vec<Row>> {
        let result = match &*query.statement {
            Statement::AmiExecute { source, text } => {
                let hooks = self.backend.shared.hooks.clone();
                self.with_context(|context| hooks.execute_at(context, source, text))?
            }
            _ => run_plan(self.backend, &plan(self.backend, query, &[])?, &[], self.depth)?,
        };
        let declared = !table.columns.is_empty();
        if declared && table.columns.len() != result.columns.len() {
            return Err(SqlError::syntax(format!(
                "table \"{}\" has {} columns but the query gives {}",
                table.name,
                table.columns.len(),
                result.columns.len()
            )));
        }
        if !declared {
            for (name, ty) in &result.columns {
                if table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name)) {
                    return Err(duplicate_column(name, None));
                }
                let ty = if ty.oid == oid::UNKNOWN { DataType::TEXT } else { *ty };
                table.columns.push(plain_column(name, ty, false));
            }
            if table.columns.is_empty() {
                return Err(SqlError::syntax("a table needs at least one column"));
            }
        }
        let style = crate::types::TextStyle::default();
        let convert = |row: Row| -> Row {
            let cells = row.into_iter().zip(&result.columns).zip(&table.columns);
            cells.map(|((value, (_, from)), to)| crate::types::lenient_cast(value, *from, to.ty, &style)).collect()
        };
        Ok(result.rows.into_iter().map(convert).collect())
    }

    /// AMI-41: rows with the same `I` (and `P`) are one row; null keys never match.
    fn object_key(&self, table: &mut TableDef) {
        let place = |reserved| (0..table.columns.len()).find(|place| table.reserved(*place) == Some(reserved));
        let Some(object) = place(Reserved::Object) else { return };
        let places: Vec<usize> = place(Reserved::Login).into_iter().chain([object]).collect();
        let keys = places.iter().map(|place| plain_key(*place, table.columns[*place].ty)).collect();
        let oid = self.allocate_oid();
        table.indexes.push(IndexDef {
            oid,
            name: format!("{}_object_{oid}", table.name),
            method: IndexMethod::Btree,
            keys,
            include: Vec::new(),
            unique: true,
            deferrable: false,
            nulls_not_distinct: false,
            primary: false,
            predicate: None,
            constraint: 0,
            upsert: true,
            options: vec![("object key".to_owned(), "true".to_owned())],
            comment: None,
        });
    }

    /// CREATE INDEX of AMI (AMI-51, AMI-54).
    pub(super) fn ami_create_index(&self, spec: &AmiIndexSpec) -> Result<String> {
        let table = self.own_table(&spec.table)?;
        self.lock(&table)?;
        if ami_index(&table, &spec.name).is_some() {
            let text = format!("relation \"{}\" already exists", spec.name);
            if spec.if_not_exists {
                self.notice(SqlState::DUPLICATE_TABLE, format!("{text}, skipping"));
                return Ok("CREATE INDEX".to_owned());
            }
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, text));
        }
        let (mut constraint, mut autogen) = ("NONE".to_owned(), "NONE".to_owned());
        for (key, value) in &spec.options {
            match key.to_ascii_lowercase().as_str() {
                "constraint" => constraint = value.to_uppercase(),
                "autogen" => autogen = value.to_uppercase(),
                _ => return Err(invalid(format!("unrecognized option \"{key}\" for CREATE INDEX"))),
            }
        }
        let (unique, upsert) = match constraint.as_str() {
            "NONE" => (false, false),
            "UNIQUE" => (true, false),
            "PRIMARY" => (true, true),
            other => return Err(bad_value("CONSTRAINT", other)),
        };
        if upsert && table.indexes.iter().any(|index| index.upsert && index.option("object key").is_none()) {
            return Err(SqlError::new(
                SqlState::INVALID_TABLE_DEFINITION,
                format!("table \"{}\" has a PRIMARY index already", table.name),
            ));
        }
        let mut keys = Vec::new();
        for (name, _) in &spec.columns {
            let place = find_column(&table, name).ok_or_else(|| missing_column(&table, name))?;
            keys.push(plain_key(place, table.columns[place].ty));
        }
        let mut options = spec.options.clone();
        options.extend(spec.columns.iter().map(|(name, word)| (format!("type of {name}"), word.clone())));
        let oid = self.allocate_oid();
        let mut name = spec.name.clone();
        if self.name_taken(table.schema, &name) {
            // The catalog has one name for one relation; AMI's are unique per table.
            options.push(("index name".to_owned(), name));
            name = format!("{}_{}_{oid}", table.name, spec.name);
        }
        let sequence = self.autogen(&table, &keys, upsert, &autogen)?;
        if let Some(sequence) = &sequence {
            options.push(("sequence".to_owned(), sequence.oid.to_string()));
        }
        let index = IndexDef {
            oid,
            name,
            method: IndexMethod::Btree,
            keys,
            include: Vec::new(),
            unique,
            deferrable: false,
            // Null is a key value like any other (AMI-52).
            nulls_not_distinct: unique,
            primary: false,
            predicate: None,
            constraint: 0,
            upsert,
            options,
            comment: None,
        };
        self.refuse_managed_unique(&table, &index)?;
        let mut changed = (*table).clone();
        changed.indexes.push(index);
        if let Some(sequence) = sequence {
            self.put(Entry::Sequence(Arc::new(sequence)))?;
        }
        self.put_table(changed)?;
        Ok("CREATE INDEX".to_owned())
    }

    /// Checks AUTOGEN; INC gets a sequence that goes on after the keys there are. Errors: 22023, 42804, 42P16.
    fn autogen(&self, table: &TableDef, keys: &[IndexKey], primary: bool, word: &str) -> Result<Option<SequenceDef>> {
        if word == "NONE" {
            return Ok(None);
        }
        if !matches!(word, "INC" | "RAND") {
            return Err(bad_value("AUTOGEN", word));
        }
        let [IndexKey { column: Some(place), ty, .. }] = keys else {
            return Err(SqlError::new(SqlState::INVALID_TABLE_DEFINITION, "AUTOGEN needs an index over one column"));
        };
        if !primary {
            return Err(SqlError::new(SqlState::INVALID_TABLE_DEFINITION, "AUTOGEN needs a PRIMARY index"));
        }
        let fits = match word {
            "INC" => matches!(ty.oid, oid::INT4 | oid::INT8),
            _ => matches!(ty.oid, oid::INT4 | oid::INT8 | oid::TEXT | oid::UUID | oid::FLOAT4 | oid::FLOAT8),
        };
        if !fits {
            return Err(SqlError::new(
                SqlState::DATATYPE_MISMATCH,
                format!("AUTOGEN={word} does not fit a column of type {}", crate::types::format_type(*ty)),
            ));
        }
        if word == "RAND" {
            return Ok(None);
        }
        let column = crate::system::quote_identifier(&table.columns[*place].name);
        let sql = format!("SELECT max({column})::int8 FROM {}", self.qualified(table)?);
        let last = match self.query(&sql, &[])?.rows.first().and_then(|row| row.first()) {
            Some(Value::Int8(last)) => *last,
            _ => -1,
        };
        let mut sequence = self.owned_sequence(table, &table.columns[*place].name, ty.oid, &[])?;
        sequence.min = 0;
        sequence.start = last.max(-1).saturating_add(1);
        sequence.owned_by = Some((table.id, *place));
        Ok(Some(sequence))
    }

    /// DROP INDEX i ON t {, i ON t}: all or none (AMI-51).
    pub(super) fn ami_drop_index(&self, indexes: &[(String, ObjectName)], if_exists: bool) -> Result<String> {
        for (name, table) in indexes {
            let table = self.own_table(table)?;
            self.lock(&table)?;
            let Some(index) = ami_index(&table, name) else {
                let text = format!("index \"{name}\" of table \"{}\" does not exist", table.name);
                if if_exists {
                    self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{text}, skipping"));
                    continue;
                }
                return Err(SqlError::new(SqlState::UNDEFINED_OBJECT, text));
            };
            if index.constraint != 0 {
                return Err(SqlError::new(
                    SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
                    format!("cannot drop index {} because a constraint of table {} requires it", name, table.name),
                ));
            }
            let (oid, sequence) = (index.oid, index.option("sequence").and_then(|text| text.parse::<Oid>().ok()));
            let mut changed = (*table).clone();
            changed.indexes.retain(|index| index.oid != oid);
            self.put_table(changed)?;
            if let Some(sequence) = sequence {
                self.remove(EntryKey::Sequence(sequence))?;
            }
        }
        Ok("DROP INDEX".to_owned())
    }

    /// RENAME TABLE t TO n (AMI-46).
    pub(super) fn ami_rename_table(&self, name: &ObjectName, to: &str) -> Result<String> {
        let table = self.own_table(name)?;
        if !table.name.eq_ignore_ascii_case(to) && self.ami_taken(to)? {
            return Err(SqlError::new(SqlState::DUPLICATE_TABLE, format!("relation \"{to}\" already exists")));
        }
        self.lock(&table)?;
        let mut changed = (*table).clone();
        to.clone_into(&mut changed.name);
        self.put_table(changed)?;
        Ok("ALTER TABLE".to_owned())
    }

    /// DROP TABLE with names found without case.
    pub(super) fn ami_drop_tables(&self, names: &[ObjectName], if_exists: bool, cascade: bool) -> Result<String> {
        let mut exact = Vec::with_capacity(names.len());
        for name in names {
            let parts = match self.find_relation(name)? {
                Some(Relation::Table(def)) => self.written(&def)?,
                Some(_) => name.parts.clone(),
                None => match self.ami_table(name)? {
                    Some(def) => self.written(&def)?,
                    None => name.parts.clone(),
                },
            };
            let parts = if name.parts.len() > 1 { name.parts.clone() } else { parts };
            exact.push(ObjectName { parts, offset: name.offset });
        }
        self.drop_tables(&exact, if_exists, cascade)?;
        Ok("DROP TABLE".to_owned())
    }

    /// A table's name with its schema.
    fn written(&self, def: &TableDef) -> Result<Vec<String>> {
        let catalog = self.catalog()?;
        let schema = catalog.schema(def.schema).map_or_else(|| "public".to_owned(), |schema| schema.name.clone());
        Ok(vec![schema, def.name.clone()])
    }

    /// ALTER TABLE of AMI, action by action (AMI-43).
    pub(super) fn ami_alter_table(&self, name: &ObjectName, actions: &[AmiAlteration]) -> Result<String> {
        let table = self.own_table(name)?;
        self.lock(&table)?;
        for action in actions {
            let table = self.table_now(&table)?;
            match action {
                AmiAlteration::Add { name, ty, value, before } => {
                    self.ami_add_column(&table, name, ty.as_ref(), value.as_deref(), before.as_deref())?;
                }
                AmiAlteration::Drop { name } => {
                    self.drop_column(&table, name, false, false)?;
                    let mut changed = (*self.table_now(&table)?).clone();
                    changed.options.retain(|(key, _)| !key.eq_ignore_ascii_case(&format!("type of {name}")));
                    self.put_table(changed)?;
                }
                AmiAlteration::Rename { name, to } => self.ami_rename_column(&table, name, to)?,
                AmiAlteration::Modify { name, to, ty } => self.ami_modify_column(&table, name, to, ty)?,
            }
        }
        self.refuse_unmaintainable(&table)?;
        Ok("ALTER TABLE".to_owned())
    }

    /// ADD: the new cells are computed by an ordinary update, whose events fire (AMI-44).
    pub(super) fn ami_add_column(
        &self,
        table: &Arc<TableDef>,
        name: &str,
        ty: Option<&AmiType>,
        value: Option<&str>,
        before: Option<&str>,
    ) -> Result<()> {
        if find_column(table, name).is_some() {
            return Err(duplicate_column(name, Some(&table.name)));
        }
        let quoted = crate::system::quote_identifier(name);
        let data_type = match (ty, value) {
            (Some(ty), _) => ty.ty,
            (None, Some(value)) => {
                let query = ami_statement(&format!("SELECT {value} AS x FROM {}", self.qualified(table)?))?;
                let bound = plan(self.backend, &query, &[])?;
                bound.columns.first().map_or(DataType::TEXT, |column| column.ty)
            }
            (None, None) => return Err(SqlError::internal("a column of no type")),
        };
        check_reserved_type(name, data_type)?;
        let mut changed = (**table).clone();
        let place = changed.columns.len();
        if let Some(before) = before {
            let other = find_column(table, before).ok_or_else(|| missing_column(table, before))?;
            let shown = |at: usize| table.display.get(at).copied().unwrap_or(at);
            let mut display: Vec<usize> = (0..table.columns.len()).map(shown).collect();
            let at = display.iter().position(|place| *place == other).unwrap_or(display.len());
            display.insert(at, place);
            changed.display = display;
        }
        self.keep_watched_column(table.id, name, None, changed.schema_version + 1)?;
        changed.columns.push(plain_column(name, data_type, false));
        changed.schema_version += 1;
        if let Some(ty) = ty {
            changed.options.push(type_option(name, &ty.words));
        }
        let changed = self.put_table(changed)?;
        if let Some(value) = value {
            let update = ami_statement(&format!("UPDATE {} SET {quoted} = {value}", self.qualified(&changed)?))?;
            run_plan(self.backend, &plan(self.backend, &update, &[])?, &[], self.depth)?;
        }
        if ty.is_some_and(|ty| ty.nonull) {
            self.refuse_nulls(&changed, place)?;
            let mut changed = (*self.table_now(table)?).clone();
            changed.columns[place].not_null = true;
            self.put_table(changed)?;
        }
        Ok(())
    }

    fn ami_rename_column(&self, table: &Arc<TableDef>, name: &str, to: &str) -> Result<()> {
        let place = find_column(table, name).ok_or_else(|| missing_column(table, name))?;
        if find_column(table, to).is_some_and(|other| other != place) {
            return Err(duplicate_column(to, Some(&table.name)));
        }
        check_reserved_type(to, table.columns[place].ty)?;
        let from = table.columns[place].name.clone();
        if from == to {
            return Ok(());
        }
        self.rename_column(table, &from, to)?;
        let mut changed = (*self.table_now(table)?).clone();
        let (old, new) = (format!("type of {from}"), format!("type of {to}"));
        for (key, _) in changed.options.iter_mut().filter(|(key, _)| *key == old) {
            key.clone_from(&new);
        }
        for index in &mut changed.indexes {
            for (key, _) in index.options.iter_mut().filter(|(key, _)| key.eq_ignore_ascii_case(&old)) {
                key.clone_from(&new);
            }
        }
        self.put_table(changed).map(|_| ())
    }

    /// MODIFY renames and casts; a cell that cannot be cast becomes null. Errors: 2BP01 (AMI-45).
    fn ami_modify_column(&self, table: &Arc<TableDef>, name: &str, to: &str, ty: &AmiType) -> Result<()> {
        let place = find_column(table, name).ok_or_else(|| missing_column(table, name))?;
        self.refuse_named(table, &table.columns[place].name, "modify")?;
        self.ami_rename_column(table, name, to)?;
        let table = self.table_now(table)?;
        if table.columns[place].ty != ty.ty {
            self.change_type_leniently(&table, place, ty.ty)?;
        }
        let mut changed = (*self.table_now(&table)?).clone();
        let option = type_option(to, &ty.words);
        changed.options.retain(|(key, _)| *key != option.0);
        changed.options.push(option);
        if ty.nonull && !changed.columns[place].not_null {
            self.refuse_nulls(&changed, place)?;
        }
        changed.columns[place].not_null = ty.nonull;
        self.put_table(changed).map(|_| ())
    }

    /// CREATE METHOD (AMI-76).
    pub(super) fn ami_create_method(&self, spec: &AmiMethodSpec) -> Result<String> {
        let arguments: Vec<String> = spec.arguments.iter().map(|(ty, name)| format!("{ty} {name}")).collect();
        let options = vec![
            ("returns".to_owned(), spec.returns.clone()),
            ("arguments".to_owned(), arguments.join(", ")),
            ("signature".to_owned(), signature(&spec.name, &spec.arguments)),
        ];
        let taken = self.ami_function(&spec.name, FunctionKind::Function, &spec.body, options);
        self.unless_there(taken, spec.if_not_exists, "CREATE METHOD")
    }

    /// `result` of a CREATE, where IF NOT EXISTS makes a notice of 42723.
    fn unless_there(&self, result: Result<()>, if_not_exists: bool, tag: &str) -> Result<String> {
        match result {
            Err(error) if if_not_exists && error.state() == SqlState::DUPLICATE_FUNCTION => {
                self.notice(SqlState::DUPLICATE_FUNCTION, format!("{}, skipping", error.message()));
                Ok(tag.to_owned())
            }
            result => result.map(|()| tag.to_owned()),
        }
    }

    /// DROP METHOD f(type, …) (AMI-76).
    pub(super) fn ami_drop_method(
        &self,
        name: &str,
        arguments: &[(String, String)],
        if_exists: bool,
    ) -> Result<String> {
        let wanted = signature(name, arguments);
        let catalog = self.catalog()?;
        let mut all = catalog.functions().filter(|def| def.dialect == AMI && def.kind == FunctionKind::Function);
        let same = |def: &&Arc<FunctionDef>| def.options.iter().any(|(key, own)| key == "signature" && *own == wanted);
        let Some(found) = all.find(same).cloned() else {
            let text = format!("method {wanted} does not exist");
            if if_exists {
                self.notice(SqlState::SUCCESSFUL_COMPLETION, format!("{text}, skipping"));
                return Ok("DROP METHOD".to_owned());
            }
            return Err(SqlError::new(SqlState::UNDEFINED_FUNCTION, text));
        };
        self.must_own(found.owner, "method", &found.name)?;
        self.remove(EntryKey::Function(found.oid))?;
        Ok("DROP METHOD".to_owned())
    }

    /// CREATE PROCEDURE n OFTYPE AMISCRIPT (AMI-77).
    pub(super) fn ami_create_procedure(
        &self,
        name: &str,
        if_not_exists: bool,
        options: &[(String, String)],
    ) -> Result<String> {
        let mut script = None;
        for (key, value) in options {
            match key.to_ascii_lowercase().as_str() {
                "script" => script = Some(value.as_str()),
                "logging" if ["off", "on", "verbose"].iter().any(|word| value.eq_ignore_ascii_case(word)) => {}
                "logging" => return Err(bad_value(key, value)),
                "arguments" | "onstartupscript" => {}
                _ => return Err(invalid(format!("unrecognized option \"{key}\" for PROCEDURE OFTYPE AMISCRIPT"))),
            }
        }
        let script = script
            .filter(|text| !text.trim().is_empty())
            .ok_or_else(|| invalid("option \"script\" is required for PROCEDURE OFTYPE AMISCRIPT".to_owned()))?;
        let made = match find_procedure(&*self.catalog()?, name) {
            Some(_) => Err(SqlError::new(SqlState::DUPLICATE_FUNCTION, format!("procedure \"{name}\" already exists"))),
            None => self.ami_function(name, FunctionKind::Procedure, script, options.to_vec()),
        };
        self.unless_there(made, if_not_exists, "CREATE PROCEDURE")
    }

    fn ami_function(&self, name: &str, kind: FunctionKind, body: &str, options: Vec<(String, String)>) -> Result<()> {
        let def = FunctionDef {
            oid: self.allocate_oid(),
            schema: PUBLIC,
            name: name.to_owned(),
            kind,
            language: "amiscript".to_owned(),
            dialect: AMI.to_owned(),
            arguments: Vec::new(),
            defaults: Vec::new(),
            columns: Vec::new(),
            returns: DataType::VOID,
            returns_set: false,
            volatility: Some('v'),
            strict: false,
            body: body.to_owned(),
            options,
            version: None,
            default_version: false,
            owner: self.user(),
            acl: Vec::new(),
            comment: None,
        };
        let hooks = self.backend.shared.hooks.clone();
        let def = self.with_context(|context| hooks.check_routine(context, def))?;
        self.put(Entry::Function(Arc::new(def)))
    }

    /// DROP PROCEDURE of an AMI procedure; false if there is none of this name.
    pub(super) fn ami_drop_procedure(&self, name: &str) -> Result<bool> {
        let catalog = self.catalog()?;
        let Some(found) = find_procedure(&catalog, name) else { return Ok(false) };
        self.must_own(found.owner, "procedure", &found.name)?;
        self.remove(EntryKey::Function(found.oid))?;
        Ok(true)
    }
}

/// An index of a table by the name that AMI gave it, case aside.
fn ami_index<'t>(table: &'t TableDef, name: &str) -> Option<&'t IndexDef> {
    table.indexes.iter().find(|index| index.option("index name").unwrap_or(&index.name).eq_ignore_ascii_case(name))
}

/// An AMI procedure by name, case aside.
pub fn find_procedure(catalog: &crate::catalog::Catalog, name: &str) -> Option<Arc<FunctionDef>> {
    let mut found = catalog
        .functions()
        .filter(|def| def.dialect == AMI && def.kind == FunctionKind::Procedure && def.name.eq_ignore_ascii_case(name));
    found.next().cloned()
}

/// `name(type, type)` with one word for each type, as methods are told apart.
fn signature(name: &str, arguments: &[(String, String)]) -> String {
    let word = |word: &String| {
        let lower = word.to_ascii_lowercase();
        match lower.as_str() {
            "integer" => "int".to_owned(),
            "character" => "char".to_owned(),
            "enum" => "string".to_owned(),
            _ => lower,
        }
    };
    format!("{name}({})", arguments.iter().map(|(ty, _)| word(ty)).collect::<Vec<_>>().join(", "))
}
