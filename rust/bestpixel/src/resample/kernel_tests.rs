use super::*;
use crate::raster::{Array, Tiling, VectorLevel, Window};
use proptest::prelude::*;

/// 10 20
/// 30  0
fn patch() -> Patch<'static, u16> {
    Patch::new(Array::from_vec(2, 2, vec![10, 20, 30, 0]), 4, 7)
}

fn at(x: f64, y: f64) -> u16 {
    let mut out = 7;
    let positions = Positions::Separable { cols: vec![x], rows: vec![y] };
    bilinear(&patch(), &positions, 0, &Wanted::all(1, 1), |_, _, values| out = values[0]);
    out
}

#[test]
fn a_centre_gives_its_own_sample() {
    assert_eq!(at(4.5, 7.5), 10);
    assert_eq!(at(5.5, 7.5), 20);
}

#[test]
fn nodata_takes_no_part() {
    assert_eq!(at(5.0, 8.0), 20);
    assert_eq!(at(5.5, 8.5), NODATA);
    assert_eq!(at(5.5, 8.4), 20);
}

#[test]
fn halves_are_rounded_up() {
    assert_eq!(at(4.55, 7.5), 11);
}

#[test]
fn outside_is_missing() {
    assert_eq!(at(4.0, 7.5), 10);
    assert_eq!(at(3.5, 7.5), NODATA);
    assert_eq!(at(f64::NAN, 7.5), NODATA);
    let positions = Positions::Separable { cols: vec![3.9, 4.0, 5.0, 6.0], rows: vec![7.0] };
    assert_eq!(nearest(&patch(), &positions, 99).values(), [99, 10, 20, 99]);
}

/// Positions along one axis around a patch of a dozen samples: regular steps on and off the lattice, or anything.
fn axis() -> impl Strategy<Value = Vec<f64>> {
    let start =
        prop_oneof![(-4..20i32).prop_map(f64::from), (-8..40i32).prop_map(|i| f64::from(i) / 2.0), -4.0..20.0f64];
    let step = prop_oneof![Just(1.0), Just(0.5), Just(2.0), Just(3.0), -2.0..4.0f64];
    let line = (start, step, 0..40usize);
    let line = line.prop_map(|(start, step, n)| (0..n).map(|i| start + step * i as f64).collect());
    let odd = prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e300),
        Just(-1e300),
        Just(5.499_999_999),
        -4.0..20.0f64
    ];
    prop_oneof![3 => line, 1 => prop::collection::vec(odd, 0..40)]
}

fn samples<T: Sample + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Patch<'static, T>> {
    (1..14usize, 1..12usize, 0..6usize, 0..6usize, prop::collection::vec(value, 14 * 12)).prop_map(
        |(width, height, col_off, row_off, values)| {
            Patch::new(Array::from_vec(width, height, values[..width * height].to_vec()), col_off, row_off)
        },
    )
}

/// Each level against the naive kernel: separable, general, and under a mask.
fn check<T: Sample>(
    patch: &Patch<'_, T>,
    cols: &[f64],
    rows: &[f64],
    nodata: T,
    mask: u64,
) -> Result<(), TestCaseError> {
    let separable = Positions::Separable { cols: cols.to_vec(), rows: rows.to_vec() };
    let (xs, ys) = rows.iter().flat_map(|&y| cols.iter().map(move |&x| (x, y))).unzip();
    let general = Positions::General { width: cols.len(), cols: xs, rows: ys };
    let expected = naive::bilinear(patch, &separable, nodata);
    let mask: Vec<bool> = (0..expected.len()).map(|i| mask >> (i % 61) & 1 == 1).collect();
    let wanted = Wanted::of_mask(cols.len(), &mask);
    for (level, positions) in VectorLevel::all().into_iter().flat_map(|level| [(level, &separable), (level, &general)])
    {
        let mut out: Vec<Option<u16>> = vec![None; expected.len()];
        bilinear_at(level, patch, positions, nodata, &wanted, |row, col, values| {
            for (i, &value) in values.iter().enumerate() {
                assert!(out[row * cols.len() + col + i].replace(value).is_none(), "a pixel was set twice");
            }
        });
        let right = mask.iter().zip(&expected).map(|(&wanted, &value)| wanted.then_some(value));
        prop_assert_eq!(out, right.collect::<Vec<_>>(), "{}", level.name());
    }
    Ok(())
}

