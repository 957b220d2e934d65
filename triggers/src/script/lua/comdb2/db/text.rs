//! JSON and CSV for scripts (CDB-1030 to CDB-1032).

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use mlua::{Lua, LuaString, Table, Value as LuaValue};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use tripline_sql::error::{SqlError, SqlState};

use crate::script::lua::Budget;
use crate::script::lua::budget::Outside;
use crate::script::lua::convert::{self, Kind};

const DEPTH_MAX: usize = 100;
/// Pieces of work that are paid for at once.
const PIECES: u64 = 4096;

/// Puts `csv_to_table`, `table_to_json`, `json_to_table` into `db`.
pub(super) fn install(lua: &Lua, db: &Table) -> mlua::Result<()> {
    db.raw_set("csv_to_table", lua.create_function(|lua, (_, text): (LuaValue, String)| csv(lua, &text))?)?;
    db.raw_set(
        "table_to_json",
        lua.create_function(|lua, (_, table, options): (LuaValue, Table, Option<Table>)| {
            let option = |name: &str| match &options {
                Some(options) => options.get::<LuaValue>(name),
                None => Ok(LuaValue::Nil),
            };
            let mut writer = Writer {
                lua,
                annotate: option("type_annotate")? == LuaValue::Boolean(true),
                quote_special: option("quote_special_fp_values")? == LuaValue::Boolean(true),
                invalid: match option("invalid_utf8")? {
                    LuaValue::String(text) => Some(text.to_str()?.to_owned()),
                    _ => None,
                },
                code: 0,
                unpaid: 0,
                out: String::new(),
            };
            writer.value(&LuaValue::Table(table), 0)?;
            Ok(if writer.code == 2 { (None, 2) } else { (Some(writer.out), writer.code) })
        })?,
    )?;
    db.raw_set(
        "json_to_table",
        lua.create_function(|lua, (_, text, options): (LuaValue, LuaString, Option<Table>)| {
            let annotated = match options {
                Some(options) => options.get::<Option<bool>>("type_annotate")?.unwrap_or(false),
                None => false,
            };
            let (failed, unpaid) = (RefCell::new(None), Cell::new(0));
            let reader = Reader { lua, annotated, failed: &failed, unpaid: &unpaid };
            let bytes = text.as_bytes();
            let mut input = serde_json::Deserializer::from_slice(&bytes);
            let parsed = reader.deserialize(&mut input).and_then(|value| input.end().map(|()| value));
            match (parsed, failed.take()) {
                (Ok(value), _) => Ok(value),
                (Err(_), Some(error)) => Err(error),
                (Err(error), None) => Err(mlua::Error::external(SqlError::new(
                    SqlState::new("22032"),
                    format!("Parsing JSON failed: {error}"),
                ))),
            }
        })?,
    )
}

/// RFC 4180: one record is an array of strings, several an array of arrays.
fn csv(lua: &Lua, text: &str) -> mlua::Result<Table> {
    let records = lua.create_table()?;
    let (mut record, mut field) = (lua.create_table()?, String::new());
    let mut chars = text.chars().peekable();
    let (mut quoted, mut started, mut was_quoted) = (false, false, false);
    let mut unpaid = 0;
    while let Some(c) = chars.next() {
        pay(lua, &mut unpaid)?;
        started = true;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted => quoted = false,
            '"' if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            c if quoted => field.push(c),
            ',' => {
                record.raw_push(std::mem::take(&mut field))?;
                was_quoted = false;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.raw_push(std::mem::take(&mut field))?;
                records.raw_push(std::mem::replace(&mut record, lua.create_table()?))?;
                (started, was_quoted) = (false, false);
            }
            '"' => return Err(mlua::Error::runtime("Parsing CSV failed: a quote inside an unquoted field")),
            c if was_quoted => {
                return Err(mlua::Error::runtime(format!("Parsing CSV failed: '{c}' after a closing quote")));
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err(mlua::Error::runtime("Parsing CSV failed: a quoted field is not closed"));
    }
    if started {
        record.raw_push(field)?;
        records.raw_push(record)?;
    }
    if records.raw_len() == 1 { records.raw_get(1) } else { Ok(records) }
}

/// Counts a small piece of work; every so many of them are paid for.
fn pay(lua: &Lua, unpaid: &mut u64) -> mlua::Result<()> {
    *unpaid += 1;
    if *unpaid < PIECES {
        return Ok(());
    }
    *unpaid = 0;
    Budget::spend(lua, PIECES / 16)
}

struct Writer<'a> {
    lua: &'a Lua,
    annotate: bool,
    quote_special: bool,
    invalid: Option<String>,
    code: i64,
    unpaid: u64,
    out: String,
}

