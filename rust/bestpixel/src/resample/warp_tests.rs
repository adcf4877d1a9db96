use super::*;
use crate::raster::Crs;
use proptest::prelude::*;

/// The largest distance, in source pixels, of a warp's positions from exact PROJ, and how many points had an image.
fn worst(grid: &Grid, target: &Crs, source: &Transform, points: &Points) -> (f64, usize) {
    let projection = Projection::new(&grid.crs, target).unwrap();
    let (width, height) = source.pixel_size();
    let warp = Warp::new(grid, Some(&projection), 0.01 * width.min(height), 0);
    let positions = warp.positions(points, source);
    let (mut worst, mut seen) = (0.0f64, 0);
    for row in 0..points.height {
        let at = (0..points.width).map(|col| grid.transform().world(points.col(col), points.row(row)));
        let (mut xs, mut ys): (Vec<_>, Vec<_>) = at.unzip();
        projection.forward(&mut xs, &mut ys);
        for (col, (x, y)) in xs.into_iter().zip(ys).enumerate() {
            let (near, exact) = (positions.at(row, col), source.pixel(x, y));
            if exact.0.is_finite() && exact.1.is_finite() {
                worst = worst.max((near.0 - exact.0).hypot(near.1 - exact.1));
                seen += 1;
            } else {
                assert!(!(near.0.is_finite() && near.1.is_finite()), "{near:?} where there is no image");
            }
        }
    }
    (worst, seen)
}

fn all(grid: &Grid) -> Points {
    Points { col_off: 0, row_off: 0, width: grid.width, height: grid.height, step: 1 }
}

fn modis() -> Crs {
    Crs::modis_sinusoidal()
}

/// A grid around a place, 30 m to 5 km, and a source CRS that may serve it with its pixel size.
fn cases() -> impl Strategy<Value = (f64, f64, f64, bool, usize)> {
    (-179.0..179.0f64, -70.0..70.0f64, prop_oneof![Just(10.0), Just(60.0), Just(480.0)], any::<bool>(), 0..6usize)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn warps_are_within_a_hundredth_of_a_source_pixel(
        (lon, lat, resolution, _, kind) in cases(), offset in (0..300usize, 0..300usize),
    ) {
        let zone = Crs::utm(lon, lat);
        let (number, south) = zone.utm_zone().unwrap();
        let neighbour = Crs::Epsg(if south { 32700 } else { 32600 } + number % 60 + 1);
        let other_side = Crs::Epsg(if south { 32600 } else { 32700 } + number);
        let degrees = resolution / 111_000.0;
        let (target, pixel) = match kind {
            0 => (neighbour, resolution),
            1 => (other_side, resolution),
            2 => (modis(), 463.312_716_5),
            3 => (Crs::Epsg(3857), resolution),
            4 => (Crs::LONLAT, degrees),
            _ => (Crs::Definition(format!("+proj=laea +lat_0={lat} +lon_0={lon} +datum=WGS84")), resolution),
        };
        let (mut xs, mut ys) = ([lon], [lat]);
        Projection::new(&Crs::LONLAT, &zone).unwrap().forward(&mut xs, &mut ys);
        let grid = Grid { crs: zone, left: xs[0], top: ys[0], resolution, width: 1100, height: 700 };
        let source = Transform::north_up(0.0, 0.0, pixel, pixel);
        // Every 7th pixel, from cell edges to centres.
        let points = Points { col_off: offset.0, row_off: offset.1, width: 110, height: 50, step: 7 };
        let (worst, _) = worst(&grid, &target, &source, &points);
        prop_assert!(worst <= 0.01, "{worst} of a source pixel");
    }
}

#[test]
fn each_pixel_of_a_neighbour_zone() {
    let grid =
        Grid { crs: Crs::Epsg(32633), left: 699_960.0, top: 5_000_040.0, resolution: 10.0, width: 1830, height: 900 };
    let source = Transform::north_up(199_980.0, 5_000_040.0, 10.0, 10.0);
    let (worst, seen) = worst(&grid, &Crs::Epsg(32634), &source, &all(&grid));
    assert!(worst < 0.01 && seen == 1830 * 900, "{worst} {seen}");
}

