// idx, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist). Numbers are 32
// bits and big-endian:
//   images  0x00000803, count, rows, columns, then rows * columns bytes per image
//   labels  0x00000801, count, then one byte per label
// plain or gzipped. Header, file length and labels must agree.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <zlib.h>

#include "core/error.h"
#include "core/io/file.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

struct Idx {
  std::string path;
  std::vector<int64_t> dims;
  std::vector<uint8_t> bytes;  // without the header
};

/// The first `size` bytes of a gzip file. With `whole`, nothing may follow them, and zlib has
/// compared the checksum at the end.
std::vector<uint8_t> gunzip(const std::vector<char>& file, int64_t size, bool whole,
                            const std::string& path) {
  z_stream stream{};
  if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) fail_run("zlib: no memory for {}", path);
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> guard(&stream, &inflateEnd);
  // zlib's C interface is not const, but it only reads.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(file.data()));
  stream.avail_in = static_cast<uInt>(file.size());
  std::vector<uint8_t> bytes(static_cast<size_t>(size + 1));  // one more, to see whether it comes
  int64_t count = 0;
  int status = Z_OK;
  while (status == Z_OK && count <= size) {
    constexpr int64_t kStep = int64_t{1} << 30;  // avail_out has 32 bits
    stream.next_out = bytes.data() + count;
    stream.avail_out = static_cast<uInt>(std::min(kStep, size + 1 - count));
    status = inflate(&stream, Z_NO_FLUSH);
    count = stream.next_out - bytes.data();
  }
  if (status != Z_OK && status != Z_STREAM_END) {
    const char* reason = stream.msg != nullptr ? stream.msg : "it is truncated";
    fail_input("{}: the gzip data do not inflate ({}); copy the file again", path, reason);
  }
  if (count < size) {
    fail_input("{}: shorter than its header says; it is truncated, copy it again", path);
  }
  if (whole && (count > size || stream.avail_in > 0)) {
    fail_input("{}: bytes follow the last record; the file is damaged, copy it again", path);
  }
  bytes.resize(static_cast<size_t>(size));
  return bytes;
}

/// Sets the dimensions. Returns the size of the data.
int64_t parse_header(const uint8_t* header, int64_t rank, Idx& idx) {
  const auto number = [&] {
    const uint32_t value = uint32_t{header[0]} << 24 | uint32_t{header[1]} << 16 |
                           uint32_t{header[2]} << 8 | uint32_t{header[3]};
    header += 4;
    return value;
  };
  const uint32_t magic = number();
  const uint32_t expected = 0x800 + static_cast<uint32_t>(rank);
  if (magic != expected) {
    fail_input("{}: starts with {:#010x}, not {:#010x} (idx {}); it is another kind of file",
               idx.path, magic, expected, rank == 3 ? "images" : "labels");
  }
  int64_t size = 1;
  for (int64_t i = 0; i < rank; ++i) {
    idx.dims.push_back(number());
    size = checked_mul(size, idx.dims.back(), idx.path);
  }
  return size;
}

/// Reads `folder`/`name`, plain or with .gz, of `rank` dimensions. Allocates no memory for pixels
/// before their number is known to fit the file.
Idx read_idx(const std::string& folder, const std::string& name, int64_t rank) {
  Idx idx;
  idx.path = (std::filesystem::path(folder) / name).string();
  const bool gzip = !std::filesystem::exists(idx.path);
  if (gzip) idx.path += ".gz";
  if (!std::filesystem::exists(idx.path)) {
    fail_input(
        "{}: neither {} nor {}.gz is there; check the folder (Fashion-MNIST: install the "
        "package dataset-fashion-mnist)",
        folder, name, name);
  }
  constexpr int64_t kLimit = (int64_t{4} << 30) - 1;  // avail_in has 32 bits
  const std::vector<char> file = read_file(idx.path, kLimit);
  const int64_t file_size = static_cast<int64_t>(file.size());
  const int64_t header_size = 4 + 4 * rank;
  if (file_size < header_size) {
    fail_input("{}: {} bytes, shorter than its header; copy it again", idx.path, file_size);
  }
  const uint8_t* data = reinterpret_cast<const uint8_t*>(file.data());
  if (!gzip) {
    const int64_t size = checked_add(header_size, parse_header(data, rank, idx), idx.path);
    if (file_size != size) {
      fail_input("{}: {} bytes, its header announces {}; copy it again", idx.path, file_size, size);
    }
    idx.bytes.assign(data + header_size, data + size);
    return idx;
  }
  const int64_t size = parse_header(gunzip(file, header_size, false, idx.path).data(), rank, idx);
  constexpr int64_t kBestRatio = 1032;  // of DEFLATE
  if (size / kBestRatio > file_size) {
    fail_input("{}: the header announces {} bytes, more than fit in {}; copy it again", idx.path,
               size, file_size);
  }
  idx.bytes = gunzip(file, header_size + size, true, idx.path);
  idx.bytes.erase(idx.bytes.begin(), idx.bytes.begin() + header_size);
  return idx;
}

/// `part` is "train" or "t10k".
MemoryImages read_part(const std::string& folder, const std::string& part,
                       const std::vector<std::string>& names) {
  Idx images = read_idx(folder, part + "-images-idx3-ubyte", 3);
  const Idx labels = read_idx(folder, part + "-labels-idx1-ubyte", 1);
  if (images.dims[0] != labels.dims[0]) {
    fail_input("{} holds {} images, {} {} labels; the files do not belong together", images.path,
               images.dims[0], labels.path, labels.dims[0]);
  }
  if (images.bytes.empty()) fail_input("{}: holds no pixels; copy it again", images.path);
  MemoryImages result{images.dims[1],
                      images.dims[2],
                      1,
                      std::move(images.bytes),
                      {},
                      {labels.bytes.begin(), labels.bytes.end()},
                      names};
  check_labels(result.labels, static_cast<int64_t>(names.size()), labels.path);
  return result;
}

}  // namespace

DataSplits open_idx(const std::string& folder, bool fashion) {
  std::vector<std::string> names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                    "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  if (!fashion) names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  std::string root = folder;
  if (fashion && folder.empty()) {
    const char* variable = std::getenv("GMLP_DATA");
    const bool is_set = variable != nullptr && *variable != 0;
    root = is_set ? variable : "/usr/share/datasets/fashion-mnist";  // Debian's package
  }
  MemoryImages train = read_part(root, "train", names);
  return make_splits(fashion ? "fashion-mnist" : "mnist", root, std::move(train),
                     read_part(root, "t10k", names));
}

}  // namespace gmlp
