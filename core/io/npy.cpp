// The header of an .npy file is Python source, which NumPy evaluates as a literal. A small parser
// reads the one form that NumPy writes and refuses everything else.
//
//   \x93NUMPY | major minor | length (2 bytes in version 1, else 4) | {'descr': ...}  \n | data
//
// The sizes are checked against the file's before the data is read.
#include "core/io/npy.h"

#include <charconv>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/decode.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr uint64_t kMaxNpyHeaderBytes = 65'535;  // version 1.0's; only structured types need more
constexpr size_t kNumpyMaxRank = 32;
constexpr size_t kWriteAlignment = 64;

struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

// Parses {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }: the part of Python's grammar
// that NumPy writes, and no more. Keys come in any order, each once.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path)
      : text_(text), rest_(text), path_(path) {}

  Header parse() {
    Header header;
    std::set<std::string> keys;
    bool comma = true;
    expect("{");
    while (!accept("}")) {
      if (!comma) fail("no ',' between two keys");
      const std::string key = parse_string();
      expect(":");
      if (!keys.insert(key).second) fail("a repeated key");
      if (key == "descr") {
        header.descr = parse_descr();
      } else if (key == "fortran_order") {
        header.fortran_order = accept("True");
        if (!header.fortran_order) expect("False");
      } else if (key == "shape") {
        header.shape = parse_shape();
      } else {
        fail("an unknown key");
      }
      comma = accept(",");
    }
    skip_space();
    if (!rest_.empty()) fail("text after the closing brace");
    if (keys.size() != 3) fail("no descr, fortran_order or shape");
    return header;
  }

 private:
  [[noreturn]] void fail(std::string_view reason) const {
    fail_input("{}: its header has {} at byte {}; save it again with numpy.save", path_, reason,
               text_.size() - rest_.size());
  }

  void skip_space() {
    while (rest_.starts_with(' ') || rest_.starts_with('\n')) rest_.remove_prefix(1);
  }

  // Skips blanks, then `token` if it comes next.
  bool accept(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail(fmt::format("no '{}'", token));
  }

  // Without escapes: descr and the keys need none.
  std::string parse_string() {
    const char quote = accept("\"") ? '"' : '\'';
    if (quote == '\'') expect("'");
    std::string content(rest_.substr(0, rest_.find_first_of(std::string{quote, '\\'})));
    rest_.remove_prefix(content.size());
    if (!rest_.starts_with(quote)) fail("a string without end, or an escape");
    rest_.remove_prefix(1);
    return content;
  }

  // A plain type is a string, a structured one a list of (name, type).
  std::string parse_descr() {
    if (!accept("[") && !accept("(")) return parse_string();
    fail_input("{}: is a structured array; save one field: numpy.save(path, array['field'])",
               path_);
  }

  int64_t parse_size() {
    skip_space();
    int64_t value = -1;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc() || value < 0) fail("no size (an integer from 0) in its shape");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2 wrote 3L
    return value;
  }

  // (), (3,), (3, 4) or (3, 4,); in Python (3) is no tuple.
  std::vector<int64_t> parse_shape() {
    std::vector<int64_t> shape;
    bool comma = true;
    expect("(");
    while (!accept(")")) {
      if (!comma) fail("no ',' between two sizes");
      if (shape.size() == kNumpyMaxRank) fail("more than 32 dimensions");
      shape.push_back(parse_size());
      comma = accept(",");
    }
    if (shape.size() == 1 && !comma) fail("a shape (n) that is no tuple");
    return shape;
  }

  std::string_view text_;
  std::string_view rest_;  // of the text, from the parser's position
  const std::string& path_;
};

// Checks a descr such as "<f4" and returns it without the byte order.
std::string checked_type(const std::string& descr, const std::string& path) {
  if (descr.starts_with('>')) {
    fail_input("{}: is big-endian ('{}'); save array.astype(array.dtype.newbyteorder('<'))", path,
               printable(descr));
  }
  if (descr.find('O') != std::string::npos) {
    fail_input("{}: contains Python objects; save numpy.array(values, dtype=numpy.float32)", path);
  }
  // '=' is the writer's own order: little-endian on every machine that this program supports.
  const bool known_order = !descr.empty() && std::strchr("<|=", descr[0]) != nullptr;
  if (!known_order || numpy_type_size(std::string_view(descr).substr(1)) == 0) {
    fail_input(
        "{}: its type '{}' is not supported; save float16/32/64, (u)int8/16/32/64 or bool, "
        "such as array.astype(numpy.float32)",
        path, printable(descr));
  }
  return descr.substr(1);
}

// The header's text, from the magic, the version and the length.
std::string_view find_header(std::string_view bytes, const std::string& path) {
  const size_t version = kMagic.size();
  if (!bytes.starts_with(kMagic) || bytes.size() < version + 2) {
    fail_input("{}: does not begin with \\x93NUMPY and a version; is it an .npy file?", path);
  }
  const int major = static_cast<unsigned char>(bytes[version]);
  const int minor = static_cast<unsigned char>(bytes[version + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    fail_input("{}: has version {}.{}, not 1.0 to 3.0; save it again", path, major, minor);
  }
  return sized_text(bytes.substr(version + 2), major == 1 ? 2 : 4, kMaxNpyHeaderBytes, path);
}

}  // namespace

int64_t NpyArray::elements() const {
  return array_size(shape, 1, "npy shape");
}

Tensor NpyArray::to_tensor(DType target, const std::string& path) const {
  return decode_tensor(bytes.data(), dtype, shape, target, path);
}

std::vector<int64_t> NpyArray::to_integers(const std::string& path) const {
  return decode_integers(bytes.data(), dtype, shape, path);
}

NpyArray read_npy(const std::string& path) {
  NpyArray array;
  array.bytes = read_file(path);
  const std::string_view text = find_header({array.bytes.data(), array.bytes.size()}, path);
  Header header = HeaderParser(text, path).parse();
  array.dtype = checked_type(header.descr, path);
  array.shape = std::move(header.shape);
  // Transposing here would hide a second copy of the array; NumPy does it in one call.
  if (header.fortran_order) {
    fail_input("{}: is in Fortran (column) order; save numpy.ascontiguousarray(array)", path);
  }
  const int64_t expected = array_size(array.shape, numpy_type_size(array.dtype), path);
  const int64_t begin = text.data() + text.size() - array.bytes.data();
  const int64_t rest = static_cast<int64_t>(array.bytes.size()) - begin;
  // A file that continues after its array was concatenated with another.
  if (rest != expected) {
    fail_input("{}: {} ({}) needs {} bytes after the header, {} are there; it is {}, copy it again",
               path, array.dtype, fmt::join(array.shape, ", "), expected, rest,
               rest < expected ? "truncated" : "followed by something else");
  }
  // Moved to the front in place: a second copy would double the memory.
  array.bytes.erase(array.bytes.begin(), array.bytes.begin() + begin);
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
