# Sourced by the tests of the programs: $1 is the one under test. Each test works in a folder of its
# own.
set -u
program=$(realpath "$1")
vision=$program
language=$program
tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../tools" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
# Tests run beside other work: waiting threads leave the processor to it.
export OMP_WAIT_POLICY=passive

# make_text FILE LINES: short sentences of a few words, the same for the same number.
make_text() {
  awk -v lines="$2" 'BEGIN {
    split("the cat|a dog|my friend|the bird", who, "|")
    split("sees|likes|follows|hears", does, "|")
    split("the river|a tree|the moon|bread", what, "|")
    for (i = 0; i < lines; ++i) {
      j = i * 7 + int(i / 3)
      print who[j % 4 + 1], does[int(j / 2) % 4 + 1], what[int(j / 5) % 4 + 1] "."
    }
  }' >"$1"
}

# make_sst2 FILE LINES SHIFT: sentences whose label is one word's.
make_sst2() {
  awk -v lines="$2" -v shift="$3" 'BEGIN {
    split("the film|this play|a book|her song", what, "|")
    split("bad|good", how, "|")
    split("today|again|for me|I think", when, "|")
    print "sentence\tlabel"
    for (i = 0; i < lines; ++i) {
      j = i * 5 + int(i / 4) + shift
      print what[j % 4 + 1] " is " how[i % 2 + 1] " " when[int(j / 3) % 4 + 1] " \t" i % 2
    }
  }' >"$1"
}

# A run that takes seconds: drawn shapes or a short text, a model of a few thousand parameters.
if [ "$(basename "$program")" = gmlp-language ]; then
  make_text text.txt 60
  subcommand=pretrain
  tiny=(--text "$scratch/text.txt" --tokenizer bytes --objective mlm --model gmlp_lm_tiny
        --seq-len 16 --depth 2 --d-model 16 --d-ffn 32 --batch-size 8 --log-interval 1)
else
  subcommand=train
  tiny=(--data shapes --model gmlp_nano_32 --img-size 16 --patch-size 4 --depth 2 --d-model 16
        --d-ffn 32 --max-train-samples 64 --batch-size 8 --log-interval 1)
fi

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# expect_status STATUS COMMAND...: the command's output is kept in out.txt, its errors in err.txt.
expect_status() {
  local wanted=$1
  shift
  "$@" >out.txt 2>err.txt
  local got=$?
  [ "$got" = "$wanted" ] || { cat out.txt err.txt >&2; fail "status $got, not $wanted: $*"; }
}

# expect_text FILE TEXT: the file holds the text.
expect_text() {
  grep -qF -- "$2" "$1" || { cat "$1" >&2; fail "$1 does not hold '$2'"; }
}

# Steps and epochs without the columns that depend on the clock.
timeless_steps() { sed 's/,"samples_per_s.*//' "$1/steps.jsonl"; }
timeless_metrics() { cut -d, -f1-6 "$1/metrics.csv"; }

# expect_same_run A B: weights, moments and logged numbers are the same bytes.
expect_same_run() {
  local file
  for file in last/model.safetensors last/training.safetensors best/model.safetensors; do
    cmp "$1/checkpoints/$file" "$2/checkpoints/$file" || fail "$file differs in $1 and $2"
  done
  diff <(timeless_steps "$1") <(timeless_steps "$2") || fail "steps.jsonl differs in $1 and $2"
  diff <(timeless_metrics "$1") <(timeless_metrics "$2") || fail "metrics.csv differs"
}

# expect_chart TEXT ARGUMENTS...: tools/plot.py draws a chart with TEXT in it. Nothing is drawn without matplotlib,
# which belongs to Debian's own Python.
expect_chart() {
  local text=$1 PATH=/usr/bin:$PATH
  python3 -c 'import matplotlib' 2>/dev/null || return 0
  expect_status 0 "$tools/plot.py" "${@:2}"
  expect_text "$(sed 's/^written: //' out.txt)" ">$text</text>"
}
