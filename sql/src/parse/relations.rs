//! Which relations a data statement names: what decides whether a dialect may read it a second time (AMI-3).
//!
//! Names as written and folded; those of common table expressions are left out. What a name means is not known here.

use std::ops::ControlFlow;

use sqlparser::ast;

use super::names::{fold, object_name};
use super::{ObjectName, Statement};

/// Relations that the statement names, without those that its own WITH clauses define; `None` if it is no data statement.
#[must_use]
pub fn relations(statement: &Statement) -> Option<Vec<ObjectName>> {
    let mut names = Names::default();
    match statement {
        Statement::Query(query) => visit(query.as_ref(), &mut names),
        Statement::Insert(insert) => visit(&insert.insert, &mut names),
        Statement::InsertValues(insert) => names.found.push(insert.table.clone()),
        Statement::Update(tree) | Statement::Delete(tree) | Statement::Merge(tree) => visit(tree.as_ref(), &mut names),
        Statement::AmiAlterTable { table, .. } => names.found.push(table.clone()),
        Statement::AmiDropTable { tables, .. } => names.found.extend(tables.iter().cloned()),
        _ => return None,
    }
    let Names { mut found, defined } = names;
    found.retain(|name| !matches!(name.parts.as_slice(), [only] if defined.contains(only)));
    Some(found)
}

fn visit(node: &impl ast::Visit, names: &mut Names) {
    let ControlFlow::Continue(()) = node.visit(names);
}

#[derive(Default)]
struct Names {
    found: Vec<ObjectName>,
    defined: Vec<String>,
}

impl ast::Visitor for Names {
    type Break = std::convert::Infallible;

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<Self::Break> {
        for table in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.defined.push(fold(&table.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ast::ObjectName) -> ControlFlow<Self::Break> {
        self.found.push(object_name(relation));
        ControlFlow::Continue(())
    }
}
