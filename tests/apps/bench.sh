#!/usr/bin/env bash
# gmlp-bench: every subcommand runs, its JSON holds the table's numbers, and wrong usage ends with status 2.
. "$(dirname "$0")/common.sh"
bench=$vision  # the program under test is named first, whichever it is

# wrong TEXT ARGUMENTS...: status 2, and TEXT in the message.
wrong() {
  local text=$1
  shift
  expect_status 2 "$bench" "$@"
  expect_text err.txt "gmlp-bench: error: "
  expect_text err.txt "$text"
}

# number FILE KEY: the first number under KEY, or under KEY's median.
number() {
  grep -A1 "\"$2\":" "$1" | grep -oE -- '-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?,?$' | head -1 | tr -d ,
}

# expect_between LOW VALUE HIGH WHAT
expect_between() {
  awk -v low="$1" -v value="$2" -v high="$3" 'BEGIN { exit !(value >= low && value <= high) }' ||
    fail "$4 is $2, not within $1 and $3"
}

wrong "choose kernels, step, infer, scaling or peak"
wrong "frobnicate: no such subcommand" frobnicate
wrong "gmlp_micro_28" step --model resnet50
wrong "gmlp_split_128" infer --model resnet50
wrong "--isa: quantum not in {" step --isa quantum
wrong "--isa: quantum not in {" peak --isa quantum
wrong "--precision" step --precision f16
wrong "--batch-size" step --batch-size 0
wrong "--vocab-size" step --model gmlp_nano_28 --vocab-size 10
wrong "absent.safetensors" step --model gmlp_nano_28 --init absent.safetensors
wrong "absent.npy" step --model gmlp_nano_28 --input-array absent.npy
wrong "in no case's title" kernels --only frobnicate
wrong "No such file or directory" infer --json no/such/folder/found.json
wrong "Is a directory" peak --json .
wrong "--checkpoint-activations" infer --checkpoint-activations


small=(--threads 1 --repeat 2 --json found.json)

# One block: 49 x (64 x 256 + 64 x 128 + 49 x 128) multiply-adds; stem 49 x 16 x 64, head 64 x 10. Twice
# that in FLOPs, three times for a step, for two images.
expect_status 0 "$bench" step --model gmlp_nano_28 --depth 1 --batch-size 2 "${small[@]}" --profile
expect_text out.txt "share of peak"
expect_between 18748416 "$(number found.json flops)" 18748416 "a step's FLOPs"
whole=$(number found.json median)
expect_between 0.0001 "$whole" 60000 "a step's time in ms"
expect_text found.json '"isa":'
expect_text found.json '"name": "backward linear"'
expect_text found.json '"name": "AdamW"'
named=$(awk '$1 == "named" { print $(NF - 1) }' out.txt)
expect_between 97 "$named" 100.01 "the named share of a step"

expect_status 0 "$bench" step --model gmlp_nano_28 --depth 1 --batch-size 2 "${small[@]}" \
  --precision bf16 --checkpoint-activations
expect_text found.json '"precision": "bf16"'
wrong "--precision bf16" step --model gmlp_nano_28 --precision bf16 --kernels reference

printf 'model=gmlp_nano_28\ndepth=1\nbatch-size=2\nrepeat=1\n' >step.toml
expect_status 0 "$bench" step --config step.toml

# --isa is what runs.
expect_status 0 "$bench" step --model gmlp_nano_28 --depth 1 --batch-size 2 "${small[@]}" --isa scalar
expect_text found.json '"isa": "scalar"'

expect_status 0 "$bench" infer --model gmlp_split_128 --depth 1 --vocab-size 64 --batch-size 1 "${small[@]}"
expect_text out.txt "samples/s"
expect_status 0 "$bench" infer --model gmlp_char --depth 1 --vocab-size 64 --seq-len 8 --batch-size 1 "${small[@]}"
expect_text out.txt "ms/token"
expect_text found.json '"token_ms":'

# Two threads that share a core are no baseline for two cores.
if command -v taskset >/dev/null; then
  core=$(taskset -cp $$ | sed 's/.*: *//; s/[-,].*//')
  expect_status 0 taskset -c "$core" "$bench" peak --threads 2 --repeat 1
  expect_text out.txt "they share cores"
fi

# Ours and whatever baselines were found; they must agree, or the command fails.
expect_status 0 "$bench" kernels --only "gemm 196x768x196 f32" "${small[@]}"
expect_text found.json '"by": "gmlp"'
expect_text found.json '"by": "Eigen"'
expect_chart "gemm 196x768x196 f32" bench found.json
# Layers and the optimizer own what they compute on.
expect_status 0 "$bench" kernels --only "micro B128 f32" "${small[@]}"
expect_text found.json '"kernel": "block forward + backward"'
expect_status 0 "$bench" kernels --only adamw "${small[@]}"
expect_text found.json '"unit": "GB/s"'

# Threads are measured, machines predicted: a faster network is never worse.
expect_status 0 "$bench" scaling --model gmlp_nano_28 --depth 1 --batch-size 4 --repeat 1 --json scaling.json
expect_between 6 "$(grep -c '"machines":' scaling.json)" 6 "the number of machines predicted"
awk '$1 ~ /^[0-9]+$/ && NF >= 4 && ($2 > $3 || $3 > $4) { exit 1 }' out.txt || fail "a slower network is predicted to be better"
wrong "--profile" scaling --profile
if [ "${2:-}" = mpi ] && command -v mpirun >/dev/null; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  expect_status 0 mpirun --oversubscribe -n 2 "$bench" scaling --model gmlp_nano_28 --depth 1 --batch-size 4 --threads 1 \
    --json ranks.json
  expect_text out.txt "2 ranks (2 on $(hostname)), batch 4 on each"
  expect_between 0.01 "$(number ranks.json gigabits)" 10000 "the measured Gbit/s"
  expect_between 0.01 "$(number ranks.json predicted_ms)" 60000 "the predicted step"
fi
