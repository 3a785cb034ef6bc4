// The header of an .npy file is Python source, which NumPy evaluates as a literal. Three keys of
// plain values differ little from JSON, so it is rewritten and parsed as that.
//
//   \x93NUMPY | major minor | length (2 bytes in version 1, else 4) | {'descr': ...}  \n | data
//
// The sizes are checked against the file's before the data is read.
#include "core/io/npy.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/decode.h"
#include "core/io/file.h"
#include "core/io/json.h"

namespace gmlp {

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr uint64_t kMaxNpyHeaderBytes = 65'535;  // version 1.0's; only structured types need more
constexpr size_t kNumpyMaxRank = 32;
constexpr size_t kWriteAlignment = 64;

// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3L), } as JSON: other quotes, brackets and
// small letters, without a last comma and Python 2's L.
std::string json_of(std::string_view python) {
  std::string json;
  for (size_t i = 0; i < python.size(); ++i) {
    const char c = python[i];
    if (c == ',' || c == 'L') {
      const size_t next = python.find_first_not_of(" \n", i + 1);
      const bool last = next != python.npos && (python[next] == ')' || python[next] == '}');
      if (last && !json.ends_with('[')) continue;
      if (c == 'L' && next != python.npos && python[next] == ',') continue;
    }
    const size_t known = std::string_view("'()TF").find(c);
    json += known == std::string_view::npos ? c : "\"[]tf"[known];
  }
  return json;
}

Json parse_header(std::string_view text, const std::string& path) {
  refuse_if(text.find("[(") != std::string_view::npos,
            "{}: is a structured array; save one field: numpy.save(path, array['field'])", path);
  try {
    Json header = parse_json(json_of(text), path);
    const Json& shape = header.at("shape");
    const bool types = header.at("descr").is_string() && header.at("fortran_order").is_boolean();
    const bool sizes = std::ranges::all_of(shape, &Json::is_number_unsigned);
    const size_t open = text.find_first_not_of(" \n", text.find(':', text.find("shape")) + 1);
    const size_t last = text.find_last_not_of(" \n", text.find(')', open) - 1);
    const bool tuple = text[open] == '(' && (shape.size() != 1 || text[last] == ',');
    const bool three_keys = std::count(text.begin(), text.end(), ':') == 3;  // none twice
    const bool plain = text.find('\\') == text.npos;                         // no escape
    const bool rank = shape.size() <= kNumpyMaxRank;
    if (types && sizes && tuple && rank && three_keys && plain) return header;
  } catch (const std::exception&) {  // no JSON, or a key that is missing
  }
  fail_input("{}: its header is not NumPy's; save it again with numpy.save", path);
}

// Checks a descr such as "<f4" and returns it without the byte order.
std::string checked_type(const std::string& descr, const std::string& path) {
  refuse_if(descr.starts_with('>'),
            "{}: is big-endian ('{}'); save array.astype(array.dtype.newbyteorder('<'))", path,
            printable(descr));
  refuse_if(descr.find('O') != std::string::npos,
            "{}: contains Python objects; save numpy.array(values, dtype=numpy.float32)", path);
  // '=' is the writer's own order: little-endian on every machine that this program supports.
  const bool known_order = !descr.empty() && std::strchr("<|=", descr[0]) != nullptr;
  refuse_if(!known_order || type_size(NumberFormat::kNumpy, descr.substr(1)) == 0,
            "{}: its type '{}' is not supported; save float16/32/64, (u)int8/16/32/64 or bool, "
            "such as array.astype(numpy.float32)",
            path, printable(descr));
  return descr.substr(1);
}

// The header's text, from the magic, the version and the length.
std::string_view find_header(std::string_view bytes, const std::string& path) {
  const size_t version = kMagic.size();
  refuse_if(!bytes.starts_with(kMagic) || bytes.size() < version + 2,
            "{}: does not begin with \\x93NUMPY and a version; is it an .npy file?", path);
  const int major = static_cast<unsigned char>(bytes[version]);
  const int minor = static_cast<unsigned char>(bytes[version + 1]);
  refuse_if(major < 1 || major > 3 || minor != 0,
            "{}: has version {}.{}, not 1.0 to 3.0; save it again", path, major, minor);
  return sized_text(bytes.substr(version + 2), major == 1 ? 2 : 4, kMaxNpyHeaderBytes, path);
}

}  // namespace

Tensor NpyArray::to_tensor(DType target, const std::string& path) const {
  return decode_tensor(bytes.data(), dtype, shape, target, path);
}

std::vector<int64_t> NpyArray::to_integers(const std::string& path) const {
  return decode_integers(bytes.data(), dtype, shape, path);
}

NpyArray read_npy(const std::string& path) {
  NpyArray array;
  array.bytes = read_text(path);
  const std::string_view text = find_header(array.bytes, path);
  const Json header = parse_header(text, path);
  array.dtype = checked_type(header.at("descr").get<std::string>(), path);
  array.shape = header.at("shape").get<std::vector<int64_t>>();
  // Transposing here would hide a second copy of the array; NumPy does it in one call.
  refuse_if(header.at("fortran_order").get<bool>(),
            "{}: is in Fortran (column) order; save numpy.ascontiguousarray(array)", path);
  const std::string shape = fmt::format("{}", fmt::join(array.shape, ", "));
  refuse_if(std::count(array.shape.begin(), array.shape.end(), 0) > 0,
            "{}: has no elements, its shape is ({}); save an array that has some", path, shape);
  const int64_t expected =
      array_size(array.shape, type_size(NumberFormat::kNumpy, array.dtype), path);
  const int64_t begin = text.data() + text.size() - array.bytes.data();
  const int64_t rest = static_cast<int64_t>(array.bytes.size()) - begin;
  // A file that continues after its array was concatenated with another.
  refuse_if(rest != expected,
            "{}: {} ({}) needs {} bytes after the header, {} are there; it is {}, copy it again",
            path, array.dtype, shape, expected, rest,
            rest < expected ? "truncated" : "followed by something else");
  // Moved to the front in place: a second copy would double the memory.
  array.bytes.erase(0, static_cast<size_t>(begin));
  return array;
}

void write_npy(const std::string& path, const Tensor& tensor) {
  Tensor source = tensor;
  if (tensor.dtype() == DType::kBf16) {  // NumPy has no bf16
    source = Tensor::zeros(DType::kF32, tensor.shape());
    source.copy_from(tensor);
  }
  std::string dims = fmt::format("{}", fmt::join(source.shape().to_vector(), ", "));
  if (source.shape().rank() == 1) dims += ',';  // (3,): without the comma Python sees no tuple
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   source.dtype() == DType::kF64 ? "<f8" : "<f4", dims);
  // Magic 6, version 2, length 2, header and its newline: together a multiple of 64.
  while ((kMagic.size() + 4 + header.size() + 1) % kWriteAlignment != 0) header += ' ';
  header += '\n';

  std::string bytes(kMagic);
  bytes += {'\x01', '\0'};  // version 1.0: any NumPy reads it
  bytes += {static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(static_cast<const char*>(source.raw()), static_cast<size_t>(source.bytes()));
  write_file_atomic(path, bytes);
}

}  // namespace gmlp