impl Writer<'_> {
    fn string(&mut self, text: &str) {
        self.out.push_str(&serde_json::Value::from(text).to_string());
    }

    fn annotated(&mut self, name: &str, write: impl FnOnce(&mut Self) -> mlua::Result<()>) -> mlua::Result<()> {
        if !self.annotate {
            return write(self);
        }
        self.out.push_str("{\"type\":");
        self.string(name);
        self.out.push_str(",\"value\":");
        write(self)?;
        self.out.push('}');
        Ok(())
    }

    fn value(&mut self, value: &LuaValue, depth: usize) -> mlua::Result<()> {
        if depth > DEPTH_MAX {
            return Err(mlua::Error::runtime("too many nested tables"));
        }
        pay(self.lua, &mut self.unpaid)?;
        let more = if let LuaValue::String(text) = value { text.as_bytes().len() } else { 0 };
        Outside::allows(self.lua, self.out.len().saturating_add(more))?;
        match value {
            LuaValue::Nil => {
                self.out.push_str("null");
                Ok(())
            }
            LuaValue::Boolean(b) => self.annotated("boolean", |this| {
                this.out.push_str(if *b { "true" } else { "false" });
                Ok(())
            }),
            LuaValue::Integer(n) => self.annotated("integer", |this| {
                this.out.push_str(&n.to_string());
                Ok(())
            }),
            LuaValue::Number(n) => {
                let n = *n;
                self.annotated("number", |this| {
                    let special = if n.is_nan() {
                        "nan"
                    } else if n > 0.0 {
                        "inf"
                    } else {
                        "-inf"
                    };
                    if n.is_finite() {
                        this.out.push_str(&n.to_string());
                    } else if this.quote_special {
                        this.string(special);
                    } else {
                        this.out.push_str(special);
                    }
                    Ok(())
                })
            }
            LuaValue::String(text) => {
                let bytes = text.as_bytes().to_vec();
                self.annotated("string", |this| this.text(&bytes))
            }
            LuaValue::Table(table) => self.table(table, depth),
            other if convert::is_null(other) => {
                let name = convert::type_name(other);
                self.annotated(name, |this| {
                    this.out.push_str("null");
                    Ok(())
                })
            }
            LuaValue::UserData(_) => {
                let text = convert::text(self.lua, value)?;
                self.annotated(convert::type_name(value), |this| {
                    this.string(&text);
                    Ok(())
                })
            }
            LuaValue::Other(_) => {
                let text = convert::text(self.lua, value)?;
                self.annotated("integer", |this| {
                    this.out.push_str(&text);
                    Ok(())
                })
            }
            other => Err(mlua::Error::runtime(format!("a {} has no form in JSON", other.type_name()))),
        }
    }

    fn text(&mut self, bytes: &[u8]) -> mlua::Result<()> {
        match (std::str::from_utf8(bytes), self.invalid.as_deref()) {
            (Ok(text), _) => self.string(text),
            (Err(_), Some("fail")) => self.code = 2,
            (Err(error), Some("truncate")) => {
                self.code = 4;
                let text = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
                self.string(&text);
            }
            (Err(_), Some("hex")) => {
                self.code = 8;
                let hex: String = bytes.iter().chain(&[0]).map(|byte| format!("{byte:02x}")).collect();
                self.string(&hex);
            }
            (Err(_), _) => return Err(mlua::Error::runtime("invalid utf-8 in table_to_json")),
        }
        Ok(())
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<()> {
        let mut items = Vec::new();
        for pair in table.pairs::<LuaValue, LuaValue>() {
            items.push(pair?);
        }
        let length = table.raw_len();
        if length > 0 && length == items.len() {
            return self.annotated("array", |this| {
                this.out.push('[');
                for at in 1..=length {
                    if at > 1 {
                        this.out.push(',');
                    }
                    this.value(&table.raw_get::<LuaValue>(at)?, depth + 1)?;
                }
                this.out.push(']');
                Ok(())
            });
        }
        self.annotated("object", |this| {
            this.out.push('{');
            for (at, (key, value)) in items.iter().enumerate() {
                if at > 0 {
                    this.out.push(',');
                }
                let key = convert::text(this.lua, key)?;
                this.string(&key);
                this.out.push(':');
                this.value(value, depth + 1)?;
            }
            this.out.push('}');
            Ok(())
        })
    }
}

