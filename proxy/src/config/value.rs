//! Values of settings as text, both ways: one pair of functions per form. A parser's error says what was expected.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use tripline_triggers::relay::UnknownTable;

use super::{Auth, LogFormat};

#[allow(clippy::ptr_arg, reason = "called with a reference to the field")]
pub(super) fn show_path(path: &PathBuf) -> String {
    path.display().to_string()
}

#[allow(clippy::unnecessary_wraps, reason = "all parsers have one shape")]
pub(super) fn parse_path(text: &str) -> Result<PathBuf, String> {
    Ok(PathBuf::from(text))
}

pub(super) fn show_optional_path(path: &Option<PathBuf>) -> String {
    path.as_ref().map(show_path).unwrap_or_default()
}

#[allow(clippy::unnecessary_wraps, reason = "all parsers have one shape")]
pub(super) fn parse_optional_path(text: &str) -> Result<Option<PathBuf>, String> {
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

pub(super) fn show_optional(text: &Option<String>) -> String {
    text.clone().unwrap_or_default()
}

#[allow(clippy::unnecessary_wraps, reason = "all parsers have one shape")]
pub(super) fn parse_optional(text: &str) -> Result<Option<String>, String> {
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

#[allow(clippy::unnecessary_wraps, reason = "all parsers have one shape")]
pub(super) fn parse_text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(super) fn parse_bool(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Ok(true),
        "false" | "off" | "no" | "0" => Ok(false),
        _ => Err("true or false is expected".to_owned()),
    }
}

pub(super) fn parse_number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().replace('_', "").parse().map_err(|_| "a whole number in range is expected".to_owned())
}

#[allow(clippy::ptr_arg, reason = "called with a reference to the field")]
pub(super) fn show_list(addresses: &Vec<SocketAddr>) -> String {
    addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn parse_list(text: &str) -> Result<Vec<SocketAddr>, String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(parse_socket).collect()
}

/// `host:port`, where the host is an IP address, `localhost` or `*`.
fn parse_socket(text: &str) -> Result<SocketAddr, String> {
    let text = match text.rsplit_once(':') {
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        Some(("*", port)) => format!("0.0.0.0:{port}"),
        _ => text.to_owned(),
    };
    text.parse().map_err(|_| "an address like 127.0.0.1:5432 or [::1]:5432 is expected".to_owned())
}

pub(super) fn show_address(address: &Option<SocketAddr>) -> String {
    address.map_or_else(|| "off".to_owned(), |address| address.to_string())
}

pub(super) fn parse_address(text: &str) -> Result<Option<SocketAddr>, String> {
    if matches!(text, "" | "off" | "none") { Ok(None) } else { parse_socket(text).map(Some) }
}

#[allow(clippy::ptr_arg, reason = "called with a reference to the field")]
pub(super) fn show_ips(addresses: &Vec<IpAddr>) -> String {
    addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn parse_ips(text: &str) -> Result<Vec<IpAddr>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse().map_err(|_| "IP addresses with commas between are expected".to_owned())).collect()
}

pub(super) fn show_unknown_table(rule: &UnknownTable) -> String {
    match rule {
        UnknownTable::LogError => "log_error",
        UnknownTable::Ignore => "ignore",
        UnknownTable::CreateTable => "create_table",
    }
    .to_owned()
}

pub(super) fn parse_unknown_table(text: &str) -> Result<UnknownTable, String> {
    match text.to_ascii_lowercase().as_str() {
        "log_error" => Ok(UnknownTable::LogError),
        "ignore" => Ok(UnknownTable::Ignore),
        "create_table" => Ok(UnknownTable::CreateTable),
        _ => Err("log_error, ignore or create_table is expected".to_owned()),
    }
}

pub(super) fn show_auth(auth: &Auth) -> String {
    match auth {
        Auth::Auto => "auto",
        Auth::Trust => "trust",
        Auth::Scram => "scram-sha-256",
        Auth::Password => "password",
    }
    .to_owned()
}

pub(super) fn parse_auth(text: &str) -> Result<Auth, String> {
    match text {
        "auto" => Ok(Auth::Auto),
        "trust" => Ok(Auth::Trust),
        "scram-sha-256" => Ok(Auth::Scram),
        "password" => Ok(Auth::Password),
        _ => Err("auto, trust, scram-sha-256 or password is expected".to_owned()),
    }
}

pub(super) fn show_format(format: &LogFormat) -> String {
    match format {
        LogFormat::Text => "text",
        LogFormat::Json => "json",
    }
    .to_owned()
}

pub(super) fn parse_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err("text or json is expected".to_owned()),
    }
}

pub(super) fn show_duration(duration: &Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// `500`, `500ms`, `5s`, `2min`; a plain number is milliseconds.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "" | "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("a time like 500ms, 5s or 2min is expected".to_owned()),
    };
    let millis = parse_number::<u64>(number)?.checked_mul(factor).ok_or("the time is too long")?;
    Ok(Duration::from_millis(millis))
}

pub(super) fn show_bytes(bytes: &u64) -> String {
    for (shift, unit) in [(30, "GB"), (20, "MB"), (10, "kB")] {
        if *bytes != 0 && (*bytes).is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// `65536`, `64kB`, `64MB`, `1GB`; units are of 1024.
pub(super) fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "" | "B" => 1,
        "kB" | "KB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return Err("a size like 65536, 64kB, 64MB or 1GB is expected".to_owned()),
    };
    parse_number::<u64>(number)?.checked_mul(factor).ok_or_else(|| "the size is too large".to_owned())
}

pub(super) fn show_size(bytes: &usize) -> String {
    show_bytes(&(*bytes as u64))
}

pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    usize::try_from(parse_bytes(text)?).map_err(|_| "the size is too large".to_owned())
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}
