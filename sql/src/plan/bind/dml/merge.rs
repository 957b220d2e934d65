//! MERGE.

use std::sync::Arc;

use sqlparser::ast;

use super::super::query::Bound;
use super::super::scope::{Frame, Item};
use super::super::{Binder, Clause, Level};
use crate::catalog::Privilege;
use crate::error::{Result, SqlError};
use crate::parse::is_defaults_mark;
use crate::plan::{JoinKind, MergeAction, MergeClause, MergePlan, Node, WriteTarget};

impl Binder<'_> {
    /// MERGE.
    pub(in crate::plan::bind) fn merge(&mut self, merge: &ast::Merge) -> Result<Bound> {
        let ast::TableFactor::Table { name, alias, .. } = &merge.table else {
            return Err(SqlError::unsupported("MERGE into this"));
        };
        let table = self.target_table(name, "merge into")?;
        self.touch(table.id, true);
        self.writes = true;
        let target = self.write_target(&table)?;
        let source_ast = ast::TableWithJoins { relation: merge.source.clone(), joins: Vec::new() };
        let source = self.list_of_from(std::slice::from_ref(&source_ast))?;
        let mut own = self.table_source(&table, alias.as_ref(), true)?;
        let offset = source.width;
        for item in &mut own.items {
            item.shift(offset);
        }
        let width = offset + own.width;
        let source_items = source.items.clone();
        let mut items = source.items;
        items.extend(own.items);
        self.frames.push(Frame { items, width, hidden: false, uses: Vec::new() });
        self.levels.push(Level::default());
        let bound = (|| {
            let on = self.in_clause(Clause::JoinOn, |binder| binder.condition(&merge.on, "MERGE"))?;
            let mut clauses = Vec::with_capacity(merge.clauses.len());
            for clause in &merge.clauses {
                clauses.push(self.merge_clause(clause, &target, &source_items)?);
            }
            Ok::<_, SqlError>((on, clauses))
        })();
        self.levels.pop();
        self.frames.pop();
        let (on, clauses) = bound?;
        let input = Node::NestedLoop {
            left: Box::new(source.node),
            right: Box::new(own.node),
            kind: JoinKind::Left,
            on: Some(on),
            lateral: false,
            widths: (offset, own.width),
        };
        let plan = MergePlan { target, input, target_offset: offset, clauses };
        Ok(Bound { node: Node::Merge(Box::new(plan)), columns: Vec::new() })
    }

    fn merge_clause(
        &mut self,
        clause: &ast::MergeClause,
        target: &Arc<WriteTarget>,
        source: &[Item],
    ) -> Result<MergeClause> {
        let matched = match clause.clause_kind {
            ast::MergeClauseKind::Matched => true,
            ast::MergeClauseKind::NotMatched | ast::MergeClauseKind::NotMatchedByTarget => false,
            ast::MergeClauseKind::NotMatchedBySource => {
                return Err(SqlError::unsupported("WHEN NOT MATCHED BY SOURCE"));
            }
        };
        // An unmatched row has no target: only the source's names are visible.
        let all = if matched { None } else { Some(std::mem::replace(&mut self.frame().items, source.to_vec())) };
        let bound = self.merge_parts(clause, target, matched);
        if let Some(all) = all {
            self.frame().items = all;
        }
        bound
    }

    fn merge_parts(
        &mut self,
        clause: &ast::MergeClause,
        target: &Arc<WriteTarget>,
        matched: bool,
    ) -> Result<MergeClause> {
        let condition = match &clause.predicate {
            Some(ast) => Some(self.in_clause(Clause::MergeWhen, |binder| binder.condition(ast, "MERGE WHEN AND"))?),
            None => None,
        };
        let action = match &clause.action {
            ast::MergeAction::DoNothing { .. } => MergeAction::Nothing,
            ast::MergeAction::Delete { .. } => {
                self.need(target.table.id.0, Privilege::Delete);
                MergeAction::Delete
            }
            ast::MergeAction::Update(update) => match &update.kind {
                ast::MergeUpdateKind::Set(assignments) => {
                    let made = self.in_clause(Clause::UpdateSet, |b| b.assignments(assignments, target))?;
                    let places: Vec<usize> = made.iter().map(|(place, _)| *place).collect();
                    self.need_written(&target.table, Privilege::Update, &places);
                    MergeAction::Update(made)
                }
                _ => return Err(SqlError::unsupported("this form of UPDATE in MERGE")),
            },
            ast::MergeAction::Insert(insert) => {
                let table = target.table.clone();
                let mut columns = Vec::new();
                for name in insert.columns.iter().filter(|_| !is_defaults_mark(&insert.columns)) {
                    columns.push(self.named_target(&table, name)?);
                }
                if columns.is_empty() {
                    columns = table.live_columns().map(|(place, _)| place).collect();
                }
                self.need_written(&table, Privilege::Insert, &columns);
                if is_defaults_mark(&insert.columns) {
                    return Ok(MergeClause { matched, condition, action: MergeAction::Insert(Vec::new()) });
                }
                let ast::MergeInsertKind::Values(values) = &insert.kind else {
                    return Err(SqlError::unsupported("this form of INSERT in MERGE"));
                };
                let row = values.rows.first().map_or(&[][..], |row| row.content.as_slice());
                if row.len() > columns.len() {
                    return Err(SqlError::syntax("INSERT has more expressions than target columns"));
                }
                if row.len() < columns.len() && !insert.columns.is_empty() {
                    return Err(SqlError::syntax("INSERT has more target columns than expressions"));
                }
                let mut made = Vec::with_capacity(row.len());
                for (cell, place) in row.iter().zip(columns) {
                    made.push((place, self.insert_cell(cell, target, place, None)?));
                }
                MergeAction::Insert(made)
            }
        };
        Ok(MergeClause { matched, condition, action })
    }
}
