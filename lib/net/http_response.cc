#include "lib/net/http_response.h"

#include <algorithm>
#include <charconv>

#include "lib/mail/domain.h"

namespace hato {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

// All of `text` as a number.
bool read_number(std::string_view text, int base, std::uint64_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && !text.empty() && end == text.data() + text.size();
}

}  // namespace

void HttpResponse::fail(const std::string& why) {
  state_ = State::failed;
  problem_ = why;
}

HttpResponse::State HttpResponse::feed(std::string_view bytes) {
  while (state_ == State::more && !bytes.empty()) {
    if (part_ == Part::body || part_ == Part::chunk)
      take_body(bytes);
    else if (take_line(bytes))
      end_of_line();
  }
  return state_;
}

// True when line_ is a whole line without its end.
bool HttpResponse::take_line(std::string_view& bytes) {
  const std::size_t n = std::min(bytes.find('\n'), bytes.size() - 1) + 1;
  const std::string_view piece = bytes.substr(0, n);
  bytes.remove_prefix(n);
  head_ += n;
  line_ += piece;
  if (head_ > max_http_head || line_.size() > max_http_line) {
    fail("its header is too large");
    return false;
  }
  if (line_.back() != '\n') return false;
  line_.pop_back();
  if (line_.ends_with('\r')) line_.pop_back();
  return true;
}

void HttpResponse::end_of_line() {
  switch (part_) {
    case Part::status:
      status_line();
      break;
    case Part::fields:
      if (line_.empty())
        end_of_fields();
      else
        field_line();
      break;
    case Part::chunk_size:
      chunk_size_line();
      break;
    case Part::chunk_end:
      if (!line_.empty()) fail("its chunks do not have the length that they say");
      part_ = Part::chunk_size;
      break;
    case Part::trailers:
      if (line_.empty()) state_ = State::done;
      break;
    case Part::body:
    case Part::chunk:
      break;
  }
  line_.clear();
}

// "HTTP/1.1 200 OK"
void HttpResponse::status_line() {
  constexpr std::size_t code_at = 9, code_size = 3;
  const std::string_view line = line_;
  std::uint64_t code = 0;
  const bool sound = (line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ")) &&
                     line.size() >= code_at + code_size &&
                     read_number(line.substr(code_at, code_size), 10, code) && code >= 100 &&
                     (line.size() == code_at + code_size || line[code_at + code_size] == ' ');
  if (!sound) return fail("it does not speak HTTP/1.1");
  status_ = static_cast<int>(code);
  part_ = Part::fields;
}

void HttpResponse::field_line() {
  const std::string_view line = line_;
  const std::size_t colon = line.find(':');
  // A blank before the colon or at the start of a line is a trick or from another age (RFC 9112 section 5).
  const std::string_view name = line.substr(0, colon);
  if (colon == line.npos || name.empty() || name.find_first_of(" \t") != name.npos)
    return fail("its header is broken");
  const std::string_view value = trimmed(line.substr(colon + 1));
  const auto is = [&](std::string_view wanted) { return equal_ignoring_case(name, wanted); };
  if (is("Content-Length")) {
    std::uint64_t length = 0;
    if (!read_number(value, 10, length) || (has_length_ && length != wanted_))
      return fail("its Content-Length is no number");
    has_length_ = true;
    wanted_ = length;
  } else if (is("Transfer-Encoding")) {
    if (!equal_ignoring_case(value, "chunked") || chunked_)
      return fail("its Transfer-Encoding is not chunked");
    chunked_ = true;
  } else if (is("Content-Encoding")) {
    if (!equal_ignoring_case(value, "identity")) return fail("it is compressed");
  } else if (is("Content-Type")) {
    if (!content_type_.empty()) return fail("it has two Content-Types");
    content_type_ = value;
  }
}

void HttpResponse::end_of_fields() {
  constexpr int interim_end = 200, no_content = 204, not_modified = 304;
  if (status_ < interim_end) {
    part_ = Part::status;
    has_length_ = chunked_ = false;
    wanted_ = 0;
    content_type_.clear();
    return;
  }
  if (status_ == no_content || status_ == not_modified) {
    state_ = State::done;
    return;
  }
  // Both together are how one response is made to look like two (RFC 9112 section 6.3).
  if (chunked_ && has_length_) return fail("it has a Content-Length and is chunked");
  if (!chunked_ && !has_length_) return fail("it does not say how long it is");
  if (chunked_) {
    part_ = Part::chunk_size;
    return;
  }
  part_ = Part::body;
  if (wanted_ > body_limit_)
    return fail("its body is larger than " + std::to_string(body_limit_) + " octets");
  if (wanted_ == 0) state_ = State::done;
}

void HttpResponse::chunk_size_line() {
  const std::string_view line = line_;
  if (!read_number(trimmed(line.substr(0, line.find(';'))), 16, wanted_))
    return fail("its chunks have no length");
  if (wanted_ > body_limit_ - body_.size())
    return fail("its body is larger than " + std::to_string(body_limit_) + " octets");
  part_ = wanted_ == 0 ? Part::trailers : Part::chunk;
}

void HttpResponse::take_body(std::string_view& bytes) {
  const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(wanted_, bytes.size()));
  body_ += bytes.substr(0, n);
  bytes.remove_prefix(n);
  wanted_ -= n;
  if (wanted_ > 0) return;
  if (part_ == Part::body)
    state_ = State::done;
  else
    part_ = Part::chunk_end;
}

}  // namespace hato
