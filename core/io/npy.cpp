// The header of an .npy file is Python source. NumPy evaluates it as a literal; here a small parser
// reads the one form that NumPy writes and refuses everything else, at the byte where it stops
// making sense.
//
//   \x93NUMPY | major minor | length (2 bytes in version 1, else 4) | {'descr': ...}  \n | data
//
// Sizes are checked against the file's before the data is touched; the array is then the file's own
// memory with the header cut off.
#include "core/io/npy.h"

#include <array>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/ranges.h>

#include "core/error.h"
#include "core/io/decode.h"
#include "core/io/file.h"

namespace gmlp {

namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
// Version 1.0 cannot say more; only structured types, which are refused anyway, need it.
constexpr int64_t kMaxNpyHeaderBytes = 65'535;
constexpr size_t kNumpyMaxRank = 32;
constexpr size_t kWriteAlignment = 64;

struct NpyType {
  std::string_view name;
  int64_t size;
  Encoding encoding;
};

// All plain numbers up to 8 bytes. Not complex, text, dates or long double: nothing here uses them.
constexpr std::array<NpyType, 12> kNpyTypes = {{
    {"f8", 8, Encoding::kF64},
    {"f4", 4, Encoding::kF32},
    {"f2", 2, Encoding::kF16},
    {"i8", 8, Encoding::kI64},
    {"i4", 4, Encoding::kI32},
    {"i2", 2, Encoding::kI16},
    {"i1", 1, Encoding::kI8},
    {"u8", 8, Encoding::kU64},
    {"u4", 4, Encoding::kU32},
    {"u2", 2, Encoding::kU16},
    {"u1", 1, Encoding::kU8},
    {"b1", 1, Encoding::kBool},
}};

const NpyType* find_type(std::string_view name) {
  for (const NpyType& type : kNpyTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

// The three values of the dict, as they stand there.
struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;
};

// Reads {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }: the part of Python's grammar
// that NumPy writes, and no more. Keys come in any order, each once.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  Header parse() {
    Header header;
    bool seen_descr = false;
    bool seen_order = false;
    bool seen_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = parse_string();
      expect(':');
      if (key == "descr" && !std::exchange(seen_descr, true)) {
        header.descr = parse_descr();
      } else if (key == "fortran_order" && !std::exchange(seen_order, true)) {
        header.fortran_order = parse_bool();
      } else if (key == "shape" && !std::exchange(seen_shape, true)) {
        header.shape = parse_shape();
      } else {  // exchange() has returned true for a key that came before
        fail("an unknown or repeated key");
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (position_ != text_.size()) fail("text after the closing brace");
    if (!seen_descr || !seen_order || !seen_shape) fail("descr, fortran_order or shape is missing");
    return header;
  }

 private:
  [[noreturn]] void fail(const char* reason) const {
    fail_input("{}: its header has {} at byte {}; save it again with numpy.save", path_, reason,
               position_);
  }

  // The character at the position, NUL at the end: no token begins with one.
  char next() const { return position_ < text_.size() ? text_[position_] : '\0'; }

  void skip_space() {
    while (next() == ' ' || next() == '\n') ++position_;
  }

  // Steps over `wanted` when it comes next, blanks before it too.
  bool accept(char wanted) {
    skip_space();
    if (next() != wanted || position_ == text_.size()) return false;
    ++position_;
    return true;
  }

  void expect(char wanted) {
    if (!accept(wanted)) fail(fmt::format("no '{}'", wanted).c_str());
  }

  // No escapes: descr and the keys need none, and evaluating them would be a second parser.
  std::string parse_string() {
    skip_space();
    const char quote = next();
    if (quote != '\'' && quote != '"') fail("no string where one is due");
    const size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) fail("a string without end");
    const std::string_view content = text_.substr(position_ + 1, end - position_ - 1);
    if (content.find('\\') != std::string_view::npos) fail("an escape in a string");
    position_ = end + 1;
    return std::string(content);
  }

  // A plain type is a string, a structured one a list of (name, type).
  std::string parse_descr() {
    skip_space();
    if (next() == '[' || next() == '(') {
      fail_input(
          "{}: is a structured array (several fields a record); save one field: "
          "numpy.save(path, array['field'])",
          path_);
    }
    return parse_string();
  }

