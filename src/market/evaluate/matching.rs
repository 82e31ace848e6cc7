//! Matching: which alert finds which episode, and the figures that follow.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::evaluate::labels::Episode;

/// A closed stretch of time, microseconds since 1970 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    pub started_us: i64,
    pub ended_us: i64,
}

/// Difference that is no difference: servers hold microseconds, feeds nanoseconds.
const TOLERANCE_US: i64 = 1;

impl Interval {
    /// Says whether two stretches share at least half of the shorter one.
    ///
    /// A moment without length is shared when it lies in the other stretch, ends included.
    pub fn overlaps_half(self, other: Interval) -> bool {
        let start = self.started_us.max(other.started_us);
        let end = self.ended_us.min(other.ended_us);
        let shorter = self.length().min(other.length());
        if shorter == 0 {
            return end + TOLERANCE_US >= start;
        }
        2 * (end - start) >= shorter
    }

    fn length(self) -> i64 {
        self.ended_us - self.started_us
    }
}

/// An alert as far as matching needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    pub alert_id: String,
    pub rule: String,
    pub venue: String,
    pub symbol: String,
    /// `None` in anonymous mode: the owner is then not compared.
    pub owner_id: Option<String>,
    pub interval: Interval,
}

/// Link group of an owner, for owners that have one.
pub type LinkGroups = BTreeMap<String, String>;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    pub events: u64,
    pub rules: Vec<RuleFigures>,
    pub decoys: Vec<DecoyFigures>,
}

/// Precision and recall of one rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RuleFigures {
    pub rule: String,
    pub episodes: usize,
    pub found: usize,
    pub recall: f64,
    /// All alerts; each is true, a duplicate or false.
    pub alerts: usize,
    /// Alerts that found an episode which no earlier alert had found.
    #[serde(rename = "true")]
    pub true_alerts: usize,
    /// Alerts that found only what an earlier one had found: they count once.
    pub duplicates: usize,
    #[serde(rename = "false")]
    pub false_alerts: usize,
    /// False alerts that fell into an episode of the same owner under another rule.
    pub misnamed: usize,
    /// `None` without alerts.
    pub precision: Option<f64>,
    pub false_per_million_events: Option<f64>,
    pub difficulties: Vec<DifficultyFigures>,
    pub missed: Vec<Missed>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DifficultyFigures {
    pub difficulty: String,
    pub episodes: usize,
    pub found: usize,
}

/// An episode without an alert, so that somebody can look at it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Missed {
    pub symbol: String,
    pub owner_id: String,
    pub started_us: i64,
    pub difficulty: String,
}

/// How many decoys of a kind were taken for abuse.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct DecoyFigures {
    pub rule: String,
    pub kind: String,
    pub decoys: usize,
    pub hit: usize,
}

/// Compares alerts with labels; only rules that the labels name are counted.
///
/// `events` is the number of order events the alerts were drawn from.
pub fn evaluate(
    episodes: &[Episode],
    decoys: &[Episode],
    alerts: &[Alert],
    groups: &LinkGroups,
    events: u64,
) -> Evaluation {
    let mut alerts: Vec<&Alert> = alerts.iter().collect();
    alerts.sort_by_key(|alert| (alert.interval.started_us, &alert.alert_id));
    let rules: BTreeSet<&str> = episodes.iter().map(|one| one.rule.as_str()).collect();
    let mut false_alerts = Vec::new();
    let figures = rules
        .into_iter()
        .map(|rule| {
            let of_rule: Vec<&Alert> = alerts
                .iter()
                .copied()
                .filter(|alert| alert.rule == rule)
                .collect();
            judge_rule(rule, episodes, &of_rule, groups, events, &mut false_alerts)
        })
        .collect();
    Evaluation {
        events,
        rules: figures,
        decoys: judge_decoys(decoys, &false_alerts, groups),
    }
}

