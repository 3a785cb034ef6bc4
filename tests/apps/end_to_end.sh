#!/usr/bin/env bash
# train, eval, predict and info of one tiny run, and every file that a run promises.
. "$(dirname "$0")/common.sh"

expect_status 0 "$vision" train "${tiny[@]}" --epochs 2
expect_text out.txt "parameters"
expect_text out.txt "top-1"
run=runs/vision/0001-gmlp_nano_32_custom-shapes
expect_text out.txt "gmlp-vision predict --model $run/checkpoints/best IMAGE"
for file in config.toml environment.json log.txt metrics.csv steps.jsonl summary.json results.svg \
  filters.png checkpoints/last checkpoints/best; do
  [ -e "$run/$file" ] || fail "$file is missing"
done
for file in model.safetensors config.json training.safetensors training.json; do
  [ -s "$run/checkpoints/best/$file" ] || fail "checkpoints/best/$file is missing"
done
[ "$(wc -l <$run/metrics.csv)" = 3 ] || fail "metrics.csv has not a row an epoch"
[ "$(wc -l <$run/steps.jsonl)" = 16 ] || fail "steps.jsonl has not a line a step"
[ "$(head -1 $run/metrics.csv)" = \
  "epoch,step,train_loss,val_loss,val_top1,lr,samples_per_s,seconds" ] || fail "columns differ"
[ "$(head -c 4 $run/filters.png | tail -c 3)" = PNG ] || fail "filters.png is no PNG"
expect_text $run/results.svg "</svg>"
expect_text $run/checkpoints/best/config.json '"label_names"'
expect_text $run/checkpoints/best/config.json '"crop_pct"'

# The checkpoint gives the metric that the run reported.
expect_status 0 "$vision" eval --model $run/checkpoints/last --data shapes --json eval.json
reported=$(tail -1 $run/metrics.csv | cut -d, -f5)
printf '%s\n' "$reported" >reported.txt
top1=$(grep -o '"top1": [0-9.]*' eval.json | cut -d' ' -f2)
awk -v a="$reported" -v b="$top1" 'BEGIN { exit !(a - b < 1e-6 && b - a < 1e-6) }' ||
  fail "eval says $top1, the run said $reported"

# The same again under the same options, and by the saved configuration.
expect_status 0 "$vision" train --config $run/config.toml --out again --quiet
[ ! -s out.txt ] || fail "--quiet printed something"
expect_same_run $run again

# A picture: the run's own filters, whatever they look like to the model.
expect_status 0 "$vision" predict --model $run/checkpoints/best $run/filters.png --topk 2 \
  --json p.json
expect_text out.txt "%"
expect_text p.json '"probability"'
expect_status 2 "$vision" predict --model $run/checkpoints/best absent.png
expect_text err.txt "absent.png"

# Weights of one run start another, also with another number of classes.
expect_status 0 "$vision" train "${tiny[@]}" --max-steps 1 --init $run/checkpoints/best --out third
expect_text out.txt "weights taken from"
expect_status 2 "$vision" train --data shapes --model $run/checkpoints/best --img-size 32 \
  --max-steps 1 --init $run/checkpoints/best --out fourth
expect_text err.txt "number of tokens"

# info: the paper's size has timm's 306 tensors and its number of parameters.
expect_status 0 "$vision" info --model gmlp_s16_224 --tensors
[ "$(wc -l <out.txt)" = 306 ] || fail "gmlp_s16_224 has not 306 tensors"
expect_status 0 "$vision" info --model gmlp_s16_224
expect_text out.txt "19,422,656"
expect_status 0 "$vision" info --model $run/checkpoints/best
