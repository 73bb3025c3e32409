#include "lib/mail/seven_bit.h"

#include <algorithm>

#include "lib/mail/domain.h"
#include "lib/mail/header.h"
#include "lib/mail/mime_type.h"
#include "lib/mail/seven_bit_header.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

constexpr std::size_t quoted_printable_line = 76;  // RFC 2045 section 6.7, rule 5

bool is_high(char c) {
  return static_cast<unsigned char>(c) > 127;
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view without_blanks_behind(std::string_view line) {
  const std::size_t last = line.find_last_not_of(" \t\r\n");
  return line.substr(0, last == line.npos ? 0 : last + 1);
}

// Where to cut a line that is too long, so that no UTF-8 character is split.
std::size_t cut_before_character(std::string_view text) {
  std::size_t cut = text.size();
  for (int i = 0; i < 3 && cut > 1 && (static_cast<unsigned char>(text[cut - 1]) & 0xc0U) == 0x80; ++i) --cut;
  if (cut > 1 && is_high(text[cut - 1])) --cut;
  return cut;
}

std::string field_text(const std::optional<HeaderField>& field) {
  return field ? unfolded(field->body) : std::string();
}

}  // namespace

bool SevenBit::inside_signed() const {
  return std::any_of(levels_.begin(), levels_.end(), [](const Level& level) { return level.is_signed; });
}

void SevenBit::obstruct(const char* why) {
  if (obstacle_.empty()) obstacle_ = why;
}

void SevenBit::look(std::string_view piece) {
  if (parts_.empty()) begin_part(false);
  feed(piece);
}

void SevenBit::finish_look() {
  if (parts_.empty()) begin_part(false);
  end_of_input();
  looking_ = false;
}

void SevenBit::begin() {
  part_ = messages_ = column_ = 0;
  line_.clear();
  line_begun_ = outside_ = false;
  levels_.clear();
  space_.clear();
  begin_part(false);
}

void SevenBit::convert(std::string_view piece, std::string& out) {
  out_ = &out;
  feed(piece);
}

void SevenBit::finish(std::string& out) {
  out_ = &out;
  end_of_input();
}

void SevenBit::feed(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t lf = piece.find('\n');
    const std::size_t n = lf == piece.npos ? piece.size() : lf + 1;
    if (line_.empty() && lf != piece.npos && n <= mime_line_part) {
      take_line_part(piece.substr(0, n), !line_begun_, true);
      line_begun_ = false;
      piece.remove_prefix(n);
      continue;
    }
    const std::size_t taken = std::min(n, mime_line_part - line_.size());
    line_.append(piece.substr(0, taken));
    piece.remove_prefix(taken);
    const bool ends = line_.ends_with('\n');
    if (!ends && line_.size() < mime_line_part) continue;
    const std::size_t cut = ends ? line_.size() : cut_before_character(line_);
    take_line_part(std::string_view(line_).substr(0, cut), !line_begun_, ends);
    line_.erase(0, cut);
    line_begun_ = !ends;
  }
}

void SevenBit::end_of_input() {
  if (!line_.empty() || line_begun_) take_line_part(line_, !line_begun_, true);
  line_.clear();
  if (in_header_) end_header("");
  flush_space();
}

void SevenBit::begin_part(bool at_boundary) {
  ++part_;
  at_boundary_ = at_boundary;
  if (looking_) {
    parts_.emplace_back();
    if (parts_.size() > max_mime_parts) {
      obstruct("it has too many parts");
      parts_.pop_back();
      part_ = parts_.size();
    }
  }
  header_.clear();
  in_header_ = true;
  outside_ = false;
  body_ = Body::text;
  encoding_ = Encoding::plain;
  opaque_ = false;
}

// part: up to mime_line_part bytes of one line, with its LF when it ends here (or when the input ends).
void SevenBit::take_line_part(std::string_view part, bool starts, bool ends) {
  if (starts && take_boundary(part)) return;
  if (in_header_)
    take_header_line(part, ends);
  else
    take_body(part, starts, ends);
}

