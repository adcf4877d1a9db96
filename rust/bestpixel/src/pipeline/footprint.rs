//! A grid goes in, its outline in degrees comes out: one ring, or two where it crosses the antimeridian.

use super::Result;
use crate::raster::{Crs, Grid, Projection};

/// A closed ring of longitudes and latitudes, counter-clockwise.
pub(crate) type Ring = Vec<[f64; 2]>;

/// Points on each edge: straight lines in the grid's CRS are bent in degrees.
const POINTS: usize = 16;

/// The outline of a grid.
///
/// # Errors
/// Where there is no way from the grid's CRS to degrees.
pub(crate) fn footprint(grid: &Grid) -> Result<Vec<Ring>> {
    let [left, bottom, right, top] = grid.bounds();
    let corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)];
    let edge = |pair: &[(f64, f64)]| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        (0..POINTS).map(move |i| i as f64 / POINTS as f64).map(move |t| (x0 + t * (x1 - x0), y0 + t * (y1 - y0)))
    };
    let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = corners.windows(2).flat_map(edge).unzip();
    Projection::new(&grid.crs, &Crs::LONLAT)?.forward(&mut xs, &mut ys);
    for pole in [90.0, -90.0] {
        if holds_pole(grid, pole)? {
            // Around it there is no outline in degrees: the cap that holds the grid takes its place.
            let edge = ys
                .iter()
                .copied()
                .filter(|lat| lat.is_finite())
                .fold(pole, |a, b| if pole > 0.0 { a.min(b) } else { a.max(b) });
            let (south, north) = (edge.min(pole), edge.max(pole));
            return Ok(vec![close(vec![[-180.0, south], [180.0, south], [180.0, north], [-180.0, north]])]);
        }
    }
    // Corners of a grid may lie beyond the edge of the world.
    let points = xs.into_iter().zip(ys).filter(|(lon, lat)| lon.is_finite() && lat.is_finite());
    Ok(split(&unwrap(points)).into_iter().map(close).collect())
}

/// Whether a pole lies inside a grid.
fn holds_pole(grid: &Grid, pole: f64) -> Result<bool> {
    let (mut xs, mut ys) = ([0.0], [pole]);
    Projection::new(&Crs::LONLAT, &grid.crs)?.forward(&mut xs, &mut ys);
    let [left, bottom, right, top] = grid.bounds();
    // On an edge it is a point of the outline like any other.
    Ok(left < xs[0] && xs[0] < right && bottom < ys[0] && ys[0] < top)
}

/// Longitudes without jumps, of which the westernmost is at least -180.
fn unwrap(points: impl Iterator<Item = (f64, f64)>) -> Ring {
    let mut ring: Ring = Vec::new();
    for (lon, lat) in points {
        let before = ring.last().map_or(lon, |point| point[0]);
        ring.push([lon - 360.0 * ((lon - before) / 360.0).round(), lat]);
    }
    let west = ring.iter().map(|point| point[0]).fold(f64::INFINITY, f64::min);
    let turns = ((west + 180.0) / 360.0).floor();
    if turns.is_finite() {
        ring.iter_mut().for_each(|point| point[0] -= 360.0 * turns);
    }
    ring
}

/// Cut at the antimeridian where it lies across.
fn split(ring: &Ring) -> Vec<Ring> {
    if ring.iter().all(|point| point[0] <= 180.0) {
        return vec![ring.clone()];
    }
    let mut east = cut(ring, |lon| lon >= 180.0);
    east.iter_mut().for_each(|point| point[0] -= 360.0);
    vec![cut(ring, |lon| lon <= 180.0), east]
}

