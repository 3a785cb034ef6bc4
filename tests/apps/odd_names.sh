#!/usr/bin/env bash
# Names that are no plain words: a run whose data, folder and results have blanks, a quote, brackets,
# a number sign, a backslash and a byte that is not UTF-8 in their names trains, is saved, resumes
# and is evaluated.
. "$(dirname "$0")/common.sh"
odd=$'[C# "1\\2, a=b \xff]'
mkdir -p "$odd/data" || exit 1

case $subcommand in
  train)
    # Pictures: what a first run drew, in two class folders.
    expect_status 0 "$program" train "${tiny[@]}" --max-steps 2 --out first
    for class in a $'b\xff'; do
      mkdir -p "$odd/data/$class"
      for i in {1..20}; do cp first/filters.png "$odd/data/$class/$i.png"; done
    done
    data=(--data "folder:$odd/data")
    options=("${data[@]}" "${tiny[@]:2}")
    ;;
  pretrain)
    cp text.txt "$odd/data/text.txt"
    data=(--text "$odd/data/text.txt")
    options=("${data[@]}" "${tiny[@]:2}")
    ;;
esac

expect_status 2 "$program" $subcommand "${options[@]}" --out $'it\'s "both"'
expect_text err.txt "both kinds of quotes"
expect_status 2 "$program" $subcommand "${options[@]}" --out $'two\nlines'
expect_text err.txt "line break"
expect_status 0 "$program" $subcommand "${options[@]}" --epochs 2 --out whole
expect_status 0 "$program" $subcommand "${options[@]}" --epochs 2 --out "$odd/run" --time-limit 0.000001
[ -s "$odd/run/summary.json" ] || fail "no summary.json"
expect_status 0 "$program" $subcommand --resume "$odd/run" --time-limit 0
expect_same_run whole "$odd/run"
expect_status 0 "$program" $subcommand --config "$odd/run/config.toml" --time-limit 0 \
  --out again
expect_same_run whole again
expect_status 0 "$program" eval --model "$odd/run/checkpoints/best" "${data[@]}" \
  --json "$odd/eval.json"
iconv -f UTF-8 -t UTF-8 "$odd/eval.json" >copy.json || fail "eval.json is not UTF-8"
if [ $subcommand = train ]; then
  expect_status 0 "$program" predict --model "$odd/run/checkpoints/best" "$odd/data/a/1.png" \
    --json "$odd/predict.json"
  iconv -f UTF-8 -t UTF-8 "$odd/predict.json" >copy.json || fail "predict.json is not UTF-8"
fi
