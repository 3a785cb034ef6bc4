#!/usr/bin/env bash
# tokenizer train, pretrain, eval, fill, generate, predict and info, and every file that a run
# promises.
. "$(dirname "$0")/../common.sh"

expect_status 0 "$language" tokenizer train --text text.txt --type chars --out chars.json
expect_text out.txt "chars"
expect_text out.txt "[MASK]"
cp chars.json first.json
expect_status 0 "$language" tokenizer train --text text.txt --type chars --out chars.json \
  --overwrite
cmp chars.json first.json || fail "the same text gave another tokenizer"
expect_status 0 "$language" tokenizer train --text text.txt --type sentencepiece \
  --vocab-size 290 --out pieces.model
expect_text out.txt "sentencepiece: 290 ids"
expect_status 0 "$language" tokenizer train --text text.txt --type sentencepiece --model-type bpe \
  --vocab-size 290 --out pairs.model

# Masked: the console and the folder.
expect_status 0 "$language" pretrain "${tiny[@]}" --epochs 3 --tensorboard
expect_text out.txt "parameters"
expect_text out.txt "MASK→"
grep -q "bits per byte" out.txt && fail "the loss of a masked model is no code length"
expect_text out.txt "filled"
run=runs/language/0001-gmlp_lm_tiny_custom-text
expect_text out.txt "gmlp-language fill --model $run/checkpoints/best"
for file in config.toml environment.json log.txt metrics.csv steps.jsonl summary.json report.html \
  filters.png; do
  [ -s "$run/$file" ] || fail "$file is missing"
done
for tag in train/loss val/perplexity filters; do
  grep -q $tag $run/tensorboard/events.out.tfevents.* || fail "no $tag for TensorBoard"
done
for file in model.safetensors config.json training.safetensors training.json tokenizer.json; do
  [ -s "$run/checkpoints/best/$file" ] || fail "checkpoints/best/$file is missing"
done
[ "$(wc -l <$run/metrics.csv)" = 4 ] || fail "metrics.csv does not have one row per epoch"
[ "$(head -1 $run/metrics.csv)" = \
  "epoch,step,train_loss,val_loss,val_perplexity,lr,samples_per_s,seconds" ] || fail "columns differ"
expect_text $run/summary.json '"val_perplexity"'
expect_text $run/checkpoints/best/config.json '"objective": "mlm"'
[ "$(head -c 4 $run/filters.png | tail -c 3)" = PNG ] || fail "filters.png is no PNG"
grep -q "embed.weight" $run/checkpoints/best/model.safetensors || fail "no embed.weight"

# The same again by the saved configuration; the text's end alone gives the loss that was reported.
expect_status 0 "$language" pretrain --config $run/config.toml --out again --quiet
[ ! -s out.txt ] || fail "--quiet printed something"
expect_same_run $run again
bytes=$(($(stat -c %s text.txt) * 9 / 10 / 64 * 64))
tail -c +$((bytes + 1)) text.txt >end.txt
expect_status 0 "$language" eval --model $run/checkpoints/last --text end.txt --json eval.json
expect_text out.txt "perplexity"
reported=$(tail -1 $run/metrics.csv | cut -d, -f4)
loss=$(grep -o '"loss": [0-9.]*' eval.json | cut -d' ' -f2)
awk -v a="$reported" -v b="$loss" 'BEGIN { exit !(a - b < 1e-6 && b - a < 1e-6) }' ||
  fail "eval says $loss, the run said $reported"

expect_status 0 "$language" fill --model $run/checkpoints/best "the [MASK]at" --topk 3 \
  --json fill.json
[ "$(grep -c '%' out.txt)" = 3 ] || fail "fill has not printed three words"
expect_text fill.json '"probability"'
# The text at any place, also one that looks like a list or an option.
expect_status 0 "$language" fill "[MASK], a [MASK]" --model $run/checkpoints/best --topk 1
expect_text out.txt "[MASK] 2"
expect_status 0 "$language" fill --topk 1 "[MASK, [MASK]]" --model $run/checkpoints/best
expect_status 0 "$language" fill --model $run/checkpoints/best --topk 1 -- "-[MASK]"
expect_status 2 "$language" fill --model $run/checkpoints/best "no mask"
expect_text err.txt "has no [MASK]"
expect_status 2 "$language" generate --model $run/checkpoints/best --prompt the
expect_text err.txt "use fill"

# Causal, with pieces of words.
causal=(--text text.txt --tokenizer pieces.model --objective causal --model gmlp_char --seq-len 16
        --depth 2 --d-model 16 --d-ffn 32 --batch-size 4 --log-interval 1)
