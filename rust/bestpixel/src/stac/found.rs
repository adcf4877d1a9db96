//! Features go in, items and what is none come out: one bad item does not spoil a catalogue.

use super::{Asset, Item};
use serde_json::Value;

/// What a catalogue has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The items, in the catalogue's order.
    pub items: Vec<Item>,
    /// Id (as far as there is one) of what is no item, and why not.
    pub broken: Vec<(String, String)>,
}

impl Found {
    /// Adds a feature: to the items, or to what is broken.
    pub(super) fn add(&mut self, feature: Value) {
        let id = feature.get("id").and_then(Value::as_str).unwrap_or("an item without an id").to_owned();
        match serde_json::from_value(feature) {
            Ok(item) => self.items.push(item),
            Err(error) => self.broken.push((id, error.to_string())),
        }
    }

    /// Adds what another part of the catalogue has.
    pub(super) fn extend(&mut self, other: Self) {
        self.items.extend(other.items);
        self.broken.extend(other.broken);
    }

    /// All assets.
    pub(super) fn assets_mut(&mut self) -> impl Iterator<Item = &mut Asset> {
        self.items.iter_mut().flat_map(|item| item.assets.values_mut())
    }
}
