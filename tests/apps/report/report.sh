#!/usr/bin/env bash
# report.html: a run writes one that is whole in itself, and `report` makes it again. Names that look
# like markup stay text, also in a browser. Skipped in part without python3 or Chromium.
here=$(dirname "$(realpath "$0")")
. "$here/../common.sh"
name='<!--<script> <b onmouseover=x>"&'

case $subcommand in
  train)
    expect_status 0 "$program" train "${tiny[@]}" --max-steps 1 --out first  # its picture is our data
    for class in "$name" b; do
      mkdir -p "data/$class"
      for i in {1..10}; do cp first/filters.png "data/$class/$i.png"; done
    done
    data=data
    new=(train --data folder:data "${tiny[@]:2}")
    ;;
  pretrain)
    sed -i "s|the moon|</script>$name|" text.txt
    data=text.txt
    new=("$subcommand" "${tiny[@]}")
    ;;
esac

# A run that is stopped and resumed has its report at the end.
expect_status 0 "$program" "${new[@]}" --epochs 2 --out run --time-limit 0.000001
rm run/report.html || fail "a run that a time limit stops has no report"
expect_status 0 "$program" $subcommand --resume run --time-limit 0
expect_text out.txt "report.html"

# check_page PAGE: small, without a network, and no name ends a script element.
check_page() {
  [ "$(stat -c %s "$1")" -lt 5000000 ] || fail "$1 is too large"
  grep -nE '(src|href)=["'\'']?(https?:)?//|url\([^#]|@import|fetch\(|XMLHttp' "$1" && fail "$1 loads something"
  [ "$(grep -o '<script' "$1" | wc -l)" = 2 ] || fail "a name in $1 begins a script"
  [ "$(grep -o '</script' "$1" | wc -l)" = 2 ] || fail "a name in $1 ends a script"
}
check_page run/report.html
cp run/report.html first.html
expect_status 0 "$program" report run
check_page run/report.html
mv $data away
expect_status 0 "$program" report run --out without.html
mv away $data
expect_status 0 "$program" "${new[@]}" --max-steps 3 --lr 0.01 --out other --no-figures
[ ! -e other/report.html ] || fail "--no-figures writes a report"
expect_status 0 "$program" report run other
check_page report.html

# A page keeps its parts when the weights that made them are gone.
mv run/checkpoints gone
expect_status 2 "$program" report run
expect_text err.txt "would lose parts"
mv gone run/checkpoints

# A run writes nothing outside of its folder.
cp -r run linked
rm linked/report.html
ln -s "$PWD/outside" linked/report.html
expect_status 2 "$program" $subcommand --resume linked --time-limit 0
expect_text err.txt "report.html: is a link"
[ ! -e outside ] || fail "a link was followed"

# A file that is no report stays.
echo text >foreign.html
expect_status 2 "$program" report run --out foreign.html
expect_text err.txt "--overwrite"
expect_status 0 "$program" report run --out foreign.html --overwrite
expect_status 0 "$program" report run --out foreign.html
expect_status 2 "$program" report run/checkpoints
expect_text err.txt "no config.toml"

command -v python3 >/dev/null || { echo "SKIPPED: python3 is not installed"; exit 77; }
python3 - first.html run/report.html without.html report.html <<'PYTHON' || fail "the data are not as they should be"
import json, sys
def data(path):
    text = open(path, encoding="utf-8").read()
    return json.loads(text.split('id="data">')[1].split("</script>")[0])["runs"]
first, again, without = [data(path)[0] for path in sys.argv[1:4]]
for key in ("inspector", "confusion", "mistakes", "summary.json", "steps.jsonl"):
    assert first.get(key) == again.get(key), key
assert len(first["inspector"]["layers"]) == 2 and first["inspector"]["samples"]
assert len(first["inspector"]["samples"][0]["gates"]) == 2
assert without["inspector"]["layers"] == first["inspector"]["layers"]
assert "note" in without and "note" not in again and not without["inspector"].get("samples")
assert len(data(sys.argv[4])) == 2
PYTHON

chromium=$(command -v chromium || command -v google-chrome)
if [ -z "$chromium" ] || ! command -v chromedriver >/dev/null; then
  echo "SKIPPED: no browser (Debian: chromium, chromium-driver)"
  exit 77
fi
python3 "$here/browse.py" first.html without.html report.html || fail "the browser finds faults"
