#include "models/generate.h"

#include <algorithm>

#include "core/random.h"
#include "core/softmax.h"

namespace gmlp {

int64_t sample(const std::vector<double>& logits, const std::vector<int64_t>& allowed,
               const SamplingOptions& options, int64_t draw) {
  const auto more_likely = [&](int64_t a, int64_t b) {
    const double left = logits[static_cast<size_t>(a)];
    const double right = logits[static_cast<size_t>(b)];
    return left > right || (left == right && a < b);
  };
  if (options.temperature == 0) {
    return *std::min_element(allowed.begin(), allowed.end(), more_likely);
  }
  std::vector<int64_t> ids = allowed;
  std::sort(ids.begin(), ids.end(), more_likely);
  if (options.top_k > 0) ids.resize(std::min(ids.size(), static_cast<size_t>(options.top_k)));

  std::vector<double> p(ids.size());
  const double highest = logits[static_cast<size_t>(ids.front())];
  for (size_t i = 0; i < ids.size(); ++i) {
    p[i] = (logits[static_cast<size_t>(ids[i])] - highest) / options.temperature;
  }
  softmax(p.data(), p.data(), static_cast<int64_t>(p.size()));
  // The nucleus: the fewest, most likely ids that reach top_p (Holtzman et al. 2020).
  double nucleus = 0;
  size_t count = 0;
  while (count < p.size() && (count == 0 || nucleus < options.top_p)) nucleus += p[count++];

  Random random(options.seed, Purpose::kSample, static_cast<uint64_t>(draw));
  double rest = random.uniform() * nucleus;
  for (size_t i = 0; i + 1 < count; ++i) {
    rest -= p[i];
    if (rest < 0) return ids[i];
  }
  return ids[count - 1];
}

Generator::Generator(const LanguageModel& model, const std::vector<int64_t>& allowed,
                     const std::vector<int64_t>& prompt, const SamplingOptions& options)
    : decoder_(model), window_(model.config().block.tokens), allowed_(allowed), options_(options) {
  // A long prompt is cut to what the window holds beside the first tokens of the answer.
  const size_t most = static_cast<size_t>(std::max<int64_t>(1, window_ - window_ / 2));
  const size_t skipped = prompt.size() > most ? prompt.size() - most : 0;
  ids_.assign(prompt.begin(), prompt.begin() + static_cast<int64_t>(skipped));
  for (size_t i = skipped; i < prompt.size(); ++i) logits_ = &feed(prompt[i]);
}

const std::vector<double>& Generator::feed(int64_t id) {
  ids_.push_back(id);
  if (decoder_.position() < window_) return decoder_.feed(id);
  decoder_.reset();
  const size_t again = static_cast<size_t>(window_ / 2);  // tokens before this one
  for (size_t i = ids_.size() - 1 - again; i + 1 < ids_.size(); ++i) decoder_.feed(ids_[i]);
  return decoder_.feed(id);
}

int64_t Generator::next() {
  const int64_t id = sample(*logits_, allowed_, options_, draws_++);
  logits_ = &feed(id);
  return id;
}

}  // namespace gmlp
