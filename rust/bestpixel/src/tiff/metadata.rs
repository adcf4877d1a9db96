//! GDAL's metadata (an XML text in tag 42112) go in, the scale and offset of each band come out.
//!
//! Source: GDAL's driver for GeoTIFF: `<Item name="SCALE" sample="0" role="scale">0.0001</Item>`.

use super::Result;
use super::error::Tolerate;
use super::ifd::Ifd;
use super::tags::tag;

/// How a sample becomes a physical value: `sample * scale + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// The factor.
    pub scale: f64,
    /// What is added.
    pub offset: f64,
}

impl Default for Scaling {
    fn default() -> Self {
        Self { scale: 1.0, offset: 0.0 }
    }
}

/// The bands for which a directory names a scale or an offset. Metadata that cannot be read say nothing.
pub(crate) fn read_scalings(ifd: &Ifd<'_>) -> Result<Vec<(usize, Scaling)>> {
    Ok(ifd.text(tag::GDAL_METADATA).tolerate()?.flatten().map(|text| scalings(&text)).unwrap_or_default())
}

fn scalings(text: &str) -> Vec<(usize, Scaling)> {
    let mut found: Vec<(usize, Scaling)> = Vec::new();
    for item in text.split("<Item ").skip(1) {
        let Some((attributes, rest)) = item.split_once('>') else { continue };
        let value = rest.split('<').next().and_then(|value| value.trim().parse::<f64>().ok());
        let role = attribute(attributes, "role").filter(|role| matches!(*role, "scale" | "offset"));
        // A TIFF has at most 65535 bands; the last item of a band wins, as with GDAL.
        let band = attribute(attributes, "sample").unwrap_or("0").parse::<u16>();
        let (Some(value), Some(role), Ok(band)) = (value.filter(|v| v.is_finite()), role, band) else { continue };
        let band = usize::from(band);
        let at = found.iter().position(|(listed, _)| *listed == band).unwrap_or_else(|| {
            found.push((band, Scaling::default()));
            found.len() - 1
        });
        let scaling = &mut found[at].1;
        *(if role == "scale" { &mut scaling.scale } else { &mut scaling.offset }) = value;
    }
    found
}

/// The value of an attribute in double quotes.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut parts = attributes.split('"');
    while let (Some(before), Some(value)) = (parts.next(), parts.next()) {
        if before.trim().strip_suffix('=').is_some_and(|key| key.trim() == name) {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_and_offset_of_each_band() {
        let text = r#"<GDALMetadata>
  <Item name="SCALE" sample="0" role="scale">0.0001</Item>
  <Item name="OFFSET" sample="0" role="offset">-0.1</Item>
  <Item name="DESCRIPTION" sample="1" role="description">red</Item>
  <Item name="SCALE" sample="2" role="scale">nonsense</Item>
  <Item sample="3" role="scale">2</Item><Item name="no end"#;
        let expected = [(0, Scaling { scale: 0.0001, offset: -0.1 }), (3, Scaling { scale: 2.0, offset: 0.0 })];
        assert_eq!(scalings(text), expected);
    }
}
