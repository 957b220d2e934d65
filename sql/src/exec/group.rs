//! GROUP BY: hash aggregation, grouping sets, and DISTINCT, ORDER BY and FILTER inside aggregate calls.

use std::collections::HashMap;

use super::join::hash_key;
use super::sort::{RowSet, compare_keys, key_values, same_row};
use super::{Cx, State};
use crate::error::Result;
use crate::expr::{Accumulator, AggregateInfo, Expr};
use crate::plan::{AggregateCall, Node};
use crate::types::{Row, Value};

/// One call over one group.
pub(super) struct Running {
    accumulator: Box<dyn Accumulator>,
    distinct: Option<RowSet>,
    /// Sort keys and arguments of rows that wait to be ordered.
    waiting: Option<Vec<(Vec<Value>, Row)>>,
}

/// How a call was bound.
pub(super) fn info(call: &AggregateCall, cx: &Cx<'_>) -> AggregateInfo {
    AggregateInfo {
        arg_types: call.args.iter().map(Expr::data_type).collect(),
        result: call.ty,
        style: cx.eval.style.clone(),
    }
}

impl Running {
    pub(super) fn new(call: &AggregateCall, info: &AggregateInfo) -> Running {
        Running {
            accumulator: (call.function.make)(info),
            distinct: call.distinct.then(RowSet::default),
            waiting: (!call.order.is_empty()).then(Vec::new),
        }
    }

    pub(super) fn add(&mut self, call: &AggregateCall, row: &[Value], cx: &Cx<'_>) -> Result<()> {
        if let Some(filter) = &call.filter {
            if !cx.test(filter, row)? {
                return Ok(());
            }
        }
        if let ([only], None, None) = (call.args.as_slice(), &self.distinct, &self.waiting) {
            return self.accumulator.add(&[cx.eval(only, row)?]);
        }
        let args = cx.eval_all(&call.args, row)?;
        if let Some(waiting) = &mut self.waiting {
            waiting.push((key_values(&call.order, row, cx)?, args));
            return Ok(());
        }
        if let Some(distinct) = &mut self.distinct {
            if distinct.add(&args) > 0 {
                return Ok(());
            }
        }
        self.accumulator.add(&args)
    }

    pub(super) fn result(&mut self, call: &AggregateCall) -> Result<Value> {
        if let Some(mut waiting) = self.waiting.take() {
            waiting.sort_by(|a, b| compare_keys(&a.0, &b.0, &call.order));
            for (_, args) in waiting {
                if let Some(distinct) = &mut self.distinct {
                    if distinct.add(&args) > 0 {
                        continue;
                    }
                }
                self.accumulator.add(&args)?;
            }
        }
        self.accumulator.result()
    }
}

struct Group {
    key: Vec<Value>,
    running: Vec<Running>,
}

/// Groups of one grouping set, in order of first appearance.
#[derive(Default)]
struct Groups {
    list: Vec<Group>,
    by_hash: HashMap<u64, Vec<u32>>,
}

impl Groups {
    fn find(&mut self, key: Vec<Value>, calls: &[AggregateCall], infos: &[AggregateInfo]) -> &mut Group {
        let hash = hash_key(&key);
        let bucket = self.by_hash.entry(hash).or_default();
        let found = bucket.iter().copied().find(|place| same_row(&self.list[*place as usize].key, &key));
        let place = match found {
            Some(place) => place as usize,
            None => {
                bucket.push(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
                let running = calls.iter().zip(infos).map(|(call, info)| Running::new(call, info)).collect();
                self.list.push(Group { key, running });
                self.list.len() - 1
            }
        };
        &mut self.list[place]
    }
}

/// All rows of an Aggregate.
pub(super) fn aggregate(
    input: &mut State,
    below: &Node,
    group: &[Expr],
    sets: &[Vec<usize>],
    grouping: &[Vec<usize>],
    calls: &[AggregateCall],
    cx: &Cx<'_>,
) -> Result<Vec<Row>> {
    let plain: Vec<Vec<usize>> = vec![(0..group.len()).collect()];
    let sets = if sets.is_empty() { &plain } else { sets };
    let infos: Vec<AggregateInfo> = calls.iter().map(|call| info(call, cx)).collect();
    let mut all: Vec<Groups> = sets.iter().map(|_| Groups::default()).collect();
    let single = sets.len() == 1 && sets[0].len() == group.len();
    while let Some(row) = input.next(below, cx)? {
        cx.exec.tick()?;
        let key = cx.eval_all(group, &row)?;
        if single {
            let found = all[0].find(key, calls, &infos);
            for (running, call) in found.running.iter_mut().zip(calls) {
                running.add(call, &row, cx)?;
            }
            continue;
        }
        for (groups, set) in all.iter_mut().zip(sets) {
            let masked = key
                .iter()
                .enumerate()
                .map(|(place, value)| if set.contains(&place) { value.clone() } else { Value::Null })
                .collect();
            let found = groups.find(masked, calls, &infos);
            for (running, call) in found.running.iter_mut().zip(calls) {
                running.add(call, &row, cx)?;
            }
        }
    }
    let mut out = Vec::new();
    for (groups, set) in all.iter_mut().zip(sets) {
        if groups.list.is_empty() && set.is_empty() {
            groups.find(vec![Value::Null; group.len()], calls, &infos);
        }
        for mut found in groups.list.drain(..) {
            let mut row = found.key;
            for (running, call) in found.running.iter_mut().zip(calls) {
                row.push(running.result(call)?);
            }
            for places in grouping {
                let mut bits = 0_i32;
                for place in places {
                    bits = (bits << 1) | i32::from(!set.contains(place));
                }
                row.push(Value::Int4(bits));
            }
            out.push(row);
        }
    }
    Ok(out)
}