fn judge_rule<'a>(
    rule: &str,
    episodes: &[Episode],
    alerts: &[&'a Alert],
    groups: &LinkGroups,
    events: u64,
    false_alerts: &mut Vec<&'a Alert>,
) -> RuleFigures {
    let wanted: Vec<&Episode> = episodes.iter().filter(|one| one.rule == rule).collect();
    let mut is_found = vec![false; wanted.len()];
    let mut figures = RuleFigures {
        rule: rule.to_owned(),
        episodes: wanted.len(),
        alerts: alerts.len(),
        ..RuleFigures::default()
    };
    for alert in alerts {
        let hits: Vec<usize> = (0..wanted.len())
            .filter(|&place| finds(alert, wanted[place], groups))
            .collect();
        if hits.is_empty() {
            figures.false_alerts += 1;
            figures.misnamed += usize::from(episodes.iter().any(|one| finds(alert, one, groups)));
            false_alerts.push(alert);
        } else if hits.iter().all(|&place| is_found[place]) {
            figures.duplicates += 1;
        } else {
            figures.true_alerts += 1;
        }
        for place in hits {
            is_found[place] = true;
        }
    }
    figures.found = is_found.iter().filter(|found| **found).count();
    figures.recall = figures.found as f64 / figures.episodes as f64;
    let judged = figures.true_alerts + figures.false_alerts;
    figures.precision = (judged > 0).then(|| figures.true_alerts as f64 / judged as f64);
    figures.false_per_million_events =
        (events > 0).then(|| figures.false_alerts as f64 * 1e6 / events as f64);
    let mut difficulties: BTreeMap<(usize, &str), DifficultyFigures> = BTreeMap::new();
    for (episode, found) in wanted.iter().zip(is_found) {
        let name = episode.difficulty.as_str();
        let counted = difficulties.entry((rank(name), name)).or_default();
        counted.difficulty = name.to_owned();
        counted.episodes += 1;
        counted.found += usize::from(found);
        if !found {
            figures.missed.push(Missed {
                symbol: episode.symbol.clone(),
                owner_id: episode.owner_id.clone(),
                started_us: episode.interval.started_us,
                difficulty: name.to_owned(),
            });
        }
    }
    figures.difficulties = difficulties.into_values().collect();
    figures
}

fn judge_decoys(
    decoys: &[Episode],
    false_alerts: &[&Alert],
    groups: &LinkGroups,
) -> Vec<DecoyFigures> {
    let mut kinds: BTreeMap<(&str, &str), DecoyFigures> = BTreeMap::new();
    for decoy in decoys {
        let key = (decoy.rule.as_str(), decoy.kind.as_str());
        let counted = kinds.entry(key).or_insert_with(|| DecoyFigures {
            rule: decoy.rule.clone(),
            kind: decoy.kind.clone(),
            ..DecoyFigures::default()
        });
        counted.decoys += 1;
        let is_hit = false_alerts
            .iter()
            .any(|alert| alert.rule == decoy.rule && finds(alert, decoy, groups));
        counted.hit += usize::from(is_hit);
    }
    kinds.into_values().collect()
}

/// Says whether an alert is about the same instrument, owner and time; the rule is not compared.
fn finds(alert: &Alert, episode: &Episode, groups: &LinkGroups) -> bool {
    let is_owner = alert
        .owner_id
        .as_ref()
        .is_none_or(|owner| is_one_party(owner, &episode.owner_id, groups));
    alert.venue == episode.venue
        && alert.symbol == episode.symbol
        && is_owner
        && alert.interval.overlaps_half(episode.interval)
}

fn is_one_party(one: &str, other: &str, groups: &LinkGroups) -> bool {
    one == other
        || groups
            .get(one)
            .is_some_and(|group| groups.get(other) == Some(group))
}

