#!/usr/bin/env bash
# Wrong usage ends with status 2 and a message that names the thing and the remedy.
. "$(dirname "$0")/common.sh"

# wrong TEXT ARGUMENTS...: status 2, and TEXT in the message.
wrong() {
  local text=$1
  shift
  expect_status 2 "$vision" "$@"
  expect_text err.txt "gmlp-vision: error: "
  expect_text err.txt "$text"
}

wrong "choose train, eval, ablate, predict, export, report or info"
wrong "frobnicate: no such subcommand" frobnicate
wrong "--data" train --model gmlp_nano_32
wrong "--model" train --data shapes
wrong "--frobnicate" train --frobnicate
wrong "--help" train --frobnicate
wrong "did you mean train?" trian
wrong "--heads: belongs to --arch vit, the model's is gmlp" train "${tiny[@]}" --heads 2
wrong "--gate: belongs to --arch gmlp, the model's is vit" train "${tiny[@]}" --arch vit --gate additive
wrong "--spatial-ffn: belongs to --arch mixer, the model's is vit" train "${tiny[@]}" --arch vit --spatial-ffn 4
wrong "did you mean --epochs?" train "${tiny[@]}" --epoch 3
wrong "did you mean --epochs?" train "${tiny[@]}" --epoch=3
wrong "did you mean cosine?" train "${tiny[@]}" --sched cosin
wrong "put -- before a text that begins with -" predict --model nowhere -cat.png
wrong "did you mean gmlp_nano_28?" train --data shapes --model gmlp-nano-28
wrong "did you mean fashion-mnist?" train --data fashion_mnist --model gmlp_nano_28
wrong "--batch-size" train --batch-size 0
wrong "--batch-size" train --batch-size many
wrong "--sched" train --sched step
wrong "--kernels" train --kernels gpu
wrong "reference kernels" train "${tiny[@]}" --precision bf16 --kernels reference
wrong "choose f32, bf16 or f64" train "${tiny[@]}" --precision f16
wrong "gmlp_s16_224" train --data shapes --model resnet50
wrong "imagenet" train --data imagenet --model gmlp_nano_32
wrong "nowhere" train --data folder:nowhere --model gmlp_nano_32
wrong "multiple of --patch-size" train --data shapes --model gmlp_nano_32 --img-size 30
wrong "0.9 is more than 0.5" train "${tiny[@]}" --scale 0.9 0.5
wrong "--gate" train "${tiny[@]}" --gate diagonal
wrong "nowhere" train --resume nowhere
wrong "absent.toml: cannot be opened: No such file" train --config absent.toml
wrong "--lr: nan is not a number" train "${tiny[@]}" --lr nan
wrong "--opt-betas: 1 is not a number" train "${tiny[@]}" --opt-betas 0.9 1
wrong "--opt-eps: 0 is not a number" train "${tiny[@]}" --opt-eps 0
wrong "absent.safetensors" train "${tiny[@]}" --init absent.safetensors
wrong "nowhere" eval --model nowhere --data shapes
wrong "--data" eval --model nowhere
wrong "test" eval --model nowhere --data shapes --split test
wrong "val,train,all" eval --model nowhere --data shapes --split test
wrong "--input-array" predict --model nowhere
wrong "RUN is required" report
wrong "nowhere is no run folder" report nowhere
wrong "--output-array" predict --model nowhere --input-array x.npy
touch cat.png
wrong "exists and is not named *.csv" predict --model nowhere --csv cat.png dog.png
wrong "this command reads or writes that file, too" predict --model nowhere cat.png --json a.json --csv a.json
mkdir nowhere && touch nowhere/config.json
wrong "this command reads or writes that file, too" predict --model nowhere cat.png --json nowhere/config.json
wrong "this command reads or writes that file, too" predict --model nowhere cat.png --json a.json --csv ./a.json
rm -r nowhere
wrong "there is no folder" predict --model nowhere cat.png --json absent/a.json
wrong "--format" export --model nowhere --out x.onnx
wrong "timm,onnx" export --model nowhere --format torch --out x.onnx
wrong "--out" export --model nowhere --format onnx
wrong "must be named *.onnx" export --model nowhere --format onnx --out x.pb
wrong "nowhere" export --model nowhere --format onnx --out x.onnx
wrong "nowhere" export --model nowhere --format timm --out x
[ ! -e x.onnx ] && [ ! -e x ] || fail "a refused export left something"
wrong "resnet50" info --model resnet50

