// What qmail-remote and qmail-mtastsd say to each other: "what is the MTA-STS policy of this domain?"
//
// HOME/mtasts/s is a Unix socket of packets (SOCK_SEQPACKET). The question is the domain, A-labels in lower
// case, in one packet; the answer is one packet of lines, each ended by LF: "enforce", "testing" or "none",
// then the patterns of mail exchangers, one a line. "none" is also the answer when there is no policy, when
// none could be had, and when the look-up takes longer than sts_answer_seconds: RFC 8461 section 5 wants mail
// to go as if the domain had none. Then the connection is closed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/fd.h"
#include "lib/net/mta_sts.h"

namespace hato {

constexpr std::int64_t sts_answer_seconds = 15;
constexpr std::size_t max_sts_question = 240;  // octets: "mta-sts." in front of it is still a name
constexpr std::size_t max_sts_answer = max_sts_policy + 16;

std::string sts_socket_path();  // conf::home + "/mtasts/s"

// Can a policy's domain be called so? A name of at least two labels, lower case, letters, digits, hyphens,
// dots: also a name for a file.
bool is_sts_domain(std::string_view domain);

std::string sts_answer(const StsPolicy& policy);
// nullopt: not an answer. max_age is 0.
std::optional<StsPolicy> parse_sts_answer(std::string_view packet);

// qmail-remote's side.
class StsQuestion {
 public:
  // Connects; before sealing. nobody: when there is no qmail-mtastsd, and then there are no policies.
  static StsQuestion connect(const std::string& path);
  static StsQuestion nobody() { return StsQuestion(Fd()); }
  // Works sealed; once. domain: ASCII, lower case. Never throws: no answer in time is mode none.
  StsPolicy ask(std::string_view domain) const;

 private:
  explicit StsQuestion(Fd socket) : socket_(std::move(socket)) {}
  Fd socket_;
};

}  // namespace hato
