//! Byte ranges of an http(s) resource.

use super::retry::wait_after;
use super::{ByteSource, Error, Meter, Result, Signer, redact};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, RANGE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::ops::Range;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// An http(s) resource. All its ranges must come from one version of it.
pub(crate) struct HttpSource {
    url: url::Url,
    name: String,
    client: reqwest::Client,
    permits: Arc<Semaphore>,
    meter: Arc<Meter>,
    /// The first answer's ETag.
    etag: OnceLock<String>,
    signer: Option<Arc<dyn Signer>>,
}

impl HttpSource {
    pub(crate) fn new(url: url::Url, client: reqwest::Client, permits: Arc<Semaphore>, meter: Arc<Meter>) -> Self {
        Self { name: redact(url.as_str()), url, client, permits, meter, etag: OnceLock::new(), signer: None }
    }

    /// The same resource, signed before each request.
    pub(crate) fn with_signer(self, signer: Option<Arc<dyn Signer>>) -> Self {
        Self { signer, ..self }
    }

    /// One attempt; a signature that has run out is renewed once, which counts as the same attempt.
    async fn attempt(&self, range: &Range<u64>) -> Result<Bytes> {
        let Some(signer) = &self.signer else { return self.ask(&self.url, range).await };
        let signed = signer.sign(&self.url).await?;
        match self.ask(&signed, range).await {
            Err(Error::Status { status: 403, .. }) if signer.refused(&signed).await => {
                self.ask(&signer.sign(&self.url).await?, range).await
            }
            result => result,
        }
    }

    /// Asks once, checks what the answer is for, takes its body.
    async fn ask(&self, url: &url::Url, range: &Range<u64>) -> Result<Bytes> {
        let transport = |source: reqwest::Error| Error::Transport {
            href: self.name.clone(),
            range: range.clone(),
            source: source.without_url(),
        };
        self.meter.request();
        let header = format!("bytes={}-{}", range.start, range.end.saturating_sub(1));
        let response = self.client.get(url.clone()).header(RANGE, header).send().await.map_err(transport)?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Bytes::new());
        }
        let expected = self.expected(&response, range)?;
        let body = response.bytes().await.map_err(transport)?;
        self.meter.received(body.len());
        if body.len() as u64 != expected.end - expected.start {
            return Err(Error::Short { href: self.name.clone(), range: range.clone(), got: body.len() as u64 });
        }
        Ok(body)
    }

    /// Checks status, version and Content-Range; gives the range that the body must hold.
    fn expected(&self, response: &Response, range: &Range<u64>) -> Result<Range<u64>> {
        if response.status() != StatusCode::PARTIAL_CONTENT {
            return Err(Error::Status {
                href: self.name.clone(),
                status: response.status().as_u16(),
                range: range.clone(),
                retry_after_s: header(response.headers(), RETRY_AFTER.as_str()).and_then(|v| v.parse().ok()),
            });
        }
        if let Some(etag) = header(response.headers(), ETAG.as_str())
            && self.etag.get_or_init(|| etag.to_owned()) != etag
        {
            return Err(Error::Changed { href: self.name.clone() });
        }
        let answer = header(response.headers(), CONTENT_RANGE.as_str()).unwrap_or("no Content-Range");
        content_range(answer)
            .filter(|(got, size)| got.start == range.start && got.end == range.end.min(*size))
            .map_or_else(
                || Err(Error::WrongRange { href: self.name.clone(), range: range.clone(), answer: answer.to_owned() }),
                |(got, _)| Ok(got),
            )
    }
}

impl ByteSource for HttpSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let mut attempt = 1;
            loop {
                let result = {
                    // The semaphore is never closed, so a refusal cannot occur; without a permit we only go unbounded.
                    let _permit = self.permits.acquire().await.ok();
                    self.attempt(&range).await
                };
                let Err(error) = result else { return result };
                let Some(wait) = wait_after(&error, attempt) else { return Err(error) };
                tokio::time::sleep(wait).await;
                attempt += 1;
            }
        }
        .boxed()
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `bytes 0-99/1234` -> (0..100, 1234); an unknown size (`*`) counts as unbounded.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let size = if size == "*" { u64::MAX } else { size.parse().ok()? };
    Some((first.parse().ok()?..last.parse::<u64>().ok()?.checked_add(1)?, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_parse() {
        assert_eq!(content_range("bytes 0-99/1234"), Some((0..100, 1234)));
        assert_eq!(content_range("bytes 5-9/*"), Some((5..10, u64::MAX)));
        assert_eq!(content_range("bytes */1234"), None);
        assert_eq!(content_range("bytes 0-18446744073709551615/1"), None);
    }
}
