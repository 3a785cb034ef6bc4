#!/usr/bin/env bash
# kill_and_resume.sh PROGRAM [TIMES]: SIGKILL at random moments, resume; the run ends with the same
# bytes as one that was left alone.
. "$(dirname "$0")/common.sh"
times=${2:-3}

options=("${tiny[@]}" --epochs 12 --save-interval 3 --model-ema --model-ema-decay 0.9
         --no-figures --quiet)
case $subcommand in
  train) options+=(--mixup 0.2) ;;
  pretrain) options+=(--dropout 0.1) ;;
esac
SECONDS=0
start=$(date +%s%N)
expect_status 0 "$program" $subcommand "${options[@]}" --out whole
milliseconds=$((($(date +%s%N) - start) / 1000000))

RANDOM=${GMLP_TEST_SEED:-1}
for ((i = 1; i <= times; ++i)); do
  rm -rf killed
  command=($subcommand "${options[@]}" --out killed)
  kills=0
  while true; do
    "$program" "${command[@]}" 2>err.txt &
    process=$!
    # Twice for each run, anywhere in it; then it may end.
    if [ $kills -lt 2 ]; then
      delay=$((RANDOM % (milliseconds * 2 / 3) + 5))
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
      command=($subcommand --resume killed)
    else
      command=($subcommand "${options[@]}" --out killed --overwrite)
    fi
  done
  expect_same_run whole killed
  [ -z "$(find killed -name '*.tmp*' -o -name '*.old')" ] || fail "temporaries are left"
done
echo "killed $times runs twice each"
