// HTML from the server: text made safe, and the frame that every page has. Pure.
#pragma once

#include <string>
#include <string_view>

namespace hato::panel {

// For text and for attribute values in double quotes; control characters other than LF and tab become U+FFFD.
std::string html(std::string_view text);

struct Frame {
  std::string_view language;    // "en", "ja": the page's
  std::string_view title;       // as text
  std::string head;             // HTML: what stands at the right of the head line
  std::string notice, problem;  // as text; empty: none. What came of the last request.
  std::string nonce;            // of the style sheet (Content Security Policy)
};
// A whole page around the HTML of its body.
std::string html_page(const Frame& frame, std::string_view body);

}  // namespace hato::panel
