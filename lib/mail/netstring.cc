#include "lib/mail/netstring.h"

namespace hato {

void append_netstring(std::string& out, std::string_view string) {
  out.append(std::to_string(string.size())).push_back(':');
  out.append(string).push_back(',');
}

std::uint64_t netstring_size(std::uint64_t length) {
  return std::to_string(length).size() + length + 2;
}

std::size_t NetstringLength::feed(std::string_view octets) {
  std::size_t taken = 0;
  while (state_ == State::more && taken < octets.size()) {
    const char c = octets[taken++];
    if (c == ':' && digits_ > 0) {
      state_ = State::done;
    } else if (c < '0' || c > '9' || digits_ == max_netstring_digits || (digits_ > 0 && value_ == 0)) {
      state_ = State::malformed;
    } else {
      value_ = value_ * 10 + static_cast<std::uint64_t>(c - '0');
      ++digits_;
    }
  }
  return taken;
}

NetstringTake take_netstring(std::string_view& bytes, std::string_view& string, std::size_t limit) {
  NetstringLength length;
  const std::size_t head = length.feed(bytes);
  if (length.state() == NetstringLength::State::malformed) return NetstringTake::malformed;
  if (length.state() == NetstringLength::State::more) return NetstringTake::more;
  if (length.value() > limit) return NetstringTake::too_long;
  const std::size_t size = static_cast<std::size_t>(length.value());
  if (bytes.size() - head <= size) return NetstringTake::more;
  if (bytes[head + size] != ',') return NetstringTake::malformed;
  string = bytes.substr(head, size);
  bytes.remove_prefix(head + size + 1);
  return NetstringTake::complete;
}

}  // namespace hato
