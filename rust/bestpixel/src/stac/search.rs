//! What is sought goes in, the first request to a STAC API comes out (pure).
//!
//! Sources: STAC API 1.0.0, item search and query extension; what the Planetary Computer and Element84 admit of them.

use super::{Call, Error, Interval, Result};
use serde_json::{Map, Value, json};
use url::Url;

/// What is sought.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Ids of the collections.
    pub collections: Vec<String>,
    /// West, south, east, north in degrees; west < east.
    pub bbox: [f64; 4],
    /// When.
    pub interval: Interval,
    /// Per cent of clouds at most; None for collections whose items do not tell.
    pub max_cloud_cover: Option<f64>,
    /// Items in a page at most.
    pub page_size: usize,
}

impl Search {
    /// The first request; `api` is the root of the API, or its search.
    ///
    /// # Errors
    /// [`Error::Url`] where `api` is no URL.
    pub fn first_call(&self, api: &str) -> Result<Call> {
        let mut url = Url::parse(api).map_err(|source| Error::Url { url: crate::fetch::redact(api), source })?;
        // A query stays where it is: some servers want a key in it.
        let root = url.path().trim_end_matches('/').to_owned();
        let path = if root.ends_with("/search") { root } else { format!("{root}/search") };
        url.set_path(&path);
        Ok(Call::post(url, Value::Object(self.body())))
    }

    fn body(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("collections".to_owned(), json!(self.collections));
        body.insert("bbox".to_owned(), json!(self.bbox));
        body.insert("datetime".to_owned(), json!(self.interval.to_rfc3339()));
        body.insert("limit".to_owned(), json!(self.page_size));
        // The query extension, not CQL2: Element84 ignores `filter` without a word (Element84/earth-search#62).
        if let Some(cover) = self.max_cloud_cover.filter(|&cover| cover < 100.0) {
            body.insert("query".to_owned(), json!({"eo:cloud_cover": {"lte": cover}}));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(datetime: &str, max_cloud_cover: Option<f64>) -> Search {
        Search {
            collections: vec!["a".to_owned()],
            bbox: [1.0, 2.0, 3.0, 4.0],
            interval: Interval::parse(datetime).unwrap(),
            max_cloud_cover,
            page_size: 100,
        }
    }

    #[test]
    fn the_body_is_what_both_servers_take() {
        let call = search("2024-07-01/2024-07-31", Some(90.0)).first_call("https://host/v1/").unwrap();
        assert_eq!(call.url.as_str(), "https://host/v1/search");
        let place = |api| search("2024", None).first_call(api).unwrap().url.to_string();
        assert_eq!(place("https://host"), "https://host/search");
        assert_eq!(place("https://host/v1/search/"), "https://host/v1/search");
        assert_eq!(place("https://me:word@host/v1?key=a/b"), "https://me:word@host/v1/search?key=a/b");
        let expected = json!({
            "collections": ["a"], "bbox": [1.0, 2.0, 3.0, 4.0], "limit": 100,
            "datetime": "2024-07-01T00:00:00Z/2024-07-31T23:59:59.999Z",
            "query": {"eo:cloud_cover": {"lte": 90.0}},
        });
        assert_eq!(call.body, Some(expected));
    }

    #[test]
    fn clouds_are_only_asked_about_where_that_means_something() {
        for cover in [None, Some(100.0)] {
            assert!(!search("2024", cover).body().contains_key("query"));
        }
    }
}
