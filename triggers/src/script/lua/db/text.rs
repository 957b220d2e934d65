//! JSON and CSV for scripts (CDB-1030 to CDB-1032).

use mlua::{Lua, LuaString, Table, Value as LuaValue};
use tripline_sql::error::{SqlError, SqlState};

use super::super::convert::{self, Kind};

const DEPTH_MAX: usize = 100;

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
            let parsed: Result<serde_json::Value, _> = serde_json::from_slice(&text.as_bytes());
            match parsed {
                Ok(value) => read(lua, &value, annotated),
                Err(error) => Err(mlua::Error::external(SqlError::new(
                    SqlState::new("22032"),
                    format!("Parsing JSON failed: {error}"),
                ))),
            }
        })?,
    )
}

/// RFC 4180: one record is an array of strings, several an array of arrays.
fn csv(lua: &Lua, text: &str) -> mlua::Result<Table> {
    let mut records: Vec<Vec<String>> = Vec::new();
    let (mut record, mut field) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let (mut quoted, mut started, mut was_quoted) = (false, false, false);
    while let Some(c) = chars.next() {
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
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
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
        record.push(field);
        records.push(record);
    }
    match records.len() {
        0 => lua.create_table(),
        1 => lua.create_sequence_from(records.remove(0)),
        _ => {
            let rows = records.into_iter().map(|record| lua.create_sequence_from(record));
            lua.create_sequence_from(rows.collect::<mlua::Result<Vec<_>>>()?)
        }
    }
}

struct Writer<'a> {
    lua: &'a Lua,
    annotate: bool,
    quote_special: bool,
    invalid: Option<String>,
    code: i64,
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

fn read(lua: &Lua, value: &serde_json::Value, annotated: bool) -> mlua::Result<LuaValue> {
    use serde_json::Value;
    if annotated
        && let Value::Object(fields) = value
        && let (Some(Value::String(name)), Some(inner)) = (fields.get("type"), fields.get("value"))
    {
        let inner = read(lua, inner, true)?;
        return match (name.as_str(), Kind::named(name)) {
            ("object" | "array" | "string" | "number" | "integer" | "boolean", _) | (_, None) => Ok(inner),
            (_, Some(Kind::Blob)) => match &inner {
                LuaValue::String(hex) => {
                    let hex = hex.to_str()?.to_owned();
                    let pair = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
                    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(pair).collect();
                    let bytes = bytes.ok_or_else(|| mlua::Error::runtime("Parsing JSON failed: bad blob"))?;
                    Ok(LuaValue::UserData(lua.create_userdata(convert::blob(&bytes))?))
                }
                _ => convert::null(lua, Kind::Blob),
            },
            (_, Some(kind)) => convert::convert_lua(lua, &inner, kind),
        };
    }
    Ok(match value {
        Value::Null => convert::null(lua, Kind::Cstring)?,
        Value::Bool(b) => LuaValue::Boolean(*b),
        Value::Number(n) => match n.as_i64() {
            Some(n) => convert::to_lua(lua, &n.into(), Kind::Int.ty())?,
            None => LuaValue::Number(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => LuaValue::String(lua.create_string(text)?),
        Value::Array(items) => {
            let table = lua.create_table_with_capacity(items.len(), 0)?;
            for item in items {
                table.raw_push(read(lua, item, annotated)?)?;
            }
            LuaValue::Table(table)
        }
        Value::Object(fields) => {
            let table = lua.create_table_with_capacity(0, fields.len())?;
            for (key, item) in fields {
                table.raw_set(key.as_str(), read(lua, item, annotated)?)?;
            }
            LuaValue::Table(table)
        }
    })
}
