//! A number of bytes as people write it goes in, the number comes out, and the other way round.

/// Units and their bytes.
const UNITS: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Bytes of a number with or without a unit: `512MiB`, `1.5 GB`, `536870912`.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len()));
    let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor);
    let bytes = number.trim().parse::<f64>().ok().zip(factor).map(|(number, factor)| number * factor as f64);
    match bytes {
        Some(bytes) if (1.0..9e18).contains(&bytes) => Ok(bytes as u64),
        _ => Err("a positive number of bytes is needed, such as 536870912, 512MiB or 2GB".to_owned()),
    }
}

/// Bytes as people read them: `12.3 MB`.
pub(crate) fn show_bytes(bytes: u64) -> String {
    let (name, factor) = match bytes {
        0..1_000 => return format!("{bytes} B"),
        1_000..1_000_000 => ("kB", 1e3),
        1_000_000..1_000_000_000 => ("MB", 1e6),
        _ => ("GB", 1e9),
    };
    format!("{:.1} {name}", bytes as f64 / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_and_without_units() {
        let cases = [("512MiB", 536_870_912), ("1.5 gb", 1_500_000_000), ("77", 77), (" 2KiB ", 2048)];
        for (text, bytes) in cases {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "MB", "-1", "0", "5 parsecs", "1e300GB", "nan"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_digit_behind_the_point() {
        assert_eq!(
            [0, 999, 1_000, 2_345_678, 5_000_000_000].map(show_bytes),
            ["0 B", "999 B", "1.0 kB", "2.3 MB", "5.0 GB"]
        );
    }
}
