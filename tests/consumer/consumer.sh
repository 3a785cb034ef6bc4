#!/usr/bin/env bash
# Builds tests/consumer as the program of somebody else.
#
#   usage: consumer.sh installed BUILD_DIR COMPILER      against `cmake --install` of BUILD_DIR, and runs it
#          consumer.sh subdirectory BUILD_DIR COMPILER   with this project as a part of its build, and compiles it
#          consumer.sh subdirectory-all ...              the same, builds the whole engine and runs it: minutes
set -euo pipefail
how=$1
build=$(cd "$2" && pwd)
source=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# configure OPTION...: the consumer, on a system that has none of the libraries that only our programs need.
configure() {
  cmake -S "$source/tests/consumer" -B consumer -G Ninja -D CMAKE_CXX_COMPILER="$compiler" \
    -D CMAKE_BUILD_TYPE=Release --no-warn-unused-cli -DCMAKE_DISABLE_FIND_PACKAGE_{ZLIB,JPEG,PNG,CLI11,Catch2}=ON \
    "$@" >configure.txt 2>&1 || { cat configure.txt; fail "the consumer could not be configured"; }
}
compiler=$3

# The instruction set is chosen at run time: the best one, or the one that GMLP_ISA names.
run() {
  consumer/consumer || fail "the consumer's check"
  local isa
  for isa in scalar $(grep -m 1 -ow avx2 /proc/cpuinfo || true); do
    GMLP_ISA=$isa consumer/consumer | grep " on $isa:" || fail "GMLP_ISA=$isa is not obeyed"
  done
  if grep -qw avx2 /proc/cpuinfo; then
    ! consumer/consumer | grep -q " on scalar:" || fail "the portable kernels are not this processor's best"
  fi
}

case $how in
  installed)
    cmake --install "$build" --prefix "$scratch/a prefix" --component library >install.txt
    configure -D CMAKE_PREFIX_PATH="$scratch/a prefix" \
      -DCMAKE_DISABLE_FIND_PACKAGE_{Eigen3,nlohmann_json}=ON
    cmake --build consumer
    run
    ! grep -rlE '#include <(Eigen|nlohmann)|#include "' "$scratch/a prefix/include" || fail "private headers are included"
    ;;
  subdirectory)
    configure -D GMLP_SOURCE="$source"
    cmake --build consumer --target CMakeFiles/consumer.dir/main.cpp.o
    ;;
  subdirectory-all)
    configure -D GMLP_SOURCE="$source"
    cmake --build consumer
    run
    ;;
esac

# Nothing of ours comes along: no flag, no program, no test.
! grep -A 5 'consumer.dir/main.cpp.o:' consumer/build.ninja | grep -e -Wshadow -e contract -e -mavx ||
  fail "our flags reach the consumer"
! grep -e gmlp-vision -e test_core consumer/build.ninja || fail "our programs or tests are built, too"
