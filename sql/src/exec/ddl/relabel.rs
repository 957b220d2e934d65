//! ALTER TYPE … RENAME VALUE reaches the stored texts: defaults, conditions, generated columns, indexes, domains, views.
//!
//! Stored expressions are SQL text, in which a label is a string literal like any other. A text that no longer binds once
//! the label has its new name gets the new name in as few of its literals `'old'` as make it bind again: just those that
//! are labels of the type, since the others bind as they are.

use std::sync::Arc;

use super::Ddl;
use crate::catalog::{ConstraintKind, DomainDef, Entry, TableDef, TypeDef, TypeKind};
use crate::error::{Result, SqlError};
use crate::parse::string_literals;
use crate::plan::{bind_check, bind_default, bind_domain_check, bind_generated, bind_index_expr};

/// Literals of a text that are looked at; each more doubles the work.
const LITERALS_MAX: usize = 10;

/// The text with its literals `'from'` replaced by `'to'` where it needs them to bind; none if it binds as it is, or for
/// another reason does not bind at all. Errors: 0A000 for too many literals.
fn relabelled(text: &str, from: &str, to: &str, binds: &dyn Fn(&str) -> bool) -> Result<Option<String>> {
    let places = string_literals(text, from);
    if places.is_empty() || binds(text) {
        return Ok(None);
    }
    if places.len() > LITERALS_MAX {
        return Err(SqlError::unsupported("renaming a label that one stored expression holds more than ten times"));
    }
    let quoted = format!("'{}'", to.replace('\'', "''"));
    let mut choices: Vec<u32> = (1..1u32 << places.len()).collect();
    choices.sort_by_key(|choice| choice.count_ones());
    for choice in choices {
        let mut made = String::with_capacity(text.len() + quoted.len());
        let mut at = 0;
        for (n, (start, end)) in places.iter().enumerate() {
            made.push_str(&text[at..*start]);
            made.push_str(if choice >> n & 1 == 1 { &quoted } else { &text[*start..*end] });
            at = *end;
        }
        made.push_str(&text[at..]);
        if binds(&made) {
            return Ok(Some(made));
        }
    }
    Ok(None)
}

impl Ddl<'_> {
    /// Puts the label's new name into all stored texts that mean it; the type has its new labels already.
    pub(super) fn rename_label_in_texts(&self, from: &str, to: &str) -> Result<()> {
        for def in self.catalog()?.types().cloned().collect::<Vec<_>>() {
            if let TypeKind::Domain(domain) = &def.kind {
                self.relabel_domain(&def, domain, from, to)?;
            }
        }
        for table in self.catalog()?.tables().cloned().collect::<Vec<_>>() {
            self.relabel_table(&table, from, to)?;
        }
        for view in self.catalog()?.views().cloned().collect::<Vec<_>>() {
            let binds = |text: &str| self.query_columns(text).is_ok();
            if let Some(query) = relabelled(&view.query, from, to, &binds)? {
                let mut changed = (*view).clone();
                changed.query = query;
                self.put(Entry::View(Arc::new(changed)))?;
            }
        }
        Ok(())
    }

    fn relabel_domain(&self, def: &TypeDef, domain: &DomainDef, from: &str, to: &str) -> Result<()> {
        let (mut changed, mut any) = (domain.clone(), false);
        if let Some(text) = &mut changed.default {
            let binds = |text: &str| self.bind(|context| bind_default(context, text, "value", domain.base)).is_ok();
            if let Some(new) = relabelled(text, from, to, &binds)? {
                (*text, any) = (new, true);
            }
        }
        for check in &mut changed.checks {
            let binds = |text: &str| self.bind(|context| bind_domain_check(context, text, domain.base)).is_ok();
            if let Some(new) = relabelled(&check.expr, from, to, &binds)? {
                (check.expr, any) = (new, true);
            }
        }
        if any { self.put_type(TypeDef { kind: TypeKind::Domain(changed), ..def.clone() }) } else { Ok(()) }
    }

    fn relabel_table(&self, table: &Arc<TableDef>, from: &str, to: &str) -> Result<()> {
        let (mut changed, mut any) = ((**table).clone(), false);
        for column in &mut changed.columns {
            let (name, ty) = (column.name.clone(), column.ty);
            if let Some(text) = &mut column.default {
                let binds = |text: &str| self.bind(|context| bind_default(context, text, &name, ty)).is_ok();
                if let Some(new) = relabelled(text, from, to, &binds)? {
                    (*text, any) = (new, true);
                }
            }
            if let Some(generated) = &mut column.generated {
                let binds = |text: &str| self.bind(|context| bind_generated(context, text, table, &name, ty)).is_ok();
                if let Some(new) = relabelled(&generated.expr, from, to, &binds)? {
                    (generated.expr, any) = (new, true);
                }
            }
        }
        for constraint in &mut changed.constraints {
            if let ConstraintKind::Check { expr, .. } = &mut constraint.kind {
                let binds = |text: &str| self.bind(|context| bind_check(context, text, table)).is_ok();
                if let Some(new) = relabelled(expr, from, to, &binds)? {
                    (*expr, any) = (new, true);
                }
            }
        }
        for index in &mut changed.indexes {
            let texts = index.keys.iter_mut().filter_map(|key| key.expr.as_mut()).map(|text| (text, false));
            for (text, predicate) in texts.chain(index.predicate.as_mut().map(|text| (text, true))) {
                let binds = |text: &str| self.bind(|context| bind_index_expr(context, text, table, predicate)).is_ok();
                if let Some(new) = relabelled(text, from, to, &binds)? {
                    (*text, any) = (new, true);
                }
            }
        }
        if any { self.put_table(changed).map(|_| ()) } else { Ok(()) }
    }
}
