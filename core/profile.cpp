#include "core/profile.h"

#include <chrono>
#include <string_view>
#include <vector>

namespace gmlp {

namespace {

using Clock = std::chrono::steady_clock;

// One thread at a time uses these: the one that runs the step.
bool measuring = false;
Clock::time_point last;
std::vector<ProfileEntry> entries;

}  // namespace

void profile_mark(const char* name, const char* phase) {
  if (!measuring) return;
  const Clock::time_point now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - last).count();
  last = now;
  for (ProfileEntry& entry : entries) {
    if (std::string_view(entry.name) == name && std::string_view(entry.phase) == phase) {
      entry.seconds += seconds;
      ++entry.marks;
      return;
    }
  }
  entries.push_back({phase, name, seconds, 1});
}

void profile_start() {
  entries.clear();
  measuring = true;
  last = Clock::now();
}

void profile_stop() {
  measuring = false;
}

std::span<const ProfileEntry> profile_entries() {
  return entries;
}

}  // namespace gmlp
