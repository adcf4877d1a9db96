//! Sources with a cache before a server that is counted: what is asked for again, and what a changed file does.

use super::*;
use crate::fetch::{Error, Fault, Fetcher, Options};
use bestpixel_origin::{Behaviour, Kind, Origin, Rule};

struct Scene {
    folder: tempfile::TempDir,
    origin: Origin,
    kept: tempfile::TempDir,
}

fn content(seed: u8) -> Vec<u8> {
    (0..400_000u32).map(|i| (i / 251) as u8 ^ i as u8 ^ seed).collect()
}

async fn scene(behaviour: Behaviour) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.tif"), content(0)).unwrap();
    let origin = Origin::start(folder.path(), 0, behaviour).await.unwrap();
    Scene { folder, origin, kept: tempfile::tempdir().unwrap() }
}

const HEADER: Range<u64> = 0..1000;
const TILES: [Range<u64>; 3] = [5000..6000, 6000..7000, 300_000..301_000];

impl Scene {
    /// Opens as a new process would, with a token of its own.
    fn open(&self, keep: Keep, token: &str) -> (CachedSource, Arc<Cache>) {
        let cache = Cache::with_limit(self.kept.path(), 1 << 26).unwrap();
        let href = self.origin.url(&format!("a.tif?sig={token}"));
        let options = Options { back_off: Duration::from_millis(10), ..Options::default() };
        let inner = Fetcher::new(options).open(&href).unwrap();
        (CachedSource::new(inner, cache.clone(), super::super::identity(&href).unwrap(), keep), cache)
    }

    /// Reads header and tiles; gives them, and how many requests that took.
    async fn read(&self, keep: Keep, token: &str) -> (Vec<u8>, u64) {
        let before = self.origin.stats().total();
        let (source, _cache) = self.open(keep, token);
        let mut all = source.read(HEADER).await.unwrap().to_vec();
        let mut tiles = vec![Vec::new(); TILES.len()];
        for (members, parts) in source.read_ranges(&TILES).await {
            members.into_iter().zip(parts.unwrap()).for_each(|(member, bytes)| tiles[member] = bytes.to_vec());
        }
        all.extend(tiles.concat());
        (all, self.origin.stats().total() - before)
    }

    fn expected(seed: u8) -> Vec<u8> {
        let content = content(seed);
        let part = |range: &Range<u64>| content[range.start as usize..range.end as usize].to_vec();
        std::iter::once(&HEADER).chain(&TILES).flat_map(part).collect()
    }

    /// Another file in its place, of the same size.
    fn replace(&self) {
        std::fs::write(self.folder.path().join("a.tif"), content(1)).unwrap();
    }

    fn database(&self) -> Vec<u8> {
        std::fs::read(self.kept.path().join("bestpixel-cache.sqlite3")).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_once_is_not_asked_for_again_by_whatever_token() {
    for (keep, warm) in [(Keep::Everything, 0), (Keep::Header, 2)] {
        let scene = scene(Behaviour::default()).await;
        assert_eq!(scene.read(keep, "SECRET1").await, (Scene::expected(0), 3));
        assert_eq!(scene.read(keep, "SECRET2").await, (Scene::expected(0), warm));
        assert!(!scene.database().windows(6).any(|bytes| bytes == b"SECRET"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_has_changed_is_noticed_by_the_first_answer_and_read_anew_once_forgotten() {
    let scene = scene(Behaviour::default()).await;
    scene.read(Keep::Header, "a").await;
    scene.replace();
    {
        let (source, cache) = scene.open(Keep::Header, "a");
        assert_eq!(source.read(HEADER).await.unwrap(), content(0)[..1000]);
        for (_, bytes) in source.read_ranges(&TILES).await {
            assert!(matches!(bytes, Err(Error::Read { source: Fault::Changed, .. })), "{bytes:?}");
        }
        cache.forget(CachedSource::prefix(&super::super::identity(&scene.origin.url("a.tif")).unwrap()));
    }
    assert_eq!(scene.read(Keep::Header, "a").await, (Scene::expected(1), 3));
    assert_eq!(scene.read(Keep::Header, "a").await, (Scene::expected(1), 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_believed_for_a_day_and_then_asked_for() {
    let scene = scene(Behaviour::default()).await;
    scene.read(Keep::Everything, "a").await;
    let age = |seconds: u64| {
        // As if the clock had gone on: ages stand under a checksum, so entries are written anew.
        let cache = Cache::with_limit(scene.kept.path(), 1 << 26).unwrap();
        let prefix = CachedSource::prefix(&super::super::identity(&scene.origin.url("a.tif")).unwrap());
        (cache, format!("{prefix}version"), std::time::SystemTime::now() - Duration::from_secs(seconds))
    };
    for (seconds, requests) in [(23 * 3600, 0), (25 * 3600, 1)] {
        let (cache, key, made) = age(seconds);
        let value = cache.get(vec![key.clone()]).await.pop().unwrap().unwrap().value;
        cache.put_as_of(key, value, made).await;
        drop(cache);
        // One request confirms the version, and with it all that is kept of it.
        assert_eq!(scene.read(Keep::Everything, "a").await, (Scene::expected(0), requests), "{seconds} s");
    }
    assert_eq!(scene.read(Keep::Everything, "a").await.1, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_different_versions_are_not_put_together() {
    let scene = scene(Behaviour::with(Rule::always(Kind::OtherEtag))).await;
    // Every answer has an ETag of its own.
    for _ in 0..2 {
        let (source, _cache) = scene.open(Keep::Everything, "a");
        source.read(HEADER).await.unwrap();
        assert!(source.read_ranges(&TILES).await.iter().all(|(_, bytes)| bytes.is_err()));
    }
}
