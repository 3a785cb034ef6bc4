#!/usr/bin/env bash
# ablate: both tables, the order's sentences, and JSON; what is done is not done again.
. "$(dirname "$0")/../common.sh"

shared=(--text text.txt --tokenizer bytes --seq-len 16 --d-model 16 --batch-size 8 --max-steps 4 --warmup-steps 1
        --quiet --no-figures)
two=(--series table3 --only linear,split,additive --seeds 2 --seed 7 --depth 1
     --out table)
expect_status 0 "$language" ablate "${shared[@]}" "${two[@]}"
expect_text out.txt "run 6 of 6: gMLP, split gate, 1 blocks, seed 8"
expect_text out.txt "| gMLP, linear gate |"
expect_text out.txt "Seeds 7, 8, mean ± sample standard deviation"
expect_text out.txt "- linear above additive: "
expect_text out.txt " the spread of "
grep -q "above multiplicative" out.txt && fail "a pair without its runs is compared"
for run in linear/seed-7 linear/seed-8 split/seed-7 split/seed-8; do
  [ -s table/$run/summary.json ] || fail "table/$run has no summary.json"
done
[ "$(grep -c '^| gMLP, .* ± .* ± ' table/ablation.md)" = 3 ] || fail "not three rows with a spread"

# The numbers are those of the runs: mean and sample standard deviation by hand.
losses() { tail -qn 1 table/"$1"/seed-*/metrics.csv | cut -d, -f4; }
expected=$(losses split | awk '{ p[NR] = exp($1) } END {
  printf "%.3f ± %.3f", (p[1] + p[2]) / 2, (p[1] > p[2] ? p[1] - p[2] : p[2] - p[1]) / sqrt(2) }')
expect_text table/ablation.md "| $expected |"
[ "$(grep -c '"val_perplexity"' table/ablation.json)" = 6 ] || fail "the JSON has not six runs"
expect_text table/ablation.json '"higher": "linear"'
[ "$(losses split | sort -u | wc -l)" = 2 ] || fail "two seeds gave the same loss"

# Again: nothing is trained, the table is the same to a byte. A stopped run goes on, others stay.
cp table/ablation.md first.md
cp table/ablation.json first.json
expect_status 0 "$language" ablate "${shared[@]}" "${two[@]}"
[ "$(grep -c "already finished" out.txt)" = 6 ] || fail "a finished run was made again"
cmp table/ablation.md first.md || fail "the second table differs"
cmp table/ablation.json first.json || fail "the second JSON differs"
rm table/split/seed-8/summary.json
expect_status 0 "$language" ablate "${shared[@]}" "${two[@]}"
[ "$(grep -c "already finished" out.txt)" = 5 ] || fail "not five runs were already finished"
cmp table/ablation.md first.md || fail "a run that was finished later gave another table"

# The series by depth: one seed, and the Transformer of Table 3 in its middle.
expect_status 0 "$language" ablate "${shared[@]}" --seed 7 --seeds 1 --out both \
  --only transformer-relpos,transformer-deep,split
expect_text out.txt "| gMLP | 6 |"
expect_text out.txt "| Transformer | 10 |"
expect_text out.txt "Seed 7; tokens/s"
[ "$(find both -name summary.json | wc -l)" = 3 ] || fail "the shared run was made twice"

expect_text out.txt "chart    tools/plot.py ablation both"
expect_chart "Transformer, by depth" ablation both

expect_status 0 "$language" ablate --help
expect_text out.txt "8000 (quick)"

# Refused, with the reason, before anything is trained.
refused() {
  local text=$1
  shift
  expect_status 2 "$language" ablate "${shared[@]}" --out table "$@"
  expect_text err.txt "$text"
}
refused "not in {additive,amlp," --only gpt
refused "--gate: the rows of the table set it" --gate=split
refused "--seeds" --seeds -1
refused "--series" --series table4
refused "--time-limit" --time-limit 5
refused "--depth: row gmlp-shallow sets it" --depth 1
refused "is a run with other options" --seed 7 --depth 1 --series table3 --only split --lr 0.5
refused "--color" --only split --color red

