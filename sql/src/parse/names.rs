//! Names as PostgreSQL reads them: folding, the 63-byte limit, qualified names.

use sqlparser::ast;

use super::ObjectName;
use super::lex::NAME_LIMIT;

/// Cuts a name to 63 bytes at a character border.
#[must_use]
pub fn cut(mut name: String) -> String {
    if name.len() > NAME_LIMIT {
        let mut end = NAME_LIMIT;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        name.truncate(end);
    }
    name
}

/// The name that an identifier stands for: unquoted ones in lower case (ASCII letters only), all cut to 63 bytes.
#[must_use]
pub fn fold(ident: &ast::Ident) -> String {
    cut(if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_ascii_lowercase() })
}

/// Byte offset of an identifier in its statement's text (0 when unknown).
#[must_use]
pub fn offset(ident: &ast::Ident) -> u32 {
    u32::try_from(ident.span.start.column.saturating_sub(1)).unwrap_or(0)
}

/// A tree's qualified name, folded.
#[must_use]
pub fn object_name(name: &ast::ObjectName) -> ObjectName {
    let mut parts = Vec::with_capacity(name.0.len());
    let mut at = None;
    for part in &name.0 {
        match part {
            ast::ObjectNamePart::Identifier(ident) => {
                at.get_or_insert(offset(ident));
                parts.push(fold(ident));
            }
            ast::ObjectNamePart::Function(function) => {
                at.get_or_insert(offset(&function.name));
                parts.push(fold(&function.name));
            }
        }
    }
    ObjectName { parts, offset: at.unwrap_or(0) }
}