  bool parse_bool() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(position_, word.size()) == word) {
        position_ += word.size();
        return value;
      }
    }
    fail("neither True nor False for fortran_order");
  }

  int64_t parse_integer() {
    skip_space();
    const size_t begin = position_;
    int64_t value = 0;
    while (next() >= '0' && next() <= '9') {
      // Checked at every digit: a number of any length must not wrap around to a small one.
      value = checked_add(checked_mul(value, 10, path_), next() - '0', path_);
      ++position_;
    }
    if (position_ == begin) fail("no size (an integer from 0) in its shape");
    if (next() == 'L') ++position_;  // Python 2 wrote 3L
    return value;
  }

  // (), (3,), (3, 4) or (3, 4,); in Python (3) is no tuple.
  std::vector<int64_t> parse_shape() {
    std::vector<int64_t> shape;
    expect('(');
    bool comma = true;
    while (!accept(')')) {
      if (!comma) fail("no ',' between two sizes");
      if (shape.size() == kNumpyMaxRank) fail("more than 32 dimensions");
      shape.push_back(parse_integer());
      comma = accept(',');
    }
    if (shape.size() == 1 && !comma) fail("a shape (n) that is no tuple");
    return shape;
  }

  std::string_view text_;  // a view into the file's bytes
  const std::string& path_;
  size_t position_ = 0;
};

// Checks a descr such as "<f4" and returns it without the byte order.
std::string checked_type(const std::string& descr, const std::string& path) {
  const char order = descr.empty() ? '\0' : descr[0];
  if (order == '>') {
    fail_input(
        "{}: is big-endian ('{}'); save it as little-endian: "
        "numpy.save(path, array.astype(array.dtype.newbyteorder('<')))",
        path, printable(descr));
  }
  if (descr.find('O') != std::string::npos) {
    fail_input(
        "{}: holds Python objects, which are never loaded; save numbers: "
        "numpy.save(path, numpy.array(values, dtype=numpy.float32))",
        path);
  }
  // '=' means the writer's own order, little-endian wherever this program runs.
  const bool known_order = order == '<' || order == '|' || order == '=';
  if (!known_order || find_type(std::string_view(descr).substr(1)) == nullptr) {
    fail_input(
        "{}: its type '{}' is not supported; save float16/32/64, (u)int8/16/32/64 or bool: "
        "numpy.save(path, array.astype(numpy.float32))",
        path, printable(descr));
  }
  return descr.substr(1);
}

// Where the header's text begins and how long it is, from the magic, the version and the length.
std::pair<int64_t, int64_t> locate_header(const std::vector<char>& bytes, const std::string& path) {
  const int64_t size = static_cast<int64_t>(bytes.size());
  const std::string_view all(bytes.data(), bytes.size());
  if (all.substr(0, kMagic.size()) != kMagic) {
    fail_input("{}: does not begin with \\x93NUMPY; is it an .npy file?", path);
  }
  const int64_t version_end = static_cast<int64_t>(kMagic.size()) + 2;
  if (size < version_end) fail_input("{}: is truncated in its first bytes; copy it again", path);
  const int major = static_cast<unsigned char>(bytes[kMagic.size()]);
  const int minor = static_cast<unsigned char>(bytes[kMagic.size() + 1]);
  if (major < 1 || major > 3 || minor != 0) {
    fail_input("{}: is of format version {}.{}; 1.0, 2.0 and 3.0 are read, save it again", path,
               major, minor);
  }
  const int64_t length_bytes = major == 1 ? 2 : 4;
  const int64_t begin = version_end + length_bytes;
  if (size < begin) fail_input("{}: is truncated in its first bytes; copy it again", path);
  uint32_t length = 0;  // little-endian, so two bytes fill its lower half
  std::memcpy(&length, bytes.data() + version_end, static_cast<size_t>(length_bytes));
  if (length > kMaxNpyHeaderBytes) {
    fail_input("{}: its header is said to be {} bytes, at most {} are read; is it a plain array?",
               path, length, kMaxNpyHeaderBytes);
  }
  if (length > size - begin) {
    fail_input("{}: its header is {} bytes but only {} are left; it is truncated, copy it again",
               path, length, size - begin);
  }
  return {begin, length};
}

}  // namespace

