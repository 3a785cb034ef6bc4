#!/usr/bin/env bash
# finetune --runs N: the median run, the same bytes after any number of kills, finished runs left
# alone; and --from-scratch, the same model from random weights.
. "$(dirname "$0")/common.sh"

mkdir sst2
make_sst2 sst2/train.tsv 96 0
make_sst2 sst2/dev.tsv 40 2
cut -f1 sst2/train.tsv >words.txt
small=(--seq-len 32 --depth 2 --d-model 16 --d-ffn 32)
expect_status 0 "$language" tokenizer train --text words.txt --type chars --out chars.json
expect_status 0 "$language" pretrain --text words.txt --tokenizer chars.json --objective mlm \
  --model gmlp_lm_tiny "${small[@]}" --batch-size 8 --out pretrained --quiet --no-figures
options=(--task sst2 --data sst2 --model pretrained/checkpoints/last --batch-size 8 --lr 4e-3
         --log-interval 1 --epochs 3 --save-interval 4 --no-figures --seed 7)

# Two runs; each is what its seed gives alone, and the median is one of them.
expect_status 0 "$language" finetune "${options[@]}" --runs 2 --out whole
expect_text out.txt "run 2 of 2, seed 8"
expect_text out.txt "median   accuracy"
expect_text whole/summary.json '"metric": "val_accuracy"'
values=$(awk '/"values"/ { inside = 1; next } /\]/ { inside = 0 } inside' whole/summary.json |
  tr -d ' ,' | sort -g | tr '\n' ' ')
median=$(grep -o '"median": [0-9.]*' whole/summary.json | cut -d' ' -f2)
[ "$(wc -w <<<"$values")" = 2 ] || fail "not a value for each run: $values"
[ "$median" = "${values%% *}" ] || fail "the median of $values is not $median"
best=$(grep -o '"checkpoint": "[^"]*' whole/summary.json | cut -d'"' -f4)
expect_text out.txt "next     gmlp-language eval --task sst2 --data sst2 --model whole/$best"
expect_status 0 "$language" eval --task sst2 --data sst2 --model "whole/$best" --json eval.json
accuracy=$(grep -o '"accuracy": [0-9.]*' eval.json | cut -d' ' -f2)
[ "$accuracy" = "$median" ] || fail "the median run's weights score $accuracy, not $median"
alone=("${options[@]:0:${#options[@]}-1}" 8)
expect_status 0 "$language" finetune "${alone[@]}" --out alone --quiet
expect_same_run whole/run-2 alone

# Killed anywhere, any number of times: the same summary and weights.
start=$(date +%s%N)
expect_status 0 "$language" finetune "${options[@]}" --runs 2 --out timed --quiet
milliseconds=$((($(date +%s%N) - start) / 1000000))
cmp whole/summary.json timed/summary.json || fail "a repeat's summary differs"
RANDOM=${GMLP_TEST_SEED:-1}
command=(finetune "${options[@]}" --runs 2 --out killed --quiet)
kills=0
while true; do
  "$language" "${command[@]}" 2>err.txt &
  process=$!
  if [ $kills -lt 4 ]; then
    sleep "$(awk -v ms=$((RANDOM % (milliseconds * 2 / 3) + 5)) 'BEGIN { print ms / 1000 }')"
    kill -KILL $process 2>/dev/null
    kills=$((kills + 1))
  fi
  wait $process 2>/dev/null
  status=$?
  [ $status = 0 ] && break
  [ $status = 137 ] || { cat err.txt >&2; fail "status $status"; }
  [ -e killed/config.toml ] && command=(finetune --resume killed)
done
cmp whole/summary.json killed/summary.json || fail "the killed runs' summary differs"
expect_same_run whole/run-1 killed/run-1
expect_same_run whole/run-2 killed/run-2

# Stopped by a signal it says how to go on: with all runs, not with the one.
"$language" finetune "${options[@]}" --runs 2 --out stopped >out.txt 2>err.txt &
process=$!
while [ ! -s stopped/run-1/steps.jsonl ] && kill -0 $process 2>/dev/null; do sleep 0.01; done
kill -TERM $process 2>/dev/null
wait $process
status=$?
if [ $status = 143 ]; then
  expect_text out.txt "finetune --resume stopped"
  grep -q "resume stopped/run" out.txt && fail "the message names one run"
  expect_status 0 "$language" finetune --resume stopped
  cmp whole/summary.json stopped/summary.json || fail "the stopped runs' summary differs"
else
  [ $status = 0 ] || { cat err.txt >&2; fail "status $status after SIGTERM"; }
fi

# Finished runs are left alone, a missing one is made again; the pretrained model must be there.
before=$(stat -c %Y.%s whole/run-1/log.txt whole/run-1/summary.json)
rm -r whole/run-2
mv pretrained gone
expect_status 2 "$language" finetune --resume whole
expect_text err.txt "pretrained/checkpoints/last"
mv gone pretrained
expect_status 0 "$language" finetune --resume whole
[ "$(stat -c %Y.%s whole/run-1/log.txt whole/run-1/summary.json)" = "$before" ] ||
  fail "a finished run was run again"