/// Reads JSON straight into Lua's tables.
#[derive(Clone, Copy)]
struct Reader<'a> {
    lua: &'a Lua,
    annotated: bool,
    /// Why Lua could not take a value.
    failed: &'a RefCell<Option<mlua::Error>>,
    unpaid: &'a Cell<u64>,
}

/// Under this name serde_json gives numbers, as text.
const NUMBER: &str = "$serde_json::private::Number";

impl Reader<'_> {
    fn keep<T, E: serde::de::Error>(&self, result: mlua::Result<T>) -> Result<T, E> {
        result.map_err(|error| {
            *self.failed.borrow_mut() = Some(error);
            E::custom("no place for a value")
        })
    }

    fn number<E: serde::de::Error>(&self, text: &str) -> Result<LuaValue, E> {
        match text.parse::<i64>() {
            Ok(n) => self.keep(convert::to_lua(self.lua, &n.into(), Kind::Int.ty())),
            Err(_) => Ok(LuaValue::Number(text.parse().unwrap_or(f64::NAN))),
        }
    }

    /// An object that may stand for a value with its type.
    fn typed(&self, table: Table) -> mlua::Result<LuaValue> {
        let (name, inner) = (table.raw_get::<LuaValue>("type")?, table.raw_get::<LuaValue>("value")?);
        let LuaValue::String(name) = name else { return Ok(LuaValue::Table(table)) };
        if inner.is_nil() {
            return Ok(LuaValue::Table(table));
        }
        let name = name.to_str()?;
        match (&*name, Kind::named(&name)) {
            ("object" | "array" | "string" | "number" | "integer" | "boolean", _) | (_, None) => Ok(inner),
            (_, Some(Kind::Blob)) => match &inner {
                LuaValue::String(hex) => {
                    let hex = hex.to_str()?;
                    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
                    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
                    let bytes = bytes.ok_or_else(|| mlua::Error::runtime("Parsing JSON failed: bad blob"))?;
                    convert::blob(&bytes).into_value(self.lua)
                }
                _ => convert::null(self.lua, Kind::Blob),
            },
            (_, Some(kind)) => convert::convert_lua(self.lua, &inner, kind),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = LuaValue;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<LuaValue, D::Error> {
        let mut unpaid = self.unpaid.get();
        self.keep(pay(self.lua, &mut unpaid))?;
        self.unpaid.set(unpaid);
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = LuaValue;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<LuaValue, E> {
        self.keep(convert::null(self.lua, Kind::Cstring))
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<LuaValue, E> {
        Ok(LuaValue::Boolean(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<LuaValue, E> {
        self.keep(convert::to_lua(self.lua, &value.into(), Kind::Int.ty()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<LuaValue, E> {
        self.number(&value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<LuaValue, E> {
        Ok(LuaValue::Number(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<LuaValue, E> {
        self.keep(self.lua.create_string(value).map(LuaValue::String))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<LuaValue, A::Error> {
        let table = self.keep(self.lua.create_table())?;
        while let Some(item) = items.next_element_seed(self)? {
            self.keep(table.raw_push(item))?;
        }
        Ok(LuaValue::Table(table))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<LuaValue, A::Error> {
        let table = self.keep(self.lua.create_table())?;
        while let Some(key) = fields.next_key::<Cow<'_, str>>()? {
            if key == NUMBER {
                let text = fields.next_value::<Cow<'_, str>>()?;
                return self.number(&text);
            }
            let value = fields.next_value_seed(self)?;
            self.keep(table.raw_set(&*key, value))?;
        }
        if self.annotated { self.keep(self.typed(table)) } else { Ok(LuaValue::Table(table)) }
    }
}
