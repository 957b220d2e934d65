//! Rows out: RowDescription and DataRow, written straight into the connection's buffer.
//!
//! Text and integers are copied without a step between; the other types go through `types::to_text` into one scratch
//! string that the connection keeps, or through `types::to_binary` into the buffer itself. A RowDescription is made once
//! per set of columns and kept (`Descriptions`), because drivers that prepare once ask for it with every execution.

use std::sync::Arc;

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::plan::OutputColumn;
use tripline_sql::types::{DataType, DecimalFormat, TextStyle, Value, to_binary, to_text, type_length};

use crate::message::{begin, finish, put, put_string};

/// RowDescriptions kept by a connection.
const DESCRIPTIONS_MAX: usize = 16;

/// The format that a list of result formats gives column `index`: none = text, one = for all.
pub(crate) fn format_of(formats: &[i16], index: usize) -> i16 {
    match formats {
        [] => 0,
        [one] => *one,
        many => many.get(index).copied().unwrap_or(0),
    }
}

/// Appends a RowDescription.
pub(crate) fn put_row_description(out: &mut Vec<u8>, columns: &[OutputColumn], formats: &[i16]) {
    put(out, b'T', |out| {
        out.extend_from_slice(&count16(columns.len()).to_be_bytes());
        for (index, column) in columns.iter().enumerate() {
            put_string(out, &column.name);
            out.extend_from_slice(&column.origin.0.to_be_bytes());
            out.extend_from_slice(&column.origin.1.to_be_bytes());
            out.extend_from_slice(&column.ty.oid.to_be_bytes());
            out.extend_from_slice(&type_length(column.ty.oid).to_be_bytes());
            // What drivers read precision and scale from is PostgreSQL's own only.
            let typmod = if DecimalFormat::of(column.ty).is_some() { -1 } else { column.ty.typmod };
            out.extend_from_slice(&typmod.to_be_bytes());
            out.extend_from_slice(&format_of(formats, index).to_be_bytes());
        }
    });
}

/// Appends a ParameterDescription.
pub(crate) fn put_parameter_description(out: &mut Vec<u8>, params: &[DataType]) {
    put(out, b't', |out| {
        out.extend_from_slice(&count16(params.len()).to_be_bytes());
        for ty in params {
            out.extend_from_slice(&ty.oid.to_be_bytes());
        }
    });
}

/// A count as the protocol has it, 16 bits.
pub(crate) fn count16(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// RowDescriptions made before, found again by the identity of their columns.
#[derive(Debug, Default)]
pub(crate) struct Descriptions {
    kept: Vec<(Arc<[OutputColumn]>, Arc<[i16]>, Vec<u8>)>,
    next: usize,
}

impl Descriptions {
    /// Appends the RowDescription of these columns and formats.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, columns: &Arc<[OutputColumn]>, formats: &Arc<[i16]>) {
        let known =
            self.kept.iter().find(|(c, f, _)| Arc::ptr_eq(c, columns) && (Arc::ptr_eq(f, formats) || f == formats));
        if let Some((_, _, bytes)) = known {
            out.extend_from_slice(bytes);
            return;
        }
        let start = out.len();
        put_row_description(out, columns, formats);
        let made = (columns.clone(), formats.clone(), out[start..].to_vec());
        if self.kept.len() < DESCRIPTIONS_MAX {
            self.kept.push(made);
        } else {
            self.kept[self.next] = made;
            self.next = (self.next + 1) % DESCRIPTIONS_MAX;
        }
    }
}

/// Appends a DataRow. Nothing is appended on error. Errors: 42883 for a type without a binary form, 54000 for a value
/// that does not fit a message.
pub(crate) fn put_data_row(
    out: &mut Vec<u8>,
    scratch: &mut String,
    columns: &[OutputColumn],
    formats: &[i16],
    style: &TextStyle,
    row: &[Value],
) -> Result<()> {
    let start = begin(out, b'D');
    out.extend_from_slice(&count16(columns.len()).to_be_bytes());
    for (index, column) in columns.iter().enumerate() {
        let value = row.get(index).unwrap_or(&Value::Null);
        if let Err(error) = put_value(out, scratch, value, column.ty, format_of(formats, index), style) {
            out.truncate(start);
            return Err(error);
        }
    }
    if out.len() - start > i32::MAX as usize {
        out.truncate(start);
        return Err(too_large());
    }
    finish(out, start);
    Ok(())
}

