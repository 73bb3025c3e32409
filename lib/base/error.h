// Errors of the whole suite. Throw where it happens, catch once in main (run_main does).
//
// Out of memory, a full disk, an unreachable helper, a missing program: always TempError, never PermError.
#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace hato {

// Carries one line of text (no newline, no program name) and the process' exit code.
class Error : public std::exception {
 public:
  Error(int exit_code, std::string text) : exit_code_(exit_code), text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& text() const { return text_; }
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
  std::string text_;
};

// Try later: exit 111, SMTP 4xx.
class TempError : public Error {
 public:
  explicit TempError(std::string text) : Error(111, std::move(text)) {}

 protected:
  TempError(int exit_code, std::string text) : Error(exit_code, std::move(text)) {}
};

// A read or write did not end before its deadline.
class TimeoutError : public TempError {
 public:
  explicit TimeoutError(std::string text) : TempError(std::move(text)) {}
};

// A system call failed; keeps its errno.
class SystemError : public TempError {
 public:
  // text becomes "WHAT: strerror(error)".
  SystemError(std::string_view what, int error);
  int error() const { return error_; }

 private:
  int error_;
};

// Never: exit 100, SMTP 5xx.
class PermError : public Error {
 public:
  explicit PermError(std::string text) : Error(100, std::move(text)) {}
};

// Throws SystemError(what, errno). `what` names the action and its object: "open /var/qmail/control/me".
[[noreturn]] void throw_errno(std::string_view what);

// "ENOENT" style is for machines; this is strerror's text, thread safe.
std::string errno_text(int error);

// May the same call succeed later (no memory, full disk, I/O error, time-out, busy), or is it about the thing
// itself (missing, not permitted, not a directory)? qmail's division of errno.
bool is_temporary(int error);

// Runs body; an Error is printed as "PROGRAM: TEXT" on fd 2 and becomes its exit code; std::bad_alloc and any
// other exception become 111. The last line of every main: `return run_main("qmail-x", argc, argv, body);`
int run_main(const char* program, int argc, char** argv, int (*body)(int argc, char** argv));

}  // namespace hato
