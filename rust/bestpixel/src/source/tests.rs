//! Every real item at hand goes through the table and comes out as the facts say.

use super::{Scene, Unusable, drop_duplicates, endpoint};
use crate::stac::{Item, read_items};
use serde_json::json;
use std::path::PathBuf;

/// Real items below a folder or in a file; none where the data are absent.
fn real(path: &str) -> Vec<Item> {
    let shared = PathBuf::from("../../../shared/data");
    let data = std::env::var_os("BESTPIXEL_TEST_DATA").map_or(shared, PathBuf::from);
    if !data.is_dir() {
        eprintln!("skipped: real data are not here");
        return Vec::new();
    }
    read_items(&data.join("stac").join(path)).unwrap().items
}

fn scene(item: &Item, name: &str, bands: &[&str]) -> Result<Scene, Unusable> {
    let bands: Vec<String> = bands.iter().map(|&band| band.to_owned()).collect();
    Scene::from_item(item, endpoint(name).unwrap().collection_of(item).unwrap(), &bands)
}

fn all_bands(item: &Item, name: &str) -> Scene {
    scene(item, name, &endpoint(name).unwrap().band_names()).unwrap()
}

/// What versions of one observation share, by the item's own words: platform and the sensing start of the datastrip.
fn observation(item: &Item) -> Option<String> {
    let (_, start) = item.text("s2:datastrip_id")?.rsplit_once("_S")?;
    Some(format!("{} {}", item.text("platform")?.to_lowercase(), start.get(..15)?))
}

#[test]
fn a_hundred_items_of_the_planetary_computer() {
    let items = real("planetary-computer/sentinel-2-l2a-100-items.ndjson");
    let scenes: Vec<Scene> = items.iter().map(|item| all_bands(item, "pc")).collect();
    for (item, scene) in items.iter().zip(&scenes) {
        assert_eq!(Some(scene.tile.as_str()), item.id.split("_T").nth(1).and_then(|rest| rest.get(..5)), "{}", item.id);
        assert_eq!(scene.platform, format!("sentinel-{}", item.id[1..3].to_lowercase()));
        assert_eq!((scene.band_hrefs.len(), scene.quality_hrefs.len()), (12, 1));
        assert!(scene.quality_hrefs[0].ends_with("_SCL_20m.tif"));
        assert_eq!(scene.offset, if item.number("s2:processing_baseline").unwrap() >= 4.0 { 1000 } else { 0 });
        assert_eq!(scene.version.key, observation(item));
        let zone: u32 = scene.tile[..2].parse().unwrap();
        assert_eq!(item.epsg().map(|code| code % 100), Some(zone));
        assert_eq!(scene.datetime.get(..10), item.text("datetime").and_then(|time| time.get(..10)));
    }
    let count = scenes.len();
    assert_eq!(drop_duplicates(scenes).len(), count);
}

/// Of 1000 real items 13 pairs share tile, platform and datetime; their datastrips start at least 538 s apart.
#[test]
fn both_halves_of_a_datatake_are_kept_and_a_reprocessed_version_is_not() {
    let items = real("planetary-computer/sentinel-2-l2a-100-items.ndjson");
    let changed = |item: &Item, id: &str, datastrip: String, baseline: &str| {
        let mut item = item.clone();
        item.id = format!("{}_{id}", item.id);
        item.properties.insert("s2:datastrip_id".to_owned(), json!(datastrip));
        item.properties.insert("s2:processing_baseline".to_owned(), json!(baseline));
        item
    };
    let mut all = items.clone();
    for item in items.iter().take(13) {
        let (own, start) = item.text("s2:datastrip_id").and_then(|text| text.rsplit_once("_S")).unwrap();
        // `...T180317_N05.11` becomes the other half, ten minutes earlier or later.
        let tens = if &start[11..12] == "0" { "1" } else { "0" };
        all.push(changed(item, "half", format!("{own}_S{}{tens}{}", &start[..11], &start[12..]), "05.10"));
        all.push(changed(item, "newer", format!("{own}_S{start}"), "99.99"));
    }
    let kept = drop_duplicates(all.iter().map(|item| all_bands(item, "pc")).collect());
    let count = |end: &str| kept.iter().filter(|scene| scene.id.ends_with(end)).count();
    if !items.is_empty() {
        assert_eq!((kept.len(), count("_half"), count("_newer")), (113, 13, 13));
    }
}

