//! A byte source and its content go in; every promise of the trait is checked, and its requests are counted.

use super::ByteSource;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use std::ops::Range;

/// What the source under test has to hold: long enough for many ranges, without repetition.
pub(crate) fn content() -> Vec<u8> {
    (0..50_000u32).flat_map(u32::to_be_bytes).collect()
}

/// Panics where the source breaks a promise. `requests` tells how many it has made so far.
pub(crate) async fn check(source: &dyn ByteSource, content: &[u8], requests: impl Fn() -> u64) {
    names_hold_no_secret(source);
    ranges_are_exact(source, content, &requests).await;
    the_end_is_no_error(source, content).await;
    nothing_asked_for_is_nothing_requested(source, content, &requests).await;
    many_may_read_at_once(source, content, &requests).await;
    a_dropped_read_leaves_the_source_usable(source, content).await;
}

async fn read(source: &dyn ByteSource, range: Range<u64>) -> Bytes {
    source.read(range).await.unwrap()
}

fn names_hold_no_secret(source: &dyn ByteSource) {
    assert!(!source.name().is_empty());
    assert!(!source.name().contains('?'));
}

async fn ranges_are_exact(source: &dyn ByteSource, content: &[u8], requests: &impl Fn() -> u64) {
    let size = content.len() as u64;
    for range in [0..1, 0..1000, 7..8, 12_345..77_777, size - 1..size, 0..size] {
        let before = requests();
        let bytes = read(source, range.clone()).await;
        assert_eq!(bytes, content[range.start as usize..range.end as usize], "{range:?}");
        assert_eq!(requests() - before, 1, "{range:?} is one request");
    }
}

async fn the_end_is_no_error(source: &dyn ByteSource, content: &[u8]) {
    let size = content.len() as u64;
    assert_eq!(read(source, size - 10..size + 10).await, content[content.len() - 10..]);
    assert_eq!(read(source, 5..u64::MAX).await, content[5..]);
    for beyond in [size..size + 1, size + 1000..size + 2000, u64::MAX - 1..u64::MAX] {
        assert!(read(source, beyond.clone()).await.is_empty(), "{beyond:?}");
    }
}

async fn nothing_asked_for_is_nothing_requested(source: &dyn ByteSource, content: &[u8], requests: &impl Fn() -> u64) {
    let before = requests();
    for empty in [0..0, 10..10, content.len() as u64 + 5..content.len() as u64 + 5] {
        assert!(read(source, empty).await.is_empty());
    }
    assert_eq!(requests(), before);
}

async fn many_may_read_at_once(source: &dyn ByteSource, content: &[u8], requests: &impl Fn() -> u64) {
    let before = requests();
    let ranges: Vec<Range<u64>> = (0..64).map(|n| n * 3000..n * 3000 + 5000).collect();
    let parts = join_all(ranges.iter().map(|range| source.read(range.clone()))).await;
    for (range, part) in ranges.iter().zip(parts) {
        assert_eq!(part.unwrap(), content[range.start as usize..range.end as usize]);
    }
    assert_eq!(requests() - before, 64);
}

async fn a_dropped_read_leaves_the_source_usable(source: &dyn ByteSource, content: &[u8]) {
    for _ in 0..20 {
        // Polled once, so that it is under way, and dropped.
        let _ = source.read(0..100_000).now_or_never();
    }
    assert_eq!(read(source, 10..20).await, content[10..20]);
}
