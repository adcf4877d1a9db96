//! URLs of Azure blob storage go in, the same URLs with a token of the Planetary Computer come out.
//!
//! Tokens belong to a storage account and a container, both told by the URL: the token of a collection would be for the
//! wrong container of MODIS (microsoft/PlanetaryComputer#295). They live for about 45 minutes, so a URL is signed just
//! before it is asked for, and anew where the server refuses a token that has run out early.

use super::{Endpoint, Signing};
use crate::fetch::{Fault, Signer, redact};
use crate::stac::{ApiClient, Call};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Mutex as AsyncMutex;
use url::Url;

/// Where tokens are given, unless `PC_SDK_SAS_URL` says otherwise; as the provider's own Python package has it.
const SAS_URL: &str = "https://planetarycomputer.microsoft.com/api/sas/v1/token";

/// Where the provider's own Python package keeps settings, below the home folder.
const SETTINGS: &str = ".planetarycomputer/settings.env";

/// The hosts of Azure blob storage: `{account}` comes before.
const BLOB_HOST: &str = ".blob.core.windows.net";

/// A token is renewed so long before it runs out, or at half its life where that is shorter.
const MARGIN: Duration = Duration::from_secs(60);

/// Readers that wait while a token is refused share the refusal for so long instead of asking one after the other.
const REFUSAL_LASTS: Duration = Duration::from_secs(5);

/// Account and container.
type Place = (String, String);

/// What is known of a place's token.
#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    Token {
        query: String,
        renew_at: Instant,
    },
    Refused {
        reason: String,
        until: Instant,
    },
}

/// Signs by the token service of the Planetary Computer.
pub struct PlanetaryComputer {
    sas_url: String,
    key: Option<String>,
    api: ApiClient,
    slots: Mutex<HashMap<Place, Arc<AsyncMutex<Slot>>>>,
}

impl PlanetaryComputer {
    /// A signer that asks `sas_url`, with a subscription key if there is one: it makes tokens live longer.
    pub fn new(sas_url: &str, key: Option<String>) -> Self {
        let root = sas_url.trim_end_matches('/');
        let sas_url = if root.ends_with("/token") { root.to_owned() } else { format!("{root}/token") };
        Self { sas_url, key, api: ApiClient::default(), slots: Mutex::default() }
    }

    /// The signer that an endpoint needs, if any, as `PC_SDK_SAS_URL` and `PC_SDK_SUBSCRIPTION_KEY` want it: environment
    /// variables, else lines of `~/.planetarycomputer/settings.env`.
    pub fn for_endpoint(endpoint: &Endpoint) -> Option<Arc<dyn Signer>> {
        let file = std::env::home_dir().and_then(|home| std::fs::read_to_string(home.join(SETTINGS)).ok());
        let file = file.unwrap_or_default();
        let wanted = |name| std::env::var(name).ok().filter(|value| !value.is_empty()).or_else(|| setting(&file, name));
        let sas_url = wanted("PC_SDK_SAS_URL");
        let key = wanted("PC_SDK_SUBSCRIPTION_KEY");
        match endpoint.signing() {
            Signing::None => None,
            Signing::PlanetaryComputer => Some(Arc::new(Self::new(sas_url.as_deref().unwrap_or(SAS_URL), key))),
        }
    }

