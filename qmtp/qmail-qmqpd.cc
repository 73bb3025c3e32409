// qmail-qmqpd: one QMQP session on descriptors 0 and 1. qmail-qmqpd(8).
#include "lib/base/error.h"
#include "qmtp/server.h"

namespace {

constexpr const char* program_name = "qmail-qmqpd";

int body(int, char**) {
  return hato::qmtp::serve(program_name, hato::qmtp::Protocol::qmqp);
}

}  // namespace

int main(int argc, char** argv) {
  return hato::run_main(program_name, argc, argv, body);
}