/// The part of a ring on one side of the antimeridian (Sutherland and Hodgman).
fn cut(ring: &Ring, is_inside: impl Fn(f64) -> bool) -> Ring {
    let mut part = Ring::new();
    for (i, &point) in ring.iter().enumerate() {
        let before = ring[(i + ring.len() - 1) % ring.len()];
        if is_inside(before[0]) != is_inside(point[0]) {
            let share = (180.0 - before[0]) / (point[0] - before[0]);
            part.push([180.0, before[1] + share * (point[1] - before[1])]);
        }
        if is_inside(point[0]) {
            part.push(point);
        }
    }
    part
}

/// Closed, and rounded to a centimetre.
fn close(ring: Ring) -> Ring {
    let round = |value: f64| (value * 1e7).round() / 1e7;
    let first = ring.first().copied();
    ring.into_iter().chain(first).map(|point| point.map(round)).collect()
}

/// West, south, east, north; west > east across the antimeridian.
pub(crate) fn bounding_box(rings: &[Ring]) -> [f64; 4] {
    let extreme = |ring: &Ring, axis: usize, pick: fn(f64, f64) -> f64| {
        ring.iter().map(|point| point[axis]).reduce(pick).unwrap_or_default()
    };
    let all: Ring = rings.iter().flatten().copied().collect();
    let (first, last) = (rings.first().unwrap_or(&all), rings.last().unwrap_or(&all));
    [extreme(first, 0, f64::min), extreme(&all, 1, f64::min), extreme(last, 0, f64::max), extreme(&all, 1, f64::max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raster::BBox;

    fn area(ring: &Ring) -> f64 {
        ring.windows(2).map(|pair| pair[0][0] * pair[1][1] - pair[1][0] * pair[0][1]).sum::<f64>() / 2.0
    }

    fn outline(bbox: [f64; 4]) -> Vec<Ring> {
        let bbox = BBox::new(bbox).unwrap();
        let (lon, lat) = bbox.centre();
        footprint(&Grid::from_bbox(&bbox, Crs::utm(lon, lat), 100.0).unwrap()).unwrap()
    }

    #[test]
    fn a_ring_around_the_box() {
        let rings = outline([15.0, -33.5, 15.5, -33.0]);
        let [west, south, east, north] = bounding_box(&rings);
        assert!(west <= 15.0 && south <= -33.5 && east >= 15.5 && north >= -33.0);
        assert!(east - west < 0.52 && north - south < 0.52);
        assert_eq!(rings.len(), 1);
        assert_eq!(rings[0].first(), rings[0].last());
        assert!((0.25..0.27).contains(&area(&rings[0])), "counter-clockwise");
    }

    #[test]
    fn a_cap_around_the_pole() {
        let bbox = BBox::new([-180.0, 80.0, 180.0, 90.0]).unwrap();
        for (code, pole) in [(3995, 90.0), (3031, -90.0)] {
            let bbox = if pole > 0.0 { bbox } else { BBox::new([-180.0, -90.0, 180.0, -80.0]).unwrap() };
            let rings = footprint(&Grid::from_bbox(&bbox, Crs::Epsg(code), 10_000.0).unwrap()).unwrap();
            let [west, south, east, north] = bounding_box(&rings);
            assert_eq!((west, east, if pole > 0.0 { north } else { south }), (-180.0, 180.0, pole));
            // A square around a circle of 10 degrees: its corners are further from the pole.
            let edge = if pole > 0.0 { south } else { -north };
            assert!((75.5..76.5).contains(&edge), "{edge}");
            assert!(area(&rings[0]) > 0.0);
        }
    }

    #[test]
    fn two_rings_across_the_antimeridian() {
        let rings = outline([179.5, -17.0, -179.5, -16.5]);
        let [west, _, east, _] = bounding_box(&rings);
        assert!((179.4..=179.5).contains(&west) && (-179.5..=-179.4).contains(&east), "{west} {east}");
        for ring in &rings {
            assert!(ring.iter().all(|point| point[0].abs() <= 180.0));
            assert!((0.24..0.28).contains(&area(ring)), "{}", area(ring));
        }
        assert_eq!(rings.len(), 2);
    }
}
