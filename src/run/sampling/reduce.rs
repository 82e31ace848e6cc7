//! Finds few rows that still show what many do, by leaving out more and more (delta debugging).

/// Tells whether rows of each set still show what all of them do.
pub(super) type Holds<'h, E> = dyn FnMut(&[Vec<i64>]) -> Result<bool, E> + 'h;

/// Leaves rows out of `sets`, set by set, as long as `holds` says that nothing is lost.
///
/// `budget` is how often it may still be asked.
pub(super) fn reduce<E>(
    mut sets: Vec<Vec<i64>>,
    budget: &mut usize,
    holds: &mut Holds<'_, E>,
) -> Result<Vec<Vec<i64>>, E> {
    // What one set needs may depend on what is left of another.
    for _ in 0..2 {
        let before = sets.clone();
        for at in 0..sets.len() {
            reduce_one(&mut sets, at, budget, holds)?;
        }
        if sets == before {
            break;
        }
    }
    Ok(sets)
}

fn reduce_one<E>(
    sets: &mut [Vec<i64>],
    at: usize,
    budget: &mut usize,
    holds: &mut Holds<'_, E>,
) -> Result<(), E> {
    let mut pieces = 1;
    while !sets[at].is_empty() {
        let all = sets[at].clone();
        let length = all.len().div_ceil(pieces);
        let mut is_smaller = false;
        for start in (0..all.len()).step_by(length) {
            if *budget == 0 {
                return Ok(());
            }
            *budget -= 1;
            let end = (start + length).min(all.len());
            sets[at] = [&all[..start], &all[end..]].concat();
            if holds(sets)? {
                is_smaller = true;
                break;
            }
            sets[at].clone_from(&all);
        }
        match is_smaller {
            true => pieces = pieces.saturating_sub(1).max(2),
            false if length == 1 => return Ok(()),
            false => pieces = (pieces * 2).min(all.len()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_rows_that_matter_remain() {
        let sets = vec![(1..=300).collect(), (1..=300).collect(), vec![1, 2]];
        let mut asked = 1000;
        let reduced = reduce::<()>(sets, &mut asked, &mut |sets| {
            Ok(sets[0].contains(&17) && sets[0].contains(&203) && sets[1].contains(&1))
        });
        assert_eq!(reduced, Ok(vec![vec![17, 203], vec![1], vec![]]));
        assert!(asked > 800, "{asked} questions left");
    }

    #[test]
    fn a_budget_that_is_spent_ends_the_search() {
        let mut budget = 3;
        let reduced = reduce::<()>(vec![(1..=64).collect()], &mut budget, &mut |sets| {
            Ok(sets[0].contains(&1))
        });
        assert!(reduced.is_ok_and(|sets| sets[0].contains(&1)));
        assert_eq!(budget, 0);
    }
}
