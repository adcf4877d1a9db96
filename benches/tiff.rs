//! Decoding a tile (inflate, predictor, unpacking) beside bare libdeflate on the same bytes.
//!
//! What counts is the ratio of the two in one run: `decode / inflate`, at most 1.15. Criterion measures one after the
//! other, and a busy machine gives each its own weather: so `paired` takes turns, too, and compares the fastest rounds.
#![expect(clippy::expect_used, reason = "the inputs are right; criterion's macros write functions")]

use benches::tiles::{differences, one_tile, packed_15_bits, texture};
use bestpixel::tiff::{Cog, CompressedTile, Samples, decode_tile_into};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use libdeflater::{CompressionLvl, Compressor, Decompressor};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut output = vec![0; compressor.zlib_compress_bound(bytes.len())];
    let length = compressor.zlib_compress(bytes, &mut output).expect("the buffer is large enough");
    output.truncate(length);
    output
}

fn tiles(criterion: &mut Criterion) {
    for side in [512, 1024] {
        let samples = texture(side);
        tile(criterion, &format!("16-bit predictor 2, {side}"), side, 16, 2, &differences(&samples, side));
        tile(criterion, &format!("15-bit, {side}"), side, 15, 1, &packed_15_bits(&samples));
    }
}

fn tile(criterion: &mut Criterion, name: &str, side: usize, bits: u16, predictor: u16, raw: &[u8]) {
    let compressed = deflate(raw);
    let file = one_tile(side, bits, predictor, &compressed);
    let cog = Cog::from_bytes(file.clone()).expect("the file is right");
    let level = &cog.levels[0];
    let range = level.tile_range(0).expect("there is one tile");
    let tile = CompressedTile { index: 0, bytes: file.slice(range.start as usize..range.end as usize) };
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements((side * side) as u64));
    let mut samples = Samples::default();
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            decode_tile_into(level, black_box(&tile), None, &mut samples).expect("the tile is right");
        });
    });
    let Samples::U16(decoded) = &samples else { panic!("16 bits") };
    assert_eq!(decoded.values(), texture(side), "what is measured has to be right");
    let (mut decompressor, mut output) = (Decompressor::new(), vec![0; raw.len()]);
    let mut inflate = || {
        decompressor.zlib_decompress(black_box(&compressed), &mut output).expect("the stream is right");
    };
    group.bench_function("inflate", |bencher| bencher.iter(&mut inflate));
    group.finish();
    let mut decode = || decode_tile_into(level, black_box(&tile), None, &mut samples).expect("the tile is right");
    println!("{name}: decode / inflate = {:.3} (fastest of {ROUNDS} turns)", paired(&mut decode, &mut inflate));
}

/// Turns that each of the two takes.
const ROUNDS: usize = 400;

/// The fastest time of one, divided by that of the other.
fn paired(one: &mut dyn FnMut(), other: &mut dyn FnMut()) -> f64 {
    let time = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    let times: Vec<_> = (0..ROUNDS).map(|_| (time(one), time(other))).collect();
    let fastest = |pick: fn(&(Duration, Duration)) -> Duration| times.iter().map(pick).min().unwrap_or_default();
    fastest(|pair| pair.0).as_secs_f64() / fastest(|pair| pair.1).as_secs_f64()
}

criterion_group!(benches, tiles);
criterion_main!(benches);
