#pragma once
// The subcommands of gmlp-language. Each takes the arguments after its name and returns the exit
// status. All throw InputError for wrong usage or input.

#include <string>
#include <vector>

namespace gmlp {

int language_tokenizer(const std::vector<std::string>& arguments);
int language_pretrain(const std::vector<std::string>& arguments);
int language_finetune(const std::vector<std::string>& arguments);
int language_eval(const std::vector<std::string>& arguments);
int language_fill(const std::vector<std::string>& arguments);
int language_generate(const std::vector<std::string>& arguments);
int language_predict(const std::vector<std::string>& arguments);
int language_ablate(const std::vector<std::string>& arguments);
int language_info(const std::vector<std::string>& arguments);

}  // namespace gmlp