# The same in a file; what is the default anyway, as most of a run's config.toml, is no matter.
in_file() {
  printf '%s\n' "$1" >shared.toml
  refused "$2: $3; remove it from the arguments or the --config file" --config shared.toml --series table3 --only split
}
in_file 'gate="additive"' --gate "the rows of the table set it"
in_file 'arch="mixer"' --arch "the rows of the table set it"
in_file 'model="gmlp_char"' --model "the rows of the table set it"
in_file 'init="table/split/seed-7/checkpoints/last"' --init "all rows start from random weights"
in_file 'toeplitz=true' --toeplitz "the rows of the table set it"
in_file 'attn-dim=8' --attn-dim "the rows of the table set it"
in_file 'time-limit=5' --time-limit "all rows must see the same tokens; use --max-steps"
printf 'depth=1\n' >shared.toml
refused "--depth: row gmlp-shallow sets it; remove it from the arguments or the --config file" --config shared.toml
cmp table/ablation.md first.md || fail "a refused table was written"
printf 'gate=""\ntoeplitz=false\nattn-dim=0\nlr=0.002\n' >shared.toml
expect_status 0 "$language" ablate "${shared[@]}" --config shared.toml --series table3 \
  --only split --seeds 1 --depth 1 --out from_file
expect_text from_file/split/seed-42/config.toml "lr=0.002"

# Without a tokenizer the runs share one of 2,000 ids, trained on their text; each budget has its steps.
awk 'BEGIN { srand(1); for (i = 0; i < 4000; ++i) { for (j = 0; j < 48; ++j)
  printf "%s%c", j % 6 ? "" : " ", 97 + 26 * rand(); print "." } }' >words.txt
expect_status 0 "$language" ablate --text words.txt --series table3 --only split,transformer --depth 1 --d-model 16 --seq-len 16 \
  --max-steps 2 --quiet --out own
for row in split transformer; do cmp own/tokenizer.model own/$row/seed-42/checkpoints/last/tokenizer.model; done
expect_text own/split/seed-42/config.toml "lr=0.003"
expect_text own/split/seed-42/config.toml "warmup-steps=1"
expect_text own/transformer/seed-42/config.toml "lr=0.001"
tail -n +100 words.txt >other.txt
expect_status 2 "$language" ablate --text other.txt --series table3 --only amlp --depth 1 --d-model 16 --seq-len 16 \
  --max-steps 2 --quiet --out own
expect_text err.txt "own/tokenizer.model: the tokenizer of another text; use another --out"
[ ! -e own/amlp ] || fail "a row of another text was begun"
printf 'A short text.\n' >short.txt
expect_status 2 "$language" ablate --text short.txt --series table3 --only split --budget paper --out short
expect_text err.txt "a tokenizer of 2000 ids: "
expect_text err.txt "name another by --tokenizer, such as bytes"
expect_status 2 "$language" ablate "${shared[@]}" --series table3 --only split,transformer-deep --out short
expect_text err.txt "--only: transformer-deep is no row of --series table3"
expect_status 2 "$language" ablate "${shared[@]}" --series table3 --objective causal --out short
expect_text err.txt "row mixer: "
expect_status 2 "$language" ablate "${shared[@]}" --series table3 --val-fraction 0 --out short
expect_text err.txt "--val-fraction 0: every row is validated"
expect_status 2 "$language" ablate "${shared[@]:2}" --text - --series table3 --out short <text.txt
expect_text err.txt "standard input is read once"
[ ! -e short ] || fail "a refused ablation began a run"

# Rows of other data do not get into one table.
cp text.txt mixed.txt
of_mixed=("${shared[@]:2}" --text mixed.txt --series table3 --depth 1 --seed 7 --seeds 1 --out mixed)
expect_status 0 "$language" ablate "${of_mixed[@]}" --only split
tail -n +5 text.txt >mixed.txt
expect_status 2 "$language" ablate "${of_mixed[@]}" --only split,linear
expect_text err.txt "was trained on other data than the runs before"
