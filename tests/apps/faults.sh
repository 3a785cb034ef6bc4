#!/usr/bin/env bash
# faults.sh PROGRAM LIBRARY [FAULTS]: fails one system call of a run, or one allocation (by preloading the LIBRARY of
# tests/support/fail_allocation.cpp), chosen at random, FAULTS times over. Whatever fails, the program ends with status
# 0, 1 or 2, or 141 when nobody reads its output, and the last checkpoint loads and resumes to the bytes of a run
# without faults. The choice depends on GMLP_TEST_SEED.
library=$(realpath "$2")
. "$(dirname "$0")/common.sh"
faults=${3:-16}
command -v strace >/dev/null || { echo "SKIPPED: strace is not installed"; exit 77; }
strace -f --seccomp-bpf -qq -o /dev/null true 2>/dev/null || { echo "SKIPPED: strace may not trace here"; exit 77; }

common=(--batch-size 8 --log-interval 1 --epochs 2 --save-interval 3 --checkpoint-hist 2 --no-figures --threads 2)
case $subcommand in
  train)
    kinds=(f32 bf16) data=(--data shapes) formats=(onnx timm)
    expect_status 0 "$program" train "${tiny[@]}" --max-steps 1 --out pictures
    inputs=(pictures/filters.png)
    ;;
  pretrain)
    kinds=(f32 bf16 finetune) data=(--text text.txt) formats=(onnx)
    mkdir sst2
    make_sst2 sst2/train.tsv 64 0
    make_sst2 sst2/dev.tsv 16 3
    inputs=(--task sst2 --input sst2/dev.tsv --out run.json)
    ;;
esac
# prepare_run KIND: sets `options`, the options of a run of that kind, after its subcommand.
prepare_run() {
  case $1 in
    finetune)
      options=(finetune --task sst2 --data "$scratch/sst2" --model "$scratch/f32/checkpoints/last" "${common[@]}")
      ;;
    *) options=($subcommand "${tiny[@]}" "${common[@]}" --precision $1) ;;
  esac
}
for kind in "${kinds[@]}"; do
  prepare_run $kind
  expect_status 0 "$program" "${options[@]}" --out $kind
  expect_status 0 "$program" "${options[@]}" --time-limit 0.02 --out stopped-$kind
done

# Each system call with the errors that it may end with.
calls=(write:ENOSPC write:EIO write:EPIPE fsync:EIO rename:EIO renameat2:EIO openat:EMFILE openat:EACCES
       mmap:ENOMEM mkdir:ENOSPC unlinkat:EROFS unlink:EROFS read:EIO getdents64:EIO ftruncate:EIO
       flock:ENOLCK allocation: allocation: allocation: allocation:)

# traced CALL WHEN ERROR COMMAND...: runs it with that error at the WHEN-th call (0: without), and counts the calls.
traced() {
  local call=$1 when=$2 error=$3
  shift 3
  if [ $call = allocation ]; then
    env GMLP_COUNT_ALLOCATIONS=calls.txt GMLP_FAIL_ALLOCATION=$when LD_PRELOAD="$library" "$@" >out.txt 2>err.txt
    return
  fi
  local inject=()
  ((when == 0)) || inject=(-e "inject=$call:error=$error:when=$when")
  strace -f --seccomp-bpf -qq -o calls.txt -e "trace=$call" ${inject[@]+"${inject[@]}"} "$@" >out.txt 2>err.txt
}
count() {
  if [ $1 = allocation ]; then cat calls.txt; else grep -cE "^[0-9]+ +$1\\(" calls.txt; fi
}

# prepare SUBJECT: sets `command`, in a folder that it may change.
prepare() {
  rm -rf run run.* exported.*
  case $1 in
    start-*)
      prepare_run ${1#start-}
      command=("${options[@]}" --out run)
      ;;
    resume-*)
      prepare_run ${1#resume-}
      cp -r stopped-${1#resume-} run
      command=("${options[0]}" --resume run --time-limit 1000)
      ;;
    eval) command=(eval --model f32/checkpoints/last "${data[@]}" --threads 2 --json run.json) ;;
    predict)
      command=(predict --model ${kinds[-1]}/checkpoints/last --threads 2 "${inputs[@]}")
      [ $subcommand = pretrain ] || command+=(--json run.json)
      ;;
    report) command=(report f32 --out run.html) ;;
    ablate)
      command=(ablate --text text.txt --tokenizer bytes --seq-len 16 --d-model 16 --batch-size 8 --max-steps 4
               --warmup-steps 1 --quiet --no-figures --series table3 --only split --depth 1 --seeds 1 --out run)
      ;;
    export-*) command=(export --model f32/checkpoints/last --format "${1#export-}" --out "exported.${1#export-}") ;;
    tokenizer) command=(tokenizer train --text text.txt --type chars --out run.json --overwrite) ;;
  esac
}
subjects=(eval predict report)
for kind in "${kinds[@]}"; do subjects+=(start-$kind start-$kind resume-$kind); done
for format in "${formats[@]}"; do subjects+=("export-$format"); done
[ $subcommand = train ] || subjects+=(tokenizer ablate)

declare -A total
RANDOM=${GMLP_TEST_SEED:-1}
for ((i = 1; i <= faults; ++i)); do
  subject=${subjects[RANDOM % ${#subjects[@]}]}
  pair=${calls[RANDOM % ${#calls[@]}]} call=${pair%:*} error=${pair#*:}
  prepare "$subject"
  if [ -z "${total[$subject $call]:-}" ]; then
    traced "$call" 0 "" "$program" --version
    total[loader $call]=$(count "$call")  # a program whose libraries cannot be loaded never starts
    traced "$call" 0 "" "$program" "${command[@]}"
    total[$subject $call]=$(count "$call")
    for output in run.json run.html exported.*; do
      [ ! -e $output ] || { rm -rf right-$subject; cp -r $output right-$subject; }
    done
    prepare "$subject"
  fi
  loader=${total[loader $call]} all=${total[$subject $call]}
  ((all > loader)) || continue
  when=$((loader + 1 + (RANDOM * 32768 + RANDOM) % (all - loader)))
  traced "$call" $when "$error" "$program" "${command[@]}"
  status=$?
  what="fault $i: $subject, $pair at call $when of $all"
  case $status in
    0 | 1 | 2) ;;
    141) [ $error = EPIPE ] || fail "$what: status 141" ;;
    *) cat err.txt >&2; fail "$what: status $status" ;;
  esac
  [ $status = 0 ] || [ -s err.txt ] || [ $error = EPIPE ] || [ $call = write ] ||
    fail "$what: status $status without a message"
  case $subject in
    start-* | resume-*)
      if [ -s run/config.toml ]; then
        expect_status 0 "$program" "${options[0]}" --resume run --time-limit 1000
      else
        expect_status 0 "$program" "${options[@]}" --out run --overwrite
      fi
      ( expect_same_run ${subject#*-} run ) || fail "$what: other bytes"
      ;;
    ablate) expect_status 0 "$program" "${command[@]}" ;;  # goes on
    eval | predict | report | tokenizer)  # the whole file or none, unless what is missing was named
      for output in run.json run.html; do
        [ ! -e $output ] || grep -q "parts are missing\|have no result" out.txt err.txt || cmp $output right-$subject || fail "$what: another $output"
      done
      [ $status != 0 ] || compgen -G 'run.*' >out.txt || fail "$what: status 0, no file"
      ;;
    export-*)  # all or nothing
      [ $status != 0 ] || diff -r exported.* right-$subject >out.txt || fail "$what: status 0 and another export"
      ;;
  esac
done
echo "$faults faults"
