//! How long inflating takes: a list of tiles on standard input, the seconds on standard output.
//!
//! Each line names a file, the offset and length of a tile in it, the bytes of its pixels and of one row of them. All
//! tiles are read first; then bare libdeflate inflates them on all cores and a plain loop sums the differences of rows of
//! 16-bit samples. It is what no reader of these tiles can do without: the floor of the benchmark.
#![expect(clippy::expect_used, reason = "a measurement that cannot read its inputs is to fail")]

use libdeflater::Decompressor;
use rayon::prelude::*;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, stdin};
use std::time::Instant;

struct Tile {
    compressed: Vec<u8>,
    raw_bytes: usize,
    row_bytes: usize,
    is_16_bit: bool,
}

fn read(line: &str) -> Tile {
    let mut words = line.rsplitn(6, ' ');
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("five numbers end a line");
    let (bits, row_bytes, raw_bytes, length, offset) = (number(), number(), number(), number(), number());
    let mut file = File::open(words.next().expect("a line starts with a file")).expect("the file can be opened");
    let mut compressed = vec![0; length as usize];
    file.seek(SeekFrom::Start(offset)).and_then(|_| file.read_exact(&mut compressed)).expect("the tile can be read");
    Tile { compressed, raw_bytes: raw_bytes as usize, row_bytes: row_bytes as usize, is_16_bit: bits == 16 }
}

fn decode(tile: &Tile, pixels: &mut Vec<u8>) -> u64 {
    pixels.resize(tile.raw_bytes, 0);
    Decompressor::new().zlib_decompress(&tile.compressed, pixels).expect("the tile can be inflated");
    if tile.is_16_bit {
        for row in pixels.chunks_exact_mut(tile.row_bytes) {
            let mut sum = 0u16;
            for sample in row.as_chunks_mut::<2>().0 {
                sum = sum.wrapping_add(u16::from_le_bytes(*sample));
                *sample = sum.to_le_bytes();
            }
        }
    }
    pixels.len() as u64
}

fn main() {
    let tiles: Vec<Tile> = stdin().lines().map(|line| read(&line.expect("lines are text"))).collect();
    let start = Instant::now();
    let bytes: u64 = tiles.par_iter().map_init(Vec::new, |pixels, tile| decode(tile, pixels)).sum();
    println!("{{\"seconds\": {}, \"tiles\": {}, \"bytes\": {bytes}}}", start.elapsed().as_secs_f64(), tiles.len());
}
