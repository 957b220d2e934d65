//! Range values (section 8): an interval over the values of an ordered type, and what can be asked of one.
//!
//! A range is empty, or has a lower and an upper bound, each a value or open towards infinity. Ranges over int4, int8 and
//! date are kept in one form, `[from, to)`, so that equal sets are equal values. Element values compare by `compare`.

use std::cmp::Ordering;

use super::datatype::{Oid, oid};
use super::value::Value;
use super::{DataType, TextStyle, compare, from_text, to_text};
use crate::error::{Result, SqlError, SqlState};

/// (range type, type of its elements), ordered by the first.
pub const RANGE_TYPES: &[(Oid, Oid)] = &[
    (oid::INT4RANGE, oid::INT4),
    (oid::NUMRANGE, oid::NUMERIC),
    (oid::TSRANGE, oid::TIMESTAMP),
    (oid::TSTZRANGE, oid::TIMESTAMPTZ),
    (oid::DATERANGE, oid::DATE),
    (oid::INT8RANGE, oid::INT8),
];

/// The type of the elements of a range type; none of any other type.
#[must_use]
pub fn range_element(range: Oid) -> Option<Oid> {
    RANGE_TYPES.iter().find(|(ty, _)| *ty == range).map(|(_, element)| *element)
}

/// The range type over a type; none if there is none.
#[must_use]
pub fn range_over(element: Oid) -> Option<Oid> {
    RANGE_TYPES.iter().find(|(_, of)| *of == element).map(|(ty, _)| *ty)
}

/// An end of a range: a value, or NULL for infinity, which is never inclusive.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The value; NULL: none, the range goes on for ever.
    pub value: Value,
    /// Whether the value itself is in the range.
    pub inclusive: bool,
}

/// A range. `bounds` is none of the empty range.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// Type of its elements.
    pub element: Oid,
    /// Lower and upper bound.
    pub bounds: Option<(Bound, Bound)>,
}

impl Range {
    /// About how many bytes it holds on the heap, beside its own place.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.bounds.as_ref().map_or(0, |(low, high)| low.value.heap_bytes() + high.value.heap_bytes())
    }
}

/// Which end a bound is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Lower,
    Upper,
}

/// Orders two bounds by where they cut the line of values.
fn compare_bounds(left: &Bound, left_end: End, right: &Bound, right_end: End) -> Ordering {
    let infinite = |bound: &Bound, end: End| match (bound.value.is_null(), end) {
        (false, _) => 0,
        (true, End::Lower) => -1,
        (true, End::Upper) => 1,
    };
    match (infinite(left, left_end), infinite(right, right_end)) {
        (0, 0) => {}
        (left, right) => return left.cmp(&right),
    }
    // An excluded lower bound begins just after its value, an excluded upper one ends just before.
    let shift = |bound: &Bound, end: End| match (bound.inclusive, end) {
        (true, _) => 0,
        (false, End::Lower) => 1,
        (false, End::Upper) => -1,
    };
    compare(&left.value, &right.value).then_with(|| shift(left, left_end).cmp(&shift(right, right_end)))
}

impl Range {
    /// The empty range over a type.
    #[must_use]
    pub fn empty(element: Oid) -> Range {
        Range { element, bounds: None }
    }

    /// A range in its one form. Errors: 22000 if the lower bound is above the upper one, 22003 and 22008 if the form
    /// needs a value beyond the type's last.
    pub fn new(element: Oid, lower: Bound, upper: Bound) -> Result<Range> {
        let infinite = |bound: Bound| if bound.value.is_null() { Bound { inclusive: false, ..bound } } else { bound };
        let (mut lower, mut upper) = (infinite(lower), infinite(upper));
        if !lower.value.is_null() && !upper.value.is_null() {
            match compare(&lower.value, &upper.value) {
                Ordering::Greater => {
                    return Err(SqlError::new(
                        SqlState::DATA_EXCEPTION,
                        "range lower bound must be less than or equal to range upper bound",
                    ));
                }
                Ordering::Equal if !(lower.inclusive && upper.inclusive) => return Ok(Range::empty(element)),
                _ => {}
            }
        }
        if !lower.value.is_null() && !lower.inclusive {
            lower = next(lower)?;
        }
        if !upper.value.is_null() && upper.inclusive {
            let after = next(Bound { inclusive: false, ..upper.clone() })?;
            if after.inclusive {
                upper = Bound { inclusive: false, ..after };
            }
        }
        let open = lower.value.is_null() || upper.value.is_null();
        let point = lower.inclusive && upper.inclusive;
        if !open && !point && compare(&lower.value, &upper.value) != Ordering::Less {
            return Ok(Range::empty(element));
        }
        Ok(Range { element, bounds: Some((lower, upper)) })
    }

