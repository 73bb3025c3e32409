#include "lib/base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <new>

#include "lib/base/log.h"

// libstdc++ calls it when an exception escapes, to print the demangled name of its type. run_main catches all
// of them, and the demangler is 50 kB of each program.
namespace __gnu_cxx {
void __verbose_terminate_handler();
void __verbose_terminate_handler() {
  abort();
}
}  // namespace __gnu_cxx

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

bool is_temporary(int error) {
  switch (error) {
    case EINTR:
    case ENOMEM:
    case ETXTBSY:
    case EIO:
    case ETIMEDOUT:
    case EAGAIN:
    case EDEADLK:
    case EBUSY:
    case EALREADY:
    case ENOSPC:
    case EDQUOT:
    case ENFILE:
    case EMFILE:
    case ENOLCK:
    case ENOBUFS:
    case ESTALE:
    case EREMOTEIO:
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return true;
    default:
      return false;
  }
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
