//! `SqlError` → ErrorResponse and NoticeResponse; the only place.
//!
//! S and V are always both there, C and M too; the other fields only when known. The engine counts a position in bytes
//! from 0, the protocol in characters from 1: the statement's text is needed to tell one from the other (PG-42).

use tripline_sql::error::{Severity, Span, SqlError, SqlState};

use crate::message::{begin, finish, put_string};

/// Drivers that cache statements know this error by the routine that PostgreSQL names with it, and prepare anew.
const OUTDATED_PLAN: &str = "cached plan must not change result type";

/// Appends an ErrorResponse, or a NoticeResponse for a notice's severity. `source` is the text that positions refer to.
pub(crate) fn put_error(out: &mut Vec<u8>, error: &SqlError, source: Option<&str>) {
    let fields = error.fields();
    let kind = match fields.severity {
        Severity::Panic | Severity::Fatal | Severity::Error => b'E',
        Severity::Warning | Severity::Notice | Severity::Info | Severity::Log | Severity::Debug => b'N',
    };
    let start = begin(out, kind);
    let mut field = |code: u8, text: &str| {
        out.push(code);
        put_string(out, text);
    };
    field(b'S', fields.severity.as_str());
    field(b'V', fields.severity.as_str());
    field(b'C', fields.state.as_str());
    field(b'M', &fields.message);
    let position = fields.position.map(|span| character_position(source, span).to_string());
    let optional = [
        (b'D', &fields.detail),
        (b'H', &fields.hint),
        (b'P', &position),
        (b'W', &fields.context),
        (b's', &fields.schema),
        (b't', &fields.table),
        (b'c', &fields.column),
        (b'd', &fields.data_type),
        (b'n', &fields.constraint),
    ];
    for (code, text) in optional {
        if let Some(text) = text {
            field(code, text);
        }
    }
    if fields.state == SqlState::FEATURE_NOT_SUPPORTED && fields.message == OUTDATED_PLAN {
        out.push(b'R');
        put_string(out, "RevalidateCachedQuery");
    }
    out.push(0);
    finish(out, start);
}

/// Whether the error ends the session.
pub(crate) fn ends_session(error: &SqlError) -> bool {
    matches!(error.fields().severity, Severity::Fatal | Severity::Panic)
}

/// The 1-based character position of a byte offset; without the text one byte is taken for one character.
pub(crate) fn character_position(source: Option<&str>, at: Span) -> usize {
    let offset = at.0 as usize;
    let characters = match source {
        Some(text) => text.char_indices().take_while(|(start, _)| *start < offset).count(),
        None => offset,
    };
    characters + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-42
    #[test]
    fn positions_count_characters() {
        let position = |text: &str, at: u32| character_position(Some(text), Span(at));
        assert_eq!(position("select x", 0), 1);
        assert_eq!(position("select x", 7), 8);
        assert_eq!(position("select 'äß', x", 14), 13);
        assert_eq!(position("select", 6), 7);
        assert_eq!(position("select", 60), 7);
        assert_eq!(character_position(None, Span(7)), 8);
    }

    // PG-42, W-15
    #[test]
    fn severity_stands_twice_and_unknown_fields_stay_away() {
        let mut out = Vec::new();
        let error = SqlError::new(SqlState::UNDEFINED_COLUMN, "column \"x\" does not exist").at(Span(7)).hint("Look.");
        put_error(&mut out, &error, Some("select x"));
        assert_eq!(&out[5..], b"SERROR\0VERROR\0C42703\0Mcolumn \"x\" does not exist\0HLook.\0P8\0\0");
        assert_eq!(out[0], b'E');
        assert_eq!(u32::from_be_bytes([out[1], out[2], out[3], out[4]]) as usize, out.len() - 1);
        out.clear();
        put_error(&mut out, &SqlError::notice(Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, "n"), None);
        assert_eq!(&out[..], b"N\0\0\0\x1fSNOTICE\0VNOTICE\0C00000\0Mn\0\0");
    }
}
