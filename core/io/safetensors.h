#pragma once
// safetensors: 8 bytes little-endian header length N, N bytes of JSON, then the tensors' bytes.
//
//   | N (8) | {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}   | data |
//
// Reading is strict: names are unique, the offsets cover the buffer without holes or overlaps, and
// sizes are compared with the file's before anything is allocated. Tensors may have any order in
// the JSON, and odd addresses. Writing adds a CRC-32 per tensor to the JSON's metadata, which other
// programs ignore: "__metadata__": {"crc32.NAME": "1a2b3c4d", ...}. Reading compares them if the
// file has them.
// Format: https://github.com/huggingface/safetensors#format

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace gmlp {

class SafetensorsFile {
 public:
  struct Entry {
    std::string name;
    std::string dtype;  // as in the file: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL ...
    std::vector<int64_t> shape;
    int64_t begin = 0;  // offset in the data, which follows the header
    int64_t end = 0;
  };

  /// Reads and checks the whole file. Throws InputError naming the file (and tensor) if it is not
  /// readable, truncated, malformed or damaged. Memory: the file's size and about 300 bytes per
  /// tensor. PyTorch's wrappers of a model put "module." or "_orig_mod." in front of names; that is
  /// removed.
  static SafetensorsFile open(const std::string& path);

  const std::string& path() const { return path_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::vector<Entry>& entries() const { return entries_; }  // in order of their offsets
  const Entry* find(const std::string& name) const;               // nullptr when absent

  /// The tensor converted to `dtype`, from F64, F32, F16 or BF16. Throws InputError if it is
  /// absent, of another type or of rank > 4. A scalar (shape []) becomes {1}.
  Tensor read(const std::string& name, DType dtype) const;
  std::string_view data_of(const Entry& entry) const;  // its bytes, for tensors of other types

 private:
  void check_offsets() const;
  void verify_checksums();
  void index_names();

  std::string path_;
  std::string bytes_;
  int64_t data_offset_ = 0;
  std::map<std::string, std::string> metadata_;
  std::vector<Entry> entries_;
  std::map<std::string, size_t> index_;
};

/// One tensor to write, as F32, F64 or BF16 according to its dtype.
struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// The file's bytes, with checksums: header padded with spaces to a multiple of 8, tensors in the
/// given order. A duplicate name, or "__metadata__", is a std::logic_error. Invalid UTF-8 is
/// replaced.
std::string to_safetensors(const std::vector<NamedTensor>& tensors,
                           const std::map<std::string, std::string>& metadata);

}  // namespace gmlp
