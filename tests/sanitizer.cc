// Linked into every program of a sanitizer build (tests/check.sh). What a sanitizer finds ends the program;
// the line that sums it up goes to the program's standard error and to FINDINGS, a file that check.sh made:
// whoever the program is, wherever its standard error goes and whatever its seal denies by then. So nothing
// that a daemon, a worker or a child of a child does is overlooked by a test that waits for something else.
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

namespace {

// The file: how many bytes are taken, then text, the rest zeros. Mapped at the start, with no descriptor left
// open.
struct Findings {
  static constexpr unsigned room = (1 << 20) - sizeof(unsigned);
  std::atomic<unsigned> taken;
  char text[room];
};
Findings* findings = nullptr;

__attribute__((constructor)) void map_findings() {
  const int fd = open(FINDINGS, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;  // in a home without it
  void* const at = mmap(nullptr, sizeof(Findings), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (at != MAP_FAILED) findings = static_cast<Findings*>(at);
}

}  // namespace

// What the sanitizers' runtime calls, by their interface. The environment is not always handed down, so
// options stand here.
extern "C" {

// A sealed program cannot be looked through for leaks at its end. An assertion of the standard library is a
// finding, too.
const char* __asan_default_options() {
  return "detect_leaks=0:handle_abort=1";
}
const char* __ubsan_default_options() {
  return "print_summary=1:print_stacktrace=1";
}

void __sanitizer_report_error_summary(const char* summary) {
  const std::size_t length = strlen(summary);
  (void)!write(STDERR_FILENO, summary, length);
  (void)!write(STDERR_FILENO, "\n", 1);
  if (findings == nullptr) return;
  const unsigned at = findings->taken.fetch_add(static_cast<unsigned>(length) + 1);
  if (at + length + 1 > Findings::room) return;
  memcpy(findings->text + at, summary, length);
  findings->text[at + length] = '\n';
}
}
