#include "lib/mail/dsn.h"

#include <algorithm>
#include <vector>

#include "lib/mail/address.h"
#include "lib/mail/domain.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

constexpr std::string_view upper_hex = "0123456789ABCDEF";
constexpr std::string_view utf8_type = "utf-8";

bool is_graphic(char c) {
  return c > 32 && c < 127;
}

bool is_control(char c) {
  return (c >= 0 && c < 32) || c == 127;
}

// RFC 5322 atext: what an address type is made of.
bool is_atext(char c) {
  return is_graphic(c) && std::string_view("()<>[]:;@\\,.\"").find(c) == std::string_view::npos;
}

std::optional<std::vector<std::string_view>> words_of_list(std::string_view value) {
  std::vector<std::string_view> words;
  for (;;) {
    const std::size_t comma = value.find(',');
    if (comma == 0 || value.empty()) return std::nullopt;
    words.push_back(value.substr(0, comma));
    if (comma == std::string_view::npos) return words;
    value.remove_prefix(comma + 1);
  }
}

// RFC 6533 3: \x{HEX} for a character that may not stand there by itself, at most six digits.
std::optional<std::string> decode_utf8_address(std::string_view text) {
  constexpr std::size_t most_digits = 6;
  std::string out;
  while (!text.empty()) {
    if (!text.starts_with('\\')) {
      if (is_control(text[0]) || text[0] == ' ' || text[0] == '+' || text[0] == '=') return std::nullopt;
      out += text[0];
      text.remove_prefix(1);
      continue;
    }
    if (!text.starts_with("\\x{")) return std::nullopt;
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos || end < 5 || end > 3 + most_digits) return std::nullopt;
    char32_t c = 0;
    for (const char digit : text.substr(3, end - 3)) {
      const std::size_t value = upper_hex.find(digit);
      if (value == std::string_view::npos) return std::nullopt;
      c = c * 16 + static_cast<char32_t>(value);
    }
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return std::nullopt;
    append_utf8(out, c);
    text.remove_prefix(end + 1);
  }
  return out;
}

std::string embedded(char32_t c) {
  std::string digits;
  for (; c != 0 || digits.size() < 2; c /= 16) digits.insert(digits.begin(), upper_hex[c % 16]);
  return "\\x{" + digits + "}";
}

// The form that is ASCII everywhere. `text` is UTF-8.
std::string encode_utf8_address(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = next_utf8(text, at);
    const bool plain = c > 32 && c < 127 && c != '+' && c != '=' && c != '\\';
    out += plain ? std::string(1, static_cast<char>(c)) : embedded(c);
  }
  return out;
}

std::string printable_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (!is_graphic(c) && c != ' ') c = '?';
  return out;
}

}  // namespace

std::string encode_xtext(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_graphic(c) && c != '+' && c != '=') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '+';
    out += upper_hex[byte >> 4];
    out += upper_hex[byte & 15];
  }
  return out;
}

std::optional<std::string> decode_xtext(std::string_view xtext) {
  std::string out;
  for (std::size_t at = 0; at < xtext.size(); ++at) {
    const char c = xtext[at];
    if (!is_graphic(c) || c == '=') return std::nullopt;
    if (c != '+') {
      out += c;
      continue;
    }
    if (at + 2 >= xtext.size()) return std::nullopt;
    const std::size_t high = upper_hex.find(xtext[at + 1]), low = upper_hex.find(xtext[at + 2]);
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
    at += 2;
  }
  return out;
}

std::optional<DsnReturn> parse_ret(std::string_view value) {
  if (equal_ignoring_case(value, "FULL")) return DsnReturn::full;
  if (equal_ignoring_case(value, "HDRS")) return DsnReturn::headers;
  return std::nullopt;
}

std::optional<std::string> parse_envid(std::string_view value) {
  if (value.empty() || value.size() > max_envid) return std::nullopt;
  std::optional<std::string> envid = decode_xtext(value);
  if (envid && !std::all_of(envid->begin(), envid->end(),
                            [](char c) { return is_graphic(c) || c == ' ' || c == '\t'; }))
    return std::nullopt;
  return envid;
}

std::optional<Notify> parse_notify(std::string_view value) {
  Notify notify;
  notify.said = true;
  const auto words = words_of_list(value);
  if (!words) return std::nullopt;
  for (const std::string_view word : *words) {
    if (equal_ignoring_case(word, "SUCCESS"))
      notify.success = true;
    else if (equal_ignoring_case(word, "FAILURE"))
      notify.failure = true;
    else if (equal_ignoring_case(word, "DELAY"))
      notify.delay = true;
    else if (!equal_ignoring_case(word, "NEVER") || words->size() > 1)
      return std::nullopt;
  }
  return notify;
}

