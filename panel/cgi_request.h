// A request as a web server hands it to a CGI program: RFC 3875. Parsing is pure but for read_cgi_request.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace hato::panel {

constexpr std::size_t form_limit = 65536;  // bytes of a query or of a body
constexpr std::size_t form_fields = 100;

// The fields of a form; of two with one name the first counts.
using Form = std::map<std::string, std::string, std::less<>>;

// application/x-www-form-urlencoded (URL Standard 5.1). Line ends become LF. nullopt: over a limit, a percent
// sign without two hexadecimal digits, or bytes that are not UTF-8 or are NUL once decoded.
std::optional<Form> parse_form(std::string_view text);
// For a link: all but letters, digits and -._ as percent and two digits.
std::string form_encode(std::string_view text);

// The value of the first cookie of this name in a Cookie field (RFC 6265 5.4).
std::optional<std::string> cookie_value(std::string_view field, std::string_view name);

// Does the field (RFC 9110 12.5.4, "ja,en;q=0.8") prefer Japanese to English?
bool prefers_japanese(std::string_view accept_language);

struct CgiRequest {
  bool post = false;
  Form query, form;
  std::string script;   // the path of the program's URL
  std::string cookies;  // the Cookie field
  std::string accept_language;
  std::string client;  // the client's address, as the web server says
  bool https = false;
  // What browsers say about where a POST comes from, empty when they do not, and where it went.
  std::string origin, host;

  std::string_view field(std::string_view name) const;      // of the body; empty when missing
  std::string_view parameter(std::string_view name) const;  // of the query
  // No Origin, or the one of this very server: a form on somebody else's page is none of ours.
  bool from_this_site() const;
};

// What a request gets that is refused before it is looked at.
struct CgiRefusal {
  int status;
  const char* text;
};
// From the environment and, for a POST, from descriptor 0, whose reading may take 30 seconds in all. Throws
// CgiRefusal.
CgiRequest read_cgi_request();

}  // namespace hato::panel
