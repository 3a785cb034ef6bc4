#pragma once
// The subcommands of gmlp-language. Each takes the arguments after its name and returns the exit
// status. All throw InputError for wrong usage or input.

#include <string>
#include <vector>

#include "apps/language/options.h"
#include "apps/train/trainer.h"

namespace gmlp {

int language_tokenizer(const std::vector<std::string>& arguments);
int language_finetune(const std::vector<std::string>& arguments);
int language_eval(const std::vector<std::string>& arguments);
int language_fill(const std::vector<std::string>& arguments);
int language_generate(const std::vector<std::string>& arguments);
int language_predict(const std::vector<std::string>& arguments);
int language_export(const std::vector<std::string>& arguments);
int language_ablate(const std::vector<std::string>& arguments);
int language_report(const std::vector<std::string>& arguments);
int language_info(const std::vector<std::string>& arguments);

/// Trains and returns the exit status. `hooks` are for tests.
int pretrain(const PretrainOptions& options, const Trainer::Hooks& hooks = {});

}  // namespace gmlp
