#include "lib/mail/header_addresses.h"

#include <algorithm>
#include <cstring>

#include "lib/mail/address.h"
#include "lib/mail/utf8.h"

namespace hato {

namespace {

enum class Kind { word, quoted, literal, special };

struct Token {
  Kind kind;
  char special;      // for Kind::special: one of , ; : < > @ .
  std::string text;  // for the others: unquoted; a literal with its brackets
  std::size_t begin;
  std::size_t end;
  bool is(char c) const { return kind == Kind::special && special == c; }
  bool is_word() const { return kind != Kind::special; }
};

constexpr char escape = '\x1b';
constexpr const char* specials = ",;:<>@.";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool is_special(char c) {
  return c != '\0' && std::strchr(specials, c) != nullptr;
}

// Reads the tokens of an address list; comments and white space vanish.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text), legacy_(!is_utf8(text)) {}

  // false: something was left open.
  bool read(std::vector<Token>& tokens) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      const std::size_t begin = at_;
      std::string content;
      Kind kind = Kind::word;
      char special = '\0';
      if (is_space(c)) {
        ++at_;
        continue;
      }
      if (c == '(') {
        if (!skip_comment()) return false;
        continue;
      }
      if (is_special(c)) {
        kind = Kind::special;
        special = c;
        ++at_;
      } else if (c == '"') {
        kind = Kind::quoted;
        if (!delimited('"', content)) return false;
      } else if (c == '[' && !tokens.empty() && tokens.back().is('@')) {
        // Elsewhere it is a letter: "[ML] Members <ml@example.jp>".
        kind = Kind::literal;
        if (!delimited(']', content)) return false;
        content.insert(content.begin(), '[');
        content += ']';
      } else {
        word(content);
      }
      tokens.push_back({kind, special, std::move(content), begin, at_});
    }
    return true;
  }

 private:
  // Does a quoted pair begin here? In text that is not UTF-8 a backslash behind a high byte is the second
  // half of a Shift_JIS character.
  bool quoted_pair() const {
    // A line end cannot be quoted: it is gone when a field is unfolded (RFC 5322 2.2.3, 3.2.1), and a newline
    // in an address would begin a field of the sender's choice.
    return text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n' && text_[at_ + 1] != '\r' &&
           !(legacy_ && at_ > 0 && static_cast<unsigned char>(text_[at_ - 1]) >= 0x80);
  }

  bool iso2022() const { return text_[at_] == escape && at_ + 1 < text_.size() && text_[at_ + 1] == '$'; }

  // ESC $ … up to and with ESC ( X; to the end of the line when that is missing (RFC 1468: a line ends in
  // ASCII).
  void take_iso2022(std::string& content) {
    const std::size_t back = text_.find("\x1b(", at_ + 2);
    std::size_t end = back == std::string_view::npos ? text_.size() : std::min(back + 3, text_.size());
    end = std::min(end, text_.find_first_of("\r\n", at_));
    content += text_.substr(at_, end - at_);
    at_ = end;
  }

  bool skip_comment() {
    std::string ignored;
    std::size_t depth = 0;
    do {
      if (at_ >= text_.size()) return false;
      if (iso2022()) {
        take_iso2022(ignored);
        continue;
      }
      if (quoted_pair()) {
        at_ += 2;
        continue;
      }
      const char c = text_[at_++];
      if (c == '(') ++depth;
      if (c == ')') --depth;
    } while (depth > 0);
    return true;
  }

  // From the opening character to `close`, with \x taken as x and line ends dropped.
  bool delimited(char close, std::string& content) {
    ++at_;
    while (at_ < text_.size()) {
      if (iso2022()) {
        take_iso2022(content);
        continue;
      }
      if (quoted_pair()) {
        content += text_[at_ + 1];
        at_ += 2;
        continue;
      }
      const char c = text_[at_++];
      if (c == close) return true;
      if (c != '\r' && c != '\n') content += c;
    }
    return false;
  }

  void word(std::string& content) {
    do {
      if (iso2022()) {
        take_iso2022(content);
        continue;
      }
      if (quoted_pair()) ++at_;
      content += text_[at_++];
    } while (at_ < text_.size() && !is_space(text_[at_]) && !is_special(text_[at_]) && text_[at_] != '(' &&
             text_[at_] != '"');
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool legacy_;
};

