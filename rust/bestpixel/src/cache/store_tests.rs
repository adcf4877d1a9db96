//! The cache as its users see it: kept, bounded, and nothing but a miss whatever happens to its file.

use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;

const LIMIT: u64 = 4 << 20;

/// A value that hangs on its number and does not compress.
fn value(number: u32, length: usize) -> Bytes {
    let mut state = number.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

fn key(number: u32) -> String {
    format!("https://host/{number}.tif version")
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// Opens, keeps `numbers`, closes.
fn keep(folder: &Path, numbers: std::ops::Range<u32>, length: usize) {
    let cache = Cache::with_limit(folder, LIMIT).unwrap();
    block_on(async {
        for number in numbers {
            cache.put(key(number), value(number, length)).await;
        }
    });
}

/// Opens, asks for `numbers`, closes; counts what is found, which must be right.
fn found(folder: &Path, numbers: std::ops::Range<u32>, length: usize) -> usize {
    let cache = Cache::with_limit(folder, LIMIT).unwrap();
    let entries = block_on(cache.get(numbers.clone().map(key).collect()));
    let right = |(number, entry): (u32, Option<Entry>)| {
        entry.map(|entry| assert_eq!(entry.value, value(number, length), "a wrong answer for {number}"))
    };
    numbers.zip(entries).filter_map(right).count()
}

fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

#[test]
fn what_is_kept_is_there_in_the_next_run_and_before_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let nested = folder.path().join("a/b");
    {
        let cache = Cache::with_limit(&nested, LIMIT).unwrap();
        block_on(async {
            cache.put(key(1), value(1, 1000)).await;
            let entries = cache.get(vec![key(1), key(2)]).await;
            assert_eq!(entries[0].as_ref().unwrap().value, value(1, 1000));
            assert!(entries[1].is_none());
        });
    }
    assert_eq!(found(&nested, 0..5, 1000), 1);
}

#[test]
fn a_key_is_forgotten_with_all_that_begin_like_it() {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), 1..30, 100);
    Cache::with_limit(folder.path(), LIMIT).unwrap().forget("https://host/1.tif ".to_owned());
    assert_eq!(found(folder.path(), 1..2, 100), 0);
    assert_eq!(found(folder.path(), 2..30, 100), 28);
}

#[test]
fn entries_age() {
    let entry = |made| Entry { value: Bytes::new(), made };
    let day = Duration::from_secs(86400);
    assert!(entry(SystemTime::now()).is_younger_than(day));
    assert!(!entry(SystemTime::now() - 2 * day).is_younger_than(day));
    assert!(!entry(SystemTime::now() + day).is_younger_than(day));
}

#[test]
fn the_file_stays_within_its_bound_and_the_oldest_make_room() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..8 {
        keep(folder.path(), 20 * round..20 * round + 20, 50_000);
        // Asked for in each round, these are never the least recently used.
        assert_eq!(found(folder.path(), 0..3, 50_000), 3, "round {round}");
        let size = fs::metadata(file(folder.path())).unwrap().len();
        assert!(size <= LIMIT + LIMIT / 16, "{size} bytes");
    }
    assert_eq!(found(folder.path(), 140..160, 50_000), 20);
    assert_eq!(found(folder.path(), 3..40, 50_000), 0);
    // A smaller bound gives space back.
    let smaller = Cache::with_limit(folder.path(), LIMIT / 4).unwrap();
    block_on(smaller.put(key(1000), value(1000, 1000)));
    drop(smaller);
    assert!(fs::metadata(file(folder.path())).unwrap().len() <= LIMIT / 4);
    assert_eq!(found(folder.path(), 1000..1001, 1000), 1);
}

#[test]
fn an_entry_that_would_drive_out_most_others_is_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), 0..1, LIMIT as usize / 4);
    assert_eq!(found(folder.path(), 0..1, LIMIT as usize / 4), 0);
}

