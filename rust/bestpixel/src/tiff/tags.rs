//! The tags, field types and code values of TIFF 6.0, BigTIFF and GeoTIFF that are read or written: name = number.
//!
//! Source: TIFF 6.0 specification (Adobe, 1992); OGC 19-008r4 (GeoTIFF 1.1); GDAL's private tags 42112 and 42113.

/// Tags of an image file directory.
pub(crate) mod tag {
    pub(crate) const NEW_SUBFILE_TYPE: u16 = 254;
    pub(crate) const IMAGE_WIDTH: u16 = 256;
    pub(crate) const IMAGE_LENGTH: u16 = 257;
    pub(crate) const BITS_PER_SAMPLE: u16 = 258;
    pub(crate) const COMPRESSION: u16 = 259;
    pub(crate) const PHOTOMETRIC: u16 = 262;
    pub(crate) const FILL_ORDER: u16 = 266;
    pub(crate) const STRIP_OFFSETS: u16 = 273;
    pub(crate) const SAMPLES_PER_PIXEL: u16 = 277;
    pub(crate) const ROWS_PER_STRIP: u16 = 278;
    pub(crate) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(crate) const PLANAR_CONFIGURATION: u16 = 284;
    pub(crate) const PREDICTOR: u16 = 317;
    pub(crate) const TILE_WIDTH: u16 = 322;
    pub(crate) const TILE_LENGTH: u16 = 323;
    pub(crate) const TILE_OFFSETS: u16 = 324;
    pub(crate) const TILE_BYTE_COUNTS: u16 = 325;
    pub(crate) const SUB_IFDS: u16 = 330;
    pub(crate) const EXTRA_SAMPLES: u16 = 338;
    pub(crate) const SAMPLE_FORMAT: u16 = 339;
    pub(crate) const MODEL_PIXEL_SCALE: u16 = 33550;
    pub(crate) const MODEL_TIEPOINT: u16 = 33922;
    pub(crate) const MODEL_TRANSFORMATION: u16 = 34264;
    pub(crate) const GEO_KEY_DIRECTORY: u16 = 34735;
    pub(crate) const GEO_DOUBLE_PARAMS: u16 = 34736;
    pub(crate) const GEO_ASCII_PARAMS: u16 = 34737;
    pub(crate) const GDAL_METADATA: u16 = 42112;
    pub(crate) const GDAL_NODATA: u16 = 42113;
}

/// Field types.
pub(crate) mod field {
    pub(crate) const BYTE: u16 = 1;
    pub(crate) const ASCII: u16 = 2;
    pub(crate) const SHORT: u16 = 3;
    pub(crate) const LONG: u16 = 4;
    pub(crate) const RATIONAL: u16 = 5;
    pub(crate) const SBYTE: u16 = 6;
    pub(crate) const UNDEFINED: u16 = 7;
    pub(crate) const SSHORT: u16 = 8;
    pub(crate) const SLONG: u16 = 9;
    pub(crate) const SRATIONAL: u16 = 10;
    pub(crate) const FLOAT: u16 = 11;
    pub(crate) const DOUBLE: u16 = 12;
    pub(crate) const IFD: u16 = 13;
    pub(crate) const LONG8: u16 = 16;
    pub(crate) const SLONG8: u16 = 17;
    pub(crate) const IFD8: u16 = 18;

    /// Bytes of one value of a type, or None where the type is unknown.
    pub(crate) fn size(field_type: u16) -> Option<u64> {
        Some(match field_type {
            BYTE | ASCII | SBYTE | UNDEFINED => 1,
            SHORT | SSHORT => 2,
            LONG | SLONG | FLOAT | IFD => 4,
            RATIONAL | SRATIONAL | DOUBLE | LONG8 | SLONG8 | IFD8 => 8,
            _ => return None,
        })
    }
}

/// Values of the compression tag.
pub(crate) mod compression {
    pub(crate) const NONE: u16 = 1;
    pub(crate) const LZW: u16 = 5;
    pub(crate) const DEFLATE: u16 = 8;
    pub(crate) const PACK_BITS: u16 = 32773;
    pub(crate) const DEFLATE_OLD: u16 = 32946;
    pub(crate) const ZSTD: u16 = 50000;

