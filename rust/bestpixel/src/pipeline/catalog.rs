//! A request goes in, the scenes that may serve it come out, with what could not be used.

use super::request::{Catalog, Checked};
use super::{Error, ErrorKind, Result, Stage};
use crate::source::{Scene, Unusable, drop_duplicates};
use crate::stac::{Item, read_items};

/// The scenes of the catalogue that the request admits, each observation once.
pub(crate) fn find_scenes(checked: &Checked, catalog: Catalog) -> Result<(Vec<Scene>, Vec<Unusable>)> {
    let (items, place) = match catalog {
        Catalog::Path(path) => (read_items(&path)?, format!("catalog {}", path.display())),
        Catalog::Items(items) => (items, "the given items".to_owned()),
        Catalog::Endpoint => {
            return Err(not_available(
                "searching the endpoint's STAC API is not available yet; give a catalog of items",
            ));
        }
        Catalog::Url(_) => {
            return Err(not_available("searching a STAC API is not available yet; give a catalog of items"));
        }
    };
    let total = items.len();
    let admitted: Vec<Item> = items.into_iter().filter(|item| admits(checked, item)).collect();
    let found = admitted.len();
    let (mut scenes, mut unusable) = (Vec::new(), Vec::new());
    for item in &admitted {
        // An item that does not name its collection is taken for one of the endpoint's first.
        let id = item.collection.as_deref().unwrap_or(checked.endpoint.collections[0].id);
        let Some(collection) = checked.endpoint.collection(id) else { continue };
        match Scene::from_item(item, collection, &checked.bands) {
            Ok(scene) => scenes.push(scene),
            Err(reason) => unusable.push(reason),
        }
    }
    if scenes.is_empty() {
        let request = &checked.request;
        let why = unusable.first().map_or(String::new(), |first| format!("; {}: {}", first.item, first.cause));
        let message = format!(
            "no scene for bbox {:?}, datetime {}, cloud cover up to {} %: of {total} items in {place} {found} fit, none of \
             them can be used for endpoint {}{why}",
            request.bbox, request.datetime, request.max_cloud_cover, checked.endpoint.name
        );
        return Err(Error::new(Stage::Catalog, ErrorKind::NoScenes, message));
    }
    Ok((drop_duplicates(scenes), unusable))
}

/// Whether an item lies in the request's box, interval and cloud cover.
fn admits(checked: &Checked, item: &Item) -> bool {
    let is_near = item.bbox.as_deref().is_none_or(|bbox| checked.bbox.intersects(bbox));
    let is_clear = item.number("eo:cloud_cover").is_none_or(|cover| cover <= checked.request.max_cloud_cover);
    is_near && is_clear && item.datetime().is_some_and(|time| checked.interval.contains(time))
}

fn not_available(message: &str) -> Error {
    Error::new(Stage::Catalog, ErrorKind::NotAvailable, message)
}
