// Netstrings, "[len]:[string],": cr.yp.to/proto/netstrings.txt section 2, qmtp.txt section 6. Pure.
//
// [len] is ASCII digits without extra zeros in front. Digits beyond max_netstring_digits are refused: no
// message is that long, and the number would not fit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hato {

inline constexpr std::size_t max_netstring_digits = 18;

void append_netstring(std::string& out, std::string_view string);
// How many octets that is for a string of `length`.
std::uint64_t netstring_size(std::uint64_t length);

// The "[len]:" in front, as it comes, in pieces of any size.
class NetstringLength {
 public:
  enum class State { more, done, malformed };

  // Returns how many octets were taken: up to and with the colon. Once the state is not `more`, none.
  std::size_t feed(std::string_view octets);
  State state() const { return state_; }
  std::uint64_t value() const { return value_; }

 private:
  State state_ = State::more;
  std::size_t digits_ = 0;
  std::uint64_t value_ = 0;
};

// Cuts one netstring off the front of `bytes`. `more`: it is not complete yet, nothing was cut. A string of
// more than `limit` octets is too_long as soon as its length says so.
enum class NetstringTake { complete, more, malformed, too_long };
NetstringTake take_netstring(std::string_view& bytes, std::string_view& string, std::size_t limit);

}  // namespace hato
