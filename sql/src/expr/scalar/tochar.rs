//! Template formatting of dates and times: to_char, to_date, to_timestamp (PG-115). Numbers are `tonumber`'s.
use super::args::invalid;
use crate::error::{Result, SqlError, SqlState};
use crate::expr::function::{Call, Function};
use crate::types::datetime::{
    DateTimeFields, MICROS_PER_DAY, MICROS_PER_SECOND, date_from_civil, day_of_year, fields_of, iso_week, iso_year,
    timestamp_from_parts, weekday,
};
use crate::types::oid::{DATE, INTERVAL, TEXT, TIMESTAMP, TIMESTAMPTZ};
use crate::types::{TimeZone, Value};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// Days from the Julian epoch to 2000-01-01.
const JULIAN_OF_2000: i64 = 2_451_545;

/// Template words, longer before shorter; those whose letter case shapes the output are listed as written.
const WORDS: &[&str] = &[
    "Y,YYY", "SSSSS", "MONTH", "Month", "month", "IYYY", "YYYY", "SSSS", "IDDD", "HH24", "HH12", "A.M.", "P.M.",
    "a.m.", "p.m.", "A.D.", "B.C.", "a.d.", "b.c.", "YYY", "IYY", "DDD", "DAY", "Day", "day", "MON", "Mon", "mon",
    "TZH", "TZM", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6", "AM", "PM", "am", "pm", "AD", "BC", "ad", "bc", "YY", "IY",
    "MM", "DD", "DY", "Dy", "dy", "ID", "WW", "IW", "CC", "HH", "MI", "SS", "MS", "US", "TZ", "tz", "OF", "RM", "rm",
    "Y", "I", "D", "W", "J", "Q",
];

/// One piece of a template.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// A word, with FM before it, and TH or th after it.
    Word { word: &'static str, fill: bool, ordinal: Option<bool> },
    /// A character that stands for itself; quoted ones are never separators.
    Literal(char, bool),
}

