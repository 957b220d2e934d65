//! Types as text: what `format_type` prints, and what a modifier list such as `(10,2)` means (PG-94).
//!
//! A modifier is PostgreSQL's: length + 4 for varchar and char, `(precision << 16 | scale) + 4` for numeric,
//! the precision itself for times, a field mask and precision for intervals, the length itself for bit strings.
use super::datatype::{DataType, Oid, oid, type_info};
use super::typmod;
use crate::error::{Result, SqlError, SqlState};

/// Longest varchar or char.
const TEXT_LENGTH_MAX: i64 = 10_485_760;
/// Longest bit string.
const BIT_LENGTH_MAX: i64 = 83_886_080;
/// Highest precision of times and intervals.
const TIME_PRECISION_MAX: i64 = 6;

/// The type as PostgreSQL's format_type prints it: `character varying(10)`, `timestamp(3) with time zone`, `text[]`;
/// `-` for no type and `???` for one that is not built in.
#[must_use]
pub fn format_type(ty: DataType) -> String {
    if ty.oid == 0 {
        return "-".to_owned();
    }
    let Some(info) = type_info(ty.oid) else { return "???".to_owned() };
    if info.element != 0 && info.name.starts_with('_') {
        return format!("{}[]", format_type(DataType::with_typmod(info.element, ty.typmod)));
    }
    if ty.oid == oid::BPCHAR && ty.typmod < 0 {
        // With typmod -1 this is bpchar, which is not what "character" means.
        return "bpchar".to_owned();
    }
    if ty.oid == oid::BIT && ty.typmod < 0 {
        return "\"bit\"".to_owned();
    }
    if ty.typmod < 0 {
        return info.sql_name.to_owned();
    }
    match ty.oid {
        oid::VARCHAR | oid::BPCHAR if ty.typmod >= 4 => format!("{}({})", info.sql_name, ty.typmod - 4),
        oid::NUMERIC if ty.typmod >= 4 => {
            let (precision, scale) = typmod::numeric_precision_scale(ty.typmod);
            format!("numeric({precision},{scale})")
        }
        oid::NUMERIC => typmod::DecimalFormat::of(ty).map_or(info.sql_name, |format| format.name).to_owned(),
        oid::TIME => format!("time({}) without time zone", ty.typmod),
        oid::TIMETZ => format!("time({}) with time zone", ty.typmod),
        oid::TIMESTAMP => format!("timestamp({}) without time zone", ty.typmod),
        oid::TIMESTAMPTZ => format!("timestamp({}) with time zone", ty.typmod),
        oid::BIT | oid::VARBIT => format!("{}({})", info.sql_name, ty.typmod),
        oid::INTERVAL => {
            let (fields, precision) = typmod::interval_fields(ty.typmod);
            let mut text = format!("interval{}", typmod::interval_fields_text(fields));
            if let Some(precision) = precision {
                text.push_str(&format!("({precision})"));
            }
            text
        }
        _ => info.sql_name.to_owned(),
    }
}

/// Stands before and after the OID of a type whose name only the catalog knows, in messages of errors.
pub const TYPE_MARK: char = '\u{1}';

/// A type for a message. Of one that is not built in the OID between marks: who knows the catalog puts the name there.
#[must_use]
pub fn shown_type(ty: DataType) -> String {
    match format_type(ty) {
        // Only with a modifier are these quoted, or called by their other name.
        _ if ty.typmod < 0 && ty.oid == oid::BIT => "bit".to_owned(),
        _ if ty.typmod < 0 && ty.oid == oid::BPCHAR => "character".to_owned(),
        unknown if unknown == "???" => format!("{TYPE_MARK}{}{TYPE_MARK}", ty.oid),
        known => known,
    }
}

fn invalid(message: impl Into<String>) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, message)
}

