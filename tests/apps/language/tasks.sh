#!/usr/bin/env bash
# finetune, eval --task and predict --task on small files of every task, from a pretrained model and
# from nothing; wrong input; and a killed run that resumes to the same bytes.
. "$(dirname "$0")/../common.sh"

# Pairs: entailment where the second says the same, contradiction where it denies it.
make_mnli() {
  awk -v lines="$2" 'BEGIN {
    split("the cat|a dog|my friend|the bird", who, "|")
    split("entailment|neutral|contradiction|-", label, "|")
    split(" sleeps| may like bread| does not sleep| sings", says, "|")
    print "index\tsentence1\tsentence2\tgold_label"
    for (i = 0; i < lines; ++i) {
      print i "\t" who[i % 4 + 1] " sleeps\t" who[i % 4 + 1] says[int(i / 4) % 4 + 1] "\t" \
        label[int(i / 4) % 4 + 1]
    }
  }' >"$1"
}

# Questions after one of three words; with `impossible` every fourth has no answer.
make_squad() {
  awk -v paragraphs="$2" -v impossible="$3" 'BEGIN {
    split("Zürich|Paris|Rome|Wien", where, "|")
    split("6 5 4 4", letters, " ")  # not every awk counts characters
    split("milk|bread|tea|½ egg", what, "|")
    printf "{\"version\": \"x\", \"data\": [{\"title\": \"t\", \"paragraphs\": ["
    for (i = 0; i < paragraphs; ++i) {
      place = where[i % 4 + 1]
      food = what[int(i / 4) % 4 + 1]
      start = 3 + letters[i % 4 + 1] + 8
      printf "%s{\"context\": \"In %s I have %s.\", \"qas\": [", i ? ", " : "", place, food
      printf "{\"id\": \"p%d\", \"question\": \"where?\", \"answers\": ", i
      printf "[{\"text\": \"%s\", \"answer_start\": 3}]}, ", place
      if (impossible && i % 2) {
        printf "{\"id\": \"f%d\", \"question\": \"who?\", \"is_impossible\": true, \"answers\": []}", i
      } else {
        printf "{\"id\": \"f%d\", \"question\": \"what?\", \"answers\": ", i
        printf "[{\"text\": \"%s\", \"answer_start\": %d}]}", food, start
      }
      printf "]}"
    }
    print "]}]}"
  }' >"$1"
}

mkdir sst2 mnli squad
make_sst2 sst2/train.tsv 160 0
make_sst2 sst2/dev.tsv 40 2
make_mnli mnli/train.tsv 128
make_mnli mnli/dev_matched.tsv 32
make_mnli mnli/dev_mismatched.tsv 16
for part in train dev; do
  make_squad squad/$part-v1.1.json 16 0
  make_squad squad/$part-v2.0.json 16 1
done

# Pretrain on the sentences, then finetune.
cut -f1 sst2/train.tsv >words.txt
small=(--seq-len 32 --depth 2 --d-model 32 --d-ffn 64)
expect_status 0 "$language" tokenizer train --text words.txt --type chars --out chars.json
expect_status 0 "$language" pretrain --text words.txt --tokenizer chars.json --objective mlm \
  --model gmlp_lm_tiny "${small[@]}" --batch-size 8 --out pretrained --quiet --no-figures
pretrained=pretrained/checkpoints/last
tuning=(--batch-size 16 --log-interval 1 --lr 5e-3 --dropout 0)
expect_status 0 "$language" finetune --task sst2 --data sst2 --model $pretrained "${tuning[@]}" \
  --epochs 8 --out sentiment
expect_text out.txt "weights taken from $pretrained; the head is new"
expect_text out.txt "is good"
expect_text out.txt "gmlp-language eval --task sst2 --data sst2 --model sentiment/checkpoints/best"
expect_text sentiment/summary.json '"val_accuracy"'
expect_text sentiment/checkpoints/best/config.json '"task": "sst2"'
[ -s sentiment/report.html ] || fail "report.html is missing"
expect_status 0 "$language" report sentiment
expect_status 0 "$language" eval --task sst2 --data sst2 --model sentiment/checkpoints/best \
  --json eval.json
expect_text out.txt "accuracy"
expect_text out.txt "±"
accuracy=$(grep -o '"accuracy": [0-9.]*' eval.json | cut -d' ' -f2)
awk -v a="$accuracy" 'BEGIN { exit !(a >= 90) }' || fail "accuracy $accuracy on good and bad"
cp eval.json whole.json
expect_status 0 "$language" eval --task sst2 --data sst2 --model sentiment/checkpoints/best \
  --json eval.json --batch-size 7
cmp eval.json whole.json || fail "the score depends on the batch size"
printf 'task=sst2\ndata=sst2\n' >eval.toml
expect_status 0 "$language" eval --config eval.toml --model sentiment/checkpoints/best
expect_text out.txt "accuracy"

# Predictions need no label, and agree with the evaluation.
cut -f1 sst2/dev.tsv >input.tsv
expect_status 0 "$language" predict --task sst2 --model sentiment/checkpoints/best \
  --input input.tsv --out labels.tsv
