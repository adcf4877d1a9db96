//! Byte ranges of an http(s) resource.

use super::body::read_body;
use super::limit::{Gate, Outcome};
use super::retry::{Patience, jitter, parse_retry_after};
use super::version::{Pin, Version};
use super::{ByteSource, Error, Fault, Meter, Result, Signer, redact};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, HeaderName, RANGE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server that ignores ranges sends the whole file; up to this size it is taken and cut.
const MAX_WHOLE: u64 = 16 << 20;

/// What all http(s) sources share.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    pub(crate) client: reqwest::Client,
    pub(crate) meter: Arc<Meter>,
    pub(crate) patience: Patience,
    pub(crate) read_timeout: Duration,
    pub(crate) signer: Option<Arc<dyn Signer>>,
}

/// An http(s) resource. All its ranges come from one version of it.
pub(crate) struct HttpSource {
    url: url::Url,
    name: String,
    web: Web,
    gate: Arc<Gate>,
    pin: Pin,
}

/// One attempt's result.
type Attempt<T> = std::result::Result<T, Fault>;

impl HttpSource {
    pub(crate) fn new(url: url::Url, web: Web, gate: Arc<Gate>) -> Self {
        Self { name: redact(url.as_str()), url, web, gate, pin: Pin::default() }
    }

    /// Attempts until one succeeds, its fault will not pass, or patience ends.
    async fn read_patiently(&self, range: &Range<u64>) -> Result<Bytes> {
        let started = Instant::now();
        let mut attempts = 1;
        loop {
            let source = match self.attempt(range).await {
                Ok(bytes) => return Ok(bytes),
                Err(fault) => fault,
            };
            let Some(wait) = self.web.patience.wait_after(&source, attempts, started.elapsed(), jitter()) else {
                return Err(Error::Read { href: self.name.clone(), range: range.clone(), attempts, source });
            };
            let Range { start, end } = range;
            log::debug!("{} bytes {start}..{end}, attempt {attempts}: {source}; again in {wait:.1?}", self.name);
            tokio::time::sleep(wait).await;
            // Twice is no accident: perhaps it is the first answer that was odd.
            if attempts > 1 && matches!(source, Fault::Changed) {
                self.follow_version().await;
            }
            attempts += 1;
        }
    }

    /// One request; its bytes are delivered only if they are of the pinned version.
    async fn attempt(&self, range: &Range<u64>) -> Attempt<Bytes> {
        let (version, bytes) = self.exchange(range, |version| self.pin.admits(version)).await?;
        if self.pin.deliver(&version, range, &bytes) { Ok(bytes) } else { Err(Fault::Changed) }
    }

    /// Servers behind one name may give the same file different `ETags`, and one that has been replaced may have kept its
    /// header. Where all that was delivered is found again under another version, that one counts from now on.
    async fn follow_version(&self) {
        if let Some(range) = self.pin.only_range()
            && let Ok((version, bytes)) = self.exchange(&range, |_| true).await
        {
            self.pin.follow(&version, &bytes);
        }
    }

    /// Asks for the signed resource. Holds a pass of the host meanwhile, and no longer.
    async fn exchange(&self, range: &Range<u64>, admits: impl Fn(&Version) -> bool) -> Attempt<(Version, Bytes)> {
        let mut pass = self.gate.enter().await;
        let result = self.ask_signed(range, admits).await;
        pass.outcome = match &result {
            Ok(_) => Outcome::Success,
            Err(Fault::Status { status: 429 | 503, .. }) => Outcome::Throttled,
            Err(_) => Outcome::Unknown,
        };
        result
    }

    /// Signs just before asking; a signature that has run out is renewed once, which counts as the same attempt.
    async fn ask_signed(&self, range: &Range<u64>, admits: impl Fn(&Version) -> bool) -> Attempt<(Version, Bytes)> {
        let Some(signer) = &self.web.signer else { return self.ask(&self.url, range, &admits).await };
        let signed = signer.sign(&self.url).await?;
        match self.ask(&signed, range, &admits).await {
            Err(Fault::Status { status: 403, .. }) if signer.refused(&signed).await => {
                self.ask(&signer.sign(&self.url).await?, range, &admits).await
            }
            result => result,
        }
    }

