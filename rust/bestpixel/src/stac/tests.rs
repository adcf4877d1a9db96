//! The client against servers that answer as the real ones do: recorded pages, `next` links of every kind, throttling.

use super::{ApiClient, Error, Found, Interval, Item, Search, find_items};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server has been asked: method, path with query, headers in lower case, body.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    path: String,
    head: String,
    body: Value,
}

/// An answer: status, further header lines, body. `{root}` in the body stands for the server's own address.
type Reply = (u16, &'static str, String);

/// A server that gives its replies one after the other, the last one for ever.
struct Server {
    root: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, own_root) = (asked.clone(), root.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                let index = log.lock().unwrap().len().min(replies.len() - 1);
                log.lock().unwrap().push(request);
                let (status, headers, body) = &replies[index];
                let body = body.replace("{root}", &own_root);
                let length = body.len();
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self { root, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    async fn find(&self, searches: &[Search]) -> super::Result<Found> {
        find_items(&ApiClient::default(), &self.root, searches).await
    }
}

async fn read_request(stream: &mut TcpStream) -> Asked {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            let mut words = text.split(' ');
            let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let body = serde_json::from_str(body).unwrap_or(Value::Null);
            return Asked { method: method.to_owned(), path: path.to_owned(), head, body };
        }
    }
}

fn search() -> Search {
    Search {
        collections: vec!["c".to_owned()],
        bbox: [1.0, 2.0, 3.0, 4.0],
        interval: Interval::parse("2024-07").unwrap(),
        max_cloud_cover: Some(50.0),
        page_size: 2,
    }
}

fn item(id: &str) -> Value {
    json!({"type": "Feature", "id": id, "collection": "c", "properties": {"datetime": null}, "assets": {}})
}

fn page(items: &[Value], next: Option<Value>) -> Reply {
    (200, "", json!({"type": "FeatureCollection", "features": items, "links": Vec::from_iter(next)}).to_string())
}

fn ids(found: &Found) -> Vec<&str> {
    found.items.iter().map(|item| item.id.as_str()).collect()
}

#[tokio::test]
async fn next_by_post_with_the_whole_body_alone_or_merged() {
    let alone = json!({"rel": "next", "method": "POST", "href": "{root}/search", "body": {"token": "t1"}});
    let merged = json!({"rel": "next", "method": "post", "href": "{root}/search", "merge": true, "body": {"next": "t2"},
        "headers": {"X-Page": "3"}});
    let server = Server::start(vec![
        page(&[item("a")], Some(alone)),
        page(&[item("b")], Some(merged)),
        page(&[item("c"), item("b")], None),
    ])
    .await;
    let found = server.find(&[search()]).await.unwrap();
    assert_eq!(ids(&found), ["a", "b", "c"]);
    let asked = server.asked();
    assert_eq!(
        asked.iter().map(|a| (a.method.as_str(), a.path.as_str())).collect::<Vec<_>>(),
        [("POST", "/search"); 3]
    );
    assert_eq!(asked[1].body, json!({"token": "t1"}));
    assert_eq!((&asked[2].body["next"], &asked[2].body["collections"]), (&json!("t2"), &json!(["c"])));
    assert_eq!(asked[2].body["query"], json!({"eo:cloud_cover": {"lte": 50.0}}));
    assert!(asked[2].head.contains("x-page: 3") && asked[2].body.get("token").is_none());
}

#[tokio::test]
async fn next_by_get_also_relative() {
    let next = json!({"rel": "next", "href": "collections/c/items?token=next:c:a"});
    let server = Server::start(vec![page(&[item("a")], Some(next)), page(&[item("b")], None)]).await;
    assert_eq!(ids(&server.find(&[search()]).await.unwrap()), ["a", "b"]);
    let asked = &server.asked()[1];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/collections/c/items?token=next:c:a"));
}

#[tokio::test]
async fn a_circle_of_pages_ends() {
    let next = json!({"rel": "next", "method": "POST", "href": "{root}/search", "body": {"token": "same"}});
    let server = Server::start(vec![page(&[item("a")], Some(next))]).await;
    let error = server.find(&[search()]).await.unwrap_err();
    assert!(matches!(error, Error::Loop { pages: 2, .. }), "{error}");
}

#[tokio::test]
async fn two_searches_give_an_item_once() {
    let server = Server::start(vec![page(&[item("a"), item("b")], None), page(&[item("b"), item("c")], None)]).await;
    let halves = [
        Search { bbox: [179.0, 0.0, 180.0, 1.0], ..search() },
        Search { bbox: [-180.0, 0.0, -179.0, 1.0], ..search() },
    ];
    assert_eq!(ids(&server.find(&halves).await.unwrap()), ["a", "b", "c"]);
    assert_eq!(server.asked()[1].body["bbox"], json!([-180.0, 0.0, -179.0, 1.0]));
}

