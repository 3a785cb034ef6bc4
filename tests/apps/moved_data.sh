#!/usr/bin/env bash
# A run knows its data: it resumes from any folder and with data that moved, but not with others, and
# not while another process writes it.
. "$(dirname "$0")/common.sh"

expect_status 0 "$vision" train "${tiny[@]}" --max-steps 2 --threads 1 --out first
expect_text out.txt "machine  1 thread, "
expect_text out.txt "step 2/2  loss"
expect_text out.txt "the warm-up is cut from 8 steps to 1, half of the run"
for class in a b; do
  mkdir -p data/$class
  for i in {1..20}; do cp first/filters.png data/$class/$i.png; done
done
options=(--data folder:data "${tiny[@]:2}" --epochs 300 --no-figures --quiet)
expect_status 0 "$vision" train "${options[@]}" --time-limit 0.1 --out run
expect_text run/config.toml "data=\"folder:$scratch/data\""
(cd / && "$vision" train --resume "$scratch/run") || fail "it does not resume from another folder"

mv data moved
expect_status 2 "$vision" train --resume run
expect_text err.txt "folder:$scratch/data"
expect_status 0 "$vision" train --resume run --data folder:moved --threads 2
expect_text run/config.toml "data=\"folder:$scratch/moved\""
expect_text run/config.toml "threads=0"
expect_status 0 "$vision" train --resume run

cp moved/a/1.png moved/a/new.png
expect_status 2 "$vision" train --resume run
expect_text err.txt "the data have changed since it was saved: "
rm moved/a/new.png
mv moved/a/1.png moved/a/new.png
expect_status 2 "$vision" train --resume run
expect_text err.txt "other names or contents of files"
mv moved/a/new.png moved/a/1.png

expect_status 2 "$vision" train "${options[@]}" --data folder:moved --val-fraction 0 --patience 2
expect_text err.txt "nothing is held out to validate on"

"$vision" train --resume run --time-limit 0 --epochs 100000 &
process=$!
for ((i = 0; i < 500; ++i)); do
  [ "$(cat run/.lock)" = "$(printf '%-10s' $process)" ] && break
  sleep 0.01
done
expect_status 2 "$vision" train --resume run
expect_text err.txt "run: process $process is writing this run; wait for its end, or stop it"
expect_status 2 "$vision" train "${options[@]}" --data folder:moved --out run --overwrite
expect_text err.txt "process $process"
kill -KILL $process
wait $process 2>/dev/null
expect_status 0 "$vision" train --resume run --time-limit 0.02  # the lock ended with the process

# A run inside its data's folder is no class, and its pictures no photographs.
cp -r run moved/run && cp first/filters.png moved/run
expect_status 0 "$vision" eval --model run/checkpoints/best --data folder:moved
expect_text out.txt "val of folder:moved: 10 images"

# Other data of as many classes: refused by the names of the classes.
expect_status 0 "$vision" train "${options[@]}" --data folder:moved --time-limit 0 --max-steps 1 --out named
mv moved/b moved/c
rm -r moved/run
expect_status 2 "$vision" train --resume named
expect_text err.txt "the run's classes were a, b"
expect_status 0 "$vision" train "${options[@]}" --data folder:moved --max-steps 1 --quiet --init named/checkpoints/last --out init
expect_text init/log.txt "init: the head is kept, whose classes were a, b"
expect_status 0 "$vision" train "${options[@]}" --data folder:moved --max-steps 1 --model named/checkpoints/last --out random
expect_text random/log.txt "gives only the architecture; --init named/checkpoints/last would load its weights, too"

# --overwrite removes nothing that the run reads.
expect_status 2 "$vision" train "${options[@]}" --data folder:moved --out named --overwrite --model named/checkpoints/last
expect_text err.txt "which --overwrite would remove"
[ -s named/checkpoints/last/model.safetensors ] || fail "--overwrite removed the model that it reads"
