#!/usr/bin/env bash
# Every subcommand refuses a damaged checkpoint, names the file, and leaves with status 2.
. "$(dirname "$0")/common.sh"

expect_status 0 "$vision" train "${tiny[@]}" --max-steps 2 --out run --quiet --no-figures
best=run/checkpoints/best

# damaged FILE: after the damage was done.
damaged() {
  expect_status 2 "$vision" eval --model $best --data shapes
  expect_text err.txt "$1"
  expect_status 2 "$vision" predict --model $best run/log.txt
  expect_text err.txt "$1"
  rm -rf $best && cp -r kept $best
}

cp -r $best kept
for file in model.safetensors training.safetensors config.json training.json; do
  truncate -s -1 $best/$file
  damaged $file
  printf '\xff' | dd of=$best/$file bs=1 seek=100 conv=notrunc status=none
  damaged $file
done
rm $best/config.json
damaged config.json

# The last tensor of the file is the head's bias or weight.
printf '\x55\x55\x55' | dd of=$best/model.safetensors bs=1 conv=notrunc status=none \
  seek=$(($(stat -c %s $best/model.safetensors) - 3))
expect_status 2 "$vision" eval --model $best --data shapes
expect_text err.txt "tensor 'head."

# An exported folder has no training.json: the file's own checksums find the damage.
cp -r kept exported && rm exported/training.*
expect_status 0 "$vision" eval --model exported --data shapes
printf '\x55\x55\x55' | dd of=exported/model.safetensors bs=1 conv=notrunc status=none \
  seek=$(($(stat -c %s exported/model.safetensors) - 3))
expect_status 2 "$vision" eval --model exported --data shapes
expect_text err.txt "exported/model.safetensors: tensor 'head."

# A resume refuses, too, and names the other checkpoints as the remedy.
truncate -s -1 run/checkpoints/last/training.safetensors
expect_status 2 "$vision" train --resume run
expect_text err.txt "use another checkpoint"
