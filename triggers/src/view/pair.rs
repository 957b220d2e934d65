//! What JOIN and DECORATE share: two tables, the equalities of `on` (AMI-139) as keys, and expressions over rows of both.
//!
//! A key is the values of one side's columns brought to a type that both sides have in common, in ordered form: two rows
//! match exactly if their keys are the same bytes. Null is a value like any other (AMI-25). A value that equals nothing
//! (NaN, a text that is no number beside a number) makes a key that only this row has.

use std::sync::Arc;

use tripline_sql::catalog::{Catalog, TableDef};
use tripline_sql::change::RowId;
use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{DataType, Row, Value, encode_key, is_enum, oid};

use super::select::{self, Cast, Named, Place};
use crate::script::ami::{
    Binary, Code, Compare, Expr, Image, Type, Val, convert_value, expressions, find_column, instant, text_of,
};

/// What both values of an equality are brought to (AMI-31).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Common {
    /// They have one type.
    Same,
    /// Whole numbers; of a time its milliseconds.
    Whole,
    Floating,
    Decimal,
    Text,
    /// Dates and times of a day; those without a zone are read as UTC, so that no session's zone matters.
    Instant,
    /// A `char(n)` on one side: blanks at its end do not count.
    Padded,
    /// They never meet.
    Never,
}

fn is_whole(ty: DataType) -> bool {
    matches!(ty.oid, oid::INT2 | oid::INT4 | oid::INT8 | oid::OID)
}

fn is_number(ty: DataType) -> bool {
    is_whole(ty) || matches!(ty.oid, oid::FLOAT4 | oid::FLOAT8 | oid::NUMERIC)
}

fn is_text(ty: DataType) -> bool {
    matches!(ty.oid, oid::TEXT | oid::VARCHAR | oid::BPCHAR | oid::NAME)
}

impl Common {
    fn of(left: DataType, right: DataType) -> Common {
        let has = |test: fn(DataType) -> bool| (test(left), test(right));
        let numeric = left.oid == oid::NUMERIC || right.oid == oid::NUMERIC;
        let time = |ty: DataType| ty.oid == oid::TIMESTAMPTZ;
        let dated = |ty: DataType| matches!(ty.oid, oid::DATE | oid::TIMESTAMP | oid::TIMESTAMPTZ);
        match (has(is_number), has(is_text)) {
            (_, (true, true)) if left.oid == oid::BPCHAR || right.oid == oid::BPCHAR => Common::Padded,
            _ if left.oid == right.oid => Common::Same,
            _ if is_enum(left.oid) && is_enum(right.oid) => Common::Text,
            _ if dated(left) && dated(right) => Common::Instant,
            (_, (true, true)) => Common::Text,
            ((true, true), _) if is_whole(left) && is_whole(right) => Common::Whole,
            ((true, true), _) if numeric => Common::Decimal,
            ((true, true), _) => Common::Floating,
            // A text beside a number is read as one.
            ((true, false), (_, true)) | ((false, true), (true, _)) => Common::Decimal,
            ((true, false), _) if time(right) => {
                if is_whole(left) {
                    Common::Whole
                } else {
                    Common::Decimal
                }
            }
            ((false, true), _) if time(left) => {
                if is_whole(right) {
                    Common::Whole
                } else {
                    Common::Decimal
                }
            }
            (_, (true, false) | (false, true)) => Common::Text,
            _ => Common::Never,
        }
    }

    /// The value as a part of a key; none if it equals nothing.
    fn value(self, value: &Value) -> Option<Value> {
        if value.is_null() {
            return Some(Value::Null);
        }
        let found = match self {
            Common::Same => value.clone(),
            Common::Whole => convert_value(Type::Long, milliseconds(value)),
            Common::Floating => convert_value(Type::Double, value.clone()),
            Common::Decimal => convert_value(Type::BigDecimal, convert_value(Type::Number, milliseconds(value))),
            Common::Instant => instant(value).map_or(Value::Null, Value::Timestamp),
            Common::Text => Value::text(text_of(value)),
            Common::Padded => Value::text(text_of(value).trim_end_matches(' ')),
            Common::Never => Value::Null,
        };
        (!found.is_null() && !not_a_number(&found)).then_some(found)
    }
}

