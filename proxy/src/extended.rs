//! The extended query sub-protocol: Parse, Bind, Describe, Execute, Close, Flush.
//!
//! Statements and portals live in the session, with PostgreSQL's rules for their names and ends; here messages become calls
//! and results become messages. Errors are reported by the caller, which then skips up to Sync.

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::session::Step;
use tripline_sql::types::Value;

use crate::copy::CopyIn;
use crate::decode::decode;
use crate::encode::{format_of, put_parameter_description};
use crate::handler::{Connection, Stop, wait_turn};
use crate::message::{Fields, put_complete, put_empty};
use crate::simple::Rows;

/// Texts of parsed statements longer than this are not kept to count positions in.
const SOURCE_BYTES_MAX: usize = 64 << 10;

impl Connection {
    /// One message of the extended protocol but Sync.
    pub(crate) async fn extended(&mut self, kind: u8, body: &[u8]) -> Result<(), Stop> {
        match kind {
            b'P' => self.parse(body)?,
            b'B' => self.bind(body)?,
            b'D' => self.describe(body).await?,
            b'E' => return self.execute(body).await,
            b'C' => self.close(body)?,
            // Flush: everything is written before the next wait anyway.
            _ => Fields::new(body).end()?,
        }
        self.flush_much().await
    }

    fn parse(&mut self, body: &[u8]) -> Result<()> {
        let mut fields = Fields::new(body);
        let name = fields.string()?;
        let sql = fields.string()?;
        let count = fields.count()?;
        let mut types = Vec::with_capacity(count.min(body.len() / 4));
        for _ in 0..count {
            types.push(fields.int32()?.cast_unsigned());
        }
        fields.end()?;
        self.shared.metrics.parse();
        let parsed = self.session.parse(name, sql, &types);
        if let Err(error) = parsed {
            return Err(self.place(error, sql));
        }
        self.parsed.0.clear();
        self.parsed.1.clear();
        if sql.len() <= SOURCE_BYTES_MAX {
            self.parsed.0.push_str(name);
            self.parsed.1.push_str(sql);
        }
        self.notices();
        put_empty(&mut self.out, b'1');
        Ok(())
    }

