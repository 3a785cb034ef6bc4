#!/usr/bin/env bash
# Wrong usage of gmlp-language ends with status 2 and a message that names the thing and the remedy.
. "$(dirname "$0")/../common.sh"

# wrong TEXT ARGUMENTS...: status 2, and TEXT in the message.
wrong() {
  local text=$1
  shift
  expect_status 2 "$language" "$@"
  expect_text err.txt "gmlp-language: error: "
  expect_text err.txt "$text"
}

# but NAME VALUE ARGUMENTS...: the tiny run with another value of an option, in `changed`.
but() {
  changed=("${tiny[@]}")
  local i
  for ((i = 0; i < ${#changed[@]}; ++i)); do
    [ "${changed[i]}" = "$1" ] && changed[i + 1]=$2
  done
}

wrong "choose tokenizer, pretrain, finetune, eval, fill, generate, predict, export, ablate, report or info"
wrong "frobnicate: no such subcommand" frobnicate
wrong "pretrain needs --text" pretrain
wrong "pretrain needs --tokenizer" pretrain --text text.txt
wrong "pretrain needs --objective" pretrain --text text.txt --tokenizer bytes
wrong "pretrain needs --model" pretrain --text text.txt --tokenizer bytes --objective mlm
wrong "--frobnicate" pretrain --frobnicate
wrong "--dropout" pretrain "${tiny[@]}" --dropout 1
wrong "reference kernels" pretrain "${tiny[@]}" --precision bf16 --kernels reference
wrong "contradict" pretrain "${tiny[@]}" --toeplitz --no-toeplitz
wrong "--causal" pretrain "${tiny[@]}" --causal
wrong "--vocab-size 200: the tokenizer has 260 ids" pretrain "${tiny[@]}" --vocab-size 200
wrong "resnet" pretrain "${tiny[@]}" --arch resnet
wrong "diagonal" pretrain "${tiny[@]}" --gate diagonal
wrong "--resume nowhere" pretrain --resume nowhere
but --text absent.txt
wrong "absent.txt" pretrain "${changed[@]}"
but --tokenizer absent.model
wrong "absent.model" pretrain "${changed[@]}"
but --objective gpt
wrong "--objective" pretrain "${changed[@]}"
but --model gpt
wrong "gmlp_lm_tiny" pretrain "${changed[@]}"
but --batch-size 100000
wrong "use a smaller one" pretrain "${changed[@]}"
but --seq-len 100000
wrong "--seq-len" pretrain "${changed[@]}"
head -c 60 text.txt >short.txt
but --text short.txt
wrong "the 54 training tokens are only 2 windows" pretrain "${changed[@]}"
printf 'good \xff bad' >broken.txt
cat text.txt >>broken.txt
printf '{"type":"chars","characters":["a"," "]}' >chars.json
wrong "broken.txt" pretrain --text broken.txt --tokenizer chars.json --objective mlm \
  --model gmlp_lm_tiny
[ ! -e runs ] || fail "a refused run left a folder"

wrong "tokenizer train" tokenizer
wrong "--type" tokenizer train --text text.txt --type words --out t.json
wrong "--model-type" tokenizer train --text text.txt --type chars --model-type bpe --out t.json
wrong "--vocab-size" tokenizer train --text text.txt --type sentencepiece --out t.model
wrong "ends with .json" tokenizer train --text text.txt --type chars --out t.model
wrong "absent.txt" tokenizer train --text absent.txt --type chars --out t.json
touch there.json
wrong "--overwrite" tokenizer train --text text.txt --type chars --out there.json
[ ! -s there.json ] || fail "a refused tokenizer was written"

wrong "nowhere" eval --model nowhere --text text.txt
wrong "nowhere" fill --model nowhere "a [MASK]"
wrong "nowhere" generate --model nowhere --prompt a
wrong "--input-array" predict --model nowhere
wrong "gpt" info --model gpt

wrong "absent.toml: cannot be opened: No such file" pretrain --config absent.toml
wrong ".: is a folder" eval --config .
echo "learning_rate = 3" >unknown.toml
lists="no option of gmlp-language pretrain; \`gmlp-language pretrain --help\` lists them"
wrong "unknown.toml: learning_rate is $lists" pretrain --config unknown.toml
wrong "--clip-grad: nan is not a number" pretrain "${tiny[@]}" --clip-grad nan

printf 'type=bytes\ntext=text.txt\nout=from-file.json\n' >train.toml
expect_status 0 "$language" tokenizer train --config train.toml
echo 'model=gmlp_base' >info.toml
expect_status 0 "$language" info --config info.toml

mkdir full && touch full/file
wrong "--overwrite" pretrain "${tiny[@]}" --out full
[ "$(ls full)" = file ] || fail "a refused run left something in its folder"

expect_status 0 "$language" --help
expect_text out.txt "gmlp-language pretrain"
expect_status 0 "$language" pretrain --help
expect_text out.txt "--objective"
