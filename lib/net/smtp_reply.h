// Replies of an SMTP server: RFC 5321 section 4.2, enhanced status codes of RFC 2034 and 3463. Pure; no I/O.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

constexpr std::size_t max_reply_kept =
    32U << 10;  // bytes of one reply that are kept; what follows is read and dropped
constexpr std::size_t max_reply_bytes = 256U << 10;  // a longer reply is no reply
constexpr std::size_t max_reply_lines = 2000;

struct SmtpReply {
  unsigned code = 0;  // 200 to 599: of the last line, which is the one that counts when lines disagree
  // All lines as they came, code included, each ended by "\n"; CR before LF is gone, and other control bytes
  // except tab are '?'.
  std::string text;
  // The lines without code and separator.
  std::vector<std::string_view> lines() const;
  // "5.7.1", the first of the lines that has one of the right class; empty when there is none.
  std::string enhanced_code() const;

  bool positive() const { return code >= 200 && code < 300; }
  bool intermediate() const { return code >= 300 && code < 400; }
  bool temporary() const { return code >= 400 && code < 500; }
  bool permanent() const { return code >= 500; }
};

// Put bytes in as they come; stops at the end of one reply, so the next may follow in the same packet.
class SmtpReplyParser {
 public:
  enum class State {
    more,  // the reply is not whole yet
    done,
    malformed,  // a line does not begin with a code of 200 to 599 followed by ' ', '-' or the end of the
                // line, or the reply is longer than the limits
  };
  // Returns how many bytes were taken; all of them while the state is `more`.
  std::size_t feed(std::string_view bytes);
  State state() const { return state_; }
  // Valid when done; what came so far when malformed (for a log). Starts over with the next feed.
  const SmtpReply& reply() const { return reply_; }
  void reset();

 private:
  void end_line();

  State state_ = State::more;
  SmtpReply reply_;
  std::string head_;  // the first four bytes of the line
  bool pending_cr_ = false;
  bool clipped_ = false;
  std::size_t bytes_ = 0;
  std::size_t lines_ = 0;
};

}  // namespace hato