// One address from tokens [first, last): words, dots and at signs. A route ("@a,@b:") ends at the last colon.
HeaderAddress make_address(const std::vector<Token>& tokens, std::size_t first, std::size_t last,
                           std::size_t position) {
  HeaderAddress address{};
  address.begin = first < last ? tokens[first].begin : position;
  address.end = first < last ? tokens[last - 1].end : position;
  address.item_end = address.end;
  if (first < last && tokens[first].is('@'))
    for (std::size_t i = last; i-- > first;)
      if (tokens[i].is(':')) {
        first = i + 1;
        address.had_route = true;
        break;
      }
  std::size_t at = last;
  for (std::size_t i = last; i-- > first;)
    if (tokens[i].is('@')) {
      at = i;
      break;
    }
  for (std::size_t i = first; i < at; ++i) {
    const Token& token = tokens[i];
    // Words that stand apart ("<John Doe @x>") were one local part with spaces.
    if (i > first && token.is_word() && tokens[i - 1].is_word()) address.local += ' ';
    address.local += token.is_word() ? token.text : std::string(1, token.special);
  }
  for (std::size_t i = at + 1; i < last; ++i)
    address.domain += tokens[i].is_word() ? tokens[i].text : std::string(1, tokens[i].special);
  return address;
}

// The list in its places between commas, from left to right.
class ListReader {
 public:
  explicit ListReader(const std::vector<Token>& tokens) : tokens_(tokens) {}

  bool read(std::vector<HeaderAddress>& addresses) {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (token.is(',') || token.is(';')) {
        flush(i, addresses);
        start_ = i + 1;
        comma_ = true;
      } else if (token.is(':')) {  // the name of a group
        start_ = i + 1;
        comma_ = true;
      } else if (token.is('>')) {
        return false;
      } else if (token.is('<')) {  // before it stands a display name
        std::size_t close = i + 1;
        while (close < tokens_.size() && !tokens_[close].is('>')) ++close;
        if (close == tokens_.size()) return false;
        HeaderAddress address = make_address(tokens_, i + 1, close, tokens_[i].end);
        address.item_end = tokens_[close].end;
        add(std::move(address), addresses);
        i = close;
        start_ = close + 1;
        comma_ = false;
      }
    }
    flush(tokens_.size(), addresses);
    return true;
  }

 private:
  void add(HeaderAddress address, std::vector<HeaderAddress>& addresses) {
    address.comma_missing = !comma_;
    comma_ = false;
    addresses.push_back(std::move(address));
  }

  // [start_, end): addresses without angle brackets. Two words side by side are two addresses
  // (qmail-header(5)).
  void flush(std::size_t end, std::vector<HeaderAddress>& addresses) {
    for (std::size_t i = start_ + 1; i <= end; ++i)
      if (i == end || (tokens_[i].is_word() && tokens_[i - 1].is_word())) {
        add(make_address(tokens_, start_, i, 0), addresses);
        start_ = i;
      }
  }

  const std::vector<Token>& tokens_;
  std::size_t start_ = 0;
  bool comma_ = true;  // a comma (or the list's beginning) stands before what comes next
};

}  // namespace

std::optional<std::vector<HeaderAddress>> parse_address_list(std::string_view text) {
  std::vector<Token> tokens;
  std::vector<HeaderAddress> addresses;
  if (!Tokens(text).read(tokens) || !ListReader(tokens).read(addresses)) return std::nullopt;
  return addresses;
}

std::string rewrite_address_list(std::string_view text, const std::vector<HeaderAddress>& addresses,
                                 const std::function<std::string(const HeaderAddress&)>& rewrite) {
  std::string out;
  std::size_t done = 0;
  std::size_t item_done = 0;
  for (const HeaderAddress& address : addresses) {
    if (address.comma_missing) {
      out.append(text.substr(done, item_done - done)).append(",");
      done = item_done;
    }
    out += text.substr(done, address.begin - done);
    const std::string rewritten = rewrite(address);
    if (rewritten == address.raw() && !address.had_route)
      out += text.substr(address.begin, address.end - address.begin);
    else
      out += quote_address(rewritten);
    done = address.end;
    item_done = address.item_end;
  }
  return out.append(text.substr(done));
}

}  // namespace hato
