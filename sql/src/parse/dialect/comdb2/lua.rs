//! Where a Lua body ends: the brace that closes the first one, by Lua's lexis (strings, long brackets, comments).

/// Length of a long bracket's opening `[[`, `[=[`, … at `at`, if one stands there.
fn long_bracket(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&b'[') {
        return None;
    }
    let level = bytes[at + 1..].iter().take_while(|b| **b == b'=').count();
    (bytes.get(at + 1 + level) == Some(&b'[')).then_some(level)
}

/// Position after a long bracket of a level that opens at `at`.
fn skip_long(bytes: &[u8], at: usize, level: usize) -> Option<usize> {
    let mut i = at + level + 2;
    while i < bytes.len() {
        if bytes[i] == b']' {
            let equals = bytes[i + 1..].iter().take_while(|b| **b == b'=').count();
            if equals == level && bytes.get(i + 1 + level) == Some(&b']') {
                return Some(i + level + 2);
            }
        }
        i += 1;
    }
    None
}

/// Position of the brace that closes the one at `open`; `None` when the text ends before.
pub(super) fn closing_brace(text: &str, open: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0usize;
    let mut at = open;
    while at < bytes.len() {
        match bytes[at] {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            quote @ (b'\'' | b'"') => {
                at += 1;
                while *bytes.get(at)? != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                if let Some(level) = long_bracket(bytes, at + 2) {
                    at = skip_long(bytes, at + 2, level)?;
                    continue;
                }
                at += bytes[at..].iter().position(|b| *b == b'\n')?;
            }
            b'[' => {
                if let Some(level) = long_bracket(bytes, at) {
                    at = skip_long(bytes, at, level)?;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::closing_brace;

    // CDB-301
    #[test]
    fn braces_in_strings_and_comments_do_not_count() {
        for body in [
            "{}",
            "{ local t = {} }",
            "{ local s = '}' }",
            "{ local s = \"\\\"}\" }",
            "{ local s = [[ } ]] }",
            "{ local s = [==[ ]] } ]==] }",
            "{ -- }\n }",
            "{ --[[ } \n } ]] }",
            "{ t[x[1]] = {1;2} }",
        ] {
            let text = format!("{body}; rest }}");
            assert_eq!(closing_brace(&text, 0), Some(body.len() - 1), "{body}");
        }
        for open in ["{", "{ '", "{ [[ }", "{ -- }", "{ \\", "{ '\\"] {
            assert_eq!(closing_brace(open, 0), None, "{open}");
        }
    }
}
