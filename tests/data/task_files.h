#pragma once
// For the tests of tasks: a tokenizer of whole words.

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "data/text/tokenizer.h"

namespace gmlp::test {

/// Words between spaces; a word's id is 10 plus its first byte.
class WordTokenizer : public gmlp::Tokenizer {
 public:
  const char* kind() const override { return "words"; }
  int64_t vocab() const override { return 266; }
  gmlp::SpecialIds special() const override { return special_; }
  size_t encode_part(std::string_view text, size_t begin,
                     std::vector<gmlp::Piece>& out) const override {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) {
      out.push_back({10 + static_cast<uint8_t>(text[begin]), static_cast<int64_t>(begin),
                     static_cast<int64_t>(end)});
    }
    return end + 1;
  }
  std::string decode(const std::vector<int64_t>& /*ids*/) const override { return ""; }
  std::string name(int64_t id) const override { return std::to_string(id); }
  std::string file_name() const override { return ""; }
  std::string file_bytes() const override { return ""; }

  gmlp::SpecialIds special_ = {0, 1, 2, 3, 4};
};

}  // namespace gmlp::test
