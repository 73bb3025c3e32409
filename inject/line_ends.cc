#include "inject/line_ends.h"

namespace hato {

void LineEnds::feed(std::string_view input, std::string& out) {
  while (!input.empty()) {
    if (held_ > 0) {
      if (input.front() == '\r') {
        ++held_;
        input.remove_prefix(1);
        continue;
      }
      if (input.front() != '\n') out.append(held_, '\r');
      held_ = 0;
    }
    const std::size_t cr = input.find('\r');
    const std::string_view plain = input.substr(0, cr);
    out += plain;
    input.remove_prefix(plain.size());
    if (!input.empty()) {
      held_ = 1;
      input.remove_prefix(1);
    }
  }
}

void LineEnds::finish(std::string& out) {
  // CRs at the very end are a line end that lost its LF.
  if (held_ > 0) out += '\n';
  held_ = 0;
}

}  // namespace hato