    /// A range from bounds of ranges that are in their one form: empty if they cross.
    fn between(element: Oid, lower: &Bound, upper: &Bound) -> Range {
        if compare_bounds(lower, End::Lower, upper, End::Upper) == Ordering::Greater {
            return Range::empty(element);
        }
        Range { element, bounds: Some((lower.clone(), upper.clone())) }
    }

    /// PostgreSQL's order: the empty range first, then by lower, then by upper bound.
    #[must_use]
    pub fn compare(&self, other: &Range) -> Ordering {
        match (&self.bounds, &other.bounds) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some((lower, upper)), Some((other_lower, other_upper))) => {
                compare_bounds(lower, End::Lower, other_lower, End::Lower)
                    .then_with(|| compare_bounds(upper, End::Upper, other_upper, End::Upper))
            }
        }
    }

    /// Whether it holds the value.
    #[must_use]
    pub fn holds(&self, value: &Value) -> bool {
        let point = Bound { value: value.clone(), inclusive: true };
        self.bounds.as_ref().is_some_and(|(lower, upper)| {
            compare_bounds(lower, End::Lower, &point, End::Lower) != Ordering::Greater
                && compare_bounds(upper, End::Upper, &point, End::Upper) != Ordering::Less
        })
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub fn contains(&self, other: &Range) -> bool {
        match (&self.bounds, &other.bounds) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some((lower, upper)), Some((other_lower, other_upper))) => {
                compare_bounds(lower, End::Lower, other_lower, End::Lower) != Ordering::Greater
                    && compare_bounds(upper, End::Upper, other_upper, End::Upper) != Ordering::Less
            }
        }
    }

    /// Whether both have a value in common.
    #[must_use]
    pub fn overlaps(&self, other: &Range) -> bool {
        self.intersection(other).bounds.is_some()
    }

    /// What both have in common.
    #[must_use]
    pub fn intersection(&self, other: &Range) -> Range {
        let (Some((lower, upper)), Some((other_lower, other_upper))) = (&self.bounds, &other.bounds) else {
            return Range::empty(self.element);
        };
        let later = compare_bounds(lower, End::Lower, other_lower, End::Lower) == Ordering::Less;
        let sooner = compare_bounds(upper, End::Upper, other_upper, End::Upper) == Ordering::Greater;
        Range::between(self.element, if later { other_lower } else { lower }, if sooner { other_upper } else { upper })
    }

    /// Whether it ends before `other` begins; false if either is empty.
    #[must_use]
    pub fn before(&self, other: &Range) -> bool {
        match (&self.bounds, &other.bounds) {
            (Some((_, upper)), Some((lower, _))) => {
                compare_bounds(upper, End::Upper, lower, End::Lower) == Ordering::Less
            }
            _ => false,
        }
    }

    /// Whether it reaches no further right than `other`; false if either is empty.
    #[must_use]
    pub fn not_right_of(&self, other: &Range) -> bool {
        match (&self.bounds, &other.bounds) {
            (Some((_, upper)), Some((_, other))) => {
                compare_bounds(upper, End::Upper, other, End::Upper) != Ordering::Greater
            }
            _ => false,
        }
    }

    /// Whether it reaches no further left than `other`; false if either is empty.
    #[must_use]
    pub fn not_left_of(&self, other: &Range) -> bool {
        match (&self.bounds, &other.bounds) {
            (Some((lower, _)), Some((other, _))) => {
                compare_bounds(lower, End::Lower, other, End::Lower) != Ordering::Less
            }
            _ => false,
        }
    }

    /// Whether they meet without a gap and without a common value.
    #[must_use]
    pub fn adjacent(&self, other: &Range) -> bool {
        let meets = |upper: &Bound, lower: &Bound| {
            !upper.value.is_null()
                && !lower.value.is_null()
                && compare(&upper.value, &lower.value) == Ordering::Equal
                && upper.inclusive != lower.inclusive
        };
        match (&self.bounds, &other.bounds) {
            (Some((lower, upper)), Some((other_lower, other_upper))) => {
                meets(upper, other_lower) || meets(other_upper, lower)
            }
            _ => false,
        }
    }

    /// The smallest range that holds both.
    #[must_use]
    pub fn merge(&self, other: &Range) -> Range {
        let (Some((lower, upper)), Some((other_lower, other_upper))) = (&self.bounds, &other.bounds) else {
            return if self.bounds.is_none() { other.clone() } else { self.clone() };
        };
        let first = compare_bounds(lower, End::Lower, other_lower, End::Lower) != Ordering::Greater;
        let last = compare_bounds(upper, End::Upper, other_upper, End::Upper) != Ordering::Less;
        Range::between(self.element, if first { lower } else { other_lower }, if last { upper } else { other_upper })
    }

    /// All that is in either. Errors: 22000 if there is a gap between them.
    pub fn union(&self, other: &Range) -> Result<Range> {
        let whole = self.bounds.is_none() || other.bounds.is_none() || self.overlaps(other) || self.adjacent(other);
        if whole {
            return Ok(self.merge(other));
        }
        Err(SqlError::new(SqlState::DATA_EXCEPTION, "result of range union would not be contiguous"))
    }

    /// What is in it and not in `other`. Errors: 22000 if that is two pieces.
    pub fn minus(&self, other: &Range) -> Result<Range> {
        let (Some((lower, upper)), Some((other_lower, other_upper))) = (&self.bounds, &other.bounds) else {
            return Ok(self.clone());
        };
        if !self.overlaps(other) {
            return Ok(self.clone());
        }
        let left = compare_bounds(lower, End::Lower, other_lower, End::Lower) == Ordering::Less;
        let right = compare_bounds(upper, End::Upper, other_upper, End::Upper) == Ordering::Greater;
        let turned = |bound: &Bound| Bound { value: bound.value.clone(), inclusive: !bound.inclusive };
        match (left, right) {
            (true, true) => {
                Err(SqlError::new(SqlState::DATA_EXCEPTION, "result of range difference would not be contiguous"))
            }
            (true, false) => Ok(Range::between(self.element, lower, &turned(other_lower))),
            (false, true) => Ok(Range::between(self.element, &turned(other_upper), upper)),
            (false, false) => Ok(Range::empty(self.element)),
        }
    }
}

