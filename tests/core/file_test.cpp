// Files and folders are whole or absent, also when a write fails.
#include "core/io/file.h"

#include <csignal>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

namespace gmlp {
namespace {

using test::message_of;
using test::TemporaryFolder;

namespace fs = std::filesystem;
using Catch::Matchers::Contains;

TEST_CASE("a file is read as it is, an empty one too") {
  const TemporaryFolder folder;
  const std::string content("a\0b\n\xFF", 5);
  CHECK(read_text(folder.write("x", content)) == content);
  CHECK(read_text(folder.write("empty", "")).empty());
  CHECK_FALSE(read_text("/proc/self/status").empty());  // a file that tells no size
}

TEST_CASE("a file that is absent, a folder or too large is refused by name") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<InputError>([&] { read_text(folder / "absent"); }),
             Contains("absent: ") && Contains("No such file"));
  CHECK_THAT(message_of<InputError>([&] { read_text(folder.path()); }), Contains("is a folder"));
  const std::string path = folder.write("x", "12345");
  CHECK(read_text(path, 5) == "12345");
  CHECK_THAT(message_of<InputError>([&] { read_text(path, 4); }), Contains("at most 4"));
  CHECK_THAT(message_of<InputError>([&] { read_text("/proc/self/status", 10); }),
             Contains("at most 10"));
}

TEST_CASE("a pipe, a socket or a device is refused by name, without waiting") {
  const TemporaryFolder folder;
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  const std::string path = folder / "socket";
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  for (const std::string& name : {folder / "pipe", path, std::string("/dev/zero")}) {
    CHECK_THAT(message_of<InputError>([&] { read_text(name); }),
               Contains(name + ": is not a regular file"));
  }
  ::close(socket);
}

TEST_CASE("a file is written and replaced atomically, without leftovers") {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "first");
  CHECK(read_text(folder / "x") == "first");
  const std::string large(3 << 20, 'y');
  write_file_atomic(folder / "x", large);
  CHECK(read_text(folder / "x") == large);
  write_file_synced(folder / "x", "");
  CHECK(read_text(folder / "x").empty());
  CHECK(folder.count() == 1);
}

TEST_CASE("an atomic write goes through a link and keeps it") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  write_file_atomic(folder / "real/x", "old");
  fs::create_symlink("real/x", folder / "link");
  write_file_atomic(folder / "link", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_text(folder / "real/x") == "new");
}

TEST_CASE("writing into an absent folder or over a folder names file, reason and remedy") {
  const TemporaryFolder folder;
  CHECK_THAT(message_of<RunError>([&] { write_file_atomic(folder / "no/x", "1"); }),
             Contains("no/x") && Contains("No such file") && Contains("create its folder"));
  CHECK_THAT(message_of<RunError>([&] { write_file_atomic(folder.path(), "1"); }),
             Contains("Is a directory"));
  CHECK(folder.count() == 0);
}

TEST_CASE("a full device is an error and is not removed") {
  if (::access("/dev/full", W_OK) != 0) {
    WARN("SKIPPED: there is no /dev/full here");
    return;
  }
  const auto write_synced = [](const std::string& path, std::string_view bytes) {
    write_file_synced(path, bytes);
  };
  for (const auto write : {write_file_atomic, +write_synced}) {
    CHECK_THAT(message_of<RunError>([&] { write("/dev/full", "1"); }),
               Contains("/dev/full") && Contains("No space left") && Contains("free some space"));
    CHECK(fs::is_character_file("/dev/full"));
  }
  CHECK_NOTHROW(write_file_atomic("/dev/null", "1"));
  CHECK(fs::is_character_file("/dev/null"));
}

// Lets no file grow beyond `bytes` while it lives: a disk that is full, without needing one.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    handler_ = std::signal(SIGXFSZ, SIG_IGN);  // so that write() returns EFBIG
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*handler_)(int) = nullptr;
};

TEST_CASE("a write that fails half-way keeps the old contents and leaves nothing behind") {
  const TemporaryFolder folder;
  write_file_atomic(folder / "x", "old");
  std::string message;
  {
    const FileSizeLimit limit(4096);
    message =
        message_of<RunError>([&] { write_file_atomic(folder / "x", std::string(9000, 'n')); });
  }
  CHECK_THAT(message, Contains("x: writing failed: File too large") && !Contains(".tmp"));
  CHECK(read_text(folder / "x") == "old");
  CHECK(folder.count() == 1);
}