std::optional<OriginalRecipient> parse_orcpt(std::string_view value) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos || semicolon == 0 || value.size() > max_orcpt) return std::nullopt;
  OriginalRecipient original;
  original.type = std::string(value.substr(0, semicolon));
  if (!std::all_of(original.type.begin(), original.type.end(), is_atext)) return std::nullopt;
  const std::string_view coded = value.substr(semicolon + 1);
  const bool utf8 = equal_ignoring_case(original.type, utf8_type);
  const auto address = utf8 ? decode_utf8_address(coded) : decode_xtext(coded);
  if (!address || address->empty()) return std::nullopt;
  if (!(utf8 ? is_clean_address(*address) : is_ascii(*address))) return std::nullopt;
  if (std::any_of(address->begin(), address->end(), is_control)) return std::nullopt;
  original.address = *address;
  return original;
}

MessageDsn message_dsn(std::string_view params) {
  MessageDsn dsn;
  const auto words = parse_parameters(params);
  if (!words) return dsn;
  if (const Parameter* ret = find_parameter(*words, "RET"))
    dsn.ret = parse_ret(ret->value).value_or(DsnReturn::unsaid);
  if (const Parameter* envid = find_parameter(*words, "ENVID"))
    dsn.envid = parse_envid(envid->value).value_or("");
  return dsn;
}

RecipientDsn recipient_dsn(std::string_view params) {
  RecipientDsn dsn;
  if (params.empty()) return dsn;
  const auto words = parse_parameters(params);
  if (!words) return dsn;
  if (const Parameter* notify = find_parameter(*words, "NOTIFY"))
    dsn.notify = parse_notify(notify->value).value_or(Notify());
  if (const Parameter* orcpt = find_parameter(*words, "ORCPT")) dsn.original = parse_orcpt(orcpt->value);
  return dsn;
}

std::string dsn_words(const MessageDsn& dsn) {
  std::string words;
  if (dsn.ret != DsnReturn::unsaid) words = dsn.ret == DsnReturn::full ? "RET=FULL" : "RET=HDRS";
  if (!dsn.envid.empty()) words += (words.empty() ? "ENVID=" : " ENVID=") + encode_xtext(dsn.envid);
  return words;
}

std::string dsn_words(const RecipientDsn& dsn) {
  std::string words;
  if (dsn.notify.never()) words = "NOTIFY=NEVER";
  const auto add = [&words](bool wanted, const char* keyword) {
    if (wanted) words += (words.empty() ? "NOTIFY=" : ",") + std::string(keyword);
  };
  add(dsn.notify.success, "SUCCESS");
  add(dsn.notify.failure, "FAILURE");
  add(dsn.notify.delay, "DELAY");
  if (dsn.original) {
    const OriginalRecipient& original = *dsn.original;
    const std::string value =
        original.type + ";" +
        (equal_ignoring_case(original.type, utf8_type) ? encode_utf8_address(original.address)
                                                       : encode_xtext(original.address));
    if (value.size() <= max_orcpt) words += (words.empty() ? "ORCPT=" : " ORCPT=") + value;
  }
  return words;
}

std::string forwarded_message_params(std::string_view params, bool same_sender) {
  const auto words = parse_parameters(params);
  std::string out = same_sender ? dsn_words(message_dsn(params)) : "";
  for (const char* keyword : {"SMTPUTF8", "BODY"})
    if (const Parameter* word = words ? find_parameter(*words, keyword) : nullptr)
      out = word->keyword + (word->has_value ? "=" + word->value : "") + (out.empty() ? "" : " ") + out;
  return out;
}

std::string forwarded_recipient_params(std::string_view params, bool same_sender, bool only_copy) {
  if (!same_sender) return "";
  RecipientDsn dsn = recipient_dsn(params);
  if (!only_copy) dsn.notify.success = false;
  return dsn_words(dsn);
}

std::string report_address(std::string_view raw, bool utf8) {
  const std::string address = quote_address(raw);
  if (is_ascii(address)) return "rfc822; " + printable_ascii(address);
  if (!is_utf8(address)) return "rfc822; " + printable_ascii(address);
  return "utf-8; " + (utf8 ? address : encode_utf8_address(address));
}

std::string report_address(const OriginalRecipient& original, bool utf8) {
  if (is_ascii(original.address)) return original.type + "; " + printable_ascii(original.address);
  return original.type + "; " + (utf8 ? original.address : encode_utf8_address(original.address));
}

}  // namespace hato
