#pragma once
// Where the time of a step goes. The thread that runs the step calls profile_mark() at the end of
// each piece of work; all time since the mark before belongs to that name, so the pieces add up to
// the whole. Off, a mark costs one comparison. No function here is inline: kernel sources call
// them.

#include <cstddef>

namespace gmlp {

/// The time since the last mark (or since profile_start) was spent on `name`, a string literal; or
/// on `phase` of it, such as "forward" of an op that is marked in both directions.
void profile_mark(const char* name);
void profile_mark(const char* phase, const char* name);

/// Forgets everything and begins to measure.
void profile_start();
/// Ends measuring; what was measured stays until the next start.
void profile_stop();
/// What was measured, in the order of first marks.
struct ProfileEntry {
  const char* phase;  // "" where none was given
  const char* name;
  double seconds;
  size_t marks;
};
size_t profile_count();
ProfileEntry profile_entry(size_t i);

}  // namespace gmlp