/// Of a type whose values follow each other: the bound at the next value, inclusive. Of others the bound itself.
fn next(bound: Bound) -> Result<Bound> {
    let range = |name: &str| SqlError::new(SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{name} out of range"));
    let value = match bound.value {
        Value::Int4(n) => Value::Int4(n.checked_add(1).ok_or_else(|| range("integer"))?),
        Value::Int8(n) => Value::Int8(n.checked_add(1).ok_or_else(|| range("bigint"))?),
        // The infinities have no day after them.
        Value::Date(i32::MIN | i32::MAX) => return Ok(bound),
        Value::Date(days) => {
            let days = days + 1;
            if !super::datetime::date_in_range(i64::from(days)) {
                return Err(SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, "date out of range"));
            }
            Value::Date(days)
        }
        _ => return Ok(bound),
    };
    Ok(Bound { value, inclusive: true })
}

/// Appends the text form: `empty`, `[1,5)`, `(,"a b"]`.
pub(super) fn push_range(range: &Range, style: &TextStyle, out: &mut String) {
    let Some((lower, upper)) = &range.bounds else { return out.push_str("empty") };
    out.push(if lower.inclusive { '[' } else { '(' });
    push_bound(&lower.value, range.element, style, out);
    out.push(',');
    push_bound(&upper.value, range.element, style, out);
    out.push(if upper.inclusive { ']' } else { ')' });
}

fn push_bound(value: &Value, element: Oid, style: &TextStyle, out: &mut String) {
    if value.is_null() {
        return;
    }
    let mut text = String::new();
    to_text(value, DataType::new(element), style, &mut text);
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',') || c.is_ascii_whitespace();
    if !text.is_empty() && !text.contains(special) {
        return out.push_str(&text);
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push(c);
        }
        out.push(c);
    }
    out.push('"');
}

