#include "lib/mail/mime_type.h"

#include "lib/mail/domain.h"

namespace hato {

namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }
  bool ended() const { return at_ >= text_.size(); }

  // White space and comments.
  void skip_space() {
    int depth = 0;
    for (; !ended(); ++at_) {
      const char c = text_[at_];
      if (c == '\\' && depth > 0 && at_ + 1 < text_.size())
        ++at_;
      else if (c == '(')
        ++depth;
      else if (c == ')' && depth > 0)
        --depth;
      else if (depth == 0 && !is_space(c))
        return;
    }
  }
  bool take(char c) {
    if (ended() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string_view take_token() {
    const std::size_t begin = at_;
    while (!ended() && !is_space(text_[at_]) && text_[at_] != ';' && text_[at_] != '=' && text_[at_] != '"' &&
           text_[at_] != '(')
      ++at_;
    return text_.substr(begin, at_ - begin);
  }
  // A quoted string or a token; one without its closing quote goes to the end.
  std::string take_value() {
    if (!take('"')) return std::string(take_value_token());
    std::string value;
    while (!ended() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      if (text_[at_] != '\n' && text_[at_] != '\r') value += text_[at_];
      ++at_;
    }
    take('"');
    return value;
  }
  void skip_to_semicolon() {
    while (!ended() && text_[at_] != ';') {
      if (text_[at_] == '"')
        take_value();
      else if (text_[at_] == '(')
        skip_space();
      else
        ++at_;
    }
  }

 private:
  // Unquoted boundaries with "=" in them are common.
  std::string_view take_value_token() {
    const std::size_t begin = at_;
    while (!ended() && !is_space(text_[at_]) && text_[at_] != ';' && text_[at_] != '"') ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

const MimeParameter* MimeType::find(std::string_view name) const {
  for (const MimeParameter& parameter : parameters)
    if (parameter.name == name) return &parameter;
  return nullptr;
}

MimeType parse_mime_type(std::string_view body) {
  MimeType type;
  Scanner scanner(body);
  scanner.skip_space();
  type.value = to_lower_ascii(scanner.take_token());
  for (scanner.skip_to_semicolon(); scanner.take(';'); scanner.skip_to_semicolon()) {
    scanner.skip_space();
    MimeParameter parameter;
    parameter.begin = scanner.at();
    parameter.name = to_lower_ascii(scanner.take_token());
    scanner.skip_space();
    if (parameter.name.empty() || !scanner.take('=')) continue;
    scanner.skip_space();
    parameter.value = scanner.take_value();
    parameter.end = scanner.at();
    if (type.parameters.size() < max_mime_parameters) type.parameters.push_back(std::move(parameter));
  }
  return type;
}

}  // namespace hato
