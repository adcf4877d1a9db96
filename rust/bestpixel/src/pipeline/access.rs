//! How the bytes of a request are had: fetched, or out of the cache where the user wants one. The only file that knows both.

use super::{Error, Request, Result};
use crate::cache::{Cache, CachedSource, Keep, identity, is_bare};
use crate::fetch::{self, ByteSource, Connections, Fault, Fetcher, Meter};
use crate::source::Scene;
use crate::stac::{self, ApiClient, Found, Search, find_items};
use crate::tiff;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Searches under way at once: catalogues are no data hosts.
const SEARCHES: usize = 8;

/// For so long the answer to a search is believed: new scenes are seen after it.
const SEARCH_LIFETIME: Duration = Duration::from_secs(3600);

/// What all stages of a request read through.
pub(crate) struct Access {
    fetcher: Fetcher,
    cache: Option<Arc<Cache>>,
    /// Shared by the searches for several months, with their connections.
    api: Arc<ApiClient>,
    searches: Arc<Semaphore>,
    /// Whether a file has turned out to be another one than was kept.
    has_restarted: AtomicBool,
}

impl Access {
    /// The way of a request to its bytes.
    ///
    /// # Errors
    /// Of kind [`super::ErrorKind::Usage`] where the cache cannot be where the user wants it.
    pub(crate) fn new(request: &Request, connections: &Connections) -> Result<Arc<Self>> {
        let cache = request.disk_cache.as_deref().map(Cache::open).transpose()?;
        Ok(Arc::new(Self {
            fetcher: request.fetcher(connections)?,
            cache,
            api: Arc::default(),
            searches: Arc::new(Semaphore::new(SEARCHES)),
            has_restarted: AtomicBool::new(false),
        }))
    }

    /// What has been asked for and received over the network and from local files.
    pub(crate) fn meter(&self) -> &Meter {
        self.fetcher.meter()
    }

    /// The source behind an href. Local files are not kept: they would be no nearer than they are.
    ///
    /// # Errors
    /// Those of [`Fetcher::open`].
    pub(crate) fn open(&self, href: &str, keep: Keep) -> fetch::Result<Arc<dyn ByteSource>> {
        let source = self.fetcher.open(href)?;
        match (&self.cache, identity(href)) {
            (Some(cache), Some(identity)) => Ok(Arc::new(CachedSource::new(source, cache.clone(), identity, keep))),
            _ => Ok(source),
        }
    }

    /// Drops what is kept of a scene that has failed. True, once, where that has failed because a file is another one than
    /// was kept: then everything is to be done anew, as it would have been done without a cache.
    pub(crate) fn forget(&self, scene: &Scene, error: &tiff::Error) -> bool {
        let Some(cache) = &self.cache else { return false };
        let hrefs = scene.quality_hrefs.iter().chain(&scene.band_hrefs).chain(&scene.witness_href);
        hrefs.filter_map(|href| identity(href)).for_each(|identity| cache.forget(CachedSource::prefix(&identity)));
        let has_changed = matches!(error, tiff::Error::Fetch(fetch::Error::Read { source: Fault::Changed, .. }));
        has_changed && !self.has_restarted.swap(true, Ordering::Relaxed)
    }

    /// Does work, and does it once more where [`Access::forget`] has asked for it.
    pub(crate) fn renewing<T>(&self, work: impl Fn() -> Result<T>) -> Result<T> {
        let done = work();
        if done.is_err() && self.has_restarted.load(Ordering::Relaxed) { work() } else { done }
    }

    /// Everything that an API has for some searches. Borrows nothing, so that it can be awaited elsewhere.
    pub(crate) fn find(
        &self,
        api: String,
        searches: Vec<Search>,
    ) -> impl Future<Output = stac::Result<Found>> + Send + 'static + use<> {
        let (cache, client, turns) = (self.cache.clone(), self.api.clone(), self.searches.clone());
        async move {
            // It does not close.
            let _turn = turns.acquire().await.ok();
            let key = search_key(&api, &searches);
            let (Some(cache), Some(key)) = (cache, key) else {
                return find_items(&client, &api, &searches).await;
            };
            if let Some(Some(entry)) = cache.get(vec![key.clone()]).await.pop()
                && entry.is_younger_than(SEARCH_LIFETIME)
                && let Ok(items) = serde_json::from_slice(&entry.value)
            {
                return Ok(Found { items, broken: Vec::new() });
            }
            let found = find_items(&client, &api, &searches).await?;
            if may_be_kept(&found)
                && let Ok(text) = serde_json::to_vec(&found.items)
            {
                cache.put(key, text.into()).await;
            }
            Ok(found)
        }
    }
}

/// The name under which the answer to searches is kept; None where the API is no URL.
fn search_key(api: &str, searches: &[Search]) -> Option<String> {
    let body = |search: &Search| search.first_call(api).ok()?.body;
    let bodies: Vec<Value> = searches.iter().map(body).collect::<Option<_>>()?;
    Some(format!("search {} {}", identity(api)?, Value::from(bodies)))
}

/// Whether an answer holds no secret: hrefs may be signed, and messages about broken items may repeat anything.
fn may_be_kept(found: &Found) -> bool {
    let mut hrefs = found.items.iter().flat_map(|item| item.assets.values()).map(|asset| &asset.href);
    found.broken.is_empty() && hrefs.all(|href| is_bare(href))
}

impl From<crate::cache::Error> for Error {
    fn from(error: crate::cache::Error) -> Self {
        Self::usage("disk_cache", error.to_string())
    }
}