/// Orders the difficulties that are known by name.
fn rank(difficulty: &str) -> usize {
    ["easy", "medium", "hard"]
        .iter()
        .position(|known| *known == difficulty)
        .unwrap_or(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(started_us: i64, ended_us: i64) -> Interval {
        Interval {
            started_us,
            ended_us,
        }
    }

    fn episode(rule: &str, owner: &str, started_us: i64, ended_us: i64) -> Episode {
        Episode {
            rule: rule.to_owned(),
            venue: "XSIM".to_owned(),
            symbol: "ACME".to_owned(),
            owner_id: owner.to_owned(),
            interval: stretch(started_us, ended_us),
            date: "2024-03-01".to_owned(),
            difficulty: "easy".to_owned(),
            kind: String::new(),
        }
    }

    fn alert(rule: &str, owner: &str, started_us: i64, ended_us: i64) -> Alert {
        Alert {
            alert_id: format!("{rule}{owner}{started_us}"),
            rule: rule.to_owned(),
            venue: "XSIM".to_owned(),
            symbol: "ACME".to_owned(),
            owner_id: Some(owner.to_owned()),
            interval: stretch(started_us, ended_us),
        }
    }

    #[test]
    fn half_of_the_shorter_is_enough_and_less_is_not() {
        let long = stretch(0, 1_000);
        assert!(stretch(990, 1_010).overlaps_half(long));
        assert!(!stretch(991, 1_011).overlaps_half(long));
        assert!(long.overlaps_half(stretch(100, 110)));
        assert!(!stretch(1_001, 1_002).overlaps_half(long));
    }

    #[test]
    fn a_moment_is_found_inside_and_at_the_ends() {
        let long = stretch(100, 200);
        for moment in [100, 150, 200, 201] {
            assert!(stretch(moment, moment).overlaps_half(long), "{moment}");
            assert!(long.overlaps_half(stretch(moment, moment)), "{moment}");
        }
        assert!(!stretch(202, 202).overlaps_half(long));
        assert!(stretch(5, 5).overlaps_half(stretch(5, 5)));
        assert!(!stretch(5, 5).overlaps_half(stretch(9, 9)));
    }

    #[test]
    fn duplicates_count_once_and_false_alerts_count() {
        let episodes = [
            episode("spoofing", "O1", 0, 100),
            episode("spoofing", "O2", 0, 100),
        ];
        let alerts = [
            alert("spoofing", "O1", 0, 50),
            alert("spoofing", "O1", 50, 100),
            alert("spoofing", "O3", 0, 100),
        ];
        let found = evaluate(&episodes, &[], &alerts, &LinkGroups::new(), 1_000_000);
        let figures = &found.rules[0];
        assert_eq!((figures.found, figures.episodes), (1, 2));
        assert_eq!(
            (
                figures.true_alerts,
                figures.duplicates,
                figures.false_alerts
            ),
            (1, 1, 1)
        );
        assert_eq!(figures.precision, Some(0.5));
        assert_eq!(figures.false_per_million_events, Some(1.0));
        assert_eq!(figures.missed[0].owner_id, "O2");
    }

    #[test]
    fn one_alert_may_find_two_episodes() {
        let episodes = [
            episode("wash_trade", "O1", 0, 10),
            episode("wash_trade", "O1", 20, 30),
        ];
        let alerts = [alert("wash_trade", "O1", 0, 30)];
        let found = evaluate(&episodes, &[], &alerts, &LinkGroups::new(), 0);
        assert_eq!(found.rules[0].found, 2);
        assert_eq!(found.rules[0].precision, Some(1.0));
        assert_eq!(found.rules[0].false_per_million_events, None);
    }

    #[test]
    fn linked_owners_are_one_party_and_others_are_not() {
        let groups: LinkGroups = [("O1", "L1"), ("O2", "L1"), ("O3", "L2")]
            .map(|(owner, group)| (owner.to_owned(), group.to_owned()))
            .into();
        let episodes = [episode("wash_trade", "O1", 0, 10)];
        let judge = |owner: &str| {
            let alerts = [alert("wash_trade", owner, 0, 10)];
            evaluate(&episodes, &[], &alerts, &groups, 0).rules[0].found
        };
        assert_eq!(judge("O2"), 1);
        assert_eq!(judge("O3"), 0);
        assert_eq!(judge("O4"), 0);
    }

    #[test]
    fn an_unattributed_alert_matches_by_instrument_and_time() {
        let episodes = [episode("spoofing", "O1", 0, 10)];
        let mut unattributed = alert("spoofing", "", 0, 10);
        unattributed.owner_id = None;
        let found = evaluate(&episodes, &[], &[unattributed], &LinkGroups::new(), 0);
        assert_eq!(found.rules[0].found, 1);
    }

    #[test]
    fn another_rule_or_instrument_is_no_hit() {
        let episodes = [
            episode("spoofing", "O1", 0, 10),
            episode("layering", "O1", 500, 600),
        ];
        let mut elsewhere = alert("spoofing", "O1", 0, 10);
        elsewhere.symbol = "BOLT".to_owned();
        let alerts = [alert("layering", "O1", 0, 10), elsewhere];
        let found = evaluate(&episodes, &[], &alerts, &LinkGroups::new(), 0);
        let [layering, spoofing] = &found.rules[..] else {
            panic!("two rules were labelled");
        };
        assert_eq!((layering.false_alerts, layering.misnamed), (1, 1));
        assert_eq!((spoofing.false_alerts, spoofing.misnamed), (1, 0));
        assert_eq!(spoofing.precision, Some(0.0));
    }

    #[test]
    fn rules_without_labels_are_left_out() {
        let alerts = [alert("fat_finger", "O1", 0, 10)];
        let found = evaluate(&[], &[], &alerts, &LinkGroups::new(), 10);
        assert!(found.rules.is_empty());
    }

    #[test]
    fn a_decoy_is_hit_only_by_a_false_alert_of_its_rule() {
        let episodes = [episode("spoofing", "O1", 0, 10)];
        let mut decoy = episode("spoofing", "O2", 0, 10);
        decoy.kind = "slow_cancel".to_owned();
        let alerts = [
            alert("spoofing", "O1", 0, 10),
            alert("spoofing", "O2", 0, 10),
        ];
        let found = evaluate(&episodes, &[decoy.clone()], &alerts, &LinkGroups::new(), 0);
        assert_eq!((found.decoys[0].decoys, found.decoys[0].hit), (1, 1));
        let found = evaluate(&episodes, &[decoy], &alerts[..1], &LinkGroups::new(), 0);
        assert_eq!(found.decoys[0].hit, 0);
    }
}
