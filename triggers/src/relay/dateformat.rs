//! Java date patterns, as far as a time in a message needs them (AMI-163): `yyyy MM dd HH mm ss SSS`, quoted text, month
//! and day names, AM/PM, zones. A time without a zone is UTC.

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Milliseconds since 1970 of a text of this pattern; none if it does not fit.
pub(super) fn parse(text: &str, pattern: &str) -> Option<i64> {
    let mut rest = text;
    let (mut year, mut month, mut day, mut millis) = (1970_i64, 1_i64, 1_i64, 0_i64);
    let (mut hour, mut half, mut afternoon, mut offset) = (0_i64, None, None, 0_i64);
    let pattern: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    while let Some(letter) = pattern.get(at).copied() {
        let count = pattern[at..].iter().take_while(|c| **c == letter).count();
        if letter == '\'' {
            // Quoted text; two quotes are one.
            let end = at + 1 + pattern[at + 1..].iter().position(|c| *c == '\'')?;
            let literal: String = if end == at + 1 { "'".to_owned() } else { pattern[at + 1..end].iter().collect() };
            rest = rest.strip_prefix(literal.as_str())?;
            at = end + 1;
            continue;
        }
        at += count;
        if !letter.is_ascii_alphabetic() {
            for _ in 0..count {
                rest = rest.strip_prefix(letter)?;
            }
            continue;
        }
        // Digits next to digits have the width of their letters.
        let adjacent = pattern.get(at).is_some_and(char::is_ascii_alphabetic);
        let mut number = |max: usize| -> Option<i64> {
            let width = if adjacent { count.min(max) } else { max };
            let end = rest.bytes().take(width).take_while(u8::is_ascii_digit).count();
            let value = rest.get(..end)?.parse().ok()?;
            rest = &rest[end..];
            Some(value)
        };
        match letter {
            'y' if count == 2 => {
                let short = number(4)?;
                year = if short < 100 { 2000 + short - if short > 68 { 100 } else { 0 } } else { short };
            }
            'y' => year = number(9)?,
            'M' if count >= 3 => {
                let name = rest.get(..3)?.to_ascii_lowercase();
                month = 1 + i64::try_from(MONTHS.iter().position(|month| **month == name)?).ok()?;
                rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            }
            'M' => month = number(2)?,
            'd' => day = number(2)?,
            'H' => hour = number(2).filter(|n| *n < 24)?,
            'k' => hour = number(2).filter(|n| (1..=24).contains(n))? % 24,
            'K' => half = Some(number(2).filter(|n| *n < 12)?),
            'h' => half = Some(number(2).filter(|n| (1..=12).contains(n))? % 12),
            'm' => millis += number(2).filter(|n| *n < 60)? * 60_000,
            's' => millis += number(2).filter(|n| *n < 60)? * 1000,
            'S' => millis += number(9)?,
            'a' => {
                let word = rest.get(..2)?.to_ascii_lowercase();
                afternoon = Some(match word.as_str() {
                    "am" => 0,
                    "pm" => 12,
                    _ => return None,
                });
                rest = &rest[2..];
            }
            'E' => rest = rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
            'z' | 'Z' | 'X' => (offset, rest) = zone(rest)?,
            _ => return None,
        }
    }
    if !rest.is_empty() || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    if let Some(half) = half {
        hour = half + afternoon.unwrap_or(0);
    }
    let day = days_from_epoch(year, month, day).checked_mul(86_400_000)?;
    day.checked_add(hour * 3_600_000 + millis)?.checked_sub(offset)
}

/// Offset from UTC in milliseconds, and what stands behind it.
fn zone(text: &str) -> Option<(i64, &str)> {
    let rest = text.strip_prefix("GMT").or_else(|| text.strip_prefix("UTC")).or_else(|| text.strip_prefix('Z'));
    let named = rest.is_some();
    let rest = rest.unwrap_or(text);
    let sign = match rest.bytes().next() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ if named => return Some((0, rest)),
        _ => return None,
    };
    let rest = &rest[1..];
    let hours: i64 = rest.get(..2)?.parse().ok()?;
    let rest = &rest[2..];
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = match rest.get(..2).and_then(|digits| digits.parse::<i64>().ok()) {
        Some(minutes) => (minutes, &rest[2..]),
        None => (0, rest),
    };
    Some((sign * (hours * 60 + minutes) * 60_000, rest))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the Gregorian calendar.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::parse;

    // AMI-163
    #[test]
    fn patterns() {
        for (text, pattern, millis) in [
            ("20140503", "yyyyMMdd", 1_399_075_200_000),
            ("1970-01-01 00:00:00.001", "yyyy-MM-dd HH:mm:ss.SSS", 1),
            ("2000-02-29T23:59:59Z", "yyyy-MM-dd'T'HH:mm:ssX", 951_868_799_000),
            ("03 May 2014 01:00 PM +0200", "dd MMM yyyy hh:mm a Z", 1_399_114_800_000),
            ("3/5/14", "d/M/yy", 1_399_075_200_000),
        ] {
            assert_eq!(parse(text, pattern), Some(millis), "{text} {pattern}");
        }
        for (text, pattern) in [
            ("999999999", "y"),
            ("99999999999999999901", "yyyyyyyyyyyyyyyyyyMM"),
            ("2014", "yyyyMMdd"),
            ("20140230", "yyyyMMdd"),
            ("20140503x", "yyyyMMdd"),
            ("1", "q"),
            ("é", "MMM"),
        ] {
            assert_eq!(parse(text, pattern), None, "{text} {pattern}");
        }
    }
}
