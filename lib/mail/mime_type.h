// The value of a field with parameters: Content-Type, Content-Disposition (RFC 2045 section 5.1). Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct MimeParameter {
  std::string name;   // lower case
  std::string value;  // without quotes and backslashes
  std::size_t begin;  // its text in what was parsed: [begin, end) from the name to the end of the value
  std::size_t end;
};

struct MimeType {
  std::string value;  // lower case: "text/plain", "attachment"; empty when there was none
  std::vector<MimeParameter> parameters;
  // The first of that name (lower case), or null.
  const MimeParameter* find(std::string_view name) const;
};

// `body` is a field's body, folds and comments and all. What cannot be read is passed over, up to the next
// semicolon; at most max_mime_parameters are kept.
inline constexpr std::size_t max_mime_parameters = 100;
MimeType parse_mime_type(std::string_view body);

}  // namespace hato
