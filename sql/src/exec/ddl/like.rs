//! `CREATE TABLE … (LIKE other INCLUDING …)`: columns of another table, and what is copied with them.
//!
//! NOT NULL always comes along; defaults, generation, identity, checks, indexes and comments only when they are included.
//! Storage, compression and statistics have no meaning here.

use super::Ddl;
use super::names;
use crate::catalog::{Constraint, ConstraintKind, IndexDef, IndexKey, Relation, SequenceDef, TableDef};
use crate::error::{Result, SqlError, SqlState};
use crate::parse::{LikeTable, object_name};
use crate::plan::deparse::relation_name;

/// What LIKE copies besides the columns.
#[derive(Clone, Copy, Debug, Default)]
struct Included {
    defaults: bool,
    generated: bool,
    identity: bool,
    constraints: bool,
    indexes: bool,
    comments: bool,
}

impl Included {
    /// The last word on a matter counts. Errors: 42601 for a word that is none.
    fn new(options: &[(bool, String)]) -> Result<Included> {
        let mut all = Included::default();
        for (value, what) in options {
            let value = *value;
            match what.as_str() {
                "all" => {
                    all = Included {
                        defaults: value,
                        generated: value,
                        identity: value,
                        constraints: value,
                        indexes: value,
                        comments: value,
                    }
                }
                "defaults" => all.defaults = value,
                "generated" => all.generated = value,
                "identity" => all.identity = value,
                "constraints" => all.constraints = value,
                "indexes" => all.indexes = value,
                "comments" => all.comments = value,
                "storage" | "statistics" | "compression" => {}
                other => return Err(SqlError::syntax(format!("syntax error at or near \"{other}\""))),
            }
        }
        Ok(all)
    }
}

impl Ddl<'_> {
    /// Adds the columns of the other table, and what is included with them. Errors: 42P01, 42701.
    pub(super) fn copy_like(
        &self,
        table: &mut TableDef,
        like: &LikeTable,
        sequences: &mut Vec<SequenceDef>,
    ) -> Result<()> {
        let included = Included::new(&like.options)?;
        let source = self.table(&object_name(&like.name))?;
        // Where each column of the other table stands here.
        let mut places: Vec<Option<usize>> = vec![None; source.columns.len()];
        for (place, column) in source.live_columns() {
            if table.column_index(&column.name).is_some() {
                let message = format!("column \"{}\" specified more than once", column.name);
                return Err(SqlError::new(SqlState::DUPLICATE_COLUMN, message));
            }
            let mut copy = column.clone();
            copy.missing = None;
            if !included.generated {
                copy.generated = None;
            }
            if !included.comments {
                copy.comment = None;
            }
            if !included.defaults {
                copy.default = None;
            }
            (copy.sequence, copy.identity) = (None, None);
            if let Some(sequence) = column.sequence.and_then(|oid| self.catalog().ok()?.sequence(oid).cloned()) {
                if column.identity.is_some() && included.identity {
                    let own = self.owned_sequence(table, &column.name, sequence.data_type, sequences)?;
                    let own = SequenceDef {
                        start: sequence.start,
                        increment: sequence.increment,
                        min: sequence.min,
                        max: sequence.max,
                        cache: sequence.cache,
                        cycle: sequence.cycle,
                        identity: true,
                        ..own
                    };
                    (copy.sequence, copy.identity) = (Some(own.oid), column.identity);
                    sequences.push(own);
                } else if column.identity.is_none() && included.defaults {
                    // A serial column's default goes on drawing from the same sequence.
                    let relation = Relation::Sequence(sequence.clone());
                    let name = relation_name(&*self.catalog()?, &[], &relation);
                    copy.default = Some(format!("nextval('{}'::regclass)", name.replace('\'', "''")));
                }
            }
            places[place] = Some(table.columns.len());
            table.columns.push(copy);
        }
        if included.constraints {
            self.copy_checks(table, &source, &places, included)?;
        }
        if included.indexes {
            self.copy_indexes(table, &source, &places, included)?;
        }
        Ok(())
    }

    fn copy_checks(
        &self,
        table: &mut TableDef,
        source: &TableDef,
        places: &[Option<usize>],
        included: Included,
    ) -> Result<()> {
        for constraint in &source.constraints {
            let ConstraintKind::Check { expr, columns } = &constraint.kind else { continue };
            let columns = columns.iter().filter_map(|place| places.get(*place).copied().flatten()).collect();
            let kind = ConstraintKind::Check { expr: expr.clone(), columns };
            let mut copy = self.new_constraint(table, constraint.name.clone(), kind)?;
            copy.comment = constraint.comment.clone().filter(|_| included.comments);
            table.constraints.push(copy);
        }
        Ok(())
    }

    fn copy_indexes(
        &self,
        table: &mut TableDef,
        source: &TableDef,
        places: &[Option<usize>],
        included: Included,
    ) -> Result<()> {
        let moved = |place: usize| places.get(place).copied().flatten();
        for index in &source.indexes {
            let owner: Option<&Constraint> = source.constraints.iter().find(|own| own.oid == index.constraint);
            if index.primary && table.primary_key().is_some() {
                let message = format!("multiple primary keys for table \"{}\" are not allowed", table.name);
                return Err(SqlError::new(SqlState::INVALID_TABLE_DEFINITION, message));
            }
            let keys: Vec<IndexKey> =
                index.keys.iter().map(|key| IndexKey { column: key.column.and_then(moved), ..key.clone() }).collect();
            let words = source.written_keys(index).into_iter().map(|key| key_word(source, key)).collect::<Vec<_>>();
            let (words, label) = match (index.primary, owner) {
                (true, _) => (String::new(), "pkey"),
                (false, Some(_)) if !index.unique => (words.join("_"), "excl"),
                (false, Some(_)) => (words.join("_"), "key"),
                (false, None) => (words.join("_"), "idx"),
            };
            let taken: Vec<String> = table.indexes.iter().map(|index| index.name.clone()).collect();
            let name = names::relation(&*self.catalog()?, table.schema, &table.name, &words, label, &taken);
            let mut copy = IndexDef {
                oid: self.allocate_oid(),
                name: name.clone(),
                keys,
                include: index.include.iter().filter_map(|place| moved(*place)).collect(),
                constraint: 0,
                comment: index.comment.clone().filter(|_| included.comments),
                ..index.clone()
            };
            if let Some(owner) = owner {
                let kind = match &owner.kind {
                    ConstraintKind::PrimaryKey { .. } => ConstraintKind::PrimaryKey { index: copy.oid },
                    ConstraintKind::Exclude { elements, .. } => {
                        ConstraintKind::Exclude { index: copy.oid, elements: elements.clone() }
                    }
                    _ => ConstraintKind::Unique { index: copy.oid },
                };
                let mut constraint = self.new_constraint(table, name, kind)?;
                (constraint.deferrable, constraint.deferred) = (owner.deferrable, owner.deferred);
                constraint.comment = owner.comment.clone().filter(|_| included.comments);
                copy.constraint = constraint.oid;
                table.constraints.push(constraint);
            }
            table.indexes.push(copy);
        }
        Ok(())
    }
}

/// What stands for a key in a made-up name.
fn key_word(table: &TableDef, key: &IndexKey) -> String {
    match (key.column.and_then(|place| table.columns.get(place)), &key.expr) {
        (Some(column), _) => column.name.clone(),
        (None, Some(text)) => crate::parse::parse_expr(text)
            .map_or_else(|_| "expr".to_owned(), |expr| super::index::expression_word(&expr)),
        (None, None) => "expr".to_owned(),
    }
}
