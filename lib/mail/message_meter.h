// Counts what servers limit: bytes of a message as queued, and its hops: Received and Delivered-To fields in
// its header (qmail-smtpd(8)). Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hato {

constexpr unsigned default_hops = 100;  // so many make a loop

class MessageMeter {
 public:
  void feed(std::string_view text);  // LF line ends
  std::uint64_t bytes() const { return bytes_; }
  unsigned hops() const { return hops_; }

 private:
  void look_at_name();

  static constexpr std::size_t longest_name = 12;  // "delivered-to"
  bool in_header_ = true;
  bool in_name_ = true;
  std::size_t name_length_ = 0;
  char name_[longest_name] = {};
  std::uint64_t bytes_ = 0;
  unsigned hops_ = 0;
};

}  // namespace hato