    fn bind(&mut self, body: &[u8]) -> Result<()> {
        let mut fields = Fields::new(body);
        let portal = fields.string()?;
        let statement = fields.string()?;
        let param_formats = formats(&mut fields)?;
        let types = self.session.statement_params(statement)?;
        let count = fields.count()?;
        if param_formats.len() > 1 && param_formats.len() != count {
            return Err(SqlError::new(
                SqlState::PROTOCOL_VIOLATION,
                format!("bind message has {} parameter formats but {count} parameters", param_formats.len()),
            ));
        }
        if count != types.len() {
            return Err(SqlError::new(
                SqlState::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {count} parameters, but prepared statement \"{statement}\" requires {}",
                    types.len()
                ),
            ));
        }
        let style = self.session.text_style();
        let mut params = Vec::with_capacity(count);
        for (index, ty) in types.iter().enumerate() {
            params.push(match fields.value()? {
                Some(bytes) => {
                    let format = format_of(&param_formats, index);
                    let decoded = decode(bytes, *ty, format, style, index + 1);
                    decoded.map_err(|error| error.context(parameter(portal, index + 1, format, bytes)))?
                }
                None => Value::Null,
            });
        }
        let result_formats = formats(&mut fields)?;
        fields.end()?;
        if let Some(bad) = result_formats.iter().find(|format| !matches!(format, 0 | 1)) {
            return Err(SqlError::new(SqlState::INVALID_PARAMETER_VALUE, format!("unsupported format code: {bad}")));
        }
        if let Err(error) = self.session.bind(portal, statement, params, result_formats) {
            return Err(if self.parsed.0 == statement { self.place_parsed(error) } else { error });
        }
        self.notices();
        put_empty(&mut self.out, b'2');
        Ok(())
    }

    async fn describe(&mut self, body: &[u8]) -> Result<(), Stop> {
        let mut fields = Fields::new(body);
        let target = fields.byte()?;
        let name = fields.string()?;
        fields.end()?;
        match target {
            b'S' => {
                let description = self.session.describe_statement(name)?;
                put_parameter_description(&mut self.out, &description.params);
                match &description.columns {
                    Some(columns) => self.descriptions.put(&mut self.out, columns, &Default::default()),
                    None => put_empty(&mut self.out, b'n'),
                }
            }
            b'P' if self.describe_procedure(name).await? => {}
            b'P' => match self.session.describe_portal(name)? {
                (Some(columns), formats) => self.descriptions.put(&mut self.out, &columns, &formats),
                (None, _) => put_empty(&mut self.out, b'n'),
            },
            other => return Err(bad_target("DESCRIBE", other).into()),
        }
        self.notices();
        Ok(())
    }

    async fn execute(&mut self, body: &[u8]) -> Result<(), Stop> {
        let mut fields = Fields::new(body);
        let portal = fields.string()?;
        // Zero and negative limits both mean all rows.
        let max = u64::try_from(fields.int32()?).unwrap_or(0);
        fields.end()?;
        self.shared.metrics.statement();
        let mut may_wait = true;
        let step = loop {
            match self.call(|session| session.execute(portal, may_wait)) {
                Ok(Step::Waits(turn)) => may_wait = wait_turn(turn).await,
                step => break step,
            }
        };
        self.notices();
        match step? {
            Step::Waits(_) => return Err(SqlError::internal("a step that is taken before").into()),
            Step::Empty => put_empty(&mut self.out, b'I'),
            Step::Done(tag) => put_complete(&mut self.out, &tag),
            Step::Rows(columns) => {
                let formats = self.session.result_formats();
                match self.rows(&columns, &formats, max).await? {
                    Rows::Suspended => put_empty(&mut self.out, b's'),
                    Rows::All => {
                        let tag = self.session.tag();
                        self.notices();
                        put_complete(&mut self.out, &tag);
                    }
                }
            }
            Step::Procedure => {
                self.procedure(max, false).await?;
            }
            Step::CopyOut { format, columns } => self.copy_out(format, columns).await?,
            Step::CopyIn { format, columns } => self.begin_copy(CopyIn::Extended, format, columns),
        }
        self.flush_much().await
    }

    fn close(&mut self, body: &[u8]) -> Result<()> {
        let mut fields = Fields::new(body);
        let target = fields.byte()?;
        let name = fields.string()?;
        fields.end()?;
        match target {
            b'S' => self.session.close_statement(name),
            b'P' => self.session.close_portal(name),
            other => return Err(bad_target("CLOSE", other)),
        }
        put_empty(&mut self.out, b'3');
        Ok(())
    }

    fn place_parsed(&self, error: SqlError) -> SqlError {
        self.place(error, &self.parsed.1)
    }

    /// Counts the position in characters of `sql` already here, while the text is at hand: as an offset that comes out
    /// right when one byte is taken for one character.
    fn place(&self, mut error: SqlError, sql: &str) -> SqlError {
        if let Some(span) = error.fields().position {
            let position = crate::error::character_position(Some(sql), span);
            let offset = u32::try_from(position - 1).unwrap_or(u32::MAX);
            error.fields_mut().position = Some(tripline_sql::error::Span(offset));
        }
        error
    }
}

/// The line of context that names a parameter; its value is not told, only whether it is empty.
fn parameter(portal: &str, number: usize, format: i16, bytes: &[u8]) -> String {
    let portal = if portal.is_empty() { "unnamed portal".to_owned() } else { format!("portal \"{portal}\"") };
    let value = match bytes {
        _ if format != 0 || tripline_sql::types::utf8(bytes).is_err() => "",
        [] => " = ''",
        _ => " = '...'",
    };
    format!("{portal} parameter ${number}{value}")
}

/// A list of format codes.
fn formats(fields: &mut Fields<'_>) -> Result<Vec<i16>> {
    let count = fields.count()?;
    let mut formats = Vec::new();
    for _ in 0..count {
        formats.push(fields.int16()?);
    }
    Ok(formats)
}

fn bad_target(message: &str, target: u8) -> SqlError {
    SqlError::new(SqlState::PROTOCOL_VIOLATION, format!("invalid {message} message subtype {target}"))
}