echo "learning_rate = 3" >unknown.toml
lists="no option of gmlp-vision train; \`gmlp-vision train --help\` lists them"
wrong "unknown.toml: learning_rate is $lists" train --config unknown.toml
echo "epoch = 3" >unknown.toml
wrong "did you mean epochs?" train --config unknown.toml
echo "skip-bad = []" >unknown.toml  # CLI11 would read the first
wrong "unknown.toml: skip-bad has no value" train --config unknown.toml
echo "resume = unknown" >unknown.toml
wrong "unknown.toml: resume may not be in a file" train --config unknown.toml
printf '[train]\nlr = 3\n' >unknown.toml
wrong "unknown.toml: [train] begins a section" train --config unknown.toml
{ printf '[a'; printf '.a%.0s' {1..30000}; printf ']\n'; } >unknown.toml  # CLI11 would need 14 GB
wrong "unknown.toml: [a.a." train --config unknown.toml
wrong "File name too long; check the path" train --data "folder:$(printf 'a%.0s' {1..300})" --model gmlp_nano_28
mkdir folder.toml
wrong "folder.toml: is a folder" train --config folder.toml
expect_status 0 "$vision" train --help --config absent.toml

mkdir full && touch full/file
wrong "--overwrite" train "${tiny[@]}" --out full
touch full/summary.json
wrong "what it holds is no run" train "${tiny[@]}" --out full --overwrite
rm full/summary.json
[ "$(ls full)" = file ] || fail "a refused run left something in its folder"

echo 'model="gmlp_nano_28"  # small' >info.toml
expect_status 0 "$vision" info --config info.toml
expect_text out.txt "112,786"

expect_status 0 "$vision" --help
expect_text out.txt "gmlp-vision train"
expect_status 0 "$vision" train --help
expect_text out.txt "--model-ema-decay"

# Nothing is guessed about a number or a value.
wrong "--seed: -1 is not a whole number" train "${tiny[@]}" --seed -1
wrong "--seed: 99999999999999999999 is not a whole number" train "${tiny[@]}" --seed 99999999999999999999
wrong "--depth: 00x10 is not a whole number" train "${tiny[@]}" --depth 00x10
{ printf 'seed = '; head -c 1000000 /dev/zero | tr '\0' 0; echo 7; } >zeros.toml
expect_status 0 "$vision" train "${tiny[@]}" --config zeros.toml --max-steps 1 --quiet --no-figures --out zeros
grep -qx "seed=7" zeros/config.toml || fail "the zeros in front of 7 were not dropped"
expect_status 0 "$vision" train "${tiny[@]}" --epochs 010 --max-steps 1 --quiet --no-figures --out ten
grep -qx "epochs=10" ten/config.toml || fail "010 is not 10"
wrong "--color: not an option of gmlp-vision train; \`gmlp-vision train --help\` lists them" train --color 3
grep -q "put --" err.txt && fail "train takes no text that could begin with -"
echo "out = my run" >unknown.toml
wrong "unknown.toml: out has several values or lines" train --config unknown.toml
printf 'lr = 0.1\nlr = 0.2\n' >unknown.toml
wrong "unknown.toml: lr has several values or lines" train --config unknown.toml
printf 'lr = 0.1\nepochs = 2\nlr = 0.2\n' >unknown.toml
wrong "unknown.toml: lr is there twice" train --config unknown.toml
wrong "--config" train --config unknown.toml --config unknown.toml
for name in cat.JPG cat.jfif weights.safetensors; do
  touch $name
  wrong "exists and is not named *.json" predict --model nowhere --json $name dog.png
done
mkdir stored && touch stored/model.safetensors
ln -s stored/model.safetensors link.json
for name in stored/model.safetensors link.json; do
  wrong "this command reads or writes that file, too" predict --model stored --json $name dog.png
done
