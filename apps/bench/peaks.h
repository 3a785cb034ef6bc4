#pragma once
// What the machine could do at most, measured in the same run as what it does.

#include <string>

namespace gmlp {

constexpr double kPeakSeconds = 0.05;  // for one probe
constexpr int kPeakAttempts = 3;       // at most so many measurements, while the peak moves

/// GFLOP/s of `threads` threads doing nothing but multiply-adds on registers, the best of a few
/// bursts, `seconds` in all; in "bf16", dot products of pairs where this instruction set has them.
double peak_gflops(const std::string& precision, int threads, double seconds);

/// GB/s of a += s b over arrays far larger than the caches: a is read and written, b is read. In
/// place, so that no line is fetched only to be overwritten, and what is counted is what moves.
double triad_gigabytes(int threads);

}  // namespace gmlp
