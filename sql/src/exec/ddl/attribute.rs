//! ALTER TYPE … {ADD | DROP | ALTER | RENAME} ATTRIBUTE: composite types, and the values of them that tables hold.

use std::sync::Arc;

use super::Ddl;
use crate::catalog::{Entry, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::{Call, Expr, Function, FunctionBody, Volatility};
use crate::parse::AttributeAction;
use crate::types::{Array, DataType, Record, Value, oid};

/// A record with the fields that its type has now; in no table of functions. Arguments: the value, for each new field
/// the place of the old one or -1, and the new fields without values.
static REMADE: Function =
    Function::of_user("remade_record", &[oid::ANY, oid::ANY], Volatility::Immutable, FunctionBody::Scalar(remade));

fn remade(call: &Call<'_>) -> Result<Value> {
    let [Value::Record(old), Value::Array(places), Value::Record(new)] = call.args else { return Ok(Value::Null) };
    let value = |place: &Value| {
        let place = place.as_i64().and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| old.fields.get(place)).map_or(Value::Null, |(_, _, value)| value.clone())
    };
    let fields = new.fields.iter().zip(&places.items);
    let fields = fields.map(|((name, ty, _), place)| (name.clone(), *ty, value(place))).collect();
    Ok(Value::Record(Arc::new(Record { fields })))
}

