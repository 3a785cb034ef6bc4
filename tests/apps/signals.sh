#!/usr/bin/env bash
# SIGTERM, SIGINT, SIGHUP and a lost reader save and leave with 128 + n; the run resumes as if nothing
# had been.
. "$(dirname "$0")/common.sh"

options=("${tiny[@]}" --epochs 6 --no-figures)
expect_status 0 "$program" $subcommand "${options[@]}" --out whole --quiet

# Background jobs of a script ignore SIGINT; only a program that sets a handler, as ours, gets it.
for signal in TERM:143 INT:130 HUP:129; do
  run=run-${signal%:*}
  "$program" $subcommand "${options[@]}" --out $run >out.txt 2>&1 &
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
  expect_text out.txt "$subcommand --resume $run"
  [ -s $run/checkpoints/last/training.json ] || fail "nothing was saved"
  expect_status 0 "$program" $subcommand --resume $run --quiet
  expect_same_run whole $run
done

# nohup.
(trap '' HUP; exec "$program" $subcommand "${options[@]}" --out nohup --quiet) &
process=$!
for ((i = 0; i < 500; ++i)); do [ -s nohup/steps.jsonl ] && break; sleep 0.01; done
kill -HUP $process 2>/dev/null
wait $process || fail "status $? after a SIGHUP that is ignored"
expect_same_run whole nohup

# Nobody reads the output any more.
{ "$program" $subcommand "${options[@]}" --out piped 2>err.txt; echo $? >status.txt; } |
  head -1 >/dev/null
case $(cat status.txt) in
  0) ;;  # all was written before the reader had gone
  141)
    expect_text err.txt "stopped by a closed standard output"
    expect_text err.txt "$subcommand --resume piped"
    expect_status 0 "$program" $subcommand --resume piped --quiet
    ;;
  *) cat err.txt >&2; fail "status $(cat status.txt) after head -1" ;;
esac
expect_same_run whole piped
{ "$program" $subcommand --help; echo $? >status.txt; } | :
[ "$(cat status.txt)" = 141 ] || [ "$(cat status.txt)" = 0 ] || fail "--help into a closed pipe"

# Streams that are closed: what is printed must not land in a file that is opened in their place.
"$program" $subcommand "${options[@]}" --out closed <&- >&- 2>&- || fail "status $? without streams"
expect_same_run whole closed
grep -v "^{" closed/steps.jsonl && fail "printed lines are in steps.jsonl"
"$program" $subcommand --lr many 2>/dev/full
[ $? = 2 ] || fail "an error that nobody could be told has another status"

# A limit of file sizes is an error of the write.
(ulimit -f 4; exec "$program" $subcommand "${options[@]}" --out short --quiet 2>limit.txt)
[ $? = 1 ] || fail "status $? at the limit of file sizes"
expect_text limit.txt "File too large"

# A time limit ends a run in order: status 0, validated, saved.
expect_status 0 "$program" $subcommand "${tiny[@]}" --epochs 1000000 --time-limit 0.5 --out limited
[ -s limited/summary.json ] || fail "no summary after the time limit"
[ -d limited/checkpoints/best ] || fail "no best checkpoint after the time limit"

# A run that diverges ends in order, too: it resumes, and what is not finite is never kept.
diverging=("${tiny[@]}" --lr 1e12 --weight-decay 1e12 --clip-grad 0 --warmup-epochs 0
           --sched constant --no-figures)
case $subcommand in
  train)
    expect_status 1 "$program" $subcommand "${diverging[@]}" --max-steps 2 --out diverged
    expect_text err.txt "which is not finite, so the weights were not saved"
    [ -z "$(ls diverged/checkpoints)" ] || fail "weights that are not finite were saved"
    ;;
  pretrain)
    expect_status 0 "$program" $subcommand "${diverging[@]}" --max-steps 1 --out diverged
    expect_text out.txt "weights  diverged/checkpoints/last"
    [ ! -e diverged/checkpoints/best ] || fail "the best loss is no number"
    # A perplexity of infinity in the checkpoint.
    expect_status 0 "$program" $subcommand "${tiny[@]}" --lr 20 --clip-grad 0 --warmup-steps 1 \
      --sched constant --max-steps 8 --val-batches 3 --out large
    expect_text out.txt "perplexity inf"
    expect_status 0 "$program" $subcommand --resume large
    expect_text out.txt "resumed from large/checkpoints/last at step 8"
    [ -s large/report.html ] || fail "a run that diverged has no report"
    ;;
esac
