//! Any bytes as a tile of any kind: the first twelve choose the kind.
#![no_main]

use bestpixel_fuzz::{OneTile, read_all};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((head, tile)) = data.split_first_chunk::<12>() else { return };
    let pick = |i: usize, from: &[u16]| from[usize::from(head[i]) % from.len()];
    let file = OneTile {
        is_big_endian: head[0] & 1 == 1,
        width: u16::from(head[1]) + 1,
        height: u16::from(head[2]) + 1,
        bits: if head[3] & 1 == 1 { pick(4, &[8, 16, 32, 64]) } else { u16::from(head[4] % 17) },
        format: pick(5, &[1, 2, 3, 4, 5]),
        samples: pick(6, &[1, 1, 1, 2, 3, 4, 7]),
        compression: pick(7, &[1, 5, 8, 32946, 32773, 50000]),
        predictor: pick(8, &[1, 2, 3, 4]),
        fill_order: pick(9, &[1, 1, 1, 2]),
        tile,
        geo_keys: &[],
        geo_doubles: &[],
    };
    read_all(&file.file());
});
