#!/usr/bin/env bash
# Where the system refuses AMX's registers, training runs on the next instruction set, and the banner says so.
#
#   usage: refused_amx.sh REFUSE_AMX GMLP_VISION
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=0
"$1" "$2" train --data shapes --model gmlp_pico_28 --max-train-samples 64 --max-steps 2 --precision bf16 \
  --out "$folder/run" >"$folder/printed" 2>&1 || status=$?
cat "$folder/printed"
((status != 77)) || exit 77
((status == 0)) || { echo "ended with status $status" >&2; exit 1; }
grep -q 'does not let this process use .*AMX' "$folder/printed" || { echo "the banner does not say so" >&2; exit 1; }
grep -q ' threads\{0,1\}, avx512, bf16 ' "$folder/printed" || { echo "not on AVX-512 with operands of f32" >&2; exit 1; }
