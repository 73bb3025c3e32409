// A message with bytes above 127 turned into one without, for servers that do not offer 8BITMIME (RFC 6152
// section 3): parts in quoted-printable, fields as seven_bit_header.h makes them. Pure, piece by piece: the
// message (LF line ends) goes through twice, first to be looked at, then to be converted.
//
// Every part below multipart/* and message/rfc822 is treated by itself, and only parts that have such bytes
// are encoded; Content-Transfer-Encoding says so, and where there is no Content-Type, one with utf-8 or
// unknown-8bit (RFC 1428). What lies inside multipart/signed goes through untouched. In what nobody is shown
// (before the first and behind the last part, inside base64) such bytes become '?' or vanish.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

inline constexpr std::size_t max_mime_depth = 50;         // multiparts and messages inside one another
inline constexpr std::size_t max_mime_parts = 100000;     // of one message
inline constexpr std::size_t max_mime_header = 1U << 20;  // bytes of one header
inline constexpr std::size_t max_mime_boundary = 500;     // RFC 2046 has 70
inline constexpr std::size_t mime_line_part = 8192;       // longer lines go through in pieces

class SevenBit {
 public:
  // First all of the message in pieces of any size, then finish_look().
  void look(std::string_view piece);
  void finish_look();
  // After that; not empty: why it cannot be converted, "a signed part has …".
  const std::string& obstacle() const { return obstacle_; }

  // Then, as often as needed: begin(), all of the message again, finish(). Appends to out.
  void begin();
  void convert(std::string_view piece, std::string& out);
  void finish(std::string& out);

 private:
  enum class Body { text, multipart, message };
  enum class Encoding { plain, quoted_printable, base64, other };
  struct Part {  // what the first look found in the body of a leaf
    bool high = false;
    bool utf8 = true;
  };
  struct Level {  // a multipart that is open
    std::string boundary;
    bool digest = false;
    bool is_signed = false;
    std::size_t messages = 0;  // messages_ outside of it
  };

  void feed(std::string_view piece);
  void end_of_input();
  void take_line_part(std::string_view part, bool starts, bool ends);
  void take_header_line(std::string_view line, bool ends);
  bool take_boundary(std::string_view line);
  void take_body(std::string_view part, bool starts, bool ends);
  void begin_part(bool at_boundary);
  void end_header(std::string_view rest);
  void put_header(std::string_view rest, bool body_begun);
  void put_quoted_printable(std::string_view part, bool starts, bool ends);
  void put_byte(unsigned char byte);
  void flush_space();
  void obstruct(const char* why);
  bool inside_signed() const;

  bool looking_ = true;
  std::string* out_ = nullptr;
  std::string obstacle_;
  std::vector<Part> parts_;
  std::size_t part_ = 0;  // number of the one we are in, plus 1

  std::string line_;         // what came of a line so far
  bool line_begun_ = false;  // a piece of it went through already
  std::vector<Level> levels_;
  std::size_t messages_ = 0;  // message/rfc822 around us; counted for the depth only
  bool in_header_ = true;
  bool at_boundary_ = false;  // the part is a multipart's own, not the message inside a message
  std::string header_;
  bool outside_ = false;  // before the first or behind the last part of a multipart

  // of the part we are in, from its header
  Body body_ = Body::text;
  Encoding encoding_ = Encoding::plain;
  bool opaque_ = false;  // message/partial, message/external-body: may not be encoded

  std::size_t column_ = 0;  // quoted-printable: of the line on its way
  std::string space_;       // quoted-printable: a blank or CR that may be the line's last byte
};

}  // namespace hato
