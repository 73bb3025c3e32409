// The data of TLSA records for certificates of tests.
#pragma once

#include <bearssl.h>

#include <string>
#include <string_view>

#include "lib/mail/base64.h"
#include "lib/net/certificate.h"

namespace hato::test {

inline std::string der_of(std::string_view pem) {
  const std::size_t begin = pem.find("-----\n") + 6;
  return *from_base64(pem.substr(begin, pem.find("-----END") - begin));
}

inline std::string tlsa_of(unsigned usage, unsigned selector, unsigned matching, std::string_view pem) {
  const std::string der = der_of(pem);
  std::string what = selector == 0 ? der : std::string(Certificate::parse(der)->public_key);
  char digest[br_sha512_SIZE];
  if (matching == 1) {
    br_sha256_context context;
    br_sha256_init(&context);
    br_sha256_update(&context, what.data(), what.size());
    br_sha256_out(&context, digest);
    what.assign(digest, br_sha256_SIZE);
  } else if (matching == 2) {
    br_sha512_context context;
    br_sha512_init(&context);
    br_sha512_update(&context, what.data(), what.size());
    br_sha512_out(&context, digest);
    what.assign(digest, br_sha512_SIZE);
  }
  return std::string{static_cast<char>(usage), static_cast<char>(selector), static_cast<char>(matching)} +
         what;
}

}  // namespace hato::test
