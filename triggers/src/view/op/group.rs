//! The aggregates of a group (AMI-125): what a statement folds (`Fold`), and what is remembered between statements
//! (`Total`). Counts, sums and moments are their own memory. Of `min`, `max`, `first`, `last` and `countUnique` a total
//! remembers the answer; all values of the group stand one per row in a detail table, so that after the answer itself
//! went the next one is a single look-up.

use std::collections::BTreeMap;

use tripline_sql::error::{Result, SqlError, SqlState};
use tripline_sql::types::{Value, decode_row, encode_key, encode_row};

use super::exact::{DecimalSum, ExactSum};
use crate::script::ami::{Type, convert_value};

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are AMI's")]
pub(crate) enum Function {
    CountAll,
    Count,
    CountUnique,
    SumWhole,
    SumFloating,
    SumDecimal,
    Min,
    Max,
    First,
    Last,
    Var,
    Stdev,
    Stdevs,
}

impl Function {
    /// By name in any case; the argument's type decides how `sum` adds.
    pub(crate) fn by_name(name: &str, arg: Type) -> Option<Function> {
        Some(match name.to_ascii_lowercase().as_str() {
            "count" => Function::Count,
            "countunique" => Function::CountUnique,
            "sum" => match arg {
                Type::Byte | Type::Short | Type::Int | Type::Long | Type::Utc | Type::Utcn => Function::SumWhole,
                Type::BigInteger | Type::BigDecimal => Function::SumDecimal,
                Type::Other(ty) if ty.oid == tripline_sql::types::oid::NUMERIC => Function::SumDecimal,
                _ => Function::SumFloating,
            },
            "min" => Function::Min,
            "max" => Function::Max,
            "first" => Function::First,
            "last" => Function::Last,
            "var" => Function::Var,
            "stdev" => Function::Stdev,
            "stdevs" => Function::Stdevs,
            _ => return None,
        })
    }

    /// Whether it keeps the group's values in a detail table.
    pub(crate) fn detailed(self) -> bool {
        matches!(self, Function::CountUnique | Function::Min | Function::Max | Function::First | Function::Last)
    }
}

/// Net changes of a detail: per item how many came or went, and the value that stands there now.
pub(crate) type Items = BTreeMap<Vec<u8>, (i64, Value)>;

/// What one statement changes of an aggregate.
#[derive(Clone, Debug)]
pub(crate) enum Fold {
    /// Rows or values.
    Count(i64),
    /// Sum and values.
    Whole(i128, i64),
    /// Sum and values.
    Floating(ExactSum, i64),
    /// Sum and values.
    Decimal(DecimalSum, i64),
    /// Values, sum, sum of squares.
    Moments(i64, ExactSum, ExactSum),
    /// Values by their ordered bytes, or rows by number.
    Items(Items),
}

impl Fold {
    /// Nothing yet.
    pub(crate) fn new(function: Function) -> Fold {
        match function {
            Function::CountAll | Function::Count => Fold::Count(0),
            Function::SumWhole => Fold::Whole(0, 0),
            Function::SumFloating => Fold::Floating(ExactSum::default(), 0),
            Function::SumDecimal => Fold::Decimal(DecimalSum::default(), 0),
            Function::Var | Function::Stdev | Function::Stdevs => {
                Fold::Moments(0, ExactSum::default(), ExactSum::default())
            }
            _ => Fold::Items(Items::new()),
        }
    }

    /// Adds a value with its weight (1 comes, -1 goes). `row` is the source row's number.
    pub(crate) fn add(&mut self, function: Function, value: Value, row: u64, weight: i64) {
        if value.is_null() && !matches!(function, Function::CountAll | Function::First | Function::Last) {
            return;
        }
        match self {
            Fold::Count(n) => *n += weight,
            Fold::Whole(sum, n) => {
                if let Value::Int8(value) = convert_value(Type::Long, value) {
                    *sum += i128::from(value) * i128::from(weight);
                    *n += weight;
                }
            }
            Fold::Floating(sum, n) => {
                if let Value::Float8(value) = convert_value(Type::Double, value) {
                    sum.add(value, weight);
                    *n += weight;
                }
            }
            Fold::Decimal(sum, n) => {
                if let Value::Numeric(value) = convert_value(Type::BigDecimal, value) {
                    sum.add(&value, weight);
                    *n += weight;
                }
            }
            Fold::Moments(n, sum, squares) => {
                if let Value::Float8(value) = convert_value(Type::Double, value) {
                    sum.add(value, weight);
                    squares.add_square(value, weight);
                    *n += weight;
                }
            }
            Fold::Items(items) => {
                let mut item = Vec::new();
                if matches!(function, Function::First | Function::Last) {
                    item.extend_from_slice(&row.to_be_bytes());
                } else {
                    encode_key(&value, false, false, &mut item);
                }
                let entry = items.entry(item).or_insert_with(|| (0, Value::Null));
                entry.0 += weight;
                if weight > 0 {
                    entry.1 = value;
                }
            }
        }
    }

