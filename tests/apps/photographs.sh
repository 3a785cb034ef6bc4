#!/bin/bash
# Photographs reach the model as config.json says: what `predict` makes of a file equals torchvision's
# pipeline, computed by Pillow. EXIF orientations are applied. Skipped without python3-pil and numpy.
. "$(dirname "$0")/common.sh"
python=/usr/bin/python3
$python -c 'import numpy, PIL.Image' 2>/dev/null || { echo "SKIPPED: no python3-numpy or python3-pil"; exit 77; }

cat >pictures.py <<'P'
import numpy
from PIL import Image
exif = Image.Exif()
for c in "ab":
    for i in range(8):
        random = numpy.random.default_rng(ord(c) + i)
        small = random.integers(0, 256, (9, 12, 3), dtype=numpy.uint8)
        exif[0x0112] = i + 1
        name = f"photos/{c}/{i}.{['jpg', 'png', 'webp', 'JPE'][i % 4]}"
        file_format = ["JPEG", "PNG", "WEBP"][i % 4 % 3]
        Image.fromarray(small).resize((500 - 7 * i, 400), Image.Resampling.BICUBIC).save(name, file_format, exif=exif)
P
cat >pipeline.py <<'P'
import glob, json, math, sys
import numpy
from PIL import Image, ImageOps
config = json.load(open(sys.argv[1]))["pretrained_cfg"]
channels, height, width = config["input_size"]
assert (config["interpolation"], config["crop_mode"], height) == ("bicubic", "center", width)
side = math.floor(height / config["crop_pct"])
out = []
for path in sorted(glob.glob("photos/a/*")):
    image = ImageOps.exif_transpose(Image.open(path)).convert("L" if channels == 1 else "RGB")
    short, long = sorted(image.size)
    longer = int(side * long / short)
    size = (side, longer) if image.width < image.height else (longer, side)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    pixels = numpy.asarray(image.crop((left, top, left + width, top + height))).reshape(height, width, channels)
    out.append(((pixels / 255 - config["mean"]) / config["std"]).transpose(2, 0, 1))
numpy.save("inputs.npy", numpy.stack(out).astype(numpy.float32))
P
mkdir -p photos/a photos/b
$python pictures.py || fail "the pictures were not written"
for size in 28 64 224; do
  for channels in 1 3; do
    [ $size$channels != 2241 ] || continue
    run=run-$size-$channels
    expect_status 0 "$vision" train --data "folder:photos" --model gmlp_nano_28 --img-size $size --patch-size $((size / 4)) \
      --depth 1 --d-model 16 --d-ffn 32 --in-chans $channels --epochs 5 --batch-size 4 --lr 2e-2 --warmup-epochs 0 --workers 2 \
      --quiet --no-figures --threads 1 --out $run
    model=$run/checkpoints/best
    $python pipeline.py $model/config.json || fail "no pipeline from $model/config.json"
    expect_status 0 "$vision" predict --threads 1 --model $model photos/a/* --output-array files.npy
    expect_status 0 "$vision" predict --threads 1 --model $model --input-array inputs.npy --output-array arrays.npy
    $python - <<'P' || fail "$size pixels, $channels channels: not torchvision's pipeline"
import numpy
files, arrays = numpy.load("files.npy"), numpy.load("arrays.npy")
print("logits differ by", abs(files - arrays).max(), "and spread by", files.std(0).min())
assert abs(files - arrays).max() < 1e-4 and files.std(0).min() > 1e-2
P
  done
done

# A pipeline that is not ours is refused.
cp -r $model other && rm -f other/training.*
sed -i 's/"bicubic"/"nearest"/' other/config.json
expect_status 2 "$vision" predict --threads 1 --model other photos/a/* --output-array files.npy
expect_text err.txt '"interpolation" is not "bicubic"'

# Any number of workers gives the same bits, also when it changes on the way.
few=(--data folder:photos --model gmlp_nano_28 --depth 1 --d-model 16 --d-ffn 32 --epochs 3 --batch-size 4 --warmup-epochs 0
     --mixup 0.5 --quiet --no-figures --threads 1)
expect_status 0 "$vision" train "${few[@]}" --out one
expect_status 0 "$vision" train "${few[@]}" --workers 3 --out three
cmp one/checkpoints/last/model.safetensors three/checkpoints/last/model.safetensors || fail "workers change the weights"

# 108 megapixels are read at a reduced scale. A small file may not take hundreds of megabytes.
$python - <<'P' || fail "the large photographs were not written"
from PIL import Image
large = Image.new("RGB", (12000, 9000), (200, 100, 50))
large.save("large.jpg")
large.crop((0, 0, 8192, 8192)).save("scans.jpg", progressive=True, subsampling=0)
P
expect_status 0 $python -c 'import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print("peak KiB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)' "$vision" predict --threads 1 --model $model large.jpg
peak=$(sed -n 's/^peak KiB //p' out.txt)
[ "$peak" -lt $((300 * 1024)) ] || fail "108 megapixels take $peak KiB"
"$vision" predict --threads 1 --model $model scans.jpg >out.txt 2>&1 && fail "788 kB may take hundreds of megabytes"
expect_text out.txt GMLP_MAX_PIXELS=67108864
echo "photographs: all as expected"
