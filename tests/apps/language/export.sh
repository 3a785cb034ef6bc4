#!/usr/bin/env bash
# gmlp-language export: pretrained and finetuned models as ONNX files. Their numbers are checked in
# tests/train/onnx_test.cpp and onnxruntime.sh.
. "$(dirname "$0")/../common.sh"

# wrong TEXT ARGUMENTS...: status 2, and TEXT in the message.
wrong() {
  local text=$1
  shift
  expect_status 2 "$language" export "$@"
  expect_text err.txt "$text"
}

expect_status 0 "$language" pretrain "${tiny[@]}" --max-steps 2 --out run --quiet --no-figures
expect_status 0 "$language" export --model run/checkpoints/last --format onnx --out made/here/model.onnx
expect_text out.txt "written  made/here/model.onnx"
expect_text out.txt "input    ids (batch, 16), int64: 0 to 259 of the tokenizer bytes"
expect_text out.txt "output   logits (batch, 16, 260)"
for entry in fill-mask seq_len vocab_size mask_token_id tokenizer config.json LayerNormalization; do
  grep -qa "$entry" made/here/model.onnx || fail "$entry is not in the file"
done

# Finetuned: the labels are in the file.
mkdir sst2 && make_sst2 sst2/train.tsv 64 0 && make_sst2 sst2/dev.tsv 16 1
expect_status 0 "$language" finetune --task classify --data sst2 --model run/checkpoints/last --epochs 1 \
  --batch-size 8 --out tuned --quiet --no-figures
expect_status 0 "$language" export --model tuned/checkpoints/last --format onnx --out tuned.onnx
expect_text out.txt "output   logits (batch, 2)"
grep -qa "{0: '0', 1: '1'}" tuned.onnx && grep -qa text-classification tuned.onnx || fail "no labels"

# What there is stays, and what cannot be exported is said with the remedy.
wrong "--overwrite" --model run/checkpoints/last --format onnx --out tuned.onnx
wrong "must be named" --model run/checkpoints/last --format onnx --out model
wrong "onnx" --model run/checkpoints/last --format timm --out model
wrong "run: is a run folder" --model run --format onnx --out new.onnx
expect_status 0 "$language" pretrain "${tiny[@]}" --arch transformer-relpos --heads 2 --max-steps 1 --out relpos --quiet
wrong "no model with blocks.0.attn.relpos" --model relpos/checkpoints/last --format onnx --out new.onnx
expect_text err.txt "--arch gmlp"
[ ! -e new.onnx ] || fail "a refused export left something"
