//! WITH queries: run once, when first read, row by row as far as somebody reads; and WITH RECURSIVE.

use std::sync::Arc;

use super::sort::RowSet;
use super::{Cx, Exec, State};
use crate::error::{Result, SqlError};
use crate::expr::SubplanId;
use crate::plan::{Cte, Node, Plan};
use crate::types::Row;

/// What is there of one WITH query.
pub(super) struct CteState {
    rows: Vec<Row>,
    state: Option<State>,
    done: bool,
}

/// Where a WITH query stands in its plan: the tree, and the child taken at each node; the last step is the query.
#[derive(Clone, Debug)]
pub(super) struct Path {
    root: Option<SubplanId>,
    steps: Vec<u16>,
}

/// The nth input of a node; of a With its queries come first.
fn child(node: &Node, n: usize) -> Option<&Node> {
    match node {
        Node::Filter { input, .. }
        | Node::Project { input, .. }
        | Node::ProjectSet { input, .. }
        | Node::Aggregate { input, .. }
        | Node::Window { input, .. }
        | Node::Sort { input, .. }
        | Node::Limit { input, .. }
        | Node::Distinct { input, .. }
        | Node::LockRows { input, .. } => (n == 0).then_some(&**input),
        Node::NestedLoop { left, right, .. }
        | Node::HashJoin { left, right, .. }
        | Node::SetOperation { left, right, .. } => match n {
            0 => Some(left),
            1 => Some(right),
            _ => None,
        },
        Node::RecursiveUnion { seed, step, .. } => match n {
            0 => Some(seed),
            1 => Some(step),
            _ => None,
        },
        Node::With { ctes, body } => match ctes.get(n) {
            Some(cte) => Some(&cte.root),
            None => (n == ctes.len()).then_some(&**body),
        },
        Node::Insert(plan) => (n == 0).then_some(&plan.input),
        Node::Update(plan) => (n == 0).then_some(&plan.input),
        Node::Delete(plan) => (n == 0).then_some(&plan.input),
        Node::Merge(plan) => (n == 0).then_some(&plan.input),
        Node::Values { .. }
        | Node::SeqScan { .. }
        | Node::IndexScan { .. }
        | Node::SystemScan { .. }
        | Node::FunctionScan { .. }
        | Node::CteScan { .. } => None,
    }
}

fn search(node: &Node, id: u32, steps: &mut Vec<u16>) -> bool {
    if let Node::With { ctes, .. } = node {
        if let Some(place) = ctes.iter().position(|cte| cte.id == id) {
            steps.push(u16::try_from(place).unwrap_or(u16::MAX));
            return true;
        }
    }
    let mut n = 0;
    while let Some(below) = child(node, n) {
        steps.push(u16::try_from(n).unwrap_or(u16::MAX));
        if search(below, id, steps) {
            return true;
        }
        steps.pop();
        n += 1;
    }
    false
}

fn find(plan: &Plan, id: u32) -> Option<Path> {
    let mut steps = Vec::new();
    if search(&plan.root, id, &mut steps) {
        return Some(Path { root: None, steps });
    }
    plan.subplans.iter().find_map(|subplan| {
        steps.clear();
        search(&subplan.root, id, &mut steps).then(|| Path { root: Some(subplan.id), steps: steps.clone() })
    })
}

fn node_at<'p>(plan: &'p Plan, path: &Path) -> Option<&'p Node> {
    let mut node = match path.root {
        None => &plan.root,
        Some(id) => &plan.subplans.get(id.0 as usize)?.root,
    };
    for step in &path.steps {
        node = child(node, usize::from(*step))?;
    }
    Some(node)
}

