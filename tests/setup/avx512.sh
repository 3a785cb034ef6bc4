#!/usr/bin/env bash
# `./dev avx512`: tests the AVX-512 kernels on a machine without AVX-512. Bochs emulates a computer with a Skylake-X
# processor. On it Debian's kernel runs the tests of kernels and models from a RAM disk and prints to the serial
# port. Bochs has no bf16 instructions: emulated_bf16.h replaces the two that we use.
#
#   usage: avx512.sh BUILD_DIR
set -euo pipefail
mkdir -p "$1"
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/../.."
tests=(test_kernels test_models)

give_up() {
  echo "avx512: NOT TESTED: $*" >&2
  exit 1
}
for program in bochs-bin xorriso cpio busybox script apt-get dpkg-deb; do
  command -v "$program" >/dev/null || give_up "$program is missing; ./dev avx512 installs it on Debian"
done
boot_loader=/usr/lib/ISOLINUX/isolinux.bin boot_module=/usr/lib/syslinux/modules/bios/ldlinux.c32
[[ -e $boot_loader && -e $boot_module ]] || give_up "isolinux is missing; ./dev avx512 installs it on Debian"

# ---- the Linux kernel, unpacked and not installed ----

fetch_linux() {
  local package
  package=$(apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1)
  rm -rf "$build/linux"
  mkdir -p "$build/linux"
  (cd "$build/linux" && apt-get -q -o APT::Sandbox::User="$(id -un)" download "$package") ||
    give_up "no Linux kernel: see apt-get's message"
  dpkg-deb -x "$build"/linux/*.deb "$build/linux"
  mv "$build"/linux/boot/vmlinuz-* "$build/vmlinuz"
  rm -rf "$build/linux"
}
[[ -e $build/vmlinuz ]] || fetch_linux

# ---- building ----

cmake -S . -B "$build/tests" -G Ninja -D CMAKE_BUILD_TYPE=RelWithDebInfo -D CMAKE_UNITY_BUILD=ON \
  -D CMAKE_CXX_FLAGS="-include \"$PWD/tests/setup/emulated_bf16.h\""
cmake --build "$build/tests" --target "${tests[@]}"

# ---- a disk to boot from ----

disk=$build/disk root=$build/root
rm -rf "$disk" "$root"
mkdir -p "$disk/isolinux" "$root"/{bin,dev,proc,tests} "$root$PWD/tests"
cp "$(command -v busybox)" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
cp -r tests/golden "$root$PWD/tests/"
for test in "${tests[@]}"; do
  strip -o "$root/tests/$test" "$build/tests/tests/$test"
  while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
  done < <(ldd "$build/tests/tests/$test" | grep -o '/[^ ]*')
done
# Of test_models only those that depend on the instruction set, without the slowest, because everything is emulated.
cat >"$root/init" <<'INIT'
#!/bin/sh
bb=/bin/busybox
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
exec >/dev/ttyS0 2>&1
export OMP_WAIT_POLICY=passive GOMP_SPINCOUNT=0
failed=
block="the fused block equals the composed one"
for isa in avx512 avx512bf16; do
  echo "---- $isa ----"
  GMLP_ISA=$isa /tests/test_models "$block at*,$block with*,$block for*,bf16 is the f32 block within*" &&
    GMLP_ISA=$isa /tests/test_models "golden cases in f32*,a checkpointed*,a fused prediction*,a frozen block*" ||
    failed="$failed test_models with $isa,"
done
echo "---- every instruction set ----"
/tests/test_kernels || failed="$failed test_kernels,"
echo "verdict:${failed:- all passed}"
$bb sleep 100000
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$disk/initrd.gz"
cp "$build/vmlinuz" "$disk/"
cp "$boot_loader" "$boot_module" "$disk/isolinux/"
# One processor, with time from timer ticks, because Bochs reports a wrong frequency. Registers are saved in the
# standard format, because for the compacted one Bochs reports a wrong size and Linux would disable AVX.
cat >"$disk/isolinux/isolinux.cfg" <<'CONFIG'
DEFAULT linux
LABEL linux
  KERNEL /vmlinuz
  INITRD /initrd.gz
  APPEND console=ttyS0 quiet mitigations=off clearcpuid=xsavec,xsaves,pku nosmp noapic nolapic nokaslr notsc tsc=unstable clocksource=jiffies lpj=400000
CONFIG
xorriso -as mkisofs -quiet -o "$build/disk.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table "$disk"

# ---- running ----

printed=$build/printed.txt
cat >"$build/bochsrc" <<'CONFIG'
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
megs: 2048
cpu: model=corei7_skylake_x, count=1, ips=40000000
clock: sync=none
ata0-master: type=cdrom, path=disk.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=printed.txt
display_library: term
sound: waveoutdrv=dummy
log: bochs.log
panic: action=fatal
CONFIG
echo continue >"$build/bochs.debugger"  # Debian's Bochs has a debugger, which waits for a command
rm -f "$printed" "$build/disk.iso.lock" "$build/bochs.out"
export TERM=xterm
# The debugger needs a terminal. The screen is drawn on a second one, and Bochs blocks unless something reads it.
tail -f /dev/null --pid=$$ |
  (cd "$build" && exec setsid script -qefc "echo \$\$ >bochs.pid; exec bochs-bin -q -f bochsrc -rc bochs.debugger" \
    bochs.out) >/dev/null 2>&1 &
emulator=$!
trap 'kill -KILL "$(cat "$build/bochs.pid")" $(jobs -p) 2>/dev/null || true' EXIT  # it ignores other signals
screen=
shown=0
while kill -0 "$emulator" 2>/dev/null && ! grep -q '^verdict:.' "$printed" 2>/dev/null; do
  sleep 5
  if [[ -z $screen ]]; then
    screen=$(sed -n 's/.*connected to screen "\([^"]*\)".*/\1/p' "$build/bochs.out")
    [[ -z $screen ]] || cat "$screen" >/dev/null 2>&1 &
  fi
  [[ -e $printed ]] || continue
  tail -c "+$((shown + 1))" "$printed"
  shown=$(wc -c <"$printed")
done
if grep -q '^verdict: all passed' "$printed" 2>/dev/null; then exit 0; fi
echo "avx512: a test failed, see above, or the emulated computer did, see $build/bochs.log" >&2
exit 1
