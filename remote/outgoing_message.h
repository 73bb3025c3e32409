// The message that is to be sent, and its form on the wire.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lib/mail/seven_bit.h"

namespace hato {

// Makes the wire form of a message with LF line ends (RFC 5321 sections 2.3.8 and 4.5.2), piece by piece:
//   LF, and CR LF           -> CR LF
//   CR anywhere else        -> one space: a bare CR is never sent, and the text around it stays apart
//   "." at a line's start   -> ".."  (unless dots(false): BDAT)
//   an end without LF       -> a final CR LF
// Everything else goes through as it is: 8-bit, NUL, long lines. Pure.
class WireEncoder {
 public:
  void encode(std::string_view piece, std::string& out);
  void finish(std::string& out);  // the final line end where it is missing; not the dot
  void dots(bool stuffed) { stuff_dots_ = stuffed; }

 private:
  void put_line_part(std::string_view part, std::string& out);

  bool stuff_dots_ = true;
  bool at_line_start_ = true;
  bool pending_cr_ = false;
};

// Reads the message from its first byte (where the descriptor stands when this is made) to its end. A small
// one is read once and kept; a large one in a file is looked through once and read again for sending; one in
// a pipe that is larger than message_kept is not looked through at all.
constexpr std::size_t message_piece = 64U << 10;
constexpr std::size_t message_kept = message_piece;

class OutgoingMessage {
 public:
  // Throws SystemError when it cannot be read.
  explicit OutgoingMessage(int fd);

  int fd() const { return fd_; }
  // What the size is on the wire without dot stuffing (RFC 1870 section 5); 0: not known before sending.
  std::uint64_t wire_size() const { return wire_size_; }
  // Has it a byte above 127? True when that is not known.
  bool eight_bit() const { return eight_bit_; }
  // Has its header one? True when that is not known.
  bool eight_bit_header() const { return eight_bit_header_; }
  // From now on it is sent without such bytes (lib/mail/seven_bit.h), and wire_size and the two above speak
  // of that form. Empty: done, or nothing to do, or not known what there is to do (the message stays as it
  // is); otherwise why it cannot be. Only before next() or behind rewind().
  std::string make_seven_bit();
  // Doubled dots at the start of lines, for DATA (as it is at first), or not, for BDAT. Likewise.
  void stuff_dots(bool stuff) { stuff_dots_ = stuff, encoder_.dots(stuff); }

  // Appends the next piece in wire form; false when there was none, after the final line end. Start over with
  // rewind(), which a pipe that is larger than message_kept cannot: then it returns false.
  bool next(std::string& out);
  bool rewind();

 private:
  void read_whole(std::size_t size, bool size_known);
  std::size_t read_piece(char* space, std::size_t size);
  void look_through(std::string_view piece);
  void encode(std::string_view piece, std::string& out);
  template <typename Take>
  void each_piece(Take take);

  int fd_;
  off_t start_ = -1;  // -1: no file
  off_t at_ = 0;
  std::string kept_;  // the whole message when whole_, else what was read from a pipe already
  std::unique_ptr<char[]> space_;
  bool whole_ = false;
  bool kept_sent_ = false;
  bool begun_ = false;
  bool finished_ = false;
  bool stuff_dots_ = true;
  WireEncoder encoder_;
  std::unique_ptr<SevenBit> seven_bit_;
  std::uint64_t wire_size_ = 0;
  bool eight_bit_ = false;
  bool eight_bit_header_ = false;
  bool in_header_ = true;  // of what was looked through
  char last_ = '\n';
};

}  // namespace hato
