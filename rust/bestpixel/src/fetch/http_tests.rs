//! HTTP sources against a server that misbehaves on demand: what arrives, with how many requests, and what is said.

use super::{ByteSource, Error, Fault, Fetcher, Options, Signer, conformance};
use bestpixel_origin::{Behaviour, Kind, Origin, Rule};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A served file and a fetcher with little patience.
struct Scene {
    folder: tempfile::TempDir,
    content: Vec<u8>,
    origin: Origin,
    fetcher: Fetcher,
}

fn options() -> Options {
    Options { back_off: Duration::from_millis(20), read_timeout: Duration::from_millis(300), ..Options::default() }
}

async fn scene(behaviour: Behaviour) -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let content = conformance::content();
    std::fs::write(folder.path().join("a.tif"), &content).unwrap();
    let origin = Origin::start(folder.path(), 0, behaviour).await.unwrap();
    Scene { folder, content, origin, fetcher: Fetcher::new(options()) }
}

impl Scene {
    fn source(&self) -> Arc<dyn ByteSource> {
        self.fetcher.open(&self.origin.url("a.tif?sig=SECRET")).unwrap()
    }

    fn requests(&self) -> u64 {
        self.origin.stats().total()
    }
}

fn fault(error: Error) -> (u32, Fault) {
    match error {
        Error::Read { attempts, source, .. } => (attempts, source),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn conforms() {
    let scene = scene(Behaviour::default()).await;
    conformance::check(&*scene.source(), &scene.content, || scene.requests()).await;
    let stats = scene.origin.stats();
    assert!(stats.requests.keys().all(|key| key.starts_with("GET ")), "{:?}", stats.requests);
}

#[tokio::test]
async fn a_server_without_ranges_conforms_while_the_file_is_small() {
    let scene = scene(Behaviour::with(Rule::always(Kind::Whole))).await;
    conformance::check(&*scene.source(), &scene.content, || scene.requests()).await;
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let scene = scene(Behaviour::default()).await;
    let source = scene.source();
    for start in 0..20 {
        source.read(start..start + 10).await.unwrap();
    }
    assert_eq!((scene.requests(), scene.origin.stats().connections), (20, 1));
    assert_eq!(scene.fetcher.meter().totals(), (20, 200));
}

#[tokio::test]
async fn every_fault_that_may_pass_is_outlived() {
    for kind in [
        Kind::TooManyRequests,
        Kind::Unavailable,
        Kind::Reset,
        Kind::Truncate,
        Kind::Whole,
        Kind::Stall,
        Kind::OtherEtag,
        Kind::WrongRange,
    ] {
        let scene = scene(Behaviour::with(Rule::first(kind, 2))).await;
        let source = scene.source();
        for range in [0..1000, 1000..70_000, 50..60] {
            let bytes = source.read(range.clone()).await.unwrap();
            assert_eq!(bytes, scene.content[range.start as usize..range.end as usize], "{kind:?}");
        }
        assert!(scene.requests() <= 7, "{kind:?}: {}", scene.requests());
    }
}

#[tokio::test]
async fn five_attempts_are_enough() {
    for kind in [Kind::TooManyRequests, Kind::Unavailable, Kind::Reset, Kind::Truncate, Kind::Stall, Kind::WrongRange] {
        let scene = scene(Behaviour::with(Rule::always(kind))).await;
        let error = scene.source().read(0..1000).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("SECRET"), "{text}");
        assert!(text.contains("/a.tif: bytes 0-999 could not be read in 5 attempts"), "{text}");
        assert_eq!((fault(error).0, scene.requests()), (5, 5), "{kind:?}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_asked_for_once() {
    for (kind, expected) in [(Kind::Expired, 403), (Kind::Unsigned, 409)] {
        let scene = scene(Behaviour::with(Rule::always(kind))).await;
        let source = scene.fetcher.open(&scene.origin.url("a.tif")).unwrap();
        let (attempts, fault) = fault(source.read(0..10).await.unwrap_err());
        assert!(matches!(fault, Fault::Status { status, .. } if status == expected), "{fault:?}");
        assert_eq!((attempts, scene.requests()), (1, 1));
    }
    let scene = scene(Behaviour::default()).await;
    let source = scene.fetcher.open(&scene.origin.url("b.tif")).unwrap();
    assert!(matches!(fault(source.read(0..10).await.unwrap_err()), (1, Fault::Status { status: 404, .. })));
}

#[tokio::test]
async fn retry_after_is_obeyed_and_holds_no_permit() {
    let rule = Rule { retry_after: Some(1), prefix: "/a.tif".to_owned(), ..Rule::first(Kind::TooManyRequests, 1) };
    let scene = scene(Behaviour::with(rule)).await;
    std::fs::write(scene.folder.path().join("b.tif"), b"0123456789").unwrap();
    let fetcher = Fetcher::new(Options { concurrency: 1, ..options() });
    let started = Instant::now();
    let refused = fetcher.open(&scene.origin.url("a.tif")).unwrap();
    let other = fetcher.open(&scene.origin.url("b.tif")).unwrap();
    let waits = async {
        refused.read(0..10).await.unwrap();
        started.elapsed()
    };
    let passes = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        other.read(0..10).await.unwrap();
        started.elapsed()
    };
    let (waited, passed) = tokio::join!(waits, passes);
    assert!(waited >= Duration::from_secs(1) && passed < Duration::from_millis(900), "{waited:?} {passed:?}");
}

#[tokio::test]
async fn a_replaced_file_is_never_mixed_with_its_successor() {
    let scene = scene(Behaviour::default()).await;
    let source = scene.source();
    source.read(0..1000).await.unwrap();
    let successor: Vec<u8> = scene.content.iter().map(|byte| !byte).collect();
    std::fs::write(scene.folder.path().join("a.tif"), &successor).unwrap();
    let (attempts, fault) = fault(source.read(1000..2000).await.unwrap_err());
    assert!(matches!(fault, Fault::Changed), "{fault:?}");
    assert_eq!(attempts, 5);
}

#[tokio::test]
async fn a_server_that_gives_the_same_file_another_etag_is_followed() {
    let scene = scene(Behaviour::with(Rule::first(Kind::OtherEtag, 1))).await;
    let source = scene.source();
    source.read(0..1000).await.unwrap();
    // Two refusals of the right ETag, the first range once more, and then it is right.
    assert_eq!(source.read(1000..2000).await.unwrap(), scene.content[1000..2000]);
    assert_eq!(scene.requests(), 5);
    assert_eq!(source.read(2000..3000).await.unwrap(), scene.content[2000..3000]);
    assert_eq!(scene.requests(), 6);
}

#[tokio::test]
async fn dropping_a_read_ends_its_request() {
    let scene = scene(Behaviour { delay_ms: 100, ..Behaviour::default() }).await;
    let fetcher = Fetcher::new(Options { concurrency: 1, ..options() });
    let source = fetcher.open(&scene.origin.url("a.tif")).unwrap();
    for _ in 0..5 {
        assert!(tokio::time::timeout(Duration::from_millis(10), source.read(0..10)).await.is_err());
    }
    // Its permit has come back: the next read does not wait for five delays.
    let started = Instant::now();
    source.read(0..10).await.unwrap();
    assert!(started.elapsed() < Duration::from_millis(400), "{:?}", started.elapsed());
}

/// A server that sends these bytes to whoever connects, and then what `more` gives.
fn raw_server(head: &'static str, mut more: impl FnMut(&mut std::net::TcpStream) + Send + 'static) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.tif?sig=SECRET", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(head.as_bytes());
            more(&mut stream);
        }
    });
    url
}

