#pragma once
// The subcommands of gmlp-vision beside train (train.h). Each takes the arguments after its name,
// returns the exit status and throws InputError for wrong usage or input.

#include <string>
#include <vector>

namespace gmlp {

int run_ablate(const std::vector<std::string>& arguments);
int run_eval(const std::vector<std::string>& arguments);
int run_predict(const std::vector<std::string>& arguments);
int run_export(const std::vector<std::string>& arguments);
int run_vision_report(const std::vector<std::string>& arguments);
int run_info(const std::vector<std::string>& arguments);

}  // namespace gmlp
