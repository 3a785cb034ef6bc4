// A save has five steps that can fail: create, write, fsync, close, rename. Only after the folder's
// fsync is the rename on the disk. System calls are used directly, because the standard library's
// streams have no fsync and hide which step failed and why.
#include "core/io/file.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

namespace gmlp {

namespace {

namespace fs = std::filesystem;

constexpr const char* kRenaming = "renaming into place";

// Unlike strerror, safe to call from any thread.
std::string reason_of(int error) {
  return std::generic_category().message(error);
}

const char* remedy_of(int error) {
  if (error == ENOSPC || error == EDQUOT) return "free some space or choose another folder";
  if (error == EACCES || error == EPERM || error == EROFS) return "choose a writable folder";
  if (error == ENOENT || error == ENOTDIR) return "create its folder first";
  if (error == EISDIR) return "it is a folder, name a file";
  return "check the disk and try again";
}

[[noreturn]] void fail_system(const std::string& path, const char* step, int error) {
  fail_run("{}: {} failed: {}; {}", path, step, reason_of(error), remedy_of(error));
}

// An open file that is closed on every way out.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) {
    do {
      number_ = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    } while (number_ < 0 && errno == EINTR);  // a signal is no failure
  }
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool valid() const { return number_ >= 0; }
  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

  // The error number, 0 for success. Linux closes the file even if a signal interrupts the call.
  int close() {
    if (number_ < 0) return 0;
    const int result = ::close(release());
    return result == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int number_ = -1;
};

void check_limit(const std::string& path, int64_t size, int64_t limit) {
  if (size <= limit) return;
  fail_input("{}: is {} bytes or more, at most {} are accepted; is it the right file?", path, size,
             limit);
}

// write() may accept only a part, on a full disk or a signal; writing the rest shows the error.
void write_all(int number, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(number, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_system(path, "writing", written == 0 ? EIO : errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// The folder that contains `path`, whose fsync makes a rename durable.
std::string parent_of(const std::string& path) {
  const std::string parent = fs::path(without_trailing_slashes(path)).parent_path().string();
  return parent.empty() ? "." : parent;
}

void rename_or_fail(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_system(to, kRenaming, errno);
}

// Flushes the names in a folder to the disk.
void sync_folder(const std::string& path) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  if (!folder.valid()) fail_system(path, "opening the folder", errno);
  // EINVAL: this file system has no fsync for folders; no write failed.
  if (::fsync(folder.number()) != 0 && errno != EINVAL) {
    fail_system(path, "flushing the folder to the disk", errno);
  }
}

// Best effort: recover_folder removes what is left at the next start.
void remove_leftover(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// True for a link without a target too: a rename would replace it.
bool exists(const std::string& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}

// Exchanges two names in one step, or fails with ENOSYS on systems that have no such call.
int exchange_names([[maybe_unused]] const std::string& a, [[maybe_unused]] const std::string& b) {
#if defined(RENAME_EXCHANGE)  // <cstdio> of glibc
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
#else
  errno = ENOSYS;
  return -1;
#endif
}

// Eight bytes per step: the CRC of byte k of eight is that of a byte with 7 - k zeros behind it
// (Kounavis and Berry, "A systematic approach to building high performance CRC", 2005).
constexpr std::array<std::array<uint32_t, 256>, 8> kCrcTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320 : 0);
    tables[0][i] = crc;
  }
  for (size_t i = 0; i < 7 * 256; ++i) {
    const uint32_t crc = tables[i / 256][i % 256];
    tables[i / 256 + 1][i % 256] = (crc >> 8) ^ tables[0][crc & 255];
  }
  return tables;
}();

}  // namespace

void write_file_synced(const std::string& path, std::string_view bytes, const std::string& of) {
  const std::string& shown = of.empty() ? path : of;
  Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.valid()) fail_system(shown, "creating", errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_system(shown, "examining", errno);
  const bool regular = S_ISREG(status.st_mode);
  try {
    write_all(file.number(), bytes, shown);
    // Never retry a failed fsync: the kernel has dropped the pages and would report success for
    // data that is not on the disk.
    if (regular && ::fsync(file.number()) != 0) fail_system(shown, "flushing to the disk", errno);
    const int error = file.close();
    if (error != 0) fail_system(shown, "closing", error);
  } catch (const RunError&) {
    if (regular) ::unlink(path.c_str());  // but never a device such as /dev/full
    throw;
  }
}

int open_input(const std::string& path, int64_t limit) {
  // Without O_NONBLOCK the opening of a pipe waits for its writer. Files ignore it.
  Descriptor file(path, O_RDONLY | O_NONBLOCK);
  struct stat status {};
  const bool opened = file.valid() && ::fstat(file.number(), &status) == 0;
  if (!opened && errno != ENXIO) {
    fail_input("{}: cannot be opened: {}; check the path", path, reason_of(errno));
  }
  if (S_ISDIR(status.st_mode)) fail_input("{}: is a folder; name a file", path);
  if (!opened || !S_ISREG(status.st_mode)) {  // a socket cannot even be opened
    fail_input("{}: is not a regular file but a pipe, a socket or a device; copy it to a file",
               path);
  }
  check_limit(path, status.st_size, limit);
  return file.release();
}

