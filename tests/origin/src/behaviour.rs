//! A path and the number of a request to it go in, the fault that it shall meet comes out (pure, by a seed).

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the server serves.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    /// Each answer comes so much later.
    pub delay_ms: u64,
    /// And by up to so much more, each request by its own share: answers arrive in another order for each seed.
    pub shuffle_ms: u64,
    /// All connections together send no faster; none: as fast as they can.
    pub bytes_per_s: Option<u64>,
    /// Another seed, other victims.
    pub seed: u64,
    /// The first rule that applies counts.
    pub faults: Vec<Rule>,
}

/// Which requests meet a fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The fault.
    pub kind: Kind,
    /// The share of requests, 0 to 1.
    #[serde(default = "always")]
    pub rate: f64,
    /// Only paths that start with this (they start with a slash).
    #[serde(default)]
    pub prefix: String,
    /// Only the first so many requests of a path.
    #[serde(default)]
    pub first: Option<u64>,
    /// Faults come in runs of so many requests of a path; the share of requests stays.
    #[serde(default = "one")]
    pub burst: u64,
    /// Seconds in the header Retry-After of refusals.
    #[serde(default)]
    pub retry_after: Option<u64>,
}

fn always() -> f64 {
    1.0
}

fn one() -> u64 {
    1
}

/// Ways to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// Status 429.
    TooManyRequests,
    /// Status 503.
    Unavailable,
    /// The connection is reset instead of an answer.
    Reset,
    /// The connection ends in the middle of the body.
    Truncate,
    /// The whole file with status 200, whatever range is asked for.
    Whole,
    /// Silence in the middle of the body.
    Stall,
    /// An `ETag` that no other answer has.
    OtherEtag,
    /// A Content-Range for other bytes.
    WrongRange,
    /// Status 403, as for a token that has expired.
    Expired,
    /// Status 409, as for a request without a token; one with `sig=` in its query is served.
    Unsigned,
}

impl Rule {
    /// A fault that all requests meet.
    pub fn always(kind: Kind) -> Self {
        Self { kind, rate: 1.0, prefix: String::new(), first: None, burst: 1, retry_after: None }
    }

    /// A fault that the first `count` requests of each path meet.
    pub fn first(kind: Kind, count: u64) -> Self {
        Self { first: Some(count), ..Self::always(kind) }
    }
}

impl Behaviour {
    /// A behaviour with one fault.
    pub fn with(rule: Rule) -> Self {
        Self { faults: vec![rule], ..Self::default() }
    }

    /// How much later the answer to request number `count` (from 0) of a path comes.
    pub(crate) fn delay(&self, path: &str, count: u64) -> Duration {
        let share = fraction(self.seed, u64::MAX, path, count);
        Duration::from_millis(self.delay_ms) + Duration::from_millis(self.shuffle_ms).mul_f64(share)
    }

    /// What request number `count` (from 0) of a path meets.
    pub(crate) fn draw(&self, path: &str, query: &str, count: u64) -> Option<&Rule> {
        let is_signed = query.split('&').any(|part| part.starts_with("sig="));
        self.faults.iter().enumerate().find_map(|(index, rule)| {
            let concerns = path.starts_with(&rule.prefix)
                && rule.first.is_none_or(|first| count < first)
                && !(rule.kind == Kind::Unsigned && is_signed);
            let run = count / rule.burst.max(1);
            (concerns && fraction(self.seed, index as u64, path, run) < rule.rate).then_some(rule)
        })
    }
}

/// A number in 0..1 that hangs on nothing but the arguments, on any machine.
fn fraction(seed: u64, rule: u64, path: &str, run: u64) -> f64 {
    let numbers = [seed, rule, run].into_iter().flat_map(u64::to_le_bytes);
    // FNV-1a, then the finish of splitmix64, which spreads the last bytes over all bits.
    let hash = path
        .bytes()
        .chain(numbers)
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_kept_with_and_without_bursts() {
        for burst in [1, 3] {
            let rule = Rule { rate: 0.05, burst, ..Rule::always(Kind::Unavailable) };
            let behaviour = Behaviour::with(rule);
            let met = (0..60_000).filter(|&count| behaviour.draw("/a.tif", "", count).is_some()).count();
            assert!((2400..3600).contains(&met), "{met}");
        }
    }

    #[test]
    fn rules_are_limited_as_told() {
        let first = Behaviour::with(Rule { prefix: "/a/".to_owned(), ..Rule::first(Kind::Reset, 2) });
        let met: Vec<bool> = (0..4).map(|count| first.draw("/a/b", "", count).is_some()).collect();
        assert_eq!(met, [true, true, false, false]);
        assert!(first.draw("/b", "", 0).is_none());
        let unsigned = Behaviour::with(Rule::always(Kind::Unsigned));
        assert!(unsigned.draw("/a", "x=1", 0).is_some() && unsigned.draw("/a", "x=1&sig=s", 0).is_none());
    }
}
