//! One or three bands go in, a PNG comes out: stretched, and transparent where there is nothing.

use super::NODATA;

/// The stretch runs between these shares of the sorted values of all planes.
const STRETCH: (f64, f64) = (0.005, 0.985);

/// White is at most so many times the median, unless that is below [`DIM`]: the bright rims of clouds that have been
/// cut out must not darken what is left. Snow and sand are bright all over and stay white.
const MEDIANS: f64 = 3.0;

/// A reflectance that is no brighter than land.
const DIM: f64 = 2500.0;

/// Reflectance is brightened like a display expects it.
const GAMMA: f64 = 1.0 / 1.4;

/// The longest side of a preview; larger composites are thinned out.
const MAX_SIDE: usize = 2048;

/// A PNG of one plane (grey) or three (red, green, blue) of `width` x `height` reflectances, between the values that are
/// shown `black` and `white`. Without these black is set for each plane, which takes out its haze, and white lies above it by
/// the same for all, so that colours keep their balance. Pixels missing in any plane are transparent.
///
/// # Errors
/// A message where the planes are not one or three of the given size, or encoding fails.
pub fn preview(planes: &[&[u16]], width: usize, height: usize, stretch: Option<(f64, f64)>) -> Result<Vec<u8>, String> {
    if width == 0 || height == 0 || planes.iter().any(|plane| plane.len() != width * height) {
        return Err(format!("each plane of a preview must have {width} x {height} values and at least one"));
    }
    let mut thumbnail = Thumbnail { picks: (0..planes.len()).collect(), ..Thumbnail::new(&[], width, height) };
    thumbnail.push(planes);
    match stretch {
        None => encode_preview(&thumbnail.planes(), thumbnail.width(), thumbnail.height()),
        Some((black, white)) => {
            let all = vec![shades(black, white); planes.len()];
            encode_shaded(&thumbnail.planes(), &all, thumbnail.width(), thumbnail.height())
        }
    }
}

/// Rows go in, every n-th pixel of every n-th row is kept.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    /// The bands that are shown: true colour where it is there, else the first in grey.
    picks: Vec<usize>,
    image_width: usize,
    image_height: usize,
    step: usize,
    rows_seen: usize,
    planes: Vec<Vec<u16>>,
}

impl Thumbnail {
    pub(crate) fn new(band_names: &[String], image_width: usize, image_height: usize) -> Self {
        let find = |wanted: &str| band_names.iter().position(|name| name == wanted);
        let colours: Option<Vec<usize>> = ["red", "green", "blue"].into_iter().map(find).collect();
        let step = image_width.max(image_height).div_ceil(MAX_SIDE).max(1);
        let picks = colours.unwrap_or_else(|| vec![0]);
        Self { picks, image_width, image_height, step, rows_seen: 0, planes: Vec::new() }
    }

    pub(crate) fn width(&self) -> usize {
        self.image_width.div_ceil(self.step)
    }

    pub(crate) fn height(&self) -> usize {
        self.image_height.div_ceil(self.step)
    }

    /// Takes the next whole rows of all bands.
    pub(crate) fn push(&mut self, bands: &[&[u16]]) {
        self.planes.resize(self.picks.len(), Vec::new());
        let rows = bands.first().map_or(0, |band| band.len() / self.image_width);
        for row in (0..rows).filter(|row| (self.rows_seen + row).is_multiple_of(self.step)) {
            for (plane, &pick) in self.planes.iter_mut().zip(&self.picks) {
                let row = &bands[pick][row * self.image_width..(row + 1) * self.image_width];
                plane.extend(row.iter().step_by(self.step));
            }
        }
        self.rows_seen += rows;
    }

    pub(crate) fn planes(&self) -> Vec<&[u16]> {
        self.planes.iter().map(Vec::as_slice).collect()
    }
}

/// Stretches planes as their values suggest and encodes them.
pub(crate) fn encode_preview(planes: &[&[u16]], width: usize, height: usize) -> Result<Vec<u8>, String> {
    let histograms: Vec<Vec<u64>> = planes.iter().map(|plane| histogram(plane)).collect();
    let white =
        |histogram: &Vec<u64>| quantile(histogram, STRETCH.1).min((MEDIANS * quantile(histogram, 0.5)).max(DIM));
    let blacks: Vec<f64> = histograms.iter().map(|histogram| quantile(histogram, STRETCH.0)).collect();
    let range = histograms.iter().zip(&blacks).map(|(histogram, black)| white(histogram) - black).fold(0.0, f64::max);
    let shades: Vec<Vec<u8>> = blacks.iter().map(|black| shades(*black, black + range)).collect();
    encode_shaded(planes, &shades, width, height)
}