#[test]
fn lonlat_and_web_mercator_grids() {
    let source = Transform::north_up(399_960.0, 5_000_040.0, 10.0, 10.0);
    for (crs, left, top, resolution) in
        [(Crs::LONLAT, 14.0, 45.0, 1e-4), (Crs::Epsg(3857), 1.6e6, 5.6e6, 12.0), (Crs::Epsg(3035), 4.5e6, 2.5e6, 10.0)]
    {
        let grid = Grid { crs, left, top, resolution, width: 700, height: 600 };
        let (worst, seen) = worst(&grid, &Crs::Epsg(32633), &source, &all(&grid));
        assert!(worst < 0.01 && seen == 700 * 600, "{worst} {seen}");
    }
}

#[test]
fn the_antimeridian_cuts_no_hole() {
    // MODIS' sinusoidal jumps from one end of the world to the other in the middle of this grid.
    let grid =
        Grid { crs: Crs::Epsg(32760), left: 700_000.0, top: 8_100_000.0, resolution: 480.0, width: 600, height: 300 };
    let source = Transform::north_up(-20_015_109.354, 10_007_554.677, 463.312_716_5, 463.312_716_5);
    let (worst, seen) = worst(&grid, &modis(), &source, &all(&grid));
    assert!(worst <= 0.01 && seen == 600 * 300, "{worst} {seen}");
}

#[test]
fn beyond_the_horizon_there_is_no_image() {
    // The corners of the world's sinusoidal map lie outside of it; PROJ takes them for places beyond the antimeridian.
    let crs = Crs::Definition("+proj=ortho +lat_0=0 +lon_0=0 +R=6371007.181".into());
    let grid = Grid { crs, left: -6_600_000.0, top: 6_600_000.0, resolution: 20_000.0, width: 660, height: 660 };
    let source = Transform::north_up(-20_015_109.354, 10_007_554.677, 5_000.0, 5_000.0);
    let (worst, seen) = worst(&grid, &modis(), &source, &all(&grid));
    assert!(worst <= 0.01 && (300_000..380_000).contains(&seen), "{worst} {seen}");
}

#[test]
fn the_same_crs_stays_separable() {
    let grid = Grid { crs: Crs::Epsg(32633), left: 0.0, top: 1000.0, resolution: 60.0, width: 4, height: 3 };
    let points = Points { col_off: 1, row_off: 0, width: 2, height: 1, step: 1 };
    let positions = Warp::new(&grid, None, 0.1, 0).positions(&points, &Transform::north_up(0.0, 1000.0, 20.0, 20.0));
    assert_eq!(positions, Positions::Separable { cols: vec![4.5, 7.5], rows: vec![1.5] });
}

#[test]
fn a_zone_with_negative_northings_stays_separable() {
    let grid =
        Grid { crs: Crs::Epsg(32733), left: 300_000.0, top: 6_300_040.0, resolution: 30.0, width: 3660, height: 3660 };
    let source = Transform::north_up(300_000.0, 6_300_040.0 - 1e7, 30.0, 30.0);
    for target in [Crs::Epsg(32633), Crs::Definition("+proj=utm +zone=33 +datum=WGS84 +units=m".into())] {
        let projection = Projection::new(&grid.crs, &target).unwrap();
        let warp = Warp::new(&grid, Some(&projection), 0.3, 512);
        let points = Points { col_off: 3000, row_off: 1000, width: 2, height: 2, step: 1 };
        let expected = Positions::Separable { cols: vec![3000.5, 3001.5], rows: vec![1000.5, 1001.5] };
        assert_eq!(warp.positions(&points, &source), expected);
    }
}

#[test]
fn a_rotated_source_is_reached() {
    let grid = Grid { crs: Crs::Epsg(32633), left: 500_000.0, top: 5e6, resolution: 10.0, width: 40, height: 30 };
    let source = Transform([8.0, 3.0, 500_100.0, -2.0, -9.0, 4_999_900.0]);
    let points = all(&grid);
    let positions = Warp::new(&grid, None, 0.1, 0).positions(&points, &source);
    let (x, y) = grid.transform().world(17.5, 11.5);
    let ((col, row), (near_col, near_row)) = (source.pixel(x, y), positions.at(11, 17));
    assert!((col - near_col).hypot(row - near_row) < 1e-6);
}
