#pragma once
// report.html: one page that shows a run, or several beside each other, in any browser and without
// a network. CMake embeds page.html with page.css and page.js into the program (page.h.in).

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "autograd/tape.h"
#include "core/io/json.h"
#include "models/gmlp_block.h"

namespace gmlp {

/// The page of `folders`. `add` adds what only the model of a single run tells; `note` becomes the
/// reason if it cannot.
std::string report_page(const std::vector<std::string>& folders,
                        const std::function<void(Json& run)>& add, std::string& note);

/// `PROGRAM report RUN...`; `evaluate` is report_page's `add`. Returns the exit status.
int run_report(const std::string& program, const std::vector<std::string>& arguments,
               const std::function<void(Json& run)>& evaluate);

std::string base64(std::string_view bytes);
/// W of as many blocks as fit the page, as bytes q of scale * q * |q| / 127²: small weights keep
/// their shade. The last rows * columns tokens are the patches of an image, or a text in one row.
Json inspect_weights(const std::vector<Tensor>& weights, int64_t rows, int64_t columns);

/// Per block and token the mean over channels of |u * (W v + b)|, or what the gate makes instead.
/// `tape` holds one sample's forward on the reference backend, which composes blocks of ops.
Json inspect_gates(const Tape& tape, const BlockConfig& block);

}  // namespace gmlp
