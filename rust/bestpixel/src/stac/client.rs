//! A search goes in, all items that a STAC API has for it come out, page by page.

use super::{ApiClient, Call, Error, Found, Result, Search};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use std::collections::HashSet;
use url::Url;

/// A search that takes more pages than this asks for too much, or the server leads on for ever.
const MAX_PAGES: usize = 10_000;

/// Everything that an API has for some searches (a box across the antimeridian makes two), each item once.
///
/// # Errors
/// Those of [`ApiClient::call`], [`Error::NotItems`] where an answer is no page of items, [`Error::Loop`].
pub async fn find_items(client: &ApiClient, api: &str, searches: &[Search]) -> Result<Found> {
    let mut found = Found::default();
    for search in searches {
        let first = search.first_call(api)?;
        let mut seen = HashSet::new();
        let mut next = Some(first.clone());
        while let Some(call) = next {
            let url = crate::fetch::redact(call.url.as_str());
            let is_new = seen.insert((call.url.to_string(), call.body.as_ref().map(Value::to_string)));
            if !is_new || seen.len() > MAX_PAGES {
                return Err(Error::Loop { url, pages: seen.len() });
            }
            let page = client.call(&call).await?.json;
            next = next_call(&page, &first, &call)?;
            take_items(page, &url, &mut found)?;
        }
    }
    let mut ids = HashSet::new();
    found.items.retain(|item| ids.insert((item.collection.clone(), item.id.clone())));
    Ok(found)
}

/// Moves a page's items to what has been found.
fn take_items(page: Value, url: &str, found: &mut Found) -> Result<()> {
    let features = match page {
        Value::Object(mut page) => page.remove("features"),
        _ => None,
    };
    let Some(Value::Array(features)) = features else {
        let reason = "the answer to the search is no page of items".to_owned();
        return Err(Error::NotItems { path: url.to_owned(), reason });
    };
    features.into_iter().for_each(|feature| found.add(feature));
    Ok(())
}

/// The request that a page's link `next` describes, or None on the last page.
fn next_call(page: &Value, first: &Call, current: &Call) -> Result<Option<Call>> {
    let links = page.get("links").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let Some(link) = links.iter().find(|link| link.get("rel").and_then(Value::as_str) == Some("next")) else {
        return Ok(None);
    };
    let broken = |reason: &str| {
        let reason = format!("the link to the next page cannot be followed: {reason}");
        Error::NotItems { path: crate::fetch::redact(current.url.as_str()), reason }
    };
    let href = link.get("href").and_then(Value::as_str).ok_or_else(|| broken("it has no href"))?;
    let url = current.url.join(href).map_err(|_| broken("its href is no URL"))?;
    let url = with_login(url, &current.url);
    let is_post = link.get("method").and_then(Value::as_str).is_some_and(|method| method.eq_ignore_ascii_case("POST"));
    if !is_post {
        return Ok(Some(Call { headers: headers(link), ..Call::get(url) }));
    }
    let body = body(link, first.body.as_ref());
    Ok(Some(Call { method: Method::POST, url, headers: headers(link), body }))
}

/// A URL with the login of another one on the same server: links do not repeat it.
fn with_login(mut url: Url, known: &Url) -> Url {
    if url.origin() == known.origin() && url.username().is_empty() && url.password().is_none() {
        // Only URLs without a host cannot have a login.
        let _ = url.set_username(known.username()).and_then(|()| url.set_password(known.password()));
    }
    url
}

/// What to POST: the link's body alone, or where `merge` says so on top of the first request's. A link without a body
/// means the first request's.
fn body(link: &Value, first: Option<&Value>) -> Option<Value> {
    let Some(own) = link.get("body").and_then(Value::as_object) else { return first.cloned() };
    let is_merged = link.get("merge").and_then(Value::as_bool) == Some(true);
    let mut body = first.and_then(Value::as_object).filter(|_| is_merged).cloned().unwrap_or_else(Map::new);
    body.extend(own.clone());
    Some(Value::Object(body))
}

/// The headers that a link wants; what is no header is passed over.
fn headers(link: &Value) -> HeaderMap {
    let wanted = link.get("headers").and_then(Value::as_object).into_iter().flatten();
    let header = |(name, value): (&String, &Value)| {
        let value = HeaderValue::from_str(value.as_str()?).ok()?;
        Some((HeaderName::try_from(name.as_str()).ok()?, value))
    };
    wanted.filter_map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_the_same_server_keep_the_login() {
        let page = |href: &str| {
            let first = Call::get("https://me:word@host/v1/search?key=k".parse().unwrap());
            let page = serde_json::json!({ "links": [{ "rel": "next", "href": href }] });
            next_call(&page, &first, &first).unwrap().map(|call| call.url.to_string())
        };
        assert_eq!(page("https://host/v1/search?page=2").as_deref(), Some("https://me:word@host/v1/search?page=2"));
        assert_eq!(page("?page=2").as_deref(), Some("https://me:word@host/v1/search?page=2"));
        assert_eq!(page("https://you:own@host/2").as_deref(), Some("https://you:own@host/2"));
        for stranger in ["https://other/v1/search?page=2", "http://host/v1/search?page=2", "https://host:8443/2"] {
            assert_eq!(page(stranger).as_deref(), Some(stranger));
        }
    }
}
