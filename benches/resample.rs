//! Chunks of 512 x 512 output pixels, 16 bits: how long their pixels take, on each vector level, beside the scalar loop
//! and a plain copy of as many pixels.
//!
//! `cargo bench -p benches --bench resample`

use benches::pixels::{SIDE, patch, points, scalar_bilinear, separable};
use bestpixel::raster::{Crs, Grid, Projection, Tiling, Transform, VectorLevel};
use bestpixel::resample::{Footprint, Patch, Positions, Wanted, Warp, bilinear_at, nearest};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const PIXELS: usize = SIDE * SIDE;

/// Names, positions and the patch that they lie in.
fn cases() -> Vec<(&'static str, Positions, Patch<'static, u16>)> {
    vec![
        ("aligned", separable(1.0, 0.0), patch(512, 512)),
        ("shifted", separable(1.0, 0.3), patch(514, 514)),
        ("up x2", separable(0.5, 0.0), patch(256, 256)),
        ("down x1.5", separable(1.5, 0.0), patch(768, 768)),
        ("down x3, aligned", separable(3.0, 0.0), patch(1536, 1536)),
        ("other zone", zone_positions(), patch(560, 560)),
    ]
}

fn zone_grid() -> Grid {
    let crs = Crs::Epsg(32633);
    Grid { crs, left: 699_960.0, top: 5_000_040.0, resolution: 10.0, width: SIDE, height: SIDE }
}

fn zone_warp() -> Option<Warp> {
    let grid = zone_grid();
    let projection = Projection::new(&grid.crs, &Crs::Epsg(32634)).ok()?;
    Some(Warp::new(&grid, Some(&projection), 0.08, 512))
}

/// Where the source starts that a chunk of the neighbour zone needs.
fn zone_source() -> Transform {
    Transform::north_up(227_700.0, 5_002_730.0, 10.0, 10.0)
}

fn zone_positions() -> Positions {
    let none = Positions::Separable { cols: Vec::new(), rows: Vec::new() };
    zone_warp().map_or(none, |warp| warp.positions(&points(&zone_grid()), &zone_source()))
}

fn bilinear_16_bit(criterion: &mut Criterion) {
    let (wanted, mask) = (Wanted::all(SIDE, SIDE), vec![true; PIXELS]);
    let mut out = vec![0u16; PIXELS];
    for (name, positions, patch) in cases() {
        let mut group = criterion.benchmark_group(format!("bilinear, {name}"));
        group.throughput(Throughput::Elements(PIXELS as u64));
        group.bench_function("scalar loop", |bencher| {
            bencher.iter(|| scalar_bilinear(black_box(&patch), &positions, 0, &mask, &mut out));
        });
        for level in VectorLevel::all() {
            group.bench_function(level.name(), |bencher| {
                bencher.iter(|| {
                    bilinear_at(level, black_box(&patch), &positions, 0, &wanted, |row, col, values| {
                        out[row * SIDE + col..][..values.len()].copy_from_slice(values);
                    });
                });
            });
        }
        group.finish();
    }
    let source = patch(SIDE, SIDE);
    let mut group = criterion.benchmark_group("copy");
    group.throughput(Throughput::Elements(PIXELS as u64));
    group.bench_function("512 x 512", |bencher| {
        bencher.iter(|| black_box(&mut out).copy_from_slice(black_box(source.array.values())));
    });
    group.finish();
}

fn nearest_8_bit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nearest, 8 bit");
    group.throughput(Throughput::Elements(PIXELS as u64));
    let classes = Patch::new(patch(560, 560).array.map(|value| value as u8), 0, 0);
    for (name, positions) in
        [("aligned", separable(1.0, 0.0)), ("up x2", separable(0.5, 0.0)), ("other zone", zone_positions())]
    {
        group.bench_function(name, |bencher| bencher.iter(|| nearest(black_box(&classes), &positions, 0)));
    }
    group.finish();
}

fn positions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("positions");
    group.throughput(Throughput::Elements(PIXELS as u64));
    if let Some(warp) = zone_warp() {
        let points = points(&zone_grid());
        group.bench_function("other zone", |bencher| bencher.iter(|| warp.positions(&points, &zone_source())));
    }
    let tiling = Tiling { width: 10_980, height: 10_980, tile_width: 1024, tile_height: 1024 };
    let wanted = Wanted::all(SIDE, SIDE);
    for (name, positions) in [("separable", separable(1.0, 900.0)), ("general", zone_positions())] {
        let mut marks = vec![false; tiling.count()];
        group.bench_function(format!("mark tiles, {name}"), |bencher| {
            bencher.iter(|| Footprint::Bilinear.mark_tiles(black_box(&positions), &wanted, &tiling, &mut marks));
        });
        group.bench_function(format!("window, {name}"), |bencher| {
            bencher.iter(|| Footprint::Bilinear.window(black_box(&positions), &wanted, &tiling));
        });
    }
    group.finish();
}

criterion_group!(benches, bilinear_16_bit, nearest_8_bit, positions);
criterion_main!(benches);