/// Encodes planes by the shade of each of their values.
fn encode_shaded(planes: &[&[u16]], shades: &[Vec<u8>], width: usize, height: usize) -> Result<Vec<u8>, String> {
    if !matches!(planes.len(), 1 | 3) {
        return Err(format!("a preview takes one plane or three, not {}", planes.len()));
    }
    let mut rgba = Vec::with_capacity(width * height * 4);
    let plane = |i: usize| i.min(planes.len() - 1);
    let (red, green, blue) = (planes[0], planes[plane(1)], planes[plane(2)]);
    for ((&red, &green), &blue) in red.iter().zip(green).zip(blue) {
        let values = [red, green, blue];
        if values.contains(&NODATA) {
            rgba.extend([0; 4]);
        } else {
            rgba.extend((0..3).map(|i| shades[plane(i)][usize::from(values[i])]));
            rgba.push(255);
        }
    }
    encode(&rgba, width as u32, height as u32).map_err(|error| format!("a preview cannot be encoded: {error}"))
}

/// How often each value occurs; missing pixels do not count.
fn histogram(plane: &[u16]) -> Vec<u64> {
    let mut histogram = vec![0u64; 1 << 16];
    plane.iter().for_each(|&value| histogram[usize::from(value)] += 1);
    histogram[usize::from(NODATA)] = 0;
    histogram
}

/// The value below which a share of all values lies.
fn quantile(histogram: &[u64], share: f64) -> f64 {
    let mut left = (share * histogram.iter().sum::<u64>() as f64) as u64;
    let found = histogram.iter().position(|&count| {
        let is_here = left < count;
        left = left.saturating_sub(count);
        is_here
    });
    found.unwrap_or(0) as f64
}

/// The shade of each value.
fn shades(black: f64, white: f64) -> Vec<u8> {
    let shade = |value: f64| ((value - black) / (white - black).max(1.0)).clamp(0.0, 1.0).powf(GAMMA) * 255.0;
    (0..1 << 16).map(|value| shade(f64::from(value)).round() as u8).collect()
}

fn encode(rgba: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(rgba)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(png: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn dark_is_black_bright_is_white_missing_is_transparent() {
        let plane: Vec<u16> = (0..100).map(|i| if i == 50 { NODATA } else { 100 + i * 10 }).collect();
        let (width, height, pixels) = decode(&preview(&[&plane], 10, 10, None).unwrap());
        assert_eq!((width, height), (10, 10));
        assert_eq!(pixels[..4], [0, 0, 0, 255]);
        assert_eq!(pixels[396..], [255, 255, 255, 255]);
        assert_eq!(pixels[200..204], [0, 0, 0, 0]);
    }

    #[test]
    fn a_given_stretch_holds_for_all_planes() {
        let (low, high) = ([0, 1000, 2000, 9000], [2000, 2000, 2000, NODATA]);
        let (.., pixels) = decode(&preview(&[&low, &high, &high], 4, 1, Some((1000.0, 2000.0))).unwrap());
        assert_eq!(pixels, [0, 255, 255, 255, 0, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]);
    }

    #[test]
    fn rims_of_clouds_do_not_darken_the_land() {
        let shade_of_land = |rims: usize| {
            let plane: Vec<u16> = (0..1000u16).map(|i| if i < rims as u16 { 8000 } else { 300 + i }).collect();
            let pixels = decode(&preview(&[&plane], 1000, 1, None).unwrap()).2;
            pixels[4 * 999]
        };
        assert!(shade_of_land(100) > 120, "{}", shade_of_land(100));
        let snow: Vec<u16> = (0..1000).map(|i| 7000 + i).collect();
        let pixels = decode(&preview(&[&snow], 1000, 1, None).unwrap()).2;
        assert!((100..220).contains(&pixels[4 * 500]), "{}", pixels[4 * 500]);
    }

    #[test]
    fn large_ones_are_thinned_out() {
        let plane = vec![5u16; 4000 * 3];
        let (width, height, _) = decode(&preview(&[&plane, &plane, &plane], 4000, 3, None).unwrap());
        assert_eq!((width, height), (2000, 2));
    }

    #[test]
    fn wrong_planes_are_refused() {
        assert!(preview(&[&[1, 2], &[1, 2]], 2, 1, None).is_err());
        assert!(preview(&[&[1, 2]], 3, 1, None).is_err());
    }
}
