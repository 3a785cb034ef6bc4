#!/usr/bin/env bash
# mpirun: any number of ranks computes the bytes of one, whatever ends a run between; what ranks do not agree
# on is refused by name, and a rank that dies or hangs ends all. The second argument says whether the program
# was built with MPI.
. "$(dirname "$0")/common.sh"

name=$(basename "$program")
if [ "${2:-}" != mpi ]; then
  OMPI_COMM_WORLD_SIZE=2 expect_status 2 "$program" $subcommand "${tiny[@]}"
  expect_text err.txt "built without MPI"
  exit 0
fi
command -v mpirun >/dev/null || exit 77
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
options=("${tiny[@]}" --shards 4 --threads 1 --no-figures --save-interval 3)
short=("${options[@]}" --max-steps 12)

expect_status 0 "$program" $subcommand "${short[@]}" --threads 2 --out whole
for ranks in 2 4; do
  expect_status 0 mpirun -n $ranks "$program" $subcommand "${short[@]}" --out ranks-$ranks
  expect_same_run whole ranks-$ranks
  expect_text ranks-$ranks/log.txt "$ranks on "
done
for more in "--precision bf16" "--grad-accum-steps 2 --model-ema"; do
  # shellcheck disable=SC2086  # several words
  expect_status 0 "$program" $subcommand "${short[@]}" $more --overwrite --out one
  # shellcheck disable=SC2086
  expect_status 0 mpirun -n 2 "$program" $subcommand "${short[@]}" $more --overwrite --out two
  expect_same_run one two
done

# process_of_rank RUN NUMBER: the process id of a rank of a run in progress, after its first save.
process_of_rank() {
  local i process
  for ((i = 0; i < 1000; ++i)); do
    [ -s "$1/checkpoints/last/training.json" ] && break
    sleep 0.01
  done
  for process in $(pgrep -f "$name $subcommand .*--out $1"); do
    tr '\0' '\n' </proc/"$process"/environ 2>/dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$2" || continue
    echo "$process"
    return
  done
}

# A run is ended at any step, and another number of ranks continues it.
expect_status 0 "$program" $subcommand "${options[@]}" --epochs 8 --out long
for ended in KILL:1:137:1 KILL:0:137:2 TERM:1:143:4 STOP:2:1:2; do
  IFS=: read -r signal ranked status continued <<<"$ended"
  mpirun -n 4 "$program" $subcommand "${options[@]}" --epochs 8 --rank-timeout 2 --out ended-$ended >out.txt 2>&1 &
  process=$!
  victim=$(process_of_rank ended-$ended $ranked)
  [ -n "$victim" ] && kill -$signal "$victim"
  wait $process
  got=$?
  # A machine so fast that the run was over is no failure of what is tested here.
  [ $got = 0 ] || [ $got = "$status" ] || { cat out.txt >&2; fail "status $got after $ended"; }
  [ $got = 0 ] || [ $signal != STOP ] || expect_text out.txt "rank 2 on $(hostname)"
  [ $got = 0 ] || [ $signal != TERM ] || expect_text out.txt "--resume ended-$ended"
  if [ "$continued" = 1 ]; then
    expect_status 0 "$program" $subcommand --resume ended-$ended
  else
    expect_status 0 mpirun -n "$continued" "$program" $subcommand --resume ended-$ended
  fi
  expect_same_run long ended-$ended
done

# What differs is named, and nothing has been written.
expect_status 2 mpirun -n 1 "$program" $subcommand "${short[@]}" --out refused : \
                       -n 1 "$program" $subcommand "${short[@]}" --lr 0.5 --out refused
expect_text err.txt "rank 1 on $(hostname): --lr is 0.5"
expect_status 2 mpirun -n 1 "$program" $subcommand "${short[@]}" --out refused : \
                       -n 1 env GMLP_ISA=scalar "$program" $subcommand "${short[@]}" --out refused
expect_text err.txt "the instruction set"
if [ "$subcommand" = pretrain ]; then
  mkdir here there
  cp text.txt here/text.txt
  make_text there/text.txt 61
  expect_status 2 mpirun -n 1 --wdir "$PWD/here" "$program" pretrain "${short[@]}" --text text.txt --out ../refused : \
                         -n 1 --wdir "$PWD/there" "$program" pretrain "${short[@]}" --text text.txt --out ../refused
  expect_text err.txt "rank 1 on $(hostname): "
fi
# Started by the launcher of another MPI, which leaves each process alone.
SLURM_STEP_NUM_TASKS=2 expect_status 2 "$program" $subcommand "${short[@]}" --out refused
expect_text err.txt "started as one of 2 ranks, but its MPI sees 1"
expect_status 2 mpirun -n 3 "$program" $subcommand "${short[@]}" --out refused
expect_text err.txt "--shards 4: 3 ranks cannot share them"
[ "$(grep -c 'cannot share' err.txt)" = 1 ] || fail "the same error is told several times"
expect_status 2 mpirun -n 2 "$program" info --model whole/checkpoints/last
expect_text err.txt "start it without mpirun"
expect_status 2 "$program" $subcommand "${short[@]}" --shards 3 --out refused
expect_status 2 "$program" $subcommand "${short[@]}" --shards 16 --out refused
[ ! -e refused ] || fail "a refused run has a folder"
