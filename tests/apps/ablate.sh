#!/usr/bin/env bash
# gmlp-vision ablate: a run per row and seed, a table, and JSON; what is done is not done again.
. "$(dirname "$0")/common.sh"

shared=(--data shapes --img-size 8 --patch-size 4 --max-train-samples 64 --batch-size 32
        --max-steps 2 --warmup-steps 1 --quiet --no-figures)
two=(--sizes pico,nano --seeds 2 --seed 7 --out table)
expect_status 0 "$vision" ablate "${shared[@]}" "${two[@]}"
expect_text out.txt "run 18 of 18: gMLP, multiplicative gate, nano, seed 8"
[ "$(grep -cE '^\| (gMLP|ViT|MLP-Mixer).* ± .* ± ' table/ablation.md)" = 9 ] || fail "not nine rows with a spread"
expect_text table/ablation.md "over 2 seeds"
for run in gmlp-pico vit-pico mixer-pico gmlp-nano vit-nano mixer-nano linear-nano additive-nano; do
  [ -s table/$run/seed-7/summary.json ] || fail "table/$run has no run"
done
expect_text table/vit-nano/seed-7/config.toml "lr=0.002"
expect_text table/linear-nano/seed-8/config.toml 'gate="linear"'
# The mean is that of the runs, by hand.
top1() { tail -qn 1 table/"$1"/seed-*/metrics.csv | cut -d, -f5; }
expected=$(top1 mixer-nano | awk '{ p[NR] = $1 } END {
  printf "%.2f ± %.2f", (p[1] + p[2]) / 2, (p[1] > p[2] ? p[1] - p[2] : p[2] - p[1]) / sqrt(2) }')
grep "^| MLP-Mixer | nano" table/ablation.md | grep -qF "| $expected |" || fail "not the mean of the runs"
expect_chart "MLP-Mixer" ablation table

cp table/ablation.json first.json
rm table/vit-pico/seed-8/summary.json
expect_status 0 "$vision" ablate "${shared[@]}" "${two[@]}"
[ "$(grep -c "already finished" out.txt)" = 17 ] || fail "not seventeen runs were already finished"
grep -v images_per_s table/ablation.json >again.txt
grep -v images_per_s first.json | cmp - again.txt || fail "a run that was finished later gave another table"

# Refused, with the reason, before anything is trained.
refused() {
  local text=$1
  shift
  expect_status 2 "$vision" ablate "${shared[@]}" --out refused "$@"
  expect_text err.txt "$text"
  [ ! -e refused ] || fail "$text: something was written"
}
refused "--gate: every row has its own" --gate=split
refused "--model: every row has its own" --model gmlp_nano_28
refused "--arch: every row has its own" --arch vit
refused "--sizes" --sizes huge
refused "--color" --color red
refused "--class-token: every row has its own" --class-token
refused "--val-fraction 0" --val-fraction 0

# A file has the same say as the arguments: its data and batches, and no model.
printf 'data="shapes"\nbatch-size=16\nmax-steps=1\n' >shared.toml
expect_status 0 "$vision" ablate --config shared.toml --img-size 8 --patch-size 4 --max-train-samples 64 \
  --quiet --no-figures --sizes pico,pico --seeds 1 --out from_file
expect_text from_file/vit-pico/seed-42/config.toml "batch-size=16"
expect_text from_file/vit-pico/seed-42/config.toml 'data="shapes"'
[ "$(grep -c "| pico |" from_file/ablation.md)" = 3 ] || fail "a size given twice has two rows"
printf 'model="gmlp_nano_28"\n' >shared.toml
refused "--model: every row has its own" --config shared.toml

# A run that --patience ended is finished.
expect_status 0 "$vision" ablate --data shapes --img-size 8 --patch-size 4 --max-train-samples 64 --batch-size 32 \
  --epochs 4 --patience 1 --lr 0 --quiet --no-figures --sizes pico --seeds 1 --out patient
