//! The TOML file: flat keys of the table, and a section `[settings]` for defaults of session settings.

use super::{ConfigError, SETTINGS};

/// Names and values.
pub(super) type Pairs = Vec<(String, String)>;

/// Keys of a TOML file, and its section `[settings]`.
pub(super) fn parse_file(path: &str, text: &str) -> Result<(Pairs, Pairs), ConfigError> {
    let table: toml::Table = text.parse().map_err(|error| ConfigError(format!("{path}: {error}")))?;
    let (mut keys, mut settings) = (Vec::new(), Vec::new());
    for (key, value) in table {
        match value {
            toml::Value::Table(section) if key == "settings" => {
                for (name, value) in section {
                    let value = plain(&value).ok_or_else(|| wrong_kind(path, &name))?;
                    settings.push((name, value));
                }
            }
            _ if !SETTINGS.iter().any(|setting| setting.name == key) => {
                let near = nearest(&key).map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default();
                return Err(ConfigError(format!("{path}: unknown setting \"{key}\"{near}")));
            }
            value => keys.push((key.clone(), plain(&value).ok_or_else(|| wrong_kind(path, &key))?)),
        }
    }
    Ok((keys, settings))
}

fn wrong_kind(path: &str, key: &str) -> ConfigError {
    ConfigError(format!("{path}: {key}: a text, a number, true, false or a list of texts is expected"))
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Option<Vec<_>>>().map(|items| items.join(",")),
        toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

/// The known name nearest to a mistyped one, unless all are far away.
fn nearest(key: &str) -> Option<&'static str> {
    let key = key.replace('-', "_").to_lowercase();
    let names = SETTINGS.iter().map(|setting| setting.name).chain(["settings"]);
    let (distance, name) = names.map(|name| (edits(&key, name), name)).min()?;
    (distance <= (name.len() / 3).max(2)).then_some(name)
}

/// Insertions, deletions and replacements that lead from one text to the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
