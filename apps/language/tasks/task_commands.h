#pragma once
// The verbs that know tasks. Each takes the arguments after its name and returns the exit status.

#include <string>
#include <vector>

namespace gmlp {

int language_finetune(const std::vector<std::string>& arguments);
/// eval and predict with --task.
int task_eval(const std::vector<std::string>& arguments);
int task_predict(const std::vector<std::string>& arguments);

/// Whether --task is among the arguments, or in their --config FILE: then eval and predict are
/// these.
bool names_task(const std::vector<std::string>& arguments);

}  // namespace gmlp
