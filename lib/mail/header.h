// Header fields of a message (RFC 5322 2.2): views into its text, nothing is copied.
//
// Line ends may be LF or CRLF. A line that begins with a space or tab continues the field before it. The
// header ends at the first empty line, or, for messages without one, before the first line that is no field.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hato {

struct HeaderField {
  std::string_view name;                       // as written, without the colon and white space before it
  std::string_view body;                       // behind the colon, with folds, without the final line end
  std::string_view all;                        // the whole field with its line ends
  bool is(std::string_view other_name) const;  // names are equal in any case
};

// Is `line` (with or without its line end) the first line of a field: a name of printable ASCII without colon
// and space, then perhaps white space (old senders), then a colon?
bool starts_field(std::string_view line);

// One field from its text: nullopt when the text does not begin with one. Continuation lines that follow
// belong to it; the rest of the text is not looked at.
std::optional<HeaderField> first_field(std::string_view text);

// for (HeaderFields fields(message); auto field = fields.next();) …
class HeaderFields {
 public:
  explicit HeaderFields(std::string_view message) : text_(message) {}
  std::optional<HeaderField> next();
  // Where next() stands: after its nullopt, the offset of the empty line or of the first line that is no
  // field.
  std::size_t offset() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

// The offset of the body: behind the empty line that ends the header; the text's size when there is no body.
std::size_t body_offset(std::string_view message);

// The first field of that name.
std::optional<HeaderField> find_field(std::string_view message, std::string_view name);

// The body of a field on one line: line ends removed (RFC 5322 2.2.3), white space at both ends trimmed.
std::string unfolded(std::string_view body);

}  // namespace hato
