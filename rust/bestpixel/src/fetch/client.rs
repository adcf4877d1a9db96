//! The environment goes in, an HTTP client comes out that trusts the right certificates.
//!
//! Proxies come from the usual variables (`HTTPS_PROXY`, `NO_PROXY`, ...), which the client reads by itself.

use super::{Error, Result};
use reqwest::{Certificate, Client, ClientBuilder};
use std::ffi::OsString;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Variables that name certificates to trust besides the system's: the first that is set counts.
const CA_VARIABLES: [&str; 4] = ["BESTPIXEL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"];

/// Variables that the client takes proxies and certificates from by itself.
const CLIENT_VARIABLES: [&str; 9] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_DIR",
];

/// Connections to a host that are kept for further requests.
const IDLE: usize = 256;

/// Connections that several fetchers share: the next one finds those open that an earlier one has used.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Option<(Environment, Client)>>>);

/// The values of all variables that a client is made by.
type Environment = Vec<Option<OsString>>;

impl std::fmt::Debug for Connections {
    /// Without the environment: a proxy's URL may hold a password.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    /// The client for byte ranges. Whoever changes the environment gets a new one.
    ///
    /// # Errors
    /// [`Error::CaBundle`], and [`Error::Client`] for anything else.
    pub(crate) fn client(&self) -> Result<Client> {
        let environment = CA_VARIABLES.iter().chain(&CLIENT_VARIABLES).map(std::env::var_os).collect();
        self.client_of(environment, || build_client(builder))
    }

    fn client_of(&self, environment: Environment, make: impl Fn() -> Result<Client>) -> Result<Client> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, client)) = &*kept
            && *same == environment
        {
            return Ok(client.clone());
        }
        let client = make()?;
        *kept = Some((environment, client.clone()));
        Ok(client)
    }
}

/// A client that trusts the right certificates and is otherwise as configured.
///
/// # Errors
/// As [`Connections::client`].
pub(crate) fn build_client(configured: impl Fn() -> ClientBuilder) -> Result<Client> {
    let extra = extra_certificates(|name| std::env::var_os(name))?;
    let build = |roots: Vec<Certificate>| configured().tls_certs_merge(roots).build();
    // Slim containers have no CA roots, and then no client can be built: Mozilla's take their place.
    build(extra.clone())
        .or_else(|_| build([extra, mozilla_roots()].concat()))
        .map_err(|source| Error::Client { source })
}

fn builder() -> ClientBuilder {
    // HTTP/1.1 only: S3 and Azure Blob speak nothing else, and many connections are faster than one.
    Client::builder()
        .http1_only()
        .tcp_nodelay(true)
        .tcp_keepalive(Duration::from_secs(60))
        .pool_max_idle_per_host(IDLE)
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("bestpixel/", env!("CARGO_PKG_VERSION")))
}

fn mozilla_roots() -> Vec<Certificate> {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    roots.filter_map(|root| Certificate::from_der(root).ok()).collect()
}

/// The certificates that the environment names.
fn extra_certificates(variable: impl Fn(&str) -> Option<OsString>) -> Result<Vec<Certificate>> {
    let set = CA_VARIABLES.iter().find_map(|&name| Some((name, variable(name).filter(|value| !value.is_empty())?)));
    let Some((variable, value)) = set else { return Ok(Vec::new()) };
    let path = Path::new(&value);
    let refuse = |reason: String| Error::CaBundle { variable, path: path.display().to_string(), reason };
    let found = if path.is_dir() { read_folder(path) } else { read_bundle(path) };
    let found = found.map_err(|error| refuse(error.to_string()))?;
    if found.is_empty() { Err(refuse("it holds none".to_owned())) } else { Ok(found) }
}

fn read_bundle(path: &Path) -> std::io::Result<Vec<Certificate>> {
    Certificate::from_pem_bundle(&std::fs::read(path)?).map_err(|_| std::io::Error::other("it is no PEM bundle"))
}

/// All certificates in a folder, as requests and curl have it; other files are passed over.
fn read_folder(path: &Path) -> std::io::Result<Vec<Certificate>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        found.extend(read_bundle(&entry?.path()).unwrap_or_default());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A self-signed certificate, valid for a century; its key is nowhere.
    const PEM: &str = include_str!("testdata/root.pem");

    fn only(name: &'static str, value: &Path) -> impl Fn(&str) -> Option<OsString> {
        let value = value.as_os_str().to_owned();
        move |asked| (asked == name).then(|| value.clone())
    }

    #[test]
    fn every_variable_names_a_bundle_or_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = folder.path().join("a.pem");
        std::fs::write(&bundle, PEM.repeat(2)).unwrap();
        std::fs::write(folder.path().join("README"), "no certificate").unwrap();
        for name in CA_VARIABLES {
            assert_eq!(extra_certificates(only(name, &bundle)).unwrap().len(), 2);
            assert_eq!(extra_certificates(only(name, folder.path())).unwrap().len(), 2);
        }
    }

    #[test]
    fn the_first_variable_counts_and_empty_ones_do_not() {
        let set = |asked: &str| match asked {
            "BESTPIXEL_CA_BUNDLE" => Some(OsString::new()),
            "REQUESTS_CA_BUNDLE" => Some("/nowhere.pem".into()),
            _ => Some("/elsewhere.pem".into()),
        };
        let error = extra_certificates(set).unwrap_err().to_string();
        assert!(error.starts_with("REQUESTS_CA_BUNDLE: ") && error.contains("/nowhere.pem"), "{error}");
        assert!(extra_certificates(|_| None).unwrap().is_empty());
    }

    #[test]
    fn a_client_is_shared_until_the_environment_changes() {
        let (one, other) = (Some(OsString::from("one")), Some(OsString::from("other")));
        let connections = Connections::default();
        let made = std::cell::Cell::new(0);
        let client = |value: &Option<OsString>| {
            let make = || {
                made.set(made.get() + 1);
                build_client(builder)
            };
            connections.client_of(vec![value.clone()], make).unwrap();
            made.get()
        };
        assert_eq!([&one, &one, &other, &other, &None].map(client), [1, 1, 2, 2, 3]);
        assert!(!format!("{connections:?}").contains("other"));
    }

    #[test]
    fn a_bundle_of_nothing_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(extra_certificates(only("SSL_CERT_FILE", file.path())).is_err());
    }

    #[test]
    fn mozilla_roots_are_certificates() {
        let roots = mozilla_roots();
        assert_eq!(roots.len(), webpki_root_certs::TLS_SERVER_ROOT_CERTS.len());
        assert!(builder().tls_certs_only(roots).build().is_ok());
    }
}