    fn slot(&self, place: Place) -> Arc<AsyncMutex<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).entry(place).or_default().clone()
    }

    /// A place's token: what is kept, else a new one. Readers of the same place wait for one another here, so that a
    /// hundred of them make one request.
    async fn token(&self, place: Place) -> Result<String, String> {
        let slot = self.slot(place.clone());
        let mut slot = slot.lock().await;
        let now = Instant::now();
        match &*slot {
            Slot::Token { query, renew_at } if now < *renew_at => return Ok(query.clone()),
            Slot::Refused { reason, until } if now < *until => return Err(reason.clone()),
            _ => {}
        }
        let asked = self.ask(&place).await;
        *slot = match &asked {
            Ok((query, life)) => {
                let renew_at = Instant::now() + life.saturating_sub(MARGIN).max(*life / 2);
                Slot::Token { query: query.clone(), renew_at }
            }
            Err(reason) => Slot::Refused { reason: reason.clone(), until: Instant::now() + REFUSAL_LASTS },
        };
        asked.map(|(query, _)| query)
    }

    /// A new token and how long it lives. Reasons hold no word of the server's: it might repeat the key.
    async fn ask(&self, (account, container): &Place) -> Result<(String, Duration), String> {
        let text = format!("{}/{account}/{container}", self.sas_url);
        let url = Url::parse(&text).map_err(|error| format!("PC_SDK_SAS_URL is no URL: {error}"))?;
        let place = redact(url.as_str());
        let mut call = Call::get(url);
        if let Some(key) = &self.key {
            let value = HeaderValue::from_str(key).map_err(|_| "PC_SDK_SUBSCRIPTION_KEY is no header".to_owned())?;
            call.headers.insert(HeaderName::from_static("ocp-apim-subscription-key"), value);
        }
        let answer = self.api.call(&call).await.map_err(|error| match error {
            crate::stac::Error::Refused { status, .. } => format!("{place}: HTTP status {status}"),
            crate::stac::Error::Json { .. } => format!("{place}: the answer is no JSON"),
            other => other.to_string(),
        })?;
        let field = |name| answer.json.get(name).and_then(Value::as_str);
        let lacking = || format!("{place}: the answer holds no token with its expiry");
        let token = field("token").map(|token| token.trim_start_matches('?')).ok_or_else(lacking)?;
        let expiry: Timestamp = field("msft:expiry").ok_or_else(lacking)?.parse().map_err(|_| lacking())?;
        Ok((token.to_owned(), life(expiry, answer.date.as_deref())))
    }
}

/// A setting in lines of `NAME=value`, as a shell would read them; None where it is not there, or empty.
fn setting(lines: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        let line = line.trim();
        let (own, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let value = value.trim();
        let unquoted = ['"', '\''].iter().find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
        (own.trim() == name).then(|| unquoted.unwrap_or(value).to_owned())
    };
    // Of several the last one counts.
    lines.lines().filter_map(value).next_back().filter(|value| !value.is_empty())
}

/// How long a token lives, by the server's clock where it shows one: this machine's may be wrong. Never less than a
/// second, so that a clock that is wrong makes few requests, not one for each read.
fn life(expiry: Timestamp, date: Option<&str>) -> Duration {
    let served = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|zoned| zoned.timestamp());
    let left = expiry.duration_since(served.unwrap_or_else(Timestamp::now));
    Duration::try_from(left).unwrap_or_default().max(Duration::from_secs(1))
}

/// Account and container of a URL that must be signed; None for other hosts and for URLs that are signed already.
fn place(url: &Url) -> Option<Place> {
    let account = url.host_str()?.strip_suffix(BLOB_HOST).filter(|account| !account.is_empty())?;
    let container = url.path_segments()?.next().filter(|container| !container.is_empty())?;
    let is_signed = url.query_pairs().any(|(name, _)| name == "sig");
    (!is_signed).then(|| (account.to_owned(), container.to_owned()))
}

/// A URL with a token behind what query it has.
fn with_token(url: &Url, token: &str) -> Url {
    let mut signed = url.clone();
    let query = url.query().map_or_else(|| token.to_owned(), |query| format!("{query}&{token}"));
    signed.set_query(Some(&query));
    signed
}

impl Signer for PlanetaryComputer {
    fn sign<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Url, Fault>> {
        async move {
            let Some(place) = place(url) else { return Ok(url.clone()) };
            let refused = |reason| Fault::Signature { reason };
            Ok(with_token(url, &self.token(place).await.map_err(refused)?))
        }
        .boxed()
    }

    fn refused<'a>(&'a self, signed: &'a Url) -> BoxFuture<'a, bool> {
        async move {
            let mut bare = signed.clone();
            bare.set_query(None);
            let Some(place) = place(&bare) else { return false };
            let slot = self.slot(place);
            let mut slot = slot.lock().await;
            // Another reader may have renewed it meanwhile; a URL that came with a signature of its own is not ours.
            match &*slot {
                Slot::Token { query, .. } if signed.query().is_some_and(|own| own.ends_with(query.as_str())) => {
                    *slot = Slot::Empty;
                    true
                }
                Slot::Token { .. } => true,
                _ => false,
            }
        }
        .boxed()
    }
}

