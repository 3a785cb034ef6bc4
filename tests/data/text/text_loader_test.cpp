// Windows and masks: a batch is a function of (seed, epoch, index), each id is scored, and the
// masks are BERT's.
#include <algorithm>
#include <map>
#include <set>

#include "data/text/corpus.h"
#include "tests/data/data_files.h"
#include "tests/support/catch.h"

using gmlp::Objective;
using gmlp::TextBatch;
using gmlp::TextBatchOptions;
using gmlp::TextLoader;
using gmlp::TokenRow;
using gmlp::test::input_error;

namespace {

constexpr int64_t kVocab = 60'000;
constexpr int64_t kMask = 4;

/// Ids 5, 6, 7, ...: each tells its position in the row.
TokenRow counting_row(int64_t size) {
  const auto storage = std::make_shared<gmlp::TokenStorage>();
  for (int64_t i = 0; i < size; ++i) storage->add(5 + i, i);
  return TokenRow(storage);
}

TextBatchOptions options_of(Objective objective, bool train) {
  TextBatchOptions options;
  options.objective = objective;
  options.tokens = 16;
  options.batch_size = 4;
  options.seed = 3;
  options.train = train;
  options.special = {0, 1, 2, 3, kMask};
  options.vocab = kVocab;
  return options;
}

/// Where each window of an epoch begins, of a causal loader over a counting row.
std::vector<int64_t> starts_of(const TextLoader& loader, int64_t epoch, int64_t tokens) {
  std::vector<int64_t> starts;
  for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
    const TextBatch batch = loader.batch(epoch, i);
    for (int64_t b = 0; b < batch.batch; ++b) {
      starts.push_back(batch.ids[static_cast<size_t>(b * tokens)] - 5);
    }
  }
  return starts;
}

}  // namespace

TEST_CASE("causal targets are the next ids") {
  const TextLoader loader(counting_row(1000), options_of(Objective::kCausal, true));
  for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
    const TextBatch batch = loader.batch(2, i);
    CHECK(batch.batch == 4);
    REQUIRE(batch.ids.size() == 64);
    REQUIRE(batch.targets.size() == 64);
    for (size_t k = 0; k < 64; ++k) {
      CHECK(batch.targets[k] == batch.ids[k] + 1);
      if (k % 16 != 0) CHECK(batch.ids[k] == batch.ids[k - 1] + 1);
    }
  }
}

TEST_CASE("an epoch of training has each window once, in an order and from a start of its own") {
  for (const int64_t size : {17, 18, 33, 64, 1000, 9999}) {
    INFO(size);
    TextBatchOptions options = options_of(Objective::kCausal, true);
    options.batch_size = 1;
    const TextLoader loader(counting_row(size), options);
    std::set<int64_t> phases;
    std::set<std::vector<int64_t>> orders;
    for (int64_t epoch = 0; epoch < 20; ++epoch) {
      std::vector<int64_t> starts = starts_of(loader, epoch, 16);
      orders.insert(starts);
      std::sort(starts.begin(), starts.end());
      phases.insert(starts[0]);
      for (size_t i = 1; i < starts.size(); ++i) CHECK(starts[i] == starts[i - 1] + 16);
      CHECK(starts.back() + 16 + 1 <= size);
    }
    CHECK(static_cast<int64_t>(phases.size()) >= std::min<int64_t>(size - 16, 8));
    if (size > 100) CHECK(orders.size() == 20);
  }
}

TEST_CASE("every order of few windows is as likely as any other") {
  TextBatchOptions options = options_of(Objective::kCausal, true);
  for (const int64_t windows : {3, 4}) {
    std::map<std::vector<int64_t>, int64_t> counts;
    options.batch_size = windows;
    const TextLoader loader(counting_row(windows * 16 + 16), options);
    const int64_t orders = windows == 3 ? 6 : 24;
    constexpr int64_t kEach = 200;
    for (int64_t epoch = 0; epoch < orders * kEach; ++epoch) {
      std::vector<int64_t> order = starts_of(loader, epoch, 16);
      for (int64_t& start : order) start /= 16;
      ++counts[order];
    }
    CHECK(static_cast<int64_t>(counts.size()) == orders);
    double chi_square = 0;
    for (const auto& [order, count] : counts) {
      const double difference = static_cast<double>(count - kEach);
      chi_square += difference * difference / kEach;
    }
    CHECK(chi_square < (windows == 3 ? 20.5 : 49.7));  // exceeded once in a thousand
  }
}

