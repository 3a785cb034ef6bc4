#pragma once
// A bar chart as a CSV file, so that measured numbers can be kept, edited and drawn again:
//
//   # the title                   the first line
//   # the subtitle                machine, command and date
//   % of the peak,gmlp,oneDNN     what the bars measure, then the series
//   gemm 196x768x196,81.2,        a group of bars; an empty field draws none

#include "apps/bench/options.h"
#include "apps/train/svg.h"

namespace gmlp {

/// Writes --csv and --svg, if given.
void write_chart(const BarChart& chart, const BenchOptions& options);

}  // namespace gmlp
