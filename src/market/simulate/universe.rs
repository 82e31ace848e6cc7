//! Universe: who trades what. Instruments, owners with their accounts, links and obligations.

use crate::market::simulate::random::Dice;

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

/// Makers without obligations, who stand behind the others.
pub(super) const OUTER_MAKERS: usize = 2;

impl Universe {
    pub(super) fn new(dice: &mut Dice, symbols: usize, events: u64) -> Self {
        let instruments = (0..symbols).map(|at| instrument(dice, at)).collect();
        let per_symbol = events / symbols as u64;
        let makers_each = (2 + per_symbol / 8_000).min(6) as usize;
        let mut universe = Universe {
            instruments,
            owners: Vec::new(),
            accounts: Vec::new(),
            makers: (0..symbols)
                .map(|at| (0..makers_each).map(|k| (at + 3 * k) % MAKERS).collect())
                .collect(),
        };
        let crowd = (events / 250).clamp(80, 420) as usize;
        let staged = (events / 2_000).clamp(40, 400) as usize;
        for (kind, count) in [
            (Kind::Maker, MAKERS + OUTER_MAKERS),
            (Kind::Fast, 24),
            (Kind::Institution, 30),
            (Kind::Proprietary, staged),
            (Kind::Retail, crowd),
        ] {
            for _ in 0..count {
                universe.add_owner(dice, kind);
            }
        }
        universe.link(dice);
        universe
    }

    fn add_owner(&mut self, dice: &mut Dice, kind: Kind) {
        let owner = self.owners.len();
        let first_account = self.accounts.len();
        let account_count = match kind {
            Kind::Maker => 2,
            Kind::Fast => dice.between(1, 3) as usize,
            Kind::Institution | Kind::Proprietary => dice.between(2, 4) as usize,
            Kind::Retail => 1,
        };
        let participant = match kind {
            Kind::Maker | Kind::Fast => format!("P{:03}", owner + 1),
            _ => format!("P{:03}", 101 + dice.below(20)),
        };
        for _ in 0..account_count {
            let number = self.accounts.len() + 1;
            self.accounts.push(Account {
                name: format!("A{number:04}"),
                trader: format!("T{number:04}"),
                participant: participant.clone(),
                owner,
            });
        }
        self.owners.push(Owner {
            name: format!("O{:04}", owner + 1),
            kind,
            first_account,
            account_count,
            link_group: 0,
        });
    }

    /// Joins every third run of proprietary owners to groups of two or three.
    fn link(&mut self, dice: &mut Dice) {
        let pool = self.of_kind(Kind::Proprietary);
        let mut group = 0;
        let mut at = 0;
        while at + 3 <= pool.len() {
            let size = dice.between(2, 3) as usize;
            group += 1;
            for &owner in &pool[at..at + size] {
                self.owners[owner].link_group = group;
            }
            at += size + 2;
        }
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