TEST_CASE("without shuffling the windows lie side by side from the start") {
  TextBatchOptions options = options_of(Objective::kCausal, true);
  options.shuffle = false;
  const TextLoader loader(counting_row(100), options);
  CHECK(starts_of(loader, 0, 16) == std::vector<int64_t>{0, 16, 32, 48});
  CHECK(starts_of(loader, 5, 16) == std::vector<int64_t>{0, 16, 32, 48});
}

TEST_CASE("evaluation scores each id once") {
  for (const Objective objective : {Objective::kCausal, Objective::kMasked}) {
    for (int64_t size = 17; size < 90; ++size) {
      INFO(size);
      TextBatchOptions options = options_of(objective, false);
      options.mask_share = 1;
      const TextLoader loader(counting_row(size), options);
      std::map<int64_t, int64_t> scored;
      for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
        for (const int64_t target : loader.batch(0, i).targets) {
          if (target != -100) ++scored[target];
        }
      }
      const int64_t first = objective == Objective::kCausal ? 6 : 5;  // nothing predicts the first
      CHECK(static_cast<int64_t>(scored.size()) == size + 5 - first);
      CHECK(scored.begin()->first == first);
      for (const std::pair<const int64_t, int64_t>& entry : scored) CHECK(entry.second == 1);
    }
  }
}

TEST_CASE("15 % of the ids are chosen: 80 % masked, 10 % random, 10 % as they are") {
  TextBatchOptions options = options_of(Objective::kMasked, true);
  options.tokens = 128;
  const TokenRow row = counting_row(50'000);
  const TextLoader loader(row, options);
  int64_t all = 0, chosen = 0, masked = 0, kept = 0, special = 0;
  for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
    const TextBatch batch = loader.batch(0, i);
    for (size_t k = 0; k < batch.ids.size(); ++k) {
      ++all;
      if (batch.targets[k] == -100) continue;
      ++chosen;
      masked += batch.ids[k] == kMask ? 1 : 0;
      kept += batch.ids[k] == batch.targets[k] ? 1 : 0;
      special += batch.ids[k] < kMask ? 1 : 0;
    }
  }
  // Four standard deviations of a binomial over about 49,000 and 7,400.
  CHECK(static_cast<double>(chosen) / static_cast<double>(all) == Approx(0.15).margin(0.0065));
  CHECK(static_cast<double>(masked) / static_cast<double>(chosen) == Approx(0.8).margin(0.019));
  CHECK(static_cast<double>(kept) / static_cast<double>(chosen) == Approx(0.1).margin(0.014));
  CHECK(special == 0);
}

TEST_CASE("each masked window has something to predict") {
  TextBatchOptions options = options_of(Objective::kMasked, true);
  options.mask_share = 0.001;
  options.batch_size = 1;
  const TextLoader loader(counting_row(1000), options);
  for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
    const std::vector<int64_t> targets = loader.batch(0, i).targets;
    CHECK(std::count(targets.begin(), targets.end(), -100) < 16);
  }
}

TEST_CASE("a batch is the same bits whoever asks and in whatever order") {
  for (const Objective objective : {Objective::kCausal, Objective::kMasked}) {
    const TextLoader a(counting_row(1000), options_of(objective, true));
    const TextLoader b(counting_row(1000), options_of(objective, true));
    for (int64_t i = a.batches_per_epoch() - 1; i >= 0; --i) b.batch(1, i);
    for (int64_t i = 0; i < a.batches_per_epoch(); ++i) {
      CHECK(a.batch(1, i).ids == b.batch(1, i).ids);
      CHECK(a.batch(1, i).targets == b.batch(1, i).targets);
      CHECK(a.batch(1, i).ids != b.batch(2, i).ids);
    }
    TextBatchOptions other = options_of(objective, true);
    other.seed = 4;
    CHECK(TextLoader(counting_row(1000), other).batch(1, 0).ids != a.batch(1, 0).ids);
  }
}

TEST_CASE("a text shorter than a window, and a tokenizer without a mask, are refused") {
  const auto error = [](int64_t size, const TextBatchOptions& options) {
    return input_error([&] { const TextLoader loader(counting_row(size), options); });
  };
  const TextBatchOptions causal = options_of(Objective::kCausal, true);
  CHECK(error(17, causal).empty());
  CHECK(error(16, causal).find("the training text has 16 tokens, a window 17") == 0);
  TextBatchOptions masked = options_of(Objective::kMasked, false);
  CHECK(error(16, masked).empty());
  CHECK(error(15, masked).find("the validation text has 15 tokens, a window 16") == 0);
  masked.special.mask = -1;
  CHECK(error(100, masked).find("no [MASK]") != std::string::npos);
}
