// A notice as a delivery status notification: multipart/report of RFC 6522 with the fields of RFC 3464, or of
// RFC 6533 where addresses are in UTF-8. Pure: facts in, text out; the original message is not in memory but
// streamed between `head` and `tail` by whoever injects the notice.
//
//   text/plain; charset=utf-8          lib/mail/notice_text.h
//   message/delivery-status            or message/global-delivery-status
//   message/rfc822                     or message/global: the original as it was, with a Return-Path field
//   text/rfc822-headers                or message/global-headers: instead of it, its header
//
// Everything is 7-bit (quoted-printable where it has to be) but an original in 8 bits, which stays as it is:
// BODY=8BITMIME says so to the next server.
#pragma once

#include <string>
#include <string_view>

#include "lib/mail/notice.h"
#include "lib/mail/notice_text.h"

namespace hato {

// Bytes of a header that are returned; a longer one is cut off at the end of a line.
inline constexpr std::size_t returned_header_limit = 128U << 10;
// Of one line of the machine part; a longer one is cut off. RFC 5322 2.1.1 allows 998 octets.
inline constexpr std::size_t report_line_limit = 900;

// The original, looked through before any of it is copied. Feed it in pieces of any size.
class OriginalScan {
 public:
  void feed(std::string_view piece);
  // The header is over: for a header alone no more has to be fed.
  bool header_done() const { return header_done_; }

  // With the line end of its last field, without the empty line.
  const std::string& header() const { return header_; }
  bool eight_bit() const { return eight_bit_; }
  // It may stand inside a MIME part as it is (RFC 2045 2.8): no NUL, no CR, no line of more than 998 octets.
  bool fits() const { return fits_; }
  bool ends_line() const { return column_ == 0; }

 private:
  std::string header_;
  std::size_t column_ = 0;  // octets of the line so far
  bool header_done_ = false, header_full_ = false;
  bool eight_bit_ = false, fits_ = true;
};

// A notice ready to be injected.
struct NoticeMessage {
  std::string head;
  bool whole = false;  // the original follows, from its first byte to its last
  std::string tail;    // after it
  std::string params;  // of the envelope: "BODY=8BITMIME SMTPUTF8"
};

// want_whole: return all of the original, if it fits. boundary: of a kind that no message can have guessed;
// at most 60 letters, digits and "=_".
NoticeMessage dsn_report(const NoticeFacts& facts, const NoticeTexts& texts, const OriginalScan& original,
                         bool want_whole, std::string_view boundary);

}  // namespace hato
