//! Functions that describe objects (PG-110, PG-112): pg_get_constraintdef, pg_get_expr, visibility, privileges, names.
//!
//! `describe` is the one list: a function's name and its arguments as they are. What it does not know fails with 0A000.
//! A description of an object that does not exist is NULL, as in PostgreSQL.

use std::sync::Arc;

use crate::catalog::{
    Access, BOOTSTRAP_ROLE, Catalog, Constraint, ConstraintKind, Entry, FIRST_USER_OID, ForeignKeyAction, FunctionDef,
    Guarded, IndexDef, IndexMethod, MatchType, Privilege, Relation, Rights, TableDef, TableId, TableShape, TriggerId,
    TypeKind,
};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{Runtime, aggregates, function_by_oid, window_functions};
use crate::plan::BindContext;
use crate::plan::deparse::{domain_text, quote_name, quote_text, relation_name, stored_text, type_text};
use crate::types::{Array, DataType, ObjectNames, Oid, Value, format_type, oid};

use super::{CatalogNames, schema_name};

/// What is asked, with where to look.
struct Question<'a> {
    bind: &'a BindContext<'a>,
    runtime: &'a dyn Runtime,
    catalog: Arc<Catalog>,
    args: &'a [Value],
}

/// The value of a describing function. Errors: 0A000 for an unknown one, and what binding stored texts says.
pub fn describe(bind: &BindContext<'_>, runtime: &dyn Runtime, kind: &str, args: &[Value]) -> Result<Value> {
    let catalog = bind.catalogs.database(bind.database).cloned();
    let catalog = catalog.ok_or_else(|| SqlError::internal("the session's database is gone"))?;
    let question = Question { bind, runtime, catalog, args };
    match kind {
        "ami_table" => super::ami::table_name(&question.catalog, question.text(0).unwrap_or("")),
        "ami_describe" => {
            let (kind, name) = (question.text(0).unwrap_or(""), question.text(1).unwrap_or(""));
            super::ami::describe(&question.catalog, kind, name)
        }
        "pg_get_expr" => question.expression(),
        "pg_get_constraintdef" => question.constraint(),
        "pg_get_indexdef" => question.index(),
        "pg_get_viewdef" => question.view(),
        "pg_sequence_last_value" => question.oid(0).map_or(Ok(Value::Null), |oid| last_value(runtime, oid)),
        "pg_get_triggerdef" => Ok(question.trigger()),
        "format_type" => Ok(question.row_type_name()),
        "pg_get_serial_sequence" => question.serial_sequence(),
        "obj_description" => Ok(question.comment(0)),
        "col_description" => Ok(question.comment(question.number(1).unwrap_or(0))),
        "shobj_description" => Ok(question.shared_comment()),
        "pg_table_is_visible" => Ok(question.visible_relation()),
        "pg_type_is_visible"
        | "pg_function_is_visible"
        | "pg_operator_is_visible"
        | "pg_opclass_is_visible"
        | "pg_opfamily_is_visible"
        | "pg_collation_is_visible"
        | "pg_conversion_is_visible" => Ok(Value::Bool(true)),
        "pg_ts_config_is_visible"
        | "pg_ts_dict_is_visible"
        | "pg_ts_parser_is_visible"
        | "pg_ts_template_is_visible"
        | "pg_statistics_obj_is_visible" => Ok(Value::Bool(false)),
        "pg_get_function_arguments" => Ok(question.function_arguments(true)),
        "pg_get_function_identity_arguments" => Ok(question.function_arguments(false)),
        "pg_get_function_result" => Ok(question.function_result()),
        "pg_get_functiondef" => Ok(question.function_text()),
        "to_regclass" => Ok(question.find(oid::REGCLASS)),
        "to_regtype" => Ok(question.find(oid::REGTYPE)),
        "to_regproc" => Ok(question.find(oid::REGPROC)),
        "to_regprocedure" => Ok(question.find(oid::REGPROCEDURE)),
        "to_regnamespace" => Ok(question.find(oid::REGNAMESPACE)),
        "to_regrole" => Ok(question.find(oid::REGROLE)),
        "regclass" => question.must_find(oid::REGCLASS),
        "regtypein" => question.must_find(oid::REGTYPE),
        "regprocin" => question.must_find(oid::REGPROC),
        "regprocedurein" => question.must_find(oid::REGPROCEDURE),
        "regnamespacein" => question.must_find(oid::REGNAMESPACE),
        "regrolein" => question.must_find(oid::REGROLE),
        "regclassout" => Ok(question.name(oid::REGCLASS)),
        "regtypeout" => Ok(question.name(oid::REGTYPE)),
        "regprocout" => Ok(question.name(oid::REGPROC)),
        "regprocedureout" => Ok(question.name(oid::REGPROCEDURE)),
        "regnamespaceout" => Ok(question.name(oid::REGNAMESPACE)),
        "regroleout" => Ok(question.name(oid::REGROLE)),
        "has_table_privilege" | "has_sequence_privilege" => question.relation_privilege(2, false),
        "has_any_column_privilege" => question.relation_privilege(2, true),
        "has_column_privilege" => question.relation_privilege(3, true),
        "has_schema_privilege" => question.schema_privilege(),
        "has_database_privilege" => question.object_privilege(Guarded::Database),
        "has_function_privilege" => question.object_privilege(Guarded::Function),
        "has_type_privilege" => question.object_privilege(Guarded::Type),
        "has_language_privilege"
        | "has_tablespace_privilege"
        | "has_server_privilege"
        | "has_foreign_data_wrapper_privilege"
        | "has_parameter_privilege" => Ok(Value::Bool(true)),
        "pg_has_role" => question.has_role(),
        "pg_index_column_has_property" => Ok(question.index_column_property()),
        "pg_index_has_property" | "pg_indexam_has_property" => Ok(Value::Null),
        "pg_relation_filenode" => Ok(question.oid(0).map_or(Value::Null, Value::Oid)),
        "pg_relation_is_updatable" => Ok(Value::Int4(question.writable())),
        "pg_column_is_updatable" => Ok(Value::Bool(question.writable_column())),
        "_pg_char_max_length"
        | "_pg_numeric_precision"
        | "_pg_numeric_precision_radix"
        | "_pg_numeric_scale"
        | "_pg_datetime_precision"
        | "_pg_char_octet_length" => Ok(question.measure(kind)),
        "_pg_interval_type" => Ok(Value::Null),
        "_pg_index_position" => Ok(question.index_position()),
        "pg_relation_is_publishable" => Ok(question.publishable()),
        "acldefault" => Ok(question.default_acl()),
        "aclexplode" => Ok(question.exploded_acl()),
        "pg_timezone_names" => Ok(records(super::builtin::time_zones(runtime.transaction_time()))),
        "pg_relation_filepath"
        | "pg_get_partkeydef"
        | "pg_get_partition_constraintdef"
        | "pg_partition_ancestors"
        | "pg_partition_root"
        | "pg_partition_tree"
        | "pg_get_statisticsobjdef"
        | "pg_get_statisticsobjdef_columns"
        | "pg_get_statisticsobjdef_expressions"
        | "pg_get_function_sqlbody"
        | "pg_get_function_arg_default"
        | "pg_get_ruledef"
        | "pg_get_replica_identity_index"
        | "pg_settings_get_flags"
        | "pg_prepared_xact"
        | "pg_tablespace_databases"
        | "pg_timezone_abbrevs"
        | "pg_collation_for"
        | "pg_describe_object"
        | "pg_identify_object" => Ok(Value::Null),
        "pg_stat_get_numscans" => Ok(Value::Int8(0)),
        other => Err(SqlError::unsupported(format!("function {other}"))),
    }
}

