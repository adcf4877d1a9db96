//! Any numbers as a GeoKey directory and its parameters.
#![no_main]

use bestpixel::tiff::Cog;
use bestpixel_fuzz::OneTile;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&head, rest)) = data.split_first() else { return };
    let (keys, doubles) = rest.split_at(rest.len().min(usize::from(head) * 4));
    let geo_keys: Vec<u16> = keys.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
    let geo_doubles: Vec<f64> = doubles.as_chunks::<8>().0.iter().map(|&eight| f64::from_le_bytes(eight)).collect();
    let file = OneTile {
        is_big_endian: head & 1 == 1,
        width: 16,
        height: 16,
        bits: 8,
        format: 1,
        samples: 1,
        compression: 1,
        predictor: 1,
        fill_order: 1,
        tile: &[7; 256],
        geo_keys: &geo_keys,
        geo_doubles: &geo_doubles,
    };
    if let Ok(cog) = Cog::from_bytes(file.file()) {
        let _ = cog.crs.map(|crs| crs.definition());
    }
});
