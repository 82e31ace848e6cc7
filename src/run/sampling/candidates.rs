//! Keeps rows of each input that may belong to rows of the result, in temporary tables.

use crate::relation::quote_identifier;

use super::links::{Pair, RowSource, condition, possible_pairs};
use super::{Outcome, Sampler, integer_at};

impl Sampler<'_> {
    /// True when no input has more rows than are looked at.
    pub(super) fn has_all(&self, candidates: usize) -> Outcome<bool> {
        for at in 0..self.inputs.len() {
            let count = self.number(&format!("select count(*) from msv_given_{at}"))?;
            if count >= i64::try_from(candidates).unwrap_or(i64::MAX) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Keeps up to `limit` rows of each input: those that belong to the target, or to rows of
    /// inputs that do.
    pub(super) fn take_candidates(&mut self, target: &RowSource, limit: usize) -> Outcome<()> {
        let mut known: Vec<RowSource> = vec![RowSource {
            from: target.from.clone(),
            name: target.name.clone(),
            columns: target.columns.clone(),
        }];
        let mut pending: Vec<usize> = (0..self.inputs.len()).collect();
        while !pending.is_empty() {
            let mut is_further = false;
            for at in std::mem::take(&mut pending) {
                let source = &self.inputs[at].source;
                let mut link = None;
                for known in &known {
                    let pairs = self.link(source, known, limit)?;
                    if !pairs.is_empty() {
                        link = Some((known.from.clone(), pairs));
                        break;
                    }
                }
                let Some((from, pairs)) = link else {
                    pending.push(at);
                    continue;
                };
                let condition = condition(&pairs);
                self.take(
                    at,
                    limit,
                    &format!("where exists (select 1 from {from} as k where {condition})"),
                )?;
                known.push(RowSource {
                    from: format!("msv_given_{at}"),
                    name: self.inputs[at].source.name.clone(),
                    columns: self.inputs[at].source.columns.clone(),
                });
                is_further = true;
            }
            if is_further {
                continue;
            }
            for at in std::mem::take(&mut pending) {
                self.take(at, limit, "")?;
                self.notes.push(format!(
                    "no column tells which rows of `{}` belong to the others: some of its rows were taken",
                    self.inputs[at].source.name
                ));
            }
        }
        Ok(())
    }

    fn take(&self, at: usize, limit: usize, filter: &str) -> Outcome<()> {
        let from = &self.inputs[at].source.from;
        self.execute(&format!("drop table if exists pg_temp.msv_given_{at}"))?;
        self.execute(&format!(
            "create temporary table msv_given_{at} as\n\
             select (row_number() over (order by msv_picked::text))::int as msv_row, msv_picked.*\n\
             from (\nselect i.* from {from} as i\n{filter}\norder by md5(i::text) limit {limit}\n) as msv_picked"
        ))
    }

    /// The columns by which rows of `input` belong to known ones; none where none do.
    fn link(&self, input: &RowSource, known: &RowSource, limit: usize) -> Outcome<Vec<Pair>> {
        let mut found: Vec<(i64, i64, Pair)> = Vec::new();
        for pair in possible_pairs(input, known) {
            let (own, other) = (quote_identifier(&pair.0), quote_identifier(&pair.1));
            let rows = self.ask(&format!(
                "select (select count(distinct k.{other}) from {} as k) - count(distinct i.{own}), count(*)\n\
                 from {} as i where i.{own} in (select k.{other} from {} as k)",
                known.from, input.from, known.from
            ))?;
            let (missing, matching) = (integer_at(&rows, 0, 0), integer_at(&rows, 0, 1));
            if matching > 0 {
                found.push((missing, matching, pair));
            }
        }
        found.sort();
        let mut found = found.into_iter();
        let Some((_, mut matching, first)) = found.next() else {
            return Ok(Vec::new());
        };
        let covered = |pairs: &[Pair]| {
            let condition = condition(pairs);
            self.number(&format!(
                "select count(*) from {} as k where exists (select 1 from {} as i where {condition})",
                known.from, input.from
            ))
        };
        let mut pairs = vec![first];
        // Further columns narrow it down where the first leaves more than are looked at.
        let many = i64::try_from(limit).unwrap_or(i64::MAX);
        if matching > many {
            let all = covered(&pairs)?;
            for (_, other_matching, pair) in found {
                pairs.push(pair);
                if covered(&pairs)? < all {
                    pairs.pop();
                    continue;
                }
                matching = matching.min(other_matching);
                if matching <= many {
                    break;
                }
            }
        }
        Ok(pairs)
    }
}
