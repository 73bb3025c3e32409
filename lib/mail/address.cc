#include "lib/mail/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "lib/mail/domain.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_high(char c) {
  return static_cast<unsigned char>(c) >= 0x80;
}

// RFC 5322 atext, and RFC 6531's UTF8-non-ascii.
bool is_atext(char c) {
  return is_alphanumeric(c) || is_high(c) || (c != 0 && std::strchr("!#$%&'*+-/=?^_`{|}~", c) != nullptr);
}

bool is_space(char c) {
  return c == ' ' || c == '\t';
}

// What a lenient reader takes in an unquoted local part besides atext and dots.
bool is_tolerated(char c) {
  return c > ' ' && c < 127 && std::strchr("\"\\<>()[],;", c) == nullptr;
}

// A cursor over the text of one path. Every member reads from `at` and moves it only when it succeeds.
class PathText {
 public:
  PathText(std::string_view text, Strictness strictness)
      : text_(text), lenient_(strictness == Strictness::lenient) {}

  bool at_end() const { return at_ == text_.size(); }
  std::string_view rest() const { return text_.substr(at_); }
  bool next_is(char c) const { return !at_end() && text_[at_] == c; }
  bool take(char c) {
    if (!next_is(c)) return false;
    ++at_;
    return true;
  }
  void skip_spaces() {
    while (!at_end() && is_space(text_[at_])) ++at_;
  }
  bool take_word(std::string_view word) {
    if (!equal_ignoring_case(rest().substr(0, word.size()), word)) return false;
    at_ += word.size();
    return true;
  }

  // "@a,@b:" (RFC 5321 A-d-l), accepted and discarded (RFC 5321 4.1.1.3). false: no colon where one must be.
  bool skip_route(bool bracketed) {
    if (!next_is('@')) return true;
    const std::size_t colon = text_.find(':', at_);
    if (colon == std::string_view::npos) return false;
    if (bracketed && text_.find('>', at_) < colon) return false;
    at_ = colon + 1;
    return true;
  }

  // Mailbox, raw. Without a domain only where `bare` allows it.
  std::optional<std::string> mailbox(bool bare) {
    std::string local;
    if (!local_part_into(local)) return std::nullopt;
    if (!take('@')) {
      if (bare && !local.empty() && local.find('@') == std::string::npos) return local;
      return std::nullopt;
    }
    const auto domain = domain_name();
    if (!domain) return std::nullopt;
    return local + "@" + *domain;
  }

 private:
  bool local_part_into(std::string& local) {
    if (next_is('"')) {
      // A quoted string is the whole local part, or, as older software has it, words with dots between them.
      do {
        if (next_is('"')) {
          if (!quoted_into(local)) return false;
        } else {
          unquoted_into(local);
        }
      } while (lenient_ && !at_end() && (next_is('"') || is_atext(text_[at_]) || next_is('.')));
      return true;
    }
    unquoted_into(local);
    if (lenient_ && next_is('"')) return local_part_into(local);
    return !local.empty();
  }

  bool quoted_into(std::string& local) {
    std::size_t at = at_ + 1;
    std::string inside;
    while (at < text_.size() && text_[at] != '"') {
      if (text_[at] == '\\' && ++at == text_.size()) return false;
      inside += text_[at++];
    }
    if (at == text_.size()) return false;
    at_ = at + 1;
    local += inside;
    return true;
  }

  void unquoted_into(std::string& local) {
    while (!at_end()) {
      const char c = text_[at_];
      if (c == '@') {
        // Lenient: the last @ of the word separates, as for qmail.
        const std::size_t end = text_.find_first_of("> \t\"", at_ + 1);
        const std::string_view word =
            text_.substr(at_ + 1, end == std::string_view::npos ? end : end - at_ - 1);
        if (!lenient_ || word.find('@') == std::string_view::npos) return;
      } else if (c == '\\' && lenient_ && at_ + 1 < text_.size()) {
        ++at_;
        local += text_[at_++];
        continue;
      } else if (!(is_atext(c) || c == '.' || (lenient_ && is_tolerated(c)))) {
        return;
      }
      local += text_[at_++];
    }
  }