[ "$(head -1 labels.tsv)" = "index	label	probability_0	probability_1" ] || fail "columns differ"
right=$(paste <(cut -f2 labels.tsv) <(cut -f2 sst2/dev.tsv) | tail -n +2 |
  awk '$1 == $2 { ++n } END { print 100 * n / NR }')
awk -v a="$accuracy" -v b="$right" 'BEGIN { exit !(a - b < 1e-3 && b - a < 1e-3) }' ||
  fail "predictions are right in $right %, eval says $accuracy"

# An array's logits are those of the head.
{
  printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<i4', 'fortran_order': False, 'shape': (3, 32), }"
  head -c $((3 * 32 * 4)) /dev/zero
} >ids.npy
expect_status 0 "$language" predict --model sentiment/checkpoints/best --input-array ids.npy --output-array logits.npy
[ "$(stat -c %s logits.npy)" = $((128 + 3 * 2 * 4)) ] || fail "logits.npy is not 3 x 2 floats"

# The first tenth of so many steps is warm-up.
expect_status 0 "$language" finetune --task sst2 --data sst2 --model $pretrained "${tuning[@]}" --max-steps 12345 \
  --time-limit 0.1 --quiet --no-figures --out steps
grep -qx "warmup-steps=1235" steps/config.toml || fail "the warm-up is not a tenth of the steps"
expect_status 0 "$language" finetune --resume steps --time-limit 0.1 --quiet --no-figures

# The same model, its sentiment forgotten, on pairs; and words from nothing, in pieces.
expect_status 0 "$language" finetune --task mnli --data mnli --model sentiment/checkpoints/best \
  "${tuning[@]}" --max-steps 3 --out pairs
expect_text out.txt "pairs without a gold label"
expect_text out.txt "matched"
expect_text out.txt "mismatched"
expect_status 0 "$language" predict --task mnli --model pairs/checkpoints/last \
  --input mnli/dev_matched.tsv --out labels.tsv
[ "$(wc -l <labels.tsv)" = 33 ] || fail "not a line for each pair"

for version in 1 2; do
  expect_status 0 "$language" finetune --task squad$version --data squad --model gmlp_lm_tiny \
    --tokenizer bytes --seq-len 48 --depth 2 --d-model 32 --d-ffn 64 "${tuning[@]}" --epochs 30 \
    --out squad$version --quiet
  expect_status 0 "$language" eval --task squad$version --data squad \
    --model squad$version/checkpoints/best --json eval.json
  expect_text out.txt "F1"
  f1=$(grep -o '"f1": [0-9.]*' eval.json | cut -d' ' -f2)
  awk -v a="$f1" 'BEGIN { exit !(a >= 80) }' || fail "squad$version: F1 $f1 on the training set"
  expect_status 0 "$language" predict --task squad$version --model squad$version/checkpoints/best \
    --input squad/dev-v$version.$((2 - version)).json --out answers.json
  [ "$(grep -c '"[pf][0-9]*": "' answers.json)" = 32 ] || fail "not an answer for each question"
done
expect_text eval.json '"NoAns_f1"'

# The checkpoint remembers how contexts are cut, so that eval repeats what the run printed.
expect_status 0 "$language" finetune --task squad1 --data squad --model gmlp_lm_tiny \
  --tokenizer bytes --seq-len 24 --depth 1 --d-model 32 --d-ffn 64 "${tuning[@]}" --epochs 2 \
  --doc-stride 2 --max-question-tokens 3 --out strided
printed=$(grep -o 'exact match .*F1.*' out.txt | tail -1)
sh -c "$(sed -n 's/^next     gmlp-language/"$language"/p' out.txt | sed "s|\"\$language\"|$language|")" \
  >again.txt || fail "the next command failed"
grep -qF "$printed" again.txt || fail "the run printed $printed, eval $(cat again.txt)"

# Labels of one's own: csv with quoted fields, a single table, jsonl to predict for.
mkdir own
awk 'BEGIN {
  print "id,\"review\",stars"
  for (i = 0; i < 300; ++i) {
    print i ",\"It is " (i % 3 == 0 ? "good" : i % 3 == 1 ? "bad" : "so, so") ", no. " i "\"," \
      (i % 3 == 0 ? "five" : i % 3 == 1 ? "one" : "three")
  }
}' >own/reviews.csv
echo '300,"no stars"' >>own/reviews.csv
expect_status 2 "$language" finetune --task classify --data own/reviews.csv --model $pretrained
expect_text err.txt "--label-column"
own=(--task classify --data own/reviews.csv --model $pretrained "${tuning[@]}" --epochs 6
     --text-columns review --label-column stars --skip-bad 1 --out stars)
