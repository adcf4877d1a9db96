//! Hrefs go in, byte sources come out: they share a client, a bound on requests and a meter.

use super::file::FileSource;
use super::http::HttpSource;
use super::{ByteSource, Error, Meter, Result, Signer};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How bytes are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Requests under way at once.
    pub concurrency: usize,
    /// No byte for this long is a failure.
    pub read_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { concurrency: 192, read_timeout: Duration::from_secs(30) }
    }
}

/// Opens byte sources.
#[derive(Debug)]
pub struct Fetcher {
    options: Options,
    /// Made for the first http(s) href: a machine without CA roots can still read local files.
    client: Mutex<Option<reqwest::Client>>,
    permits: Arc<Semaphore>,
    meter: Arc<Meter>,
    signer: Option<Arc<dyn Signer>>,
}

impl Fetcher {
    /// A fetcher with connections of its own.
    pub fn new(options: Options) -> Self {
        let permits = Arc::new(Semaphore::new(options.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        Self { options, client: Mutex::new(None), permits, meter: Arc::default(), signer: None }
    }

    /// The same fetcher, which signs what it asks for.
    #[must_use]
    pub fn with_signer(self, signer: Option<Arc<dyn Signer>>) -> Self {
        Self { signer, ..self }
    }

    /// The HTTP client that all sources share.
    fn client(&self) -> Result<reqwest::Client> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        // HTTP/1.1 only: S3 and Azure Blob speak nothing else, and many connections are faster than one.
        let made = reqwest::Client::builder()
            .http1_only()
            .tcp_nodelay(true)
            .pool_max_idle_per_host(64)
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(self.options.read_timeout)
            .user_agent(concat!("bestpixel/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|source| Error::Client { source })?;
        Ok(client.insert(made).clone())
    }

    /// The source behind an http(s) URL, a file URL or a local path. Nothing is read yet.
    ///
    /// # Errors
    /// [`Error::Scheme`] for anything else, [`Error::Url`] for a URL that is none, [`Error::Client`] where the HTTP client
    /// cannot be set up.
    pub fn open(&self, href: &str) -> Result<Arc<dyn ByteSource>> {
        let file = |path: PathBuf| -> Arc<dyn ByteSource> { Arc::new(FileSource::new(path, self.meter.clone())) };
        let Some((scheme, _)) = href.split_once("://") else {
            return Ok(file(href.into()));
        };
        let url = url::Url::parse(href).map_err(|source| Error::Url { href: super::redact(href), source })?;
        let scheme_error = || Error::Scheme { href: super::redact(href), scheme: scheme.to_owned() };
        match url.scheme() {
            "http" | "https" => {
                let source = HttpSource::new(url, self.client()?, self.permits.clone(), self.meter.clone());
                Ok(Arc::new(source.with_signer(self.signer.clone())))
            }
            "file" => Ok(file(url.to_file_path().map_err(|()| scheme_error())?)),
            _ => Err(scheme_error()),
        }
    }

    /// What all sources of this fetcher have asked for and received.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }
}
