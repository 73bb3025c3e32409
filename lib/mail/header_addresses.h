// Address lists of header fields (RFC 822 6.1, RFC 5322 3.4 and its obsolete forms; qmail-header(5)).
//
// Read as qmail does, with what people and scripts really write: comments, quoted strings, groups, source
// routes and folding anywhere; a missing comma between two addresses; empty places in the list. Text in
// ISO-2022-JP between ESC $ and ESC ( is one word whatever ASCII bytes it is made of, and bytes above 127 are
// letters.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct HeaderAddress {
  std::string local;   // raw (unquoted)
  std::string domain;  // without comments and spaces; empty when there was none; literals with their brackets
  std::size_t begin;   // the text that makes the address, [begin, end) of what was parsed: route included,
  std::size_t end;     // angle brackets and display name not
  std::size_t item_end;  // as end, but behind a closing angle bracket
  bool had_route;
  bool comma_missing;  // it follows the one before without a comma

  bool is_null() const { return local.empty() && domain.empty(); }  // <>
  std::string raw() const { return domain.empty() ? local : local + "@" + domain; }
};

// `text` is the body of a field, folds and all. nullopt: it cannot be read (an open quote, comment, literal
// or angle bracket).
std::optional<std::vector<HeaderAddress>> parse_address_list(std::string_view text);

// `text` with each of its addresses replaced by what `rewrite` makes of it (raw in, raw out) and quoted as
// needed; commas put in where they are missing, routes dropped. What was not changed keeps its spelling, and
// so do names, comments and folds.
std::string rewrite_address_list(std::string_view text, const std::vector<HeaderAddress>& addresses,
                                 const std::function<std::string(const HeaderAddress&)>& rewrite);

}  // namespace hato
