// What padding may change and what it may not (docs/language.md, "Padding"): a test for each
// sentence, for every gate with and without attention, the Transformers and the Mixer.

#include <algorithm>
#include <cmath>

#include "autograd/ops.h"
#include "models/language.h"
#include "tests/models/perturb.h"
#include "tests/support/catch.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

constexpr int64_t kTokens = 13;
constexpr int64_t kWidth = 18;  // no multiple of a vector: rows lie at all kinds of addresses
constexpr int64_t kVocab = 11;
constexpr int64_t kPad = 0;
constexpr int64_t kUnscored = -100;

using Ids = std::vector<int64_t>;
using Bits = std::vector<double>;  // holds every f32 exactly; a NaN equals nothing

struct Variant {
  std::string name;
  LanguageConfig config;
};

/// Every architecture with `causal`; the Mixer has no causal form.
std::vector<Variant> variants(bool causal) {
  LanguageConfig base;
  base.vocab = kVocab;
  base.depth = 2;
  base.heads = 2;
  base.spatial_ffn = 6;
  base.block.tokens = kTokens;
  base.block.d_model = kWidth;
  base.block.d_ffn = 2 * kWidth;
  base.block.causal = causal;
  base.tie_embeddings = false;
  std::vector<Variant> all;
  for (const Gate gate : {Gate::kSplit, Gate::kMultiplicative, Gate::kAdditive, Gate::kLinear}) {
    for (const int64_t d_attn : {0, 4}) {
      all.push_back({std::string(kGates.name(gate)) + (d_attn > 0 ? ", attention" : ""), base});
      all.back().config.block.gate = gate;
      all.back().config.block.d_attn = d_attn;
    }
  }
  all.push_back({"split, Toeplitz", base});
  all.back().config.block.toeplitz = true;
  for (const Arch arch :
       {Arch::kTransformer, Arch::kTransformerRelpos, Arch::kRelposOnly, Arch::kMixer}) {
    if (causal && arch == Arch::kMixer) continue;
    all.push_back({kLanguageArchs.name(arch), base});
    all.back().config.arch = arch;
  }
  return all;
}

struct Way {
  const char* name;
  ExecutionOptions execution;
  bool exact = true;  // the same bits in every batch; Eigen's products follow the number of rows
};

/// How a block computes; bf16 is the gMLP's.
std::vector<Way> ways(const LanguageConfig& config) {
  std::vector<Way> all = {{"reference", Backend::kReference, false}, {"fused", Backend::kFused}};
  if (config.arch == Arch::kGmlp) {
    ExecutionOptions bf16;
    bf16.precision = fused::Precision::kBf16;
    all.push_back({"bf16", bf16});
  }
  return all;
}

/// <cls>, `length` - 1 ids of a text of its own, and padding.
Ids padded_row(int64_t number, int64_t length) {
  Ids ids(static_cast<size_t>(kTokens), kPad);
  for (int64_t i = 0; i < length; ++i) {
    ids[static_cast<size_t>(i)] = i == 0 ? 1 : 2 + (number * 5 + i * (number + 3)) % (kVocab - 2);
  }
  return ids;
}

enum class Output : uint8_t { kWords, kClasses, kSpans };

/// The output's numbers, row by row of the batch.
std::vector<Bits> run(LanguageModel& model, const std::vector<Ids>& rows,
                      const ExecutionOptions& execution, Output output = Output::kWords) {
  Ids ids;
  for (const Ids& row : rows) ids.insert(ids.end(), row.begin(), row.end());
  const int64_t batch = static_cast<int64_t>(rows.size());
  Arena arena;
  Tape tape(arena, execution, false);
  const Tensor out = tape.value(output == Output::kWords     ? model.forward(tape, ids, batch)
                                : output == Output::kClasses ? model.classify(tape, ids, batch)
                                                             : model.spans(tape, ids, batch));
  const int64_t width = out.elements() / batch;
  std::vector<Bits> result(rows.size());
  for (int64_t i = 0; i < out.elements(); ++i) {
    result[static_cast<size_t>(i / width)].push_back(out.at(i));
  }
  return result;
}

/// Whether two rows of logits are the same in positions [begin, end).
bool same(const Bits& a, const Bits& b, int64_t begin, int64_t end) {
  return std::equal(a.begin() + begin * kVocab, a.begin() + end * kVocab,
                    b.begin() + begin * kVocab);
}

