#!/usr/bin/env bash
# Exported models give in ONNX Runtime the logits of predict, at two batch sizes. Skipped without Node.js or without
# build/baselines/node_modules/onnxruntime-node, which `./dev bench --baselines` installs.
here=$(realpath "$(dirname "$0")")
. "$here/common.sh"

folder=$here/../../build/baselines
if ! command -v node >/dev/null || [ ! -d "$folder/node_modules/onnxruntime-node" ]; then
  echo "SKIPPED: ONNX Runtime is not installed (./dev bench --baselines installs it)"
  exit 77
fi
onnxruntime() { node "$here/onnxruntime.js" "$folder" "$@"; }

# same_logits CHECKPOINT TYPE LIMIT DIM...: for one sample and for five.
same_logits() {
  local checkpoint=$1 type=$2 limit=$3 batch
  shift 3
  expect_status 0 "$program" export --model "$checkpoint" --format onnx --out model.onnx --overwrite
  for batch in 1 5; do
    onnxruntime make inputs.npy "$type" "$limit" $batch "$@" || fail "no inputs"
    expect_status 0 "$program" predict --model "$checkpoint" --threads 1 \
      --input-array inputs.npy --output-array logits.npy
    onnxruntime check model.onnx inputs.npy logits.npy || fail "other logits of $checkpoint"
  done
}

if [ "$subcommand" = train ]; then
  for form in "--gate split" "--gate additive --class-token" "--arch vit --heads 2 --class-token" \
    "--arch mixer" "--img-size 8 --in-chans 1"; do
    # shellcheck disable=SC2086  # several options
    expect_status 0 "$vision" train "${tiny[@]}" $form --max-steps 3 --lr 0.02 --out run --overwrite --quiet
    case $form in *8*) dims=(1 8 8) ;; *) dims=(3 16 16) ;; esac
    same_logits run/checkpoints/last float32 2 "${dims[@]}"
  done
  exit 0
fi

for form in "mlm --gate split" "mlm --gate linear --toeplitz" "mlm --attn-dim 8 --no-tie-embeddings" \
  "causal --gate additive --toeplitz" "causal --attn-dim 8 --seq-len 13" "causal --gate multiplicative" \
  "causal --arch transformer --heads 2" "mlm --arch mixer --spatial-ffn 8"; do
  # shellcheck disable=SC2086
  expect_status 0 "$language" pretrain "${tiny[@]}" --max-steps 3 --lr 0.02 --out run --overwrite --quiet \
    --objective $form
  case $form in *13*) tokens=13 ;; *) tokens=16 ;; esac
  same_logits run/checkpoints/last int64 256 $tokens
done
