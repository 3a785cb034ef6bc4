#!/usr/bin/env bash
# kill_and_resume.sh PROGRAM [TIMES]: SIGKILL at random moments, resume with another number of threads; the run ends
# with the same bytes as one that was left alone. The rounds take f32, bf16 and finetuning in turn.
. "$(dirname "$0")/common.sh"
times=${2:-3}

common=(--batch-size 8 --log-interval 1 --epochs 12 --save-interval 3 --model-ema --model-ema-decay 0.9 --no-figures
        --quiet)
kinds=(f32 bf16)
case $subcommand in
  train) common+=(--mixup 0.2) ;;
  pretrain)
    common+=(--dropout 0.1)
    kinds+=(finetune)
    mkdir sst2
    make_sst2 sst2/train.tsv 64 0
    make_sst2 sst2/dev.tsv 16 3
    ;;
esac
# prepare KIND: sets `options`, the options of a run of that kind, after its subcommand.
prepare() {
  case $1 in
    finetune)
      options=(finetune --task sst2 --data "$scratch/sst2" --model "$scratch/f32/checkpoints/last" "${common[@]}")
      ;;
    *) options=($subcommand "${tiny[@]}" "${common[@]}" --precision $1) ;;
  esac
}
declare -A milliseconds
for kind in "${kinds[@]}"; do
  prepare $kind
  start=$(date +%s%N)
  expect_status 0 "$program" "${options[@]}" --out $kind
  milliseconds[$kind]=$((($(date +%s%N) - start) / 1000000))
done

RANDOM=${GMLP_TEST_SEED:-1}
for ((i = 1; i <= times; ++i)); do
  rm -rf killed
  kind=${kinds[i % ${#kinds[@]}]}
  prepare $kind
  command=("${options[@]}" --out killed)
  kills=0
  while true; do
    "$program" "${command[@]}" --threads $((RANDOM % 3 + 1)) 2>err.txt &
    process=$!
    # Twice for each run, anywhere in it; then it may end.
    if [ $kills -lt 2 ]; then
      delay=$((RANDOM % (milliseconds[$kind] * 2 / 3) + 5))
      sleep "$(awk -v ms=$delay 'BEGIN { print ms / 1000 }')"
      kill -KILL $process 2>/dev/null
      kills=$((kills + 1))
    fi
    wait $process 2>/dev/null
    status=$?
    [ $status = 0 ] && break
    [ $status = 137 ] || { cat err.txt >&2; fail "round $i: status $status"; }
    # Before the first save a run resumes from its configuration.
    if [ -s killed/config.toml ]; then
      command=("${options[0]}" --resume killed)
    else
      command=("${options[@]}" --out killed --overwrite)
    fi
  done
  expect_same_run $kind killed
  [ -z "$(find killed -name '*.tmp*' -o -name '*.old')" ] || fail "round $i, $kind: temporaries are left"
done
echo "killed $times runs twice each"