fn put_value(
    out: &mut Vec<u8>,
    scratch: &mut String,
    value: &Value,
    ty: DataType,
    format: i16,
    style: &TextStyle,
) -> Result<()> {
    if value.is_null() {
        out.extend_from_slice(&(-1i32).to_be_bytes());
        return Ok(());
    }
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    if format == 0 {
        put_text(out, scratch, value, ty, style);
    } else {
        put_binary(out, value, ty)?;
    }
    let length = i32::try_from(out.len() - start - 4).map_err(|_| too_large())?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}

fn put_text(out: &mut Vec<u8>, scratch: &mut String, value: &Value, ty: DataType, style: &TextStyle) {
    match value {
        Value::Text(text) | Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bool(truth) => out.push(if *truth { b't' } else { b'f' }),
        Value::Int2(n) => put_integer(out, i64::from(*n)),
        Value::Int4(n) => put_integer(out, i64::from(*n)),
        Value::Int8(n) => put_integer(out, *n),
        other => {
            scratch.clear();
            to_text(other, ty, style, scratch);
            out.extend_from_slice(scratch.as_bytes());
        }
    }
}

fn put_binary(out: &mut Vec<u8>, value: &Value, ty: DataType) -> Result<()> {
    match value {
        Value::Int2(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Int4(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Int8(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Float4(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Float8(n) => out.extend_from_slice(&n.to_be_bytes()),
        Value::Bool(truth) => out.push(u8::from(*truth)),
        other => return to_binary(other, ty, out),
    }
    Ok(())
}

/// Appends an integer in decimal.
fn put_integer(out: &mut Vec<u8>, n: i64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if n < 0 {
        at -= 1;
        digits[at] = b'-';
    }
    out.extend_from_slice(&digits[at..]);
}

fn too_large() -> SqlError {
    SqlError::new(SqlState::PROGRAM_LIMIT_EXCEEDED, "row is too large to be sent")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, ty: DataType) -> OutputColumn {
        OutputColumn { name: name.to_owned(), ty, origin: (16384, 2) }
    }

    #[test]
    fn integers_in_decimal() {
        for n in [0, 7, -7, 10, 1234567890, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_integer(&mut out, n);
            assert_eq!(String::from_utf8(out).unwrap(), n.to_string());
        }
    }

    // PG-30
    #[test]
    fn a_row_mixes_formats_by_column() {
        let columns = [column("a", DataType::INT4), column("b", DataType::INT4), column("c", DataType::TEXT)];
        let (mut out, mut scratch) = (Vec::new(), String::new());
        let row = [Value::Int4(-12), Value::Int4(258), Value::Null];
        put_data_row(&mut out, &mut scratch, &columns, &[0, 1, 0], &TextStyle::default(), &row).unwrap();
        assert_eq!(out, b"D\0\0\0\x19\0\x03\0\0\0\x03-12\0\0\0\x04\0\0\x01\x02\xff\xff\xff\xff");
    }

    // PG-29
    #[test]
    fn a_description_is_made_once() {
        let columns: Arc<[OutputColumn]> = Arc::from([column("id", DataType::with_typmod(1043, 14))]);
        let formats: Arc<[i16]> = Arc::from([1]);
        let mut kept = Descriptions::default();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        kept.put(&mut first, &columns, &formats);
        kept.put(&mut second, &columns, &formats);
        assert_eq!(first, second);
        assert_eq!(kept.kept.len(), 1);
        assert_eq!(&first[..10], b"T\0\0\0\x1b\0\x01id\0");
        assert_eq!(&first[10..20], b"\0\0\x40\0\0\x02\0\0\x04\x13");
        assert_eq!(&first[22..], b"\0\0\0\x0e\0\x01");
        for _ in 0..40 {
            kept.put(&mut second, &Arc::from([column("x", DataType::BOOL)]), &formats);
        }
        assert_eq!(kept.kept.len(), DESCRIPTIONS_MAX);
    }

    #[test]
    fn one_format_is_for_all_columns() {
        assert_eq!([format_of(&[], 3), format_of(&[1], 3), format_of(&[0, 1], 1)], [0, 1, 1]);
    }
}
