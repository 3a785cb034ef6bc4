#!/usr/bin/env bash
# `./dev neon`: tests the NEON kernels on a machine that is not an Arm. Cross-compiles the tests of kernels and models
# and runs them under qemu. Debian's arm64 packages are unpacked into BUILD_DIR/sysroot and apt's lists for arm64 are
# kept next to it, so the system's own architectures do not change.
#
#   usage: neon.sh BUILD_DIR
set -euo pipefail
mkdir -p "$1"
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
packages=(libfmt-dev libfmt9 zlib1g-dev zlib1g catch2 libeigen3-dev libcli11-dev nlohmann-json3-dev
          libjpeg62-turbo-dev libjpeg62-turbo libpng-dev libpng16-16 libwebp-dev libwebp7 libstb-dev
          libsentencepiece-dev libsentencepiece0 libutf8proc-dev libutf8proc2)
cross_root=/usr/aarch64-linux-gnu  # where Debian's cross compiler has the C and C++ libraries

give_up() {
  echo "neon: NOT TESTED: $*" >&2
  exit 1
}
for program in aarch64-linux-gnu-g++ qemu-aarch64-static apt-get dpkg-deb; do
  command -v "$program" >/dev/null || give_up "$program is missing; ./dev neon installs it on Debian"
done

# ---- the libraries ----

fetch_libraries() {
  local apt=$build/apt package
  rm -rf "$apt" "$build/sysroot"
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/packages"
  : >"$apt/status"
  local options=(-q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$apt/lists"
                 -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache"
                 -o APT::Sandbox::User="$(id -un)")
  apt-get "${options[@]}" update || give_up "no package lists for arm64: see apt-get's message"
  (cd "$apt/packages" && apt-get "${options[@]}" download "${packages[@]}") ||
    give_up "not all of ${packages[*]} are available for arm64: see apt-get's message"
  for package in "$apt"/packages/*.deb; do dpkg-deb -x "$package" "$build/sysroot"; done
  touch "$build/sysroot/complete"
}
[[ -e $build/sysroot/complete ]] || fetch_libraries

# ---- building and running ----

cmake -S . -B "$build/tests" -G Ninja -D CMAKE_BUILD_TYPE=RelWithDebInfo -D CMAKE_UNITY_BUILD=ON \
  -D CMAKE_SYSTEM_NAME=Linux \
  -D CMAKE_SYSTEM_PROCESSOR=aarch64 -D CMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ \
  -D CMAKE_FIND_ROOT_PATH="$build/sysroot;$cross_root" -D CMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER \
  -D CMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY -D CMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
  -D CMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY -D CMAKE_COMPILE_WARNING_AS_ERROR=ON \
  -D CMAKE_CROSSCOMPILING_EMULATOR="qemu-aarch64-static;-L;$cross_root"
cmake --build "$build/tests" --target test_kernels test_models
tests/setup/kernel_symbols.sh "$build/tests"

# Of test_models only those that depend on the instruction set. With the build this takes about 19 minutes.
export GMLP_ISA=neon OMP_WAIT_POLICY=passive
arm() {
  printf '+ %s\n' "$*" >&2
  qemu-aarch64-static -L "$cross_root" "$build/tests/tests/$1" "${@:2}"
}
arm test_kernels
arm test_models "[golden],[agreement]"
