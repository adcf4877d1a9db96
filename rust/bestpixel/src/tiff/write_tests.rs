//! Files that are written, in the eyes of another reader, and beyond the size that 32 bits can say.

use super::codec::compress;
use super::layout::{LevelInfo, TILE_SIZE};
use super::write::{BandInfo, Compression, GeoTiffWriter, ImageInfo};
use super::{Cog, Sample};
use crate::raster::{Crs, Grid};
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

fn grid(width: usize, height: usize) -> Grid {
    Grid { crs: Crs::Epsg(32633), left: 500_000.0, top: 5_000_000.0, resolution: 10.0, width, height }
}

fn image<T>(bands: usize, nodata: T) -> ImageInfo<T> {
    let band = |i| BandInfo { description: format!("band {i}"), scaling: None };
    ImageInfo { bands: (0..bands).map(band).collect(), nodata, is_continuous: false }
}

/// Writes one band, and opens it with the crate `tiff`.
fn written<T: Sample>(values: &[T], nodata: T, width: usize, compression: Compression) -> Decoder<File> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.tif");
    let grid = grid(width, values.len() / width);
    let mut writer = GeoTiffWriter::new(&path, image(1, nodata), &grid, compression).unwrap();
    values.chunks(width * 300).for_each(|rows| writer.push(0, rows).unwrap());
    writer.finish().unwrap().publish().unwrap();
    Decoder::new(File::open(&path).unwrap()).unwrap().with_limits(Limits::unlimited())
}

#[test]
fn another_reader_finds_the_same_pixels() {
    for compression in [Compression::Deflate { level: 6 }, Compression::Zstd { level: 3 }] {
        for (width, height) in [(1, 1), (700, 513), (1100, 600)] {
            let values: Vec<u16> = (0..width * height).map(|i| (i * 7919 % 65521) as u16).collect();
            let mut decoder = written(&values, 65535, width, compression);
            assert_eq!(decoder.dimensions().unwrap(), (width as u32, height as u32));
            assert!(matches!(decoder.read_image().unwrap(), DecodingResult::U16(read) if read == values));
            let days: Vec<i32> = values.iter().map(|&value| i32::from(value) * 1000 - 30_000_000).collect();
            let mut decoder = written(&days, i32::MIN, width, compression);
            assert!(matches!(decoder.read_image().unwrap(), DecodingResult::I32(read) if read == days));
        }
    }
}

#[test]
fn beyond_four_gibibytes() {
    const SIDE: usize = 60_000;
    // The last tile is real; of the others only the sizes are, and the file has holes in their places.
    let samples: Vec<u16> = (0..TILE_SIZE * TILE_SIZE).map(|i| (i * 31 % 9973) as u16).collect();
    let mut bytes = vec![0; 2 * samples.len()];
    let rows = samples.chunks(TILE_SIZE).zip(bytes.chunks_mut(2 * TILE_SIZE));
    rows.for_each(|(row, place)| u16::put_differences(row, place));
    let tile = compress(Compression::default(), &bytes).unwrap();
    let mut levels = Vec::new();
    let mut side = SIDE;
    loop {
        let count = side.div_ceil(TILE_SIZE).pow(2);
        levels.push(LevelInfo { width: side, height: side, tile_bytes: vec![330_000; count] });
        if side <= TILE_SIZE {
            break;
        }
        side = side.div_ceil(2);
    }
    let last = levels[0].tile_bytes.len() - 1;
    levels[0].tile_bytes[last] = tile.len() as u64;
    let layout =
        super::layout::Layout::plan(&image(1, 65535u16), &grid(SIDE, SIDE), Compression::default(), levels).unwrap();
    let head = layout.head();
    assert_eq!(head[..4], *b"II\x2b\0");

    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&head).unwrap();
    let ours = Cog::from_bytes(head.into()).unwrap();
    let place = ours.levels[0].tile_range(last).unwrap();
    assert!(place.start > u64::from(u32::MAX));
    file.seek(SeekFrom::Start(place.start)).unwrap();
    file.write_all(&tile).unwrap();

    file.rewind().unwrap();
    let mut theirs = Decoder::new(file).unwrap().with_limits(Limits::unlimited());
    assert_eq!(theirs.dimensions().unwrap(), (SIDE as u32, SIDE as u32));
    let offsets = theirs.get_tag_u64_vec(Tag::TileOffsets).unwrap();
    assert_eq!((offsets.len(), offsets[last]), (last + 1, place.start));
    let (width, height) = theirs.chunk_data_dimensions(last as u32);
    let rows = samples.chunks(TILE_SIZE).take(height as usize);
    let expected: Vec<u16> = rows.flat_map(|row| row[..width as usize].to_vec()).collect();
    let DecodingResult::U16(read) = theirs.read_chunk(last as u32).unwrap() else { panic!("16 bits") };
    assert_eq!((width, height, read.len()), (96, 96, 96 * 96));
    assert_eq!(read, expected);
}
