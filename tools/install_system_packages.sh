#!/usr/bin/env bash
# Sees to the programs that the build needs and that neither cargo nor pip brings.
#
# Where one is missing it is installed through apt-get, as root or through sudo. Without apt-get, or without leave to use
# it, what is missing is named and the build stops. Nothing is asked of anybody when all is there. Arguments are further
# packages of Debian, which only some callers need.
set -euo pipefail

# program:package of Debian. PROJ is compiled from source (cmake, g++) and builds its database with sqlite3.
needed=(cmake:cmake sqlite3:sqlite3 g++:g++ make:make)
# ccache only saves time: PROJ is then compiled once for debug and release.
wished=(ccache:ccache)

packages=()
names=()
for pair in "${needed[@]}"; do
    if ! command -v "${pair%%:*}" >/dev/null; then
        names+=("${pair%%:*}")
        packages+=("${pair##*:}")
    fi
done
if ! "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
    names+=("${PYTHON:-python3} with venv")
    packages+=(python3-venv)
fi
for package in "$@"; do
    if ! dpkg -s "$package" >/dev/null 2>&1; then
        names+=("$package")
        packages+=("$package")
    fi
done
missing=${names[*]-}
for pair in "${wished[@]}"; do
    command -v "${pair%%:*}" >/dev/null || packages+=("${pair##*:}")
done

if [ ${#packages[@]} -gt 0 ]; then
    sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    if ! command -v apt-get >/dev/null || { [ ${#sudo[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
        [ -z "$missing" ] && exit 0
        echo "missing: $missing; there is no apt-get to install them with (or neither root nor sudo)" >&2
        exit 1
    fi
    echo "installing: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    install=("${sudo[@]}" apt-get install -y -q --no-install-recommends "${packages[@]}")
    # The lists of a new machine are empty or old: then once more with new ones.
    if ! { "${install[@]}" || { "${sudo[@]}" apt-get update -q && "${install[@]}"; }; }; then
        [ -z "$missing" ] || exit 1
        echo "going on without: ${packages[*]}"
    fi
fi

if ! command -v cargo >/dev/null; then
    echo "missing: cargo; install Rust (see rust-version in Cargo.toml) with rustup, which Debian's own packages lag behind" >&2
    exit 1
fi
