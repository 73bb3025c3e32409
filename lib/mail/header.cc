#include "lib/mail/header.h"

#include "lib/mail/domain.h"

namespace hato {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// The length of the name when the line begins a field; 0 otherwise. `colon` is where the colon stands.
std::size_t name_length(std::string_view line, std::size_t& colon) {
  std::size_t end = 0;
  while (end < line.size() && line[end] > ' ' && line[end] < 127 && line[end] != ':') ++end;
  colon = end;
  while (colon < line.size() && is_blank(line[colon])) ++colon;
  return colon < line.size() && line[colon] == ':' ? end : 0;
}

std::size_t line_end(std::string_view text, std::size_t at) {
  const std::size_t lf = text.find('\n', at);
  return lf == std::string_view::npos ? text.size() : lf + 1;
}

}  // namespace

bool HeaderField::is(std::string_view other_name) const {
  return equal_ignoring_case(name, other_name);
}

bool starts_field(std::string_view line) {
  std::size_t colon = 0;
  return name_length(line, colon) > 0;
}

std::optional<HeaderField> first_field(std::string_view text) {
  std::size_t colon = 0;
  const std::size_t length = name_length(text, colon);
  if (length == 0) return std::nullopt;
  std::size_t end = line_end(text, colon);
  while (end < text.size() && is_blank(text[end])) end = line_end(text, end);
  std::string_view body = text.substr(colon + 1, end - colon - 1);
  if (body.ends_with('\n')) body.remove_suffix(1);
  if (body.ends_with('\r')) body.remove_suffix(1);
  return HeaderField{.name = text.substr(0, length), .body = body, .all = text.substr(0, end)};
}

std::optional<HeaderField> HeaderFields::next() {
  auto field = first_field(text_.substr(at_));
  if (field) at_ += field->all.size();
  return field;
}

std::size_t body_offset(std::string_view message) {
  HeaderFields fields(message);
  while (fields.next()) {
  }
  const std::string_view rest = message.substr(fields.offset());
  if (rest.starts_with("\n")) return fields.offset() + 1;
  if (rest.starts_with("\r\n")) return fields.offset() + 2;
  return fields.offset();
}

std::optional<HeaderField> find_field(std::string_view message, std::string_view name) {
  for (HeaderFields fields(message); auto field = fields.next();)
    if (field->is(name)) return field;
  return std::nullopt;
}

std::string unfolded(std::string_view body) {
  std::string out;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\n') continue;
    if (body[i] == '\r' && i + 1 < body.size() && body[i + 1] == '\n') continue;
    out += body[i];
  }
  const std::size_t first = out.find_first_not_of(" \t");
  if (first == std::string::npos) return std::string();
  return out.substr(first, out.find_last_not_of(" \t") - first + 1);
}

}  // namespace hato
