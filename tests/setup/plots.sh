#!/usr/bin/env bash
# tools/plot.py draws the documents' charts from docs/data: the numbers' text is in them, and the same bytes come
# again. Skipped without matplotlib. Usage: plots.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
export PATH=/usr/bin:$PATH  # the Python that Debian's matplotlib belongs to
python3 -c 'import matplotlib' 2>/dev/null || { echo "SKIPPED: no matplotlib (Debian: python3-matplotlib)"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
fail() { echo "FAILED: $*" >&2; exit 1; }

mkdir once again
"$root/tools/plot.py" docs once >/dev/null
"$root/tools/plot.py" docs again >/dev/null
diff -r once again || fail "the same numbers gave other bytes"
expect() { grep -qF ">$2</text>" "once/$1.svg" || fail "$1.svg lacks the text $2"; }
expect steps "$(grep -m1 ",gmlp,f32," "$root/docs/data/steps.csv" | cut -d, -f4)"
expect steps "ONNX Runtime f32"
expect ladder "9 fused: norm_fc1_gelu"
expect losses bf16
cp "$root/docs/data/steps.csv" steps.csv
"$root/tools/plot.py" bench steps.csv >/dev/null
cmp steps.svg once/steps.svg || fail "a file of one's own is drawn differently"
expect text_losses "gMLP, split gate"
expect text_ablation "relative position bias only"
expect vision_ablation "MLP-Mixer"
for chart in steps ladder losses text_losses text_ablation vision_ablation; do
  [[ -s $root/docs/figures/$chart.svg ]] || fail "docs/figures/$chart.svg is missing"
  [[ $(wc -c <once/$chart.svg) -lt 40000 ]] || fail "$chart.svg is large"
done

refused() {
  local said
  ! said=$("$root/tools/plot.py" "${@:2}" 2>&1) || fail "$* was accepted"
  grep -qF -- "$1" <<<"$said" || fail "expected: $1, said: $said"
}
refused "No such file or directory: 'absent.json'" bench absent.json
printf '# title\n# subtitle\nmodel,by,ms\na,gmlp,fast\n' >text.csv
refused "'fast'; name a file" bench text.csv
echo '{"rows": [{"model": "gmlp_s16_224"}]}' >step.json
refused "no kernels and no rungs" bench step.json
echo '{"table3": [], "depths": []}' >ablation.json
refused "run gmlp-language ablate first" ablation .
