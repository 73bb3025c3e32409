#include "lib/mail/message_meter.h"

namespace hato {

void MessageMeter::feed(std::string_view text) {
  bytes_ += text.size();
  std::size_t i = 0;
  while (in_header_ && i < text.size()) {
    if (!in_name_) {
      i = text.find('\n', i);
      if (i == text.npos) return;
      ++i;
      in_name_ = true;
      name_length_ = 0;
      continue;
    }
    const char c = text[i];
    if (c == '\n' && name_length_ == 0) {
      in_header_ = false;
    } else if (c == '\n') {
      name_length_ = 0;
      ++i;
    } else if (c == ':' || name_length_ == longest_name) {
      if (c == ':' || c == ' ' || c == '\t') look_at_name();
      in_name_ = false;
    } else {
      name_[name_length_++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      ++i;
    }
  }
}

void MessageMeter::look_at_name() {
  std::string_view name(name_, name_length_);
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  if (name == "received" || name == "delivered-to") ++hops_;
}

}  // namespace hato