  std::optional<std::string> domain_name() {
    std::size_t end = at_;
    if (next_is('[')) {
      end = text_.find(']', at_);
      if (end == std::string_view::npos) return std::nullopt;
      ++end;
      const std::string_view literal = text_.substr(at_, end - at_);
      if (!address_literal(literal)) return std::nullopt;
      at_ = end;
      return std::string(literal);
    }
    while (end < text_.size() && (is_alphanumeric(text_[end]) || is_high(text_[end]) || text_[end] == '-' ||
                                  text_[end] == '.' || (lenient_ && text_[end] == '_')))
      ++end;
    std::string_view name = text_.substr(at_, end - at_);
    if (lenient_ && name.size() > 1 && name.back() == '.') name.remove_suffix(1);
    if (name.empty() || name.front() == '.' || name.back() == '.' ||
        name.find("..") != std::string_view::npos)
      return std::nullopt;
    at_ = end;
    return std::string(name);
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool lenient_;
};

// C0, DEL and (in UTF-8) C1.
bool has_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 32 || c == 127) return true;
    if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
        static_cast<unsigned char>(text[i + 1]) < 0xa0)
      return true;
  }
  return false;
}

PathError check_address(std::string_view address) {
  if (has_control(address)) return PathError::control;
  if (!is_utf8(address)) return PathError::not_utf8;
  if (address.size() > max_smtp_address || domain_part(address).size() > max_domain)
    return PathError::too_long;
  return PathError::none;
}

}  // namespace

std::string_view local_part(std::string_view address) {
  return address.substr(0, address.rfind('@'));
}

std::string_view domain_part(std::string_view address) {
  const std::size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

bool needs_smtputf8(std::string_view address) {
  return !is_ascii(address);
}

bool is_clean_address(std::string_view address) {
  return !has_control(address) && is_utf8(address);
}

std::string quote_local_part(std::string_view raw) {
  const bool dot_atom = !raw.empty() && raw.front() != '.' && raw.back() != '.' &&
                        raw.find("..") == std::string_view::npos &&
                        std::all_of(raw.begin(), raw.end(), [](char c) { return is_atext(c) || c == '.'; });
  if (dot_atom) return std::string(raw);
  std::string quoted = "\"";
  for (const char c : raw) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

std::string quote_address(std::string_view raw) {
  if (raw.empty()) return std::string();
  const std::size_t at = raw.rfind('@');
  if (at == std::string_view::npos) return quote_local_part(raw);
  return quote_local_part(raw.substr(0, at)).append(raw.substr(at));
}

std::optional<std::array<unsigned char, 16>> address_literal(std::string_view domain) {
  if (domain.size() < 4 || domain.front() != '[' || domain.back() != ']') return std::nullopt;
  std::string_view inside = domain.substr(1, domain.size() - 2);
  constexpr std::string_view tag = "IPv6:";
  const bool v6 = equal_ignoring_case(inside.substr(0, tag.size()), tag);
  if (v6) inside.remove_prefix(tag.size());
  char text[INET6_ADDRSTRLEN];
  if (inside.size() >= sizeof text) return std::nullopt;
  *std::copy(inside.begin(), inside.end(), text) = '\0';
  if (std::strlen(text) != inside.size()) return std::nullopt;  // a NUL inside
  std::array<unsigned char, 16> bytes{};
  if (v6) return inet_pton(AF_INET6, text, bytes.data()) == 1 ? std::optional(bytes) : std::nullopt;
  bytes[10] = bytes[11] = 0xff;
  if (inet_pton(AF_INET, text, bytes.data() + 12) != 1) return std::nullopt;
  return bytes;
}

std::optional<std::vector<Parameter>> parse_parameters(std::string_view text) {
  std::vector<Parameter> parameters;
  for (std::size_t at = 0;;) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) return parameters;
    std::size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    const std::string_view word = text.substr(at, end - at);
    at = end;

    Parameter parameter;
    const std::size_t equals = word.find('=');
    const std::string_view keyword = word.substr(0, equals);
    if (keyword.empty() || !is_alphanumeric(keyword.front()) ||
        !std::all_of(keyword.begin(), keyword.end(), [](char c) { return is_alphanumeric(c) || c == '-'; }))
      return std::nullopt;
    for (const char c : keyword)
      parameter.keyword += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    if (equals != std::string_view::npos) {
      const std::string_view value = word.substr(equals + 1);
      if (has_control(value) || !is_utf8(value)) return std::nullopt;
      parameter.value = std::string(value);
      parameter.has_value = true;
    }
    if (parameters.size() == max_esmtp_parameters) return std::nullopt;
    parameters.push_back(std::move(parameter));
  }
}