bool SevenBit::take_boundary(std::string_view line) {
  if (!line.starts_with("--") || line.size() > max_mime_boundary + 100) return false;
  const std::string_view text = without_blanks_behind(line).substr(2);
  for (std::size_t i = levels_.size(); i-- > 0;) {
    const std::string& boundary = levels_[i].boundary;
    if (!text.starts_with(boundary)) continue;
    const std::string_view rest = text.substr(boundary.size());
    if (!rest.empty() && rest != "--") continue;
    if (in_header_) end_header("");
    flush_space();
    column_ = 0;
    if (out_ != nullptr) out_->append(line);
    messages_ = levels_[i].messages;
    levels_.resize(rest.empty() ? i + 1 : i);
    if (rest.empty())
      begin_part(true);
    else
      outside_ = true;
    return true;
  }
  return false;
}

void SevenBit::take_header_line(std::string_view line, bool ends) {
  if (ends && without_line_end(line).empty() && (header_.empty() || header_.back() == '\n')) {
    end_header(line);
    return;
  }
  header_.append(line);
  if (header_.size() <= max_mime_header) return;
  obstruct("it has a header of more than 1 MiB");
  header_.clear();
}

// rest: the empty line, or nothing when the header ends without one.
void SevenBit::end_header(std::string_view rest) {
  in_header_ = false;
  // Lines behind the last field belong to the body already: messages without the empty line.
  HeaderFields fields(header_);
  std::optional<HeaderField> type_field, encoding_field;
  bool high = false;
  while (const std::optional<HeaderField> field = fields.next()) {
    if (!type_field && field->is("Content-Type")) type_field = field;
    if (!encoding_field && field->is("Content-Transfer-Encoding")) encoding_field = field;
    high = high || !is_ascii(field->all);
    if (looking_ && high && obstacle_.empty() && !seven_bit_field(*field))
      obstruct("an address in its header has characters that are not ASCII");
  }
  if (inside_signed() && high) obstruct("a signed part of it has bytes that are not ASCII");

  const MimeType type = parse_mime_type(field_text(type_field));
  const std::string encoding = to_lower_ascii(parse_mime_type(field_text(encoding_field)).value);
  if (encoding == "quoted-printable")
    encoding_ = Encoding::quoted_printable;
  else if (encoding == "base64")
    encoding_ = Encoding::base64;
  else if (encoding.empty() || encoding == "7bit" || encoding == "8bit" || encoding == "binary")
    encoding_ = Encoding::plain;
  else
    encoding_ = Encoding::other;
  const MimeParameter* boundary = type.find("boundary");
  const bool in_digest = at_boundary_ && !levels_.empty() && levels_.back().digest;
  const bool is_message = type.value == "message/rfc822" || (!type_field && in_digest);
  body_ = Body::text;
  opaque_ = type.value == "message/partial" || type.value == "message/external-body";
  if (encoding_ == Encoding::plain && type.value.starts_with("multipart/") && boundary != nullptr &&
      !boundary->value.empty() && boundary->value.size() <= max_mime_boundary)
    body_ = Body::multipart;
  else if (encoding_ == Encoding::plain && is_message)
    body_ = Body::message;
  if (body_ != Body::text && levels_.size() + messages_ >= max_mime_depth) {
    obstruct("its parts are nested too deeply");
    body_ = Body::text;
  }

  const std::string body_begun = header_.substr(fields.offset());
  if (!looking_) put_header(rest, !body_begun.empty());
  header_.clear();
  if (body_ == Body::multipart) {
    levels_.push_back({std::string(without_blanks_behind(boundary->value)), type.value == "multipart/digest",
                       type.value == "multipart/signed", messages_});
    outside_ = true;
  } else if (body_ == Body::message) {
    ++messages_;
    begin_part(false);
  }
  for (std::string_view left = body_begun; !left.empty();) {
    const std::string_view line = left.substr(0, std::min(left.find('\n'), left.size() - 1) + 1);
    take_line_part(line, true, true);
    left.remove_prefix(line.size());
  }
  if (!body_begun.empty() && !rest.empty()) take_line_part(rest, true, true);
}

