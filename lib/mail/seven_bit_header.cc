#include "lib/mail/seven_bit_header.h"

#include <algorithm>

#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/mail/encoded_word.h"
#include "lib/mail/header_addresses.h"
#include "lib/mail/mime_type.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

constexpr std::string_view address_fields[] = {"From",
                                               "Sender",
                                               "Reply-To",
                                               "To",
                                               "Cc",
                                               "Bcc",
                                               "Resent-From",
                                               "Resent-To",
                                               "Resent-Cc",
                                               "Resent-Bcc",
                                               "Resent-Sender",
                                               "Resent-Reply-To",
                                               "Errors-To",
                                               "Return-Receipt-To",
                                               "Disposition-Notification-To",
                                               "Mail-Followup-To",
                                               "Mail-Reply-To"};
constexpr std::string_view program_fields[] = {"Received",
                                               "Message-ID",
                                               "In-Reply-To",
                                               "References",
                                               "Date",
                                               "Return-Path",
                                               "Resent-Message-ID",
                                               "Resent-Date",
                                               "MIME-Version",
                                               "Content-ID",
                                               "DKIM-Signature",
                                               "Authentication-Results",
                                               "Received-SPF",
                                               "Content-Transfer-Encoding",
                                               "Content-MD5",
                                               "ARC-Seal",
                                               "ARC-Message-Signature",
                                               "ARC-Authentication-Results",
                                               "Delivered-To"};

template <std::size_t N>
bool is_one_of(const HeaderField& field, const std::string_view (&names)[N]) {
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view name) { return field.is(name); });
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

std::string question_marks(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (static_cast<unsigned char>(c) > 127) c = '?';
  return out;
}

// Words with high bytes become encoded words, together with the blanks between two of them; the others stay.
std::string encode_words(std::string_view text) {
  std::string out;
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t begin = at;
    while (at < text.size() && is_blank(text[at])) ++at;
    out += text.substr(begin, at - begin);
    const std::size_t word = at;
    std::size_t end = at;  // of the last word with high bytes in this run
    while (at < text.size()) {
      std::size_t next = at;
      while (next < text.size() && !is_blank(text[next])) ++next;
      if (is_ascii(text.substr(at, next - at))) break;
      end = next;
      while (next < text.size() && is_blank(text[next])) ++next;
      at = next;
    }
    if (end > word) {
      out += encoded_text(text.substr(word, end - word));
      at = end;
      continue;
    }
    while (at < text.size() && !is_blank(text[at])) ++at;
    out += text.substr(word, at - word);
  }
  return out;
}

// What stands around addresses: display names, comments, quoted strings, commas.
std::string encode_phrases(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"' || c == '(') {
      const char close = c == '"' ? '"' : ')';
      std::size_t end = at + 1;
      int depth = 1;
      std::string inside;
      for (; end < text.size(); ++end) {
        if (text[end] == '\\' && end + 1 < text.size()) {
          inside += text[++end];
          continue;
        }
        if (c == '(' && text[end] == '(') ++depth;
        if (text[end] == close && --depth == 0) break;
        inside += text[end];
      }
      end = std::min(end + 1, text.size());
      if (is_ascii(inside))
        out += text.substr(at, end - at);
      else
        out += c == '"' ? encoded_text(inside) : "(" + encoded_text(inside) + ")";
      at = end;
      continue;
    }
    // A run of words and blanks up to what is punctuation in an address list.
    const std::size_t end = std::min(text.find_first_of("\"(,;:<>", at + 1), text.size());
    const bool punctuation = std::string_view(",;:<>").find(c) != std::string_view::npos;
    if (punctuation) {
      out += c;
      ++at;
    } else {
      out += encode_words(text.substr(at, end - at));
      at = end;
    }
  }
  return out;
}

std::optional<std::string> encode_address(const HeaderAddress& address) {
  if (!is_ascii(address.local)) return std::nullopt;
  if (address.domain.empty()) return quote_address(address.local);
  const std::optional<std::string> domain =
      is_ascii(address.domain) ? std::optional(address.domain) : to_ascii_domain(address.domain);
  if (!domain) return std::nullopt;
  return quote_address(address.local + "@" + *domain);
}

std::optional<std::string> encode_address_list(const std::string& text) {
  const std::optional<std::vector<HeaderAddress>> addresses = parse_address_list(text);
  if (!addresses) return std::nullopt;
  std::string out;
  std::size_t done = 0;
  for (const HeaderAddress& address : *addresses) {
    const std::string_view spelled =
        std::string_view(text).substr(address.begin, address.end - address.begin);
    out += encode_phrases(std::string_view(text).substr(done, address.begin - done));
    if (is_ascii(spelled)) {
      out += spelled;
    } else {
      const std::optional<std::string> encoded = encode_address(address);
      if (!encoded) return std::nullopt;
      out += *encoded;
    }
    done = address.end;
  }
  return out + encode_phrases(std::string_view(text).substr(done));
}

// RFC 2231 section 4.
std::string extended_value(std::string_view value) {
  static const char hex[] = "0123456789ABCDEF";
  std::string out = is_utf8(value) ? "utf-8''" : "unknown-8bit''";
  for (const char c : value) {
    const unsigned byte = static_cast<unsigned char>(c);
    const bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter || c == '-' || c == '.' || c == '_') {
      out += c;
      continue;
    }
    out += '%';
    out += hex[byte >> 4];
    out += hex[byte & 15U];
  }
  return out;
}

std::string encode_parameters(std::string_view text) {
  const MimeType type = parse_mime_type(text);
  std::string out;
  std::size_t done = 0;
  for (const MimeParameter& parameter : type.parameters) {
    if (is_ascii(text.substr(parameter.begin, parameter.end - parameter.begin))) continue;
    out += question_marks(text.substr(done, parameter.begin - done));
    std::string name = question_marks(parameter.name);
    if (name.ends_with('*')) name.pop_back();
    out += name + "*=" + extended_value(parameter.value);
    done = parameter.end;
  }
  return out + question_marks(text.substr(done));
}

}  // namespace

std::optional<std::string> seven_bit_field(const HeaderField& field) {
  if (is_ascii(field.all)) return std::string(field.all);
  if (is_one_of(field, program_fields)) return question_marks(field.all);
  const std::string text = unfolded(field.body);
  std::optional<std::string> body;
  if (field.is("Content-Type") || field.is("Content-Disposition"))
    body = encode_parameters(text);
  else if (is_one_of(field, address_fields))
    body = encode_address_list(text);
  else
    body = encode_words(text);
  if (!body) return std::nullopt;
  return std::string(field.name) + ": " + *body + "\n";
}

}  // namespace hato
