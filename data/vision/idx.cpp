// idx, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist): big-endian words
//   images  0x00000803, count, rows, columns, then rows * columns bytes an image
//   labels  0x00000801, count, then a byte a label
// as they are or gzipped. Strict: the header, the length and the labels must all agree.
#include <cstdlib>
#include <filesystem>

#include <zlib.h>

#include "core/error.h"
#include "core/io/file.h"
#include "data/vision/byte_reader.h"
#include "data/vision/sources.h"

namespace gmlp {
namespace {

constexpr int64_t kClasses = 10;

/// gzip in memory. Reads as many bytes as are asked for, then checks that none are left.
class GzipReader {
 public:
  GzipReader(const std::vector<char>& bytes, const std::string& path) : path_(path) {
    constexpr int kGzip = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, kGzip) != Z_OK) fail_run("zlib: no memory to inflate {}", path);
    // zlib's C interface is not const; it only reads.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
  }
  ~GzipReader() { inflateEnd(&stream_); }
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  void read(uint8_t* out, int64_t size) {
    constexpr int64_t kStep = int64_t{1} << 30;  // avail_out has 32 bits
    while (size > 0) {
      const int64_t part = size < kStep ? size : kStep;
      if (inflate_into(out, part) < part) {
        fail_input("{}: the file is shorter than its header says; it is truncated, copy it again",
                   path_);
      }
      out += part;
      size -= part;
    }
  }
  /// Reaches the end, where zlib compares the CRC.
  void finish() {
    uint8_t extra = 0;
    if (inflate_into(&extra, 1) > 0 || stream_.avail_in > 0) {
      fail_input("{}: bytes follow the last record; the file is damaged, copy it again", path_);
    }
  }

 private:
  /// Up to `size` bytes; fewer when the data end before.
  int64_t inflate_into(uint8_t* out, int64_t size) {
    stream_.next_out = out;
    stream_.avail_out = static_cast<uInt>(size);
    while (!ended_ && stream_.avail_out > 0) {
      const int status = inflate(&stream_, Z_NO_FLUSH);
      ended_ = status == Z_STREAM_END;
      if (!ended_ && status != Z_OK) {
        const char* reason = stream_.msg != nullptr ? stream_.msg : "it is truncated";
        fail_input("{}: the gzip data do not inflate ({}); copy the file again", path_, reason);
      }
    }
    return size - stream_.avail_out;
  }

  const std::string& path_;
  bool ended_ = false;
  z_stream stream_{};
};

/// One file, read and checked.
struct Idx {
  std::string path;
  std::vector<int64_t> dims;
  std::vector<uint8_t> bytes;
};

/// Big-endian dimensions after the magic number.
void read_header(const uint8_t* header, int64_t rank, Idx& idx) {
  ByteReader reader(header, 4 + 4 * rank, idx.path);
  const uint32_t magic = reader.u32_be("the header");
  const uint32_t expected = 0x800 + static_cast<uint32_t>(rank);
  if (magic != expected) {
    fail_input("{}: starts with {:#010x}, not {:#010x} (idx {}); it is another kind of file",
               idx.path, magic, expected, rank == 3 ? "images" : "labels");
  }
  for (int64_t i = 0; i < rank; ++i) idx.dims.push_back(reader.u32_be("the header"));
}

int64_t payload_size(const Idx& idx) {
  int64_t size = 1;
  for (const int64_t dim : idx.dims) size = checked_mul(size, dim, idx.path);
  return size;
}

/// `folder`/`name`, plain or with .gz; `rank` dimensions are expected. No memory is taken for
/// pixels before their number is known to fit the file.
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
  constexpr int64_t kLimit = int64_t{4} << 30;  // what zlib's counters hold
  const std::vector<char> file = read_file(idx.path, kLimit - 1);
  const int64_t file_size = static_cast<int64_t>(file.size());
  const int64_t header_size = 4 + 4 * rank;
  if (!gzip) {
    const uint8_t* data = reinterpret_cast<const uint8_t*>(file.data());
    if (file_size < header_size) {
      fail_input("{}: {} bytes, shorter than its header; copy it again", idx.path, file_size);
    }
    read_header(data, rank, idx);
    if (file_size - header_size != payload_size(idx)) {
      fail_input("{}: {} bytes, its header announces {}; copy it again", idx.path, file_size,
                 checked_add(header_size, payload_size(idx), idx.path));
    }
    idx.bytes.assign(data + header_size, data + file_size);
    return idx;
  }
  GzipReader reader(file, idx.path);
  std::vector<uint8_t> header(static_cast<size_t>(header_size));
  reader.read(header.data(), header_size);
  read_header(header.data(), rank, idx);
  const int64_t size = payload_size(idx);
  constexpr int64_t kBestRatio = 1032;  // of DEFLATE: more cannot be in there
  if (size / kBestRatio > file_size) {
    fail_input("{}: the header announces {} bytes, more than fit in {}; copy it again", idx.path,
               size, file_size);
  }
  idx.bytes.resize(static_cast<size_t>(size));
  reader.read(idx.bytes.data(), size);
  reader.finish();
  return idx;
}

/// "train" or "t10k": its images and its labels, which must be equally many.
std::shared_ptr<MemoryImages> read_part(const std::string& folder, const std::string& part,
                                        const std::vector<std::string>& names) {
  Idx images = read_idx(folder, part + "-images-idx3-ubyte", 3);
  const Idx labels = read_idx(folder, part + "-labels-idx1-ubyte", 1);
  if (images.dims[0] != labels.dims[0]) {
    fail_input("{} holds {} images, {} {} labels; the files do not belong together", images.path,
               images.dims[0], labels.path, labels.dims[0]);
  }
  if (images.bytes.empty()) fail_input("{}: holds no pixels; copy it again", images.path);
  std::shared_ptr<MemoryImages> result = std::make_shared<MemoryImages>();
  result->height = images.dims[1];
  result->width = images.dims[2];
  result->channels = 1;
  result->bytes = std::move(images.bytes);
  result->labels.assign(labels.bytes.begin(), labels.bytes.end());
  result->names = names;
  check_labels(result->labels, kClasses, labels.path);
  return result;
}

/// The option, else the variable, else where Debian's package puts it.
std::string fashion_folder(const std::string& given) {
  if (!given.empty()) return given;
  const char* variable = std::getenv("GMLP_DATA");
  if (variable != nullptr && *variable != 0) return variable;
  return "/usr/share/datasets/fashion-mnist";
}

}  // namespace

DataSplits open_idx(const std::string& folder, bool fashion) {
  std::vector<std::string> names;
  if (fashion) {
    names = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
             "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  } else {
    for (int64_t digit = 0; digit < kClasses; ++digit) names.push_back(std::to_string(digit));
  }
  const std::string root = fashion ? fashion_folder(folder) : folder;
  const std::shared_ptr<MemoryImages> train = read_part(root, "train", names);
  const std::shared_ptr<MemoryImages> val = read_part(root, "t10k", names);
  if (train->height != val->height || train->width != val->width) {
    fail_input(
        "{}: training images are {} x {}, test images {} x {}; the files do not belong together",
        root, train->width, train->height, val->width, val->height);
  }
  DataSplits splits;
  splits.name = fashion ? "fashion-mnist" : "mnist";
  splits.train = train;
  splits.val = val;
  return splits;
}

}  // namespace gmlp