#[test]
fn old_and_new_items_of_the_planetary_computer() {
    for item in
        real("planetary-computer").iter().filter(|item| item.id.contains("T35XQA") || item.id.contains("T53NKG"))
    {
        let scene = all_bands(item, "pc");
        let old = item.id.contains("T35XQA");
        assert_eq!((scene.tile.as_str(), scene.offset), if old { ("35XQA", 0) } else { ("53NKG", 1000) });
        assert_eq!(scene.platform, if old { "sentinel-2a" } else { "sentinel-2b" });
        assert_eq!(
            scene.version.key.as_deref(),
            Some(if old { "sentinel-2a 20150704T101001" } else { "sentinel-2b 20250312T014547" })
        );
    }
}

#[test]
fn items_of_element84_over_all_baselines() {
    let items = real("earth-search");
    for item in items.iter().filter(|item| item.collection.as_deref() == Some("sentinel-2-l2a")) {
        let scene = scene(item, "earth-search", &["red", "swir16"]).unwrap();
        // In every item at hand the flag says that the offset is out, or the baseline knows none.
        assert_eq!((scene.offset, scene.witness_href.as_deref()), (0, None), "{}", item.id);
        let mut id = item.id.split('_');
        assert_eq!(
            Some(scene.platform.as_str()),
            id.next().map(|id| format!("sentinel-{}", id[1..].to_lowercase())).as_deref()
        );
        assert_eq!(Some(scene.tile.as_str()), id.next());
        assert_eq!(Some(scene.datetime.get(..10).unwrap().replace('-', "").as_str()), id.next());
        let is_south = scene.tile.as_bytes()[2] < b'N';
        assert_eq!(item.epsg(), Some(scene.tile[..2].parse::<u32>().unwrap() + if is_south { 32700 } else { 32600 }));
        assert_eq!((&scene.version.key, scene.version.key.is_some()), (&observation(item), true));
        for (href, name) in scene.band_hrefs.iter().chain(&scene.quality_hrefs).zip(["B04.tif", "B11.tif", "SCL.tif"]) {
            assert!(href.ends_with(name), "{href}");
        }
    }
    for item in items.iter().filter(|item| item.collection.as_deref() == Some("sentinel-2-c1-l2a")) {
        let scene = all_bands(item, "earth-search-c1");
        assert_eq!((scene.tile.as_str(), scene.offset, item.epsg()), ("20EPT", 1000, Some(32720)));
        assert_eq!(scene.version.key.as_deref(), Some("sentinel-2b 20250731T131905"));
        assert_eq!(scene.datetime, "2025-07-31T13:19:22.930000Z");
        assert!(endpoint("earth-search").unwrap().collection_of(item).is_none());
    }
    for item in items.iter().filter(|item| item.id.contains("T01WCQ")) {
        let mut item = item.clone();
        item.collection = None;
        assert_eq!(item.bbox.as_ref().map(Vec::len), Some(4));
        let row = endpoint("earth-search").unwrap().collection_of(&item).unwrap();
        assert_eq!(row.tile.tile(&item).as_deref(), Ok("01WCQ"));
    }
}