/// Reads a range of the type. Errors: 22P02, those of the elements' input, 22000.
pub(super) fn parse_range(text: &str, element: Oid, style: &TextStyle) -> Result<Range> {
    let malformed = |detail: &str| {
        SqlError::new(SqlState::INVALID_TEXT_REPRESENTATION, format!("malformed range literal: \"{text}\""))
            .detail(detail)
    };
    let body = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    if let Some(rest) = body.get(..5).filter(|word| word.eq_ignore_ascii_case("empty")).and(body.get(5..)) {
        return if rest.trim_matches(|c: char| c.is_ascii_whitespace()).is_empty() {
            Ok(Range::empty(element))
        } else {
            Err(malformed("Junk after \"empty\" key word."))
        };
    }
    let lower_inclusive = body.starts_with('[');
    let mut rest =
        body.strip_prefix(['[', '(']).ok_or_else(|| malformed("Missing left parenthesis or bracket."))?.chars();
    let value = |text: Option<String>| match text {
        Some(text) => from_text(&text, DataType::new(element), style),
        None => Ok(Value::Null),
    };
    let (lower, end) = bound_text(&mut rest).ok_or_else(|| malformed("Unexpected end of input."))?;
    if end != ',' {
        return Err(malformed("Missing comma after lower bound."));
    }
    let (upper, end) = bound_text(&mut rest).ok_or_else(|| malformed("Unexpected end of input."))?;
    if end == ',' {
        return Err(malformed("Too many commas."));
    }
    if !rest.as_str().trim_matches(|c: char| c.is_ascii_whitespace()).is_empty() {
        return Err(malformed("Junk after right parenthesis or bracket."));
    }
    let lower = Bound { value: value(lower)?, inclusive: lower_inclusive };
    let upper = Bound { value: value(upper)?, inclusive: end == ']' };
    Range::new(element, lower, upper)
}

/// One bound up to the character that ends it: none of nothing, since that is infinity. None at the end of the text.
fn bound_text(rest: &mut std::str::Chars<'_>) -> Option<(Option<String>, char)> {
    let (mut out, mut quoted, mut any) = (String::new(), false, false);
    loop {
        match rest.next()? {
            '\\' => {
                any = true;
                out.push(rest.next()?);
            }
            '"' if quoted && rest.as_str().starts_with('"') => {
                rest.next();
                out.push('"');
            }
            '"' => {
                quoted = !quoted;
                any = true;
            }
            end @ (',' | ')' | ']') if !quoted => return Some((any.then_some(out), end)),
            c => {
                any = true;
                out.push(c);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, ty: Oid) -> String {
        let style = TextStyle::default();
        match parse_range(text, range_element(ty).expect("a range type"), &style) {
            Ok(range) => {
                let mut out = String::new();
                push_range(&range, &style, &mut out);
                out
            }
            Err(error) => error.fields().detail.clone().unwrap_or_else(|| error.message().to_owned()),
        }
    }

    // Expected texts are PostgreSQL's.
    #[test]
    fn ranges_have_one_form() {
        for (text, ty, expected) in [
            ("[1,5]", oid::INT4RANGE, "[1,6)"),
            ("(1,2)", oid::INT4RANGE, "empty"),
            ("(,3]", oid::INT8RANGE, "(,4)"),
            ("[,]", oid::INT8RANGE, "(,)"),
            (" EMPTY ", oid::NUMRANGE, "empty"),
            ("[1.0,1.00]", oid::NUMRANGE, "[1.0,1.00]"),
            ("[1,1)", oid::NUMRANGE, "empty"),
            ("[2020-01-01,2020-01-02]", oid::DATERANGE, "[2020-01-01,2020-01-03)"),
            ("[\"2020-01-01 10:00\",)", oid::TSRANGE, "[\"2020-01-01 10:00:00\",)"),
            ("[5,1]", oid::INT4RANGE, "range lower bound must be less than or equal to range upper bound"),
            ("1,5]", oid::INT4RANGE, "Missing left parenthesis or bracket."),
            ("[1]", oid::INT4RANGE, "Missing comma after lower bound."),
            ("[1,2,3]", oid::INT4RANGE, "Too many commas."),
            ("[1,2", oid::INT4RANGE, "Unexpected end of input."),
            ("[1,2] x", oid::INT4RANGE, "Junk after right parenthesis or bracket."),
            ("emptyx", oid::INT4RANGE, "Junk after \"empty\" key word."),
        ] {
            assert_eq!(shown(text, ty), expected, "{text}");
        }
    }
}