cmp whole/summary.json timed/summary.json || fail "the summary changed with a run made again"

# Wrong usage.
expect_status 2 "$language" finetune --resume whole --runs 3
expect_text err.txt "--runs"
expect_status 2 "$language" finetune "${options[@]}" --runs 0 --out none
expect_text err.txt "--runs"
expect_status 2 "$language" finetune "${options[@]}" --runs 2 --out whole
expect_text err.txt "not empty"
sed -i 's/^lr=.*/lr=0.5/' whole/run-1/config.toml
expect_status 2 "$language" finetune --resume whole
expect_text err.txt "other options"
expect_status 2 "$language" finetune --task sst2 --data nowhere --model pretrained/checkpoints/last \
  --runs 2 --out none
[ ! -e none ] || fail "a folder was left behind by wrong input"
expect_status 0 "$language" finetune "${options[@]}" --runs 2 --out whole --overwrite --quiet
cmp whole/summary.json timed/summary.json || fail "the overwritten folder's summary differs"

# --overwrite removes nothing before the input is known to be right.
before=$(cd whole && find . -type f -exec cksum {} + | sort)
kept() {
  [ "$(cd whole && find . -type f -exec cksum {} + | sort)" = "$before" ] ||
    fail "$1 removed or changed old results"
}
wrong=("${options[@]}")
wrong[3]=nowhere
expect_status 2 "$language" finetune "${wrong[@]}" --runs 2 --out whole --overwrite
expect_text err.txt "nowhere"
kept "wrong --data"
wrong=("${options[@]}")
wrong[5]=absent/checkpoints/last
expect_status 2 "$language" finetune "${wrong[@]}" --runs 2 --out whole --overwrite
expect_text err.txt "absent/checkpoints/last"
kept "wrong --model"
expect_status 2 "$language" finetune "${options[@]}" --runs 2 --out whole --overwrite \
  --grad-accum-steps 1000
expect_text err.txt "--grad-accum-steps 1000"
kept "wrong --grad-accum-steps"
wrong=("${options[@]}")
wrong[5]=whole/run-1/checkpoints/best
expect_status 2 "$language" finetune "${wrong[@]}" --runs 2 --out whole --overwrite
expect_text err.txt "starts from whole/run-1/checkpoints/best"
kept "a --model in --out"
# A folder that holds more than runs: its other files are the user's.
mkdir mine
echo words >mine/notes.txt
expect_status 2 "$language" finetune --task sst2 --data nowhere \
  --model pretrained/checkpoints/last --runs 2 --out mine --overwrite
expect_text err.txt "nowhere"
[ "$(ls mine)" = notes.txt ] || fail "wrong input left something in --out, or took something away"

# Runs that a time limit stopped are not finished: the median says so, and they go on. Saving at
# every step takes longer than this limit.
slow=()
for option in "${options[@]}"; do
  [ "${previous:-}" = --save-interval ] && option=1
  slow+=("$option")
  previous=$option
done
expect_status 0 "$language" finetune "${slow[@]}" --runs 2 --out limited --time-limit 0.1
expect_text out.txt "unfinished: run-1 at step "
expect_text out.txt "gmlp-language finetune --resume limited"
expect_text limited/summary.json '"unfinished"'
expect_status 0 "$language" finetune --resume limited --time-limit 0
grep -q unfinished out.txt limited/summary.json && fail "finished runs are called unfinished"
cmp limited/summary.json timed/summary.json || fail "runs that were continued have another summary"
expect_same_run timed/run-1 limited/run-1
expect_same_run timed/run-2 limited/run-2

# Runs that diverge at once have no best weights, and no median.
diverged=(--task sst2 --data sst2 --model pretrained/checkpoints/last --batch-size 8 --lr 1e12
          --weight-decay 1e12 --clip-grad 0 --warmup-epochs 0 --sched constant --max-steps 1
          --no-figures)
expect_status 0 "$language" finetune "${diverged[@]}" --out diverged
[ ! -e diverged/checkpoints/best ] || fail "the best of a run that diverged was kept"
expect_status 1 "$language" finetune "${diverged[@]}" --runs 2 --out diverged-twice
expect_text err.txt "no validation of the run was finite"

# From random weights: what the architecture alone gives, and not what the weights give.
expect_status 0 "$language" finetune "${options[@]}" --from-scratch --out scratch
expect_text out.txt "the model starts from random weights"
nothing=("${options[@]}")
nothing[5]=gmlp_lm_tiny
expect_status 0 "$language" finetune "${nothing[@]}" "${small[@]}" --tokenizer chars.json \
  --out nothing --quiet
weights=checkpoints/last/model.safetensors
cmp scratch/$weights nothing/$weights || fail "--from-scratch is not the architecture's own start"
cmp -s scratch/$weights whole/run-1/$weights && fail "--from-scratch took the weights"
echo "killed $kills times"
