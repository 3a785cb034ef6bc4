#include "apps/train/curves.h"

#include <cmath>

#include "apps/train/metrics.h"
#include "apps/train/chart.h"

namespace gmlp {

std::string draw_epoch_curves(const std::string& title, const std::string& metrics_path,
                              const std::string& score) {
  Curve train{"train", "#1f77b4", {}};
  Curve val{"validation", "#d62728", {}};
  Curve reached{"validation", "#d62728", {}};
  for (const EpochRecord& row : read_metrics(metrics_path)) {
    const double epoch = static_cast<double>(row.epoch);
    if (std::isfinite(row.train_loss)) train.points.emplace_back(epoch, row.train_loss);
    if (!row.validated) continue;
    if (std::isfinite(row.val_loss)) val.points.emplace_back(epoch, row.val_loss);
    reached.points.emplace_back(epoch, row.val_metric);
  }
  return draw_svg(title, {{"Loss", "epoch", "cross-entropy", {train, val}},
                          {score, "epoch", score + " (%)", {reached}}});
}

}  // namespace gmlp
