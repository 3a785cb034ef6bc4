#!/usr/bin/env bash
# Shows that a check of tools/ can fail: it passes on a small correct tree, and names each of the faults that
# are introduced one after another. Usage: checks_can_fail.sh includes|readme|length|paths|budget|vocabulary
# shellcheck disable=SC2016  # the `...` in single quotes are Markdown's
set -euo pipefail
check=$(cd "$(dirname "$0")/../.." && pwd)/tools/check_$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cd "$tree"

# Creates the correct tree.
create() {
  rm -rf "${tree:?}"/*
  mkdir -p core kernels/fused kernels/simd autograd models data/vision apps/train apps/vision apps/bench docs examples tests
  echo '#include "core/tensor.h"' >data/vision/loader.h
  echo '#include "kernels/gemm.h"' >autograd/ops.cpp
  echo '#include <immintrin.h>' >kernels/simd/simd_avx2.h
  echo '#include "apps/train/loop.h"' >apps/vision/main.cpp
  echo '#include "apps/vision/main.h"' >tests/test.cpp
  {
    printf '%s\n' '- `core/`, `kernels/`, `autograd/`, `models/`, `apps/`, `docs/`, `examples/`, `tests/`, `kernels/simd/simd_<isa>.h`'
    printf '%s\n' '- [the loader](data/vision/loader.h), `autograd/ops`' '| symbol | is |' '|---|---|'
    for symbol in B N D F E V L; do echo "| $symbol | a size |"; done
  } >README.md
  echo '[the log](LOG.md#top), [elsewhere](https://example.org/page)' >CONTRIBUTING.md
  echo '[the readme](../README.md), [below](#below), ![a picture](picture.svg)' >docs/page.md
  touch LOG.md docs/picture.svg
}

# refused MESSAGE: the check must fail on the present tree and print MESSAGE.
refused() {
  local said status=0
  said=$("$check" "$tree" 2>&1) || status=$?
  [[ $status == 1 ]] || { echo "exit status $status, not 1, for the fault: $1"; exit 1; }
  grep -qF -- "$1" <<<"$said" || { printf "expected: %s\nsaid: %s\n" "$1" "$said"; exit 1; }
}

# fault FILE LINE MESSAGE: appends LINE to FILE of the correct tree; the check must print MESSAGE.
fault() {
  create
  printf '%s\n' "$2" >>"$1"
  refused "$3"
}

create
"$check" "$tree" || { echo "$check fails on a correct tree"; exit 1; }
case $1 in
  includes)
    fault core/a.h '#include "autograd/tape.h"' 'core may not include autograd'
    fault kernels/a.cpp '  #  include "models/block.h"' 'kernels may not include models'
    fault data/a.h '#include "kernels/gemm.h"' 'data may not include kernels'
    fault models/a.h '#include "data/vision/loader.h"' 'models may not include data'
    fault autograd/a.h '#include "apps/train/loop.h"' 'autograd may not include apps'
    fault examples/a.cpp '#include "core/tensor.h"' 'examples may not include core'
    fault apps/a.h '#include "tests/support.h"' 'apps may not include tests'
    fault apps/bench/a.h '#include "apps/vision/main.h"' 'apps/bench may not include apps/vision'
    fault core/a.h '#include "tensor.h"' 'is not a path from the root'
    fault core/a.h '#include <immintrin.h>' 'intrinsics belong'
    fault kernels/fused/a.cpp '#include <cmath>' 'inline functions'
    fault data/a.cpp 'std::ifstream file(path);' 'open input files with'
    fault models/a.cpp 'const auto json = nlohmann::json::parse(text);' 'read JSON with'
    ;;
  readme)
    fault README.md '`core/gone.h`' 'names core/gone.h'
    fault README.md '`kernels/simd/lanes_<isa>.h`' 'names kernels/simd/lanes_<isa>.h'
    fault README.md '[a page](missing.md)' 'README.md: names missing.md'
    fault CONTRIBUTING.md '[a page](missing.md#part)' 'CONTRIBUTING.md: names missing.md'
    fault docs/page.md '[a page](README.md)' 'docs/page.md: names README.md'
    create
    mkdir forgotten
    refused 'does not name the folder forgotten/'
    for symbol in B N D F E V L; do
      create
      sed -i "/^| $symbol /d" README.md
      refused "no row for $symbol"
    done
    ;;
  length)
    fault core/a.h "// $(printf 'x%.0s' {1..98})" 'core/a.h:1: 101 columns'
    fault core/a.cpp "$(seq 601)" 'core/a.cpp: 601 lines'
    create
    printf '// %s\n' "$(printf 'é%.0s' {1..97})" >core/a.h  # 100 columns in 197 bytes
    "$check" "$tree" || { echo "bytes are counted, not columns"; exit 1; }
    ;;
  paths)
    # The words are in pieces, so that the check passes on this file.
    fault core/a.h "// see /""home/me/notes" 'core/a.h:1:'
    fault README.md "in /""work/gmlp" 'README.md:'
    fault dev "http://deb"".debian.org/debian" 'dev:1:'
    ;;
  budget)
    fault kernels/a.cpp "$(seq 20000)" 'engine (core,kernels,autograd,models): 2000'
    fault data/a.h "$(seq 9001)" 'data (data): 900'
    fault apps/vision/a.cpp "$(seq 20001)" 'apps (apps): 2000'
    create
    for i in $(seq 21); do touch "kernels/fused/$i.md"; done
    refused 'kernels/fused: 21 files, more than 20'
    create
    mkdir -p tests/golden
    for i in $(seq 21); do touch "tests/golden/$i.json"; done
    "$check" "$tree" || { echo "golden files are counted"; exit 1; }
    ;;
  vocabulary)
    # The words are in pieces, so that the check passes on this file.
    fault core/a.h "float* ro""om" 'core/a.h:1: float*'
    fault docs/page.md "the Rang, which Ca""rver allocates" 'say: workspace'
    fault kernels/fused/a.h "fi""nish(tile)" 'say: PendingTile'
    fault dev "./dev pla""nt" 'dev:1:'
    fault apps/vision/main.cpp "// fa""r away" 'say: cold'
    create
    echo "// so fa""r, as the tape's fi""nish(x) says" >apps/vision/a.h  # allowed; another folder's word
    "$check" "$tree" || { echo "a legitimate use is refused"; exit 1; }
    ;;
esac