#[test]
fn items_of_modis() {
    for item in real("modis") {
        let is_live = item.id.contains("A2025061");
        let scene = scene(&item, "mcd43a4", &["nir", "blue"]).unwrap();
        let expected = if is_live { ("h35v10", "2025-03-02T00:00:00Z") } else { ("h14v10", "2022-02-01T00:00:00Z") };
        assert_eq!((scene.tile.as_str(), scene.datetime.as_str()), expected);
        assert_eq!((scene.offset, item.epsg()), (0, None));
        let day = if is_live { "A2025061" } else { "A2022032" };
        assert_eq!(scene.version.key, Some(format!("MCD43A4.{day}")));
        assert_eq!(scene.platform, if is_live { "" } else { "terra,aqua" });
        for (href, band) in scene.band_hrefs.iter().zip([2, 3]) {
            assert!(href.ends_with(&format!("Nadir_Reflectance_Band{band}.tif")), "{href}");
        }
        for (href, band) in scene.quality_hrefs.iter().zip([2, 3]) {
            assert!(href.ends_with(&format!("BRDF_Albedo_Band_Mandatory_Quality_Band{band}.tif")), "{href}");
        }
    }
}

/// The items of HLS at hand carry another catalogue's asset keys: the facts of their ids and properties hold all the same.
#[test]
fn items_of_hls() {
    for mut item in real("hls").into_iter().filter(|item| item.id.starts_with("HLS")) {
        let is_landsat = item.id.starts_with("HLS.L30");
        let row = endpoint("hls").unwrap().collection_of(&item).unwrap();
        assert_eq!(row.id, if is_landsat { "hls2-l30" } else { "hls2-s30" });
        let unusable = scene(&item, "hls", &["nir"]).unwrap_err();
        assert!(unusable.cause.contains("no asset"), "{unusable:?}");
        for key in ["B05", "B8A", "Fmask"] {
            let href = format!("https://hls2euwest.blob.core.windows.net/hls2/{}.{key}.tif", item.id);
            let asset = json!({"href": href, "type": "image/tiff; application=geotiff; profile=cloud-optimized"});
            item.assets.insert(key.to_owned(), serde_json::from_value(asset).unwrap());
        }
        let scene = scene(&item, "hls", &["nir"]).unwrap();
        assert!(scene.band_hrefs[0].ends_with(if is_landsat { "B05.tif" } else { "B8A.tif" }));
        assert_eq!((scene.tile.as_str(), item.epsg()), ("19LDD", Some(32619)));
        assert_eq!(scene.platform, if is_landsat { "landsat-9" } else { "sentinel-2a" });
        assert_eq!(Some(scene.datetime.as_str()), item.text("datetime"));
        assert_eq!((scene.offset, scene.version.key), (0, None));
    }
}

#[test]
fn of_versions_of_a_modis_day_the_last_one_stays() {
    let item = |id: &str, platform: &str| -> Item {
        let assets = json!({
            "Nadir_Reflectance_Band1": {"href": "a.tif"}, "BRDF_Albedo_Band_Mandatory_Quality_Band1": {"href": "q.tif"},
        });
        serde_json::from_value(json!({"id": id, "properties": {"platform": platform}, "assets": assets})).unwrap()
    };
    let ids =
        ["MCD43A4.A2025061.h35v10.061", "MCD43A4.A2025061.h35v10.061.2025070035331", "MCD43A4.A2025062.h35v10.061"];
    let items = [item(ids[0], "terra,aqua"), item(ids[1], ""), item(ids[2], "")];
    let scenes = items.iter().map(|item| scene(item, "mcd43a4", &["red"]).unwrap()).collect();
    let kept: Vec<String> = drop_duplicates(scenes).into_iter().map(|scene| scene.id).collect();
    assert_eq!(kept, ids[1..]);
}

#[test]
fn landsat_tiles_are_path_and_row() {
    let properties = json!({"landsat:wrs_path": "042", "landsat:wrs_row": "034", "datetime": "2024-07-01T18:00:00Z"});
    let assets = json!({"nir08": {"href": "a.tif"}, "qa_pixel": {"href": "q.tif"}});
    let item = json!({"id": "LC08", "collection": "landsat-c2-l2", "properties": properties, "assets": assets});
    let scene = scene(&serde_json::from_value(item).unwrap(), "landsat", &["nir"]).unwrap();
    assert_eq!((scene.tile.as_str(), scene.offset), ("042034", 0));
}
