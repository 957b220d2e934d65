//! The options of a RELAY trigger (AMI-150 to AMI-158, AMI-200, AMI-201), read and checked; and its text with the passwords
//! taken out.

use tripline_sql::catalog::TriggerDef;
use tripline_sql::error::{Result, SqlError, SqlState};

use crate::kind::{boolean, check_options};

const KNOWN: &[&str] = &[
    "host",
    "port",
    "login",
    "keystoreFile",
    "keystorePass",
    "target",
    "derivedValues",
    "inserts",
    "updates",
    "deletes",
    "where",
    "protocol",
    "delivery",
    "database",
    "user",
    "password",
    "tls",
    "poolSize",
    "keys",
];
/// Options of one protocol alone.
const OF_POSTGRES: &[&str] = &["database", "user", "password", "tls", "poolSize", "keys"];
const OF_AMI: &[&str] = &["login"];
/// Options whose values are shown nowhere.
const SECRET: &[&str] = &["password", "keystorePass"];

/// How the receiver is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ami,
    Postgres,
}

/// What happens to changes while the receiver is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// They are dropped and counted.
    Drop,
    /// They wait in the change log.
    Durable,
}

/// Where and how a trigger sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) protocol: Protocol,
    pub(super) delivery: Delivery,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) login: String,
    pub(super) keystore: Option<(String, String)>,
    /// Of the PostgreSQL protocol: whether TLS is used (the keystore's certificates are trusted, or the server's is not
    /// looked at).
    pub(super) tls: bool,
    pub(super) database: String,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) pool_size: usize,
}

fn bad(text: String) -> SqlError {
    SqlError::new(SqlState::INVALID_PARAMETER_VALUE, text)
}

/// One of two words.
fn word<T: Copy>(def: &TriggerDef, key: &str, words: [(&str, T); 2]) -> Result<T> {
    let Some(value) = def.option(key) else { return Ok(words[0].1) };
    let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value.trim()));
    found.map(|(_, value)| *value).ok_or_else(|| {
        bad(format!("option \"{key}\" must be \"{}\" or \"{}\", not \"{value}\"", words[0].0, words[1].0))
    })
}

fn number(def: &TriggerDef, key: &str, default: u16) -> Result<u16> {
    let Some(value) = def.option(key) else { return Ok(default) };
    let number = value.trim().parse::<u16>().ok().filter(|number| *number > 0);
    number.ok_or_else(|| bad(format!("option \"{key}\" must be a whole number from 1 to 65535, not \"{value}\"")))
}

impl Options {
    /// Reads them. Errors: 22023, 42601.
    pub(super) fn of(def: &TriggerDef) -> Result<Options> {
        check_options(def, KNOWN)?;
        let protocol = word(def, "protocol", [("ami", Protocol::Ami), ("postgres", Protocol::Postgres)])?;
        let (foreign, other) = match protocol {
            Protocol::Ami => (OF_POSTGRES, "postgres"),
            Protocol::Postgres => (OF_AMI, "ami"),
        };
        if let Some((key, _)) =
            def.options.iter().find(|(key, _)| foreign.iter().any(|one| one.eq_ignore_ascii_case(key)))
        {
            return Err(bad(format!("option \"{key}\" needs protocol=\"{other}\"")));
        }
        let text = |key: &str, default: &str| {
            def.option(key).map(str::trim).filter(|value| !value.is_empty()).unwrap_or(default).to_owned()
        };
        let keystore = def.option("keystoreFile").filter(|file| !file.trim().is_empty());
        if keystore.is_none() && def.option("keystorePass").is_some() {
            return Err(bad("option \"keystorePass\" needs keystoreFile".to_owned()));
        }
        let keystore =
            keystore.map(|file| (file.trim().to_owned(), def.option("keystorePass").unwrap_or("").to_owned()));
        let tls = match def.option("tls") {
            None => keystore.is_some(),
            Some(_) => boolean(def, "tls")?,
        };
        if keystore.is_some() && !tls {
            return Err(bad("option \"keystoreFile\" needs tls=\"true\"".to_owned()));
        }
        Ok(Options {
            protocol,
            delivery: word(def, "delivery", [("drop", Delivery::Drop), ("durable", Delivery::Durable)])?,
            host: text("host", "localhost"),
            port: number(def, "port", if protocol == Protocol::Ami { 3289 } else { 5432 })?,
            login: def.option("login").unwrap_or(&def.name).to_owned(),
            keystore,
            tls,
            database: text("database", "postgres"),
            user: text("user", "postgres"),
            password: def.option("password").map(str::to_owned),
            pool_size: usize::from(number(def, "poolSize", 4)?),
        })
    }

    /// The receiver, for messages to people.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// The statement as the user wrote it, with `***` for the values of passwords, whatever form they were written in.
pub(super) fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    // The option whose value comes next, once its `=` was seen.
    let mut word: Option<&str> = None;
    let mut value_next = false;
    while let Some(c) = rest.chars().next() {
        let length = match literal(rest) {
            Some(length) => length,
            None if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
            }
            None => c.len_utf8(),
        };
        let (piece, behind) = rest.split_at(length);
        rest = behind;
        if c.is_whitespace() {
            out.push_str(piece);
            continue;
        }
        let secret = word.is_some_and(|word| SECRET.iter().any(|one| one.eq_ignore_ascii_case(word)));
        if value_next && secret {
            out.push_str("\"***\"");
        } else {
            out.push_str(piece);
        }
        if piece == "=" && word.is_some() && !value_next {
            value_next = true;
        } else {
            word = (!value_next).then_some(piece);
            value_next = false;
        }
    }
    out
}

/// Length of the quoted text that begins here, if one does.
fn literal(text: &str) -> Option<usize> {
    if let Some(inside) = text.strip_prefix("\"\"\"") {
        return Some(inside.find("\"\"\"").map_or(text.len(), |end| end + 6));
    }
    if text.starts_with('"') {
        return Some(quoted(text, 1, '"', true));
    }
    if text.starts_with('\'') {
        return Some(quoted(text, 1, '\'', false));
    }
    if text.starts_with("E'") || text.starts_with("e'") {
        return Some(quoted(text, 2, '\'', true));
    }
    let tag = text.strip_prefix('$')?;
    let end = tag.find('$').filter(|end| tag[..*end].chars().all(|c| c.is_alphanumeric() || c == '_'))?;
    let mark = &text[..end + 2];
    Some(text[mark.len()..].find(mark).map_or(text.len(), |at| at + 2 * mark.len()))
}

/// Length of a text whose inside begins at `from`; a doubled quote, or one behind a backslash, does not end it.
fn quoted(text: &str, from: usize, quote: char, backslash: bool) -> usize {
    let mut chars = text[from..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && backslash {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return from + at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    // AMI-158, AMI-200
    #[test]
    fn passwords_are_taken_out_of_the_text() {
        for (text, shown) in [
            (r#"USE host="h" password="a\"b" user="u""#, r#"USE host="h" password="***" user="u""#),
            ("USE PassWord = 'it''s' where='x=1'", "USE PassWord = \"***\" where='x=1'"),
            ("USE keystorePass=\"\"\"a\"b\"\"\" port=\"1\"", "USE keystorePass=\"***\" port=\"1\""),
            ("USE password=$q$a'b$q$ port='1'", "USE password=\"***\" port='1'"),
            ("USE password=E'a\\'b' port='1'", "USE password=\"***\" port='1'"),
            ("USE password=plain port='1'", "USE password=\"***\" port='1'"),
            ("USE derivedValues='password=pw' x=1", "USE derivedValues='password=pw' x=1"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
