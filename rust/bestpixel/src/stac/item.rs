//! A STAC item as far as we read it: the standard's names, everything else ignored.
//!
//! Source: STAC 1.0.0 and 1.1.0, item specification; the `eo`, `s2` and `earthsearch` extensions by property name.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Its id, unique in its collection.
    pub id: String,
    /// The collection's id.
    #[serde(default)]
    pub collection: Option<String>,
    /// West, south, east, north (or with heights), in degrees.
    #[serde(default)]
    pub bbox: Option<Vec<f64>>,
    /// All properties, by their names.
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// The files.
    #[serde(default)]
    pub assets: BTreeMap<String, Asset>,
}

/// One file of an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asset {
    /// Where it lies; relative hrefs are resolved when a catalogue is read.
    pub href: String,
    /// Its media type.
    #[serde(default, rename = "type")]
    pub media_type: Option<String>,
}

impl Item {
    /// A text property.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.properties.get(name).and_then(Value::as_str)
    }

    /// A numeric property, also where it is written as text ("05.10").
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.properties.get(name)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A true-or-false property.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.properties.get(name).and_then(Value::as_bool)
    }

    /// The EPSG code that the item names: a hint, the file's own keys decide (rule G2). `proj:epsg` is a number or null,
    /// `proj:code` of projection 2.0 a text, "EPSG:None" among them.
    pub fn epsg(&self) -> Option<u32> {
        let code = self.text("proj:code").and_then(|code| code.strip_prefix("EPSG:")?.parse().ok());
        code.or_else(|| self.number("proj:epsg").map(|code| code as u32))
    }

    /// The acquisition time in RFC 3339; the start of the interval where `datetime` is null.
    pub fn datetime(&self) -> Option<&str> {
        self.text("datetime").or_else(|| self.text("start_datetime"))
    }
}
