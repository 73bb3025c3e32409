#include "lib/base/error.h"

#include <errno.h>
#include <string.h>

#include <new>

#include "lib/base/log.h"

namespace hato {

std::string errno_text(int error) {
  char space[256];
  return strerror_r(error, space, sizeof space);  // the GNU one: returns the text, which need not be in space
}

SystemError::SystemError(std::string_view what, int error)
    : TempError(std::string(what) + ": " + errno_text(error)), error_(error) {}

void throw_errno(std::string_view what) {
  throw SystemError(what, errno);
}

int run_main(const char* program, int argc, char** argv, int (*body)(int argc, char** argv)) {
  try {
    return body(argc, argv);
  } catch (const Error& e) {
    log_line(2, std::string(program) + ": " + e.text());
    return e.exit_code();
  } catch (const std::bad_alloc&) {
    log_line(2, std::string(program) + ": out of memory");
    return 111;
  } catch (const std::exception& e) {
    log_line(2, std::string(program) + ": unexpected: " + e.what());
    return 111;
  }
}

}  // namespace hato
