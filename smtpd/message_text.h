// The text of a message as it comes by DATA or BDAT, turned into the queue's form (LF line ends). Pure.
//
// Only CR LF ends a line and only CR LF . CR LF ends the data (RFC 5321 2.3.8, 4.1.1.4); a CR or LF that
// stands alone is "stray" and such a message is refused, because mail servers that disagree about it let one
// message smuggle another in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hato::smtpd {

// The octets after DATA's 354.
class DataDecoder {
 public:
  // Takes octets and appends what they mean to `text`: CR LF is LF, one dot at the start of a line is
  // dropped. Returns how many were taken: all of them, or fewer when done() (what follows is the next
  // command).
  std::size_t feed(std::string_view octets, std::string& text);
  bool done() const { return state_ == State::done; }
  // A CR or LF alone was seen. Text goes on being taken, so that the end is found and the dialogue stays in
  // step.
  bool stray() const { return stray_; }
  // The last thing seen is a lone dot on a line that ended or began in another way than by CR LF: a client
  // that sends such ends believes to be done and may be waiting for an answer.
  bool may_be_waiting() const { return waiting_; }

 private:
  // odd_*: the line began after a CR or LF alone.
  enum class State { line_start, dot, dot_cr, text, cr, odd_start, odd_dot, odd_dot_cr, done };
  State state_ = State::line_start;
  bool stray_ = false;
  bool waiting_ = false;
};

// The octets of BDAT chunks (RFC 3030), all of them text: line ends become LF, dots stay.
class ChunkDecoder {
 public:
  void feed(std::string_view octets, std::string& text);
  void finish();  // after the last chunk: a CR at the very end is stray
  bool stray() const { return stray_; }

 private:
  bool cr_ = false;
  bool stray_ = false;
};

}  // namespace hato::smtpd
