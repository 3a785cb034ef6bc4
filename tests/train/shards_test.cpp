// The gradient of shards on one rank; tests/apps/ranks.sh has more ranks.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "apps/ranks/sharded_gradients.h"
#include "core/error.h"
#include "core/random.h"
#include "models/checkpoint/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/train/run_helpers.h"

using gmlp::Parameter;
using gmlp::ShardedGradients;
using gmlp::Tensor;
using gmlp::test::TemporaryFolder;
using gmlp::test::tiny_run;
using gmlp::test::train_with;

namespace {

/// What the gradient of shard `shard` is at an element: any number with rounding errors in sums.
float term(int64_t shard, size_t parameter, int64_t element) {
  gmlp::Random random(7, gmlp::Purpose::kInit, static_cast<uint64_t>(shard),
                      parameter * 1000 + static_cast<uint64_t>(element));
  return static_cast<float>(random.uniform());
}

/// The definition: shards [first, first + count) as a binary tree.
float tree(int64_t first, int64_t count, size_t parameter, int64_t element) {
  if (count == 1) return term(first, parameter, element);
  const int64_t half = count / 2;
  return tree(first, half, parameter, element) + tree(first + half, half, parameter, element);
}

}  // namespace

TEST_CASE("the gradient of shards is a binary tree of sums, also where blocks leave early") {
  std::vector<Parameter> owners(4);
  std::vector<Parameter*> parameters;
  const std::vector<std::string> names = {"blocks.1.w", "stem.w", "blocks.0.w", "blocks.1.b"};
  for (size_t i = 0; i < owners.size(); ++i) {
    const int64_t columns = static_cast<int64_t>(i) + 3;
    owners[i] = {names[i], Tensor::zeros(gmlp::DType::kF32, {5, columns}),
                 Tensor::zeros(gmlp::DType::kF32, {5, columns})};
    parameters.push_back(&owners[i]);
  }
  for (const int64_t shards : {1, 2, 4, 8, 16}) {
    ShardedGradients gradients(parameters, shards);
    REQUIRE(gradients.first() == 0);
    REQUIRE(gradients.end() == shards);
    for (int step = 0; step < 2; ++step) {  // the second uses the memory of the first
      const auto add = [&](int64_t shard, size_t i) {
        float* grad = parameters[i]->grad.data<float>();
        for (int64_t j = 0; j < parameters[i]->grad.elements(); ++j) grad[j] += term(shard, i, j);
      };
      for (int64_t shard = 0; shard < shards; ++shard) {
        add(shard, 0);
        add(shard, 3);
        gradients.finish_block(1);
        add(shard, 2);
        gradients.finish_block(0);
        add(shard, 1);
        gradients.finish_shard();
      }
      for (size_t i = 0; i < parameters.size(); ++i) {
        for (int64_t j = 0; j < parameters[i]->grad.elements(); ++j) {
          INFO(shards << " shards, " << names[i] << " element " << j);
          REQUIRE(parameters[i]->grad.data<float>()[j] == tree(0, shards, i, j));
        }
        parameters[i]->grad.fill(0);
      }
    }
  }
  REQUIRE_THROWS_AS(ShardedGradients(parameters, 6), gmlp::InputError);
}

TEST_CASE("shards have the gradient of the whole batch, but for rounding") {
  const TemporaryFolder scratch;
  std::vector<std::vector<double>> weights;
  for (const char* shards : {"1", "4", "8"}) {
    const std::string out = scratch / ("shards" + std::string(shards));
    const std::vector<std::string> more = {"--precision", "f64",      "--max-steps",
                                           "4",           "--shards", shards};
    REQUIRE(train_with(tiny_run(out, more)) == 0);
    const gmlp::Checkpoint checkpoint = gmlp::open_checkpoint(out + "/checkpoints/last");
    weights.emplace_back();
    for (const gmlp::SafetensorsFile::Entry& entry : checkpoint.model.entries()) {
      const Tensor tensor = checkpoint.model.read(entry.name, gmlp::DType::kF64);
      for (int64_t i = 0; i < tensor.elements(); ++i) weights.back().push_back(tensor.at(i));
    }
  }
  double greatest = 0;
  for (size_t i = 0; i < weights[0].size(); ++i) {
    for (size_t other : {1U, 2U}) {
      greatest = std::max(greatest, std::abs(weights[other][i] - weights[0][i]));
    }
  }
  CHECK(weights[1] != weights[0]);  // another order of sums
  CHECK(greatest < 1e-9);
}
