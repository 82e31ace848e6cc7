//! Keeps rows of each input that may belong to rows of the result, in temporary tables.

use crate::relation::quote_identifier;

use super::links::{Pair, RowSource, condition, possible_pairs};
use super::{Outcome, Sampler, integer_at};

impl Sampler<'_> {
    /// True when no input has more rows than are looked at.
    pub(super) fn has_all(&self, candidates: usize) -> Outcome<bool> {
        for at in 0..self.inputs.len() {
            if self.inputs[at].node.is_none() {
                continue;
            }
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
        let mut known: Vec<RowSource> = vec![target.rows_known()];
        // Rows that the model has already were taken with the target.
        let mut pending: Vec<usize> = (0..self.inputs.len())
            .filter(|at| self.inputs[*at].node.is_some())
            .collect();
        while !pending.is_empty() {
            let mut is_further = false;
            for at in std::mem::take(&mut pending) {
                let source = &self.inputs[at].source;
                let mut link = None;
                for known in &known {
                    let pairs = self.link(source, known, limit)?;
                    if !pairs.is_empty() {
                        link = Some(self.belonging(source, known, &pairs, limit)?);
                        break;
                    }
                }
                let Some(from) = link else {
                    pending.push(at);
                    continue;
                };
                self.take(at, limit, &from)?;
                known.push(RowSource {
                    from: format!("msv_given_{at}"),
                    ..source.rows_known()
                });
                is_further = true;
            }
            if is_further {
                continue;
            }
            for at in std::mem::take(&mut pending) {
                for from in self.inputs[at].source.some_rows(None) {
                    self.take(at, limit, &from)?;
                    if self.number(&format!("select count(*) from msv_given_{at}"))? > 0 {
                        break;
                    }
                }
                self.notes.push(format!(
                    "no column tells which rows of `{}` belong to the others: some of its rows were taken",
                    self.inputs[at].source.name
                ));
            }
        }
        Ok(())
    }

    fn take(&self, at: usize, limit: usize, from: &str) -> Outcome<()> {
        self.execute(&format!("drop table if exists pg_temp.msv_given_{at}"))?;
        self.execute(&format!(
            "create temporary table msv_given_{at} as\n\
             select (row_number() over (order by msv_picked::text))::int as msv_row, msv_picked.*\n\
             from (\nselect i.* from {from} as i\norder by md5(i::text) limit {limit}\n) as msv_picked"
        ))
    }

    /// The columns by which rows of `input` belong to known ones; none where none do.
    fn link(&self, input: &RowSource, known: &RowSource, limit: usize) -> Outcome<Vec<Pair>> {
        let many = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found: Vec<(i64, i64, Pair)> = Vec::new();
        let mut possible = possible_pairs(input, known);
        if input.is_large() {
            let distinct = |pair: &Pair| input.distinct.get(&pair.0).copied().unwrap_or(0.0);
            possible.sort_by(|one, other| distinct(other).total_cmp(&distinct(one)));
        }
        for pair in possible {
            let Some((wanted, values)) = self.known_values(known, &pair.1)? else {
                continue;
            };
            let rows = self.ask(&format!(
                "select count(*), coalesce(sum(row_count), 0)::bigint from (\
                 select count(*) as row_count from {} as i where i.{own} = any({values}) group by i.{own}\
                 ) as msv_found",
                input.from,
                own = quote_identifier(&pair.0),
            ))?;
            let (missing, matching) = (wanted - integer_at(&rows, 0, 0), integer_at(&rows, 0, 1));
            if matching > 0 {
                found.push((missing, matching, pair));
            }
            // Each look at a large relation takes its time.
            if input.is_large() && missing == 0 && (1..=many).contains(&matching) {
                break;
            }
        }
        found.sort();
        let mut found = found.into_iter();
        let Some((_, mut matching, first)) = found.next() else {
            return Ok(Vec::new());
        };
        let near = self.belonging(input, known, std::slice::from_ref(&first), limit)?;
        let covered = |pairs: &[Pair]| {
            let condition = condition(pairs);
            self.number(&format!(
                "select count(*) from {} as k where exists (select 1 from {near} as i where {condition})",
                known.from
            ))
        };
        let mut pairs = vec![first];
        // Further columns narrow it down where the first leaves more than are looked at.
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
