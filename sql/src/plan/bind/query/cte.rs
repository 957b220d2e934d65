//! WITH: queries by name, recursive ones, and where they are placed.

use sqlparser::ast;
use sqlparser::ast::SetExpr;

use super::super::Binder;
use super::super::from::Source;
use super::{Bound, CteBinding};
use crate::error::{Result, SqlError, SqlState};
use crate::plan::visit;
use crate::plan::{Cte, Node, OutputColumn, SetOp};
use crate::types::{CastContext, oid, shown_type};

impl Binder<'_> {
    /// Binds WITH; the queries are in scope until the caller's query ends.
    pub(in crate::plan::bind) fn with_queries(&mut self, with: &ast::With) -> Result<Vec<(Cte, bool)>> {
        let mut ctes = Vec::with_capacity(with.cte_tables.len());
        for (place, cte) in with.cte_tables.iter().enumerate() {
            let written_out = self.searched(cte, with.recursive)?;
            let cte = written_out.as_ref().unwrap_or(cte);
            let name = self.fold(&cte.alias.name);
            if with.cte_tables[..place].iter().any(|other| self.fold(&other.alias.name) == name) {
                return Err(SqlError::new(
                    SqlState::DUPLICATE_ALIAS,
                    format!("WITH query name \"{name}\" specified more than once"),
                )
                .at(self.position(cte.alias.name.span)));
            }
            let id = self.cte_count;
            self.cte_count += 1;
            let recursive = if with.recursive { self.recursive_cte(cte, &name, id)? } else { None };
            let (root, columns, inline) = match recursive {
                Some((root, columns)) => (root, columns, false),
                None => {
                    let writes = std::mem::replace(&mut self.writes, false);
                    let volatile = std::mem::replace(&mut self.volatile, false);
                    let locks = std::mem::replace(&mut self.locks, false);
                    let bound = self.query(&cte.query, true);
                    let plain = !self.writes && !self.volatile && !self.locks;
                    self.writes |= writes;
                    self.volatile |= volatile;
                    self.locks |= locks;
                    let mut bound = bound?;
                    self.rename_cte(cte, &name, &mut bound.columns)?;
                    (bound.node, bound.columns, plain)
                }
            };
            let modifies = matches!(root, Node::Insert(_) | Node::Update(_) | Node::Delete(_) | Node::Merge(_));
            let inline = inline && cte.materialized != Some(ast::CteAsMaterialized::Materialized);
            let home = self.frames.len();
            self.ctes.retain(|binding| binding.id != id);
            self.ctes.push(CteBinding { name: name.clone(), id, columns, uses: 0, home, last: home, visible: true });
            ctes.push((Cte { id, name, root, modifies }, inline));
        }
        Ok(ctes)
    }

    fn rename_cte(&self, cte: &ast::Cte, name: &str, columns: &mut [OutputColumn]) -> Result<()> {
        if cte.alias.columns.len() > columns.len() {
            return Err(SqlError::new(
                SqlState::INVALID_COLUMN_REFERENCE,
                format!(
                    "WITH query \"{name}\" has {} columns available but {} columns specified",
                    columns.len(),
                    cte.alias.columns.len()
                ),
            )
            .at(self.position(cte.alias.name.span)));
        }
        for (column, renamed) in columns.iter_mut().zip(&cte.alias.columns) {
            column.name = self.fold(&renamed.name);
        }
        Ok(())
    }

    /// A WITH RECURSIVE query of the form seed UNION step; none if it does not refer to itself.
    fn recursive_cte(&mut self, cte: &ast::Cte, name: &str, id: u32) -> Result<Option<(Node, Vec<OutputColumn>)>> {
        let SetExpr::SetOperation { left, op: ast::SetOperator::Union, set_quantifier, right } =
            cte.query.body.as_ref()
        else {
            return Ok(None);
        };
        if cte.query.with.is_some() || cte.query.order_by.is_some() || cte.query.limit_clause.is_some() {
            return Ok(None);
        }
        let seed = self.set_expr(left, true)?;
        let mut columns = seed.columns;
        self.rename_cte(cte, name, &mut columns)?;
        let home = self.frames.len();
        self.ctes.push(CteBinding {
            name: name.to_owned(),
            id,
            columns: columns.clone(),
            uses: 0,
            home,
            last: home,
            visible: true,
        });
        let step = self.set_expr(right, false)?;
        let uses = self.ctes.iter().find(|binding| binding.id == id).map_or(0, |binding| binding.uses);
        let all = *set_quantifier == ast::SetQuantifier::All;
        if step.columns.len() != columns.len() {
            return Err(SqlError::syntax("each UNION query must have the same number of columns"));
        }
        if uses == 0 {
            // Not recursive after all.
            let left = Bound { node: seed.node, columns: columns.clone() };
            let bound = self.set_operation(left, step, SetOp::Union, all, "UNION")?;
            return Ok(Some((bound.node, bound.columns)));
        }
        let mut node = step.node;
        for (place, (column, own)) in columns.iter().zip(&step.columns).enumerate() {
            if own.ty.oid == column.ty.oid {
                continue;
            }
            if own.ty.oid != oid::UNKNOWN && !Self::can_coerce(own.ty.oid, column.ty.oid, CastContext::Implicit) {
                return Err(SqlError::new(
                    SqlState::DATATYPE_MISMATCH,
                    format!(
                        "recursive query \"{name}\" column {} has type {} in non-recursive term but type {} overall",
                        place + 1,
                        shown_type(column.ty),
                        shown_type(own.ty)
                    ),
                )
                .hint("Cast the output of the non-recursive term to the correct type."));
            }
            node = self.coerce_column(node, place, step.columns.len(), &step.columns, column.ty)?;
        }
        let root = Node::RecursiveUnion { cte: id, seed: Box::new(seed.node), step: Box::new(node), all };
        Ok(Some((root, columns)))
    }

    /// A reference to a WITH query by name.
    pub(in crate::plan::bind) fn cte_reference(
        &mut self,
        name: &str,
        alias: Option<&ast::TableAlias>,
    ) -> Result<Option<Source>> {
        let depth = self.frames.len();
        let Some(binding) = self.ctes.iter_mut().rev().find(|binding| binding.visible && binding.name == name) else {
            return Ok(None);
        };
        binding.uses += 1;
        binding.last = depth;
        let (id, columns) = (binding.id, binding.columns.clone());
        let item = self.query_item(&columns, alias, Some(name.to_owned()))?;
        Ok(Some(Source { node: Node::CteScan { cte: id }, items: vec![item], width: columns.len() }))
    }

    /// Puts WITH queries where they are used once, the rest into a With node around `body`.
    pub(in crate::plan::bind) fn place_ctes(&mut self, ctes: Vec<(Cte, bool)>, mut body: Node) -> Node {
        let mut kept: Vec<Cte> = Vec::new();
        let mut pending: Vec<(Cte, bool)> = ctes;
        while let Some((cte, inline)) = pending.pop() {
            let binding = self.ctes.iter().find(|binding| binding.id == cte.id);
            let (uses, home, last) = binding.map_or((2, 0, 0), |binding| (binding.uses, binding.home, binding.last));
            if uses == 0 && !cte.modifies && inline {
                continue;
            }
            if inline && uses == 1 {
                let mut root = Some(cte.root);
                let by = isize::try_from(last.saturating_sub(home)).unwrap_or(0);
                if by > 0 {
                    if let Some(node) = &mut root {
                        self.shift_outer(node, 0, by);
                    }
                }
                replace_cte(&mut body, cte.id, &mut root);
                for (other, _) in &mut pending {
                    replace_cte(&mut other.root, cte.id, &mut root);
                }
                for other in &mut kept {
                    replace_cte(&mut other.root, cte.id, &mut root);
                }
                for subplan in self.subplans.iter_mut().flatten() {
                    if root.is_some() {
                        replace_cte(&mut subplan.root, cte.id, &mut root);
                    }
                }
                match root {
                    None => continue,
                    Some(root) => kept.push(Cte { root, ..cte }),
                }
            } else {
                kept.push(cte);
            }
        }
        if kept.is_empty() {
            return body;
        }
        kept.reverse();
        Node::With { ctes: kept, body: Box::new(body) }
    }
}

fn replace_cte(node: &mut Node, id: u32, root: &mut Option<Node>) {
    if root.is_none() {
        return;
    }
    if matches!(node, Node::CteScan { cte } if *cte == id) {
        if let Some(root) = root.take() {
            *node = root;
        }
        return;
    }
    visit::inputs_mut(node, &mut |input, _| replace_cte(input, id, root));
}