/// Rows as an array of records, as set-returning functions take them.
fn records(rows: Vec<crate::types::Row>) -> Value {
    let record = |row: crate::types::Row| {
        let fields = row.into_iter().map(|value| (Arc::from(""), DataType::TEXT, value));
        Value::Record(Arc::new(crate::types::Record { fields: fields.collect() }))
    };
    Value::Array(Arc::new(Array::one_dimensional(oid::RECORD, rows.into_iter().map(record).collect())))
}

/// Letters of privileges in access lists.
const PRIVILEGES: &[(char, &str)] = &[
    ('a', "INSERT"),
    ('r', "SELECT"),
    ('w', "UPDATE"),
    ('d', "DELETE"),
    ('D', "TRUNCATE"),
    ('x', "REFERENCES"),
    ('t', "TRIGGER"),
    ('X', "EXECUTE"),
    ('U', "USAGE"),
    ('C', "CREATE"),
    ('c', "CONNECT"),
    ('T', "TEMPORARY"),
    ('s', "SET"),
    ('A', "ALTER SYSTEM"),
];

impl Question<'_> {
    /// acldefault: what PUBLIC and the owner may do with an object of this kind that nobody granted anything on.
    fn default_acl(&self) -> Value {
        let (Some(Value::Char(kind)), Some(owner)) = (self.args.first(), self.oid(1)) else { return Value::Null };
        let (everyone, own) = match kind {
            b'r' => ("", "arwdDxt"),
            b's' => ("", "rwU"),
            b'd' => ("Tc", "CTc"),
            b'f' => ("X", "X"),
            b'l' | b'T' => ("U", "U"),
            b'L' => ("", "rw"),
            b'n' => ("", "UC"),
            b't' => ("", "C"),
            b'F' | b'S' => ("", "U"),
            b'p' => ("", "sA"),
            _ => ("", ""),
        };
        let role = self.bind.catalogs.shared.role(owner).map_or_else(|| owner.to_string(), |role| role.name.clone());
        let items = [("", everyone), (role.as_str(), own)].into_iter().filter(|(_, rights)| !rights.is_empty());
        let items = items.map(|(to, rights)| Value::from(format!("{to}={rights}/{role}"))).collect();
        Value::Array(Arc::new(Array::one_dimensional(oid::ACLITEM, items)))
    }

    /// aclexplode: grantor, grantee, privilege and grant option of each right in a list.
    fn exploded_acl(&self) -> Value {
        let Some(Value::Array(list)) = self.args.first() else { return Value::Null };
        let mut rows = Vec::new();
        let role = |name: &str| {
            let found = self.bind.catalogs.shared.role_by_name(name.trim_matches('"'));
            Value::Oid(found.map_or(0, |role| role.oid))
        };
        for item in list.items.iter().filter_map(Value::as_str) {
            let Some((grantee, rest)) = item.split_once('=') else { continue };
            let (rights, grantor) = rest.split_once('/').unwrap_or((rest, ""));
            for (at, letter) in rights.char_indices().filter(|(_, letter)| *letter != '*') {
                let Some((_, name)) = PRIVILEGES.iter().find(|(own, _)| *own == letter) else { continue };
                let option = Value::Bool(rights[at + 1..].starts_with('*'));
                rows.push(vec![role(grantor), role(grantee), Value::text(*name), option]);
            }
        }
        records(rows)
    }

    fn oid(&self, place: usize) -> Option<Oid> {
        self.number(place).and_then(|number| Oid::try_from(number).ok())
    }

    fn number(&self, place: usize) -> Option<i64> {
        self.args.get(place).and_then(Value::as_i64)
    }

    fn text(&self, place: usize) -> Option<&str> {
        self.args.get(place).and_then(Value::as_str)
    }

    /// Whether the last argument asks for the pretty form.
    fn pretty(&self) -> bool {
        matches!(self.args.last(), Some(Value::Bool(true)))
    }

    fn names(&self) -> CatalogNames {
        CatalogNames::new(Arc::new(self.bind.catalogs.clone()), self.bind.database, self.bind.search_path.to_vec())
    }

    fn find(&self, ty: Oid) -> Value {
        let found = self.text(0).map(|text| self.names().find(ty, text));
        found.and_then(Result::ok).map_or(Value::Null, Value::Oid)
    }

    fn must_find(&self, ty: Oid) -> Result<Value> {
        match self.text(0) {
            Some(text) => self.names().find(ty, text).map(Value::Oid),
            None => Ok(Value::Null),
        }
    }

    fn name(&self, ty: Oid) -> Value {
        let Some(object) = self.oid(0) else { return Value::Null };
        self.names().name(ty, object).unwrap_or_else(|| object.to_string()).into()
    }

    fn table(&self, oid: Oid) -> Option<&Arc<TableDef>> {
        self.catalog.table(TableId(oid))
    }

    /// pg_get_expr: what catalogs hold is the SQL text; it is bound over its table and printed.
    fn expression(&self) -> Result<Value> {
        let Some(text) = self.text(0) else { return Ok(Value::Null) };
        let table = self.oid(1).and_then(|oid| self.table(oid)).cloned();
        // A default is printed with its column's type.
        let (text, place) = super::relations::unmarked_default(text);
        let ty = table.as_ref().zip(place).and_then(|(table, place)| {
            let column = table.columns.get(place).filter(|column| column.generated.is_none())?;
            Some(column.ty)
        });
        let domain = self.oid(1).and_then(|oid| self.catalog.user_type(oid)).and_then(|def| match &def.kind {
            TypeKind::Domain(domain) => Some(domain.base),
            TypeKind::Enum(_) => None,
        });
        Ok(stored_text(self.bind, text, table.as_ref(), ty.or(domain), self.pretty())
            .unwrap_or_else(|_| text.to_owned())
            .into())
    }

    fn find_constraint(&self, oid: Oid) -> Option<(Arc<TableDef>, Constraint)> {
        self.catalog.tables().find_map(|table| {
            table
                .constraints
                .iter()
                .find(|constraint| constraint.oid == oid)
                .map(|found| (table.clone(), found.clone()))
        })
    }

    fn domain_constraint(&self) -> Result<Value> {
        let Some(oid) = self.oid(0) else { return Ok(Value::Null) };
        for def in self.catalog.types() {
            let TypeKind::Domain(domain) = &def.kind else { continue };
            if let Some(check) = domain.checks.iter().find(|check| check.oid == oid) {
                let text = domain_text(self.bind, &check.expr, domain.base, self.pretty())?;
                let open = if check.validated { "" } else { " NOT VALID" };
                return Ok(format!("CHECK ({text}){open}").into());
            }
        }
        Ok(Value::Null)
    }

    fn constraint(&self) -> Result<Value> {
        let Some((table, constraint)) = self.oid(0).and_then(|oid| self.find_constraint(oid)) else {
            return self.domain_constraint();
        };
        let columns = |table: &TableDef, places: &[usize]| {
            places.iter().map(|place| quote_name(&table.columns[*place].name)).collect::<Vec<_>>().join(", ")
        };
        let key_columns = |index: Oid| {
            let index = table.indexes.iter().find(|found| found.oid == index);
            let keys: Vec<usize> =
                index.map(|index| index.keys.iter().filter_map(|key| key.column).collect()).unwrap_or_default();
            let include = index.map(|index| index.include.clone()).unwrap_or_default();
            let mut text = format!("({})", columns(&table, &keys));
            if !include.is_empty() {
                text += &format!(" INCLUDE ({})", columns(&table, &include));
            }
            text
        };
        let mut text = match &constraint.kind {
            ConstraintKind::PrimaryKey { index } => format!("PRIMARY KEY {}", key_columns(*index)),
            ConstraintKind::Unique { index } => {
                let found = table.indexes.iter().find(|found| found.oid == *index);
                let nulls =
                    if found.is_some_and(|found| found.nulls_not_distinct) { " NULLS NOT DISTINCT" } else { "" };
                format!("UNIQUE{nulls} {}", key_columns(*index))
            }
            ConstraintKind::Exclude { index, elements } => {
                let Some(index) = table.indexes.iter().find(|found| found.oid == *index) else {
                    return Ok(Value::Null);
                };
                self.exclusion_text(&table, index, elements)?
            }
            ConstraintKind::Check { expr, .. } => {
                format!("CHECK ({})", stored_text(self.bind, expr, Some(&table), None, self.pretty())?)
            }
            ConstraintKind::ForeignKey(key) => {
                let Some(parent) = self.catalog.table(key.parent) else { return Ok(Value::Null) };
                let parent_name = relation_name(&self.catalog, self.bind.search_path, &Relation::Table(parent.clone()));
                let mut text = format!(
                    "FOREIGN KEY ({}) REFERENCES {parent_name}({})",
                    columns(&table, &key.columns),
                    columns(parent, &key.parent_columns)
                );
                if key.match_type == MatchType::Full {
                    text += " MATCH FULL";
                }
                if let Some(action) = action(key.on_update) {
                    text += &format!(" ON UPDATE {action}");
                }
                if let Some(action) = action(key.on_delete) {
                    text += &format!(" ON DELETE {action}");
                    if !key.delete_columns.is_empty() {
                        text += &format!(" ({})", columns(&table, &key.delete_columns));
                    }
                }
                text
            }
        };
        if constraint.deferrable {
            text += " DEFERRABLE";
        }
        if constraint.deferred {
            text += " INITIALLY DEFERRED";
        }
        if !constraint.validated {
            text += " NOT VALID";
        }
        Ok(text.into())
    }

    /// `EXCLUDE USING gist (a WITH =, b WITH &&) WHERE (c)`.
    fn exclusion_text(&self, table: &Arc<TableDef>, index: &IndexDef, elements: &[(usize, String)]) -> Result<String> {
        let mut shown = Vec::with_capacity(elements.len());
        for (place, operator) in elements {
            let Some(key) = index.keys.get(*place) else { continue };
            shown.push(format!("{} WITH {operator}", self.key_text(table, key, true, self.pretty())?));
        }
        let mut text = format!("EXCLUDE USING {} ({})", method_name(index.method), shown.join(", "));
        if !index.include.is_empty() {
            let names = index.include.iter().map(|place| quote_name(&table.columns[*place].name));
            text += &format!(" INCLUDE ({})", names.collect::<Vec<_>>().join(", "));
        }
        if let Some(predicate) = &index.predicate {
            text += &format!(" WHERE ({})", stored_text(self.bind, predicate, Some(table), None, self.pretty())?);
        }
        Ok(text)
    }

    /// pg_get_indexdef: the whole statement, or with a column number that key alone.
    fn index(&self) -> Result<Value> {
        let Some((table, index)) = self.oid(0).and_then(|oid| self.catalog.index(oid)) else { return Ok(Value::Null) };
        let wanted = self.number(1).unwrap_or(0);
        if wanted > 0 {
            let place = usize::try_from(wanted - 1).unwrap_or(usize::MAX);
            if let Some(key) = table.written_keys(index).get(place) {
                return self.key_text(table, key, false, self.args.len() > 2 && self.pretty()).map(Value::from);
            }
            let included = index.include.get(place - index.keys.len().min(place));
            return Ok(included.map_or(Value::Null, |place| quote_name(&table.columns[*place].name).into()));
        }
        self.index_text(table, index).map(Value::from)
    }

    fn key_text(
        &self,
        table: &Arc<TableDef>,
        key: &crate::catalog::IndexKey,
        whole: bool,
        pretty: bool,
    ) -> Result<String> {
        let mut text = match (key.column, &key.expr) {
            (Some(place), _) => quote_name(&table.columns[place].name),
            (None, Some(expr)) => {
                let text = stored_text(self.bind, expr, Some(table), None, pretty)?;
                // A call stands alone; among several keys every other expression is in parentheses of its own.
                let call = text.ends_with(')') && !text.starts_with('(');
                if call || !whole && text.starts_with('(') { text } else { format!("({text})") }
            }
            (None, None) => String::new(),
        };
        if !whole {
            return Ok(text);
        }
        if let Some(collation) = &key.collation {
            text += &format!(
                " COLLATE {}",
                if collation == "default" { "\"default\"".to_owned() } else { format!("\"{collation}\"") }
            );
        }
        let method = table.indexes.iter().find(|index| index.keys.iter().any(|own| std::ptr::eq(own, key)));
        let default =
            |class: &&String| method.is_some_and(|index| super::builtin::is_default_class(index.method, class));
        if let Some(class) = key.operator_class.as_ref().filter(|class| !default(class)) {
            text += &format!(" {class}");
        }
        match (key.descending, key.nulls_first) {
            (false, false) => {}
            (false, true) => text += " NULLS FIRST",
            (true, true) => text += " DESC",
            (true, false) => text += " DESC NULLS LAST",
        }
        Ok(text)
    }

    fn index_text(&self, table: &Arc<TableDef>, index: &IndexDef) -> Result<String> {
        let pretty = self.args.len() > 2 && self.pretty();
        let method = method_name(index.method);
        let keys: Vec<String> = table
            .written_keys(index)
            .into_iter()
            .map(|key| self.key_text(table, key, true, pretty))
            .collect::<Result<_>>()?;
        let mut text = format!(
            "CREATE {}INDEX {} ON {}.{} USING {method} ({})",
            if index.unique { "UNIQUE " } else { "" },
            quote_name(&index.name),
            quote_name(&schema_name(&self.catalog, table.schema)),
            quote_name(&table.name),
            keys.join(", ")
        );
        if !index.include.is_empty() {
            let included: Vec<String> =
                index.include.iter().map(|place| quote_name(&table.columns[*place].name)).collect();
            text += &format!(" INCLUDE ({})", included.join(", "));
        }
        if index.nulls_not_distinct && !index.upsert {
            text += " NULLS NOT DISTINCT";
        }
        if !index.options.is_empty() && table.dialect != "ami" {
            let shown = |value: &str| if quote_name(value) == value { value.to_owned() } else { quote_text(value) };
            let options = index.options.iter().map(|(key, value)| format!("{key}={}", shown(value)));
            text += &format!(" WITH ({})", options.collect::<Vec<_>>().join(", "));
        }
        if let Some(predicate) = &index.predicate {
            let shown = stored_text(self.bind, predicate, Some(table), None, pretty)?;
            text += &format!(" WHERE {shown}");
        }
        Ok(text)
    }

    /// The name of a type that is not built in.
    fn row_type_name(&self) -> Value {
        let Some(ty) = self.oid(0) else { return Value::Null };
        Value::from(type_text(&self.catalog, self.bind.search_path, DataType::new(ty)))
    }

    fn view(&self) -> Result<Value> {
        let oid = match self.args.first() {
            Some(Value::Text(name)) => self.names().find(oid::REGCLASS, name)?,
            _ => match self.oid(0) {
                Some(oid) => oid,
                None => return Ok(Value::Null),
            },
        };
        if let Some(table) = self.table(oid)
            && let TableShape::Materialized { query, search_path, .. } = &table.shape
        {
            let columns = table.live_columns().map(|(_, column)| column.name.clone()).collect::<Vec<_>>();
            return Ok(self.query_text(query.trim_end_matches(';'), search_path, &columns));
        }
        Ok(self.catalog.view(oid).map_or(Value::Null, |def| {
            let columns = def.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
            self.query_text(&def.query, &def.search_path, &columns)
        }))
    }

    /// A view's query with the names that the search path needs; as it was written, if that cannot be said.
    fn query_text(&self, query: &str, path: &[String], columns: &[String]) -> Value {
        let found = path.iter().filter_map(|name| self.catalog.schema_by_name(name).map(|def| def.oid));
        let path: Vec<Oid> = std::iter::once(crate::catalog::PG_CATALOG).chain(found).collect();
        definition(&crate::plan::view_text(self.bind, query, &path, columns).unwrap_or_else(|_| query.to_owned()))
    }

    fn trigger(&self) -> Value {
        let def = self.oid(0).and_then(|oid| self.catalog.trigger(TriggerId(oid)));
        def.map_or(Value::Null, |def| def.text.as_str().into())
    }

    fn serial_sequence(&self) -> Result<Value> {
        let (Some(table), Some(column)) = (self.text(0), self.text(1)) else { return Ok(Value::Null) };
        let oid = self.names().find(oid::REGCLASS, table)?;
        let Some(def) = self.table(oid) else { return Ok(Value::Null) };
        let place = def.column_index(column).ok_or_else(|| {
            SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{column}\" of relation \"{}\" does not exist", def.name),
            )
        })?;
        let owned = self.catalog.sequences().find(|sequence| sequence.owned_by == Some((def.id, place)));
        Ok(owned.map_or(Value::Null, |sequence| {
            let schema = schema_name(&self.catalog, sequence.schema);
            format!("{}.{}", quote_name(&schema), quote_name(&sequence.name)).into()
        }))
    }

    fn comment(&self, column: i64) -> Value {
        let Some(object) = self.oid(0) else { return Value::Null };
        let of_relation = || match self.catalog.relation_by_oid(object)? {
            Relation::Table(def) => match usize::try_from(column) {
                Ok(0) | Err(_) => def.comment.clone(),
                Ok(number) => def.columns.get(number - 1).and_then(|column| column.comment.clone()),
            },
            Relation::View(def) => match usize::try_from(column) {
                Ok(0) | Err(_) => def.comment.clone(),
                Ok(number) => def.columns.get(number - 1).and_then(|column| column.comment.clone()),
            },
            Relation::Sequence(def) => def.comment.clone(),
            Relation::Index(def, place) => def.indexes[place].comment.clone(),
        };
        let of_schema = || self.catalog.schema(object).and_then(|def| def.comment.clone());
        let of_function = || self.catalog.function(object).and_then(|def| def.comment.clone());
        let of_constraint = || self.find_constraint(object).and_then(|(_, found)| found.comment);
        of_relation().or_else(of_schema).or_else(of_function).or_else(of_constraint).into()
    }

    fn shared_comment(&self) -> Value {
        let Some(object) = self.oid(0) else { return Value::Null };
        let shared = &self.bind.catalogs.shared;
        let database = shared.database(object).and_then(|def| def.comment.clone());
        database.or_else(|| shared.role(object).and_then(|def| def.comment.clone())).into()
    }

    fn visible_relation(&self) -> Value {
        let Some(object) = self.oid(0) else { return Value::Null };
        if let Some(system) = super::relation_by_oid(object) {
            return Value::Bool(self.bind.search_path.contains(&system.schema));
        }
        let Some(relation) = self.catalog.relation_by_oid(object) else { return Value::Null };
        let name = match &relation {
            Relation::Table(def) => def.name.clone(),
            Relation::View(def) => def.name.clone(),
            Relation::Sequence(def) => def.name.clone(),
            Relation::Index(def, place) => def.indexes[*place].name.clone(),
        };
        let first = self.bind.search_path.iter().find_map(|schema| {
            let system = super::relation(*schema, &name).map(|found| found.oid);
            system.or_else(|| self.catalog.relation(*schema, &name).map(|found| found.oid()))
        });
        Value::Bool(first == Some(object))
    }

    fn function_arguments(&self, defaults: bool) -> Value {
        let Some(object) = self.oid(0) else { return Value::Null };
        let types = |list: &[Oid]| list.iter().map(|ty| format_type(DataType::new(*ty))).collect::<Vec<_>>().join(", ");
        if let Some(def) = function_by_oid(object) {
            return types(def.args).into();
        }
        if let Some(def) = aggregates().iter().find(|def| def.oid == object) {
            return types(def.args).into();
        }
        if let Some(def) = window_functions().iter().find(|def| def.oid == object) {
            return types(def.args).into();
        }
        let Some(def) = self.catalog.function(object) else { return Value::Null };
        self.user_arguments(def, defaults).into()
    }

    /// A type's name as the search path shows it.
    fn type_text(&self, ty: DataType) -> String {
        self.names().name(oid::REGTYPE, ty.oid).unwrap_or_else(|| format_type(ty))
    }

    /// The arguments of a user's function; with `defaults` as CREATE FUNCTION has them, else as DROP FUNCTION takes them.
    fn user_arguments(&self, def: &FunctionDef, defaults: bool) -> String {
        let required = def.arguments.len() - def.defaults.len();
        let one = |(at, (name, ty)): (usize, &(String, DataType))| {
            let shown = self.type_text(*ty);
            let mut text = if name.is_empty() { shown } else { format!("{} {shown}", quote_name(name)) };
            if let (true, Some(default)) = (defaults, at.checked_sub(required).and_then(|at| def.defaults.get(at))) {
                let shown =
                    stored_text(self.bind, default, None, Some(*ty), false).unwrap_or_else(|_| default.to_string());
                text += &format!(" DEFAULT {shown}");
            }
            text
        };
        let mut shown: Vec<String> = def.arguments.iter().enumerate().map(one).collect();
        if !def.returns_set {
            shown.extend(
                def.columns.iter().map(|(name, ty)| format!("OUT {} {}", quote_name(name), self.type_text(*ty))),
            );
        }
        shown.join(", ")
    }

    fn function_result(&self) -> Value {
        let Some(object) = self.oid(0) else { return Value::Null };
        let built_in = function_by_oid(object).map(|def| def.result);
        let built_in =
            built_in.or_else(|| window_functions().iter().find(|def| def.oid == object).map(|def| def.result));
        if let Some(ty) = built_in {
            return format_type(DataType::new(ty)).into();
        }
        self.catalog.function(object).map_or(Value::Null, |def| self.user_result(def).into())
    }

    fn user_result(&self, def: &FunctionDef) -> String {
        if def.returns_set && !def.columns.is_empty() {
            let columns = def.columns.iter().map(|(name, ty)| format!("{} {}", quote_name(name), self.type_text(*ty)));
            return format!("TABLE({})", columns.collect::<Vec<_>>().join(", "));
        }
        let name = self.type_text(def.returns);
        if def.returns_set { format!("SETOF {name}") } else { name }
    }

    /// pg_get_functiondef: of a function in SQL the statement that makes it, of any other its text.
    fn function_text(&self) -> Value {
        let Some(def) = self.oid(0).and_then(|oid| self.catalog.function(oid)) else { return Value::Null };
        if def.dialect != crate::catalog::SQL_FUNCTIONS {
            return def.body.as_str().into();
        }
        let mut words = String::new();
        match def.volatility {
            Some('i') => words += " IMMUTABLE",
            Some('s') => words += " STABLE",
            _ => {}
        }
        if def.strict {
            words += " STRICT";
        }
        let mut mark = "function".to_owned();
        while def.body.contains(&format!("${mark}$")) {
            mark.push('x');
        }
        format!(
            "CREATE OR REPLACE FUNCTION {}.{}({})\n RETURNS {}\n LANGUAGE sql\n{}AS ${mark}${}${mark}$\n",
            quote_name(&schema_name(&self.catalog, def.schema)),
            quote_name(&def.name),
            self.user_arguments(def, true),
            self.user_result(def),
            if words.is_empty() { String::new() } else { format!("{words}\n") },
            def.body
        )
        .into()
    }

    /// The role and the remaining arguments of a privilege function, whose role may be left out.
    fn role_and_rest(&self, width: usize) -> Result<(Oid, &[Value])> {
        if self.args.len() < width + 1 {
            return Ok((self.runtime.users().1, self.args));
        }
        let shared = &self.bind.catalogs.shared;
        let role = match &self.args[0] {
            Value::Text(name) if &**name == "public" => 0,
            Value::Text(name) => {
                let found = shared.role_by_name(name).map(|def| def.oid);
                found.ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_OBJECT, format!("role \"{name}\" does not exist"))
                })?
            }
            other => other.as_i64().and_then(|number| Oid::try_from(number).ok()).unwrap_or(0),
        };
        Ok((role, &self.args[1..]))
    }

    /// Whether a role has any of the privileges by an access list. Errors: 22023 for a word that is none.
    fn granted(&self, role: Oid, access: &Access<'_>, words: &str) -> Result<Value> {
        for word in words.split(',') {
            let word = word.trim().to_uppercase();
            let (bare, to_grant) = match word.strip_suffix(" WITH GRANT OPTION") {
                Some(bare) => (bare, true),
                None => (word.as_str(), false),
            };
            let wanted = Privilege::named(bare).ok_or_else(|| {
                SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("unrecognized privilege type: \"{word}\""))
            })?;
            let wanted = Rights::of(&[wanted]);
            let held = if to_grant { access.grantable(role, wanted) } else { access.held(role, wanted) };
            if !held.is_empty() {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    }

    fn granted_on(&self, role: Oid, entry: &Entry, words: &str) -> Result<Value> {
        let Some((kind, owner, list)) = entry.guard() else { return Ok(Value::Null) };
        self.granted(role, &Access::new(&self.bind.catalogs.shared, kind, owner, list), words)
    }

    /// has_database_privilege, has_function_privilege, has_type_privilege; everybody may use what is built in.
    fn object_privilege(&self, kind: Guarded) -> Result<Value> {
        let (role, rest) = self.role_and_rest(2)?;
        let words = rest.last().and_then(Value::as_str).unwrap_or_default();
        let object = match rest.first() {
            Some(Value::Text(name)) => match kind {
                Guarded::Database => {
                    let found = self.bind.catalogs.shared.database_by_name(name).map(|def| def.oid);
                    found.ok_or_else(|| {
                        let text = format!("database \"{name}\" does not exist");
                        SqlError::new(SqlState::INVALID_CATALOG_NAME, text)
                    })?
                }
                Guarded::Function => self.names().find(oid::REGPROCEDURE, name)?,
                _ => self.names().find(oid::REGTYPE, name)?,
            },
            Some(other) => other.as_i64().and_then(|number| Oid::try_from(number).ok()).unwrap_or(0),
            None => return Ok(Value::Null),
        };
        let entry = match kind {
            Guarded::Database => self.bind.catalogs.shared.database(object).cloned().map(Entry::Database),
            Guarded::Function => self.catalog.function(object).cloned().map(Entry::Function),
            _ => self.catalog.guarded_type(object),
        };
        if let Some(entry) = entry {
            return self.granted_on(role, &entry, words);
        }
        let built_in = match kind {
            Guarded::Database => false,
            Guarded::Function => object < FIRST_USER_OID,
            _ => crate::types::type_info(object).is_some(),
        };
        if !built_in {
            return Ok(Value::Null);
        }
        self.granted(role, &Access::new(&self.bind.catalogs.shared, kind, BOOTSTRAP_ROLE, &[]), words)
    }

    /// The events that a relation takes writes for, by the bits of pg_relation_is_updatable.
    fn writable(&self) -> i32 {
        match self.oid(0).and_then(|oid| self.catalog.relation_by_oid(oid)) {
            Some(Relation::Table(def)) if !def.is_materialized() => 28,
            Some(Relation::View(def)) => match super::relations::view_writes(&self.catalog, &def) {
                (_, true) => 28,
                (true, false) => 16,
                (false, false) => 0,
            },
            _ => 0,
        }
    }

    fn writable_column(&self) -> bool {
        let place = self.number(1).and_then(|number| usize::try_from(number - 1).ok());
        match (self.oid(0).and_then(|oid| self.catalog.relation_by_oid(oid)), place) {
            (Some(Relation::Table(def)), Some(_)) => !def.is_materialized(),
            (Some(Relation::View(def)), Some(place)) => {
                super::relations::view_writes_column(&self.catalog, &def, place)
            }
            _ => false,
        }
    }

    /// Whether a privilege is held on one of the columns, or on the one that is named.
    fn column_privilege(
        &self,
        role: Oid,
        (relation, columns): (&str, &[crate::catalog::Column]),
        of: Option<&Value>,
        words: &str,
    ) -> Result<bool> {
        let live = columns.iter().enumerate().filter(|(_, column)| !column.dropped);
        let meant = |place: usize, column: &crate::catalog::Column| match of {
            None => true,
            Some(Value::Text(name)) => column.name == **name,
            Some(number) => number.as_i64().is_some_and(|number| usize::try_from(number - 1) == Ok(place)),
        };
        let mut found = false;
        for (place, column) in live {
            if meant(place, column) {
                found = true;
                let access = Access::new(&self.bind.catalogs.shared, Guarded::Column, Oid::MAX, &column.acl);
                if self.granted(role, &access, words)? == Value::Bool(true) {
                    return Ok(true);
                }
            }
        }
        match of {
            Some(Value::Text(name)) if !found => Err(SqlError::new(
                SqlState::UNDEFINED_COLUMN,
                format!("column \"{name}\" of relation \"{relation}\" does not exist"),
            )),
            _ => Ok(false),
        }
    }

    fn relation_privilege(&self, width: usize, by_column: bool) -> Result<Value> {
        let (role, rest) = self.role_and_rest(width)?;
        let object = match rest.first() {
            Some(Value::Text(name)) => self.names().find(oid::REGCLASS, name)?,
            Some(other) => other.as_i64().and_then(|number| Oid::try_from(number).ok()).unwrap_or(0),
            None => return Ok(Value::Null),
        };
        let words = rest.last().and_then(Value::as_str).unwrap_or_default();
        if super::relation_by_oid(object).is_some() {
            return Ok(Value::Bool(words.to_uppercase().contains("SELECT")));
        }
        let found = self.catalog.relation_by_oid(object);
        if by_column {
            let columns = match &found {
                Some(Relation::Table(def)) => (def.name.as_str(), &def.columns[..]),
                Some(Relation::View(def)) => (def.name.as_str(), &def.columns[..]),
                _ => ("", &[][..]),
            };
            let of = rest.get(1).filter(|_| width == 3);
            if self.column_privilege(role, columns, of, words)? {
                return Ok(Value::Bool(true));
            }
        }
        match found {
            Some(Relation::Table(def) | Relation::Index(def, _)) => self.granted_on(role, &Entry::Table(def), words),
            Some(Relation::View(def)) => self.granted_on(role, &Entry::View(def), words),
            Some(Relation::Sequence(def)) => self.granted_on(role, &Entry::Sequence(def), words),
            None => Ok(Value::Null),
        }
    }

    fn schema_privilege(&self) -> Result<Value> {
        let (role, rest) = self.role_and_rest(2)?;
        let words = rest.last().and_then(Value::as_str).unwrap_or_default();
        let schema = match rest.first() {
            Some(Value::Text(name)) => self.names().find(oid::REGNAMESPACE, name)?,
            Some(other) => other.as_i64().and_then(|number| Oid::try_from(number).ok()).unwrap_or(0),
            None => return Ok(Value::Null),
        };
        let Some(def) = self.catalog.schema(schema) else {
            return Ok(Value::Bool(words.to_uppercase().contains("USAGE")));
        };
        self.granted_on(role, &Entry::Schema(def.clone()), words)
    }

    fn has_role(&self) -> Result<Value> {
        let (role, rest) = self.role_and_rest(2)?;
        let group = match rest.first() {
            Some(Value::Text(name)) => self.names().find(oid::REGROLE, name)?,
            Some(other) => other.as_i64().and_then(|number| Oid::try_from(number).ok()).unwrap_or(0),
            None => return Ok(Value::Null),
        };
        let shared = &self.bind.catalogs.shared;
        let mut open = vec![role];
        let mut seen = Vec::new();
        while let Some(next) = open.pop() {
            if next == group || shared.role(next).is_some_and(|def| def.superuser) {
                return Ok(Value::Bool(true));
            }
            if !seen.contains(&next) {
                seen.push(next);
                open.extend(shared.role(next).into_iter().flat_map(|def| def.member_of.iter().map(|(oid, _)| *oid)));
            }
        }
        Ok(Value::Bool(false))
    }

    fn index_column_property(&self) -> Value {
        let found = self.oid(0).and_then(|oid| self.catalog.index(oid));
        let place = self.number(1).and_then(|number| usize::try_from(number - 1).ok());
        let (Some((_, index)), Some(place), Some(property)) = (found, place, self.text(2)) else { return Value::Null };
        let Some(key) = index.keys.get(place) else { return Value::Null };
        match property {
            "asc" => Value::Bool(!key.descending),
            "desc" => Value::Bool(key.descending),
            "nulls_first" => Value::Bool(key.nulls_first),
            "nulls_last" => Value::Bool(!key.nulls_first),
            "orderable" => Value::Bool(index.method == IndexMethod::Btree),
            _ => Value::Null,
        }
    }

    /// Length, precision and scale of a type with its modifier, as information_schema tells them.
    fn measure(&self, what: &str) -> Value {
        let (Some(ty), Some(typmod)) = (self.oid(0), self.number(1)) else { return Value::Null };
        let ty = DataType::with_typmod(ty, i32::try_from(typmod).unwrap_or(-1));
        let found = super::information::measures(ty);
        match what {
            "_pg_char_max_length" => found.length,
            "_pg_char_octet_length" => found.octets,
            "_pg_numeric_precision" => found.precision,
            "_pg_numeric_precision_radix" => found.radix,
            "_pg_numeric_scale" => found.scale,
            _ => found.time,
        }
    }

    /// The place of a column among the keys of an index, from 1.
    fn index_position(&self) -> Value {
        let Some((_, index)) = self.oid(0).and_then(|oid| self.catalog.index(oid)) else { return Value::Null };
        let wanted = self.number(1).and_then(|number| usize::try_from(number - 1).ok());
        let place = index.keys.iter().position(|key| key.column.is_some() && key.column == wanted);
        place.map_or(Value::Null, |place| Value::Int4(i32::try_from(place + 1).unwrap_or(i32::MAX)))
    }

    /// Whether the object is a table whose changes are logged.
    fn publishable(&self) -> Value {
        let table = self.oid(0).and_then(|oid| self.catalog.table(TableId(oid)));
        let logged = |table: &Arc<TableDef>| {
            table.persistence == crate::catalog::Persistence::Permanent && !table.is_materialized()
        };
        Value::Bool(table.is_some_and(logged))
    }
}

fn action(action: ForeignKeyAction) -> Option<&'static str> {
    match action {
        ForeignKeyAction::NoAction => None,
        ForeignKeyAction::Restrict => Some("RESTRICT"),
        ForeignKeyAction::Cascade => Some("CASCADE"),
        ForeignKeyAction::SetNull => Some("SET NULL"),
        ForeignKeyAction::SetDefault => Some("SET DEFAULT"),
    }
}

/// Name of an access method.
pub(super) fn method_name(method: IndexMethod) -> &'static str {
    match method {
        IndexMethod::Btree => "btree",
        IndexMethod::Hash => "hash",
        IndexMethod::Gin => "gin",
        IndexMethod::Gist => "gist",
        IndexMethod::SpGist => "spgist",
        IndexMethod::Brin => "brin",
    }
}

/// The last number that a sequence gave; NULL before the first. Errors: 42P01.
pub(super) fn last_value(runtime: &dyn crate::expr::Runtime, sequence: Oid) -> Result<Value> {
    let (value, called) = runtime.sequence_state(sequence)?;
    Ok(if called { Value::Int8(value) } else { Value::Null })
}

/// What defines a view, as catalogs show it.
pub(super) fn definition(query: &str) -> Value {
    format!(" {query};").into()
}
