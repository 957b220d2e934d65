//! EXPLAIN: the tree as text in PostgreSQL's shape, and as JSON.
//!
//! Costs are printed as zeros, since there are none. Column names are those of the tables below a node; where none is
//! known a column is shown by its place.

use std::collections::HashMap;
use std::time::Duration;

use super::deparse::{Deparse, quote_name};
use super::{Cte, JoinKind, Node, Plan, SetOp, SortKey, Subplan};
use crate::expr::{CompareOp, Expr};
use crate::plan::bind::BindContext;

/// What an operator did, for EXPLAIN ANALYZE.
#[derive(Clone, Copy, Debug, Default)]
pub struct Actual {
    /// How often it began.
    pub loops: u64,
    /// Rows of all loops.
    pub rows: u64,
    /// Time until the first row of all loops, and until their ends.
    pub first: Duration,
    /// See `first`.
    pub total: Duration,
}

/// What the operators of a plan did, by `node_key`.
pub type Actuals = HashMap<usize, Actual>;

/// What an operator of a plan is known by while that lives.
#[must_use]
pub fn node_key(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}

/// Options of EXPLAIN that shape the text.
#[derive(Clone, Copy, Debug)]
pub struct ExplainOptions {
    /// COSTS
    pub costs: bool,
    /// TIMING: times of operators.
    pub timing: bool,
    /// VERBOSE: output columns.
    pub verbose: bool,
}

impl Default for ExplainOptions {
    fn default() -> Self {
        ExplainOptions { costs: true, timing: true, verbose: false }
    }
}