fn pieces(template: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut rest = template;
    let starts = |rest: &str, word: &str| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    while let Some(c) = rest.chars().next() {
        if c == '"' {
            let mut chars = rest[1..].char_indices();
            let mut end = rest.len();
            while let Some((at, c)) = chars.next() {
                match c {
                    '\\' => {
                        if let Some((_, c)) = chars.next() {
                            out.push(Piece::Literal(c, true));
                        }
                    }
                    '"' => {
                        end = at + 2;
                        break;
                    }
                    c => out.push(Piece::Literal(c, true)),
                }
            }
            rest = &rest[end.min(rest.len())..];
            continue;
        }
        let (mut fill, mut after) = (true, rest);
        loop {
            if starts(after, "FM") {
                fill = false;
            } else if !starts(after, "FX") && (!starts(after, "TM") || starts(after, "TMI")) {
                break;
            }
            after = &after[2..];
        }
        let found = WORDS.iter().find(|word| after.starts_with(**word)).or_else(|| {
            // Words whose case means nothing are found in any.
            WORDS.iter().find(|word| starts(after, word))
        });
        if let Some(word) = found {
            rest = &after[word.len()..];
            let ordinal = if rest.starts_with("TH") {
                Some(true)
            } else if rest.starts_with("th") {
                Some(false)
            } else {
                None
            };
            if ordinal.is_some() {
                rest = &rest[2..];
            }
            if starts(rest, "SP") {
                rest = &rest[2..];
            }
            out.push(Piece::Word { word, fill, ordinal });
        } else if after.len() < rest.len() {
            rest = after;
        } else {
            if c == '\\' && rest[1..].starts_with('"') {
                out.push(Piece::Literal('"', true));
                rest = &rest[2..];
            } else {
                out.push(Piece::Literal(c, false));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

/// What to_char prints from.
struct Moment {
    fields: DateTimeFields,
    /// Days since 2000-01-01; none of an interval.
    days: Option<i64>,
    /// The zone and the moment in it.
    zone: Option<(i32, String)>,
}

fn ordinal_suffix(number: &str, upper: bool) -> &'static str {
    let digits: Vec<u8> = number.bytes().filter(u8::is_ascii_digit).collect();
    let teen = digits.len() >= 2 && digits[digits.len() - 2] == b'1';
    match (digits.last(), teen, upper) {
        (Some(b'1'), false, true) => "ST",
        (Some(b'2'), false, true) => "ND",
        (Some(b'3'), false, true) => "RD",
        (Some(b'1'), false, false) => "st",
        (Some(b'2'), false, false) => "nd",
        (Some(b'3'), false, false) => "rd",
        (_, _, true) => "TH",
        (_, _, false) => "th",
    }
}

fn number(n: i64, width: usize, fill: bool) -> String {
    match (fill, n < 0) {
        (true, true) => format!("-{:0width$}", n.unsigned_abs()),
        (true, false) => format!("{n:0width$}"),
        (false, _) => n.to_string(),
    }
}

fn offset_text(seconds: i32) -> String {
    let total = seconds.unsigned_abs();
    let sign = if seconds < 0 { '-' } else { '+' };
    match total / 60 % 60 {
        0 => format!("{sign}{:02}", total / 3600),
        minutes => format!("{sign}{:02}:{minutes:02}", total / 3600),
    }
}

fn name(text: &str, word: &str, width: usize, fill: bool) -> String {
    let first = word.chars().next().is_some_and(char::is_uppercase);
    let second = word.chars().nth(1).is_some_and(char::is_uppercase);
    let text = match (first, second) {
        (true, true) => text.to_uppercase(),
        (true, false) => text.to_owned(),
        _ => text.to_lowercase(),
    };
    if fill { format!("{text:<width$}") } else { text }
}

fn format_moment(moment: &Moment, template: &str) -> Result<String> {
    let fields = moment.fields;
    let is_interval = moment.days.is_none();
    let days = moment.days.unwrap_or(0);
    let mut out = String::with_capacity(template.len() + 16);
    // 1 BC is printed as year 1 with BC.
    let year = if is_interval || fields.year > 0 { fields.year } else { 1 - fields.year };
    let iso = if is_interval { fields.year } else { iso_year(days) };
    let iso = if is_interval || iso > 0 { iso } else { 1 - iso };
    let hour12 = match fields.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let afternoon = fields.hour % 24 >= 12;
    for piece in pieces(template) {
        let Piece::Word { word, fill, ordinal } = piece else {
            if let Piece::Literal(c, _) = piece {
                out.push(c);
            }
            continue;
        };
        let only_dates = || {
            SqlError::new(SqlState::INVALID_DATETIME_FORMAT, "invalid format specification for an interval value")
                .hint("Intervals are not tied to specific calendar dates.")
        };
        if is_interval
            && matches!(
                word,
                "MONTH"
                    | "Month"
                    | "month"
                    | "MON"
                    | "Mon"
                    | "mon"
                    | "DAY"
                    | "Day"
                    | "day"
                    | "DY"
                    | "Dy"
                    | "dy"
                    | "BC"
                    | "bc"
                    | "AD"
                    | "ad"
                    | "B.C."
                    | "b.c."
                    | "A.D."
                    | "a.d."
                    | "D"
                    | "ID"
                    | "TZ"
                    | "tz"
                    | "TZH"
                    | "TZM"
                    | "OF"
            )
        {
            return Err(only_dates());
        }
        let month = usize::try_from(fields.month - 1).unwrap_or(0).min(11);
        let day_of_week = weekday(days) as usize % 7;
        let text = match word {
            "A.M." | "P.M." => if afternoon { "P.M." } else { "A.M." }.to_owned(),
            "AM" | "PM" => if afternoon { "PM" } else { "AM" }.to_owned(),
            "a.m." | "p.m." => if afternoon { "p.m." } else { "a.m." }.to_owned(),
            "am" | "pm" => if afternoon { "pm" } else { "am" }.to_owned(),
            "A.D." | "B.C." => if fields.year > 0 { "A.D." } else { "B.C." }.to_owned(),
            "AD" | "BC" => if fields.year > 0 { "AD" } else { "BC" }.to_owned(),
            "a.d." | "b.c." => if fields.year > 0 { "a.d." } else { "b.c." }.to_owned(),
            "ad" | "bc" => if fields.year > 0 { "ad" } else { "bc" }.to_owned(),
            "HH" | "HH12" => number(hour12, 2, fill),
            "HH24" => number(fields.hour, 2, fill),
            "MI" => number(fields.minute, 2, fill),
            "SS" => number(fields.second, 2, fill),
            "MS" | "FF3" => format!("{:03}", fields.micros / 1000),
            "US" | "FF6" => format!("{:06}", fields.micros),
            "FF1" => format!("{:01}", fields.micros / 100_000),
            "FF2" => format!("{:02}", fields.micros / 10_000),
            "FF4" => format!("{:04}", fields.micros / 100),
            "FF5" => format!("{:05}", fields.micros / 10),
            "SSSS" | "SSSSS" => (fields.hour * 3600 + fields.minute * 60 + fields.second).to_string(),
            "Y,YYY" => format!("{},{:03}", year / 1000, year % 1000),
            "YYYY" => number(year, 4, fill),
            "YYY" => number(year % 1000, 3, fill),
            "YY" => number(year % 100, 2, fill),
            "Y" => (year % 10).to_string(),
            "IYYY" => number(iso, 4, fill),
            "IYY" => number(iso % 1000, 3, fill),
            "IY" => number(iso % 100, 2, fill),
            "I" => (iso % 10).to_string(),
            "MONTH" | "Month" | "month" => name(MONTHS[month], word, 9, fill),
            "MON" | "Mon" | "mon" => name(&MONTHS[month][..3], word, 3, fill),
            "MM" => number(fields.month, 2, fill),
            "RM" => name(ROMAN[month], "RM", 4, fill),
            "rm" => name(ROMAN[month], "rm", 4, fill),
            "DAY" | "Day" | "day" => name(DAYS[day_of_week], word, 9, fill),
            "DY" | "Dy" | "dy" => name(&DAYS[day_of_week][..3], word, 3, fill),
            "DDD" if is_interval => number(fields.month * 30 + fields.day + fields.year * 360, 3, fill),
            "DDD" => number(day_of_year(days), 3, fill),
            "IDDD" => {
                // Days since the Monday of the ISO year's first week.
                let week = iso_week(days);
                number((week - 1) * 7 + (i64::from(weekday(days)) + 6) % 7 + 1, 3, fill)
            }
            "DD" => number(fields.day, 2, fill),
            "D" => (day_of_week + 1).to_string(),
            "ID" => if day_of_week == 0 { 7 } else { day_of_week }.to_string(),
            "W" => ((fields.day - 1) / 7 + 1).to_string(),
            "WW" => number((day_of_year(days) - 1) / 7 + 1, 2, fill),
            "IW" => number(iso_week(days), 2, fill),
            "CC" => {
                let century = if is_interval {
                    fields.year / 100
                } else if fields.year > 0 {
                    (fields.year - 1) / 100 + 1
                } else {
                    fields.year / 100 - 1
                };
                if century.abs() <= 99 { number(century, 2, fill) } else { century.to_string() }
            }
            "J" => (days + JULIAN_OF_2000).to_string(),
            "Q" => ((fields.month - 1) / 3 + 1).to_string(),
            "TZ" => moment.zone.as_ref().map_or(String::new(), |(_, name)| name.clone()),
            "tz" => moment.zone.as_ref().map_or(String::new(), |(_, name)| name.to_lowercase()),
            "TZH" => {
                let seconds = moment.zone.as_ref().map_or(0, |(seconds, _)| *seconds);
                format!("{}{:02}", if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 3600)
            }
            "TZM" => format!("{:02}", moment.zone.as_ref().map_or(0, |(seconds, _)| seconds.unsigned_abs() / 60 % 60)),
            "OF" => offset_text(moment.zone.as_ref().map_or(0, |(seconds, _)| *seconds)),
            _ => String::new(),
        };
        out.push_str(&text);
        if let Some(upper) = ordinal
            && text.bytes().any(|byte| byte.is_ascii_digit())
        {
            out.push_str(ordinal_suffix(&text, upper));
        }
    }
    Ok(out)
}

fn to_char(call: &Call<'_>) -> Result<Value> {
    let template = call.text(1)?;
    if template.is_empty() {
        return Ok(Value::Null);
    }
    let moment = match call.args.first() {
        Some(Value::Interval(interval)) => {
            let seconds = interval.micros / MICROS_PER_SECOND;
            let fields = DateTimeFields {
                year: i64::from(interval.months / 12),
                month: i64::from(interval.months % 12),
                day: i64::from(interval.days),
                hour: seconds / 3600,
                minute: seconds / 60 % 60,
                second: seconds % 60,
                micros: interval.micros % MICROS_PER_SECOND,
            };
            Moment { fields, days: None, zone: None }
        }
        value => {
            let at = call.time(0)?;
            if at == i64::MIN || at == i64::MAX {
                return Ok(Value::Null);
            }
            let zone = &call.ctx.style.time_zone;
            let (local, zone) = if matches!(value, Some(Value::TimestampTz(_))) {
                (zone.to_local(at), Some((zone.offset_at(at), zone.abbreviation_at(at))))
            } else {
                (at, None)
            };
            Moment { fields: fields_of(local), days: Some(local.div_euclid(MICROS_PER_DAY)), zone }
        }
    };
    format_moment(&moment, template).map(Value::from)
}

/// What was read from a text.
#[derive(Default)]
struct Parsed {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    hour: Option<i64>,
    minute: i64,
    second: i64,
    micros: i64,
    afternoon: Option<bool>,
    before_christ: bool,
    twelve_hours: bool,
    day_of_year: Option<i64>,
    julian: Option<i64>,
    quarter: bool,
    iso: (Option<i64>, Option<i64>, Option<i64>),
    week: Option<i64>,
    week_of_month: Option<i64>,
    century: Option<i64>,
    seconds_of_day: Option<i64>,
    offset: Option<i64>,
    offset_minutes: i64,
}

fn bad_value(word: &str, text: &str) -> SqlError {
    let shown: String = text.chars().take(word.len().max(2)).collect();
    SqlError::new(SqlState::INVALID_DATETIME_FORMAT, format!("invalid value \"{shown}\" for \"{word}\""))
        .detail("Value must be an integer.")
}

/// Most digits that a numeric word reads; 0 for words that are not numbers.
fn digits_of(word: &str) -> usize {
    match word {
        "YYYY" | "IYYY" | "Y,YYY" => 4,
        "YYY" | "IYY" | "DDD" | "IDDD" | "MS" | "FF3" => 3,
        "YY" | "IY" | "MM" | "DD" | "HH" | "HH12" | "HH24" | "MI" | "SS" | "WW" | "IW" | "CC" | "FF2" | "TZM" => 2,
        "Y" | "I" | "D" | "ID" | "W" | "Q" | "FF1" => 1,
        "US" | "FF6" => 6,
        "FF5" | "SSSSS" | "SSSS" => 5,
        "FF4" => 4,
        "J" => 9,
        _ => 0,
    }
}

fn read_name(rest: &mut &str, names: &[&str], short: Option<usize>) -> Option<usize> {
    for (index, name) in names.iter().enumerate() {
        let name = short.map_or(*name, |length| &name[..length]);
        if rest.get(..name.len()).is_some_and(|head| head.eq_ignore_ascii_case(name)) {
            *rest = &rest[name.len()..];
            return Some(index);
        }
    }
    None
}

fn parse(text: &str, template: &str) -> Result<Parsed> {
    let mut parsed = Parsed::default();
    let pieces = pieces(template);
    let mut rest = text.trim_start();
    for (index, piece) in pieces.iter().enumerate() {
        let (word, fill, ordinal) = match piece {
            Piece::Literal(c, quoted) => {
                if *quoted || c.is_alphanumeric() {
                    // Takes the place of one character of the text.
                    rest = rest.get(rest.chars().next().map_or(0, char::len_utf8)..).unwrap_or("");
                } else if c.is_whitespace() {
                    rest = rest.trim_start();
                } else {
                    rest = rest.trim_start();
                    if let Some(first) = rest.chars().next().filter(|first| !first.is_alphanumeric() && *first != '+')
                        && !(first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) && *c != '-')
                    {
                        rest = &rest[first.len_utf8()..];
                    }
                }
                continue;
            }
            Piece::Word { word, fill, ordinal } => (*word, *fill, *ordinal),
        };
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let most = digits_of(word);
        if most > 0 {
            let next_is_number = matches!(pieces.get(index + 1), Some(Piece::Word { word, .. }) if digits_of(word) > 0);
            let limit = if next_is_number && fill { most } else { usize::MAX };
            let limit = if matches!(word, "MS" | "US") || word.starts_with("FF") { most } else { limit };
            let negative = rest.starts_with('-') && matches!(word, "YYYY" | "YYY" | "YY" | "Y");
            let signed = if negative || rest.starts_with('+') { &rest[1..] } else { rest };
            let mut digits: String = signed.chars().take(limit).take_while(char::is_ascii_digit).collect();
            let mut used = rest.len() - signed.len() + digits.len();
            if word == "Y,YYY"
                && let Some(more) = rest[used..].strip_prefix(',')
            {
                let tail: String = more.chars().take(3).take_while(char::is_ascii_digit).collect();
                used += 1 + tail.len();
                digits += &tail;
            }
            if digits.is_empty() {
                return Err(bad_value(word, rest));
            }
            let value: i64 = digits.parse().map_err(|_| {
                SqlError::new(
                    SqlState::DATETIME_FIELD_OVERFLOW,
                    format!("value for \"{word}\" in source string is out of range"),
                )
            })?;
            rest = &rest[used..];
            if ordinal.is_some() {
                rest = rest.get(2..).unwrap_or("");
            }
            number_word(&mut parsed, word, value, &digits, negative);
            continue;
        }
        name_word(&mut parsed, word, &mut rest)?;
    }
    Ok(parsed)
}

/// Two- and three-digit years are the ones nearest to 2020.
fn full_year(value: i64, digits: usize, word: &str) -> i64 {
    if word == "YYYY" || word == "IYYY" || word == "Y,YYY" || digits > 3 {
        return value;
    }
    match value {
        0..70 => value + 2000,
        70..100 => value + 1900,
        100..520 => value + 2000,
        520..1000 => value + 1000,
        other => other,
    }
}

fn number_word(parsed: &mut Parsed, word: &str, value: i64, digits: &str, negative: bool) {
    let fraction = |length: usize| {
        let padded: String = digits.chars().chain(std::iter::repeat('0')).take(length.max(digits.len())).collect();
        format!("{padded:0<6}")[..6].parse::<i64>().unwrap_or(0)
    };
    match word {
        "YYYY" | "YYY" | "YY" | "Y" | "Y,YYY" => {
            let year = full_year(value, digits.len(), word);
            parsed.before_christ |= negative;
            parsed.year = Some(year);
        }
        "IYYY" | "IYY" | "IY" | "I" => parsed.iso.0 = Some(full_year(value, digits.len(), word)),
        "MM" => parsed.month = Some(value),
        "DD" => parsed.day = Some(value),
        "DDD" => parsed.day_of_year = Some(value),
        "HH" | "HH12" => (parsed.hour, parsed.twelve_hours) = (Some(value), true),
        "HH24" => parsed.hour = Some(value),
        "MI" => parsed.minute = value,
        "SS" => parsed.second = value,
        "MS" | "FF3" => parsed.micros = fraction(3),
        "US" | "FF1" | "FF2" | "FF4" | "FF5" | "FF6" => parsed.micros = fraction(6),
        "SSSS" | "SSSSS" => parsed.seconds_of_day = Some(value),
        "J" => parsed.julian = Some(value),
        "IW" => parsed.iso.1 = Some(value),
        "ID" => parsed.iso.2 = Some(value),
        "WW" => parsed.week = Some(value),
        "W" => parsed.week_of_month = Some(value),
        "CC" => parsed.century = Some(value),
        "TZM" => parsed.offset_minutes = value,
        "Q" => parsed.quarter = true,
        _ => {}
    }
}

fn name_word(parsed: &mut Parsed, word: &str, rest: &mut &str) -> Result<()> {
    let upper = word.to_ascii_uppercase();
    let no_match = |rest: &str| {
        let shown: String = rest.chars().take_while(|c| !c.is_whitespace()).take(9).collect();
        SqlError::new(SqlState::INVALID_DATETIME_FORMAT, format!("invalid value \"{shown}\" for \"{word}\""))
            .detail("The given value did not match any of the allowed values for this field.")
    };
    match upper.as_str() {
        "MONTH" => {
            let month = read_name(rest, &MONTHS, None).or_else(|| read_name(rest, &MONTHS, Some(3)));
            parsed.month = Some(month.ok_or_else(|| no_match(rest))? as i64 + 1);
        }
        "MON" => parsed.month = Some(read_name(rest, &MONTHS, Some(3)).ok_or_else(|| no_match(rest))? as i64 + 1),
        "DAY" => {
            read_name(rest, &DAYS, None).or_else(|| read_name(rest, &DAYS, Some(3))).ok_or_else(|| no_match(rest))?;
        }
        "DY" => {
            read_name(rest, &DAYS, Some(3)).ok_or_else(|| no_match(rest))?;
        }
        "RM" => {
            let mut order: Vec<usize> = (0..12).collect();
            order.sort_by_key(|index| std::cmp::Reverse(ROMAN[*index].len()));
            let names: Vec<&str> = order.iter().map(|index| ROMAN[*index]).collect();
            let found = read_name(rest, &names, None).ok_or_else(|| no_match(rest))?;
            parsed.month = Some(order[found] as i64 + 1);
        }
        "AM" | "PM" | "A.M." | "P.M." => {
            let found = read_name(rest, &["A.M.", "P.M.", "AM", "PM"], None).ok_or_else(|| no_match(rest))?;
            parsed.afternoon = Some(found % 2 == 1);
        }
        "AD" | "BC" | "A.D." | "B.C." => {
            let found = read_name(rest, &["A.D.", "B.C.", "AD", "BC"], None).ok_or_else(|| no_match(rest))?;
            parsed.before_christ = found % 2 == 1;
        }
        "TZH" => {
            let negative = rest.starts_with('-');
            let signed = rest.trim_start_matches(['+', '-', ' ']);
            let digits: String = signed.chars().take(2).take_while(char::is_ascii_digit).collect();
            let hours: i64 = digits.parse().map_err(|_| bad_value(word, rest))?;
            *rest = &signed[digits.len()..];
            parsed.offset = Some(if negative { -hours } else { hours } * 3600);
        }
        _ => {
            return Err(SqlError::new(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("formatting field \"{word}\" is only supported in to_char"),
            ));
        }
    }
    Ok(())
}

/// Days since 2000-01-01 and microseconds of the day.
fn assemble(parsed: &Parsed, text: &str) -> Result<(i64, i64)> {
    let out_of_range =
        || SqlError::new(SqlState::DATETIME_FIELD_OVERFLOW, format!("date/time field value out of range: \"{text}\""));
    let mut hour = parsed.hour.unwrap_or(0);
    let (mut minute, mut second) = (parsed.minute, parsed.second);
    if let Some(seconds) = parsed.seconds_of_day {
        (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    if parsed.twelve_hours || parsed.afternoon.is_some() {
        if !(1..=12).contains(&hour) {
            return Err(SqlError::new(
                SqlState::INVALID_DATETIME_FORMAT,
                format!("hour \"{hour}\" is invalid for the 12-hour clock"),
            )
            .hint("Use the 24-hour clock, or give an hour between 1 and 12."));
        }
        if parsed.afternoon == Some(true) && hour < 12 {
            hour += 12;
        } else if parsed.afternoon == Some(false) && hour == 12 {
            hour = 0;
        }
    }
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..60).contains(&second) {
        return Err(out_of_range());
    }
    let clock = (hour * 3600 + minute * 60 + second) * MICROS_PER_SECOND + parsed.micros;
    if let Some(julian) = parsed.julian {
        return Ok((julian - JULIAN_OF_2000, clock));
    }
    let mut year = parsed.year;
    if let Some(century) = parsed.century {
        year = Some(year.map_or((century - 1) * 100 + 1, |year| (century - 1) * 100 + year % 100));
    }
    let year = match (year, parsed.before_christ) {
        (Some(year), true) => 1 - year,
        (Some(year), false) => year,
        (None, true) => -1,
        (None, false) => 0,
    };
    let start = |year: i64, month: i64, day: i64| -> Result<i64> {
        let month = u32::try_from(month).map_err(|_| out_of_range())?;
        let day = u32::try_from(day).map_err(|_| out_of_range())?;
        date_from_civil(year, month, day).map(i64::from).ok_or_else(out_of_range)
    };
    if let (Some(iso), week, day) = parsed.iso {
        // The week that holds January 4th is the first.
        let fourth = start(iso, 1, 4)?;
        let monday = fourth - (i64::from(weekday(fourth)) + 6) % 7;
        return Ok((monday + (week.unwrap_or(1) - 1) * 7 + day.unwrap_or(1) - 1, clock));
    }
    if let Some(week) = parsed.week {
        return Ok((start(year, 1, 1)? + (week - 1) * 7, clock));
    }
    if let Some(day) = parsed.day_of_year.filter(|_| parsed.month.is_none()) {
        let length = start(year + 1, 1, 1)? - start(year, 1, 1)?;
        if !(1..=length).contains(&day) {
            return Err(out_of_range());
        }
        return Ok((start(year, 1, 1)? + day - 1, clock));
    }
    let day = parsed.week_of_month.filter(|_| parsed.day.is_none()).map(|week| (week - 1) * 7 + 1);
    let day = day.or(parsed.day).unwrap_or(1);
    Ok((start(year, parsed.month.unwrap_or(1), day)?, clock))
}

fn to_date(call: &Call<'_>) -> Result<Value> {
    let (text, template) = (call.text(0)?, call.text(1)?);
    let (days, _) = assemble(&parse(text, template)?, text)?;
    i32::try_from(days).map(Value::Date).map_err(|_| invalid("date out of range"))
}

fn to_timestamp(call: &Call<'_>) -> Result<Value> {
    let (text, template) = (call.text(0)?, call.text(1)?);
    let parsed = parse(text, template)?;
    let (days, clock) = assemble(&parsed, text)?;
    let local = timestamp_from_parts(days, clock)?;
    let zone: &TimeZone = &call.ctx.style.time_zone;
    Ok(Value::TimestampTz(match parsed.offset {
        Some(offset) => {
            let minutes = parsed.offset_minutes * 60;
            local - (offset + if offset < 0 { -minutes } else { minutes }) * MICROS_PER_SECOND
        }
        None => zone.to_utc(local),
    }))
}

#[rustfmt::skip]
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new(1768, "to_char", &[INTERVAL, TEXT], TEXT, to_char).stable(),
    Function::new(1770, "to_char", &[TIMESTAMPTZ, TEXT], TEXT, to_char).stable(),
    Function::new(2049, "to_char", &[TIMESTAMP, TEXT], TEXT, to_char).stable(),
    Function::new(1780, "to_date", &[TEXT, TEXT], DATE, to_date).stable(),
    Function::new(1778, "to_timestamp", &[TEXT, TEXT], TIMESTAMPTZ, to_timestamp).stable(),
];
pub(super) const OPERATORS: &[super::OperatorRow] = &[];
