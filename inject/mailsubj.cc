// mailsubj(1): sends what comes on the standard input with a subject.
#include <string>

#include "inject/injection.h"
#include "lib/base/error.h"
#include "lib/mail/encoded_word.h"
#include "lib/mail/utf8.h"

namespace {

using namespace hato;

void refuse_controls(const std::string& text, const char* what) {
  for (const char c : text)
    if ((c >= 0 && c < 32 && c != '\t') || c == 127)
      throw PermError(std::string(what) + " holds a control character; nothing was sent");
}

int body(int argc, char** argv) {
  if (argc < 3) throw PermError("usage: mailsubj subject recip ...");
  const std::string subject = argv[1];
  refuse_controls(subject, "the subject");
  Injection injection;
  injection.from_arguments = false;
  injection.from_header = true;
  injection.prefix =
      "Subject: " + (is_ascii(subject) || !is_utf8(subject) ? subject : encoded_words(subject)) + "\nTo: ";
  for (int i = 2; i < argc; ++i) {
    refuse_controls(argv[i], "a recipient");
    injection.prefix += (i > 2 ? ",\n  " : "") + std::string(argv[i]);
  }
  injection.prefix += "\n\n";
  inject(injection);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("mailsubj", argc, argv, body);
}
