#!/usr/bin/env bash
# Coverage-guided fuzzing of the TIFF reader with stable Rust: tools/fuzz.sh SECONDS [TARGET...]
#
# Runs each target (all of fuzz/fuzz_targets by default) for SECONDS. An input may take 2 seconds and 256 MiB. What it
# finds lies in fuzz/corpus (inputs that reach new code) and fuzz/artifacts (inputs that break the reader): a fixture for
# rust/bestpixel/tests/hostile. `cargo fuzz run` finds the same targets where a nightly compiler is at hand.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?tools/fuzz.sh SECONDS [TARGET...]}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(open tile geokeys predictor)

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/bestpixel/target}
RUSTC_WORKSPACE_WRAPPER=$PWD/tools/fuzz_rustc.sh CARGO_INCREMENTAL=0 cargo build --release --locked -p bestpixel-fuzz
# Files that ordinary tests read are where the fuzzer starts from.
seeds=(rust/bestpixel/tests/hostile)
[ ! -d ../shared/data/tiff-corpus ] || seeds+=(../shared/data/tiff-corpus)
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    from=()
    [ "$target" != open ] || from=("${seeds[@]}")
    "$CARGO_TARGET_DIR/release/fuzz_$target" -max_total_time="$seconds" -timeout=2 -rss_limit_mb=1024 \
        -malloc_limit_mb=256 -max_len=40000 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="fuzz/artifacts/$target/" "fuzz/corpus/$target" "${from[@]}"
done
