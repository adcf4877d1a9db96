//! A request to a JSON service goes in, its answer as JSON comes out: with retries, bounds, and the server's own words
//! where it refuses.

use super::{Error, Result};
use crate::fetch::build_client;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{ClientBuilder, Method, Response, StatusCode, redirect};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use url::Url;

/// A request is made at most this often.
const MAX_ATTEMPTS: u32 = 5;

/// The first wait before asking again; it doubles, with full jitter.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// A server that wants to be left alone for longer is not waited for.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// No answer may be larger. Pages of 250 items have 5 MB.
const MAX_ANSWER: usize = 128 << 20;

/// So much of what a server says of its refusal is repeated.
const MAX_WORDS: usize = 300;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// GET or POST.
    pub method: Method,
    /// Where to.
    pub url: Url,
    /// Headers besides the usual.
    pub headers: HeaderMap,
    /// What a POST sends.
    pub body: Option<Value>,
}

impl Call {
    /// A GET without further headers.
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: None }
    }

    /// A POST of JSON without further headers.
    pub fn post(url: Url, body: Value) -> Self {
        Self { method: Method::POST, url, headers: HeaderMap::new(), body: Some(body) }
    }
}

/// An answer and what the server's clock showed.
#[derive(Debug)]
pub struct Answer {
    /// The body.
    pub json: Value,
    /// The header `Date`, as the server has written it.
    pub date: Option<String>,
}

/// Asks JSON services.
#[derive(Debug, Default)]
pub struct ApiClient {
    /// Made for the first request: a machine without CA roots can still use local catalogues.
    client: Mutex<Option<reqwest::Client>>,
}

impl ApiClient {
    fn client(&self) -> Result<reqwest::Client> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made = build_client(builder).map_err(|source| Error::Client { source })?;
        Ok(client.insert(made).clone())
    }

    /// Asks until there is an answer, or a refusal that will not pass.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's words, [`Error::Transport`], [`Error::Json`], [`Error::Client`].
    pub async fn call(&self, call: &Call) -> Result<Answer> {
        let client = self.client()?;
        let mut attempt = 1;
        loop {
            log::debug!("{} {}", call.method, crate::fetch::redact(call.url.as_str()));
            let (error, retry_after) = match ask(&client, call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let Some(wait) = wait_after(&error, retry_after, attempt) else { return Err(error) };
            log::debug!("attempt {attempt}: {error}; again in {wait:.1?}");
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

fn builder() -> ClientBuilder {
    // A redirect to another host would carry headers (a subscription key) along.
    let same_origin = redirect::Policy::custom(|attempt| {
        let is_same = attempt.previous().last().is_some_and(|last| last.origin() == attempt.url().origin());
        if is_same && attempt.previous().len() < 5 { attempt.follow() } else { attempt.stop() }
    });
    ClientBuilder::new()
        .connect_timeout(Duration::from_secs(10))
        .timeout(Duration::from_secs(120))
        .redirect(same_origin)
        .user_agent(concat!("bestpixel/", env!("CARGO_PKG_VERSION")))
}

/// One attempt; a failure comes with the seconds after which the server wants to be asked again.
async fn ask(client: &reqwest::Client, call: &Call) -> std::result::Result<Answer, (Error, Option<u64>)> {
    let url = crate::fetch::redact(call.url.as_str());
    let transport = |source: reqwest::Error| {
        let source = source.without_url();
        (Error::Transport { url: url.clone(), source }, None)
    };
    let mut request = client.request(call.method.clone(), call.url.clone()).headers(call.headers.clone());
    if let Some(body) = &call.body {
        request = request.header("Content-Type", "application/json").body(body.to_string());
    }
    let mut response = request.send().await.map_err(transport)?;
    let status = response.status();
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (date, retry_after) = (text(DATE), text(RETRY_AFTER).and_then(|seconds| seconds.parse().ok()));
    let body = read(&mut response).await.map_err(transport)?;
    if status != StatusCode::OK {
        return Err((Error::Refused { url, status: status.as_u16(), words: words(&body) }, retry_after));
    }
    let json = serde_json::from_slice(&body).map_err(|source| (Error::Json { path: url.clone(), source }, None))?;
    Ok(Answer { json, date })
}

/// The body, cut off where no answer is that long; what is cut off is no JSON any more.
async fn read(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            break;
        }
    }
    Ok(body)
}

/// What a server says of its refusal: the text in one of the usual places, else the body, in one line.
fn words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let json: Option<Value> = serde_json::from_str(&text).ok();
    let said = json.as_ref().and_then(|json| {
        let named = ["description", "detail", "message", "error"].iter().find_map(|name| json.get(*name));
        named.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    });
    let said = said.unwrap_or_else(|| text.into_owned());
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_WORDS).collect()
}

/// How long to wait before asking again, or None where that is of no use. Element84 throttles by 403 and the word
/// Forbidden (Element84/earth-search#19).
fn wait_after(error: &Error, retry_after: Option<u64>, attempt: u32) -> Option<Duration> {
    let may_pass = match error {
        Error::Refused { status: 403, words, .. } => words == "Forbidden",
        Error::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
        Error::Transport { source, .. } => !source.is_builder(),
        _ => false,
    };
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    // It need not be random in any stronger sense than that it differs between calls.
    let jitter = f64::from(nanos % 1000) / 1000.0;
    let back_off = (FIRST_WAIT * 2u32.pow(attempt - 1)).mul_f64(jitter);
    let wait = Duration::from_secs(retry_after.unwrap_or(0)).max(back_off);
    (may_pass && attempt < MAX_ATTEMPTS && wait <= MAX_WAIT).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, words: &str) -> Error {
        Error::Refused { url: String::new(), status, words: words.to_owned() }
    }

    #[test]
    fn only_what_may_pass_is_asked_for_again() {
        assert!(wait_after(&refused(502, ""), None, 1).is_some());
        assert!(wait_after(&refused(403, "Forbidden"), None, 1).is_some());
        assert!(wait_after(&refused(403, "no"), None, 1).is_none());
        assert!(wait_after(&refused(422, ""), None, 1).is_none());
        assert!(wait_after(&refused(503, ""), None, MAX_ATTEMPTS).is_none());
        assert!(wait_after(&refused(429, ""), Some(3), 1).unwrap() >= Duration::from_secs(3));
        assert!(wait_after(&refused(429, ""), Some(600), 1).is_none());
    }

    #[test]
    fn servers_say_why_in_many_places() {
        assert_eq!(words(br#"{"message":"Forbidden"}"#), "Forbidden");
        assert_eq!(words(br#"{"code":"X","description":"bad bbox"}"#), "bad bbox");
        assert_eq!(words(br#"{"detail":[{"loc":["x"]}]}"#), r#"[{"loc":["x"]}]"#);
        assert_eq!(
            words(b"The request exceeded\nthe maximum allowed time"),
            "The request exceeded the maximum allowed time"
        );
        assert_eq!(words(&[b'x'; 1000]).len(), MAX_WORDS);
    }
}
