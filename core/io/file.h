#pragma once
// Files that are whole or absent: written beside their place, flushed to the disk, then renamed.
//
//   one file      PATH.tmp-PID-N written and fsynced, renamed over PATH, folder fsynced
//   one folder    PATH.tmp filled by the caller, then exchanged with PATH in one step of the
//   kernel;
//                 where a file system cannot do that: PATH -> PATH.old, PATH.tmp -> PATH
//
// A process killed at any moment leaves the old contents or the new ones under PATH, but for the
// gap between the two renames of the last line; recover_folder() closes it at the next start.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// The whole file. Throws InputError naming it (absent, a folder, unreadable, larger than `limit`).
/// Allocates the file's size and one byte more.
std::vector<char> read_file(const std::string& path, int64_t limit = INT64_MAX);
std::string read_text(const std::string& path, int64_t limit = INT64_MAX);

/// Writes, fsyncs and closes; every failure, fsync's too, is a RunError that names the file and the
/// system's reason, and leaves nothing behind. An existing file is truncated first, so this is for
/// files of a folder that is not in its place yet. Devices and pipes are written without fsync.
void write_file_synced(const std::string& path, std::string_view bytes);

/// write_file_synced to a temporary in the same folder, rename over `path`, fsync the folder. Until
/// the rename `path` keeps its old contents. A link to a file that is there is followed; a device
/// or pipe is written directly.
void write_file_atomic(const std::string& path, std::string_view bytes);

/// Removes what write_file_atomic left in `folder` when its process was killed.
void remove_stale_temporaries(const std::string& folder);

/// Where a new version of the folder `path` is to be prepared: PATH.tmp.
std::string temporary_for(const std::string& path);

/// Replaces folder `path` (absent or not) by the finished folder `temporary` of the same parent,
/// whose files were written with write_file_synced: fsyncs `temporary`, exchanges the two, fsyncs
/// the parent, then removes the old one. Throws RunError; then `path` is a whole folder still, old
/// or new, and `temporary` may remain until recover_folder() removes it.
void replace_folder(const std::string& temporary, const std::string& path);

/// The same for file systems that cannot exchange two names: `path` is renamed to PATH.old, then
/// `temporary` to `path`. Killed between the two, only recover_folder() makes `path` loadable
/// again.
void replace_folder_in_two_steps(const std::string& temporary, const std::string& path);

/// To be called before `path` is read or replaced, and by the process that saves it only: when
/// `path` is absent and PATH.old is there, renames it back; then removes PATH.tmp and PATH.old.
/// True when something was renamed back.
bool recover_folder(const std::string& path);

/// fsyncs the names in a folder. Throws RunError.
void sync_folder(const std::string& path);

/// zlib's CRC-32 of any number of bytes.
uint32_t crc32_of(const void* bytes, int64_t size);

}  // namespace gmlp
