//! Who has each pixel and when each scene was taken go in, the date of each pixel comes out.

use jiff::Timestamp;

/// Where there is no date.
pub const NO_DATE: i32 = i32::MIN;

const SECONDS_PER_DAY: i64 = 86_400;

/// Days since 1970-01-01 (UTC) of the scene that has each pixel, [`NO_DATE`] where none has it. `datetimes` are those of
/// the scenes that `selected_observation` counts, as RFC 3339.
///
/// ```
/// use bestpixel::pipeline::{NO_DATE, dates};
/// let datetimes = ["2024-07-01T23:59:59Z", "1969-12-31T12:00:00Z"];
/// assert_eq!(dates(&[0, 1, 65535], datetimes), [19905, -1, NO_DATE]);
/// ```
pub fn dates<'a>(selected_observation: &[u16], datetimes: impl IntoIterator<Item = &'a str>) -> Vec<i32> {
    let days: Vec<i32> = datetimes.into_iter().map(day).collect();
    selected_observation.iter().map(|&scene| days.get(usize::from(scene)).copied().unwrap_or(NO_DATE)).collect()
}

/// The day of a time.
fn day(datetime: &str) -> i32 {
    let time = datetime.parse::<Timestamp>().ok();
    time.map_or(NO_DATE, |time| time.as_second().div_euclid(SECONDS_PER_DAY) as i32)
}
