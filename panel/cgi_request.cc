#include "panel/cgi_request.h"

#include <charconv>

#include "lib/base/clock.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/mail/utf8.h"

namespace hato::panel {

namespace {

constexpr std::int64_t body_seconds = 30;
constexpr char form_type[] = "application/x-www-form-urlencoded";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '+') {
      c = ' ';
    } else if (c == '%') {
      if (at + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      at += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  if (!is_utf8(out)) return std::nullopt;
  return out;
}

// CR LF, as browsers send the lines of a text area, and CR become LF.
std::string with_line_feeds(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\r') {
      out += '\n';
      if (at + 1 < text.size() && text[at + 1] == '\n') ++at;
    } else {
      out += text[at];
    }
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes what stands before the next separator off the text.
std::string_view next_part(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

std::string_view value_of(const Form& form, std::string_view name) {
  const auto found = form.find(name);
  return found == form.end() ? std::string_view() : found->second;
}

std::string read_body() {
  const std::string type = env_or("CONTENT_TYPE", "");
  if (std::string_view(type).substr(0, type.find(';')) != form_type)
    throw CgiRefusal{415, "Send the form as application/x-www-form-urlencoded."};
  const std::string length = env_or("CONTENT_LENGTH", "");
  std::size_t size = 0;
  const auto [end, problem] = std::from_chars(length.data(), length.data() + length.size(), size);
  if (problem != std::errc() || end != length.data() + length.size())
    throw CgiRefusal{411, "The request does not say its length."};
  if (size > form_limit) throw CgiRefusal{413, "The form is longer than 64 KiB."};
  Reader reader(0, "request");
  reader.until(Deadline::in_seconds(body_seconds));
  std::string body;
  try {
    if (!reader.read_exactly(body, size)) throw CgiRefusal{400, "The request was cut off."};
  } catch (const TimeoutError&) {
    throw CgiRefusal{408, "The request took too long."};
  }
  return body;
}

}  // namespace

std::optional<Form> parse_form(std::string_view text) {
  if (text.size() > form_limit) return std::nullopt;
  Form form;
  std::size_t fields = 0;
  while (!text.empty()) {
    const std::string_view part = next_part(text, '&');
    if (part.empty()) continue;
    if (++fields > form_fields) return std::nullopt;
    const std::size_t equals = std::min(part.find('='), part.size());
    const std::optional<std::string> name = decoded(part.substr(0, equals));
    const std::optional<std::string> value = decoded(part.substr(std::min(equals + 1, part.size())));
    if (!name || !value) return std::nullopt;
    form.emplace(*name, with_line_feeds(*value));
  }
  return form;
}

std::string form_encode(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_';
    if (plain) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

std::optional<std::string> cookie_value(std::string_view field, std::string_view name) {
  while (!field.empty()) {
    const std::string_view pair = trimmed(next_part(field, ';'));
    const std::size_t equals = pair.find('=');
    if (equals != pair.npos && trimmed(pair.substr(0, equals)) == name)
      return std::string(trimmed(pair.substr(equals + 1)));
  }
  return std::nullopt;
}

bool prefers_japanese(std::string_view accept_language) {
  double japanese = 0, english = 0;
  while (!accept_language.empty()) {
    std::string_view range = trimmed(next_part(accept_language, ','));
    const std::string_view tag = trimmed(next_part(range, ';'));
    double quality = 1;
    const std::string_view weight = trimmed(range);
    if (weight.starts_with("q=")) {
      const std::string_view number = weight.substr(2);
      if (std::from_chars(number.data(), number.data() + number.size(), quality).ec != std::errc())
        quality = 0;
    }
    const auto is = [&](std::string_view language) {
      return tag.size() >= 2 && (tag[0] | 0x20) == language[0] && (tag[1] | 0x20) == language[1] &&
             (tag.size() == 2 || tag[2] == '-');
    };
    if (is("ja")) japanese = std::max(japanese, quality);
    if (is("en")) english = std::max(english, quality);
  }
  return japanese > english;
}

std::string_view CgiRequest::field(std::string_view name) const {
  return value_of(form, name);
}
std::string_view CgiRequest::parameter(std::string_view name) const {
  return value_of(query, name);
}

bool CgiRequest::from_this_site() const {
  return origin.empty() || origin == (https ? "https://" : "http://") + host;
}

CgiRequest read_cgi_request() {
  CgiRequest request;
  const std::string method = env_or("REQUEST_METHOD", "");
  if (method != "GET" && method != "HEAD" && method != "POST")
    throw CgiRefusal{405, "Only GET, HEAD and POST are understood."};
  request.post = method == "POST";
  const std::optional<Form> query = parse_form(env_or("QUERY_STRING", ""));
  if (!query) throw CgiRefusal{400, "The address of the page is malformed."};
  request.query = *query;
  request.script = env_or("SCRIPT_NAME", "");
  request.cookies = env_or("HTTP_COOKIE", "");
  request.accept_language = env_or("HTTP_ACCEPT_LANGUAGE", "");
  request.client = env_or("REMOTE_ADDR", "");
  const std::string https = env_or("HTTPS", "");
  request.https = https == "on" || https == "1" || env_or("REQUEST_SCHEME", "") == "https";
  request.origin = env_or("HTTP_ORIGIN", "");
  request.host = env_or("HTTP_HOST", "");
  if (request.post) {
    const std::optional<Form> form = parse_form(read_body());
    if (!form) throw CgiRefusal{400, "The form is malformed, or not in UTF-8."};
    request.form = *form;
  }
  return request;
}

}  // namespace hato::panel
