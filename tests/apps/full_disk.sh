#!/usr/bin/env bash
# A full disk fails the run with status 1 and a message, and the checkpoint before it still loads.
. "$(dirname "$0")/common.sh"

# loses_output ARGUMENTS...: standard output on a full disk fails the program, and it says so.
loses_output() {
  "$program" "$@" >/dev/full 2>err.txt
  local status=$?
  [ $status = 1 ] || { cat err.txt >&2; fail "status $status, not 1, with a lost output: $*"; }
  expect_text err.txt \
    "error: standard output: could not be written: No space left on device; send it to another place"
}
case $subcommand in
  train) loses_output info --model gmlp_nano_32 ;;
  pretrain) loses_output info --model gmlp_lm_tiny ;;
esac
loses_output $subcommand --help  # more than a buffer: lost before the end
# A run writes its files all the same.
"$program" $subcommand "${tiny[@]}" --epochs 1 --no-figures --out lost >/dev/full 2>err.txt
[ $? = 1 ] || fail "a run whose output was lost has not status 1"
expect_text err.txt "standard output: could not be written"
[ -s lost/summary.json ] || fail "a run whose output was lost did not end in order"

[ "$(id -u)" = 0 ] || { echo "SKIPPED: needs root to mount a tmpfs"; exit 77; }
mkdir disk
mount -t tmpfs -o size=1m tmpfs disk 2>/dev/null || { echo "SKIPPED: mount is refused"; exit 77; }
trap 'cd /; umount "$scratch/disk"; rm -rf "$scratch"' EXIT

# leave_free KILOBYTES: fills the disk but for so much.
leave_free() {
  local free
  free=$(df --output=avail -B1024 disk | tail -1)
  [ "$free" -le "$1" ] || head -c $(((free - $1) * 1024)) /dev/zero >disk/filler
}

# 64 KB are less than one checkpoint needs: the run fails at its first save.
leave_free 64
expect_status 1 "$program" $subcommand "${tiny[@]}" --epochs 1 --out disk/first --no-figures
expect_text err.txt "No space left"
[ ! -e disk/first/checkpoints/last ] || fail "half a checkpoint was left"
rm -rf disk/first disk/filler

# The disk fills while a run saves at every step.
"$program" $subcommand "${tiny[@]}" --epochs 100000 --save-interval 1 --val-interval 1000000 \
  --out disk/run --quiet --no-figures 2>err.txt &
process=$!
for ((i = 0; i < 1000; ++i)); do
  [ -s disk/run/checkpoints/last/training.json ] && break
  sleep 0.01
done
while kill -0 $process 2>/dev/null; do
  head -c 2000000 /dev/zero >>disk/filler 2>/dev/null  # until nothing is left
  sleep 0.01
done
wait $process
status=$?
[ $status = 1 ] || { cat err.txt >&2; fail "status $status, not 1, on a full disk"; }
expect_text err.txt "No space left"
rm disk/filler
[ -z "$(find disk/run -name '*.tmp')" ] || fail "a temporary folder was left"
case $subcommand in
  train) data=(--data shapes) ;;
  pretrain) data=(--text text.txt) ;;
esac
expect_status 0 "$program" eval --model disk/run/checkpoints/last "${data[@]}"
loses_output eval --model disk/run/checkpoints/last "${data[@]}"
expect_status 0 "$program" $subcommand --resume disk/run --time-limit 0.1
