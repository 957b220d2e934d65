//! What AMI fills in a row by itself: reserved one-letter columns (AMI-40) and generated keys (AMI-54).

use std::sync::atomic::{AtomicI64, Ordering};

use super::Exec;
use crate::catalog::{Reserved, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::expr::Runtime;
use crate::types::{Oid, Row, Value, oid};

/// Newest row id of column `D`: rises with time, so that it rises over restarts too.
static LAST_ID: AtomicI64 = AtomicI64::new(0);

/// What column `A` says.
const SERVER: &str = "tripline";

/// Letters and digits of a generated String key.
const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// How a key is generated.
enum Key {
    /// AUTOGEN="INC": by a sequence.
    Next(Oid),
    /// AUTOGEN="RAND": any that the index does not hold.
    Random(Oid),
}

/// The columns of an AMI table that are filled by the server.
pub(super) struct Filled {
    reserved: Vec<(usize, Reserved)>,
    /// Place and type of the generated key.
    key: Option<(usize, Oid, Key)>,
}

/// Puts values at their places.
pub(super) fn set_all(row: &mut Row, values: &[(usize, Value)]) {
    for (place, value) in values {
        if let Some(slot) = row.get_mut(*place) {
            *slot = value.clone();
        }
    }
}

fn millis(exec: &Exec<'_>) -> i64 {
    exec.backend.shared.env.clock.now().div_euclid(1000)
}

impl Filled {
    /// None if the table is not AMI's.
    pub(super) fn of(table: &TableDef) -> Option<Filled> {
        if table.dialect != "ami" {
            return None;
        }
        let reserved = (0..table.columns.len()).filter_map(|place| table.reserved(place).map(|own| (place, own)));
        let key = table.indexes.iter().find_map(|index| {
            let place = index.keys.first()?.column?;
            let ty = table.columns.get(place)?.ty.oid;
            if let Some(sequence) = index.option("sequence").and_then(|text| text.parse().ok()) {
                return Some((place, ty, Key::Next(sequence)));
            }
            let random = index.option("autogen").is_some_and(|word| word.eq_ignore_ascii_case("RAND"));
            random.then_some((place, ty, Key::Random(index.oid)))
        });
        Some(Filled { reserved: reserved.collect(), key })
    }

    /// Values for a new row. Errors: 22003 when a key's numbers are used up.
    pub(super) fn inserted(
        &self,
        table: &std::sync::Arc<TableDef>,
        row: &Row,
        exec: &Exec<'_>,
    ) -> Result<Vec<(usize, Value)>> {
        let mut values = Vec::new();
        let now = if self.reserved.is_empty() { 0 } else { millis(exec) };
        for (place, reserved) in &self.reserved {
            let value = match reserved {
                Reserved::Server => Value::text(SERVER),
                Reserved::Created | Reserved::Modified | Reserved::Now => Value::Int8(now),
                Reserved::Id => Value::Int8(next_id(exec)),
                Reserved::Table => Value::text(&table.name),
                Reserved::Version => Value::Int4(0),
                Reserved::Expiry => match row.get(*place) {
                    Some(Value::Int8(after)) if *after < 0 => Value::Int8(now.saturating_sub(*after)),
                    _ => continue,
                },
                Reserved::Object | Reserved::Login => continue,
            };
            values.push((*place, value));
        }
        if let Some((place, ty, key)) = &self.key {
            let value = match key {
                Key::Next(sequence) => number(exec.next_value(*sequence)?, *ty)?,
                Key::Random(index) => loop {
                    let value = random(*ty, exec)?;
                    let mut probe = row.clone();
                    set_all(&mut probe, &[(*place, value.clone())]);
                    if exec.backend.with_txn(|txn| txn.find_conflict(table, *index, &probe))?.is_none() {
                        break value;
                    }
                },
            };
            values.push((*place, value));
        }
        Ok(values)
    }

    /// A negative expiry counts from now.
    pub(super) fn expiry(&self, row: &mut Row, exec: &Exec<'_>) {
        for (place, _) in self.reserved.iter().filter(|(_, reserved)| *reserved == Reserved::Expiry) {
            if let Some(Value::Int8(after)) = row.get(*place)
                && *after < 0
            {
                row[*place] = Value::Int8(millis(exec).saturating_sub(*after));
            }
        }
    }

    /// Values of a row that has changed.
    pub(super) fn updated(&self, old: &Row, new: &mut Row, exec: &Exec<'_>) {
        if self.reserved.is_empty() {
            return;
        }
        self.expiry(new, exec);
        for (place, reserved) in &self.reserved {
            let Some(was) = old.get(*place) else { continue };
            new[*place] = match (reserved, was) {
                (Reserved::Modified, _) => Value::Int8(millis(exec)),
                (Reserved::Version, Value::Int4(count)) => Value::Int4(count.saturating_add(1)),
                (Reserved::Version, _) => Value::Int4(1),
                (Reserved::Expiry, _) => continue,
                (_, was) => was.clone(),
            };
        }
    }
}

fn next_id(exec: &Exec<'_>) -> i64 {
    let now = exec.backend.shared.env.clock.now();
    let next = |last: i64| Some(now.max(last.saturating_add(1)));
    match LAST_ID.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
        Ok(last) | Err(last) => now.max(last.saturating_add(1)),
    }
}

fn number(n: i64, ty: Oid) -> Result<Value> {
    if ty == oid::INT8 {
        return Ok(Value::Int8(n));
    }
    i32::try_from(n)
        .map(Value::Int4)
        .map_err(|_| SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "integer out of range"))
}

/// A random key of the type.
fn random(ty: Oid, exec: &Exec<'_>) -> Result<Value> {
    let bits = exec.random();
    Ok(match ty {
        oid::INT4 => Value::Int4(i32::try_from(bits >> 33).unwrap_or(0)),
        oid::INT8 => Value::Int8(i64::try_from(bits >> 1).unwrap_or(0)),
        #[allow(clippy::cast_precision_loss, reason = "any value will do")]
        oid::FLOAT8 => Value::Float8((bits >> 11) as f64 / (1u64 << 53) as f64),
        #[allow(clippy::cast_precision_loss, reason = "any value will do")]
        oid::FLOAT4 => Value::Float4((bits >> 40) as f32 / (1u32 << 24) as f32),
        oid::UUID => {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&bits.to_be_bytes());
            bytes[8..].copy_from_slice(&exec.random().to_be_bytes());
            bytes[6] = (bytes[6] & 0x0f) | 0x40;
            bytes[8] = (bytes[8] & 0x3f) | 0x80;
            Value::Uuid(bytes)
        }
        oid::TEXT => {
            let mut bits = bits;
            let mut text = String::with_capacity(10);
            for _ in 0..10 {
                let digit = usize::try_from(bits % 36).unwrap_or(0);
                text.push(char::from(ALPHABET[digit]));
                bits /= 36;
            }
            Value::text(text)
        }
        _ => return Err(SqlError::internal("a generated key of this type")),
    })
}
