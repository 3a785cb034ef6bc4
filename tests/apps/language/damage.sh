#!/usr/bin/env bash
# Every subcommand of gmlp-language refuses a damaged checkpoint, names the file, and leaves with status 2.
. "$(dirname "$0")/../common.sh"

expect_status 0 "$language" pretrain "${tiny[@]}" --max-steps 2 --out run --quiet --no-figures
best=run/checkpoints/best

# damaged FILE: after the damage was done.
damaged() {
  expect_status 2 "$language" eval --model $best --text text.txt
  expect_text err.txt "$1"
  expect_status 2 "$language" fill --model $best "the [MASK]at"
  expect_text err.txt "$1"
  rm -rf $best && cp -r kept $best
}

cp -r $best kept
for file in model.safetensors training.safetensors config.json training.json tokenizer.json; do
  truncate -s -1 $best/$file
  damaged $file
  printf '\xff' | dd of=$best/$file bs=1 seek=10 conv=notrunc status=none
  damaged $file
  rm $best/$file
  # Without training.json it is a folder of another program: nothing to compare with.
  [ $file = training.json ] && rm $best/model.safetensors
  [ $file = training.json ] && damaged model.safetensors || damaged $file
done

truncate -s -1 run/checkpoints/last/tokenizer.json
expect_status 2 "$language" pretrain --resume run
expect_text err.txt "tokenizer.json"

# A run folder is no checkpoint, but has some.
expect_status 2 "$language" eval --model run --text text.txt
expect_text err.txt "run: is a run folder; name a checkpoint of it, such as run/checkpoints/best"
