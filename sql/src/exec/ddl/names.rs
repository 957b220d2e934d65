//! Names that PostgreSQL makes up: `t_pkey`, `t_a_key`, `t_a_fkey`, `t_a_check`, `t_a_idx`, `t_a_seq` (PG-85).

use crate::catalog::{Catalog, TableDef};
use crate::parse::NAME_LIMIT;
use crate::types::Oid;

/// `first_second_label`, shortened to the limit as PostgreSQL does: the longer of the two parts gives way.
pub(super) fn make(first: &str, second: &str, label: &str) -> String {
    let overhead = label.len() + 1 + usize::from(!second.is_empty());
    let available = NAME_LIMIT.saturating_sub(overhead);
    let (mut a, mut b) = (first.len(), second.len());
    while a + b > available {
        if a > b {
            a -= 1;
        } else {
            b -= 1;
        }
    }
    let (first, second) = (clip(first, a), clip(second, b));
    if second.is_empty() { format!("{first}_{label}") } else { format!("{first}_{second}_{label}") }
}

fn clip(text: &str, mut length: usize) -> &str {
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    &text[..length]
}

/// The first of `name`, `name1`, `name2` … made by `make` that `taken` does not know.
pub(super) fn choose(first: &str, second: &str, label: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut number = 0u32;
    loop {
        let name =
            if number == 0 { make(first, second, label) } else { make(first, second, &format!("{label}{number}")) };
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// A free relation name (index, sequence) in a schema.
pub(super) fn relation(
    catalog: &Catalog,
    schema: Oid,
    first: &str,
    second: &str,
    label: &str,
    own: &[String],
) -> String {
    choose(first, second, label, |name| {
        catalog.relation(schema, name).is_some() || own.iter().any(|other| other == name)
    })
}

/// A free constraint name in a table.
pub(super) fn constraint(table: &TableDef, second: &str, label: &str) -> String {
    choose(&table.name, second, label, |name| table.constraints.iter().any(|constraint| constraint.name == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    // PG-85: both parts are shortened evenly to 63 bytes, clashes are numbered.
    #[test]
    fn long_names_are_shortened() {
        assert_eq!(make("t", "a_b", "key"), "t_a_b_key");
        assert_eq!(make("t", "", "pkey"), "t_pkey");
        let long = make(&"x".repeat(60), &"y".repeat(60), "fkey");
        assert_eq!(long.len(), 63);
        assert!(long.ends_with("y_fkey"));
        assert_eq!(choose("t", "a", "key", |name| name == "t_a_key"), "t_a_key1");
    }
}