    /// Whether nothing is left to write.
    pub(crate) fn is_nothing(&self, function: Function) -> bool {
        match self {
            Fold::Count(n) => *n == 0,
            Fold::Whole(sum, n) => *sum == 0 && *n == 0,
            Fold::Floating(sum, n) => *sum == ExactSum::default() && *n == 0,
            Fold::Decimal(sum, n) => *n == 0 && sum.is_nothing(),
            Fold::Moments(n, sum, squares) => *n == 0 && *sum == ExactSum::default() && *squares == ExactSum::default(),
            // A first or last row may hold another value at the same place.
            Fold::Items(items) if matches!(function, Function::First | Function::Last) => items.is_empty(),
            Fold::Items(items) => items.values().all(|(n, _)| *n == 0),
        }
    }
}

/// What is remembered of an aggregate.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Total {
    /// See `Fold`.
    Count(i64),
    /// See `Fold`.
    Whole(i128, i64),
    /// See `Fold`.
    Floating(ExactSum, i64),
    /// See `Fold`.
    Decimal(DecimalSum, i64),
    /// See `Fold`.
    Moments(i64, ExactSum, ExactSum),
    /// Distinct values.
    Unique(i64),
    /// The smallest, largest, first or last item and its value.
    Edge(Option<(Vec<u8>, Value)>),
}

/// What a detail table answers.
pub(crate) trait Detail {
    /// Adds `n` to an item's count and stores its value; gives the count before and after. An item whose count reaches
    /// zero goes.
    fn change(&mut self, slot: usize, item: &[u8], n: i64, value: &Value) -> Result<(i64, i64)>;
    /// The first or last item there is, with its value.
    fn edge(&mut self, slot: usize, last: bool) -> Result<Option<(Vec<u8>, Value)>>;
}

impl Total {
    /// Of an empty group.
    pub(crate) fn new(function: Function) -> Total {
        match Fold::new(function) {
            Fold::Count(n) => Total::Count(n),
            Fold::Whole(sum, n) => Total::Whole(sum, n),
            Fold::Floating(sum, n) => Total::Floating(sum, n),
            Fold::Decimal(sum, n) => Total::Decimal(sum, n),
            Fold::Moments(n, sum, squares) => Total::Moments(n, sum, squares),
            Fold::Items(_) if function == Function::CountUnique => Total::Unique(0),
            Fold::Items(_) => Total::Edge(None),
        }
    }

    /// Adds what a statement folded. Errors: those of the detail table.
    pub(crate) fn apply(
        &mut self,
        function: Function,
        slot: usize,
        fold: &Fold,
        detail: &mut dyn Detail,
    ) -> Result<()> {
        match (self, fold) {
            (Total::Count(n), Fold::Count(by)) => *n += by,
            (Total::Whole(sum, n), Fold::Whole(by, count)) => {
                *sum += by;
                *n += count;
            }
            (Total::Floating(sum, n), Fold::Floating(by, count)) => {
                sum.merge(by);
                *n += count;
            }
            (Total::Decimal(sum, n), Fold::Decimal(by, count)) => {
                sum.merge(by);
                *n += count;
            }
            (Total::Moments(n, sum, squares), Fold::Moments(count, by, by_squares)) => {
                *n += count;
                sum.merge(by);
                squares.merge(by_squares);
            }
            (Total::Unique(distinct), Fold::Items(items)) => {
                for (item, (n, value)) in items.iter().filter(|(_, (n, _))| *n != 0) {
                    let (before, after) = detail.change(slot, item, *n, value)?;
                    *distinct += i64::from(after > 0) - i64::from(before > 0);
                }
            }
            (Total::Edge(current), Fold::Items(items)) => {
                let last = matches!(function, Function::Max | Function::Last);
                let numbered = matches!(function, Function::First | Function::Last);
                let mut lost = false;
                for (item, (n, value)) in items.iter().filter(|(_, (n, _))| numbered || *n != 0) {
                    let (_, after) = detail.change(slot, item, *n, value)?;
                    let here = current.as_ref().is_some_and(|(edge, _)| edge == item);
                    if after <= 0 {
                        lost |= here;
                    } else if here
                        || current.as_ref().is_none_or(|(edge, _)| if last { item > edge } else { item < edge })
                    {
                        // A lost edge may stand until the end: whatever lies beyond it is the edge all the same.
                        lost &= here;
                        // One of several equal values going leaves the value that stands there.
                        if !here || numbered {
                            *current = Some((item.clone(), value.clone()));
                        }
                    }
                }
                if lost {
                    *current = detail.edge(slot, last)?;
                }
            }
            _ => return Err(SqlError::internal("aggregate state of another kind")),
        }
        Ok(())
    }

