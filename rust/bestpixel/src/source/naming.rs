//! An item goes in; its tile, the time that decides its period and the key of its observation come out (rules I2, I3).

use crate::stac::Item;
use jiff::civil::Date;

/// How a collection's items tell their tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileRule {
    /// A property and what stands before the tile in it; zones of MGRS tiles get two digits.
    Property(&'static str, &'static str),
    /// The part of the id between dots, and what stands before the tile in it: `HLS.L30.T54SVE...`, `MCD43A4.A....h35v10`.
    IdPart {
        /// Counted from 0.
        index: usize,
        /// Left out.
        prefix: &'static str,
    },
    /// Path and row of Landsat's world reference system.
    Wrs,
}

/// How a collection's items tell the time that decides their period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateRule {
    /// The item's datetime.
    Item,
    /// The day in the id, `A{YYYYDDD}`: `datetime` of MCD43A4 is the middle of a window of days that may be cut short, up
    /// to four days later.
    NominalDay,
}

/// How two items tell that they are versions of one observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateRule {
    /// They never are.
    None,
    /// Platform and sensing start of the datastrip: it survives reprocessing, and the two halves of a datatake differ in it.
    Datastrip,
    /// Product and day of the id; of several the one produced last, which the id may tell too.
    ModisId,
}

impl TileRule {
    /// The tile, or what the item lacks.
    pub(crate) fn tile(self, item: &Item) -> Result<String, String> {
        match self {
            Self::Property(name, prefix) => {
                let text = item.text(name).ok_or_else(|| format!("it has no {name}"))?;
                Ok(pad_zone(text.strip_prefix(prefix).unwrap_or(text)))
            }
            Self::IdPart { index, prefix } => item
                .id
                .split('.')
                .nth(index)
                .and_then(|part| part.strip_prefix(prefix))
                .filter(|tile| !tile.is_empty())
                .map(str::to_owned)
                .ok_or_else(|| "its id names no tile".to_owned()),
            Self::Wrs => {
                let digits = |name: &str| item.number(name).map(|number| format!("{number:03}"));
                digits("landsat:wrs_path")
                    .zip(digits("landsat:wrs_row"))
                    .map(|(path, row)| path + &row)
                    .ok_or_else(|| "it has no landsat:wrs_path and landsat:wrs_row".to_owned())
            }
        }
    }
}

impl DateRule {
    /// The time in RFC 3339, or None where the item does not tell.
    pub fn time(self, item: &Item) -> Option<String> {
        match self {
            Self::Item => item.datetime().map(str::to_owned),
            Self::NominalDay => nominal_day(&item.id).map(|day| format!("{day}T00:00:00Z")),
        }
    }
}

/// `MCD43A4.A2025061.h35v10...` -> 2025-03-02.
fn nominal_day(id: &str) -> Option<Date> {
    let digits = id.split('.').nth(1)?.strip_prefix('A').filter(|digits| digits.len() == 7)?;
    let (year, day) = (digits.get(..4)?.parse().ok()?, digits.get(4..)?.parse::<i16>().ok()?);
    let first = Date::new(year, 1, 1).ok()?;
    let date = first.checked_add(jiff::Span::new().try_days(day - 1).ok()?).ok()?;
    (day >= 1 && date.year() == year).then_some(date)
}

impl DuplicateRule {
    /// What versions of one observation of one tile agree in, and when the item was made; None where the
    /// item is no version of any other.
    pub(crate) fn key(self, item: &Item) -> Option<(String, String)> {
        match self {
            Self::None => None,
            Self::Datastrip => {
                let made = item.text("s2:generation_time").unwrap_or_default().to_owned();
                let platform = item.text("platform").unwrap_or_default().to_lowercase();
                let start = item.text("s2:datastrip_id").and_then(sensing_start)?;
                Some((format!("{platform} {start}"), made))
            }
            Self::ModisId => {
                let mut parts = item.id.split('.');
                let (product, day) = (parts.next()?, parts.next()?);
                // MCD43A4.A2025061.h35v10.061.2025070035331: tile, collection, production.
                Some((format!("{product}.{day}"), parts.nth(2).unwrap_or_default().to_owned()))
            }
        }
    }
}

/// `..._S20230815T095630_N05.09` -> `20230815T095630`.
fn sensing_start(datastrip: &str) -> Option<String> {
    let is_start = |part: &&str| part.len() == 16 && part.starts_with('S') && part.as_bytes()[9] == b'T';
    datastrip.split('_').find(is_start).and_then(|part| part.get(1..)).map(str::to_owned)
}

/// MGRS tiles of zones 1 to 9 come with and without the leading zero.
fn pad_zone(tile: &str) -> String {
    if tile.bytes().take_while(u8::is_ascii_digit).count() == 1 { format!("0{tile}") } else { tile.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_have_two_digits() {
        assert_eq!((pad_zone("1WCQ"), pad_zone("33TWL")), ("01WCQ".to_owned(), "33TWL".to_owned()));
    }

    #[test]
    fn sensing_starts_survive_reprocessing() {
        let start = |text| sensing_start(text).unwrap();
        assert_eq!(start("S2A_OPER_MSI_L2A_DS_2APS_20230815T155057_S20230815T095630_N05.09"), "20230815T095630");
        assert_eq!(start("S2B_OPER_MSI_L2A_DS_S2RP_20230624T053545_S20200401T175716_N05.00"), "20200401T175716");
        assert_eq!(sensing_start("something else"), None);
    }

    #[test]
    fn nominal_days() {
        let day = |id| nominal_day(id).map(|date| date.to_string());
        assert_eq!(day("MCD43A4.A2025061.h35v10.061.2025070035331").as_deref(), Some("2025-03-02"));
        assert_eq!(day("MCD43A4.A2024366.h00v08.061").as_deref(), Some("2024-12-31"));
        for id in ["MCD43A4.A2025366.h35v10", "MCD43A4.A2025000.h35v10", "MCD43A4.2025061", "x", "M.A20é061.h"] {
            assert_eq!(day(id), None, "{id}");
        }
    }
}
