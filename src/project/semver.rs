//! Versions of packages and of the language, and the bounds people put on them.
//!
//! The rules are dbt's: three numbers, `>=1.0.0` and the like, and a stable upper bound keeps the
//! pre-releases of that very version out.

use std::cmp::Ordering;
use std::fmt;

/// `1.2.3`, `1.2.3-rc1`, `1.2.3+build`; what follows `+` does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    /// Parts between dots, numbers apart from words; empty for a release.
    prerelease: Vec<Part>,
}

/// Numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Version {
    /// `None` for what is no version.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let mut numbers = [0; 3];
        let mut rest = text;
        for (index, number) in numbers.iter_mut().enumerate() {
            if index > 0 {
                rest = rest.strip_prefix('.')?;
            }
            let end = rest
                .find(|letter: char| !letter.is_ascii_digit())
                .unwrap_or(rest.len());
            let digits = &rest[..end];
            if digits.len() > 1 && digits.starts_with('0') {
                return None;
            }
            *number = digits.parse().ok()?;
            rest = &rest[end..];
        }
        let prerelease = match rest {
            "" => Vec::new(),
            rest => rest
                .strip_prefix('-')
                .unwrap_or(rest)
                .split('.')
                .map(part)
                .collect::<Option<_>>()?,
        };
        Some(Version {
            numbers,
            prerelease,
        })
    }

    pub fn is_prerelease(&self) -> bool {
        !self.prerelease.is_empty()
    }
}

fn part(text: &str) -> Option<Part> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if text.is_empty() || !text.chars().all(is_word) {
        return None;
    }
    Some(match text.parse() {
        Ok(number) => Part::Number(number),
        Err(_) => Part::Word(text.to_owned()),
    })
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.is_prerelease(), other.is_prerelease()) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                _ => self.prerelease.cmp(&other.prerelease),
            }
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Exact,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// One bound, such as `>=1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    operator: Operator,
    version: Version,
    written: String,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Bound {
    /// `None` for what is no bound.
    pub fn parse(text: &str) -> Option<Bound> {
        let written = text.trim();
        let operators = [
            (">=", Operator::GreaterOrEqual),
            ("<=", Operator::LessOrEqual),
            (">", Operator::Greater),
            ("<", Operator::Less),
            ("=", Operator::Exact),
            ("", Operator::Exact),
        ];
        let (sign, operator) = operators
            .into_iter()
            .find(|(sign, _)| written.starts_with(sign))?;
        Some(Bound {
            operator,
            version: Version::parse(written[sign.len()..].trim())?,
            written: written.to_owned(),
        })
    }

    /// Splits `">=1.0.0,<2.0.0"` and reads each bound; the error is the part that is none.
    pub fn parse_list(text: &str) -> Result<Vec<Bound>, String> {
        text.split(',')
            .map(|part| Bound::parse(part).ok_or_else(|| part.trim().to_owned()))
            .collect()
    }

    pub fn names_prerelease(&self) -> bool {
        self.version.is_prerelease()
    }

    pub fn admits(&self, version: &Version) -> bool {
        let order = version.cmp(&self.version);
        match self.operator {
            Operator::Exact => order == Ordering::Equal,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Less => {
                let is_prerelease_of_bound = version.is_prerelease()
                    && !self.version.is_prerelease()
                    && version.numbers == self.version.numbers;
                order == Ordering::Less && !is_prerelease_of_bound
            }
        }
    }

    fn is_lower(&self) -> bool {
        matches!(self.operator, Operator::Greater | Operator::GreaterOrEqual)
    }
}

/// True where no version at all can meet every bound.
pub fn exclude_each_other(bounds: &[Bound]) -> bool {
    let exact = |bound: &&Bound| bound.operator == Operator::Exact;
    if let Some(chosen) = bounds.iter().find(exact) {
        return bounds.iter().any(|bound| !bound.admits(&chosen.version));
    }
    bounds.iter().filter(|bound| bound.is_lower()).any(|lower| {
        bounds
            .iter()
            .filter(|bound| !bound.is_lower())
            .any(|upper| {
                let both_include = lower.operator == Operator::GreaterOrEqual
                    && upper.operator == Operator::LessOrEqual;
                match lower.version.cmp(&upper.version) {
                    Ordering::Greater => true,
                    Ordering::Equal => !both_include,
                    Ordering::Less => false,
                }
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(text: &str) -> Vec<Bound> {
        Bound::parse_list(text).expect("bounds")
    }

    fn version(text: &str) -> Version {
        Version::parse(text).expect("a version")
    }

    #[test]
    fn a_bound_admits_what_dbt_lets_it_admit() {
        let cases = [
            (">=1.3.0", "1.12.0", true),
            ("<2.0.0", "1.12.0", true),
            ("<2.0.0", "2.0.0-rc1", false),
            ("<2.0.0-rc2", "2.0.0-rc1", true),
            (">1.12.0", "1.12.0", false),
            ("=1.7.0", "1.7.0", true),
            ("1.7.0", "1.7.1", false),
            (">=1.0.0-b2", "1.0.0-b10", false),
            (">=1.0.0-b.2", "1.0.0-b.10", true),
            (">= 1.0.0, < 2.0.0", "1.5.0", true),
            ("<=1.0.0+build", "1.0.0", true),
        ];
        for (bound, given, expected) in cases {
            let admitted = bounds(bound)
                .iter()
                .all(|bound| bound.admits(&version(given)));
            assert_eq!(admitted, expected, "{bound} {given}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in ["1.12", "1", "~1.2.0", "latest", "1.02.0", "", "!=1.0.0"] {
            assert_eq!(Bound::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bounds_that_exclude_each_other_are_found() {
        let cases = [
            (">=1.0.0,<1.0.0", true),
            (">=1.0.0,<=1.0.0", false),
            ("1.0.0,2.0.0", true),
            ("1.0.0,>=0.9.0", false),
            ("1.0.0,<0.9.0", true),
            (">=0.8.0,<0.9.0", false),
        ];
        for (text, expected) in cases {
            assert_eq!(exclude_each_other(&bounds(text)), expected, "{text}");
        }
    }
}