    /// The aggregate's value. Errors: 22003 a whole sum beyond Long.
    pub(crate) fn result(&self, function: Function) -> Result<Value> {
        #[allow(clippy::cast_precision_loss, reason = "row counts stay below 2^53")]
        Ok(match self {
            Total::Count(n) | Total::Unique(n) => Value::Int8(*n),
            Total::Whole(_, 0) | Total::Floating(_, 0) | Total::Decimal(_, 0) | Total::Moments(0, ..) => Value::Null,
            Total::Whole(sum, _) => Value::Int8(
                i64::try_from(*sum)
                    .map_err(|_| SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "sum out of range for Long"))?,
            ),
            Total::Floating(sum, _) => Value::Float8(sum.value()),
            Total::Decimal(sum, _) => Value::Numeric(Box::new(sum.value())),
            Total::Moments(n, sum, squares) => {
                let n2 = *n as f64 * *n as f64;
                let spread = ExactSum::spread(*n, sum, squares);
                match function {
                    Function::Var => Value::Float8(spread / n2),
                    Function::Stdev => Value::Float8((spread / n2).sqrt()),
                    _ if *n < 2 => Value::Null,
                    _ => Value::Float8((spread / (*n as f64 * (*n - 1) as f64)).sqrt()),
                }
            }
            Total::Edge(edge) => edge.as_ref().map_or(Value::Null, |(_, value)| value.clone()),
        })
    }

    /// Appends the stored form.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Total::Count(n) | Total::Unique(n) => out.extend_from_slice(&n.to_le_bytes()),
            Total::Whole(sum, n) => {
                out.extend_from_slice(&sum.to_le_bytes());
                out.extend_from_slice(&n.to_le_bytes());
            }
            Total::Floating(sum, n) => {
                sum.encode(out);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Total::Decimal(sum, n) => {
                put_bytes(sum.to_text().as_bytes(), out);
                out.extend_from_slice(&n.to_le_bytes());
            }
            Total::Moments(n, sum, squares) => {
                out.extend_from_slice(&n.to_le_bytes());
                sum.encode(out);
                squares.encode(out);
            }
            Total::Edge(None) => out.push(0),
            Total::Edge(Some((item, value))) => {
                out.push(1);
                put_bytes(item, out);
                put_bytes(&encode_value(value), out);
            }
        }
    }

    /// Reads the stored form. Errors: XX001.
    pub(crate) fn decode(function: Function, bytes: &mut &[u8]) -> Result<Total> {
        Total::decode_inner(function, bytes)
            .ok_or_else(|| SqlError::new(SqlState::DATA_CORRUPTED, "stored state of an aggregate is damaged"))
    }

    fn decode_inner(function: Function, bytes: &mut &[u8]) -> Option<Total> {
        Some(match Total::new(function) {
            Total::Count(_) => Total::Count(take_i64(bytes)?),
            Total::Unique(_) => Total::Unique(take_i64(bytes)?),
            Total::Whole(..) => {
                let (sum, rest) = bytes.split_first_chunk::<16>()?;
                *bytes = rest;
                Total::Whole(i128::from_le_bytes(*sum), take_i64(bytes)?)
            }
            Total::Floating(..) => Total::Floating(ExactSum::decode(bytes)?, take_i64(bytes)?),
            Total::Decimal(..) => {
                let text = take_bytes(bytes)?;
                Total::Decimal(DecimalSum::from_text(std::str::from_utf8(text).ok()?)?, take_i64(bytes)?)
            }
            Total::Moments(..) => Total::Moments(take_i64(bytes)?, ExactSum::decode(bytes)?, ExactSum::decode(bytes)?),
            Total::Edge(_) => {
                let (&there, rest) = bytes.split_first()?;
                *bytes = rest;
                Total::Edge(if there == 0 {
                    None
                } else {
                    let item = take_bytes(bytes)?.to_vec();
                    Some((item, decode_value(take_bytes(bytes)?).ok()?))
                })
            }
        })
    }
}

/// A value in its stored form.
pub(crate) fn encode_value(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode_row(std::slice::from_ref(value), &mut out);
    out
}

/// Reads `encode_value`. Errors: XX001.
pub(crate) fn decode_value(bytes: &[u8]) -> Result<Value> {
    Ok(decode_row(bytes)?.into_iter().next().unwrap_or(Value::Null))
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let out = rest.get(..len)?;
    *bytes = rest.get(len..)?;
    Some(out)
}

