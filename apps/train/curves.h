#pragma once
// results.svg of a run that is judged by a percentage: its losses and that score by epochs.

#include <string>

namespace gmlp {

/// `score` names what metrics.csv has in its fifth column: "Accuracy", "F1".
std::string draw_epoch_curves(const std::string& title, const std::string& metrics_path,
                              const std::string& score);

}  // namespace gmlp