fn masks() -> impl Strategy<Value = u64> {
    prop_oneof![Just(u64::MAX), Just(0), any::<u64>(), Just(0xFF00)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn all_levels_give_the_same_16_bit_pixels(
        patch in samples(prop_oneof![3 => any::<u16>(), 1 => Just(0u16)]), cols in axis(), rows in axis(), mask in masks(),
    ) {
        check(&patch, &cols, &rows, 0, mask)?;
    }

    #[test]
    fn all_levels_give_the_same_8_bit_pixels(
        patch in samples(0..6u8), cols in axis(), rows in axis(), mask in masks(),
    ) {
        check(&patch, &cols, &rows, 255, mask)?;
        check(&patch, &cols, &rows, 0, mask)?;
    }

    #[test]
    fn all_levels_give_the_same_signed_pixels(
        patch in samples(prop_oneof![any::<i16>(), Just(-9999), Just(32767)]), cols in axis(), rows in axis(),
        mask in masks(),
    ) {
        check(&patch, &cols, &rows, -9999, mask)?;
        check(&patch, &cols, &rows, 32767, mask)?;
    }

    #[test]
    fn windows_and_marks_hold_just_what_is_touched(
        cols in axis(), rows in axis(), mask in masks(), tile in (1..7usize, 1..7usize), is_nearest in any::<bool>(),
    ) {
        let tiling = Tiling { width: 16, height: 13, tile_width: tile.0, tile_height: tile.1 };
        let footprint = if is_nearest { Footprint::Nearest } else { Footprint::Bilinear };
        let separable = Positions::Separable { cols: cols.clone(), rows: rows.clone() };
        let (xs, ys) = rows.iter().flat_map(|&y| cols.iter().map(move |&x| (x, y))).unzip();
        let general = Positions::General { width: cols.len(), cols: xs, rows: ys };
        let mask: Vec<bool> = (0..cols.len() * rows.len()).map(|i| mask >> (i % 61) & 1 == 1).collect();
        let wanted = Wanted::of_mask(cols.len(), &mask);
        let touched = touched(&separable, &mask, &tiling, is_nearest);
        let mut expected = vec![false; tiling.count()];
        for &(col, row) in &touched {
            expected[row / tile.1 * tiling.across() + col / tile.0] = true;
        }
        for positions in [&separable, &general] {
            let mut marks = vec![false; tiling.count()];
            footprint.mark_tiles(positions, &wanted, &tiling, &mut marks);
            prop_assert_eq!(&marks, &expected);
            let window = footprint.window(positions, &wanted, &tiling).unwrap_or(Window::new(0, 0, 0, 0));
            for &(col, row) in &touched {
                let pixel = Window::new(col, row, 1, 1);
                prop_assert!(window.intersection(&pixel).is_some(), "{window:?} misses {pixel:?}");
            }
        }
    }
}

/// The source pixels with a weight in any wanted output pixel, one by one.
fn touched(positions: &Positions, wanted: &[bool], tiling: &Tiling, is_nearest: bool) -> Vec<(usize, usize)> {
    let along = |position: f64, size: usize| -> Vec<usize> {
        let (first, weight) = if is_nearest { (position.floor() as i64, 0.0) } else { positions::taps(position) };
        let taps = [Some(first), (weight > 0.0).then_some(first.saturating_add(1))];
        let taps = taps.into_iter().flatten().filter(|tap| position.is_finite() && (0..size as i64).contains(tap));
        taps.map(|tap| tap as usize).collect()
    };
    let width = positions.width().max(1);
    let wanted = wanted.iter().enumerate().filter(|(_, wanted)| **wanted).map(|(i, _)| (i / width, i % width));
    let pixels = wanted.flat_map(|(row, col)| {
        let (x, y) = positions.at(row, col);
        let (cols, rows) = (along(x, tiling.width), along(y, tiling.height));
        rows.into_iter().flat_map(move |row| cols.clone().into_iter().map(move |col| (col, row)))
    });
    pixels.collect()
}
