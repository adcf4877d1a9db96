#!/usr/bin/env bash
# rustc for fuzzing: what we wrote is compiled with LLVM's coverage and with checks of overflows, what we depend on is not.
# So dependencies (PROJ takes minutes) are those of ordinary builds. cargo calls it as RUSTC_WORKSPACE_WRAPPER.
set -euo pipefail
case " $* " in
*" --crate-name build_script_"*) exec "$@" ;;
esac
exec "$@" --cfg fuzzing -C debug-assertions=on -C overflow-checks=on -C opt-level=3 -C passes=sancov-module \
    -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares
