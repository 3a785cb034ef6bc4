"""Compares the decoder with Pillow: every kind of JPEG, PNG, WebP and BMP, or given files.

usage: compare_to_pillow.py DECODE_CORPUS [FOLDER...]

DECODE_CORPUS is the program of that name. Without folders, it writes images to a temporary one. Ends
with status 1 if a pixel differs or a file is refused. Of given folders, it prints the files on which
the two disagree. Needs Debian's python3-pil and python3-numpy.
"""
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy
from PIL import Image, ImageOps

SIZES = [(1, 1), (2, 1), (1, 3), (7, 5), (8, 8), (9, 17), (16, 16), (17, 33), (64, 48), (131, 97)]


def picture(width, height, channels, seed):
    """Smooth shapes and noise, so that every part of a codec is used."""
    random = numpy.random.default_rng(seed)
    y, x = numpy.mgrid[0:height, 0:width]
    planes = []
    for c in range(channels):
        wave = numpy.sin(x / (3 + c) + seed) * numpy.cos(y / (5 - c / 2))
        planes.append(128 + 90 * wave + random.normal(0, 5 * (seed % 4), (height, width)))
    pixels = numpy.clip(numpy.stack(planes, -1), 0, 255).astype(numpy.uint8)
    return pixels[:, :, 0] if channels == 1 else pixels


def write_jpegs(folder):
    modes = {"L": 1, "RGB": 3, "CMYK": 4}
    number = 0
    for size in SIZES:
        for mode, channels in modes.items():
            image = Image.fromarray(picture(*size, channels, number), mode)
            for options in [{}, {"progressive": True}, {"optimize": True}, {"quality": 1}, {"quality": 100}]:
                quality = [30, 60, 75, 90, 95][number % 5]
                options = {"quality": quality, "subsampling": number % 3} | options
                image.save(folder / f"{number:03}-{mode}.jpg", **options)
                number += 1
    for subsampling in range(3):
        for progressive in (False, True):
            image = Image.fromarray(picture(83, 61, 3, number), "RGB")
            image.save(folder / f"{number:03}-sub.jpg", subsampling=subsampling, progressive=progressive)
            number += 1
    return number


def write_pngs(folder):
    number = 0
    for size in SIZES:
        gray = picture(*size, 1, number)
        rgb = picture(*size, 3, number + 1)
        rgba = picture(*size, 4, number + 2)
        image = Image.fromarray(rgb, "RGB")
        palettes = [image.quantize(colors) for colors in (2, 4, 16, 200)]
        transparent = Image.fromarray(rgba, "RGBA").quantize(32, method=Image.Quantize.FASTOCTREE)
        kinds = [(Image.fromarray(gray, "L"), {}), (Image.fromarray(gray > 127), {}), (image, {}),
                 (Image.fromarray(rgba, "RGBA"), {}), (Image.fromarray(rgba[:, :, :2].copy(), "LA"), {}),
                 (palettes[0], {"bits": 1}), (palettes[1], {"bits": 2}), (palettes[2], {"bits": 4}),
                 (palettes[3], {}), (transparent, {}), (palettes[2], {"transparency": 1}),
                 (image, {"transparency": (1, 2, 3)}), (Image.fromarray(gray, "L"), {"transparency": 7}),
                 (image, {"optimize": True}), (image, {"compress_level": 0})]
        for kind, options in kinds:
            kind.save(folder / f"{number:03}.png", **options)
            number += 1
        wide = Image.fromarray(gray.astype(numpy.uint16) * 257 // 2, "I;16")
        wide.save(folder / f"{number:03}-16bit.png")
        number += 1
    return number


def write_webps(folder):
    number = 0
    for size in SIZES:
        for mode, channels in {"RGB": 3, "RGBA": 4}.items():
            image = Image.fromarray(picture(*size, channels, number), mode)
            for options in [{}, {"lossless": True}, {"quality": 20}, {"lossless": True, "exact": True}]:
                image.save(folder / f"{number:03}-{mode}.webp", **options)
                number += 1
    return number


def bmp(header, palette, gap, rows):
    offset = 14 + len(header) + len(palette) + gap
    return struct.pack("<2sIII", b"BM", offset + len(rows), 0, offset) + header + palette + bytes(gap) + rows


def packed_rows(indices, bits):
    """Rows of palette indices, from below, padded to four bytes."""
    width = indices.shape[1]
    shifts = numpy.arange(bits - 1, -1, -1)
    stream = (indices[::-1, :, None] >> shifts & 1).reshape(len(indices), width * bits)
    return numpy.packbits(numpy.pad(stream, ((0, 0), (0, -width * bits % 32))), axis=1).tobytes()


def write_bmps(folder):
    number = 0

    def write(*parts):
        nonlocal number
        (folder / f"{number:03}.bmp").write_bytes(bmp(*parts))
        number += 1

    for width, height in SIZES:
        colors = numpy.random.default_rng(number).integers(0, 256, (256, 4), dtype=numpy.uint8)
        for bits in (1, 4, 8):
            count = 1 << bits
            indices = picture(width, height, 1, number) >> (8 - bits)
            rows = packed_rows(indices, bits)
            for size in (40, 108, 124):
                header = struct.pack("<IiiHHIIiiII", size, width, height, 1, bits, 0, 0, 0, 0, count, 0)
                write(header + bytes(size - 40), colors[:count].tobytes(), 5 * (bits < 8 and number % 2), rows)
        for bits, compression in [(24, 0), (32, 0), (32, 3)]:
            masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
            for sign in (1, -1):
                header = struct.pack("<IiiHHIIiiII", 40, width, sign * height, 1, bits, compression, 0, 0, 0, 0, 0)
                stride = (width * bits + 31) // 32 * 4
                rows = numpy.random.default_rng(number).bytes(stride * height)
                write(header + masks * (compression == 3), b"", 0, rows)
    return number


def write_turned(folder):
    number = 0
    for orientation in range(10):
        for name in ("a.jpg", "b.png", "c.webp"):
            exif = Image.Exif()
            exif[0x0112] = orientation
            Image.fromarray(picture(31, 22, 3, number), "RGB").save(folder / f"{orientation}{name}", exif=exif)
            number += 1
    return number


def pillow_crc(path):
    """Size and checksum of Pillow's pixels, or its complaint."""
    try:
        image = Image.open(path)
        image.load()
        if image.format not in ("PNG", "JPEG", "MPO", "BMP", "WEBP"):
            return "not a PNG, JPEG, BMP or WebP"
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits: the high byte; convert() would clip
            pixels = (numpy.asarray(image).astype(numpy.uint32) >> 8).astype(numpy.uint8)
        elif path.read_bytes()[:2] == b"BM":
            pixels = numpy.asarray(image.convert("RGB"))
        else:
            pixels = numpy.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))
    except Exception as error:  # whatever a damaged file does to Pillow
        return f"refused by Pillow: {error}"
    channels = 1 if pixels.ndim == 2 else 3
    return f"{image.width} x {image.height} x {channels} crc32 {zlib.crc32(pixels.tobytes()):08x}"


def compare(program, folders):
    output = subprocess.run([program, "--verbose", *map(str, folders)], capture_output=True, errors="replace",
                            check=False)
    if output.returncode != 0:
        sys.exit(output.stdout + output.stderr)
    files = [f for folder in folders for f in sorted(pathlib.Path(folder).rglob("*")) if f.is_file()]
    ours = {}
    for line in output.stdout.splitlines():
        if match := re.match(r"decoded (.*): (\d+ x \d+ x \d crc32 [0-9a-f]{8})$", line):
            ours[match[1]] = match[2]
        elif match := re.match(r"refused (.*)$", line):
            ours |= {str(f): match[0] for f in files if match[1].startswith(f"{f}: ")}
    different = 0
    for f in files:
        theirs = pillow_crc(f)
        mine = ours.get(str(f), "missing")
        refused = "refuse" in theirs or theirs.startswith("not a"), "refused" in mine or mine == "missing"
        if mine != theirs and not all(refused):
            different += 1
            print(f"{f}\n  ours:   {mine}\n  Pillow: {theirs}")
    print(f"{len(files)} files, {different} different")
    return different


def main():
    warnings.simplefilter("ignore")
    program, *folders = sys.argv[1:]
    if folders:
        compare(program, folders)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        print(f"{write_jpegs(folder)} JPEGs, {write_pngs(folder)} PNGs, {write_webps(folder)} WebPs")
        print(f"{write_bmps(folder)} BMPs, {write_turned(folder)} turned")
        sys.exit(1 if compare(program, [folder]) else 0)


if __name__ == "__main__":
    main()