fn not_a_number(value: &Value) -> bool {
    match value {
        Value::Float8(n) => n.is_nan(),
        Value::Float4(n) => n.is_nan(),
        _ => false,
    }
}

fn milliseconds(value: &Value) -> Value {
    match value {
        Value::TimestampTz(_) => convert_value(Type::Long, value.clone()),
        other => other.clone(),
    }
}

/// The two tables of a view, and how their rows meet. Columns used by expressions are numbered: those of side 0, then
/// those of side 1.
pub(crate) struct Pair {
    /// Left and right; source and target.
    pub(crate) tables: [Arc<TableDef>; 2],
    /// Places of the columns in the two tables, and what they are brought to.
    on: Vec<([usize; 2], Common)>,
}

/// Which table a bare column is of when both have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// It is an error.
    One,
    /// The first one.
    First,
}

impl Pair {
    /// Reads `on`. Errors: 0A000 another form, 42703, 42702.
    pub(crate) fn parse(on: &str, tables: [Arc<TableDef>; 2]) -> Result<Pair> {
        let mut pair = Pair { tables, on: Vec::new() };
        let form = || {
            SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                "\"on\" must be equalities of a left and a right column joined by &&",
            )
        };
        let mut open = expressions(on).map_err(|error| select::in_option("on", error))?;
        let (Some(expr), true) = (open.pop(), open.is_empty()) else { return Err(form()) };
        let mut parts = vec![&expr];
        let mut equalities = Vec::new();
        while let Some(part) = parts.pop() {
            match part {
                Expr::Binary(Binary::And, a, b) => parts.extend([&**b, &**a]),
                Expr::Binary(Binary::Compare(Compare::Eq), a, b) => {
                    let (Some(a), Some(b)) = (Named::of(a), Named::of(b)) else { return Err(form()) };
                    equalities.push((a, b));
                }
                _ => return Err(form()),
            }
        }
        for (a, b) in equalities {
            let in_option = |error| select::in_option("on", error);
            let (a, b) = (pair.find(&a, Bare::One).map_err(in_option)?, pair.find(&b, Bare::One).map_err(in_option)?);
            let places = match (a.0, b.0) {
                (0, 1) => [a.1, b.1],
                (1, 0) => [b.1, a.1],
                _ => return Err(form()),
            };
            let ty = |side: usize| pair.tables[side].columns[places[side]].ty;
            let common = Common::of(ty(0), ty(1));
            pair.on.push((places, common));
        }
        Ok(pair)
    }

    /// Refuses an equality of types that have nothing in common. Errors: 42804.
    pub(crate) fn check_types(&self) -> Result<()> {
        let Some((places, _)) = self.on.iter().find(|(_, common)| *common == Common::Never) else { return Ok(()) };
        let named = |side: usize| {
            let table = &self.tables[side];
            format!("\"{}.{}\"", table.name, table.columns[places[side]].name)
        };
        Err(SqlError::new(
            SqlState::DATATYPE_MISMATCH,
            format!("on: values of columns {} and {} are never equal", named(0), named(1)),
        ))
    }

    /// The side and place of a column.
    fn find(&self, named: &Named, bare: Bare) -> Result<(usize, usize)> {
        let at = |side: usize| find_column(&self.tables[side], &named.column).map(|place| (side, place));
        match &named.table {
            Some(table) => {
                let side = self.tables.iter().position(|def| def.name.eq_ignore_ascii_case(table));
                side.and_then(at).ok_or_else(|| select::no_column(&format!("{table}.{}", named.column)))
            }
            None => match (at(0), at(1)) {
                (Some(_), Some(_)) if bare == Bare::One => Err(SqlError::new(
                    SqlState::AMBIGUOUS_COLUMN,
                    format!("column reference \"{}\" is ambiguous", named.column),
                )),
                (Some(found), _) | (None, Some(found)) => Ok(found),
                (None, None) => Err(select::no_column(&named.column)),
            },
        }
    }

    fn number(&self, side: usize, place: usize) -> usize {
        if side == 0 { place } else { self.tables[0].columns.len() + place }
    }

    /// Compiles an expression over rows of both; adds the numbers of the columns that it uses. Errors: 42702, 42703,
    /// 42803 and those of the compiler.
    pub(crate) fn compile(&self, expr: &Expr, bare: Bare, used: &mut Vec<usize>) -> Result<Code> {
        select::refuse_aggregates(expr)?;
        let mut find = |named: &Named| -> Result<Place> {
            let (side, place) = self.find(named, bare)?;
            let ty = Type::of_column(&self.tables[side].columns[place]);
            // A row of side 0 is what expressions call the new one, a row of side 1 are slots.
            let code = if side == 0 {
                Code::Column(Image::New, u16::try_from(place).unwrap_or(u16::MAX))
            } else {
                Code::Slot(place)
            };
            Ok((self.number(side, place), code, ty))
        };
        Ok(select::over_slots(expr, used, &mut find)?.0)
    }

    /// The cell of a target column.
    pub(crate) fn cell(
        &self,
        catalog: &Catalog,
        (target, place): (&TableDef, usize),
        expr: &Expr,
        bare: Bare,
        used: &mut Vec<usize>,
    ) -> Result<Cell> {
        let code = self.compile(expr, bare, used).map_err(|error| select::in_option("selects", error))?;
        let column = Named::of(expr).and_then(|named| self.find(&named, bare).ok());
        let from = column.map(|(side, place)| self.tables[side].columns[place].ty);
        Ok((place, Cast::new(catalog, from, target.columns[place].ty), code))
    }

    /// The columns of `on` on a side.
    pub(crate) fn on_columns(&self, side: usize) -> impl Iterator<Item = usize> + '_ {
        self.on.iter().map(move |(places, _)| places[side])
    }

    /// The key of a row, in place of what `key` held.
    pub(crate) fn key(&self, side: usize, id: RowId, row: &[Value], key: &mut Vec<u8>) {
        key.clear();
        for (places, common) in &self.on {
            let value = row.get(places[side]).unwrap_or(&Value::Null);
            if *common == Common::Same && !not_a_number(value) {
                encode_key(value, false, false, key);
                continue;
            }
            match common.value(value) {
                Some(value) => encode_key(&value, false, false, key),
                None => {
                    // A key that no other row has: no value's ordered form begins like this.
                    key.clear();
                    key.extend_from_slice(&[0xff, u8::from(side == 1)]);
                    key.extend_from_slice(&id.0.to_be_bytes());
                    return;
                }
            }
        }
    }

    /// A row of a side with nothing but these columns; the others are null.
    pub(crate) fn part(used: &[usize], row: &[Value]) -> Row {
        let width = used.iter().max().map_or(0, |last| last + 1);
        let mut part = select::nulls(width);
        for place in used {
            if let Some(value) = row.get(*place) {
                part[*place] = value.clone();
            }
        }
        part
    }

    /// The columns of a side that are used.
    pub(crate) fn used_of(&self, side: usize, used: &[usize]) -> Vec<usize> {
        let (from, width) = (self.number(side, 0), self.tables[side].columns.len());
        used.iter().filter_map(|number| number.checked_sub(from).filter(|place| *place < width)).collect()
    }

    /// Whether a change of a row on a side leaves the columns of `on` and these as they were.
    pub(crate) fn untouched(&self, side: usize, used: &[usize], old: &[Value], new: &[Value]) -> bool {
        let same = |place: usize| old.get(place) == new.get(place);
        self.on_columns(side).all(same) && used.iter().all(|place| same(*place))
    }
}

/// A target column, how it takes a value, and the expression that fills it.
pub(crate) type Cell = (usize, Cast, Code);

/// A row of so many columns with nothing but the cells (by rising columns) filled, over a row of either side.
pub(crate) fn make(cells: &[Cell], rows: [&[Value]; 2], width: usize, locals: &mut Vec<Val>) -> Result<Row> {
    let mut row = Vec::with_capacity(width);
    for (place, cast, code) in cells {
        row.resize(*place, Value::Null);
        row.push(cast.apply(select::value(code, rows[0], rows[1], locals)?)?);
    }
    row.resize(width, Value::Null);
    Ok(row)
}

/// Values of cells over a row of either side (columns that are not there are null), cast to the columns' types.
pub(crate) fn fill(cells: &[Cell], rows: [&[Value]; 2], row: &mut [Value], locals: &mut Vec<Val>) -> Result<()> {
    for (place, cast, code) in cells {
        row[*place] = cast.apply(select::value(code, rows[0], rows[1], locals)?)?;
    }
    Ok(())
}