const Parameter* find_parameter(const std::vector<Parameter>& parameters, std::string_view keyword) {
  for (const Parameter& parameter : parameters)
    if (parameter.keyword == keyword) return &parameter;
  return nullptr;
}

Path parse_path(std::string_view argument, std::string_view keyword, Strictness strictness) {
  const bool lenient = strictness == Strictness::lenient;
  const bool recipient = equal_ignoring_case(keyword, "TO");
  Path path;
  const auto fail = [&](PathError error) {
    path.error = error;
    path.address.clear();
    return path;
  };

  if (std::any_of(argument.begin(), argument.end(),
                  [](char c) { return (c >= 0 && c < 32 && c != '\t') || c == 127; }))
    return fail(PathError::control);
  PathText text(argument, strictness);
  if (lenient) text.skip_spaces();
  const bool had_keyword = text.take_word(keyword);
  if (lenient) text.skip_spaces();
  const bool had_colon = text.take(':');
  if (!lenient && !(had_keyword && had_colon)) return fail(PathError::syntax);
  if (lenient) text.skip_spaces();

  const bool bracketed = text.take('<');
  if (!bracketed && (!lenient || (had_keyword && !had_colon))) return fail(PathError::syntax);
  if (lenient && bracketed) text.skip_spaces();

  const bool null_path = bracketed && text.next_is('>');
  if (!null_path) {
    if (!text.skip_route(bracketed)) return fail(PathError::syntax);
    const auto mailbox = text.mailbox(lenient || recipient);
    if (!mailbox) return fail(PathError::syntax);
    path.address = *mailbox;
    if (!lenient && path.address.find('@') == std::string::npos &&
        !equal_ignoring_case(path.address, "postmaster"))
      return fail(PathError::syntax);
  }
  if (const PathError error = check_address(path.address); error != PathError::none) return fail(error);
  if (lenient) {
    const std::string_view before = text.rest();
    text.skip_spaces();
    if (bracketed && !text.next_is('>')) return fail(PathError::syntax);
    if (!bracketed && !before.empty() && !is_space(before.front())) return fail(PathError::syntax);
  }
  if (bracketed && !text.take('>')) return fail(PathError::syntax);

  std::string_view rest = text.rest();
  if (!lenient && !rest.empty() && rest.front() != ' ') return fail(PathError::trailing);
  auto parameters = parse_parameters(rest);
  if (!parameters) return fail(PathError::trailing);
  path.parameters = std::move(*parameters);
  return path;
}

std::optional<std::string> parse_mailbox(std::string_view text, Strictness strictness) {
  PathText cursor(text, strictness);
  auto mailbox = cursor.mailbox(strictness == Strictness::lenient);
  if (!mailbox || !cursor.at_end() || check_address(*mailbox) != PathError::none) return std::nullopt;
  return mailbox;
}

}  // namespace hato
