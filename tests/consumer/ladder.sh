#!/usr/bin/env bash
# examples/ladder: it climbs all rungs, whose results it checks itself, and tools/plot.py draws what it writes.
. "$(dirname "$0")/../apps/common.sh"

expect_status 0 "$program" ladder.json 1
expect_text out.txt "fused: norm_fc1_gelu"
[ "$(grep -c '"rung":' ladder.json)" = 9 ] || fail "not nine rungs in ladder.json"
expect_status 1 "$program" no/such/folder/ladder.json
expect_text err.txt "ladder: no/such/folder/ladder.json cannot be written; name a file"
expect_chart "7 packed panels" bench ladder.json