#[tokio::test]
async fn a_large_file_without_ranges_is_refused_unread() {
    let url = raw_server("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", |_| {});
    let fetcher = Fetcher::new(options());
    let (_, fault) = fault(fetcher.open(&url).unwrap().read(0..10).await.unwrap_err());
    assert!(matches!(fault, Fault::IgnoresRange { size: Some(1_000_000_000_000) }), "{fault:?}");
    assert_eq!(fetcher.meter().totals(), (5, 0));
}

#[tokio::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let url = raw_server(head, |stream| while stream.write_all(&[0; 8192]).is_ok() {});
    let fetcher = Fetcher::new(Options { read_timeout: Duration::from_secs(20), ..options() });
    let (_, fault) = fault(fetcher.open(&url).unwrap().read(0..10).await.unwrap_err());
    assert!(matches!(fault, Fault::WrongRange { .. }), "{fault:?}");
    assert!(fetcher.meter().totals().1 < 5 * 17 * (1 << 20));
}

#[tokio::test]
async fn a_dripping_body_is_given_up() {
    let head = "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-999/1000\r\nContent-Length: 1000\r\n\r\n";
    let url = raw_server(head, |stream| {
        while stream.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let fetcher = Fetcher::new(Options { budget: Duration::from_millis(100), ..options() });
    let (attempts, fault) = fault(fetcher.open(&url).unwrap().read(0..1000).await.unwrap_err());
    assert!(matches!(fault, Fault::Stalled { received: 1.., .. }), "{fault:?}");
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn nobody_at_home_is_a_transport_fault_without_secrets() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a.tif?sig=SECRET", listener.local_addr().unwrap());
    drop(listener);
    let error = Fetcher::new(options()).open(&url).unwrap().read(0..10).await.unwrap_err();
    assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    assert!(matches!(fault(error), (5, Fault::Transport(_))));
}

#[tokio::test]
async fn a_throttled_host_gets_fewer_requests_at_once() {
    let rule = Rule { rate: 0.3, ..Rule::always(Kind::Unavailable) };
    let scene = scene(Behaviour { delay_ms: 2, seed: 3, ..Behaviour::with(rule) }).await;
    let source = scene.source();
    let reads = (0..200).map(|n| source.read(n * 100..n * 100 + 100));
    let read = futures_util::future::join_all(reads).await;
    let failed = read.iter().filter(|bytes| bytes.is_err()).count();
    // 0.3 to the fifth power is one in four hundred.
    assert!(failed <= 4, "{failed}");
    assert!(scene.origin.stats().connections <= 192);
}

/// Signs by a number, which a refusal makes larger.
#[derive(Debug, Default)]
struct Numbers {
    now: AtomicU32,
    refusals: AtomicU32,
}

impl Signer for Numbers {
    fn sign<'a>(&'a self, url: &'a url::Url) -> BoxFuture<'a, Result<url::Url, Fault>> {
        let mut signed = url.clone();
        signed.set_query(Some(&format!("sig={}", self.now.load(Ordering::SeqCst))));
        async move {
            let is_at_end = signed.query() == Some("sig=3");
            let reason = "there are no more numbers".to_owned();
            if is_at_end { Err(Fault::Signature { reason }) } else { Ok(signed) }
        }
        .boxed()
    }

    fn refused<'a>(&'a self, _: &'a url::Url) -> BoxFuture<'a, bool> {
        self.refusals.fetch_add(1, Ordering::SeqCst);
        self.now.fetch_add(1, Ordering::SeqCst);
        async { true }.boxed()
    }
}

fn signed(scene: &Scene) -> (Arc<Numbers>, Arc<dyn ByteSource>) {
    let numbers = Arc::new(Numbers::default());
    let fetcher = Fetcher::new(options()).with_signer(Some(numbers.clone()));
    let source = fetcher.open(&scene.origin.url("a.tif")).unwrap();
    (numbers, source)
}

#[tokio::test]
async fn what_is_signed_is_served() {
    let scene = scene(Behaviour::with(Rule::always(Kind::Unsigned))).await;
    let (numbers, source) = signed(&scene);
    conformance::check(&*source, &scene.content, || scene.requests()).await;
    assert_eq!(numbers.refusals.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_refused_signature_is_renewed_once() {
    let once = scene(Behaviour::with(Rule::first(Kind::Expired, 1))).await;
    let (numbers, source) = signed(&once);
    assert_eq!(source.read(0..10).await.unwrap(), once.content[..10]);
    assert_eq!((once.requests(), numbers.refusals.load(Ordering::SeqCst)), (2, 1));

    let always = scene(Behaviour::with(Rule::always(Kind::Expired))).await;
    let (numbers, source) = signed(&always);
    let error = source.read(0..10).await.unwrap_err();
    assert!(!error.to_string().contains("sig="), "{error}");
    let (attempts, refused) = fault(error);
    assert!(matches!(refused, Fault::Status { status: 403, .. }), "{refused:?}");
    assert_eq!((attempts, always.requests(), numbers.refusals.load(Ordering::SeqCst)), (1, 2, 1));
}

#[tokio::test]
async fn without_a_signature_nothing_is_asked() {
    let scene = scene(Behaviour::default()).await;
    let (numbers, source) = signed(&scene);
    numbers.now.store(3, Ordering::SeqCst);
    let (attempts, missing) = fault(source.read(0..10).await.unwrap_err());
    assert_eq!(missing.to_string(), "no signature can be had: there are no more numbers");
    assert_eq!((attempts, scene.requests()), (1, 0));
}
