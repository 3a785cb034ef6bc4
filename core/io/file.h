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

namespace gmlp {

/// A descriptor of the file `path`, open for reading; the caller closes it. Every input file is
/// opened here. Throws InputError that names `path` if it is absent, unreadable, larger than
/// `limit` bytes, or no regular file: reading a pipe or a device could wait or go on for ever.
int open_input(const std::string& path, int64_t limit = INT64_MAX);

/// The bytes of the whole file, opened by open_input. Allocates the file's size and one byte.
std::string read_text(const std::string& path, int64_t limit = INT64_MAX);

/// Writes, fsyncs and closes. Every failure, also of fsync, is a RunError that names the file (or
/// `of`, whose temporary it is) and the system's reason, and removes the file. It first truncates
/// an existing one, so use it only in a folder that is not yet in its place. No fsync of devices.
void write_file_synced(const std::string& path, std::string_view bytes, const std::string& of = "");

/// write_file_synced to a temporary in the same folder, rename over `path`, fsync the folder. Until
/// the rename `path` keeps its old contents. Follows a link to an existing file; writes a device or
/// pipe directly.
void write_file_atomic(const std::string& path, std::string_view bytes);

/// The folder in which to prepare a new version of the folder `path`: PATH.tmp.
std::string temporary_for(const std::string& path);

/// Replaces folder `path` (absent or not) by the finished folder `temporary` of the same parent,
/// whose files were written with write_file_synced. After a RunError `path` is still a whole
/// folder, old or new, and `temporary` may remain until recover_folder() removes it. Tests simulate
/// a file system without exchange by `can_exchange`.
void replace_folder(const std::string& temporary, const std::string& path,
                    bool can_exchange = true);

/// Called by the process that saves `path`, before it reads or replaces the folder. If `path` is
/// absent and PATH.old exists, renames PATH.old back. Then removes PATH.tmp and PATH.old. Returns
/// whether it renamed a folder back.
bool recover_folder(const std::string& path);

/// The CRC-32 of zip and PNG over any number of bytes; of those that follow bytes whose CRC-32 is
/// `before`.
uint32_t crc32_of(const void* bytes, int64_t size, uint32_t before = 0);
/// The same as eight hexadecimal digits.
std::string hex_crc32(std::string_view bytes);

}  // namespace gmlp