/// The same bits; or not `exact`, the same up to rounding.
bool agree(const Bits& a, const Bits& b, bool exact) {
  if (exact) return a == b;
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return std::abs(x - y) <= 1e-5 * (1 + std::abs(y)); });
}

/// Alone, in order, backwards, between copies of another: each row has the same numbers.
void expect_rows_apart(LanguageModel& model, const std::vector<Ids>& rows, const Way& way,
                       Output output) {
  const ExecutionOptions& execution = way.execution;
  std::vector<Bits> alone;
  alone.reserve(rows.size());
  for (const Ids& row : rows) alone.push_back(run(model, {row}, execution, output).front());
  for (size_t i = 1; i < rows.size(); ++i) REQUIRE_FALSE(agree(alone[i], alone[0], false));
  const std::vector<size_t> orders[] = {
      {0, 1, 2, 3, 4}, {4, 3, 2, 1, 0}, {2, 2, 2, 0, 2}, {3, 1, 4, 1, 0, 2, 2}};
  for (const std::vector<size_t>& order : orders) {
    std::vector<Ids> batch;
    batch.reserve(order.size());
    for (const size_t row : order) batch.push_back(rows[row]);
    const std::vector<Bits> together = run(model, batch, execution, output);
    for (size_t place = 0; place < order.size(); ++place) {
      INFO("row " << order[place] << " at place " << place << " of " << order.size());
      CHECK(agree(together[place], alone[order[place]], way.exact));
    }
  }
}

}  // namespace

TEST_CASE("a row has the same bits alone, in any batch and at any place in it", "[padding]") {
  std::vector<Ids> rows;
  for (int64_t i = 0; i < 5; ++i) rows.push_back(padded_row(i, 3 + 2 * i));
  for (const bool causal : {false, true}) {
    for (const Variant& variant : variants(causal)) {
      LanguageModel model(variant.config, DType::kF32, 1);
      test::perturb(model.parameters(), 0.3);
      for (const Way& way : ways(variant.config)) {
        INFO(variant.name << ", causal " << causal << ", " << way.name);
        expect_rows_apart(model, rows, way, Output::kWords);
      }
    }
  }
}

TEST_CASE("a row's classes and spans have the same bits in any batch", "[padding]") {
  std::vector<Ids> rows;
  for (int64_t i = 0; i < 5; ++i) rows.push_back(padded_row(i, 3 + 2 * i));
  for (Variant& variant : variants(false)) {
    for (const LanguageHead head : {LanguageHead::kClassify, LanguageHead::kSpan}) {
      variant.config.head = head;
      variant.config.classes = 3;
      LanguageModel model(variant.config, DType::kF32, 1);
      test::perturb(model.parameters(), 0.3);
      for (const Way& way : ways(variant.config)) {
        INFO(variant.name << ", " << way.name);
        expect_rows_apart(model, rows, way,
                          head == LanguageHead::kSpan ? Output::kSpans : Output::kClasses);
      }
    }
  }
}

TEST_CASE("padding is part of the row, because no mask hides it", "[padding]") {
  constexpr int64_t kLength = 6;
  for (const Variant& variant : variants(false)) {
    LanguageModel model(variant.config, DType::kF32, 1);
    test::perturb(model.parameters(), 0.3);
    const Ids row = padded_row(1, kLength);
    Ids other = row;
    other.back() = 7;
    for (const Way& way : ways(variant.config)) {
      INFO(variant.name << ", " << way.name);
      const std::vector<Bits> both = run(model, {row, other}, way.execution);
      CHECK_FALSE(same(both[0], both[1], 0, 1));  // <cls>, at which a task is answered
      CHECK_FALSE(same(both[0], both[1], 1, kLength));
    }
  }
}

TEST_CASE("in a causal model padding changes nothing before it", "[padding]") {
  for (const Variant& variant : variants(true)) {
    LanguageModel model(variant.config, DType::kF32, 1);
    test::perturb(model.parameters(), 0.3);
    const Ids whole = padded_row(2, kTokens);
    for (const Way& way : ways(variant.config)) {
      const Bits expected = run(model, {whole}, way.execution).front();
      for (int64_t length = 1; length < kTokens; ++length) {
        INFO(variant.name << ", " << way.name << ", " << length << " tokens");
        const Bits padded = run(model, {padded_row(2, length)}, way.execution).front();
        CHECK(same(padded, expected, 0, length));
        CHECK_FALSE(same(padded, expected, length, kTokens));
      }
    }
  }
}

