// Writes what each fuzz target starts from: fuzz_seeds FOLDER makes FOLDER/<target>/<file>. Most
// come from what the tests use.
#include <algorithm>

#include "core/io/file.h"
#include "core/io/npy.h"
#include "tests/data/data_files.h"

namespace {

using gmlp::test::Bytes;

class Seeds {
 public:
  explicit Seeds(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void add(const std::string& target, std::string_view bytes) {
    const std::filesystem::path path = folder_ / target;
    std::filesystem::create_directories(path);
    gmlp::write_file_synced(path / std::to_string(number_++), bytes);
  }
  void add(const std::string& target, const Bytes& bytes) {
    add(target, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  std::string path_for(const std::string& target) {
    std::filesystem::create_directories(folder_ / target);
    return folder_ / target / std::to_string(number_++);
  }

 private:
  std::filesystem::path folder_;
  int64_t number_ = 0;
};

std::string golden(const std::string& name) {
  return gmlp::read_text(std::string(GMLP_SOURCE_DIR) + "/tests/golden/" + name);
}

void add_images(Seeds& seeds) {
  seeds.add("image", gmlp::test::plain_png(3, 10, 20, 30));
  seeds.add("image", gmlp::test::TinyJpeg().file());
  Bytes bitmap{'B', 'M', 70, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 2, 0};
  bitmap.insert(bitmap.end(), {0, 0, 1, 0, 24, 0});
  bitmap.resize(70, 0);  // two by two, no compression
  seeds.add("image", bitmap);
  bitmap[10] = 58;  // one color, run lengths
  bitmap[28] = 8;
  bitmap[30] = 1;
  bitmap.resize(58);
  gmlp::test::append(bitmap, {2, 0, 0, 0, 0, 2, 0, 0, 0, 1});
  seeds.add("image", bitmap);
  seeds.add("image", gmlp::test::tiny_webp());

  const Bytes images{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
  const Bytes labels{0, 0, 8, 1, 0, 0, 0, 2, 3, 9};
  for (const bool gzip : {false, true}) {
    const Bytes first = gzip ? gmlp::test::gzip(images) : images;
    const Bytes second = gzip ? gmlp::test::gzip(labels) : labels;
    Bytes both = first;
    gmlp::test::append(both, second);
    // The smallest share of 255 that ends at the first file's end.
    const size_t share = (first.size() * 255 + both.size() - 1) / both.size();
    Bytes seed{static_cast<uint8_t>(gzip ? 1 : 0), static_cast<uint8_t>(share)};
    gmlp::test::append(seed, both);
    seeds.add("image_sets", seed);
  }
  Bytes cifar{2, 0};
  cifar.resize(2 + 3073, 7);
  seeds.add("image_sets", cifar);
}

void add_tokenizers(Seeds& seeds) {
  const std::string text = std::string(1, '\0') + "The caf\u00e9 \u0391\u03a3, \u65e5\u672c.";
  seeds.add("tokenizer_json", R"({"type":"chars","characters":["a","T","h"]})" + text);
  seeds.add("tokenizer_json", R"({"type":"bytes"})" + text);
  seeds.add("sentencepiece", golden("tokenizer/unigram.model"));
  seeds.add("sentencepiece", golden("tokenizer/bpe.model"));
}

void add_texts(Seeds& seeds) {
  const std::string text = "One line.\nAnother, \u00e9.\n";
  seeds.add("text_file", text);
  seeds.add("text_file", gmlp::test::gzip(Bytes(text.begin(), text.end())));
  seeds.add("tsv", std::string_view("sentence\tlabel\na good film \t1\nbad \t0\n"));
  seeds.add("tsv", std::string_view("sentence1\tsentence2\tgold_label\nA b.\tC.\tneutral\n"));
  seeds.add("tsv", std::string_view("text,label\n\"a, \"\"b\"\"\nc\",x\r\n\r\nd,y\n"));
  seeds.add("tsv", std::string_view("text;label\na;1\nb;2"));
  seeds.add("tsv", std::string_view(
                       "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"b\", \"label\": \"c\"}\n"));
  seeds.add("squad", std::string_view(R"({"data":[{"paragraphs":[{"qas":[{"id":7,"question":"q",)"
                                      R"("answers":[{"text":"a","answer_start":0}]},{"id":8}],)"
                                      R"("context":"a b"}]}]})"));
  seeds.add(
      "squad",
      std::string_view(
          R"({"version":"v2.0","data":[{"title":"t","paragraphs":[{"context":"caf\u00e9 is open",)"
          R"("qas":[{"id":"1","question":"what?","answers":[{"text":"open","answer_start":8}],)"
          R"("is_impossible":false}]}]}]})"));
}

void write_all(const std::filesystem::path& folder) {
  Seeds seeds(folder);
  seeds.add("safetensors", golden("vision_tiny.f32.safetensors"));
  const std::string header = R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})";
  std::string small(8, '\0');
  small[0] = static_cast<char>(header.size());
  seeds.add("safetensors", small + header + "\x01\x02\x03\x04");
  for (const gmlp::DType dtype : {gmlp::DType::kF32, gmlp::DType::kF64}) {
    gmlp::write_npy(seeds.path_for("npy"), gmlp::Tensor::zeros(dtype, {2, 3}));
  }
  seeds.add(
      "config",
      std::string_view(
          R"({"architecture":"gmlp_language","model_args":{"depth":2},"gmlp":{"gate":"split"}})"));
  seeds.add("config",
            std::string_view(
                R"({"architecture":"gmlp_s16_224","num_classes":2,"label_names":["a","b"]})"));
  add_images(seeds);
  add_tokenizers(seeds);
  add_texts(seeds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: fuzz_seeds FOLDER\n");
    return 2;
  }
  try {
    write_all(argv[1]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "fuzz_seeds: {}\n", error.what());
    return 1;
  }
  return 0;
}
