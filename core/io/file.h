#pragma once
// Files that are whole or absent: written beside their final name, flushed to the disk, then
// renamed.
//
//   one file      write and fsync PATH.tmp-PID-N, rename it over PATH, fsync the folder
//   one folder    the caller fills PATH.tmp, then the kernel exchanges it with PATH in one step;
//                 on file systems without that: PATH -> PATH.old, PATH.tmp -> PATH
//
// A process killed at any moment leaves the old contents or the new ones under PATH. The one
// exception is the gap between the two renames, which recover_folder() repairs at the next start.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gmlp {

/// The whole file. Throws InputError that names it (absent, a folder, unreadable, larger than
/// `limit`). Allocates the file's size and one byte.
std::vector<char> read_file(const std::string& path, int64_t limit = INT64_MAX);
std::string read_text(const std::string& path, int64_t limit = INT64_MAX);

/// Writes, fsyncs and closes. Every failure, also of fsync, is a RunError that names the file and
/// the system's reason; it leaves nothing behind. Truncates an existing file first, so use it for
/// files of a folder that is not yet in its place. Devices and pipes are written without fsync.
void write_file_synced(const std::string& path, std::string_view bytes);

/// write_file_synced to a temporary in the same folder, rename over `path`, fsync the folder. Until
/// the rename `path` keeps its old contents. Follows a link to an existing file; writes a device or
/// pipe directly.
void write_file_atomic(const std::string& path, std::string_view bytes);

/// Removes the temporaries in `folder` that killed processes left.
void remove_stale_temporaries(const std::string& folder);

/// The folder in which to prepare a new version of the folder `path`: PATH.tmp.
std::string temporary_for(const std::string& path);

/// Replaces folder `path` (absent or not) by the finished folder `temporary` of the same parent,
/// whose files were written with write_file_synced: fsyncs `temporary`, exchanges the two, fsyncs
/// the parent, removes the old one. After a RunError `path` is still a whole folder, old or new,
/// and `temporary` may remain until recover_folder() removes it.
void replace_folder(const std::string& temporary, const std::string& path);

/// The same for file systems that cannot exchange two names: renames `path` to PATH.old, then
/// `temporary` to `path`. If the process is killed between the two, only recover_folder() makes
/// `path` loadable again.
void replace_folder_in_two_steps(const std::string& temporary, const std::string& path);

/// For the process that saves `path`, before it reads or replaces the folder. If `path` is absent
/// and PATH.old exists, renames PATH.old back; then removes PATH.tmp and PATH.old. Returns whether
/// something was renamed back.
bool recover_folder(const std::string& path);

/// fsyncs the names in a folder. Throws RunError.
void sync_folder(const std::string& path);

/// zlib's CRC-32 of any number of bytes.
uint32_t crc32_of(const void* bytes, int64_t size);

}  // namespace gmlp
