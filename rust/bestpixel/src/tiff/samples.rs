//! Rows of bytes without predictor go in, samples in the file's own type come out.

use super::byte_order::ByteOrder;
use super::tags::sample_format;
use super::unpack::unpack_row;
use super::{Error, Result};
use crate::raster::Array;

/// What one sample is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SampleType {
    /// Unsigned, 1 to 16 bits.
    Unsigned(u16),
    U32,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl SampleType {
    /// The type that the tags name.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for any other.
    pub(crate) fn new(format: u64, bits: u64) -> Result<Self> {
        let known = u16::try_from(format).ok().map(|format| match (format, bits) {
            (sample_format::UNSIGNED | sample_format::VOID, 1..=16) => Some(Self::Unsigned(bits as u16)),
            (sample_format::UNSIGNED | sample_format::VOID, 32) => Some(Self::U32),
            (sample_format::SIGNED, 8) => Some(Self::I8),
            (sample_format::SIGNED, 16) => Some(Self::I16),
            (sample_format::SIGNED, 32) => Some(Self::I32),
            (sample_format::FLOAT, 32) => Some(Self::F32),
            (sample_format::FLOAT, 64) => Some(Self::F64),
            _ => None,
        });
        known.flatten().ok_or_else(|| {
            let name = match format {
                1 => "unsigned",
                2 => "signed",
                3 => "floating-point",
                4 => "untyped",
                5 | 6 => "complex",
                _ => "unknown",
            };
            Error::unsupported(format!("{name} samples (format {format}) of {bits} bits"))
        })
    }

    /// Bits in the file.
    pub(crate) fn bits(self) -> usize {
        match self {
            Self::Unsigned(bits) => usize::from(bits),
            Self::I8 => 8,
            Self::I16 => 16,
            Self::U32 | Self::I32 | Self::F32 => 32,
            Self::F64 => 64,
        }
    }

    /// Bytes in memory.
    pub(crate) fn bytes(self) -> usize {
        self.bits().next_power_of_two().max(8) / 8
    }
}

/// The samples of a tile, in the type that the file has.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Samples {
    /// 1 to 8 bits, unsigned.
    U8(Array<u8>),
    /// 9 to 16 bits, unsigned.
    U16(Array<u16>),
    /// 32 bits, unsigned.
    U32(Array<u32>),
    /// 8 bits, signed.
    I8(Array<i8>),
    /// 16 bits, signed.
    I16(Array<i16>),
    /// 32 bits, signed.
    I32(Array<i32>),
    /// 32 bits, floating-point.
    F32(Array<f32>),
    /// 64 bits, floating-point.
    F64(Array<f64>),
}

/// The same for all types of samples: `with_array!(samples, array => expression)`.
macro_rules! with_array {
    ($samples:expr, $array:pat => $body:expr) => {
        match $samples {
            Samples::U8($array) => $body,
            Samples::U16($array) => $body,
            Samples::U32($array) => $body,
            Samples::I8($array) => $body,
            Samples::I16($array) => $body,
            Samples::I32($array) => $body,
            Samples::F32($array) => $body,
            Samples::F64($array) => $body,
        }
    };
}

impl Default for Samples {
    /// No samples: a place for decoded ones.
    fn default() -> Self {
        Self::U8(Array::from_vec(0, 0, Vec::new()))
    }
}

impl Samples {
    /// Columns.
    pub fn width(&self) -> usize {
        with_array!(self, array => array.width())
    }

    /// Rows.
    pub fn height(&self) -> usize {
        with_array!(self, array => array.height())
    }

