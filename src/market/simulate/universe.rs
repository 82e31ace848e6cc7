//! Universe: who trades what. Instruments, owners with their accounts, links and obligations.

use crate::simulate::random::Dice;

pub(super) const VENUE: &str = "XSIM";

/// Says how an owner behaves when nothing is staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Maker,
    Fast,
    Institution,
    Proprietary,
    Retail,
}

pub(super) struct Instrument {
    pub(super) symbol: String,
    /// Price of one tick in ten-thousandths of the currency unit.
    pub(super) tick_e4: i64,
    pub(super) tier: &'static str,
    /// First fundamental value, in ticks.
    pub(super) start_ticks: i64,
    /// Half of the spread that an unworried maker quotes, in ticks.
    pub(super) half_spread_ticks: i64,
    /// Standard deviation of the fundamental value over one second, in ticks.
    pub(super) step_ticks: f64,
    /// Share of the common market move in that deviation, 0 to 1.
    pub(super) common_share: f64,
    /// Size a maker shows on one side.
    pub(super) quote_quantity: i64,
    /// Share of the day's activity, relative to the other instruments.
    pub(super) weight: f64,
}

impl Instrument {
    /// Gives the widest spread a maker may show, in ticks.
    pub(super) fn max_spread_ticks(&self) -> i64 {
        self.half_spread_ticks * 6 + 10
    }

    pub(super) fn min_quantity(&self) -> i64 {
        self.quote_quantity / 4
    }
}

pub(super) struct Owner {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) first_account: usize,
    pub(super) account_count: usize,
    /// Index of the link group, counted from 1; 0 is no group.
    pub(super) link_group: usize,
}

pub(super) struct Account {
    pub(super) name: String,
    pub(super) trader: String,
    pub(super) participant: String,
    pub(super) owner: usize,
}

pub(super) struct Universe {
    pub(super) instruments: Vec<Instrument>,
    pub(super) owners: Vec<Owner>,
    pub(super) accounts: Vec<Account>,
    /// Owners that quote each instrument, by instrument.
    pub(super) makers: Vec<Vec<usize>>,
}

const NAMES: [&str; 26] = [
    "ACME", "BOLT", "CRUX", "DUNE", "EMBR", "FLUX", "GLEN", "HALO", "IRIS", "JADE", "KITE", "LUMN",
    "MESA", "NOVA", "OPAL", "PIKE", "QUIL", "RUNE", "SAGE", "TARN", "UMBR", "VALE", "WREN", "XENO",
    "YARN", "ZEST",
];

/// Makers that quote; each instrument has some of them.
const MAKERS: usize = 10;

const MAKERS_EACH: usize = 4;

/// Makers without obligations, who stand behind the others.
pub(super) const OUTER_MAKERS: usize = 2;

/// Owners of the crowd and owners for staged behaviour: as many as the busiest day needs.
const CROWD: usize = 420;
const STAGED: usize = 400;

/// Seed of everything that outlives a day, so that all simulated days agree about it.
const REGISTER_SEED: u64 = 0x6d73_7620_5853_494d;

/// Account numbers set aside for each owner.
const ACCOUNTS_EACH: usize = 4;

impl Universe {
    /// Invents the part of the register that a day of so many events and symbols needs.
    ///
    /// Instruments, owners and accounts are the same whatever the day: days can share a database.
    pub(super) fn new(symbols: usize, events: u64) -> Self {
        let instruments = (0..symbols)
            .map(|at| instrument(&mut Dice::new(REGISTER_SEED, at as u64 + 1), at))
            .collect();
        let mut universe = Universe {
            instruments,
            owners: Vec::new(),
            accounts: Vec::new(),
            makers: (0..symbols)
                .map(|at| (0..MAKERS_EACH).map(|k| (at + 3 * k) % MAKERS).collect())
                .collect(),
        };
        let crowd = (events / 250).clamp(80, CROWD as u64) as usize;
        let staged = (events / 2_000).clamp(40, STAGED as u64) as usize;
        let mut dice = Dice::new(REGISTER_SEED, 0);
        let mut number = 0;
        for (kind, count, listed) in [
            (Kind::Maker, MAKERS + OUTER_MAKERS, MAKERS + OUTER_MAKERS),
            (Kind::Fast, 24, 24),
            (Kind::Institution, 30, 30),
            (Kind::Proprietary, STAGED, staged),
            (Kind::Retail, CROWD, crowd),
        ] {
            let mut group = LinkGroups::default();
            for place in 0..count {
                number += 1;
                // Owners beyond the day's need are drawn too, so that later draws stay the same.
                let owner = Draft::draw(&mut dice, kind, number, &mut group);
                if place < listed {
                    universe.add_owner(owner);
                }
            }
        }
        universe
    }

