// Weights that were trained on other images: gray or color ones, or of another number of patches.
//
//   stem.proj.weight   3 channels to 1: their sum, as timm; 1 to 3: a third for each
//   gate.proj.bias     b (N) to (N'): resized as an image of patches, bicubic, as Pillow does
//   gate.proj.weight   W (N, N) to (N', N'): the same for each column and each row, times N / N',
//                      which keeps the sums over tokens
//
// A class token, in front of the patches, keeps its weights. Only square images are resized.

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <set>
#include <unsupported/Eigen/KroneckerProduct>

#include <fmt/format.h>

#include "apps/vision/weights.h"

namespace gmlp {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Keys' cubic kernel with a = -0.5 (1981).
double cubic(double x) {
  x = std::abs(x);
  if (x >= 2) return 0;
  return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((2.5 - 0.5 * x) * x - 4) * x + 2;
}

/// (to, from): row i has the weights of all pixels in pixel i of the resized line. The kernel is
/// wider when it shrinks, against aliasing.
Matrix line_resize(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  Matrix matrix(to, from);
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    for (int64_t j = 0; j < from; ++j) {
      matrix(i, j) = cubic((static_cast<double>(j) + 0.5 - center) / std::max(scale, 1.0));
    }
    matrix.row(i) /= matrix.row(i).sum();
  }
  return matrix;
}

/// The same for all tokens: `prefix` tokens that stay, then the patches of a square image.
Matrix token_resize(int64_t from, int64_t to, int64_t prefix) {
  const Matrix line = line_resize(from, to);
  const Matrix patches = Eigen::kroneckerProduct(line, line);
  Matrix matrix = Matrix::Identity(prefix + patches.rows(), prefix + patches.cols());
  matrix.bottomRightCorner(patches.rows(), patches.cols()) = patches;
  return matrix;
}

/// Fills `into` and returns a line for the log; "" if it cannot.
std::string convert_gate(const VisionConfig& config, const Matrix& stored, Matrix& into) {
  const int64_t prefix = config.class_token ? 1 : 0;
  const double patches = static_cast<double>(stored.rows() - prefix);
  const int64_t from = std::llround(std::sqrt(std::max(patches, 0.0)));
  const int64_t to = config.img_height / config.patch;
  const bool square = from * from + prefix == stored.rows() && to * to + prefix == into.rows();
  const bool bias = into.cols() == 1;
  if (from == 0 || !square || stored.cols() != (bias ? 1 : stored.rows())) return "";
  const Matrix resize = token_resize(from, to, prefix);
  Matrix columns = bias ? Matrix::Ones(1, 1) : resize;
  if (!bias) columns.bottomRows(to * to) *= patches / static_cast<double>(to * to);
  into = resize * stored * columns.transpose();
  return fmt::format("init: the spatial weights are resized from {0} x {0} patches to {1} x {1}",
                     from, to);
}

/// The same for (D, C, P, P), as matrices (D, C P P).
std::string convert_stem(int64_t from, int64_t to, const Matrix& stored, Matrix& into) {
  const int64_t pixels = stored.cols() / from;
  if (stored.rows() != into.rows() || pixels * to != into.cols() || from * to != 3) return "";
  if (to == 3) {
    into << stored / 3, stored / 3, stored / 3;
  } else {
    into = stored.leftCols(pixels) + stored.middleCols(pixels, pixels) + stored.rightCols(pixels);
  }
  return fmt::format("init: the stem's weights of {} channels are {} for {}", from,
                     to == 1 ? "summed" : "divided", to);
}

Matrix matrix_of(const Tensor& tensor) {
  const int64_t rows = tensor.shape()[0];
  Matrix matrix(rows, tensor.elements() / rows);
  for (int64_t i = 0; i < tensor.elements(); ++i) matrix.data()[i] = tensor.at(i);
  return matrix;
}

}  // namespace

std::vector<std::string> initialize_from(VisionModel& model, const std::string& path) {
  std::set<std::string> lines;  // one for all blocks
  const auto convert = [&](const std::string& name, const Tensor& stored, const Tensor& into) {
    const Shape& shape = stored.shape();
    if (shape.rank() != into.shape().rank() || shape.elements() == 0) return false;
    const Matrix source = matrix_of(stored);
    Matrix result = matrix_of(into);
    std::string line;
    if (name == "stem.proj.weight" && shape.rank() == 4) {
      line = convert_stem(shape[1], into.shape()[1], source, result);
    } else if (name.find(".gate.proj.") != std::string::npos) {
      line = convert_gate(model.config(), source, result);
    }
    if (line.empty()) return false;
    into.copy_from(Tensor::over(result.data(), DType::kF64, into.shape()));
    lines.insert(line);
    return true;
  };
  std::vector<std::string> notes = initialize_from(model, path, convert);
  notes.insert(notes.end(), lines.begin(), lines.end());
  return notes;
}

}  // namespace gmlp
