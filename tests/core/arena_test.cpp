// Arena: aligned memory that is rewound instead of freed.
#include "core/arena.h"

#include <cstring>

#include "core/error.h"
#include "tests/support/catch.h"

namespace gmlp {
namespace {

TEST_CASE("the arena's tensors are aligned and do not overlap") {
  Arena arena;
  const Tensor first = arena.allocate(DType::kBf16, {3});
  const Tensor second = arena.allocate(DType::kF64, {5});
  const Tensor empty = arena.allocate(DType::kF32, {0, 4});
  const Tensor third = arena.allocate(DType::kF32, {7});
  for (const Tensor& tensor : {first, second, empty, third}) {
    CHECK(reinterpret_cast<uintptr_t>(tensor.raw()) % 64 == 0);
  }
  first.fill(1);
  second.fill(2);
  third.fill(3);
  CHECK(first.at(2) == 1);
  CHECK(second.at(0) == 2);
  CHECK(second.at(4) == 2);
  CHECK(third.at(0) == 3);
}

TEST_CASE("a rewound arena gives the same memory again") {
  Arena arena;
  arena.allocate(DType::kF32, {100});
  const Arena::Mark mark = arena.mark();
  const int64_t used = arena.used_bytes();
  void* first = arena.allocate_bytes(1000);
  arena.rewind(mark);
  CHECK(arena.used_bytes() == used);
  CHECK(arena.allocate_bytes(1000) == first);
  arena.reset();
  CHECK(arena.used_bytes() == 0);
}

TEST_CASE("the peak is the most that was in use at one time") {
  Arena arena;
  const Arena::Mark mark = arena.mark();
  arena.allocate_bytes(64 * 10);
  arena.rewind(mark);
  arena.allocate_bytes(64 * 4);
  CHECK(arena.peak_bytes() == 64 * 10);
  arena.allocate_bytes(64 * 7);
  CHECK(arena.peak_bytes() == 64 * 11);
}

TEST_CASE("steps after the first take nothing from the system") {
  Arena arena;
  int64_t reserved = 0;
  for (int step = 0; step < 5; ++step) {
    arena.reset();
    // Small and large sizes alternate, so that slabs are skipped; untouched pages cost nothing.
    for (int i = 0; i < 6; ++i) arena.allocate_bytes(i % 2 == 0 ? 1000 : (40LL << 20));
    if (step == 0) reserved = arena.reserved_bytes();
    CHECK(arena.reserved_bytes() == reserved);
  }
}

TEST_CASE("a tensor larger than a block gets a block of its own") {
  Arena arena;
  const int64_t size = 100LL << 20;
  char* memory = static_cast<char*>(arena.allocate_bytes(size));
  memory[0] = 1;
  memory[size - 1] = 1;
  CHECK(arena.reserved_bytes() >= size);
}

TEST_CASE("more memory than there is names the remedy and leaves the arena usable") {
  Arena arena;
  // 2^50 bytes do not fit into the 47 bits of a process's addresses.
  try {
    arena.allocate_bytes(int64_t{1} << 50);
    FAIL("2^50 bytes were given");
  } catch (const RunError& error) {
    CHECK(std::strstr(error.what(), "--batch-size") != nullptr);
  }
  CHECK(arena.allocate(DType::kF32, {16}).defined());
}

}  // namespace
}  // namespace gmlp