int64_t NpyArray::elements() const {
  int64_t product = 1;
  for (const int64_t dim : shape) product = checked_mul(product, dim, "npy shape");
  return product;
}

Tensor NpyArray::to_tensor(DType target, const std::string& path) const {
  const NpyType* type = find_type(dtype);
  // Integers are not converted silently: pixels need a scale that only the caller knows.
  if (type == nullptr || !is_float(type->encoding)) {
    fail_input("{}: is of type {}, floats are needed; save array.astype(numpy.float32)", path,
               dtype);
  }
  if (shape.size() > static_cast<size_t>(Shape::kMaxRank)) {
    fail_input("{}: has {} dimensions, at most {} are supported; reshape it before saving", path,
               shape.size(), Shape::kMaxRank);
  }
  Tensor tensor = Tensor::zeros(target, shape.empty() ? Shape{1} : Shape(shape));
  decode_floats(type->encoding, bytes.data(), tensor);
  return tensor;
}

std::vector<int64_t> NpyArray::to_integers(const std::string& path) const {
  const NpyType* type = find_type(dtype);
  if (type == nullptr || !is_integer(type->encoding)) {
    fail_input("{}: is of type {}, integers are needed; save array.astype(numpy.int64)", path,
               dtype);
  }
  return decode_integers(type->encoding, bytes.data(), elements(), path);
}

NpyArray read_npy(const std::string& path) {
  NpyArray array;
  array.bytes = read_file(path);
  const auto [begin, length] = locate_header(array.bytes, path);
  const std::string_view text(array.bytes.data() + begin, static_cast<size_t>(length));
  Header header = HeaderParser(text, path).parse();
  array.dtype = checked_type(header.descr, path);
  array.shape = std::move(header.shape);
  // Transposing here would hide a second copy of the array; NumPy does it in one call.
  if (header.fortran_order) {
    fail_input("{}: is in Fortran (column) order; save numpy.ascontiguousarray(array)", path);
  }
  int64_t expected = find_type(array.dtype)->size;
  for (const int64_t dim : array.shape) expected = checked_mul(expected, dim, path);
  const int64_t rest = static_cast<int64_t>(array.bytes.size()) - begin - length;
  // Both ways: a file that goes on after its array was cut or glued together.
  if (rest != expected) {
    fail_input("{}: {} ({}) needs {} bytes after the header, {} are there; it is {}, copy it again",
               path, array.dtype, fmt::join(array.shape, ", "), expected, rest,
               rest < expected ? "truncated" : "followed by something else");
  }
  // Moved to the front in place: a second copy would double the memory.
  array.bytes.erase(array.bytes.begin(), array.bytes.begin() + begin + length);
  return array;
}

void write_npy(const std::string& path, const Tensor& tensor) {
  Tensor source = tensor;
  if (tensor.dtype() == DType::kBf16) {  // NumPy has no bf16
    source = Tensor::zeros(DType::kF32, tensor.shape());
    source.copy_from(tensor);
  }
  const Shape& shape = source.shape();
  std::string dims = fmt::format("{}", fmt::join(shape.to_vector(), ", "));
  if (shape.rank() == 1) dims += ',';  // (3,): without the comma Python sees no tuple
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   source.dtype() == DType::kF64 ? "<f8" : "<f4", dims);
  // magic 6, version 2, length 2, header and its newline: together a multiple of 64.
  while ((kMagic.size() + 4 + header.size() + 1) % kWriteAlignment != 0) header += ' ';
  header += '\n';

  std::string bytes(kMagic);
  bytes += '\x01';  // version 1.0: any NumPy reads it
  bytes += '\0';
  bytes += static_cast<char>(header.size() & 0xFF);
  bytes += static_cast<char>(header.size() >> 8);
  bytes += header;
  bytes.append(static_cast<const char*>(source.raw()), static_cast<size_t>(source.bytes()));
  write_file_atomic(path, bytes);
}

}  // namespace gmlp