#[tokio::test]
async fn what_is_no_item_is_named_and_the_rest_is_kept() {
    let broken = json!({"type": "Feature", "id": "bad", "assets": {"red": {"type": "image/tiff"}}});
    let server = Server::start(vec![page(&[item("a"), broken, json!(7)], None)]).await;
    let found = server.find(&[search()]).await.unwrap();
    assert_eq!(ids(&found), ["a"]);
    assert_eq!(found.broken[0].0, "bad");
    assert!(found.broken[0].1.contains("href"), "{:?}", found.broken);
    assert_eq!(found.broken.len(), 2);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let replies = vec![
        (429, "Retry-After: 1\r\n", "slow down".to_owned()),
        (403, "", r#"{"message":"Forbidden"}"#.to_owned()),
        (502, "", String::new()),
        page(&[item("a")], None),
    ];
    let server = Server::start(replies).await;
    let started = std::time::Instant::now();
    assert_eq!(ids(&server.find(&[search()]).await.unwrap()), ["a"]);
    assert!(started.elapsed().as_secs_f64() >= 1.0);
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_refusal_says_what_the_server_says_and_is_not_repeated() {
    let reply = (422, "", r#"{"code":"RequestValidationError","description":"collections is required"}"#.to_owned());
    let server = Server::start(vec![reply]).await;
    let root = format!("{}/v1?key=secret", server.root);
    let error = find_items(&ApiClient::default(), &root, &[search()]).await.unwrap_err().to_string();
    assert!(error.contains("422") && error.contains("collections is required"), "{error}");
    assert!(!error.contains("secret"), "{error}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn what_is_no_page_is_an_error() {
    for body in ["[]", "{\"type\":\"Catalog\"}", "<html>"] {
        let server = Server::start(vec![(200, "", body.to_owned())]).await;
        let error = server.find(&[search()]).await.unwrap_err();
        assert!(matches!(error, Error::NotItems { .. } | Error::Json { .. }), "{error}");
    }
}

/// The recorded exchanges of both servers, None where they are absent.
fn recorded(name: &str) -> Option<Value> {
    let shared = PathBuf::from("../../../shared/data");
    let data = std::env::var_os("BESTPIXEL_TEST_DATA").map_or(shared, PathBuf::from);
    let Ok(text) = std::fs::read_to_string(data.join("stac/searches").join(name)) else {
        eprintln!("skipped: real data are not here");
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// A recorded answer, with its links leading to the server that replays it.
fn replay(exchange: &Value) -> Reply {
    let text = exchange["response"].to_string();
    let hosts = ["https://earth-search.aws.element84.com/v1", "https://planetarycomputer.microsoft.com/api/stac/v1"];
    (200, "", hosts.iter().fold(text, |text, host| text.replace(&format!("{host}/search"), "{root}/search")))
}

#[tokio::test]
async fn recorded_pages_of_element84() {
    let (Some(first), Some(second)) =
        (recorded("earth-search-filter-page-1.json"), recorded("earth-search-filter-page-2.json"))
    else {
        return;
    };
    let server = Server::start(vec![replay(&first), replay(&second), page(&[], None)]).await;
    let found = server.find(&[search()]).await.unwrap();
    assert_eq!((found.items.len(), found.broken.len()), (20, 0));
    let sent: Value = serde_json::from_str(second["request_body"].as_str().unwrap()).unwrap();
    assert_eq!(server.asked()[1].body, sent);
}

#[tokio::test]
async fn recorded_pages_of_the_planetary_computer() {
    let (Some(first), Some(last)) = (
        recorded("planetary-computer-intersects-page.json"),
        recorded("planetary-computer-sentinel-2-l2a-33-items.json"),
    ) else {
        return;
    };
    let server = Server::start(vec![replay(&first), replay(&last)]).await;
    let found = server.find(&[search()]).await.unwrap();
    assert_eq!((found.items.len(), found.broken.len()), (283, 0));
    assert_eq!(server.asked()[1].body["token"], "next:landsat-8-c2-l2:LC08_L2SP_198022_20190307_02_T2");
}

#[test]
fn crs_hints_of_every_form() {
    let hint = |properties: Value| {
        let item: Item = serde_json::from_value(json!({"id": "a", "properties": properties})).unwrap();
        item.epsg()
    };
    assert_eq!(hint(json!({"proj:epsg": 32633})), Some(32633));
    assert_eq!(hint(json!({"proj:code": "EPSG:32613"})), Some(32613));
    for none in [json!({"proj:epsg": null}), json!({"proj:code": "EPSG:None"}), json!({"proj:code": null}), json!({})] {
        assert_eq!(hint(none), None);
    }
}
