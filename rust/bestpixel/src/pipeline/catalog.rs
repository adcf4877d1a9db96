//! Requests go in, the scenes that may serve each come out, with what could not be used.

use super::access::Access;
use super::request::{Catalog, Checked};
use super::stream::{Held, Io, Job};
use super::{Result, Stage};
use crate::fetch::redact;
use crate::source::{Collection, Scene, Unusable, drop_duplicates};
use crate::stac::{Found, Item, Search, read_items};
use std::collections::HashMap;
use std::sync::Arc;

/// What a catalogue has for a request.
pub(crate) struct Sought {
    /// The scenes that the request admits, each observation once.
    pub(crate) scenes: Vec<Scene>,
    /// Items that the request admits and that cannot be used, and what is no item.
    pub(crate) unusable: Vec<Unusable>,
    /// What was searched and what was found, for whoever finds nothing in it.
    pub(crate) told: String,
}

/// Asks a catalogue for each request: an API for all of them at once, files are read once.
pub(crate) fn find_scenes(
    requests: &[&Checked],
    catalog: Catalog,
    access: &Access,
    io: &Io<'_>,
) -> Result<Vec<Sought>> {
    let all = |found: Found| {
        let found = Arc::new(found);
        requests.iter().map(|_| found.clone()).collect::<Vec<_>>()
    };
    let (found, place) = match catalog {
        Catalog::Path(path) => (all(read_items(&path)?), format!("catalog {}", path.display())),
        Catalog::Items(found) => (all(found), "the given items".to_owned()),
        Catalog::Endpoint => {
            let api = requests.first().map_or("", |checked| checked.endpoint.api);
            (search(requests, api, access, io)?, api.to_owned())
        }
        Catalog::Url(url) => (search(requests, &url, access, io)?, redact(&url)),
    };
    Ok(requests.iter().zip(found).map(|(checked, found)| sift(checked, &found, &place)).collect())
}

/// What a STAC API has for each request: one search for each part of its box, for all collections together.
fn search(requests: &[&Checked], api: &str, access: &Access, io: &Io<'_>) -> Result<Vec<Arc<Found>>> {
    let job = |(index, checked): (usize, &&Checked)| {
        let fetch = access.find(api.to_owned(), searches(checked));
        Job { held: Held::default(), fetch, work: move |answer| (index, answer) }
    };
    let mut found = vec![Arc::default(); requests.len()];
    let jobs = requests.iter().enumerate().map(job).collect();
    io.stream(Stage::Catalog, jobs, |(index, answer): (usize, crate::stac::Result<Found>)| {
        found[index] = Arc::new(answer?);
        Ok(())
    })?;
    Ok(found)
}

fn searches(checked: &Checked) -> Vec<Search> {
    let endpoint = checked.endpoint;
    let has_cloud_cover = endpoint.collections.iter().all(|row| row.has_cloud_cover);
    let part = |bbox: [f64; 4]| Search {
        collections: endpoint.collections.iter().map(|row| row.id.to_owned()).collect(),
        bbox,
        interval: checked.interval,
        max_cloud_cover: has_cloud_cover.then_some(checked.request.max_cloud_cover),
        page_size: endpoint.page_size,
    };
    checked.bbox.split().into_iter().map(part).collect()
}

/// Makes scenes of what was found, as far as the request admits it.
fn sift(checked: &Checked, found: &Found, place: &str) -> Sought {
    let broken = found.broken.iter().cloned();
    let mut unusable: Vec<Unusable> =
        broken.map(|(item, cause)| Unusable { item, href: String::new(), cause }).collect();
    let rows = found.items.iter().filter_map(|item| Some((item, checked.endpoint.collection_of(item)?)));
    let admitted: Vec<(&Item, &Collection)> = rows.filter(|(item, row)| admits(checked, item, row)).collect();
    let fitting = admitted.len();
    let mut scenes = Vec::with_capacity(fitting);
    let mut known: HashMap<&str, &Item> = HashMap::with_capacity(fitting);
    for (item, row) in admitted {
        // A list of items may have grown out of several that overlap.
        let scene = match known.get(item.id.as_str()) {
            Some(same) if *same == item => continue,
            Some(_) => {
                let cause = "another item of this id comes before it".to_owned();
                Err(Unusable { item: item.id.clone(), href: String::new(), cause })
            }
            None => Scene::from_item(item, row, &checked.bands),
        };
        match scene {
            Ok(scene) => {
                known.insert(&item.id, item);
                scenes.push(scene);
            }
            Err(reason) if unusable.contains(&reason) => {}
            Err(reason) => unusable.push(reason),
        }
    }
    let request = &checked.request;
    let why = unusable.first().map_or(String::new(), |first| format!("; {}: {}", first.item, first.cause));
    let told = format!(
        "bbox {:?}, datetime {}, cloud cover up to {} %: of {} items in {place} {fitting} fit, {} of them can be used for \
         endpoint {}{why}",
        request.bbox,
        request.datetime,
        request.max_cloud_cover,
        found.items.len(),
        if scenes.is_empty() { "none".to_owned() } else { scenes.len().to_string() },
        checked.endpoint.name
    );
    Sought { scenes: drop_duplicates(scenes), unusable, told }
}

/// Whether an item lies in the request's box, interval and cloud cover. What an item does not tell, or not in a form that
/// is understood, is not held against it: it is named where it matters, not passed over.
fn admits(checked: &Checked, item: &Item, row: &Collection) -> bool {
    let is_near = item.bbox.as_deref().is_none_or(|bbox| checked.bbox.intersects(bbox));
    let cover = item.number("eo:cloud_cover").filter(|_| row.has_cloud_cover);
    let is_clear = cover.is_none_or(|cover| cover <= checked.request.max_cloud_cover);
    let time = row.date.time(item).and_then(|time| time.parse().ok());
    let is_timely = time.is_none_or(|time| checked.interval.holds(time));
    is_near && is_clear && is_timely
}