TEST_CASE("an unscored position is in no loss and gets no gradient from it", "[padding]") {
  constexpr int64_t kLength = 5;
  Ids targets(static_cast<size_t>(2 * kTokens), kUnscored);
  for (int64_t i = 0; i < kLength; ++i) targets[static_cast<size_t>(i)] = i;
  Parameter table;
  table.value = test::random_tensor(DType::kF32, {kVocab, kWidth}, 1);
  for (const Backend backend : {Backend::kReference, Backend::kFused}) {
    for (const bool projected : {false, true}) {
      const int64_t width = projected ? kWidth : kVocab;
      double losses[2];
      for (const bool loud : {false, true}) {
        INFO("projected " << projected << ", loud " << loud);
        table.grad = Tensor::zeros(DType::kF32, table.value.shape());
        Tensor in = test::random_tensor(DType::kF32, {2, kTokens, width}, 2);
        float* values = in.data<float>();
        if (loud) std::fill(values + kLength * width, values + in.elements(), 1e6F);
        Arena arena;
        Tape tape(arena, backend, true);
        const Var leaf = tape.leaf(in);
        const Var loss = projected ? linear_cross_entropy(tape, leaf, table, nullptr, targets, 1.0)
                                   : cross_entropy_ids(tape, leaf, targets, 1.0);
        tape.backward(loss);
        losses[loud ? 1 : 0] = tape.value(loss).at(0);
        const Tensor& gradient = tape.grad(leaf);
        for (int64_t i = 0; i < gradient.elements(); ++i) {
          if (i >= kLength * width) REQUIRE(gradient.at(i) == 0);
          if (i < kLength * width) REQUIRE(gradient.at(i) != 0);
        }
      }
      CHECK(losses[0] == losses[1]);
      CHECK(losses[0] > 0);
    }
  }
}

namespace {

/// The gradient of <pad>'s embedding from a loss that scores the first `length` positions alone.
Bits pad_gradient(const LanguageConfig& config, int64_t length, const ExecutionOptions& execution) {
  LanguageModel model(config, DType::kF32, 1);
  test::perturb(model.parameters(), 0.3);
  Ids targets(static_cast<size_t>(kTokens), kUnscored);
  for (int64_t i = 0; i < length; ++i) targets[static_cast<size_t>(i)] = i % kVocab;
  Arena arena;
  Tape tape(arena, execution, true);
  tape.backward(model.loss(tape, padded_row(3, length), targets, 1, 1.0));
  const Parameter* embed = model.parameters().front();
  REQUIRE(embed->name == "embed.weight");
  Bits gradient;
  for (int64_t d = 0; d < config.block.d_model; ++d) {
    gradient.push_back(embed->grad.at(kPad * config.block.d_model + d));
  }
  return gradient;
}

}  // namespace

TEST_CASE("a causal loss gives <pad> after the text no gradient, a masked one does", "[padding]") {
  const Bits nothing(kWidth, 0.0);
  for (const bool causal : {false, true}) {
    for (const Variant& variant : variants(causal)) {
      for (const Way& way : ways(variant.config)) {
        INFO(variant.name << ", causal " << causal << ", " << way.name);
        CHECK((pad_gradient(variant.config, 6, way.execution) == nothing) == causal);
      }
    }
  }
}

TEST_CASE("a span is chosen among all positions, padding too, and learns to leave it",
          "[padding]") {
  // As finetune's loss: (1, N, 2) turned to a choice among N for the first and for the last token.
  const Tensor logits = test::random_tensor(DType::kF32, {1, kTokens, 2}, 3);
  Arena arena;
  Tape tape(arena, Backend::kReference, true);
  const Var leaf = tape.leaf(logits);
  tape.backward(cross_entropy_ids(tape, transpose_tokens(tape, leaf), {2, 4}, 1.0));
  const Tensor& gradient = tape.grad(leaf);
  for (int64_t i = 0; i < kTokens; ++i) {
    CHECK((gradient.at(2 * i) > 0) == (i != 2));
    CHECK((gradient.at(2 * i + 1) > 0) == (i != 4));
  }
}

}  // namespace gmlp