    /// The type's name, as numpy has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::U8(_) => "uint8",
            Self::U16(_) => "uint16",
            Self::U32(_) => "uint32",
            Self::I8(_) => "int8",
            Self::I16(_) => "int16",
            Self::I32(_) => "int32",
            Self::F32(_) => "float32",
            Self::F64(_) => "float64",
        }
    }

    /// Gives `self` a type and a size; its memory is kept where the type stays.
    pub(crate) fn reshape(&mut self, kind: SampleType, width: usize, height: usize) {
        macro_rules! reshape {
            ($variant:ident) => {{
                let mut values = match std::mem::take(self) {
                    Self::$variant(array) => array.into_vec(),
                    _ => Vec::new(),
                };
                values.resize(width * height, Default::default());
                *self = Self::$variant(Array::from_vec(width, height, values));
            }};
        }
        match kind {
            SampleType::Unsigned(..=8) => reshape!(U8),
            SampleType::Unsigned(_) => reshape!(U16),
            SampleType::U32 => reshape!(U32),
            SampleType::I8 => reshape!(I8),
            SampleType::I16 => reshape!(I16),
            SampleType::I32 => reshape!(I32),
            SampleType::F32 => reshape!(F32),
            SampleType::F64 => reshape!(F64),
        }
    }

    /// The samples as they lie in memory, row by row.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        with_array!(self, array => bytemuck::cast_slice_mut(array.values_mut()))
    }

    /// Sets all samples to a value, the nearest one that the type has.
    pub(crate) fn fill(&mut self, value: f64) {
        macro_rules! fill {
            ($($variant:ident),*) => {
                match self { $(Self::$variant(array) => array.values_mut().fill(value as _),)* }
            };
        }
        fill!(U8, U16, U32, I8, I16, I32, F32, F64);
    }

    /// Copies the upper left part of a tile to its place in an image of the same type.
    pub(crate) fn paste(&self, image: &mut Self, col_off: usize, row_off: usize) {
        macro_rules! paste {
            ($($variant:ident),*) => {
                match (self, image) {
                    $((Self::$variant(tile), Self::$variant(image)) => {
                        let width = tile.width().min(image.width().saturating_sub(col_off));
                        let height = tile.height().min(image.height().saturating_sub(row_off));
                        for row in 0..height {
                            let to = &mut image.row_mut(row_off + row)[col_off..col_off + width];
                            to.copy_from_slice(&tile.row(row)[..width]);
                        }
                    })*
                    _ => {}
                }
            };
        }
        paste!(U8, U16, U32, I8, I16, I32, F32, F64);
    }

    /// Fills one row from the bytes of a row of `pixels` pixels.
    pub(crate) fn read_row(&mut self, row: usize, bytes: &[u8], source: &Source) {
        match self {
            Self::U8(array) if source.kind != SampleType::Unsigned(8) => {
                unpack_row(bytes, source, array.row_mut(row), |value| value as u8);
            }
            Self::U16(array) if source.kind != SampleType::Unsigned(16) => {
                unpack_row(bytes, source, array.row_mut(row), |value| value);
            }
            _ if source.is_planes => self.read_planes(row, bytes, source),
            _ => with_array!(self, array => gather(bytes, source, array.row_mut(row))),
        }
    }

    /// Fills a row from bytes that predictor 3 has left plane by plane.
    fn read_planes(&mut self, row: usize, bytes: &[u8], source: &Source) {
        match self {
            Self::F32(array) => planes(bytes, source, array.row_mut(row), f32::from_be_bytes),
            Self::F64(array) => planes(bytes, source, array.row_mut(row), f64::from_be_bytes),
            // `SampleType` and predictor have been checked when the file was opened.
            _ => {}
        }
    }
}

/// How samples lie in a row of bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source {
    pub(crate) kind: SampleType,
    pub(crate) order: ByteOrder,
    /// Samples to a pixel.
    pub(crate) stride: usize,
    /// Which of them is wanted.
    pub(crate) band: usize,
    /// Whether the bytes of a row lie plane by plane (predictor 3).
    pub(crate) is_planes: bool,
}

/// A sample as it lies in a file.
trait Stored: Copy {
    /// Copies every `stride`-th sample of a row from the `band`-th on.
    fn gather(bytes: &[u8], source: &Source, row: &mut [Self]);
}

macro_rules! stored {
    ($($t:ty),*) => {$(
        impl Stored for $t {
            fn gather(bytes: &[u8], source: &Source, row: &mut [Self]) {
                let (samples, _) = bytes.as_chunks::<{ size_of::<$t>() }>();
                let wanted = samples.iter().skip(source.band).step_by(source.stride);
                row.iter_mut().zip(wanted).for_each(|(to, &sample)| *to = match source.order {
                    ByteOrder::Little => <$t>::from_le_bytes(sample),
                    ByteOrder::Big => <$t>::from_be_bytes(sample),
                });
            }
        }
    )*};
}
stored!(u8, u16, u32, i8, i16, i32, f32, f64);

fn gather<T: Stored>(bytes: &[u8], source: &Source, row: &mut [T]) {
    T::gather(bytes, source, row);
}

/// Puts the planes of a row together; highest byte first, whatever the file's byte order.
fn planes<T, const N: usize>(bytes: &[u8], source: &Source, row: &mut [T], join: impl Fn([u8; N]) -> T) {
    let length = row.len() * source.stride;
    let mut planes = [&[][..]; N];
    for (plane, part) in planes.iter_mut().zip(bytes.chunks_exact(length.max(1))) {
        *plane = part;
    }
    for (i, to) in row.iter_mut().enumerate() {
        let at = i * source.stride + source.band;
        *to = join(planes.map(|plane| plane.get(at).copied().unwrap_or(0)));
    }
}
