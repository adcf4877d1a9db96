//! A request goes in, the scenes that may serve it come out, with what could not be used.

use super::access::Access;
use super::request::{Catalog, Checked};
use super::stream::{Io, Job};
use super::{Error, ErrorKind, Result, Stage};
use crate::fetch::redact;
use crate::source::{Collection, Scene, Unusable, drop_duplicates};
use crate::stac::{Found, Item, Search, read_items};
use std::convert::identity;

/// The scenes of the catalogue that the request admits, each observation once.
pub(crate) fn find_scenes(
    checked: &Checked,
    catalog: Catalog,
    access: &Access,
    io: &Io<'_>,
) -> Result<(Vec<Scene>, Vec<Unusable>)> {
    let search = |api: &str| search(checked, api, access, io);
    let (found, place) = match catalog {
        Catalog::Path(path) => (read_items(&path)?, format!("catalog {}", path.display())),
        Catalog::Items(found) => (found, "the given items".to_owned()),
        Catalog::Endpoint => (search(checked.endpoint.api)?, checked.endpoint.api.to_owned()),
        Catalog::Url(url) => (search(&url)?, redact(&url)),
    };
    let total = found.items.len();
    let unusable = |(item, cause)| Unusable { item, href: String::new(), cause };
    let mut unusable: Vec<Unusable> = found.broken.into_iter().map(unusable).collect();
    let rows = found.items.iter().filter_map(|item| Some((item, checked.endpoint.collection_of(item)?)));
    let admitted: Vec<(&Item, &Collection)> = rows.filter(|(item, row)| admits(checked, item, row)).collect();
    let fitting = admitted.len();
    let mut scenes = Vec::with_capacity(fitting);
    for (item, row) in admitted {
        match Scene::from_item(item, row, &checked.bands) {
            Ok(scene) => scenes.push(scene),
            Err(reason) => unusable.push(reason),
        }
    }
    if scenes.is_empty() {
        let request = &checked.request;
        let why = unusable.first().map_or(String::new(), |first| format!("; {}: {}", first.item, first.cause));
        let message = format!(
            "no scene for bbox {:?}, datetime {}, cloud cover up to {} %: of {total} items in {place} {fitting} fit, none \
             of them can be used for endpoint {}{why}",
            request.bbox, request.datetime, request.max_cloud_cover, checked.endpoint.name
        );
        return Err(Error::new(Stage::Catalog, ErrorKind::NoScenes, message));
    }
    Ok((drop_duplicates(scenes), unusable))
}

/// What a STAC API has for the request: one search for each part of the box, for all collections together.
fn search(checked: &Checked, api: &str, access: &Access, io: &Io<'_>) -> Result<Found> {
    let endpoint = checked.endpoint;
    let has_cloud_cover = endpoint.collections.iter().all(|row| row.has_cloud_cover);
    let part = |bbox: [f64; 4]| Search {
        collections: endpoint.collections.iter().map(|row| row.id.to_owned()).collect(),
        bbox,
        interval: checked.interval,
        max_cloud_cover: has_cloud_cover.then_some(checked.request.max_cloud_cover),
        page_size: endpoint.page_size,
    };
    let searches: Vec<Search> = checked.bbox.split().into_iter().map(part).collect();
    let fetch = access.find(api.to_owned(), searches);
    let mut found = Found::default();
    io.stream(Stage::Catalog, vec![Job { bytes: 0, fetch, work: identity }], |answer: crate::stac::Result<Found>| {
        found = answer?;
        Ok(())
    })?;
    Ok(found)
}

/// Whether an item lies in the request's box, interval and cloud cover.
fn admits(checked: &Checked, item: &Item, row: &Collection) -> bool {
    let is_near = item.bbox.as_deref().is_none_or(|bbox| checked.bbox.intersects(bbox));
    let cover = item.number("eo:cloud_cover").filter(|_| row.has_cloud_cover);
    let is_clear = cover.is_none_or(|cover| cover <= checked.request.max_cloud_cover);
    // An item that does not tell its time is named, not passed over.
    let is_timely = row.date.time(item).is_none_or(|time| checked.interval.contains(&time));
    is_near && is_clear && is_timely
}