/// A node as EXPLAIN shows it.
struct Shown {
    kind: String,
    /// What follows the kind in the text form: ` on t`, ` using i on t`.
    target: String,
    /// Further properties of the JSON form.
    extra: Vec<(&'static str, String)>,
    /// Lines below: (label, text).
    lines: Vec<(&'static str, String)>,
    /// Names of the output columns.
    columns: Vec<String>,
    children: Vec<(&'static str, Shown)>,
    actual: Option<Actual>,
}

struct Explainer<'a> {
    actuals: &'a Actuals,
    context: &'a BindContext<'a>,
    plan: &'a Plan,
    ctes: Vec<(u32, String, Vec<String>)>,
    /// Names of the rows around, innermost last.
    outer: Vec<Vec<String>>,
    qualify: bool,
}

/// The lines of EXPLAIN's text form.
#[must_use]
pub fn explain_text(plan: &Plan, context: &BindContext<'_>, options: ExplainOptions, actuals: &Actuals) -> Vec<String> {
    let shown = show(plan, context, actuals);
    let mut lines = Vec::new();
    write_text(&shown, "", 0, options, &mut lines);
    lines
}

/// EXPLAIN (FORMAT JSON): one document.
#[must_use]
pub fn explain_json(
    plan: &Plan,
    context: &BindContext<'_>,
    options: ExplainOptions,
    actuals: &Actuals,
    times: &[(&'static str, Duration)],
) -> String {
    let shown = show(plan, context, actuals);
    let mut whole = serde_json::Map::new();
    whole.insert("Plan".to_owned(), json(&shown, None, options));
    for (label, time) in times {
        whole.insert((*label).to_owned(), millis(*time).into());
    }
    if !actuals.is_empty() {
        whole.insert("Triggers".to_owned(), serde_json::Value::Array(Vec::new()));
    }
    serde_json::to_string_pretty(&[serde_json::Value::Object(whole)]).unwrap_or_default()
}

/// Milliseconds with three decimals.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Times and rows of one loop.
fn of_one(actual: &Actual) -> (f64, f64, u64) {
    let loops = u32::try_from(actual.loops.max(1)).unwrap_or(u32::MAX);
    let rows = (actual.rows + u64::from(loops) / 2) / u64::from(loops);
    (millis(actual.first / loops), millis(actual.total / loops), rows)
}

fn show(plan: &Plan, context: &BindContext<'_>, actuals: &Actuals) -> Shown {
    let qualify = plan.tables.len() > 1;
    let mut explainer = Explainer { actuals, context, plan, ctes: Vec::new(), outer: Vec::new(), qualify };
    let mut shown = explainer.node(&plan.root);
    for subplan in &plan.subplans {
        let child = explainer.subplan(subplan);
        shown.children.push(("SubPlan", child));
    }
    shown
}

fn write_text(shown: &Shown, label: &str, depth: usize, options: ExplainOptions, lines: &mut Vec<String>) {
    let indent = if depth == 0 { String::new() } else { format!("{}->  ", " ".repeat(depth * 6 - 4)) };
    let costs = if options.costs { "  (cost=0.00..0.00 rows=0 width=0)" } else { "" };
    if label == "SubPlan" || label.starts_with("CTE") {
        let at = " ".repeat((depth * 6).saturating_sub(4));
        lines.push(format!("{at}{label}"));
    }
    let actual = shown.actual.map_or_else(String::new, |actual| {
        let (first, total, rows) = of_one(&actual);
        let time = if options.timing { format!("time={first:.3}..{total:.3} ") } else { String::new() };
        format!(" (actual {time}rows={rows} loops={})", actual.loops)
    });
    lines.push(format!("{indent}{}{}{costs}{actual}", shown.kind, shown.target));
    let below = " ".repeat(depth * 6 + 2);
    if options.verbose && !shown.columns.is_empty() {
        lines.push(format!("{below}Output: {}", shown.columns.join(", ")));
    }
    for (label, text) in &shown.lines {
        lines.push(format!("{below}{label}: {text}"));
    }
    for (label, child) in &shown.children {
        write_text(child, label, depth + 1, options, lines);
    }
}

fn json(shown: &Shown, relationship: Option<&str>, options: ExplainOptions) -> serde_json::Value {
    let mut map = serde_json::Map::new();
    let text = |text: &str| serde_json::Value::from(text);
    map.insert("Node Type".to_owned(), text(&shown.kind));
    if let Some(relationship) = relationship {
        map.insert("Parent Relationship".to_owned(), text(relationship));
    }
    map.insert("Parallel Aware".to_owned(), false.into());
    map.insert("Async Capable".to_owned(), false.into());
    for (key, value) in &shown.extra {
        map.insert((*key).to_owned(), text(value));
    }
    if options.costs {
        map.insert("Startup Cost".to_owned(), 0.0.into());
        map.insert("Total Cost".to_owned(), 0.0.into());
        map.insert("Plan Rows".to_owned(), 0.into());
        map.insert("Plan Width".to_owned(), 0.into());
    }
    if let Some(actual) = shown.actual {
        let (first, total, rows) = of_one(&actual);
        if options.timing {
            map.insert("Actual Startup Time".to_owned(), first.into());
            map.insert("Actual Total Time".to_owned(), total.into());
        }
        map.insert("Actual Rows".to_owned(), rows.into());
        map.insert("Actual Loops".to_owned(), actual.loops.into());
    }
    if options.verbose {
        let columns: Vec<serde_json::Value> = shown.columns.iter().map(|name| text(name)).collect();
        map.insert("Output".to_owned(), columns.into());
    }
    for (key, value) in &shown.lines {
        map.insert((*key).to_owned(), text(value));
    }
    if !shown.children.is_empty() {
        let children: Vec<serde_json::Value> =
            shown.children.iter().map(|(label, child)| json(child, Some(label), options)).collect();
        map.insert("Plans".to_owned(), children.into());
    }
    serde_json::Value::Object(map)
}

impl Explainer<'_> {
    fn text(&self, expr: &Expr, columns: &[String]) -> String {
        let name = |depth: usize, place: usize| {
            let row = if depth == 0 {
                Some(columns)
            } else {
                self.outer.len().checked_sub(depth).and_then(|at| self.outer.get(at)).map(Vec::as_slice)
            };
            row.and_then(|row| row.get(place)).cloned().unwrap_or_else(|| format!("column{}", place + 1))
        };
        Deparse { context: self.context, column: &name, pretty: false }.text(expr)
    }

    fn list(&self, exprs: &[Expr], columns: &[String]) -> String {
        exprs.iter().map(|expr| self.text(expr, columns)).collect::<Vec<_>>().join(", ")
    }

    fn keys(&self, keys: &[SortKey], columns: &[String]) -> String {
        let key = |key: &SortKey| {
            let mut text = self.text(&key.expr, columns);
            if key.descending {
                text.push_str(" DESC");
            }
            if key.nulls_first != key.descending {
                text.push_str(if key.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
            }
            text
        };
        keys.iter().map(key).collect::<Vec<_>>().join(", ")
    }

    fn subplan(&mut self, subplan: &Subplan) -> Shown {
        self.outer.push(Vec::new());
        let shown = self.node(&subplan.root);
        self.outer.pop();
        shown
    }

    fn plain(&mut self, kind: &str, input: &Node) -> Shown {
        let child = self.node(input);
        Shown {
            kind: kind.to_owned(),
            target: String::new(),
            extra: Vec::new(),
            lines: Vec::new(),
            columns: child.columns.clone(),
            children: vec![("Outer", child)],
            actual: None,
        }
    }

    fn leaf(kind: &str, target: String, columns: Vec<String>) -> Shown {
        Shown {
            kind: kind.to_owned(),
            target,
            extra: Vec::new(),
            lines: Vec::new(),
            columns,
            children: Vec::new(),
            actual: None,
        }
    }

    fn table_columns(&self, table: &crate::catalog::TableDef, row_id: bool) -> Vec<String> {
        let name = |column: &crate::catalog::Column| {
            let own = quote_name(&column.name);
            if self.qualify { format!("{}.{own}", quote_name(&table.name)) } else { own }
        };
        let mut columns: Vec<String> = table.columns.iter().map(name).collect();
        if row_id {
            columns.push("ctid".to_owned());
        }
        columns
    }

    /// A node and those below; one that is not shown by itself lends its rows to the one that is.
    fn node(&mut self, node: &Node) -> Shown {
        let mut shown = self.shown(node);
        shown.actual = self.actuals.get(&node_key(node)).copied().or(shown.actual);
        shown
    }

    fn shown(&mut self, node: &Node) -> Shown {
        match node {
            Node::Values { rows } => {
                let width = rows.first().map_or(0, Vec::len);
                let columns = (1..=width).map(|n| format!("column{n}")).collect();
                if rows.len() == 1 {
                    Self::leaf("Result", String::new(), columns)
                } else {
                    Self::leaf("Values Scan", " on \"*VALUES*\"".to_owned(), columns)
                }
            }
            Node::SeqScan { table, filter, row_id } => {
                let columns = self.table_columns(table, *row_id);
                let mut shown = Self::leaf("Seq Scan", format!(" on {}", quote_name(&table.name)), columns);
                shown.extra.push(("Relation Name", table.name.clone()));
                shown.extra.push(("Alias", table.name.clone()));
                self.filter(&mut shown, filter.as_ref());
                shown
            }
            Node::IndexScan { table, index, ranges, reverse, filter, row_id, .. } => {
                let columns = self.table_columns(table, *row_id);
                let definition = table.indexes.iter().find(|own| own.oid == *index);
                let name = definition.map_or_else(|| index.to_string(), |own| own.name.clone());
                let way = if *reverse { " Backward" } else { "" };
                let target = format!("{way} using {} on {}", quote_name(&name), quote_name(&table.name));
                let mut shown = Self::leaf("Index Scan", target, columns);
                shown.extra.push(("Scan Direction", if *reverse { "Backward" } else { "Forward" }.to_owned()));
                shown.extra.push(("Index Name", name));
                shown.extra.push(("Relation Name", table.name.clone()));
                shown.extra.push(("Alias", table.name.clone()));
                if let Some(condition) = definition.and_then(|index| self.index_condition(table, index, ranges)) {
                    shown.lines.push(("Index Cond", condition));
                }
                self.filter(&mut shown, filter.as_ref());
                shown
            }
            Node::SystemScan { relation, filter, .. } => {
                let columns = relation.columns.iter().map(|(name, _)| quote_name(name)).collect();
                let mut shown = Self::leaf("Seq Scan", format!(" on {}", quote_name(relation.name)), columns);
                shown.extra.push(("Relation Name", relation.name.to_owned()));
                shown.extra.push(("Alias", relation.name.to_owned()));
                self.filter(&mut shown, filter.as_ref());
                shown
            }
            Node::FunctionScan { calls, ordinality } => {
                let name = calls.first().map_or("", |call| call.function.name);
                let mut columns = Vec::new();
                for call in calls {
                    if call.function.columns.is_empty() {
                        columns.extend(call.columns.iter().map(|_| quote_name(call.function.name)));
                    } else {
                        columns.extend(call.function.columns.iter().map(|(name, _)| quote_name(name)));
                    }
                }
                if *ordinality {
                    columns.push("ordinality".to_owned());
                }
                let mut shown = Self::leaf("Function Scan", format!(" on {}", quote_name(name)), columns);
                shown.extra.push(("Function Name", name.to_owned()));
                shown
            }
            Node::CteScan { cte } => {
                let known = self.ctes.iter().rev().find(|(id, ..)| id == cte);
                let (name, columns) =
                    known.map_or_else(Default::default, |(_, name, columns)| (name.clone(), columns.clone()));
                let mut shown = Self::leaf("CTE Scan", format!(" on {}", quote_name(&name)), columns);
                shown.extra.push(("CTE Name", name));
                shown
            }
            Node::Filter { input, predicate } => {
                let mut shown = self.node(input);
                let text = self.text(predicate, &shown.columns);
                if shown.lines.iter().any(|(label, _)| *label == "Filter") || matches!(**input, Node::Limit { .. }) {
                    shown = self.plain("Result", input);
                }
                shown.lines.push(("Filter", text));
                shown
            }
            Node::Project { input, exprs } => {
                let mut shown = self.node(input);
                shown.columns = exprs.iter().map(|expr| self.text(expr, &shown.columns)).collect();
                shown
            }
            Node::ProjectSet { input, exprs } => {
                let mut shown = self.plain("ProjectSet", input);
                let below = shown.columns.clone();
                shown.columns = exprs
                    .iter()
                    .map(|column| match column {
                        super::ProjectColumn::Scalar(expr) => self.text(expr, &below),
                        super::ProjectColumn::Set(call) => {
                            format!("{}({})", call.function.name, self.list(&call.args, &below))
                        }
                    })
                    .collect();
                shown
            }
            Node::NestedLoop { left, right, kind, on, lateral, .. } => {
                let outer = self.node(left);
                if *lateral {
                    self.outer.push(outer.columns.clone());
                }
                let inner = self.node(right);
                if *lateral {
                    self.outer.pop();
                }
                let mut shown = Self::join("Nested Loop", *kind, outer, inner);
                if let Some(on) = on {
                    let text = self.text(on, &shown.columns);
                    shown.lines.push(("Join Filter", text));
                }
                shown
            }
            Node::HashJoin { left, right, kind, left_keys, right_keys, residual, .. } => {
                let outer = self.node(left);
                let inner = self.node(right);
                let pair = |(a, b): (&Expr, &Expr)| {
                    format!("({} = {})", self.text(a, &outer.columns), self.text(b, &inner.columns))
                };
                let keys: Vec<String> = left_keys.iter().zip(right_keys).map(pair).collect();
                let keys = if keys.len() == 1 { keys.concat() } else { format!("({})", keys.join(" AND ")) };
                let hash = Shown {
                    kind: "Hash".to_owned(),
                    target: String::new(),
                    extra: Vec::new(),
                    lines: Vec::new(),
                    columns: inner.columns.clone(),
                    actual: inner.actual,
                    children: vec![("Outer", inner)],
                };
                let mut all = outer.columns.clone();
                all.extend(hash.columns.clone());
                let mut shown = Self::join("Hash", *kind, outer, hash);
                shown.lines.push(("Hash Cond", keys));
                if let Some(residual) = residual {
                    shown.lines.push(("Join Filter", self.text(residual, &all)));
                }
                shown
            }
            Node::Aggregate { input, group, aggregates, grouping, .. } => {
                let mut shown = self.plain(if group.is_empty() { "Aggregate" } else { "HashAggregate" }, input);
                let below = std::mem::take(&mut shown.columns);
                if !group.is_empty() {
                    shown.lines.push(("Group Key", self.list(group, &below)));
                }
                shown.columns = group.iter().map(|expr| self.text(expr, &below)).collect();
                for call in aggregates {
                    let args = if call.args.is_empty() { "*".to_owned() } else { self.list(&call.args, &below) };
                    let distinct = if call.distinct { "DISTINCT " } else { "" };
                    shown.columns.push(format!("{}({distinct}{args})", call.function.name));
                }
                shown.columns.extend(grouping.iter().map(|_| "GROUPING".to_owned()));
                shown
            }
            Node::Window { input, calls } => {
                let mut shown = self.plain("WindowAgg", input);
                for call in calls {
                    let name = match &call.function {
                        super::WindowTarget::Function(function) => function.name,
                        super::WindowTarget::Aggregate(function) => function.name,
                    };
                    shown.columns.push(format!("{name}(?) OVER (?)"));
                }
                shown
            }
            Node::Sort { input, keys, .. } => {
                let mut shown = self.plain("Sort", input);
                let text = self.keys(keys, &shown.columns);
                shown.lines.push(("Sort Key", text));
                shown
            }
            Node::Limit { input, .. } => self.plain("Limit", input),
            Node::Distinct { input, on } => self.plain(if on.is_some() { "Unique" } else { "HashAggregate" }, input),
            Node::SetOperation { left, right, op, all } => self.set_operation(left, right, *op, *all),
            Node::With { ctes, body } => self.with(ctes, body),
            Node::RecursiveUnion { cte, seed, step, .. } => {
                let first = self.node(seed);
                let columns = first.columns.clone();
                let name =
                    self.ctes.iter().rev().find(|(id, ..)| id == cte).map_or_else(String::new, |(_, n, _)| n.clone());
                self.ctes.push((*cte, name, columns.clone()));
                let second = self.node(step);
                self.ctes.pop();
                let mut shown = Self::leaf("Recursive Union", String::new(), columns);
                shown.children = vec![("Outer", first), ("Inner", second)];
                shown
            }
            Node::LockRows { input, locks } => {
                let mut shown = self.plain("LockRows", input);
                let width = shown.columns.len().saturating_sub(locks.len());
                shown.columns.truncate(width);
                shown
            }
            Node::Insert(plan) => self.modify("Insert", &plan.target.table.name, &plan.input),
            Node::Update(plan) => self.modify("Update", &plan.target.table.name, &plan.input),
            Node::Delete(plan) => self.modify("Delete", &plan.target.table.name, &plan.input),
            Node::Merge(plan) => self.modify("Merge", &plan.target.table.name, &plan.input),
        }
    }

    fn modify(&mut self, kind: &str, table: &str, input: &Node) -> Shown {
        let mut shown = self.plain(kind, input);
        shown.target = format!(" on {}", quote_name(table));
        shown.extra.push(("Operation", kind.to_owned()));
        shown.extra.push(("Relation Name", table.to_owned()));
        shown.extra.push(("Alias", table.to_owned()));
        shown.columns = self.plan.columns.iter().map(|column| quote_name(&column.name)).collect();
        shown
    }

    fn filter(&self, shown: &mut Shown, filter: Option<&Expr>) {
        if let Some(filter) = filter {
            let text = self.text(filter, &shown.columns);
            shown.lines.push(("Filter", text));
        }
    }

    fn join(kind: &str, join: JoinKind, outer: Shown, inner: Shown) -> Shown {
        let (word, name) = match join {
            JoinKind::Inner => ("", "Inner"),
            JoinKind::Left => (" Left", "Left"),
            JoinKind::Right => (" Right", "Right"),
            JoinKind::Full => (" Full", "Full"),
            JoinKind::Semi => (" Semi", "Semi"),
            JoinKind::Anti => (" Anti", "Anti"),
        };
        let mut columns = outer.columns.clone();
        if !matches!(join, JoinKind::Semi | JoinKind::Anti) {
            columns.extend(inner.columns.clone());
        }
        let suffix = if kind == "Nested Loop" && word.is_empty() { String::new() } else { format!("{word} Join") };
        Shown {
            kind: if kind == "Hash" { "Hash Join".to_owned() } else { kind.to_owned() },
            target: if kind == "Hash" && word.is_empty() { String::new() } else { suffix },
            extra: vec![("Join Type", name.to_owned())],
            lines: Vec::new(),
            columns,
            children: vec![("Outer", outer), ("Inner", inner)],
            actual: None,
        }
        .named(kind, word)
    }

    fn set_operation(&mut self, left: &Node, right: &Node, op: SetOp, all: bool) -> Shown {
        let first = self.node(left);
        let second = self.node(right);
        let columns = first.columns.clone();
        let children = vec![("Outer", first), ("Inner", second)];
        let word = if all { " All" } else { "" };
        let (kind, target) = match op {
            SetOp::Union => ("Append", String::new()),
            SetOp::Intersect => ("HashSetOp", format!(" Intersect{word}")),
            SetOp::Except => ("HashSetOp", format!(" Except{word}")),
        };
        let mut shown = Self::leaf(kind, target, columns.clone());
        shown.children = children;
        if op == SetOp::Union && !all {
            let mut outer = Self::leaf("HashAggregate", String::new(), columns.clone());
            outer.lines.push(("Group Key", columns.join(", ")));
            outer.children = vec![("Outer", shown)];
            return outer;
        }
        shown
    }

    fn with(&mut self, ctes: &[Cte], body: &Node) -> Shown {
        let before = self.ctes.len();
        let mut children = Vec::new();
        for cte in ctes {
            self.ctes.push((cte.id, cte.name.clone(), Vec::new()));
            let shown = self.node(&cte.root);
            self.ctes.pop();
            self.ctes.push((cte.id, cte.name.clone(), shown.columns.clone()));
            children.push(("CTE", shown));
        }
        let mut shown = self.node(body);
        self.ctes.truncate(before);
        children.append(&mut shown.children);
        shown.children = children;
        shown
    }

    fn index_condition(
        &self,
        table: &crate::catalog::TableDef,
        index: &crate::catalog::IndexDef,
        ranges: &[super::IndexBounds],
    ) -> Option<String> {
        let key = |place: usize| {
            index.keys.get(place).map_or_else(String::new, |key| match (key.column, &key.expr) {
                (Some(column), _) => table.columns.get(column).map_or_else(String::new, |c| quote_name(&c.name)),
                (None, Some(text)) => text.clone(),
                (None, None) => String::new(),
            })
        };
        let first = ranges.first()?;
        let mut terms = Vec::new();
        let last = first.prefix.len().saturating_sub(1);
        for (place, expr) in first.prefix.iter().enumerate() {
            let name = key(place);
            let text = |expr: &Expr| self.text(expr, &[]);
            let null = matches!(expr, Expr::Const(crate::types::Value::Null, _));
            if first.nulls.contains(&place) && !null {
                terms.push(format!("({name} IS NOT DISTINCT FROM {})", text(expr)));
            } else if first.nulls.contains(&place) {
                terms.push(format!("({name} IS NULL)"));
            } else if first.any && place == last {
                terms.push(format!("({name} = ANY ({}))", text(expr)));
            } else if ranges.len() > 1
                && ranges.iter().any(|range| range.prefix.get(place).is_some_and(|o| !super::visit::same(o, expr)))
            {
                let items: Vec<String> = ranges.iter().filter_map(|range| range.prefix.get(place)).map(text).collect();
                terms.push(format!("({name} = ANY (ARRAY[{}]))", items.join(", ")));
            } else {
                terms.push(format!("({name} = {})", text(expr)));
            }
        }
        let name = key(first.prefix.len());
        let mut bound = |end: &Option<(Expr, bool)>, open: CompareOp| {
            if let Some((expr, inclusive)) = end {
                let op = match (open, inclusive) {
                    (CompareOp::Greater, true) => ">=",
                    (CompareOp::Greater, false) => ">",
                    (_, true) => "<=",
                    (_, false) => "<",
                };
                terms.push(format!("({name} {op} {})", self.text(expr, &[])));
            }
        };
        bound(&first.lower, CompareOp::Greater);
        bound(&first.upper, CompareOp::Less);
        match terms.len() {
            0 => None,
            1 => terms.pop(),
            _ => Some(format!("({})", terms.join(" AND "))),
        }
    }
}

impl Shown {
    /// `Hash Left Join`, `Nested Loop Left Join`: the text form puts the join's kind into the name.
    fn named(mut self, kind: &str, word: &str) -> Shown {
        if kind == "Hash" && !word.is_empty() {
            self.target = String::new();
            self.kind = format!("Hash{word} Join");
        }
        self
    }
}
