// A main for fuzz targets where there is no libFuzzer: feeds the target each file that is named, and each shorter
// beginning of small ones, so that the corpora are tests everywhere.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "lib/base/fd.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {
constexpr std::size_t file_limit = 16 << 20;
constexpr std::size_t cut_every_byte_below = 512;

void feed(const std::string& input, std::size_t size) {
  // An exact copy on the heap, so that a sanitizer sees a read behind its end.
  auto* copy = static_cast<std::uint8_t*>(std::malloc(size == 0 ? 1 : size));
  if (copy == nullptr) std::abort();
  for (std::size_t i = 0; i < size; ++i) copy[i] = static_cast<std::uint8_t>(input[i]);
  LLVMFuzzerTestOneInput(copy, size);
  std::free(copy);
}
}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const auto input = hato::read_file(argv[i], file_limit);
    if (!input) continue;
    if (input->size() < cut_every_byte_below)
      for (std::size_t n = 0; n < input->size(); ++n) feed(*input, n);
    feed(*input, input->size());
  }
  std::printf("%d files\n", argc - 1);
  return 0;
}