expect_status 0 "$language" finetune "${own[@]}"
expect_text out.txt "own/reviews.csv: 1 bad rows left out; the first: own/reviews.csv: line 302"
expect_text stars/checkpoints/best/config.json '"three"'
printed=$(grep -o 'accuracy [0-9.]* ± [0-9.]* %' out.txt | tail -1)
next=$(sed -n 's/^next     gmlp-language //p' out.txt)
expect_status 0 "$language" $next
expect_text out.txt "$printed"
expect_status 0 "$language" eval --task classify --data own/reviews.csv --skip-bad 1 \
  --model stars/checkpoints/best
expect_text out.txt "all: 300 examples"
printf '{"review": "It is good, no. 7"}\n{"review": 3}\n\n{"other": 1}\n{"review": "bad"}\n' >new.jsonl
expect_status 0 "$language" predict --task classify --model stars/checkpoints/best \
  --input new.jsonl --out labels.tsv --skip-bad 1
[ "$(head -1 labels.tsv | cut -f1-3)" = "index	label	probability_five" ] || fail "columns differ"
[ "$(cut -f1 labels.tsv | tr '\n' ' ')" = "index 0 1 3 " ] || fail "rows are not numbered as read"
expect_status 2 "$language" predict --task classify --model stars/checkpoints/best \
  --input sst2/dev.tsv --out no.tsv
expect_text err.txt "no column 'review', only sentence, label"
expect_status 2 "$language" predict --task classify --model stars/checkpoints/best \
  --input new.jsonl --out no.tsv --text-columns a b c
expect_text err.txt "name one or two"
expect_status 2 "$language" predict --task classify --model stars/checkpoints/best \
  --input new.jsonl --out no.tsv --text-columns a b
expect_text err.txt "names 2, and the model reads 1 texts"
expect_status 2 "$language" eval --task squad1 --data squad --model squad1/checkpoints/best \
  --text-columns a
expect_text err.txt "has columns of its own"

# A pretrained model whose output projection is not its embedding: the task's head takes its place.
expect_status 0 "$language" pretrain --text words.txt --tokenizer chars.json --objective mlm --no-tie-embeddings \
  --model gmlp_lm_tiny "${small[@]}" --batch-size 8 --out untied --quiet --no-figures
expect_status 0 "$language" finetune --task sst2 --data sst2 --model untied/checkpoints/last "${tuning[@]}" \
  --epochs 1 --quiet --no-figures --out untied-sst2
expect_status 2 "$language" fill --model untied-sst2/checkpoints/last "It is [MASK]."
expect_text err.txt "was finetuned and predicts no words"

# Wrong usage and input.
expect_status 2 "$language" predict --task classify --model stars/checkpoints/best --input own/reviews.csv \
  --out own/reviews.csv --skip-bad 1
expect_text err.txt "this command reads or writes that file, too"
printf 'text,label\ncaf\xe9,good\ncaf\xe9,bad\n' >own/ansi.csv
expect_status 2 "$language" finetune --task classify --data own/ansi.csv --model $pretrained
expect_text err.txt "line 2: byte 14 (0xe9) is not UTF-8; convert it, e.g. with \`iconv -f WINDOWS-1252"
expect_status 2 "$language" finetune --task classify --data own/absent.csv --model $pretrained
expect_text err.txt "own/absent.csv: does not exist"
expect_status 2 "$language" finetune --task sst3 --data sst2 --model $pretrained
expect_text err.txt "sst3"
expect_status 2 "$language" finetune --task sst2 --data nowhere --model $pretrained --out no
expect_text err.txt "nowhere"
expect_status 2 "$language" finetune --task sst2 --data sst2 --model gmlp_lm_tiny
expect_text err.txt "--tokenizer"
expect_status 2 "$language" finetune --task sst2 --data sst2 --model gmlp_char --tokenizer bytes
expect_text err.txt "causal"
expect_status 2 "$language" eval --task mnli --data mnli --model sentiment/checkpoints/best
expect_text err.txt "finetuned on sst2"
expect_status 2 "$language" eval --task sst2 --data sst2 --model $pretrained
expect_text err.txt "not finetuned"
printf 'sentence\tlabel\ngood\t1\nbad\n' >sst2/dev.tsv
expect_status 2 "$language" eval --task sst2 --data sst2 --model sentiment/checkpoints/best
expect_text err.txt "dev.tsv: line 3"
make_sst2 sst2/dev.tsv 40 2

# Killed, and resumed without the pretrained folder: the same bytes.
options=(--task sst2 --data sst2 --model $pretrained --batch-size 8 --log-interval 1 --epochs 6
         --save-interval 3 --no-figures --quiet)
start=$(date +%s%N)
expect_status 0 "$language" finetune "${options[@]}" --out whole
milliseconds=$((($(date +%s%N) - start) / 1000000))
"$language" finetune "${options[@]}" --out killed &
process=$!
sleep "$(awk -v ms=$milliseconds 'BEGIN { print ms / 2000 }')"
kill -KILL $process 2>/dev/null
wait $process 2>/dev/null
[ -d killed/checkpoints/last ] || { echo "killed before the first save"; exit 0; }
mv pretrained gone
expect_status 0 "$language" finetune --resume killed
expect_same_run whole killed