/// What may lie where the database should be.
fn damages(whole: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let flipped = |positions: &mut dyn Iterator<Item = usize>| {
        let mut bytes = whole.to_vec();
        positions.for_each(|i| bytes[i] ^= 0x55);
        bytes
    };
    let foreign = {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        let database = rusqlite::Connection::open(&path).unwrap();
        database.execute_batch("CREATE TABLE kept (key, value); INSERT INTO kept VALUES ('a', 'b')").unwrap();
        drop(database);
        fs::read(path).unwrap()
    };
    vec![
        ("empty", Vec::new()),
        ("text", b"this is no database, but notes of somebody else\n".repeat(100)),
        ("foreign database", foreign),
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("cut in a page", whole[..5000].to_vec()),
        ("only a header", whole[..100].to_vec()),
        ("first page", flipped(&mut (0..4096))),
        ("magic", flipped(&mut (0..16))),
        ("every 997th byte", flipped(&mut (0..whole.len()).step_by(997))),
        ("every page's head", flipped(&mut (4096..whole.len()).step_by(4096))),
        ("zeros", vec![0; whole.len()]),
        ("older format", {
            let mut bytes = whole.to_vec();
            bytes[60..64].copy_from_slice(&(FORMAT_OF_FILE + 1).to_be_bytes());
            bytes
        }),
    ]
}

/// As it stands in the file's header.
const FORMAT_OF_FILE: u32 = 1;

#[test]
fn a_damaged_or_foreign_file_is_a_miss_and_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    keep(folder.path(), 0..40, 9000);
    let whole = fs::read(file(folder.path())).unwrap();
    for (name, bytes) in damages(&whole) {
        fs::write(file(folder.path()), bytes).unwrap();
        let _ = found(folder.path(), 0..40, 9000);
        keep(folder.path(), 0..40, 9000);
        // What the first of these runs into may take a second one.
        keep(folder.path(), 0..40, 9000);
        assert_eq!(found(folder.path(), 0..40, 9000), 40, "after {name}");
    }
}

#[test]
fn a_folder_in_the_files_place_is_a_miss() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(file(folder.path())).unwrap();
    keep(folder.path(), 0..3, 100);
    assert_eq!(found(folder.path(), 0..3, 100), 0);
    assert!(file(folder.path()).is_dir());
}

#[test]
fn a_folder_that_cannot_be_written_is_a_miss() {
    // Not even root makes files here.
    keep(Path::new("/proc"), 0..3, 100);
    assert_eq!(found(Path::new("/proc"), 0..3, 100), 0);
}

#[test]
fn many_may_make_the_file_at_once() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let folder = folder.path();
                scope.spawn(move || keep(folder, worker..worker + 1, 1000));
            }
        });
        assert_eq!(found(folder.path(), 0..8, 1000), 8);
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let occupied = tempfile::NamedTempFile::new().unwrap();
    for folder in [occupied.path().to_owned(), occupied.path().join("below"), "/proc/nowhere/x".into()] {
        let text = Cache::open(&folder).unwrap_err().to_string();
        assert!(text.starts_with(&format!("disk_cache {}: ", folder.display())), "{text}");
    }
}

#[test]
fn the_bound_is_a_number() {
    assert_eq!(limit(None).unwrap(), DEFAULT_LIMIT);
    assert_eq!((limit(Some(" 5000000 ")).unwrap(), limit(Some("")).unwrap()), (5_000_000, DEFAULT_LIMIT));
    assert!(limit(Some("1 GB")).unwrap_err().to_string().contains("BESTPIXEL_CACHE_BYTES"));
}

#[test]
fn many_writers_and_readers_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let folder = folder.path();
            scope.spawn(move || {
                for round in 0..4 {
                    keep(folder, 10 * worker + round..10 * worker + round + 2, 20_000);
                    found(folder, 0..80, 20_000);
                }
            });
        }
    });
    assert_eq!((0..8).map(|worker| found(folder.path(), 10 * worker..10 * worker + 5, 20_000)).sum::<usize>(), 40);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn no_flipped_byte_gives_a_wrong_answer(places in prop::collection::vec((0.0..1.0, 1u8..), 1..20), cut in 0.0..2.0) {
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path(), 0..30, 3000);
        let mut bytes = fs::read(file(folder.path())).unwrap();
        let length = bytes.len() as f64;
        places.into_iter().for_each(|(place, mask)| bytes[(place * length) as usize] ^= mask);
        bytes.truncate((cut * length) as usize);
        fs::write(file(folder.path()), bytes).unwrap();
        found(folder.path(), 0..30, 3000);
        keep(folder.path(), 30..60, 3000);
        found(folder.path(), 0..60, 3000);
    }
}