impl std::fmt::Debug for PlanetaryComputer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither key nor tokens.
        f.debug_struct("PlanetaryComputer").field("sas_url", &redact(&self.sas_url)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const HREF: &str = "https://acc.blob.core.windows.net/box/folder/a.tif";

    /// A token service: the n-th answer holds token n. Counts what it is asked, and keeps the last request.
    async fn service(life_s: i64, status: &'static str) -> (String, Arc<AtomicUsize>, Arc<Mutex<String>>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}/sas", listener.local_addr().unwrap());
        let (count, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let (counter, keeper) = (count.clone(), last.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap();
                *keeper.lock().unwrap() = String::from_utf8_lossy(&request[..read]).into_owned();
                let n = counter.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
                let expiry = Timestamp::now() + jiff::SignedDuration::from_secs(life_s);
                let body = format!(r#"{{"token":"sv=1&sig=secret{n}","msft:expiry":"{expiry}"}}"#);
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        (root, count, last)
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_hundred_readers_make_one_request() {
        let (root, count, last) = service(3600, "200 OK").await;
        let signer = PlanetaryComputer::new(&root, Some("my-key".to_owned()));
        let href = url(HREF);
        let signed = futures_util::future::join_all((0..100).map(|_| signer.sign(&href))).await;
        assert!(signed.iter().all(|url| url.as_ref().unwrap().as_str() == format!("{HREF}?sv=1&sig=secret1")));
        assert_eq!(count.load(Ordering::SeqCst), 1);
        let request = last.lock().unwrap().to_lowercase();
        assert!(request.starts_with("get /sas/token/acc/box http/1.1"), "{request}");
        assert!(request.contains("ocp-apim-subscription-key: my-key"), "{request}");
        assert!(!format!("{signer:?}").contains("my-key"));
    }

    #[tokio::test]
    async fn tokens_are_renewed_before_they_run_out_and_when_refused() {
        let (root, count, _) = service(2, "200 OK").await;
        let signer = PlanetaryComputer::new(&root, None);
        let href = url(HREF);
        let first = signer.sign(&href).await.unwrap();
        assert_eq!(signer.sign(&href).await.unwrap(), first);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let second = signer.sign(&href).await.unwrap();
        assert!(second.as_str().ends_with("sig=secret2"));
        // Both of two readers that were refused the second token get the third.
        assert!(signer.refused(&second).await);
        let third = signer.sign(&href).await.unwrap();
        assert!(signer.refused(&second).await);
        assert_eq!(signer.sign(&href).await.unwrap(), third);
        assert_eq!(count.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn a_refusal_is_shared_and_says_nothing_secret() {
        let (root, count, _) = service(3600, "401 Unauthorized").await;
        let signer = PlanetaryComputer::new(&root, Some("my-key".to_owned()));
        let href = url(HREF);
        let all = futures_util::future::join_all((0..20).map(|_| signer.sign(&href))).await;
        let text = all[19].as_ref().unwrap_err().to_string();
        assert!(text.contains("HTTP status 401") && text.contains("/acc/box"), "{text}");
        assert!(!text.contains("secret") && !text.contains("my-key"), "{text}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn other_hosts_and_signed_urls_are_left_alone() {
        let signer = PlanetaryComputer::new("http://127.0.0.1:9/none", None);
        let hrefs = [
            "https://sentinel-cogs.s3.us-west-2.amazonaws.com/a/b.tif",
            "https://acc.blob.core.windows.net/box/a.tif?sv=1&sig=own",
            "https://acc.blob.core.windows.net.example.org/box/a.tif",
            "https://blob.core.windows.net/box/a.tif",
            "https://acc.blob.core.windows.net/",
        ];
        for href in hrefs {
            assert_eq!(signer.sign(&url(href)).await.unwrap().as_str(), href);
        }
        assert!(!signer.refused(&url(hrefs[1])).await);
    }

    #[test]
    fn the_servers_clock_counts() {
        let expiry: Timestamp = "2015-10-21T08:28:00Z".parse().unwrap();
        assert_eq!(life(expiry, Some("Wed, 21 Oct 2015 07:28:00 GMT")), Duration::from_secs(3600));
        assert_eq!(life(expiry, None), Duration::from_secs(1));
    }

    #[test]
    fn settings_of_every_form() {
        let lines = "# a comment\nA=old\n export A = 'new' \nB=\"two words\"\nC=\nAA=x\nno line\n";
        let found = |name| setting(lines, name);
        assert_eq!((found("A").as_deref(), found("B").as_deref()), (Some("new"), Some("two words")));
        assert_eq!([found("C"), found("D"), found("# a comment")], [None, None, None]);
    }

    #[test]
    fn a_query_stays_before_the_token() {
        let signed = with_token(&url("https://acc.blob.core.windows.net/box/a.tif?snapshot=1"), "sig=x");
        assert_eq!(signed.query(), Some("snapshot=1&sig=x"));
    }
}
