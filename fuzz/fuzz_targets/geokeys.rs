//! Any bytes as the GeoKeys, the transform and the metadata of a file that is right otherwise.
#![no_main]

use arbitrary::Arbitrary;
use bestpixel::tiff::Cog;
use bestpixel_fuzz::{short, tiff};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Keys {
    /// Keys with their place, count and value; the header of the directory is made from them where `is_counted`.
    entries: Vec<[u16; 4]>,
    is_counted: bool,
    doubles: Vec<f64>,
    text: Vec<u8>,
    scale: Vec<f64>,
    tie_points: Vec<f64>,
    matrix: Option<Vec<f64>>,
    nodata: Vec<u8>,
    metadata: Vec<u8>,
}

fuzz_target!(|keys: Keys| {
    let doubles = |tag, values: &[f64]| (tag, 12, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    let header = if keys.is_counted { vec![[1, 1, 0, keys.entries.len() as u16]] } else { Vec::new() };
    let directory = header.iter().chain(&keys.entries).flatten().flat_map(|v| v.to_le_bytes()).collect();
    let mut tags = vec![
        short(256, 16),
        short(257, 16),
        short(258, 8),
        short(322, 16),
        short(323, 16),
        (34735, 3, directory),
        doubles(34736, &keys.doubles),
        (34737, 2, keys.text),
        doubles(33550, &keys.scale),
        doubles(33922, &keys.tie_points),
        (42113, 2, keys.nodata),
        (42112, 2, keys.metadata),
    ];
    tags.extend(keys.matrix.map(|matrix| doubles(34264, &matrix)));
    if let Ok(cog) = Cog::from_bytes(tiff(&tags, &[7; 256])) {
        assert!(cog.level_for(f64::MAX) < cog.levels.len());
        assert!(cog.scaling(0).scale.is_finite());
        let _ = format!("{:?} {:?}", cog.crs, cog.nodata);
    }
});
