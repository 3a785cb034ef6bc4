// Reading and saving files. A save has five steps that can fail: create, write, fsync, close,
// rename. Each is checked, and until the last one the old contents stay untouched under their name.
// Only after the folder's own fsync is the rename itself on the disk.
//
// System calls are used directly: the standard library's streams have no fsync, and they hide which
// step failed and why.
#include "core/io/file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "core/error.h"

namespace gmlp {

namespace {

namespace fs = std::filesystem;

constexpr const char* kTemporaryMark = ".tmp-";

// Unlike strerror, safe to call from any thread.
std::string reason_of(int error) {
  return std::generic_category().message(error);
}

// What to do about an error of a write.
const char* remedy_of(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return "free some space or choose another folder";
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a folder that may be written to";
    case ENOENT:
    case ENOTDIR:
      return "create its folder first";
    case EISDIR:
      return "it is a folder, name a file";
    default:
      return "check the disk and try again";
  }
}

// The one form of a failed save: the thing, the step, the system's reason, the remedy.
[[noreturn]] void fail_system(const std::string& path, const char* step, int error) {
  fail_run("{}: {} failed: {}; {}", path, step, reason_of(error), remedy_of(error));
}

// An open file that is closed on every way out.
class Descriptor {
 public:
  Descriptor(const std::string& path, int flags) {
    do {
      number_ = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
    } while (number_ < 0 && errno == EINTR);  // a signal such as Ctrl-C is no failure
  }
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  bool valid() const { return number_ >= 0; }
  int number() const { return number_; }

  // The error number, 0 for success. Linux has closed the file even when a signal came in between.
  int close() {
    if (number_ < 0) return 0;
    const int result = ::close(number_);
    number_ = -1;
    return result == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int number_ = -1;
};

// read() as long as signals interrupt it. Bytes read, 0 at the end of the file.
int64_t read_some(int number, char* target, int64_t size, const std::string& path) {
  while (true) {
    const ssize_t got = ::read(number, target, static_cast<size_t>(size));
    if (got >= 0) return got;
    if (errno != EINTR) {
      fail_input("{}: cannot be read: {}; check the disk", path, reason_of(errno));
    }
  }
}

// The body of read_file and read_text. The size that the system tells is a hint only: the file may
// grow or shrink while it is read, so what counts is where read() finds the end.
template <typename Bytes>
Bytes read_all(const std::string& path, int64_t limit) {
  const Descriptor file(path, O_RDONLY);
  if (!file.valid()) {
    fail_input("{}: cannot be opened: {}; check the path", path, reason_of(errno));
  }
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) {
    fail_input("{}: cannot be examined: {}; check the path", path, reason_of(errno));
  }
  if (S_ISDIR(status.st_mode)) fail_input("{}: is a folder; name a file", path);
  const auto check_limit = [&](int64_t size) {
    if (size > limit) {
      fail_input("{}: is {} bytes or more, at most {} are accepted; is it the right file?", path,
                 size, limit);
    }
  };
  check_limit(status.st_size);
  // One byte more than the file has shows its end without a second allocation. Pipes and /proc tell
  // no size: those grow.
  Bytes bytes(static_cast<size_t>(std::max<int64_t>(status.st_size, 0)) + 1, '\0');
  int64_t filled = 0;
  while (true) {
    const int64_t capacity = static_cast<int64_t>(bytes.size());
    const int64_t got = read_some(file.number(), bytes.data() + filled, capacity - filled, path);
    if (got == 0) break;
    filled += got;
    check_limit(filled);
    if (filled == capacity)
      bytes.resize(static_cast<size_t>(std::max<int64_t>(capacity * 2, 4096)));
  }
  bytes.resize(static_cast<size_t>(filled));
  return bytes;
}

// A write may take a part of what it is given, at a full disk or a signal; the rest goes in again,
// and then the error, if there is one, shows.
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

// The folder that holds the name `path`, whose fsync makes a rename last.
std::string parent_of(const std::string& path) {
  const std::string parent = fs::path(without_trailing_slashes(path)).parent_path().string();
  return parent.empty() ? "." : parent;
}

void rename_or_fail(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail_system(to, "renaming into place", errno);
}

// Best effort: what is left is found and removed by recover_folder at the next start, while the
// files that were to be saved are saved.
void remove_leftover(const std::string& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

// A link without a target is there too: a rename would hit it.
bool is_there(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0;
}

// The process that made a temporary called NAME.tmp-PID-N; 0 for every other file.
pid_t owner_of(const std::string& name) {
  const size_t mark = name.rfind(kTemporaryMark);
  if (mark == std::string::npos) return 0;
  const std::string digits = name.substr(mark + std::string_view(kTemporaryMark).size());
  const size_t dash = digits.find('-');
  if (dash == std::string::npos || dash == 0 || dash + 1 == digits.size()) return 0;
  if (digits.find_first_not_of("0123456789-") != std::string::npos) return 0;
  return static_cast<pid_t>(std::strtol(digits.c_str(), nullptr, 10));
}

// Errors speak of `shown`: the file that the user named, where `path` is its temporary.
void write_synced(const std::string& path, const std::string& shown, std::string_view bytes) {
  Descriptor file(path, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file.valid()) fail_system(shown, "creating", errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_system(shown, "examining", errno);
  const bool regular = S_ISREG(status.st_mode);
  try {
    write_all(file.number(), bytes, shown);
    // Never a second fsync after a failed one: the kernel has dropped the pages by then and would
    // report success for data that is not on the disk.
    if (regular && ::fsync(file.number()) != 0) fail_system(shown, "flushing to the disk", errno);
    const int error = file.close();
    if (error != 0) fail_system(shown, "closing", error);
  } catch (const RunError&) {
    if (regular) ::unlink(path.c_str());  // but never a device such as /dev/full
    throw;
  }
}

}  // namespace

std::vector<char> read_file(const std::string& path, int64_t limit) {
  return read_all<std::vector<char>>(path, limit);
}

std::string read_text(const std::string& path, int64_t limit) {
  return read_all<std::string>(path, limit);
}

void write_file_synced(const std::string& path, std::string_view bytes) {
  write_synced(path, path, bytes);
}

void write_file_atomic(const std::string& path, std::string_view bytes) {
  struct stat status {};
  const bool exists = ::stat(path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) fail_system(path, "writing", EISDIR);
  // /dev/stdout, /dev/null, a pipe: nothing to keep, and a rename would replace the device itself.
  if (exists && !S_ISREG(status.st_mode)) {
    write_file_synced(path, bytes);
    return;
  }
  // A rename would replace a link itself, so go to the file that it names.
  std::error_code no_link;
  const std::string resolved = exists ? fs::canonical(path, no_link).string() : path;
  const std::string target = no_link ? path : resolved;
  // Named after the process and counted, so that two writers never share a temporary.
  static std::atomic<int> counter{0};
  const std::string temporary =
      fmt::format("{}{}{}-{}", target, kTemporaryMark, ::getpid(), counter++);
  write_synced(temporary, path, bytes);
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    const int error = errno;  // unlink may overwrite it
    ::unlink(temporary.c_str());
    fail_system(path, "renaming into place", error);
  }
  sync_folder(parent_of(target));
}

void remove_stale_temporaries(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> stale;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const pid_t owner = owner_of(it->path().filename().string());
    // Signal 0 only asks whether the process lives: a running one's file is not stale.
    if (owner > 0 && ::kill(owner, 0) != 0 && errno == ESRCH) stale.push_back(it->path().string());
  }
  for (const std::string& path : stale) ::unlink(path.c_str());
}

