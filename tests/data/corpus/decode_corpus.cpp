// Decodes every file under the given folders and prints how many decoded and how many were refused,
// and why. For a corpus of damaged images under ASan and UBSan: ends with status 0, unless a decode
// takes more than a second or throws something else than InputError. --verbose prints checksums of
// the pixels, which compare_to_pillow.py reads.
//
// Bytes between two markers that belong to none are read over, because some cameras write them and
// no pixel depends on them (go-fuzz jpeg-b31709b1, behind the pixels; imagetestsuite 4838ece0,
// between two segments). Some damage leaves no trace that libjpeg reports, and Pillow decodes the
// same pixels from it: a run of zeros that leaves its 8 x 8 block (go-fuzz jpeg-4bf9097b), and
// wrong arithmetic codes.

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>

#include "core/error.h"
#include "core/io/file.h"
#include "data/vision/dataset.h"

namespace {

struct Counts {
  int64_t decoded = 0;
  int64_t refused = 0;
  int64_t slow = 0;
};

void decode(const std::string& path, bool verbose, Counts& counts) {
  const std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  try {
    const gmlp::Image image = gmlp::decode_image(path);
    ++counts.decoded;
    if (verbose) {
      fmt::print("decoded {}: {} x {} x {} crc32 {:08x}\n", path, image.width, image.height,
                 image.channels, gmlp::crc32_of(image.bytes.data(), image.elements()));
    }
  } catch (const gmlp::InputError& error) {
    ++counts.refused;
    fmt::print("refused {}\n", error.what());
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (seconds.count() > 1.0) {
    ++counts.slow;
    fmt::print("slow    {}: {:.2f} s\n", path, seconds.count());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Counts counts;
    bool verbose = false;
    for (int i = 1; i < argc; ++i) {
      if (std::string(argv[i]) == "--verbose") {
        verbose = true;
        continue;
      }
      for (const std::filesystem::directory_entry& entry :
           std::filesystem::recursive_directory_iterator(argv[i])) {
        if (entry.is_regular_file()) decode(entry.path().string(), verbose, counts);
      }
    }
    fmt::print("{} decoded, {} refused, {} slow\n", counts.decoded, counts.refused, counts.slow);
    return counts.slow == 0 ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "decode_corpus: %s\n", error.what());
    return 1;
  }
}