/// The type with the modifiers of a declaration, `varchar(10)`, `numeric(10,2)`, `timestamp(3)`; those of an array
/// are its elements'. An empty list gives the type without a modifier, except `char` and `bit`, which mean length 1
/// only when the SQL keyword was written: the parser passes `[1]` then.
/// For interval the list is `[field mask]` or `[field mask, precision]`, or `[precision]` as written in `interval(p)`
/// is passed as `[0x7FFF, p]`.
/// Errors: 22023 out of range, 42601 for a type that takes none.
pub fn apply_type_modifiers(oid: Oid, modifiers: &[i64]) -> Result<DataType> {
    if modifiers.is_empty() {
        return Ok(DataType::new(oid));
    }
    let base = match type_info(oid) {
        Some(info) if info.element != 0 && info.name.starts_with('_') => info.element,
        _ => oid,
    };
    let one = |name: &str| match modifiers {
        [one] => Ok(*one),
        _ => Err(invalid(format!("invalid {name} type modifier"))),
    };
    let typmod = match base {
        oid::VARCHAR | oid::BPCHAR => text_typmod(if base == oid::VARCHAR { "varchar" } else { "char" }, modifiers)?,
        oid::BIT | oid::VARBIT => {
            let name = if base == oid::BIT { "bit" } else { "varbit" };
            let length = one(name)?;
            if length < 1 {
                return Err(invalid(format!("length for type {name} must be at least 1")));
            }
            if length > BIT_LENGTH_MAX {
                return Err(invalid(format!("length for type {name} cannot exceed {BIT_LENGTH_MAX}")));
            }
            length
        }
        oid::NUMERIC => numeric_typmod(modifiers)?,
        oid::TIME => time_precision("TIME", "", one("TIME")?)?,
        oid::TIMETZ => time_precision("TIME", " WITH TIME ZONE", one("TIME")?)?,
        oid::TIMESTAMP => time_precision("TIMESTAMP", "", one("TIMESTAMP")?)?,
        oid::TIMESTAMPTZ => time_precision("TIMESTAMP", " WITH TIME ZONE", one("TIMESTAMP")?)?,
        oid::INTERVAL => match modifiers {
            [fields] if (0..=0x7FFF).contains(fields) => (fields << 16) | 0xFFFF,
            [fields, precision] if (0..=0x7FFF).contains(fields) => {
                (fields << 16) | time_precision("INTERVAL", "", *precision)?
            }
            _ => return Err(invalid("invalid INTERVAL type modifier")),
        },
        _ => {
            let name = format_type(DataType::new(base));
            return Err(SqlError::syntax(format!("type modifier is not allowed for type \"{name}\"")));
        }
    };
    Ok(DataType::with_typmod(oid, i32::try_from(typmod).map_err(|_| invalid("type modifier out of range"))?))
}

fn text_typmod(name: &str, modifiers: &[i64]) -> Result<i64> {
    let [length] = modifiers else { return Err(invalid("invalid type modifier")) };
    if *length < 1 {
        return Err(invalid(format!("length for type {name} must be at least 1")));
    }
    if *length > TEXT_LENGTH_MAX {
        return Err(invalid(format!("length for type {name} cannot exceed {TEXT_LENGTH_MAX}")));
    }
    Ok(length + 4)
}

fn numeric_typmod(modifiers: &[i64]) -> Result<i64> {
    let (precision, scale) = match modifiers {
        [precision] => (*precision, 0),
        [precision, scale] => (*precision, *scale),
        _ => return Err(invalid("invalid NUMERIC type modifier")),
    };
    if !(1..=1000).contains(&precision) {
        return Err(invalid(format!("NUMERIC precision {precision} must be between 1 and 1000")));
    }
    if !(-1000..=1000).contains(&scale) {
        return Err(invalid(format!("NUMERIC scale {scale} must be between -1000 and 1000")));
    }
    Ok(((precision << 16) | (scale & 0x7FF)) + 4)
}

/// PostgreSQL cuts a precision above 6 with a warning.
fn time_precision(name: &str, zone: &str, precision: i64) -> Result<i64> {
    if precision < 0 {
        return Err(invalid(format!("{name}({precision}){zone} precision must not be negative")));
    }
    Ok(precision.min(TIME_PRECISION_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-94
    #[test]
    fn types_print_as_format_type_does() {
        for (oid, modifiers, expected) in [
            (oid::VARCHAR, &[10][..], "character varying(10)"),
            (oid::VARCHAR, &[], "character varying"),
            (oid::BPCHAR, &[5], "character(5)"),
            (oid::BPCHAR, &[], "bpchar"),
            (oid::NUMERIC, &[10, 2], "numeric(10,2)"),
            (oid::NUMERIC, &[3, -2], "numeric(3,-2)"),
            (oid::NUMERIC, &[4], "numeric(4,0)"),
            (oid::TIMESTAMPTZ, &[3], "timestamp(3) with time zone"),
            (oid::TIMESTAMP, &[], "timestamp without time zone"),
            (oid::TIME, &[0], "time(0) without time zone"),
            (oid::CHAR, &[], "\"char\""),
            (1009, &[], "text[]"),
            (1015, &[7], "character varying(7)[]"),
            (oid::INTERVAL, &[0x7FFF, 2], "interval(2)"),
            (oid::INTERVAL, &[6], "interval year to month"),
            (oid::INTERVAL, &[7176, 3], "interval day to second(3)"),
            (0, &[], "-"),
            (99_999, &[], "???"),
        ] {
            let ty = apply_type_modifiers(oid, modifiers).expect(expected);
            assert_eq!(format_type(ty), expected);
        }
        assert_eq!(apply_type_modifiers(oid::VARCHAR, &[10]).expect("valid").typmod, 14);
        assert_eq!(apply_type_modifiers(oid::NUMERIC, &[10, 2]).expect("valid").typmod, 655_366);
        let state = |oid, modifiers: &[i64]| apply_type_modifiers(oid, modifiers).map_err(|e| e.state());
        assert_eq!(state(oid::VARCHAR, &[0]), Err(SqlState::INVALID_PARAMETER_VALUE));
        assert_eq!(state(oid::NUMERIC, &[1001]), Err(SqlState::INVALID_PARAMETER_VALUE));
        assert_eq!(state(oid::INT4, &[1]), Err(SqlState::SYNTAX_ERROR));
    }
}
