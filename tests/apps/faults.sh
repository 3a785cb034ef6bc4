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

options=("${tiny[@]}" --epochs 2 --save-interval 3 --checkpoint-hist 2 --no-figures --threads 2)
expect_status 0 "$program" $subcommand "${options[@]}" --out whole
case $subcommand in
  train) data=(--data shapes) formats=(onnx timm) ;;
  pretrain) data=(--text text.txt) formats=(onnx) ;;
esac

# Each system call with the errors that it may end with.
calls=(write:ENOSPC write:EIO write:EPIPE fsync:EIO rename:EIO renameat2:EIO openat:EMFILE openat:EACCES
       mmap:ENOMEM mkdir:ENOSPC unlinkat:EROFS unlink:EROFS read:EIO getdents64:EIO ftruncate:EIO
       flock:ENOLCK)
# Two allocations in 800 crash in libstdc++ 12 (directory_iterator copies a path), so the short form has none.
((faults <= 16)) || calls+=(allocation: allocation: allocation: allocation:)

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
  rm -rf run exported.*
  case $1 in
    start) command=($subcommand "${options[@]}" --out run) ;;
    resume)
      cp -r stopped run
      command=($subcommand --resume run --time-limit 1000)
      ;;
    eval) command=(eval --model whole/checkpoints/last "${data[@]}" --threads 2 --json run.json) ;;
    export-*) command=(export --model whole/checkpoints/last --format "${1#export-}" --out "exported.${1#export-}") ;;
    tokenizer) command=(tokenizer train --text text.txt --type chars --out run.json --overwrite) ;;
  esac
}
expect_status 0 "$program" $subcommand "${options[@]}" --time-limit 0.02 --out stopped
subjects=(start start start resume resume eval)
for format in ${formats[@]+"${formats[@]}"}; do subjects+=("export-$format"); done
[ $subcommand = train ] || subjects+=(tokenizer)

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
    prepare "$subject"
  fi
  loader=${total[loader $call]} all=${total[$subject $call]}
  ((all > loader)) || continue
  when=$((loader + 1 + (RANDOM * 32768 + RANDOM) % (all - loader)))
  traced "$call" $when "$error" "$program" "${command[@]}"
  status=$?
  case $status in
    0 | 1 | 2) ;;
    141) [ $error = EPIPE ] || fail "fault $i: $subject, $pair at call $when: status 141" ;;
    *) cat err.txt >&2; fail "fault $i: $subject, $pair at call $when of $all: status $status" ;;
  esac
  [ $status = 0 ] || [ -s err.txt ] || [ $error = EPIPE ] || [ $call = write ] ||
    fail "fault $i: $subject, $pair at call $when: status $status without a message"
  case $subject in
    start | resume)
      if [ -s run/config.toml ]; then
        expect_status 0 "$program" $subcommand --resume run --time-limit 1000
      else
        expect_status 0 "$program" $subcommand "${options[@]}" --out run --overwrite
      fi
      ( expect_same_run whole run ) || fail "fault $i: $subject, $pair at call $when of $all: other bytes"
      ;;
    export-*)  # all or nothing
      [ $status != 0 ] || compgen -G 'exported.*' >out.txt || fail "fault $i: $subject, $pair at call $when: status 0 and no export"
      ;;
  esac
done
echo "$faults faults"