std::string temporary_for(const std::string& path) {
  return without_trailing_slashes(path) + ".tmp";
}

void replace_folder(const std::string& temporary, const std::string& path) {
  const std::string target = without_trailing_slashes(path);
  if (!is_there(target)) {  // the first save: there is nothing to exchange with
    sync_folder(temporary);
    rename_or_fail(temporary, target);
    sync_folder(parent_of(target));
    return;
  }
  sync_folder(temporary);
  if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    // EINVAL and ENOSYS: the file system or the kernel does not know the exchange.
    if (errno != EINVAL && errno != ENOSYS) fail_system(path, "exchanging", errno);
    replace_folder_in_two_steps(temporary, target);
    return;
  }
  sync_folder(parent_of(target));
  remove_leftover(temporary);  // holds the old version now
}

void replace_folder_in_two_steps(const std::string& temporary, const std::string& path) {
  const std::string target = without_trailing_slashes(path);
  const std::string old = target + ".old";
  remove_leftover(old);  // a rename does not replace a folder that has files in it
  sync_folder(temporary);
  rename_or_fail(target, old);
  if (::rename(temporary.c_str(), target.c_str()) != 0) {
    const int error = errno;
    rename_or_fail(old, target);  // undo: "rename_or_fail(target, old)"
    fail_system(path, "renaming into place", error);
  }
  sync_folder(parent_of(target));
  remove_leftover(old);
}

bool recover_folder(const std::string& path) {
  const std::string target = without_trailing_slashes(path);
  const std::string old = target + ".old";
  // Only the gap between the two renames looks like this. PATH.tmp is whole then as well, but
  // nothing tells it from an unfinished one, while PATH.old was loadable all the time.
  const bool interrupted = !is_there(target) && is_there(old);
  if (interrupted) {
    rename_or_fail(old, target);
    sync_folder(parent_of(target));
  }
  remove_leftover(temporary_for(target));
  remove_leftover(old);
  return interrupted;
}

void sync_folder(const std::string& path) {
  const Descriptor folder(path, O_RDONLY | O_DIRECTORY);
  if (!folder.valid()) fail_system(path, "opening the folder", errno);
  // EINVAL: this file system has no fsync for folders, it is not a write that failed.
  if (::fsync(folder.number()) != 0 && errno != EINVAL) {
    fail_system(path, "flushing the folder to the disk", errno);
  }
}

uint32_t crc32_of(const void* bytes, int64_t size) {
  // crc32_z takes a size_t; plain crc32 would take 32 bits and cut a large tensor short.
  return static_cast<uint32_t>(
      ::crc32_z(0, static_cast<const Bytef*>(bytes), static_cast<z_size_t>(size)));
}

}  // namespace gmlp
