// Ids equal to other programs' on difficult lines: tests/golden/README.md.
#include <sstream>

#include <fmt/format.h>

#include "core/io/file.h"
#include "data/text/tokenizer.h"
#include "tests/support/catch.h"

namespace {

const std::string kFolder = std::string(GMLP_SOURCE_DIR) + "/tests/golden/tokenizer/";

std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream text(gmlp::read_text(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

/// Every line's ids beside those in the file `ids`.
void check_ids(const std::string& tokenizer_file, const std::string& ids) {
  const std::unique_ptr<gmlp::Tokenizer> tokenizer = gmlp::open_tokenizer(tokenizer_file);
  const std::vector<std::string> lines = lines_of(kFolder + "lines.txt");
  const std::vector<std::string> expected = lines_of(kFolder + ids);
  REQUIRE(lines.size() == 407);
  REQUIRE(expected.size() == lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    INFO("line " << i + 1 << ": " << lines[i]);
    CHECK(fmt::format("{}", fmt::join(tokenizer->encode_ids(lines[i]), " ")) == expected[i]);
  }
}

}  // namespace

TEST_CASE("sentencepiece produces spm_encode's ids with a unigram and with a bpe model") {
  check_ids(kFolder + "unigram.model", "unigram_ids.txt");
  check_ids(kFolder + "bpe.model", "bpe_ids.txt");
}
