#!/usr/bin/env bash
# Objects compiled for different instruction sets must not share functions: the linker keeps one copy of each
# weak symbol, perhaps one that this processor cannot run. So every symbol that a fused object defines must be
# local or inside its own namespace.
#
#   usage: kernel_symbols.sh BUILD_DIR
set -euo pipefail
found=0
bad=0
while read -r object; do
  isa=$(sed -E 's|.*gmlp_fused_([a-z0-9_]+)\.dir.*|\1|' <<<"$object")
  found=$((found + 1))
  # nm's letters: weak (W, V, u) symbols of any name, and strong text or data (T, D, B, R) outside.
  if nm -C "$object" | awk -v own="gmlp::fused::$isa::" '
      $2 ~ /^[WVu]$/ && $3 != "" {print "weak: " $0; bad = 1}
      $2 ~ /^[TDBR]$/ && index($0, own) == 0 {print "outside of " own ": " $0; bad = 1}
      END {exit bad}'; then :; else
    echo "in $object"
    bad=1
  fi
done < <(find "$1" -path '*gmlp_fused_*' -name '*.o')
[ "$found" -gt 0 ] || { echo "no fused objects below $1"; exit 1; }
[ "$bad" -eq 0 ] && echo "$found objects clean"
exit $bad
