// What a hostile web server or name server can send to qmail-mtastsd: HTTP responses, policies, records.
#include <cstdint>
#include <cstdlib>

#include "lib/net/http_response.h"
#include "lib/net/mta_sts.h"
#include "remote/policy_cache.h"
#include "remote/policy_fetch.h"
#include "remote/sts_question.h"

using namespace hato;

namespace {

void check_policy(std::string_view text) {
  const std::optional<StsPolicy> policy = parse_sts_policy(text);
  if (!policy) return;
  if (policy->max_age < 0 || policy->max_age > max_sts_age) std::abort();
  if (policy->mode != StsMode::none && policy->mx.empty()) std::abort();
  if (policy->mx.size() > max_sts_patterns) std::abort();
  for (const std::string& pattern : policy->mx)
    if (pattern[0] != '*' && !policy->allows(pattern)) std::abort();
  const std::string answer = sts_answer(*policy);
  if (answer.size() > max_sts_answer) std::abort();
  const std::optional<StsPolicy> heard = parse_sts_answer(answer);
  if (!heard || heard->mx != policy->mx || heard->mode != policy->mode) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t limit = 1000;
  HttpResponse whole(limit), bits(limit);
  whole.feed(input);
  for (const char& c : input) bits.feed({&c, 1});
  if (whole.state() != bits.state() || whole.body() != bits.body() || whole.body().size() > limit)
    std::abort();
  if (whole.state() == HttpResponse::State::failed && whole.problem().empty()) std::abort();
  if (whole.state() == HttpResponse::State::done) check_policy(whole.body());

  check_policy(input);
  const std::optional<std::string> id = sts_policy_id({std::string(input)});
  if (id && (id->empty() || id->size() > 32)) std::abort();
  if (const std::optional<CachedPolicy> cached = CachedPolicy::parse(input))
    if (cached->fetched < 0) std::abort();
  if (const std::optional<PolicyFinding> finding = PolicyFinding::parse(input))
    if (finding->what == PolicyFinding::What::fetched && !parse_sts_policy(finding->text)) std::abort();
  if (is_sts_domain(input) && input.find('/') != input.npos) std::abort();
  return 0;
}
