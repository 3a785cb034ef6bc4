// idx, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist). Numbers are 32
// bits and big-endian:
//   images  0x00000803, count, rows, columns, then rows * columns bytes per image
//   labels  0x00000801, count, then one byte per label
// plain or gzipped. Header, file length and labels must agree.
#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "data/text/utf8.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

struct Idx {
  std::string path;
  std::vector<int64_t> dims;
  std::vector<uint8_t> bytes;  // without the header
};

/// Reads `folder`/`name`, plain or with .gz, of `rank` dimensions.
Idx read_idx(const std::string& folder, const std::string& name, size_t rank) {
  Idx idx{(std::filesystem::path(folder) / name).string(), {}, {}};
  if (!std::filesystem::exists(idx.path)) idx.path += ".gz";
  refuse_if(!std::filesystem::exists(idx.path),
            "{}: neither {} nor {}.gz is there; check the folder (Fashion-MNIST: install the "
            "package dataset-fashion-mnist)",
            folder, name, name);
  std::string file;
  read_parts(idx.path, [&](std::string_view part) { file += part; });
  const size_t header_size = 4 + 4 * rank;
  refuse_if(file.size() < header_size, "{}: {} bytes, shorter than its header; copy it again",
            idx.path, file.size());
  const uint8_t* data = reinterpret_cast<const uint8_t*>(file.data());
  const auto number = [&](size_t i) {
    const uint8_t* p = data + 4 * i;
    return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
  };
  refuse_if(number(0) != 0x800 + rank,
            "{}: starts with {:#010x}, not {:#010x} (idx {}); it is another kind of file", idx.path,
            number(0), 0x800 + rank, rank == 3 ? "images" : "labels");
  int64_t size = 1;
  for (size_t i = 1; i <= rank; ++i) {
    idx.dims.push_back(number(i));
    size = checked_mul(size, number(i), idx.path);
  }
  refuse_if(file.size() - header_size != static_cast<uint64_t>(size),
            "{}: {} bytes, its header announces {}; copy it again", idx.path, file.size(),
            static_cast<uint64_t>(size) + header_size);
  idx.bytes.assign(data + header_size, data + file.size());
  return idx;
}

/// `part` is "train" or "t10k".
LabeledImages read_part(const std::string& folder, const std::string& part) {
  const Idx images = read_idx(folder, part + "-images-idx3-ubyte", 3);
  const Idx labels = read_idx(folder, part + "-labels-idx1-ubyte", 1);
  check_counts(images.path, images.dims[0], labels.path, labels.dims[0]);
  refuse_if(images.bytes.empty(), "{}: no pixels; copy it again", images.path);
  LabeledImages set{{}, {labels.bytes.begin(), labels.bytes.end()}};
  const int64_t size = images.dims[1] * images.dims[2];
  auto begin = images.bytes.begin();
  for (int64_t i = 0; i < images.dims[0]; ++i, begin += size) {
    check_label(set.labels[static_cast<size_t>(i)], i, 10, labels.path);
    set.images.push_back({images.dims[1], images.dims[2], 1, {begin, begin + size}, {}});
  }
  return set;
}

}  // namespace

/// Without a folder, Fashion-MNIST from $GMLP_DATA or Debian's package.
DataSplits open_idx(const std::string& folder) {
  std::string root = folder;
  if (folder.empty()) {
    const char* variable = std::getenv("GMLP_DATA");
    const bool is_set = variable != nullptr && *variable != 0;
    root = is_set ? variable : "/usr/share/datasets/fashion-mnist";
  }
  std::vector<std::string> names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  if (!folder.empty()) names = numbered_classes(10);
  LabeledImages train = read_part(root, "train");
  return make_splits(folder.empty() ? "fashion-mnist" : "mnist", root, names, std::move(train),
                     read_part(root, "t10k"));
}

}  // namespace gmlp