    fn add_owner(&mut self, draft: Draft) {
        let owner = self.owners.len();
        let first_account = self.accounts.len();
        for place in 0..draft.account_count {
            let number = draft.number * ACCOUNTS_EACH + place;
            self.accounts.push(Account {
                name: format!("A{number:05}"),
                trader: format!("T{number:05}"),
                participant: draft.participant.clone(),
                owner,
            });
        }
        self.owners.push(Owner {
            name: format!("O{:04}", draft.number),
            kind: draft.kind,
            first_account,
            account_count: draft.account_count,
            link_group: draft.link_group,
        });
    }

    pub(super) fn of_kind(&self, kind: Kind) -> Vec<usize> {
        (0..self.owners.len())
            .filter(|&owner| self.owners[owner].kind == kind)
            .collect()
    }

    /// Lists the owners of `owner`'s link group, or the owner alone.
    pub(super) fn linked(&self, owner: usize) -> Vec<usize> {
        match self.owners[owner].link_group {
            0 => vec![owner],
            group => (0..self.owners.len())
                .filter(|&other| self.owners[other].link_group == group)
                .collect(),
        }
    }

    /// Gives the owner's account at `place`, counted round.
    pub(super) fn account(&self, owner: usize, place: usize) -> usize {
        let owner = &self.owners[owner];
        owner.first_account + place % owner.account_count
    }
}

/// An owner before it is listed.
struct Draft {
    kind: Kind,
    number: usize,
    account_count: usize,
    participant: String,
    link_group: usize,
}

impl Draft {
    fn draw(dice: &mut Dice, kind: Kind, number: usize, groups: &mut LinkGroups) -> Self {
        let account_count = match kind {
            Kind::Maker => 2,
            Kind::Fast => dice.between(1, 3) as usize,
            Kind::Institution | Kind::Proprietary => dice.between(2, ACCOUNTS_EACH as i64) as usize,
            Kind::Retail => 1,
        };
        let participant = match kind {
            Kind::Maker | Kind::Fast => format!("P{number:03}"),
            _ => format!("P{:03}", 101 + dice.below(20)),
        };
        let link_group = match kind {
            Kind::Proprietary => groups.next(dice),
            _ => 0,
        };
        Draft {
            kind,
            number,
            account_count,
            participant,
            link_group,
        }
    }
}

/// Deals out link groups: two or three owners in one, then two in none.
#[derive(Default)]
struct LinkGroups {
    group: usize,
    members_left: i64,
    strangers_left: usize,
}

impl LinkGroups {
    fn next(&mut self, dice: &mut Dice) -> usize {
        if self.members_left == 0 && self.strangers_left > 0 {
            self.strangers_left -= 1;
            return 0;
        }
        if self.members_left == 0 {
            self.group += 1;
            self.members_left = dice.between(2, 3);
            self.strangers_left = 2;
        }
        self.members_left -= 1;
        self.group
    }
}

fn instrument(dice: &mut Dice, at: usize) -> Instrument {
    let symbol = match at / NAMES.len() {
        0 => NAMES[at].to_owned(),
        round => format!("{}{}", NAMES[at % NAMES.len()], round + 1),
    };
    let (tier, half_spread_ticks, quote_quantity) = match at % 5 {
        0 | 1 => ("high", 2, dice.between(40, 70) * 10),
        2 | 3 => ("medium", 3, dice.between(30, 50) * 10),
        _ => ("low", 5, dice.between(20, 35) * 10),
    };
    let start_ticks = dice.between(6_000, 18_000);
    Instrument {
        symbol,
        tick_e4: 100,
        tier,
        start_ticks,
        half_spread_ticks,
        step_ticks: start_ticks as f64 * 0.000_045,
        common_share: dice.range(0.4, 0.8),
        quote_quantity,
        weight: 12.0 / (4.0 + at as f64),
    }
}