// The fields of header_, converted, with the encoding that the body gets. body_begun: the header was ended by
// a line that is no field, and the empty line `rest` belongs to the body.
void SevenBit::put_header(std::string_view rest, bool body_begun) {
  const Part& part = parts_[std::min(part_, parts_.size()) - 1];
  const bool untouched = inside_signed();
  const bool encode = part.high && body_ == Body::text && encoding_ == Encoding::plain && !untouched;
  bool has_type = false, has_version = false, has_encoding = false;
  HeaderFields fields(header_);
  while (const std::optional<HeaderField> field = fields.next()) {
    has_type = has_type || field->is("Content-Type");
    has_version = has_version || field->is("MIME-Version");
    if (field->is("Content-Transfer-Encoding") && encoding_ == Encoding::plain && !untouched) {
      if (has_encoding) continue;
      has_encoding = true;
      out_->append(std::string(field->name) + (encode ? ": quoted-printable\n" : ": 7bit\n"));
      continue;
    }
    if (untouched)
      out_->append(field->all);
    else
      out_->append(seven_bit_field(*field).value_or(""));
  }
  if (encode) {
    if (levels_.empty() && !has_version) out_->append("MIME-Version: 1.0\n");
    if (!has_type)
      out_->append(part.utf8 ? "Content-Type: text/plain; charset=utf-8\n"
                             : "Content-Type: text/plain; charset=unknown-8bit\n");
    if (!has_encoding) out_->append("Content-Transfer-Encoding: quoted-printable\n");
  }
  if (!body_begun)
    out_->append(rest);
  else if (encode)
    out_->append("\n");  // behind the fields that we added
}

void SevenBit::take_body(std::string_view part, bool starts, bool ends) {
  const bool high = !is_ascii(part);
  const bool untouched = inside_signed();
  if (looking_) {
    if (!high) return;
    if (untouched) obstruct("a signed part of it has bytes that are not ASCII");
    if (outside_) return;
    if (opaque_) obstruct("a part of it that must not be encoded has bytes that are not ASCII");
    if (encoding_ == Encoding::other)
      obstruct("a part of it has bytes that are not ASCII, and an encoding that I do not know");
    Part& found = parts_[std::min(part_, parts_.size()) - 1];
    found.high = true;
    found.utf8 = found.utf8 && is_utf8(part);
    return;
  }
  const bool encode = !untouched && !outside_ && encoding_ == Encoding::plain &&
                      parts_[std::min(part_, parts_.size()) - 1].high;
  if (encode) return put_quoted_printable(part, starts, ends);
  if (!high) {
    out_->append(part);
    return;
  }
  static const char hex[] = "0123456789ABCDEF";
  for (const char c : part) {
    if (!is_high(c)) {
      *out_ += c;
    } else if (outside_) {
      *out_ += '?';
    } else if (encoding_ == Encoding::quoted_printable) {
      *out_ += '=';
      *out_ += hex[static_cast<unsigned char>(c) >> 4];
      *out_ += hex[static_cast<unsigned char>(c) & 15U];
    }  // in base64 it means nothing (RFC 2045 section 6.8)
  }
}

void SevenBit::put_byte(unsigned char byte) {
  static const char hex[] = "0123456789ABCDEF";
  const bool plain = (byte > 32 && byte < 127 && byte != '=') || byte == ' ' || byte == '\t';
  const std::size_t width = plain ? 1 : 3;
  if (column_ + width > quoted_printable_line - 1) {
    out_->append("=\n");
    column_ = 0;
  }
  if (plain) {
    *out_ += static_cast<char>(byte);
  } else {
    *out_ += '=';
    *out_ += hex[byte >> 4];
    *out_ += hex[byte & 15U];
  }
  column_ += width;
}

// A blank at the end of the input is a blank at the end of a line.
void SevenBit::flush_space() {
  if (space_.empty() || out_ == nullptr) return;
  const char c = space_[0];
  space_.clear();
  if (c == '\r') return;
  static const char hex[] = "0123456789ABCDEF";
  if (column_ + 3 > quoted_printable_line) {
    out_->append("=\n");
    column_ = 0;
  }
  *out_ += '=';
  *out_ += hex[static_cast<unsigned char>(c) >> 4];
  *out_ += hex[static_cast<unsigned char>(c) & 15U];
  column_ += 3;
}

void SevenBit::put_quoted_printable(std::string_view part, bool starts, bool ends) {
  if (starts) column_ = 0;
  const bool line_end = ends && part.ends_with('\n');
  if (line_end) part.remove_suffix(1);
  for (const char c : part) {
    if (!space_.empty()) {
      put_byte(static_cast<unsigned char>(space_[0]));
      space_.clear();
    }
    if (c == ' ' || c == '\t' || c == '\r')
      space_ = c;  // whether it is the last one is not known yet
    else
      put_byte(static_cast<unsigned char>(c));
  }
  if (!line_end) return;
  flush_space();
  out_->append("\n");
  column_ = 0;
}

}  // namespace hato
