#!/usr/bin/env bash
# What a terminal shows of a run: lines that fit its width, the time left, and no bar at the end.
. "$(dirname "$0")/common.sh"
command -v python3 >/dev/null || { echo "SKIPPED: needs python3 for a terminal"; exit 77; }

# terminal.py COLUMNS COMMAND...: runs it on a terminal of this width. Writes what was drawn over with \r to
# drawn.txt, and what stays on the screen to screen.txt. Exits with the command's status.
cat >terminal.py <<'PY'
import fcntl, os, pty, re, struct, subprocess, sys, termios
columns = int(sys.argv[1])
reader, terminal = pty.openpty()
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
environment = {**os.environ, "TERM": "xterm"}
environment.pop("NO_COLOR", None)
process = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=terminal, env=environment)
os.close(terminal)
output = b""
while True:
    try:
        part = os.read(reader, 65536)
    except OSError:
        break
    if not part:
        break
    output += part
text = re.sub(r"\x1b\[[0-9;]*m", "", output.decode()).replace("\r\n", "\n")
drawn = [line for line in re.split(r"[\r\n]", text) if line.endswith("\x1b[K") and line != "\x1b[K"]
screen = [re.sub(r".*\r", "", line).replace("\x1b[K", "") for line in text.split("\n")]
open("drawn.txt", "w").write("".join(line[:-3] + "\n" for line in drawn))
open("screen.txt", "w").write("\n".join(screen))
sys.exit(process.wait())
PY

# expect_bars COLUMNS PATTERN: bars were drawn, none as wide as the terminal, all ending with a whole field, one
# matching the pattern; and none stayed.
expect_bars() {
  [ -s drawn.txt ] || fail "no bar at $1 columns"
  python3 - "$1" <<'PY' || fail "at $1 columns a bar wraps or has half a field"
import re, sys
field = (r"\d+/\d+|loss\*? \S+ \(smoothed \S+\)|left (\?|[0-9hms]+)|\d+ (img|tok)/s|\d+% of peak"
         r"|epoch \d+/\d+|lr \S+|wait \d+ ms|evaluating \d+/\d+")
for line in open("drawn.txt").read().splitlines():
    text = re.sub("^[█░]{12}  ", "", line)
    assert len(line) < int(sys.argv[1]), line
    assert all(re.fullmatch(field, part) for part in text.split("  ")), line
PY
  grep -qE -- "$2" drawn.txt || { cat drawn.txt >&2; fail "no bar at $1 columns has '$2'"; }
  ! grep -q '█\|░' screen.txt || fail "a bar stayed on the screen"
}

long=("${tiny[@]}" --epochs 1000000 --max-steps 1234567 --val-interval 1000000 --time-limit 0.7 --no-figures)
for columns in 60 80 100 124; do
  expect_status 0 python3 terminal.py $columns "$program" $subcommand "${long[@]}" --out run-$columns
  expect_bars $columns '[0-9]+/1234567  loss\*? [0-9.]+ \(smoothed [0-9.]+\)  left [0-9]+[hms]'
done
expect_bars 124 'epoch [0-9]+/[0-9]+($|  lr)'  # the count of epochs is long
expect_text run-60/log.txt "step"
! grep -q '█' run-60/log.txt || fail "log.txt has a bar"

# A pass over data that takes a while.
case $subcommand in
  train) slow=(--data shapes --split all --batch-size 1 --kernels reference) ;;
  pretrain)
    make_text long.txt 80000
    slow=(--text long.txt --kernels reference)
    ;;
esac
expect_status 0 python3 terminal.py 80 "$program" eval --model run-80/checkpoints/last "${slow[@]}"
expect_bars 80 'evaluating [0-9]+/[0-9]+  left [0-9]+s'
expect_text screen.txt loss

# Neither with --quiet nor on something that is no terminal.
expect_status 0 python3 terminal.py 80 "$program" $subcommand "${long[@]}" --out quiet --quiet
[ ! -s drawn.txt ] && [ ! -s screen.txt ] || fail "--quiet drew a bar"
expect_status 0 "$program" eval --model run-80/checkpoints/last "${slow[@]}"
! grep -q $'\r\|█' out.txt || fail "a file has a bar"