    /// Asks, checks what the answer is for, takes its body.
    async fn ask(
        &self,
        url: &url::Url,
        range: &Range<u64>,
        admits: impl Fn(&Version) -> bool,
    ) -> Attempt<(Version, Bytes)> {
        log::debug!("{} bytes {}..{}", self.name, range.start, range.end);
        self.web.meter.request();
        let ranges = format!("bytes={}-{}", range.start, range.end - 1);
        let request = self.web.client.get(url.clone()).header(RANGE, ranges).header(ACCEPT_ENCODING, "identity");
        let timeout = self.web.read_timeout;
        let sent = tokio::time::timeout(timeout, request.send()).await;
        let sent = sent.map_err(|_| Fault::Stalled { waited: timeout, received: 0 })?;
        let response = sent.map_err(|error| Fault::Transport(error.without_url()))?;
        let (answer, version) = understand(&response, range)?;
        if !admits(&version) {
            return Err(Fault::Changed);
        }
        let bytes = match answer {
            Answer::PastEnd => Bytes::new(),
            Answer::Part(length) => exactly(length, self.body(response, length).await?)?,
            Answer::Whole => cut(self.body(response, MAX_WHOLE).await?, range),
        };
        Ok((version, bytes))
    }

    async fn body(&self, response: Response, limit: u64) -> Attempt<Bytes> {
        read_body(response, limit, self.web.read_timeout, &self.web.meter).await
    }
}

impl ByteSource for HttpSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { if range.is_empty() { Ok(Bytes::new()) } else { self.read_patiently(&range).await } }.boxed()
    }

    fn version(&self) -> Option<Version> {
        self.pin.exact()
    }

    fn vouch(&self, version: &Version, range: &Range<u64>, bytes: &[u8]) -> bool {
        self.pin.deliver(version, range, bytes)
    }
}

/// What a response holds.
enum Answer {
    /// Of what was asked for, this many bytes.
    Part(u64),
    /// The whole resource, small enough to be taken.
    Whole,
    /// Nothing: the resource ends before the range.
    PastEnd,
}

/// Checks status, Content-Range and length, before a byte of the body is read.
fn understand(response: &Response, range: &Range<u64>) -> Attempt<(Answer, Version)> {
    let etag = header(response, &ETAG).map(str::to_owned);
    let answer = header(response, &CONTENT_RANGE).unwrap_or("no Content-Range");
    let wrong = || Fault::WrongRange { answer: answer.to_owned() };
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let (got, size) = content_range(answer).ok_or_else(wrong)?;
            let is_asked = got.start == range.start && got.end == range.end.min(size.unwrap_or(u64::MAX));
            if is_asked { Ok((Answer::Part(got.end - got.start), Version { etag, size })) } else { Err(wrong()) }
        }
        StatusCode::OK => match response.content_length() {
            Some(length) if length > MAX_WHOLE => Err(Fault::IgnoresRange { size: Some(length) }),
            size => Ok((Answer::Whole, Version { etag, size })),
        },
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let size = answer.strip_prefix("bytes */").and_then(|size| size.parse().ok());
            if size.is_some_and(|size| range.start < size) {
                return Err(wrong());
            }
            Ok((Answer::PastEnd, Version { etag, size }))
        }
        status => Err(Fault::Status { status: status.as_u16(), retry_after: retry_after(response) }),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    parse_retry_after(header(response, &RETRY_AFTER)?, jiff::Timestamp::now())
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

fn exactly(length: u64, body: Bytes) -> Attempt<Bytes> {
    let got = body.len() as u64;
    if got == length { Ok(body) } else { Err(Fault::Short { got, expected: length }) }
}

/// A range out of the whole, in memory of its own: the rest need not be kept.
fn cut(whole: Bytes, range: &Range<u64>) -> Bytes {
    let size = whole.len() as u64;
    let part = whole.slice(range.start.min(size) as usize..range.end.min(size) as usize);
    if part.len() == whole.len() { whole } else { Bytes::copy_from_slice(&part) }
}

/// `bytes 0-99/1234` -> (0..100, 1234); an unknown size is `*`.
fn content_range(text: &str) -> Option<(Range<u64>, Option<u64>)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let size = if size == "*" { None } else { Some(size.parse().ok()?) };
    let range = first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?;
    (range.start < range.end && size.is_none_or(|size| range.end <= size)).then_some((range, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_parse() {
        assert_eq!(content_range("bytes 0-99/1234"), Some((0..100, Some(1234))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5..10, None)));
        for wrong in ["bytes */1234", "bytes 0-18446744073709551615/1", "bytes 9-5/10", "bytes 0-99/50", "0-9/10", ""] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_whole_is_cut_as_a_range_would_be() {
        let whole = Bytes::from_static(b"0123456789");
        assert_eq!(cut(whole.clone(), &(2..5)), "234");
        assert_eq!(cut(whole.clone(), &(8..20)), "89");
        assert_eq!(cut(whole, &(20..30)), "");
    }
}
