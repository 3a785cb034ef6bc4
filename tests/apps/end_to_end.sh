#!/usr/bin/env bash
# train, eval, predict and info of one tiny run, and every file that a run promises.
. "$(dirname "$0")/common.sh"

expect_status 0 "$vision" train "${tiny[@]}" --epochs 2
expect_text out.txt "parameters"
expect_text out.txt "top-1"
run=runs/vision/0001-gmlp_nano_32_custom-shapes
expect_text out.txt "gmlp-vision predict --model $run/checkpoints/best IMAGE"
for file in config.toml environment.json log.txt metrics.csv steps.jsonl summary.json report.html \
  filters.png checkpoints/last checkpoints/best; do
  [ -e "$run/$file" ] || fail "$file is missing"
done
for file in model.safetensors config.json training.safetensors training.json; do
  [ -s "$run/checkpoints/best/$file" ] || fail "checkpoints/best/$file is missing"
done
[ "$(wc -l <$run/metrics.csv)" = 3 ] || fail "metrics.csv has not one row per epoch"
[ "$(wc -l <$run/steps.jsonl)" = 16 ] || fail "steps.jsonl has not one line per step"
[ "$(head -1 $run/metrics.csv)" = \
  "epoch,step,train_loss,val_loss,val_top1,lr,samples_per_s,seconds" ] || fail "columns differ"
[ "$(head -c 4 $run/filters.png | tail -c 3)" = PNG ] || fail "filters.png is no PNG"
expect_text $run/report.html "\"confusion\""
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
"$vision" predict --model $run/checkpoints/best $run/filters.png >/dev/full 2>err.txt
[ $? = 1 ] || fail "a prediction that nobody could read was a success"
expect_text err.txt "standard output: could not be written: No space left on device"
expect_status 1 "$vision" predict --model $run/checkpoints/best absent.png
expect_text err.txt "absent.png"

# An array's predictions are written, too: two black pictures, as npy by hand (magic, version, the
# header's length, a header of 118 bytes, bytes).
npy() { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': $1, 'fortran_order': False, 'shape': ($2), }"; }
npy "'|u1'" "2, 16, 16, 3" >two.npy
head -c 1536 /dev/zero >>two.npy
expect_status 0 "$vision" predict --model $run/checkpoints/best --input-array two.npy \
  --output-array logits.npy --topk 3 --json array.json
[ "$(grep -c '"image": "two.npy\[[01]\]"' array.json)" = 2 ] || fail "not two images in array.json"
[ "$(grep -c '"probability"' array.json)" = 6 ] || fail "not three classes for each image"

# Float arrays are used unchanged, and the model says so.
mkdir arrays
for part in train val; do
  npy "'<f4'" "4, 1, 8, 8" >arrays/${part}_images.npy
  head -c 1024 /dev/zero >>arrays/${part}_images.npy
  npy "'|u1'" "4," >arrays/${part}_labels.npy
  printf '\x00\x01\x00\x01' >>arrays/${part}_labels.npy
done
expect_status 0 "$vision" train --data arrays:arrays --model gmlp_pico_28 --img-size 8 --patch-size 4 --depth 1 \
  --batch-size 2 --max-steps 1 --quiet --no-figures --out floats
expect_text floats/log.txt "float images are used unchanged: no --aug, mean 0 and deviation 1"
tr -d ' \n' <floats/checkpoints/last/config.json | grep -q '"mean":\[0.0\]' || fail "the mean of float images is not 0"

# What is not finite predicts nothing.
npy "'<f4'" "1, 3, 16, 16" >nan.npy
for ((i = 0; i < 768; ++i)); do printf '\x00\x00\xc0\x7f'; done >>nan.npy
expect_status 1 "$vision" predict --model $run/checkpoints/best --input-array nan.npy --output-array logits.npy --csv nan.csv
expect_text err.txt "nan.npy[0]: the model's output is not finite"
[ "$(wc -l <nan.csv)" = 1 ] || fail "a class was predicted for NaN"

# A changed architecture says so in its name, once. Photographs suit a stored model's size, too.
few=(--data shapes --max-train-samples 64 --batch-size 8 --max-steps 1 --quiet --no-figures)
config=checkpoints/last/config.json
expect_status 0 "$vision" train "${few[@]}" --model $run/checkpoints/best --depth 1 --out deeper
expect_text deeper/$config '"name": "gmlp_nano_32_custom"'
expect_status 0 "$vision" train "${few[@]}" --model gmlp_nano_32 --gate additive --out gate
expect_text gate/$config '"name": "gmlp_nano_32_custom"'
expect_status 0 "$vision" train "${few[@]}" --model gmlp_nano_32 --gate split --out same
expect_text same/$config '"name": "gmlp_nano_32"'
expect_status 0 "$vision" train "${few[@]}" --model gmlp_nano_32 --class-token --out token
expect_text token/$config '"name": "gmlp_nano_32_custom"'
expect_text token/$config '"photo_side": 256'
expect_status 0 "$vision" train "${few[@]}" --model gmlp_nano_32 --img-size 160 --patch-size 32 \
  --out wide
expect_text wide/$config '"photo_side": 320'
expect_status 0 "$vision" train "${few[@]}" --model wide/checkpoints/last --out stored
expect_text stored/$config '"photo_side": 320'

# Weights of one run start another, also with another number of classes.
expect_status 0 "$vision" train "${tiny[@]}" --max-steps 1 --init $run/checkpoints/best --out third
expect_text out.txt "weights taken from"
expect_status 0 "$vision" train --data shapes --model $run/checkpoints/best --img-size 32 \
  --max-steps 1 --init $run/checkpoints/best --out fourth
expect_text out.txt "the spatial weights are resized from 4 x 4 patches to 8 x 8"

# info: the paper's size has timm's 306 tensors and its number of parameters.
expect_status 0 "$vision" info --model gmlp_s16_224 --tensors
[ "$(wc -l <out.txt)" = 306 ] || fail "gmlp_s16_224 has not 306 tensors"
expect_status 0 "$vision" info --model gmlp_s16_224
expect_text out.txt "19,422,656"
expect_status 0 "$vision" info --model $run/checkpoints/best

# Events for TensorBoard: a resumed run begins a further file.
expect_status 0 "$vision" train "${tiny[@]}" --epochs 1 --tensorboard --out events --quiet
expect_status 0 "$vision" train --resume events --epochs 2 --tensorboard --quiet
for tag in train/loss val/top1 filters; do
  [ "$(grep -l $tag events/tensorboard/events.out.tfevents.* | wc -l)" = 2 ] || fail "no $tag"
done
