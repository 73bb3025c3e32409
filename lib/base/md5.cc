#include "lib/base/md5.h"

#include <bearssl.h>
#include <string.h>

#include <array>

#include "lib/base/hex.h"

namespace hato {

namespace {

using Digest = std::array<unsigned char, br_md5_SIZE>;

std::string hex(const Digest& digest) {
  return to_hex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

}  // namespace

std::string md5_hex(std::string_view first, std::string_view second) {
  br_md5_context context;
  Digest digest;
  br_md5_init(&context);
  br_md5_update(&context, first.data(), first.size());
  br_md5_update(&context, second.data(), second.size());
  br_md5_out(&context, digest.data());
  explicit_bzero(&context, sizeof context);
  return hex(digest);
}

std::string hmac_md5_hex(std::string_view key, std::string_view text) {
  br_hmac_key_context keyed;
  br_hmac_context hmac;
  Digest digest;
  br_hmac_key_init(&keyed, &br_md5_vtable, key.data(), key.size());
  br_hmac_init(&hmac, &keyed, 0);
  br_hmac_update(&hmac, text.data(), text.size());
  br_hmac_out(&hmac, digest.data());
  explicit_bzero(&keyed, sizeof keyed);
  explicit_bzero(&hmac, sizeof hmac);
  return hex(digest);
}

}  // namespace hato
