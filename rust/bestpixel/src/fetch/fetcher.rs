//! Hrefs go in, byte sources come out: they share a client, bounds on requests and a meter.

use super::client::Connections;
use super::file::FileSource;
use super::http::{HttpSource, Web};
use super::limit::Gate;
use super::retry::Patience;
use super::{ByteSource, Error, Meter, Result, Signer};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How many seconds without progress are a failure, for networks where the default does not fit.
const TIMEOUT_VARIABLE: &str = "BESTPIXEL_READ_TIMEOUT";

/// How bytes are fetched.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Requests under way at once, to one host and to all.
    pub concurrency: usize,
    /// No progress for this long is a failure.
    pub read_timeout: Duration,
    /// The longest pause before the second attempt; each further pause may be twice as long.
    pub back_off: Duration,
    /// No attempt starts later than this after the first one.
    pub budget: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 192,
            read_timeout: Duration::from_secs(20),
            back_off: Duration::from_millis(250),
            budget: Duration::from_secs(180),
        }
    }
}

impl Options {
    /// The defaults, as far as the environment says nothing else: `BESTPIXEL_READ_TIMEOUT` in seconds.
    ///
    /// # Errors
    /// [`Error::Variable`] where its value is no positive number.
    pub fn from_env() -> Result<Self> {
        let value = std::env::var_os(TIMEOUT_VARIABLE).map(|value| value.to_string_lossy().into_owned());
        Self::with_read_timeout(value.as_deref())
    }

    fn with_read_timeout(text: Option<&str>) -> Result<Self> {
        let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(Self::default()) };
        let seconds = text.parse().ok().filter(|&seconds: &f64| seconds > 0.0);
        let read_timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let refuse = || Error::Variable { variable: TIMEOUT_VARIABLE, value: text.to_owned() };
        Ok(Self { read_timeout: read_timeout.ok_or_else(refuse)?, ..Self::default() })
    }
}

/// Opens byte sources.
#[derive(Debug)]
pub struct Fetcher {
    options: Options,
    connections: Connections,
    /// Made for the first http(s) href: local files need no client and no certificates.
    web: Mutex<Option<Web>>,
    /// By host and port.
    gates: Mutex<HashMap<String, Arc<Gate>>>,
    permits: Arc<Semaphore>,
    meter: Arc<Meter>,
    signer: Option<Arc<dyn Signer>>,
}

impl Fetcher {
    /// A fetcher with connections of its own.
    pub fn new(options: Options) -> Self {
        let permits = Arc::new(Semaphore::new(options.concurrency.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            options,
            connections: Connections::default(),
            web: Mutex::default(),
            gates: Mutex::default(),
            permits,
            meter: Arc::default(),
            signer: None,
        }
    }

    /// The same fetcher, which shares connections with others.
    #[must_use]
    pub fn with_connections(self, connections: Connections) -> Self {
        Self { connections, web: Mutex::default(), ..self }
    }

    /// The same fetcher, which signs what it asks for.
    #[must_use]
    pub fn with_signer(self, signer: Option<Arc<dyn Signer>>) -> Self {
        Self { signer, web: Mutex::default(), ..self }
    }

    /// What all http(s) sources share.
    fn web(&self) -> Result<Web> {
        let mut web = self.web.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(web) = &*web {
            return Ok(web.clone());
        }
        let Options { read_timeout, back_off, budget, .. } = self.options;
        let patience = Patience { back_off, budget };
        let (client, meter, signer) = (self.connections.client()?, self.meter.clone(), self.signer.clone());
        let made = Web { client, meter, patience, read_timeout, signer };
        Ok(web.insert(made).clone())
    }

    fn gate(&self, url: &url::Url) -> Arc<Gate> {
        let host = format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(0));
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let gate = || Gate::new(&host, self.options.concurrency, self.permits.clone());
        gates.entry(host.clone()).or_insert_with(gate).clone()
    }

    /// The source behind an http(s) URL, a file URL or a local path. Nothing is read yet.
    ///
    /// # Errors
    /// [`Error::Scheme`] for anything else, [`Error::Url`] for a URL that is none, [`Error::Client`] and
    /// [`Error::CaBundle`] where the HTTP client cannot be set up.
    pub fn open(&self, href: &str) -> Result<Arc<dyn ByteSource>> {
        let file = |path: PathBuf| -> Arc<dyn ByteSource> { Arc::new(FileSource::new(path, self.meter.clone())) };
        let Some((scheme, _)) = href.split_once("://") else {
            return Ok(file(href.into()));
        };
        let url = url::Url::parse(href).map_err(|source| Error::Url { href: super::redact(href), source })?;
        let scheme_error = || Error::Scheme { href: super::redact(href), scheme: scheme.to_owned() };
        match url.scheme() {
            "http" | "https" => {
                let gate = self.gate(&url);
                Ok(Arc::new(HttpSource::new(url, self.web()?, gate)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_keep_secrets() {
        let fetcher = Fetcher::new(Options::default());
        for href in ["s3://bucket/a.tif?sig=SECRET", "https://host:no/a.tif?sig=SECRET", "https://?sig=SECRET"] {
            let Err(error) = fetcher.open(href) else { panic!("{href} was opened") };
            assert!(!format!("{error} {error:?}").contains("SECRET"), "{error:?}");
        }
    }

    #[test]
    fn the_timeout_is_a_positive_number() {
        let seconds = |text| Options::with_read_timeout(text).map(|options| options.read_timeout.as_secs_f64());
        assert_eq!(seconds(Some(" 2.5 ")).unwrap(), 2.5);
        assert_eq!(seconds(Some("")).unwrap(), seconds(None).unwrap());
        for wrong in ["0", "-1", "soon", "inf", "nan", "1e99"] {
            assert!(seconds(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
