#!/usr/bin/env bash
# Folders as people have them: litter, a test folder of one's own, one bad file among good ones,
# and training on every image.
docs=$(realpath "$(dirname "$0")/../../docs")
. "$(dirname "$0")/common.sh"

# Two pictures: what two runs drew.
for seed in 1 2; do
  expect_status 0 "$vision" train "${tiny[@]}" --max-steps 2 --seed $seed --out run$seed --quiet
done
mkdir -p data/a/deeper data/b test/a data/.ipynb_checkpoints
for i in {1..20}; do
  cp run1/filters.png data/a/deeper/$i.PNG
  cp run2/filters.png data/b/$i.png
  cp run2/filters.png test/a/$i.png
done
touch data/a/Thumbs.db data/LICENSE data/a/clip.mov
small=(--data folder:data "${tiny[@]:2}" --epochs 1 --threads 1 --no-figures)
expect_status 0 "$vision" train "${small[@]}" --out run
expect_text out.txt "files passed over, no images of a class: 1, such as a/clip.mov"
expect_text out.txt "for validation (--val-fraction 0.2, by name and seed 42)"
best=run/checkpoints/best

# Parts as Kaggle's sets name them.
mkdir -p parts/Training/{a,b} parts/Testing/{a,b}
for i in {1..8}; do
  for part in Training Testing; do cp run1/filters.png parts/$part/a/$i.png; cp run2/filters.png parts/$part/b/$i.png; done
done
expect_status 0 "$vision" train --data folder:parts "${tiny[@]:2}" --epochs 1 --threads 1 --no-figures --out parts-run
expect_text out.txt "16 training and 16 validation images, 2 classes"
expect_text out.txt "classes  a, b"

# By default eval scores what the run validated; --split all scores every image.
expect_status 0 "$vision" eval --model $best --data folder:data --json eval.json
expect_text out.txt "val of folder:data: "
reported=$(tail -1 run/metrics.csv | cut -d, -f5)
grep -q "\"top1\": $(printf '%.4s' "$reported")" eval.json || fail "eval.json has not $reported"
expect_status 0 "$vision" eval --model $best --data folder:data --split all --json eval.json
expect_text out.txt "all of folder:data: 40 images"
expect_text eval.json '"confusion"'
[ "$(grep -c '"samples": 20' eval.json)" = 2 ] || fail "not 20 images in each of two classes"
# The same names with other contents, and one class alone.
expect_status 0 "$vision" eval --model $best --data folder:test
expect_text out.txt "all of folder:test: 20 images"
expect_status 2 "$vision" eval --model $best --data folder:test --split train
expect_text err.txt "use --split all"

# A bad file among good ones: their results all the same.
head -c 500 run1/filters.png >test/a/cut.png
touch test/a/notes.txt
expect_status 1 "$vision" predict --model $best test data/b/1.png --json p.json --csv p.csv \
  --features features.npy
[ "$(grep -c '"image"' p.json)" = 21 ] || fail "p.json has not 21 images"
[ "$(wc -l <p.csv)" = 43 ] || fail "p.csv has not two lines per image"
expect_text err.txt "test/a/cut.png"
expect_text err.txt "1 of 22 images have no result"
head -c 128 features.npy | grep -q "(22, 16)" || fail "not 22 rows of 16 features"
mkdir empty
expect_status 2 "$vision" predict --model $best empty
expect_text err.txt "no images in this folder"

# Training on everything; a batch that the data cannot fill; and weights of the classes.
expect_status 0 "$vision" train "${small[@]}" --val-fraction 0 --out whole
expect_text out.txt "40 training and 0 validation images"
expect_text out.txt "nothing is validated"
expect_text out.txt "gmlp-vision predict --model whole/checkpoints/last"
expect_status 2 "$vision" eval --model whole/checkpoints/last --data folder:data
expect_text err.txt "use --split all"
expect_status 0 "$vision" train "${small[@]}" --val-fraction 0 --out stopped --time-limit 0.000001
expect_status 0 "$vision" train --resume stopped --time-limit 0
expect_status 0 "$vision" train "${tiny[@]:0:12}" --max-train-samples 9 --max-steps 2 --out few
expect_text out.txt "--batch-size 128 becomes 9"
for mix in 0 0.5; do
  expect_status 0 "$vision" train "${small[@]}" --class-weights balanced --mixup $mix --out weighed$mix
done

# The paper's recipe, of which the command line replaces the size.
expect_status 0 "$vision" train --config "$docs/paper.toml" "${tiny[@]}" --max-steps 1 --out paper
for line in "mixup=0.8" "scale=[0.08, 1]" "batch-size=8"; do expect_text paper/config.toml "$line"; done
