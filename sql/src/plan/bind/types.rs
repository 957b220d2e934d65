//! Types as written in a statement → `DataType`; names given as text → OIDs (regclass and its relatives).

use std::sync::Arc;

use sqlparser::ast;
use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, ExactNumberInfo, TimezoneInfo};

use super::Binder;
use crate::catalog::{PG_CATALOG, Relation, TypeDef, TypeKind};
use crate::error::{Result, SqlError, SqlState};
use crate::types::{
    DataType, DecimalFormat, Oid, apply_type_modifiers, array_type_of, element_type_of, is_domain, oid,
    sql_type_by_name, type_by_name, type_info,
};

/// Splits a name given as text (`'public."T"'`) into folded parts. Errors: 42602.
pub(super) fn split_name(text: &str) -> Result<Vec<String>> {
    let invalid = || SqlError::new(SqlState::INVALID_NAME, "invalid name syntax");
    let mut parts = Vec::new();
    let mut chars = text.trim().chars().peekable();
    loop {
        let mut part = String::new();
        if chars.peek() == Some(&'"') {
            chars.next();
            loop {
                match chars.next() {
                    Some('"') if chars.peek() == Some(&'"') => {
                        chars.next();
                        part.push('"');
                    }
                    Some('"') => break,
                    Some(other) => part.push(other),
                    None => return Err(invalid()),
                }
            }
        } else {
            while let Some(&c) = chars.peek() {
                if c == '.' || c == '"' || c.is_whitespace() {
                    break;
                }
                part.push(c.to_ascii_lowercase());
                chars.next();
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

impl Binder<'_> {
    /// The type that a statement names, with modifier; of a domain its base type. Errors: 42704.
    pub(super) fn data_type(&self, ty: &ast::DataType) -> Result<DataType> {
        let written = self.written_type(ty)?;
        Ok(self.base_type(written))
    }

    /// The type below a domain; any other as it is.
    pub(super) fn base_type(&self, ty: DataType) -> DataType {
        match self.catalog.user_type(ty.oid).map(|def| &def.kind) {
            Some(TypeKind::Domain(domain)) => domain.base,
            _ => ty,
        }
    }

    /// The type that a statement names, domains as such. Errors: 42704; 0A000 for an array of domains.
    pub(super) fn written_type(&self, ty: &ast::DataType) -> Result<DataType> {
        use ast::DataType as T;
        let plain = |oid: Oid| Ok(DataType::new(oid));
        let sized = |oid: Oid, size: &Option<u64>| match size {
            Some(n) => apply_type_modifiers(oid, &[i64::try_from(*n).unwrap_or(i64::MAX)]),
            None => Ok(DataType::new(oid)),
        };
        match ty {
            T::Bool | T::Boolean => plain(oid::BOOL),
            T::SmallInt(_) | T::Int2(_) => plain(oid::INT2),
            T::Int(_) | T::Int4(_) | T::Integer(_) => plain(oid::INT4),
            T::BigInt(_) | T::Int8(_) => plain(oid::INT8),
            T::Real | T::Float4 => plain(oid::FLOAT4),
            T::DoublePrecision | T::Float8 | T::Double(_) => plain(oid::FLOAT8),
            T::Float(info) => match info {
                ExactNumberInfo::Precision(p) if *p <= 24 => plain(oid::FLOAT4),
                _ => plain(oid::FLOAT8),
            },
            T::Numeric(info) | T::Decimal(info) | T::Dec(info) => match info {
                ExactNumberInfo::None => plain(oid::NUMERIC),
                ExactNumberInfo::Precision(p) => {
                    apply_type_modifiers(oid::NUMERIC, &[i64::try_from(*p).unwrap_or(i64::MAX)])
                }
                ExactNumberInfo::PrecisionAndScale(p, s) => {
                    apply_type_modifiers(oid::NUMERIC, &[i64::try_from(*p).unwrap_or(i64::MAX), *s])
                }
            },
            T::Char(length) | T::Character(length) => match length {
                Some(CharacterLength::IntegerLength { length, .. }) => sized(oid::BPCHAR, &Some(*length)),
                _ => sized(oid::BPCHAR, &Some(1)),
            },
            T::Varchar(length) | T::CharacterVarying(length) | T::CharVarying(length) => match length {
                Some(CharacterLength::IntegerLength { length, .. }) => sized(oid::VARCHAR, &Some(*length)),
                _ => plain(oid::VARCHAR),
            },
            T::Text => plain(oid::TEXT),
            T::Bytea => plain(oid::BYTEA),
            T::Uuid => plain(oid::UUID),
            T::JSON => plain(oid::JSON),
            T::JSONB => plain(oid::JSONB),
            T::Regclass => plain(oid::REGCLASS),
            T::Date => plain(oid::DATE),
            T::Time(size, zone) => {
                let with = matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
                sized(if with { oid::TIMETZ } else { oid::TIME }, size)
            }
            T::Timestamp(size, zone) => {
                let with = matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz);
                sized(if with { oid::TIMESTAMPTZ } else { oid::TIMESTAMP }, size)
            }
            T::Interval { fields, precision } => {
                let mask = fields.as_ref().map(interval_mask);
                match (mask, precision) {
                    (None, None) => plain(oid::INTERVAL),
                    (mask, Some(p)) => apply_type_modifiers(
                        oid::INTERVAL,
                        &[mask.unwrap_or(0x7FFF), i64::try_from(*p).unwrap_or(i64::MAX)],
                    ),
                    (Some(mask), None) => apply_type_modifiers(oid::INTERVAL, &[mask]),
                }
            }
            T::Bit(size) => sized(oid::BIT, &Some(size.unwrap_or(1))),
            T::BitVarying(size) | T::VarBit(size) => sized(oid::VARBIT, size),
            T::Trigger => plain(oid::TRIGGER),
            T::AnyType => plain(oid::ANY),
            T::Array(definition) => match definition {
                ArrayElemTypeDef::SquareBracket(element, _)
                | ArrayElemTypeDef::AngleBracket(element)
                | ArrayElemTypeDef::Parenthesis(element)
                | ArrayElemTypeDef::Qualified(element, _) => match self.written_type(element)? {
                    domain if is_domain(domain.oid) => Err(SqlError::unsupported("an array of a domain")),
                    element => self.array_of(element),
                },
                ArrayElemTypeDef::None => Err(SqlError::unsupported("an array type without an element type")),
            },
            T::Custom(name, modifiers) => self.custom_type(name, modifiers),
            other => self.named_type(&[other.to_string().to_ascii_lowercase()], &other.to_string()),
        }
    }

    fn array_of(&self, element: DataType) -> Result<DataType> {
        if is_true_array(element.oid) {
            return Ok(element); // int[][] is int[]
        }
        let array = array_type_of(element.oid);
        let name = || crate::types::shown_type(element);
        array.filter(|oid| *oid != 0).map(|oid| DataType::with_typmod(oid, element.typmod)).ok_or_else(|| {
            SqlError::new(SqlState::UNDEFINED_OBJECT, format!("could not find array type for data type {}", name()))
        })
    }

    fn custom_type(&self, name: &ast::ObjectName, modifiers: &[String]) -> Result<DataType> {
        let parts = self.name_parts(name);
        let base = self.named_type(&parts, &parts.join(".")).map_err(|e| e.at(self.name_position(name)))?;
        if self.uses.is_some() && base.oid >= crate::catalog::FIRST_USER_OID {
            self.note_type(name, base.oid);
        }
        if modifiers.is_empty() {
            return Ok(base);
        }
        let invalid = |_| SqlError::new(SqlState::INVALID_PARAMETER_VALUE, "type modifiers must be simple constants");
        let numbers: Vec<i64> =
            modifiers.iter().map(|m| m.trim().parse::<i64>().map_err(invalid)).collect::<Result<_>>()?;
        apply_type_modifiers(base.oid, &numbers)
    }

    fn named_type(&self, parts: &[String], shown: &str) -> Result<DataType> {
        let missing = || SqlError::new(SqlState::UNDEFINED_OBJECT, format!("type \"{shown}\" does not exist"));
        let (schema, name) = match parts {
            [name] => (None, name.as_str()),
            [schema, name] => (Some(schema.as_str()), name.as_str()),
            [_, schema, name] => (Some(schema.as_str()), name.as_str()),
            _ => return Err(missing()),
        };
        if schema.is_none_or(|schema| schema == "pg_catalog") {
            let serial = match name {
                "serial" | "serial4" => Some(oid::INT4),
                "bigserial" | "serial8" => Some(oid::INT8),
                "smallserial" | "serial2" => Some(oid::INT2),
                _ => None,
            };
            if let (None, Some(oid)) = (schema, serial) {
                return Ok(DataType::new(oid));
            }
            if let Some(info) = type_by_name(name).or_else(|| sql_type_by_name(name)) {
                return Ok(DataType::new(info.oid));
            }
            if let Some(element) = name.strip_suffix("[]") {
                return self.array_of(self.named_type(&[element.trim().to_owned()], element)?);
            }
        }
        if schema == Some("information_schema") {
            let base = match name {
                "sql_identifier" => Some(oid::NAME),
                "character_data" | "yes_or_no" => Some(oid::VARCHAR),
                "cardinal_number" => Some(oid::INT4),
                "time_stamp" => Some(oid::TIMESTAMPTZ),
                _ => None,
            };
            return base.map(DataType::new).ok_or_else(missing);
        }
        // Enums and domains, then the row types of tables and views.
        if let Some(def) = self.user_type_in(schema, name) {
            return Ok(DataType::new(def.oid));
        }
        match self.find_relation_in(schema, name)? {
            Some(Relation::Table(def)) => Ok(DataType::new(def.row_type)),
            Some(Relation::View(def)) => Ok(DataType::new(def.row_type)),
            _ => schema.is_none().then(|| comdb2_type(name)).flatten().ok_or_else(missing),
        }
    }

    /// An enum or domain by folded names.
    fn user_type_in(&self, schema: Option<&str>, name: &str) -> Option<&Arc<TypeDef>> {
        match schema {
            Some(schema) => self.catalog.type_by_name(self.schema_oid(schema)?, name),
            None => self.search_path.iter().find_map(|schema| self.catalog.type_by_name(*schema, name)),
        }
    }

    /// The OID that a `reg…` type's text names. Errors: 42P01, 42704, 42883, 3F000.
    pub(super) fn reg_oid(&self, text: &str, ty: Oid) -> Result<Oid> {
        let text = text.trim();
        if text == "-" {
            return Ok(0);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().map_err(|_| {
                SqlError::new(
                    SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
                    format!("value \"{text}\" is out of range for type oid"),
                )
            });
        }
        let undefined =
            |what: &str| SqlError::new(SqlState::UNDEFINED_OBJECT, format!("{what} \"{text}\" does not exist"));
        match ty {
            oid::REGCLASS => {
                let parts = split_name(text)?;
                let (schema, name) = match parts.as_slice() {
                    [name] => (None, name),
                    [schema, name] | [_, schema, name] => (Some(schema.as_str()), name),
                    _ => return Err(SqlError::new(SqlState::INVALID_NAME, "invalid name syntax")),
                };
                self.relation_oid(schema, name)?.ok_or_else(|| {
                    SqlError::new(SqlState::UNDEFINED_TABLE, format!("relation \"{}\" does not exist", parts.join(".")))
                })
            }
            oid::REGTYPE => Ok(self.type_from_text(text)?.oid),
            oid::REGNAMESPACE => {
                let parts = split_name(text)?;
                let schema = self.schema_oid(&parts[0]);
                schema.ok_or_else(|| {
                    SqlError::new(SqlState::INVALID_SCHEMA_NAME, format!("schema \"{}\" does not exist", parts[0]))
                })
            }
            oid::REGROLE => {
                let parts = split_name(text)?;
                let role = self.context.catalogs.shared.role_by_name(&parts[0]);
                role.map(|role| role.oid).ok_or_else(|| undefined("role"))
            }
            _ => super::reg::find_function(
                text,
                ty,
                Some(&self.catalog),
                &self.search_path,
                split_name,
                |text| Ok(self.type_from_text(text)?.oid),
                |name| self.schema_oid(name),
                |name| self.context.source.type_function(name),
            ),
        }
    }

    /// A type given as text, as in `'int4'::regtype`.
    pub(super) fn type_from_text(&self, text: &str) -> Result<DataType> {
        let lower = text.trim().to_ascii_lowercase();
        if let Some(info) = sql_type_by_name(&lower) {
            return Ok(DataType::new(info.oid));
        }
        let ty = super::text::parse_type(text)
            .map_err(|_| SqlError::new(SqlState::UNDEFINED_OBJECT, format!("type \"{text}\" does not exist")))?;
        self.written_type(&ty)
    }

    /// OID of a relation of any kind by folded names.
    pub(super) fn relation_oid(&self, schema: Option<&str>, name: &str) -> Result<Option<Oid>> {
        if schema.is_none_or(|schema| schema == "pg_catalog") {
            if let Some(relation) = self.context.source.system_relation(Some("pg_catalog"), name) {
                return Ok(Some(relation.oid));
            }
        }
        if let Some(relation) = self.find_relation_in(schema, name)? {
            return Ok(Some(relation.oid()));
        }
        Ok(self.context.source.system_relation(schema, name).map(|relation| relation.oid))
    }

    /// OID of a schema by name.
    pub(super) fn schema_oid(&self, name: &str) -> Option<Oid> {
        match name {
            "pg_catalog" => Some(PG_CATALOG),
            "information_schema" => Some(crate::catalog::INFORMATION_SCHEMA),
            "tripline" => Some(crate::catalog::TRIPLINE),
            // The session's own, which is on the path as soon as there is one.
            "pg_temp" => self
                .context
                .search_path
                .iter()
                .copied()
                .find(|oid| self.catalog.schema(*oid).is_some_and(|schema| schema.name.starts_with("pg_temp_"))),
            _ => self.catalog.schema_by_name(name).map(|schema| schema.oid),
        }
    }
}

/// Whether it is an array type, vectors excepted.
fn is_true_array(ty: Oid) -> bool {
    element_type_of(ty).is_some() && type_info(ty).is_none_or(|info| info.name.starts_with('_'))
}

fn interval_mask(fields: &ast::IntervalFields) -> i64 {
    use ast::IntervalFields as F;
    const MONTH: i64 = 1 << 1;
    const YEAR: i64 = 1 << 2;
    const DAY: i64 = 1 << 3;
    const HOUR: i64 = 1 << 10;
    const MINUTE: i64 = 1 << 11;
    const SECOND: i64 = 1 << 12;
    match fields {
        F::Year => YEAR,
        F::Month => MONTH,
        F::Day => DAY,
        F::Hour => HOUR,
        F::Minute => MINUTE,
        F::Second => SECOND,
        F::YearToMonth => YEAR | MONTH,
        F::DayToHour => DAY | HOUR,
        F::DayToMinute => DAY | HOUR | MINUTE,
        F::DayToSecond => DAY | HOUR | MINUTE | SECOND,
        F::HourToMinute => HOUR | MINUTE,
        F::HourToSecond => HOUR | MINUTE | SECOND,
        F::MinuteToSecond => MINUTE | SECOND,
    }
}

/// A type that Comdb2 has by another name, or as another form, and PostgreSQL not at all (CDB-401). Those that are a type
/// and a condition on its values stand in definitions of columns alone.
fn comdb2_type(name: &str) -> Option<DataType> {
    Some(match name {
        "short" => DataType::INT2,
        "longlong" | "largeint" => DataType::INT8,
        "smallfloat" => DataType::FLOAT4,
        "vutf8" => DataType::TEXT,
        "blob" => DataType::BYTEA,
        "datetime" => DataType::with_typmod(oid::TIMESTAMPTZ, 3),
        "datetimeus" => DataType::with_typmod(oid::TIMESTAMPTZ, 6),
        name => return DecimalFormat::type_named(name),
    })
}