    /// The name of a compression, for messages.
    pub(crate) fn name(code: u16) -> &'static str {
        match code {
            NONE => "none",
            2 => "CCITT RLE",
            3 => "CCITT fax 3",
            4 => "CCITT fax 4",
            LZW => "LZW",
            6 => "old-style JPEG",
            7 => "JPEG",
            DEFLATE | DEFLATE_OLD => "DEFLATE",
            32766 => "NeXT RLE",
            32771 => "CCITT RLE/W",
            PACK_BITS => "PackBits",
            32809 => "ThunderScan",
            34661 => "JBIG",
            34676 => "SGI LogLuv",
            34677 => "SGI LogLuv 24",
            34712 => "JPEG 2000",
            34887 => "LERC",
            34925 => "LZMA",
            ZSTD => "ZSTD",
            50001 => "WebP",
            50002 => "JPEG XL",
            _ => "unknown",
        }
    }
}

/// Values of the predictor tag.
pub(crate) mod predictor {
    pub(crate) const NONE: u16 = 1;
    pub(crate) const HORIZONTAL: u16 = 2;
    pub(crate) const FLOATING_POINT: u16 = 3;
}

/// Values of the sample format tag.
pub(crate) mod sample_format {
    pub(crate) const UNSIGNED: u16 = 1;
    pub(crate) const SIGNED: u16 = 2;
    pub(crate) const FLOAT: u16 = 3;
    /// "Untyped": GDAL and libtiff take it for unsigned.
    pub(crate) const VOID: u16 = 4;
}

/// Values of the photometric tag that change what samples mean beyond recognition.
pub(crate) mod photometric {
    pub(crate) const YCBCR: u16 = 6;
}

/// Keys of the GeoKey directory.
pub(crate) mod geokey {
    pub(crate) const MODEL_TYPE: u16 = 1024;
    pub(crate) const RASTER_TYPE: u16 = 1025;
    pub(crate) const CITATION: u16 = 1026;
    pub(crate) const GEODETIC_CRS: u16 = 2048;
    pub(crate) const GEODETIC_CITATION: u16 = 2049;
    pub(crate) const GEODETIC_DATUM: u16 = 2050;
    pub(crate) const ANGULAR_UNITS: u16 = 2054;
    pub(crate) const ELLIPSOID: u16 = 2056;
    pub(crate) const SEMI_MAJOR_AXIS: u16 = 2057;
    pub(crate) const SEMI_MINOR_AXIS: u16 = 2058;
    pub(crate) const INVERSE_FLATTENING: u16 = 2059;
    pub(crate) const PROJECTED_CRS: u16 = 3072;
    pub(crate) const PROJECTION: u16 = 3074;
    pub(crate) const PROJECTION_METHOD: u16 = 3075;
    pub(crate) const LINEAR_UNITS: u16 = 3076;
    pub(crate) const STANDARD_PARALLEL_1: u16 = 3078;
    pub(crate) const STANDARD_PARALLEL_2: u16 = 3079;
    pub(crate) const NATURAL_ORIGIN_LONGITUDE: u16 = 3080;
    pub(crate) const NATURAL_ORIGIN_LATITUDE: u16 = 3081;
    pub(crate) const FALSE_EASTING: u16 = 3082;
    pub(crate) const FALSE_NORTHING: u16 = 3083;
    pub(crate) const FALSE_ORIGIN_LONGITUDE: u16 = 3084;
    pub(crate) const FALSE_ORIGIN_LATITUDE: u16 = 3085;
    pub(crate) const FALSE_ORIGIN_EASTING: u16 = 3086;
    pub(crate) const FALSE_ORIGIN_NORTHING: u16 = 3087;
    pub(crate) const CENTRE_LONGITUDE: u16 = 3088;
    pub(crate) const CENTRE_LATITUDE: u16 = 3089;
    pub(crate) const NATURAL_ORIGIN_SCALE: u16 = 3092;
    pub(crate) const POLE_LONGITUDE: u16 = 3095;

    /// "Not from a registry: the other keys define it."
    pub(crate) const USER_DEFINED: u16 = 32767;
}