TEST_CASE("a full file system keeps the old contents and leaves nothing behind") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "disk");
  const std::string disk = folder / "disk";
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    WARN("SKIPPED: no tmpfs can be mounted here (needs root)");
    return;
  }
  write_file_atomic(disk + "/x", "old");
  const std::string message =
      message_of<RunError>([&] { write_file_atomic(disk + "/x", std::string(1 << 20, 'n')); });
  const std::string content = read_text(disk + "/x");
  const int64_t left = std::distance(fs::directory_iterator(disk), fs::directory_iterator());
  ::umount(disk.c_str());
  CHECK_THAT(message, Contains("No space left"));
  CHECK(content == "old");
  CHECK(left == 1);
}

// A folder with one file that says which version it is.
void make_version(const std::string& path, const std::string& version) {
  fs::create_directory(path);
  write_file_synced(path + "/version", version);
}

TEST_CASE("a folder is put in place and replaced, the old one gone") {
  const TemporaryFolder folder;
  const std::string path = folder / "last";
  for (const bool can_exchange : {true, false}) {
    fs::remove_all(path);
    make_version(temporary_for(path), "1");
    replace_folder(temporary_for(path), path);
    CHECK(read_text(path + "/version") == "1");
    make_version(temporary_for(path), "2");
    write_file_synced(temporary_for(path) + "/more", "");
    replace_folder(temporary_for(path + "/"), path + "/", can_exchange);
    CHECK(read_text(path + "/version") == "2");
    CHECK(fs::exists(path + "/more"));
    CHECK(folder.count() == 1);
  }
}

TEST_CASE("a failed replacement keeps the old folder") {
  const TemporaryFolder folder;
  const std::string path = folder / "last";
  make_version(path, "1");
  for (const bool can_exchange : {true, false}) {
    CHECK_THROWS_AS(replace_folder(temporary_for(path), path, can_exchange),
                    RunError);  // there is no new one
    CHECK(read_text(path + "/version") == "1");
    CHECK(folder.count() == 1);
  }
}

TEST_CASE("a second rename that fails is undone") {
  const TemporaryFolder folder;
  const std::string path = folder / "last";
  make_version(path, "1");
  // Inside of the old folder the new one is gone as soon as the first rename is done.
  make_version(path + "/new", "2");
  CHECK_THROWS_AS(replace_folder(path + "/new", path, false), RunError);
  CHECK(read_text(path + "/version") == "1");
  CHECK(folder.count() == 1);
}

// The child process of the next test; never returns to the parent's tests.
[[noreturn]] void replace_without_end(const std::string& path) {
  try {
    while (true) {
      make_version(temporary_for(path), "whole");
      replace_folder(temporary_for(path), path);
    }
  } catch (...) {
    ::_exit(1);
  }
}

TEST_CASE("a folder is loadable at every moment while it is replaced") {
  const TemporaryFolder folder;
  const std::string path = folder / "last";
  make_version(path, "0");
  // A process that replaces without end and is killed in the middle of it, again and again.
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) replace_without_end(path);
    ::usleep(static_cast<useconds_t>(1000 + 700 * round));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));                                // it did not fail by itself
    const std::string version = read_text(path + "/version");  // before any recovery
    CHECK((version == "whole" || version == "0"));
    CHECK_FALSE(recover_folder(path));
    CHECK(folder.count() == 1);
  }
}

TEST_CASE("a replacement killed between its two renames is recovered") {
  const TemporaryFolder folder;
  const std::string path = folder / "last";
  make_version(path + ".old", "1");
  make_version(temporary_for(path), "2");
  CHECK(recover_folder(path));
  CHECK(read_text(path + "/version") == "1");
  CHECK(folder.count() == 1);
  CHECK_FALSE(recover_folder(path));
  // Killed after them: the new one stays, the old one is removed.
  make_version(path + ".old", "0");
  CHECK_FALSE(recover_folder(path));
  CHECK(read_text(path + "/version") == "1");
  CHECK(folder.count() == 1);
}

TEST_CASE("crc32 gives the standard's check value and continues over no bytes") {
  CHECK(crc32_of("123456789", 9) == 0xCBF43926);
  CHECK(crc32_of("", 0) == 0);
}

TEST_CASE("crc32 of any length is the division of its bits, in one piece or in two") {
  std::string bytes;
  for (int i = 0; i < 40; ++i) bytes += static_cast<char>(i * i * 37 + 11);
  uint32_t remainder = 0xFFFFFFFF;
  for (int64_t size = 0; size <= 40; ++size) {
    INFO(size << " bytes");
    CHECK(crc32_of(bytes.data(), size) == ~remainder);
    for (int64_t cut = 0; cut <= size; ++cut) {
      const uint32_t before = crc32_of(bytes.data(), cut);
      CHECK(crc32_of(bytes.data() + cut, size - cut, before) == ~remainder);
    }
    remainder ^= static_cast<uint8_t>(bytes[static_cast<size_t>(size % 40)]);
    for (int bit = 0; bit < 8; ++bit) {
      remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0xEDB88320 : 0);
    }
  }
}

}  // namespace
}  // namespace gmlp
