#!/usr/bin/env bash
# export: a folder for timm and a file for ONNX runtimes, of the weights that eval loads.
. "$(dirname "$0")/common.sh"

expect_status 0 "$vision" train "${tiny[@]}" --epochs 1 --model-ema --out run --quiet
best=run/checkpoints/best

# timm: the two files, byte for byte, a model card, and a folder that opens as a checkpoint does.
expect_status 0 "$vision" export --model $best --format timm --out made/on/the/way/
expect_text out.txt "made/on/the/way/README.md"
[ "$(ls made/on/the/way | tr '\n' ' ')" = "README.md config.json model.safetensors " ] || fail "other files"
[ "$(ls made/on/the)" = way ] || fail "something else is beside the folder"
cmp $best/model.safetensors made/on/the/way/model.safetensors || fail "other weights"
cmp $best/config.json made/on/the/way/config.json || fail "another configuration"
expect_status 0 "$vision" eval --model $best --data shapes --json a.json
expect_status 0 "$vision" eval --model made/on/the/way --data shapes --json b.json
[ "$(grep top1 a.json)" = "$(grep top1 b.json)" ] || fail "the exported model scores otherwise"

# The model card tells what the run knows, and nothing of a folder without a run.
card=made/on/the/way/README.md
[ "$(head -1 $card)" = --- ] && expect_text $card "library_name: timm"
expect_text $card "MlpMixer(8, block_layer=SpatialGatingBlock, mlp_layer=GatedMlp, **args)"
expect_text $card "| classes | 8: circle, circle outline, square,"
expect_text $card "| data | shapes |"
expect_text $card "| recipe | epochs 1, batch-size 8, "
top1=$(sed -n 's/.*"val_top1": //p' run/summary.json | head -1)
expect_text $card "| validation | top-1 $(LC_ALL=C printf %.2f "${top1%,}") ± "
expect_status 0 "$vision" export --model made/on/the/way --format timm --out again
for row in recipe data validation; do ! grep "^| $row" again/README.md || fail "$row is invented"; done
expect_text again/README.md "| classes | 8: circle,"

# Names from other people's files are text in it, and the front matter has none of them.
cp -r again foreign && rm foreign/README.md
sed -i 's/"circle"/"<b>|`a`\\n# x [y](z) a_b"/; s/"name": "[^"]*"/"name": "a: \\"|\\n---"/' foreign/config.json
expect_status 0 "$vision" export --model foreign --format timm --out named
expect_text named/README.md '| classes | 8: \<b\>\|\`a\`\\n\# x \[y\](z) a_b, circle outline'
expect_text named/README.md '# a: "\|\\n---'
[ "$(grep -c '^---$' named/README.md)" = 2 ] || fail "a name is in the front matter"

# The paper's sizes load by their names.
expect_status 0 "$vision" train --data shapes --model gmlp_ti16_224 --img-size 16 --max-train-samples 8 --batch-size 8 \
  --max-steps 1 --out ti --quiet --no-figures
expect_status 0 "$vision" export --model ti/checkpoints/last --format timm --out by_name
expect_text by_name/README.md "timm.create_model('local-dir:.', pretrained=True)"

# onnx: one file, which names its operators and carries the class names. Its numbers are checked in
# tests/train/onnx_test.cpp and onnxruntime.sh.
expect_status 0 "$vision" export --model $best --format onnx --out model.onnx
expect_text out.txt "images (batch, 3, 16, 16)"
grep -qa LayerNormalization model.onnx && grep -qa label_names model.onnx || fail "no such graph"
grep -qa "{0: 'circle', 1: 'circle outline', 2" model.onnx || fail "no names"
grep -qa "imgsz.*\[16, 16\]" model.onnx && grep -qa "mean.*\[0.5, 0.5, 0.5\]" model.onnx || fail "no sizes"
weights=$(stat -c %s $best/model.safetensors)
size=$(stat -c %s model.onnx)
[ "$size" -gt $((weights * 3 / 4)) ] && [ "$size" -lt $((weights * 2)) ] || fail "of $size bytes"

# What is there already stays as it is, unless it may be replaced.
echo mine >mine.onnx
expect_status 2 "$vision" export --model $best --format onnx --out mine.onnx
expect_text err.txt "--overwrite"
[ "$(cat mine.onnx)" = mine ] || fail "a refused export wrote to its file"
expect_status 0 "$vision" export --model $best --format onnx --out mine.onnx --overwrite
cmp mine.onnx model.onnx || fail "the same export twice wrote different files"
expect_status 2 "$vision" export --model $best --format timm --out made/on/the/way
expect_text err.txt "--overwrite"
expect_status 0 "$vision" export --model $best --format timm --out made/on/the/way --overwrite
mkdir diary && echo mine >diary/notes.txt
expect_status 2 "$vision" export --model $best --format timm --out diary --overwrite
expect_text err.txt "notes.txt"
[ "$(cat diary/notes.txt)" = mine ] || fail "a refused export removed a file"
expect_status 2 "$vision" export --model $best --format timm --out $best --overwrite
expect_status 2 "$vision" export --model $best --format timm --out mine.onnx
expect_text err.txt "is a file"
mkdir folder.onnx
expect_status 2 "$vision" export --model $best --format onnx --out folder.onnx
expect_text err.txt "is a folder"
expect_status 1 "$vision" export --model $best --format onnx --out /dev/null/model.onnx
expect_status 2 "$vision" export --model run --format onnx --out other.onnx
expect_text err.txt "run/checkpoints/best"

# What timm does not have is refused there, and is no trouble for a graph.
expect_status 0 "$vision" train "${tiny[@]}" --class-token --max-steps 1 --out paper --quiet
expect_status 2 "$vision" export --model paper/checkpoints/last --format timm --out token
expect_text err.txt "class token"
expect_status 0 "$vision" train "${tiny[@]}" --gate additive --max-steps 1 --out gate --quiet
expect_status 2 "$vision" export --model gate/checkpoints/last --format timm --out token
expect_text err.txt "additive gate"
[ ! -e token ] && [ ! -e token.tmp ] || fail "a refused export left something"
expect_status 0 "$vision" export --model paper/checkpoints/last --format onnx --out paper.onnx

# A damaged checkpoint is not carried on.
printf 'x' | dd of=$best/model.safetensors bs=1 seek=$((weights - 9)) conv=notrunc 2>dd.txt
expect_status 2 "$vision" export --model $best --format timm --out damaged
[ ! -e damaged ] || fail "a damaged checkpoint was exported"
