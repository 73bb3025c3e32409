// The message in a mailbox that is nearly full: lib/store/quota.h says when. Shipped in Japanese and English;
// control/quotawarntext has the operator's own words. Pure. All text is UTF-8 with LF line ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hato {

struct QuotaWarning {
  std::string host;                                     // control/me: who warns
  std::string to;                                       // raw address
  std::int64_t date;                                    // now, seconds since 1970
  std::string id;                                       // what makes its Message-ID unique
  std::uint64_t bytes_used = 0, bytes_limit = 0;        // limit 0: none
  std::uint64_t messages_used = 0, messages_limit = 0;  // likewise
};

// A whole message, with a header. own_text: of control/quotawarntext, "" for the shipped words; its first
// line may be "Subject: …", and {host}, {address}, {percent}, {used}, {limit}, {messages} and {messagelimit}
// are filled in; one that is not UTF-8 is not used. languages: of control/bouncelanguage, "ja" and "en" in
// their order; without a known one it is both. From postmaster, with Auto-Submitted: auto-generated (RFC
// 3834).
std::string quota_warning_message(const QuotaWarning& warning, const std::vector<std::string>& languages,
                                  std::string_view own_text);

}  // namespace hato
