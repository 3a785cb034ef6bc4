#pragma once
// Where the time of a step is spent. The thread that runs the step calls profile_mark() at the end
// of each piece of work. All time since the previous mark is added to that name, so the pieces add
// up to the whole. When off, a mark costs one comparison. Kernel sources call it: no inline code.

#include <cstddef>
#include <span>

namespace gmlp {

/// Adds the time since the previous mark (or profile_start) to `name`, a string literal. `phase`
/// tells apart the marks of an op that is marked in both directions, such as "forward".
void profile_mark(const char* name, const char* phase = "");

/// Clears all entries and starts measuring.
void profile_start();
/// Stops measuring; the entries stay until the next start.
void profile_stop();

struct ProfileEntry {
  const char* phase;  // "" if none was given
  const char* name;
  double seconds;
  size_t marks;
};
/// The entries, in the order of their first marks; valid until the next mark.
std::span<const ProfileEntry> profile_entries();

}  // namespace gmlp