// The size from fstat is only a hint: the file may grow or
// shrink while it is read, and /proc reports none. The end is where read() finds it.
std::string read_text(const std::string& path, int64_t limit) {
  const Descriptor file(open_input(path, limit));
  struct stat status {};
  const int64_t size = ::fstat(file.number(), &status) == 0 ? status.st_size : 0;
  // One byte more than the file has, so that its end shows without a second allocation.
  std::string bytes(static_cast<size_t>(std::max<int64_t>(size, 0)) + 1, '\0');
  size_t filled = 0;
  while (true) {
    const ssize_t got = ::read(file.number(), bytes.data() + filled, bytes.size() - filled);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_input("{}: cannot be read: {}; check the disk", path, reason_of(errno));
    filled += static_cast<size_t>(got);
    check_limit(path, static_cast<int64_t>(filled), limit);
    if (filled == bytes.size()) bytes.resize(std::max<size_t>(2 * filled, 4096));
  }
  bytes.resize(filled);
  return bytes;
}

void write_file_atomic(const std::string& path, std::string_view bytes) {
  struct stat status {};
  const bool found = ::stat(path.c_str(), &status) == 0;
  if (found && S_ISDIR(status.st_mode)) fail_system(path, "writing", EISDIR);
  // /dev/stdout, /dev/null, a pipe: a rename would replace the device itself.
  if (found && !S_ISREG(status.st_mode)) return write_file_synced(path, bytes);
  // A rename would replace a link itself, so resolve it to the file that it names.
  std::error_code failed;
  const std::string resolved = found ? fs::canonical(path, failed).string() : path;
  const std::string target = failed ? path : resolved;
  // The process and a count in the name: two writers never share a temporary.
  static std::atomic<int> counter{0};
  const std::string temporary = fmt::format("{}.tmp-{}-{}", target, ::getpid(), counter++);
  write_file_synced(temporary, bytes, path);
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    const int error = errno;  // unlink may overwrite it
    ::unlink(temporary.c_str());
    fail_system(path, kRenaming, error);
  }
  sync_folder(parent_of(target));
}

std::string temporary_for(const std::string& path) {
  return without_trailing_slashes(path) + ".tmp";
}

void replace_folder(const std::string& temporary, const std::string& path, bool can_exchange) {
  const std::string target = without_trailing_slashes(path);
  const std::string old = target + ".old";
  sync_folder(temporary);
  if (!exists(target)) {
    rename_or_fail(temporary, target);
  } else if (!can_exchange || exchange_names(temporary, target) != 0) {
    // EINVAL and ENOSYS: the file system or the kernel cannot exchange names.
    if (can_exchange && errno != EINVAL && errno != ENOSYS) fail_system(path, kRenaming, errno);
    remove_leftover(old);  // a rename does not replace a folder that contains files
    rename_or_fail(target, old);
    if (::rename(temporary.c_str(), target.c_str()) != 0) {
      const int error = errno;
      rename_or_fail(old, target);  // undo: "rename_or_fail(target, old)"
      fail_system(path, kRenaming, error);
    }
  }
  sync_folder(parent_of(target));
  remove_leftover(temporary);  // after an exchange, the old version
  remove_leftover(old);
}

bool recover_folder(const std::string& path) {
  const std::string target = without_trailing_slashes(path);
  const std::string old = target + ".old";
  // Only the gap between the two renames looks like this. PATH.tmp is whole then too, but nothing
  // distinguishes it from an unfinished one, while PATH.old has always been loadable.
  const bool interrupted = !exists(target) && exists(old);
  if (interrupted) {
    rename_or_fail(old, target);
    sync_folder(parent_of(target));
  }
  remove_leftover(temporary_for(target));
  remove_leftover(old);
  return interrupted;
}

uint32_t crc32_of(const void* bytes, int64_t size, uint32_t before) {
  const auto* byte = static_cast<const uint8_t*>(bytes);
  uint32_t crc = ~before;
  for (; size >= 8; size -= 8, byte += 8) {
    uint32_t next = 0;
    for (uint32_t k = 0; k < 8; ++k) {
      next ^= kCrcTables[7 - k][byte[k] ^ (k < 4 ? crc >> (8 * k) & 255 : 0)];
    }
    crc = next;
  }
  for (; size > 0; --size) crc = (crc >> 8) ^ kCrcTables[0][(crc ^ *byte++) & 255];
  return ~crc;
}

std::string hex_crc32(std::string_view bytes) {
  return fmt::format("{:08x}", crc32_of(bytes.data(), std::ssize(bytes)));
}

}  // namespace gmlp
