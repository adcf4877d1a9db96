//! What `--help` says below the flags.

/// Below the short help.
pub(crate) const SHORT: &str = "\
Example:
  spx-build --bbox 15.1 45.2 16.3 46.8 --datetime 2024-07 --out-dir july

`--help` tells more: further examples, the files, the exit codes.";

/// Below the long help, and in the man page.
pub(crate) const LONG: &str = "\
Examples:
  A month of Sentinel-2, all bands, 60 m:
    spx-build --bbox 15.1 45.2 16.3 46.8 --datetime 2024-07 --out-dir july

  True colour at 10 m in the European grid:
    spx-build --bbox 15.1 45.2 16.3 46.8 --datetime 2024-06-01/2024-08-31 --resolution 10 \\
        --bands red,green,blue --output-crs EPSG:3035 --out-dir summer

  A composite for each summer month of three years, in folders 2022-06 to 2024-08:
    spx-build --bbox 15.1 45.2 16.3 46.8 --years 2022,2023,2024 --months 6,7,8 --out-dir months

  What would be read of a catalogue on disk, and nothing more:
    spx-build --bbox 15.1,45.2,16.3,46.8 --datetime 2024 --catalog items.json --dry-run

  In a pipeline:
    spx-build ... --quiet --out-dir out | jq .clear_fraction

Files:
  A Cloud-Optimized GeoTIFF for each band (uint16, reflectance x 10000, nodata 65535) and for
    quality               0 clear, 1 marginal, 2 dark, 65535 nodata
    observation_count     scenes with a usable observation
    selected_observation  index into source_ids of composite.json, 65535 none
    date                  int32: days since 1970-01-01 (UTC), -2147483648 none
  With --stack the bands are in one file, bands.tif.
  preview.png, item.json (a STAC Item) and composite.json. Files appear under their names when all are whole, composite.json
  last; images of an earlier run into this folder go. `.bestpixel-*.tmp` is what a killed run may leave, the next one
  removes it.

Output:
  One line of JSON on stdout, everything else on stderr. It has: out_dir, files, width, height, epsg,
  clear_fraction, nodata_fraction, sources, skipped, seconds, requests, bytes; with --years an object
  for each month in `months`.

Exit codes:
  0    success, also where the reader of stdout has gone
  1    the machine gives no threads or memory
  2    wrong arguments, or something that is not available
  3    the catalogue cannot be found or read, or no scene in it fits
  4    files cannot be read (see --on-error)
  5    files cannot be written
  130  interrupted (SIGINT)
  143  terminated (SIGTERM)

Environment:
  AWS_REGION              with --endpoint auto
  BESTPIXEL_CACHE_BYTES   what --disk-cache may take (1 GiB)
  BESTPIXEL_READ_TIMEOUT  seconds without progress after which a request is repeated (20)
  BESTPIXEL_CA_BUNDLE     file of trusted certificates; SSL_CERT_FILE and others are known too
  BESTPIXEL_SIMD          scalar, avx2 or avx512 instead of the best that the machine has
  PC_SDK_SUBSCRIPTION_KEY, PC_SDK_SAS_URL
                          key and token service of the Planetary Computer
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY";