fn take_i64(bytes: &mut &[u8]) -> Option<i64> {
    let (word, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(i64::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tripline_sql::env::{Rng, SeededRng};

    use super::*;

    #[derive(Default)]
    struct Memory(HashMap<usize, BTreeMap<Vec<u8>, (i64, Value)>>);

    impl Detail for Memory {
        fn change(&mut self, slot: usize, item: &[u8], n: i64, value: &Value) -> Result<(i64, i64)> {
            let items = self.0.entry(slot).or_default();
            let before = items.get(item).map_or(0, |(n, _)| *n);
            if before + n <= 0 {
                items.remove(item);
            } else {
                let kept = items.get(item).filter(|_| n < 0).map_or(value, |(_, kept)| kept).clone();
                items.insert(item.to_vec(), (before + n, kept));
            }
            Ok((before, before + n))
        }
        fn edge(&mut self, slot: usize, last: bool) -> Result<Option<(Vec<u8>, Value)>> {
            let items = self.0.entry(slot).or_default();
            let entry = if last { items.iter().next_back() } else { items.iter().next() };
            Ok(entry.map(|(item, (_, value))| (item.clone(), value.clone())))
        }
    }

    const ALL: [Function; 11] = [
        Function::CountAll,
        Function::Count,
        Function::CountUnique,
        Function::SumWhole,
        Function::Min,
        Function::Max,
        Function::First,
        Function::Last,
        Function::Var,
        Function::Stdev,
        Function::Stdevs,
    ];

    fn fresh(function: Function, rows: &BTreeMap<u64, Value>) -> Value {
        let mut fold = Fold::new(function);
        for (row, value) in rows {
            fold.add(function, value.clone(), *row, 1);
        }
        let mut total = Total::new(function);
        total.apply(function, 0, &fold, &mut Memory::default()).unwrap();
        total.result(function).unwrap()
    }

    // AMI-125: the documented example
    #[test]
    fn documented_values() {
        let rows: BTreeMap<u64, Value> =
            [(1, Value::Int4(2)), (2, Value::Null), (3, Value::Int4(4)), (4, Value::Int4(4))].into();
        let expected = [4.0, 3.0, 2.0, 10.0, 2.0, 4.0, 2.0, 4.0, 0.888_889, 0.942_809, 1.154_701];
        for (function, want) in ALL.iter().zip(expected) {
            let got = fresh(*function, &rows).as_f64().unwrap();
            assert!((got - want).abs() < 1e-6, "{function:?}: {got} {want}");
        }
    }

    // AMI-127: any sequence of changes equals a fresh computation
    #[test]
    fn equals_recomputation() {
        for seed in 0..20 {
            let rng = SeededRng::new(seed);
            let draw = |n: u64| rng.next_u64() % n;
            let mut rows: BTreeMap<u64, Value> = BTreeMap::new();
            let mut totals: Vec<Total> = ALL.iter().map(|f| Total::new(*f)).collect();
            let mut memory = Memory::default();
            let mut next = 1;
            for _ in 0..60 {
                let mut folds: Vec<Fold> = ALL.iter().map(|f| Fold::new(*f)).collect();
                for _ in 0..=draw(4) {
                    let fresh_value =
                        |n: u64| if n == 0 { Value::Null } else { Value::Int4(i32::try_from(n).unwrap() - 5) };
                    let existing = rows.keys().nth(usize::try_from(draw(10)).unwrap()).copied();
                    let (old, new, row) = match (draw(3), existing) {
                        (0, Some(row)) => (rows.remove(&row), None, row),
                        (1, Some(row)) => {
                            let new = fresh_value(draw(10));
                            (rows.insert(row, new.clone()), Some(new), row)
                        }
                        _ => {
                            let new = fresh_value(draw(10));
                            next += 1;
                            rows.insert(next, new.clone());
                            (None, Some(new), next)
                        }
                    };
                    for (value, weight) in [(old, -1), (new, 1)] {
                        if let Some(value) = value {
                            for (fold, function) in folds.iter_mut().zip(ALL) {
                                fold.add(function, value.clone(), row, weight);
                            }
                        }
                    }
                }
                for (slot, function) in ALL.iter().enumerate() {
                    totals[slot].apply(*function, slot, &folds[slot], &mut memory).unwrap();
                    let mut bytes = Vec::new();
                    totals[slot].encode(&mut bytes);
                    totals[slot] = Total::decode(*function, &mut bytes.as_slice()).unwrap();
                    let got = totals[slot].result(*function).unwrap();
                    assert_eq!(got, fresh(*function, &rows), "seed {seed} {function:?} {rows:?}");
                }
            }
        }
    }
}
