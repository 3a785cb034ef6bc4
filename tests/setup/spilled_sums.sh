#!/usr/bin/env bash
# A tile's sums must stay in registers. Code that spills each of them after its product is slow (Zen 4 stores an AVX-512
# vector every other cycle), and no other test would notice. This test fails if a function stores ten or more products
# to the stack within the next three instructions. AVX2's sums are the 231 forms, which are inline assembly; the other
# forms belong to polynomials.
#
#   usage: spilled_sums.sh BUILD_DIR
set -euo pipefail
mapfile -t objects < <(find "$1" -path '*gmlp_fused_avx*' -name '*.o')
((${#objects[@]})) || { echo "no fused objects below $1"; exit 1; }
# shellcheck disable=SC2016  # the $ are perl's
objdump -d -C --no-show-raw-insn "${objects[@]}" | perl -ne '
  sub report { if ($spilled >= 10) { print "$spilled sums stored: $function\nin $object\n"; $bad = 1 } }
  if (/^[0-9a-f]+ <(.*)>:$/) { report(); ($function, $spilled, %recent) = ($1, 0); next }
  if (/^(\S+):\s+file format/) { report(); ($object, $spilled) = ($1, 0); next }
  next unless /\t/;
  for my $sum (keys %recent) {
    if (/\tvmov[au]p[sd] +%\Q$sum\E,(-?0x[0-9a-f]+)?\(%r[sb]p\)/) { ++$spilled; delete $recent{$sum} }
    elsif (--$recent{$sum} == 0) { delete $recent{$sum} }
  }
  my $form = $object =~ /avx512/ ? qr/\d+/ : qr/231/;
  if (/\tv(?:fmadd$form|dpbf16)ps .*%([xyz]mm\d+)\s*$/) { ++$products; $recent{$1} = 3 }
  END {
    report();
    if ($products) { print "$products products looked at\n" } else { print "no products found\n"; $bad = 1 }
    $? = $bad ? 1 : 0;
  }'
