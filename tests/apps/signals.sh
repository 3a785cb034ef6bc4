#!/usr/bin/env bash
# SIGTERM and SIGINT save and leave with 143 and 130; the run resumes as if nothing had been.
. "$(dirname "$0")/common.sh"

options=("${tiny[@]}" --epochs 6 --no-figures)
expect_status 0 "$program" $verb "${options[@]}" --out whole --quiet

# Background jobs of a script ignore SIGINT; only a program that sets a handler, as ours, gets it.
for signal in TERM:143 INT:130; do
  run=run-${signal%:*}
  "$program" $verb "${options[@]}" --out $run >out.txt 2>&1 &
  process=$!
  for ((i = 0; i < 500; ++i)); do
    [ -s $run/steps.jsonl ] && break
    sleep 0.01
  done
  kill -"${signal%:*}" $process
  wait $process
  status=$?
  # A machine so fast that the run was over is no failure of what is tested here.
  [ $status = 0 ] && { expect_same_run whole $run; continue; }
  [ $status = "${signal#*:}" ] || { cat out.txt >&2; fail "status $status after ${signal%:*}"; }
  expect_text out.txt "$verb --resume $run"
  [ -s $run/checkpoints/last/training.json ] || fail "nothing was saved"
  expect_status 0 "$program" $verb --resume $run --quiet
  expect_same_run whole $run
done

# A time limit ends a run in order: status 0, validated, saved.
expect_status 0 "$program" $verb "${tiny[@]}" --epochs 1000000 --time-limit 0.5 --out limited
[ -s limited/summary.json ] || fail "no summary after the time limit"
[ -d limited/checkpoints/best ] || fail "no best checkpoint after the time limit"
