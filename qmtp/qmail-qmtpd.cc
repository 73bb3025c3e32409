// qmail-qmtpd: one QMTP session on descriptors 0 and 1. qmail-qmtpd(8).
#include "lib/base/error.h"
#include "qmtp/server.h"

namespace {

constexpr const char* program_name = "qmail-qmtpd";

int body(int, char**) {
  return hato::qmtp::serve(program_name, hato::qmtp::Protocol::qmtp);
}

}  // namespace

int main(int argc, char** argv) {
  return hato::run_main(program_name, argc, argv, body);
}
