#include "lib/base/sha256.h"

#include <bearssl.h>

namespace hato {

std::string sha256(std::string_view first, std::string_view second) {
  br_sha256_context context;
  br_sha256_init(&context);
  br_sha256_update(&context, first.data(), first.size());
  br_sha256_update(&context, second.data(), second.size());
  std::string digest(br_sha256_SIZE, '\0');
  br_sha256_out(&context, digest.data());
  return digest;
}

}  // namespace hato