expect_status 0 "$language" pretrain "${causal[@]}" --epochs 2 --out causal
expect_text out.txt "written"
expect_text out.txt "gmlp-language generate --model causal/checkpoints/best"
expect_text causal/summary.json '"val_bits_per_byte"'
[ -s causal/checkpoints/best/tokenizer.model ] || fail "no tokenizer.model in the checkpoint"
best=causal/checkpoints/best
write=(generate --model $best --prompt "the cat" --max-tokens 60)
expect_status 0 "$language" "${write[@]}" --temperature 0.9 --top-k 20 --top-p 0.9 --seed 3
expect_text err.txt "tokens/s"
expect_text out.txt "the cat"
cp out.txt written.txt
expect_status 0 "$language" "${write[@]}" --temperature 0.9 --top-k 20 --top-p 0.9 --seed 3
cmp out.txt written.txt || fail "the same seed wrote another text"
expect_status 0 "$language" "${write[@]}" --temperature 0.9 --top-k 20 --top-p 0.9 --seed 4
cmp -s out.txt written.txt && fail "another seed wrote the same text"
expect_status 0 "$language" "${write[@]}" --temperature 0
iconv -f UTF-8 -t UTF-8 out.txt >copy.txt || fail "generate wrote broken UTF-8"
expect_status 0 "$language" generate --model $best --prompt "$(head -c 400 text.txt)" --max-tokens 2
expect_text err.txt "tokens longer than the model's window of 16; only its end is read"
grep -q "does not know" err.txt && fail "the tokenizer knows its own text"
expect_status 0 "$language" tokenizer train --text text.txt --type chars --out letters.json
expect_status 0 "$language" pretrain --text text.txt --tokenizer letters.json --objective causal --model gmlp_char \
  --seq-len 16 --depth 1 --d-model 16 --d-ffn 32 --batch-size 8 --max-steps 1 --quiet --no-figures --out letters
expect_status 0 "$language" generate --model letters/checkpoints/last --prompt "日本 the cat" --max-tokens 2
expect_text err.txt "the tokenizer does not know 2 of the prompt's tokens"
expect_status 2 "$language" fill --model $best "the [MASK]"
expect_text err.txt "use generate"

# Text from standard input, all of it for training; bad lines and unknown tokens are counted.
cat text.txt | "$language" pretrain "${tiny[@]}" --text - --val-fraction 0 --max-steps 2 \
  --out all >out.txt 2>err.txt || fail "no training on standard input: $(cat err.txt)"
expect_text out.txt "no validation text"
expect_text out.txt "weights  all/checkpoints/last"
mkfifo slow
sleep 20 >slow &
sleeper=$!
"$language" eval --model causal/checkpoints/best --text - <slow >out.txt 2>err.txt &
process=$!
sleep 1
kill -TERM $process
wait $process
[ $? = 143 ] || fail "a signal did not end the wait for standard input: $(cat err.txt)"
kill $sleeper
{ head -20 text.txt; printf 'b\xffd\n'; echo "日本語日本語日本語日本語日本語"; } >odd.txt
expect_status 2 "$language" eval --model all/checkpoints/last --text odd.txt
expect_text err.txt "such rows with --skip-bad"
expect_status 0 "$language" eval --model causal/checkpoints/best --text odd.txt --skip-bad 1
expect_text out.txt "1 bad rows left out; the first: odd.txt: byte"
sed 's/a/日/g; s/e/本/g' text.txt >foreign.txt
printf '{"type":"chars","characters":["日","本"]}' >few.json
expect_status 0 "$language" pretrain --text foreign.txt --tokenizer few.json --objective mlm \
  --model gmlp_lm_tiny --seq-len 16 --depth 1 --d-model 16 --d-ffn 32 --batch-size 4 \
  --max-steps 2 --out unknown
expect_text out.txt "% of the tokens are unknown to the tokenizer; warning"

# ids.npy by hand: magic, version, the header's length, a header of 118 bytes, 16 int32.
# write_ids FILE LOW_BYTE HIGH_BYTE: of the first id
write_ids() {
  local header="{'descr': '<i4', 'fortran_order': False, 'shape': (16,), }"
  {
    printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$header"
    printf "\\x$2\\x$3\\x00\\x00"
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do printf '\x07\x00\x00\x00'; done
  } >"$1"
}
write_ids ids.npy 09 00
expect_status 0 "$language" predict --model $best --input-array ids.npy --output-array logits.npy
[ "$(stat -c %s logits.npy)" = $((128 + 16 * 290 * 4)) ] || fail "logits.npy is not 16 x 290 floats"
write_ids bad.npy ff 01
expect_status 2 "$language" predict --model $best --input-array bad.npy --output-array no.npy
expect_text err.txt "id 511 at row 0, column 0"
[ ! -e no.npy ] || fail "a refused prediction was written"

# eval and predict accept text or arrays, or a task, but not both.
for command in eval predict; do
  expect_status 0 "$language" $command --help
  expect_text out.txt "--doc-stride"
  expect_status 2 "$language" $command --model $best
  expect_text err.txt "$command needs"
done
expect_status 2 "$language" eval --model $best --task sst2 --data . --text text.txt
expect_text err.txt "--text excludes --task"
expect_status 2 "$language" eval --model $best --text text.txt --data .
expect_text err.txt "--data requires --task"

# info: the paper's Table 5 has 130 M parameters for gMLP base.
expect_status 0 "$language" info --model gmlp_base
expect_text out.txt "parameters       130,"
expect_status 0 "$language" info --model $best --tensors
expect_text out.txt "embed.weight"
expect_status 0 "$language" info --model $best
