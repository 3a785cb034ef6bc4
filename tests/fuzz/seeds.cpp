// Writes what each fuzz target starts from: fuzz_seeds FOLDER makes FOLDER/<target>/<file>. Most
// come from what the tests use.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "apps/language/options.h"
#include "apps/vision/commands.h"
#include "core/io/file.h"
#include "core/io/json.h"
#include "core/io/npy.h"
#include "tests/data/data_files.h"
#include "tests/support/tiny_models.h"

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

std::string npy(const std::string& type, const std::string& shape, size_t bytes) {
  const std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }\n";
  const std::string start("\x93NUMPY\x01\0", 8);
  return start + static_cast<char>(header.size()) + '\0' + header + std::string(bytes, '\1');
}

void add_arrays(Seeds& seeds) {
  const auto add = [&](const std::string& images, const std::string& labels) {
    const size_t both = images.size() + labels.size();
    const size_t share = (images.size() * 255 + both - 1) / both;
    seeds.add("arrays", static_cast<char>(share) + images + labels);
  };
  add(npy("|u1", "2, 4, 4, 3", 96), npy("<i8", "2,", 16));
  add(npy("<f4", "1, 3, 4, 4", 192), npy("|u1", "1,", 1));
  add(npy("<i8", "2, 4", 64), "");
  add(npy("<i4", "4,", 16), "");
  add(npy("<i4", "0, 4", 0), npy("<i4", "9223372036854775807, 4", 0));
  add(npy("|u1", "1, 0, 4, 3", 0), "");
}

void add_folders(Seeds& seeds) {
  for (const char* tree :
       {"icat/1.png\nidog/2.jpg\nidog/puppies/3.PNG\nbdog/notes.txt\nb.DS_Store\ndbirds\n",
        "itrain/a/1.png\nitrain/b/1.png\nival/a/2.png\nitest/b/3.png\n",
        "itrain/1.png\nival/a/2.png\nidog/3.png\n",
        "icaf\u00e9/1.png\nicafe\u0301/2.png\nib/1.bmp\nib/__MACOSX/1.png\nbb/2.webp\n",
        "ia/1.png\nib/1.png\nra/up\nsb/self.png\npb/pipe.png\nsa/self\n"}) {
    for (const char options : {'\0', '\1', '\2'}) seeds.add("folder", options + std::string(tree));
  }
}

void add_options(Seeds& seeds) {
  const std::string configs[] = {
      gmlp::parse_train({"--data", "shapes", "--model", "gmlp_nano_28"}).config,
      gmlp::parse_pretrain({"--text", "a b.txt", "--text", "c.txt", "--model", "gmlp_char",
                            "--tokenizer", "bytes", "--objective", "causal"})
          .config,
      gmlp::parse_finetune(
          {"--task", "sst2", "--data", ".", "--model", "gmlp_char", "--tokenizer", "bytes"})
          .config};
  for (const char subcommand : {'\0', '\1', '\2'}) {
    const std::string& config = configs[static_cast<size_t>(subcommand)];
    const std::string first(1, subcommand), resume(1, static_cast<char>(subcommand | 4));
    seeds.add("options", first + config + std::string(1, '\0') + "--seed\n7\n--lr=1e-4\n");
    seeds.add("options", resume + config + std::string(1, '\0') + "--epochs\n20\n--quiet\n");
  }
  std::string sections = "[a", list = "opt-betas=[0";
  for (int i = 0; i < 30'000; ++i) sections += ".a";
  for (int i = 0; i < 5'000; ++i) list += ",0";
  seeds.add("options", std::string(1, '\0') + sections + "]\n");
  seeds.add("options", std::string(1, '\0') + list + "]\n");
}

void add_states(Seeds& seeds) {
  const gmlp::VisionConfig config = gmlp::test::tiny_vision();
  const auto line = [](const std::string& json) {
    return gmlp::json_line(gmlp::parse_json(json, "seed"));
  };
  gmlp::Classifier classifier;
  classifier.model = std::make_unique<gmlp::VisionModel>(config, gmlp::DType::kF32, 1);
  classifier.label_names = {"cat", "dog", "\u202e\x1b[2J"};
  seeds.add("vision_model", line(gmlp::config_json(classifier)));
  seeds.add("vision_model", line(gmlp::vision_config_to_json(config, {}, "")));
  const std::string state =
      R"(,"seed":42,"optimizer_steps":3,"epochs_closed":0,"epoch_loss_sum":0.5,)"
      R"("epoch_loss_count":1,"skipped_in_a_row":0,"skipped":0,"seconds":1,)"
      R"("best":{"top1":50,"loss":0.5,"step":2,"epoch":1},"schedule":{"sched":"cosine",)"
      R"("lr":1e-3,"min_lr":1e-5,"warmup_steps":2,"total_steps":2097152},)"
      R"("offsets":{"log.txt":0,"metrics.csv":0,"steps.jsonl":0},)"
      R"("log_crc32":{"log.txt":0,"metrics.csv":0,"steps.jsonl":0},)"
      R"("data":{"crc32":7,"counts":"one"},"options":{"epochs":"2","max-steps":"0"},"files":{}})";
  const std::string summary = R"({"steps":9,"total_steps":9,"stopped_early_at_epoch":1})";
  seeds.add("training_json", std::string_view("/best/step=1\n/offsets/log.txt=0\n/seconds=1.5\n"));
  // In the first epoch, and at its end.
  for (const char* place :
       {R"({"epoch":0,"batch":3,"step":3)", R"({"epoch":1,"batch":0,"step":1048576)"}) {
    seeds.add("training_json", place + state + '\0' + summary);
  }
}

/// JSON of many levels.
void add_nested(Seeds& seeds) {
  const std::string deep = std::string(30'000, '[') + std::string(30'000, ']');
  for (const char* target : {"config", "vision_model"}) {
    seeds.add(target, R"({"num_classes":)" + deep + "}");
  }
  seeds.add("training_json", R"({"files":{},"options":{},"data":{"crc32":7,"counts":"one"},)"
                             R"("optimizer_steps":)" +
                                 deep + "}");
  for (const char* target : {"squad", "tokenizer_json", "tsv"}) seeds.add(target, deep);
  std::string length(8, '\0');
  for (size_t i = 0; i < 2; ++i) length[i] = static_cast<char>(deep.size() >> (8 * i));
  seeds.add("safetensors", length + deep);
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
  add_arrays(seeds);
  add_folders(seeds);
  add_options(seeds);
  add_states(seeds);
  add_nested(seeds);
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