/// The next row of a WITH query for a reader that has had `at` of them.
pub(super) fn scan(id: u32, at: &mut usize, cx: &Cx<'_>) -> Result<Option<Row>> {
    let run = cx.exec.run;
    let plan = &*run.plan;
    let (state, path) = {
        let mut caches = run.caches.borrow_mut();
        if let Some(rows) = caches.working.get(&id) {
            let row = rows.get(*at).cloned();
            *at += 1;
            return Ok(row);
        }
        if let std::collections::hash_map::Entry::Vacant(e) = caches.paths.entry(id) {
            let path = find(plan, id).ok_or_else(|| SqlError::internal("WITH query not found"))?;
            e.insert(path);
        }
        let path = caches.paths[&id].clone();
        let entry = caches.ctes.entry(id).or_insert_with(|| CteState { rows: Vec::new(), state: None, done: false });
        if let Some(row) = entry.rows.get(*at) {
            *at += 1;
            return Ok(Some(row.clone()));
        }
        if entry.done {
            return Ok(None);
        }
        (entry.state.take(), path)
    };
    let node = node_at(plan, &path).ok_or_else(|| SqlError::internal("WITH query not found"))?;
    let mut state = state.unwrap_or_else(|| cx.exec.state(node));
    let row = state.next(node, cx)?;
    let mut caches = run.caches.borrow_mut();
    let Some(entry) = caches.ctes.get_mut(&id) else { return Ok(None) };
    entry.state = Some(state);
    match row {
        Some(row) => {
            entry.rows.push(row.clone());
            *at += 1;
            Ok(Some(row))
        }
        None => {
            entry.done = true;
            entry.state = None;
            Ok(None)
        }
    }
}

/// A With inside a correlated subquery begins anew with each run of it.
pub(super) fn with(input: &mut State, ctes: &[Cte], body: &Node, cx: &Cx<'_>) -> Result<Option<Row>> {
    let _ = ctes;
    input.next(body, cx)
}

/// Forgets the WITH queries of a tree, so that its next run computes them again.
pub(super) fn forget(node: &Node, exec: &Exec<'_>) {
    if exec.run.caches.borrow().ctes.is_empty() {
        return;
    }
    if let Node::With { ctes, .. } = node {
        let mut caches = exec.run.caches.borrow_mut();
        for cte in ctes {
            if !cte.modifies {
                caches.ctes.remove(&cte.id);
            }
        }
    }
    let mut n = 0;
    while let Some(below) = child(node, n) {
        forget(below, exec);
        n += 1;
    }
}

/// Runs writing WITH queries that nobody has read to their end.
pub(super) fn run_rest(exec: &Exec<'_>) -> Result<()> {
    let plan = exec.run.plan.clone();
    let mut ids = Vec::new();
    writing(&plan.root, &mut ids);
    for id in ids {
        let mut at = 0;
        while scan(id, &mut at, &exec.cx())?.is_some() {
            exec.tick()?;
        }
    }
    Ok(())
}

fn writing(node: &Node, ids: &mut Vec<u32>) {
    if let Node::With { ctes, .. } = node {
        ids.extend(ctes.iter().filter(|cte| cte.modifies).map(|cte| cte.id));
    }
    let mut n = 0;
    while let Some(below) = child(node, n) {
        writing(below, ids);
        n += 1;
    }
}

/// State of a RecursiveUnion.
pub struct RecursiveState {
    seed: Option<State>,
    step: Option<State>,
    round: Vec<Row>,
    last: Arc<Vec<Row>>,
    seen: RowSet,
}

impl RecursiveState {
    pub(super) fn new(seed: &Node) -> RecursiveState {
        RecursiveState {
            seed: Some(State::new(seed)),
            step: None,
            round: Vec::new(),
            last: Arc::default(),
            seen: RowSet::default(),
        }
    }

    pub(super) fn seed(&mut self) -> Option<&mut State> {
        self.seed.as_mut()
    }

    pub(super) fn next(&mut self, id: u32, seed: &Node, step: &Node, all: bool, cx: &Cx<'_>) -> Result<Option<Row>> {
        loop {
            cx.exec.tick()?;
            let row = if let Some(state) = &mut self.seed {
                state.next(seed, cx)?
            } else if let Some(state) = &mut self.step {
                // Only the step reads the last round; everybody else reads the query's rows.
                cx.exec.run.caches.borrow_mut().working.insert(id, self.last.clone());
                let row = state.next(step, cx);
                cx.exec.run.caches.borrow_mut().working.remove(&id);
                row?
            } else {
                return Ok(None);
            };
            match row {
                Some(row) => {
                    if all || self.seen.add(&row) == 0 {
                        self.round.push(row.clone());
                        return Ok(Some(row));
                    }
                }
                None => {
                    self.seed = None;
                    if self.round.is_empty() {
                        self.step = None;
                        return Ok(None);
                    }
                    self.last = Arc::new(std::mem::take(&mut self.round));
                    self.step = Some(cx.exec.state(step));
                }
            }
        }
    }
}