impl Ddl<'_> {
    /// Changes attributes of a composite type one after the other; what tables hold of it follows. Errors: 42703, 42701,
    /// 42P16, 0A000 for a type that is used within another, or whose attribute changes its type while a column uses it,
    /// 2BP01 for a view that names an attribute.
    pub(super) fn alter_attributes(&self, table: &Arc<TableDef>, actions: &[AttributeAction]) -> Result<()> {
        self.must_own(table.owner, "type", &table.name)?;
        let views = self.views_that_work()?;
        let mut changed = (**table).clone();
        for action in actions {
            self.alter_attribute(&mut changed, action)?;
        }
        let old: Vec<usize> = table.live_columns().map(|(place, _)| place).collect();
        let mut fields = Vec::new();
        let mut places = Vec::new();
        for (place, column) in changed.live_columns() {
            // A new attribute has a place behind all old ones.
            let before = old.iter().position(|own| *own == place);
            places.push(Value::Int4(before.and_then(|at| i32::try_from(at).ok()).unwrap_or(-1)));
            fields.push((Arc::from(column.name.as_str()), column.ty, Value::Null));
        }
        let retyped = actions.iter().any(|action| matches!(action, AttributeAction::Type(..)));
        let users = self.columns_holding(table, retyped)?;
        let places = Value::Array(Arc::new(Array::one_dimensional(oid::INT4, places)));
        let template = Value::Record(Arc::new(Record { fields }));
        changed.schema_version += 1;
        let changed = self.put_table(changed)?;
        let ty = DataType::new(changed.row_type);
        for (user, place) in users {
            let user = self.table_now(&user)?;
            self.lock(&user)?;
            let int4s = DataType::new(crate::types::array_type_of(oid::INT4).unwrap_or(oid::ANYARRAY));
            let args = vec![
                Expr::Column(place, ty),
                Expr::Const(places.clone(), int4s),
                Expr::Const(template.clone(), DataType::RECORD),
            ];
            self.change_type_by(&user, place, ty, Some(Expr::Call { function: &REMADE, args, ty }))?;
            let user = self.table_now(&user)?;
            self.check_expressions(&user).map_err(|error| self.still_named(table, &user.name, &error))?;
        }
        for view in views {
            if let Err(error) = self.query_shape(&format!("SELECT * FROM {view}")) {
                return Err(self.still_named(table, &view, &error));
            }
        }
        Ok(())
    }

    fn still_named(&self, table: &TableDef, by: &str, error: &SqlError) -> SqlError {
        let text = format!("cannot alter composite type {} because other objects depend on it", table.name);
        SqlError::new(SqlState::DEPENDENT_OBJECTS_STILL_EXIST, text)
            .detail(format!("{by} would no longer work: {}", error.message()))
    }

    fn alter_attribute(&self, changed: &mut TableDef, action: &AttributeAction) -> Result<()> {
        let missing = |name: &str| {
            let text = format!("column \"{name}\" of relation \"{}\" does not exist", changed.name);
            SqlError::new(SqlState::UNDEFINED_COLUMN, text)
        };
        let taken = |name: &str| {
            let text = format!("column \"{name}\" of relation \"{}\" already exists", changed.name);
            Err(SqlError::new(SqlState::DUPLICATE_COLUMN, text))
        };
        match action {
            AttributeAction::Add(name, ty) => {
                if changed.column_index(name).is_some() {
                    return taken(name);
                }
                let (ty, domain) = self.below_domain(self.usable_type(ty)?)?;
                if ty.oid == changed.row_type || ty.oid == changed.array_type {
                    let text = format!("composite type {} cannot be made a member of itself", changed.name);
                    return Err(SqlError::new(SqlState::INVALID_TABLE_DEFINITION, text));
                }
                let output = crate::plan::OutputColumn { name: name.clone(), ty, origin: (0, 0) };
                let mut column = super::create::plain_column(name.clone(), &output);
                column.domain = domain;
                changed.columns.push(column);
            }
            AttributeAction::Drop { name, if_exists } => match changed.column_index(name) {
                Some(place) => {
                    changed.columns[place].dropped = true;
                    changed.columns[place].name = format!("........pg.dropped.{}........", place + 1);
                }
                None if *if_exists => {
                    let text = format!("column \"{name}\" of relation \"{}\" does not exist, skipping", changed.name);
                    self.notice(SqlState::SUCCESSFUL_COMPLETION, text);
                }
                None => return Err(missing(name)),
            },
            AttributeAction::Type(name, ty) => {
                let place = changed.column_index(name).ok_or_else(|| missing(name))?;
                let (ty, domain) = self.below_domain(self.usable_type(ty)?)?;
                (changed.columns[place].ty, changed.columns[place].domain) = (ty, domain);
            }
            AttributeAction::Rename(from, to) => {
                let place = changed.column_index(from).ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_COLUMN, format!("column \"{from}\" does not exist"))
                })?;
                if changed.column_index(to).is_some() {
                    return taken(to);
                }
                changed.columns[place].name.clone_from(to);
            }
        }
        Ok(())
    }

    /// The columns of tables that hold values of the type. Errors: 0A000 for one that holds them within others, or for any
    /// if there may be none.
    fn columns_holding(&self, table: &TableDef, none_allowed: bool) -> Result<Vec<(Arc<TableDef>, usize)>> {
        let catalog = self.catalog()?;
        let mut found = Vec::new();
        for user in catalog.tables() {
            for (place, column) in user.live_columns() {
                let plain = column.ty.oid == table.row_type;
                if !plain && column.ty.oid != table.array_type {
                    continue;
                }
                if !plain || none_allowed || user.is_composite() {
                    let text = format!(
                        "cannot alter type \"{}\" because column \"{}.{}\" uses it",
                        table.name, user.name, column.name
                    );
                    return Err(SqlError::new(SqlState::FEATURE_NOT_SUPPORTED, text));
                }
                found.push((user.clone(), place));
            }
        }
        Ok(found)
    }

    /// Qualified names of the views that can be read now.
    fn views_that_work(&self) -> Result<Vec<String>> {
        let catalog = self.catalog()?;
        let mut names = Vec::new();
        for entry in catalog.owned() {
            let (schema, name) = match &entry {
                Entry::View(def) => (def.schema, &def.name),
                _ => continue,
            };
            let schema = crate::system::schema_name(&catalog, schema);
            let quote = crate::system::quote_identifier;
            let name = format!("{}.{}", quote(&schema), quote(name));
            if self.query_shape(&format!("SELECT * FROM {name}")).is_ok() {
                names.push(name);
            }
        }
        Ok(names)
    }
}
