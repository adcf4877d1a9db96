//! Every file of the corpus and every hostile fixture goes in; samples or a typed error come out, and soon.
#![expect(clippy::expect_used, reason = "a test that cannot read its inputs is to fail")]

mod files;
mod read_all;

use bestpixel::tiff::Error;
use bytes::Bytes;
use files::{corpus, files_below, hostile};
use read_all::read_all;
use std::path::Path;
use std::time::{Duration, Instant};

/// What a file may take; it is wall clock, and the machine may be busy.
const TIME_LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });

/// Mutated files read by default; `BESTPIXEL_MUTATIONS` asks for more, `BESTPIXEL_SEED` for others.
const MUTATIONS: u64 = 3000;

/// Reads each file below a folder within its time; gives how many there were and how many had a tile that could be read.
fn read_folder(folder: &Path) -> (usize, usize) {
    let (mut files, mut readable) = (0, 0);
    for path in files_below(folder) {
        let bytes = Bytes::from(std::fs::read(&path).expect("the file can be read"));
        let start = Instant::now();
        let outcome = read_all(&bytes);
        let time = start.elapsed();
        assert!(time < TIME_LIMIT, "{} took {time:?}", path.display());
        assert!(!matches!(outcome, Err(Error::NeedBytes(_))), "{}: all bytes are there", path.display());
        files += 1;
        readable += usize::from(outcome.is_ok_and(|tiles| tiles > 0));
    }
    (files, readable)
}

#[test]
fn no_file_of_the_corpus_breaks_the_reader() {
    let folder = corpus();
    if !folder.is_dir() {
        eprintln!("skipped: the corpus is not here: {}", folder.display());
        return;
    }
    let (files, readable) = read_folder(&folder);
    assert!(files >= 586, "only {files} files");
    assert!(readable >= 374, "only {readable} files can be read");
}

#[test]
fn what_once_broke_the_reader_does_so_no_more() {
    let folder = hostile();
    let (files, _) = read_folder(&folder);
    assert!(files > 0, "there are no fixtures in {}", folder.display());
}

/// A generator of numbers that look random (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// Changes a few bytes, words or the length, in one half of the cases near the start or the end, where directories are.
fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const EXTREMES: [u32; 6] = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
    for _ in 0..=numbers.below(8) {
        let length = bytes.len();
        let at = match numbers.below(4) {
            0 => numbers.below(length.min(400)),
            1 => length - 1 - numbers.below(length.min(400)),
            _ => numbers.below(length),
        };
        match numbers.below(8) {
            0 => bytes[at] ^= 1 << numbers.below(8),
            1 | 2 => bytes[at] = numbers.next() as u8,
            3 => bytes.truncate(at.max(1)),
            4 => {
                let from = numbers.below(length);
                let part = bytes[from..(from + 12).min(length)].to_vec();
                let end = (at + part.len()).min(length);
                bytes[at..end].copy_from_slice(&part[..end - at]);
            }
            kind => {
                let word = if kind == 5 { EXTREMES[numbers.below(6)] } else { numbers.below(length * 2) as u32 };
                let end = (at + 4).min(length);
                bytes[at..end].copy_from_slice(&word.to_le_bytes()[..end - at]);
            }
        }
    }
}

#[test]
fn mutated_files_of_the_corpus_do_not_break_the_reader() {
    let folder = corpus();
    let number = |name: &str, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let mut paths = files_below(&folder);
    paths.extend(files_below(&hostile()));
    paths.sort();
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).expect("the file can be read")).collect();
    let files: Vec<Vec<u8>> = files.into_iter().filter(|file| (8..40_000).contains(&file.len())).collect();
    let (seed, mut readable) = (number("BESTPIXEL_SEED", 1), 0);
    let rounds = number("BESTPIXEL_MUTATIONS", MUTATIONS);
    for round in 0..rounds {
        let mut numbers = Numbers(seed << 40 | (round + number("BESTPIXEL_FIRST", 0)));
        let mut bytes = files[numbers.below(files.len())].clone();
        mutate(&mut bytes, &mut numbers);
        let bytes = Bytes::from(bytes);
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(|| read_all(&bytes));
        let time = start.elapsed();
        assert!(outcome.is_ok() && time < TIME_LIMIT, "round {round} of seed {seed}: panic or {time:?}");
        readable += u64::from(outcome.is_ok_and(|result| result.is_ok_and(|tiles| tiles > 0)));
    }
    eprintln!("{rounds} mutated files of seed {seed}, {readable} of them readable");
}
