#pragma once
// Tables of examples, with named columns:
//
//   .csv              fields separated by commas, or by semicolons if the first line has no comma;
//                     "quoted" fields may hold separators, line ends and doubled quotation marks
//   .jsonl, .ndjson   a JSON object per line; its keys are the columns
//   any other         fields separated by tabs; a quotation mark is an ordinary character

#include <functional>
#include <string>
#include <vector>

#include "data/text/utf8.h"

namespace gmlp {

using Names = std::vector<std::string>;

/// The names in a table's first line. In JSON, the keys of the first object.
Names table_columns(const std::string& path);

/// Calls `use` with the fields of `columns` of each row, its place, "FILE: line 7", and its number
/// from 0. It may throw InputError for a row that it cannot use; this row is then `bad`, as is one
/// that is not UTF-8. Throws InputError if a column is absent or there twice.
void read_table(
    const std::string& path, const Names& columns, BadRows& bad,
    const std::function<void(Names& fields, const std::string& place, int64_t row)>& use);

}  // namespace gmlp
