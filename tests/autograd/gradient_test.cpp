// Every op's gradient against central differences in double. The registry below is compared
// with the sources: the suite fails if an op that autograd/ records has no entry here.

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "autograd/ops.h"
#include "tests/support/catch.h"
#include "tests/support/gradient_check.h"
#include "tests/support/random_tensor.h"

namespace gmlp {

namespace {

constexpr double kTolerance = 1e-6;
constexpr DType kF64 = DType::kF64;

Parameter random_parameter(const std::string& name, const Shape& shape, uint64_t seed,
                           double scale = 0.5) {
  return {name, test::random_tensor(kF64, shape, seed, scale), Tensor::zeros(kF64, shape), true};
}

Tensor random(const Shape& shape, uint64_t seed) {
  return test::random_tensor(kF64, shape, seed);
}

/// Rows of positive numbers that sum to 1.
Tensor soft_targets(int64_t rows, int64_t classes) {
  Tensor targets = random({rows, classes}, 21);
  for (int64_t r = 0; r < rows; ++r) {
    double* row = targets.data<double>() + r * classes;
    double total = 0;
    for (int64_t c = 0; c < classes; ++c) total += row[c] = row[c] * row[c] + 0.1;
    for (int64_t c = 0; c < classes; ++c) row[c] /= total;
  }
  return targets;
}

void expect_right(const std::vector<Tensor>& inputs, const std::vector<Parameter*>& parameters,
                  const test::Build& build) {
  const test::GradientError result = test::check_gradients(inputs, parameters, build);
  INFO("worst: " << result.worst);
  CHECK(result.error <= kTolerance);
}

void check_unary(const Shape& shape, const std::function<Var(Tape&, Var)>& op) {
  expect_right({random(shape, 1)}, {},
               [&](Tape& t, const std::vector<Var>& in) { return op(t, in[0]); });
}

void check_linear() {
  Parameter w = random_parameter("weight", {5, 7}, 2);
  Parameter b = random_parameter("bias", {5}, 3);
  expect_right({random({2, 3, 7}, 1)}, {&w, &b},
               [&](Tape& t, const std::vector<Var>& in) { return linear(t, in[0], w, &b); });
  expect_right({random({2, 3, 7}, 1)}, {&w},
               [&](Tape& t, const std::vector<Var>& in) { return linear(t, in[0], w, nullptr); });
}

void check_layernorm() {
  Parameter gamma = random_parameter("gamma", {7}, 2);
  Parameter beta = random_parameter("beta", {7}, 3);
  // With a large eps too: only then does its place under the root matter.
  for (const double eps : {1e-6, 0.5}) {
    expect_right({random({3, 7}, 1)}, {&gamma, &beta}, [&](Tape& t, const std::vector<Var>& in) {
      return layernorm(t, in[0], gamma, beta, eps);
    });
  }
}

void check_spatial_project() {
  constexpr int64_t kTokens = 5;
  for (const bool toeplitz : {false, true}) {
    for (const bool causal : {false, true}) {
      const Shape shape = toeplitz ? Shape({2 * kTokens - 1}) : Shape({kTokens, kTokens});
      Parameter w = random_parameter("weight", shape, 2);
      Parameter b = random_parameter("bias", {kTokens}, 3);
      expect_right({random({2, kTokens, 3}, 1)}, {&w, &b},
                   [&](Tape& t, const std::vector<Var>& in) {
                     return spatial_project(t, in[0], w, b, causal);
                   });
    }
  }
}

void check_attention() {
  for (const bool causal : {false, true}) {
    expect_right({random({2, 5, 9}, 1)}, {}, [&](Tape& t, const std::vector<Var>& in) {
      return head_attention(t, in[0], nullptr, 1, causal);
    });
  }
}

void check_head_attention() {
  Parameter bias = random_parameter("bias", {2, 9}, 2);
  for (const bool causal : {false, true}) {
    for (Parameter* used : {static_cast<Parameter*>(nullptr), &bias}) {
      std::vector<Parameter*> parameters;
      if (used != nullptr) parameters.push_back(used);
      expect_right({random({2, 5, 18}, 1)}, parameters, [&](Tape& t, const std::vector<Var>& in) {
        return head_attention(t, in[0], used, 2, causal);
      });
    }
    expect_right({random({2, 5, 6}, 1)}, {&bias}, [&](Tape& t, const std::vector<Var>& in) {
      return head_attention(t, in[0], &bias, 2, causal, false);
    });
  }
}

void check_binary(const std::function<Var(Tape&, Var, Var)>& op) {
  expect_right({random({2, 3, 4}, 1), random({2, 3, 4}, 2)}, {},
               [&](Tape& t, const std::vector<Var>& in) { return op(t, in[0], in[1]); });
  // One value used twice: its two gradients are summed.
  expect_right({random({2, 3, 4}, 1)}, {},
               [&](Tape& t, const std::vector<Var>& in) { return op(t, in[0], in[0]); });
}

void check_dropout() {
  const DropoutKey key{0.4, 7, 3, 5};
  check_unary({2, 3, 6}, [&](Tape& t, Var z) { return dropout(t, z, key); });
  check_binary([&](Tape& t, Var shortcut, Var z) { return dropout(t, z, key, shortcut); });
}

void check_add_positions() {
  Parameter table = random_parameter("table", {3, 4}, 2);
  expect_right({random({2, 3, 4}, 1)}, {&table},
               [&](Tape& t, const std::vector<Var>& in) { return add_positions(t, in[0], table); });
}

void check_embedding() {
  Parameter table = random_parameter("table", {4, 3}, 2);
  expect_right({}, {&table}, [&](Tape& t, const std::vector<Var>&) {
    return embedding(t, {3, 0, 3, 1, 3, 0}, 2, table);  // some ids are repeated, 2 is absent
  });
}

void check_prepend_token() {
  Parameter token = random_parameter("token", {1, 1, 4}, 2);
  expect_right({random({2, 3, 4}, 1)}, {&token},
               [&](Tape& t, const std::vector<Var>& in) { return prepend_token(t, in[0], token); });
}

void check_split_half() {
  for (const bool second : {false, true}) {
    check_unary({2, 3, 6}, [&](Tape& t, Var x) { return split_half(t, x, second); });
  }
}

void check_linear_cross_entropy() {
  const std::vector<std::vector<int64_t>> scored{
      {2, -1, 0, 10, -100, 2}, {0, 1, 10, 3, 3, 9}, {-1, -1, -1, -1, -1, -1}};
  for (const std::vector<int64_t>& ids : scored) {
    Parameter table = random_parameter("table", {11, 7}, 2);
    Parameter b = random_parameter("bias", {11}, 3);
    for (Parameter* bias : {static_cast<Parameter*>(nullptr), &b}) {
      std::vector<Parameter*> parameters{&table};
      if (bias != nullptr) parameters.push_back(bias);
      expect_right({random({2, 3, 7}, 1)}, parameters, [&](Tape& t, const std::vector<Var>& in) {
        return linear_cross_entropy(t, in[0], table, bias, ids, 0.5);
      });
    }
  }
}

const std::map<std::string, std::function<void()>>& registry() {
  static const std::map<std::string, std::function<void()>> checks{
      {"linear", check_linear},
      {"layernorm", check_layernorm},
      {"spatial_project", check_spatial_project},
      {"attention", check_attention},
      {"head_attention", check_head_attention},
      {"dropout", check_dropout},
      {"add_positions", check_add_positions},
      {"transpose_tokens",
       [] {
         check_unary({2, 3, 4}, transpose_tokens);
       }},
      {"embedding", check_embedding},
      {"prepend_token", check_prepend_token},
      {"split_half", check_split_half},
      {"gelu",
       [] {
         check_unary({2, 3, 6}, gelu);
       }},
      {"mean_pool",
       [] {
         check_unary({2, 3, 6}, mean_pool);
       }},
      {"select_token",
       [] {
         check_unary({2, 3, 6}, [](Tape& t, Var x) { return select_token(t, x, 1); });
       }},
      {"drop_path",
       [] {
         check_unary({3, 2, 4}, [](Tape& t, Var x) { return drop_path(t, x, {0, 1.25, 1}); });
       }},
      {"add", [] { check_binary(add); }},
      {"multiply", [] { check_binary(multiply); }},
      {"cross_entropy",
       [] {
         check_unary({3, 4},
                     [](Tape& t, Var x) { return cross_entropy(t, x, soft_targets(3, 4), 0.5); });
       }},
      {"cross_entropy_ids",
       [] {
         check_unary({4, 3}, [](Tape& t, Var x) {
           return cross_entropy_ids(t, x, {2, -100, 0, 2}, 0.5);
         });
       }},
      {"linear_cross_entropy", check_linear_cross_entropy},
      {"select_rows", check_linear_cross_entropy},
      // f32 only, so compared with the f64 composition: tests/models/fused_agreement_test.cpp.
      {"fused_block", [] { SUCCEED(); }},
  };
  return checks;
}

}  // namespace

TEST_CASE("every op's gradient equals central differences", "[gradients]") {
  for (const auto& [name, check] : registry()) {
    SECTION(name) {
      check();
    }
  }
}

TEST_CASE("every op that autograd records has a gradient check", "[gradients]") {
  std::set<std::string> recorded;
  const std::regex call("record(?:_[a-z]+)?\\(\\s*(?:tape, )?\"([a-z_]+)\"");
  for (const auto& file :
       std::filesystem::directory_iterator(std::string(GMLP_SOURCE_DIR) + "/autograd")) {
    std::ifstream in(file.path());
    std::stringstream text;
    text << in.rdbuf();
    const std::string source = text.str();
    for (std::sregex_iterator match(source.begin(), source.end(), call), end; match != end;
         ++match) {
      recorded.insert((*match)[1]);
    }
  }
  CHECK(recorded.size() >= 16);
  for (const std::string& name : recorded) {
    INFO("op " << name << ": add it to the registry of this file");
    CHECK(registry().contains(name));
  }
}

}  // namespace gmlp
