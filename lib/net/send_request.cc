#include "lib/net/send_request.h"

#include <charconv>

#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/mail/domain.h"

namespace hato {

namespace {

constexpr const char* verbs[] = {"hold", "release", "retry", "remove", "bounce", "flush", "status"};
constexpr const char* outcomes[] = {"done", "begun", "none", "refused", "failed"};
constexpr std::string_view all_recipients = "*";

std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

template <typename Number>
std::optional<Number> decimal(std::string_view text) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text[0] == '0') return std::nullopt;
  return value;
}

std::optional<std::vector<std::uint32_t>> parse_recipients(std::string_view list) {
  std::vector<std::uint32_t> recipients;
  for (;;) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::optional<std::uint32_t> one = decimal<std::uint32_t>(list.substr(0, comma));
    if (!one || recipients.size() == request_recipients_limit) return std::nullopt;
    recipients.push_back(*one);
    if (comma == list.size()) return recipients;
    list.remove_prefix(comma + 1);
  }
}

std::string recipient_list(const std::vector<std::uint32_t>& recipients) {
  std::string list;
  for (const std::uint32_t one : recipients) list += (list.empty() ? "" : ",") + std::to_string(one);
  return list;
}

bool is_one_line(std::string_view text) {
  for (const char c : text)
    if ((c >= 0 && c < 32) || c == 127) return false;
  return true;
}

template <std::size_t size>
std::optional<std::size_t> index_of(std::string_view word, const char* const (&words)[size]) {
  for (std::size_t i = 0; i < size; ++i)
    if (word == words[i]) return i;
  return std::nullopt;
}

}  // namespace

const char* verb_name(RequestVerb verb) {
  return verbs[static_cast<std::size_t>(verb)];
}

std::optional<std::string> flush_domain(std::string_view name) {
  const bool below = name.starts_with('.');
  if (below) name.remove_prefix(1);
  const std::optional<std::string> domain = to_ascii_domain(name);
  if (!domain || domain->empty() || domain->find(' ') != std::string::npos) return std::nullopt;
  return below ? "." + *domain : *domain;
}

bool address_in_domain(std::string_view address, std::string_view flush_domain) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos) return false;
  const std::string domain = canonical_domain(address.substr(at + 1));
  if (!flush_domain.starts_with('.')) return domain == flush_domain;
  return domain == flush_domain.substr(1) || domain.ends_with(flush_domain);
}

std::string encode_request(const SendRequest& request) {
  std::string line = verb_name(request.verb);
  if (request.verb == RequestVerb::flush) {
    line += " " + request.domain;
    if (!request.address.empty()) line += " " + request.address;
  } else if (request.verb != RequestVerb::status) {
    line += " " + request.id.text();
  }
  if (request.verb == RequestVerb::remove && !request.recipients.empty())
    line += " " + recipient_list(request.recipients);
  if (request.verb == RequestVerb::bounce)
    line += " " +
            (request.recipients.empty() ? std::string(all_recipients) : recipient_list(request.recipients)) +
            " " + log_safe(request.text, request_text_limit - 3);
  return line + "\n";
}

std::optional<SendRequest> decode_request_line(std::string_view line) {
  if (line.ends_with(' ')) return std::nullopt;
  const std::optional<std::size_t> verb = index_of(take_word(line), verbs);
  if (!verb) return std::nullopt;
  SendRequest request;
  request.verb = static_cast<RequestVerb>(*verb);
  if (request.verb == RequestVerb::status) return line.empty() ? std::optional(request) : std::nullopt;
  if (request.verb == RequestVerb::flush) {
    const std::string_view name = take_word(line);
    const std::optional<std::string> domain = flush_domain(name);
    if (!domain || *domain != name) return std::nullopt;
    request.domain = *domain;
    request.address = line;
    if (!line.empty() && !IpAddress::parse(line)) return std::nullopt;
    return request;
  }
  const std::optional<QueueId> id = QueueId::parse(take_word(line));
  if (!id) return std::nullopt;
  request.id = *id;
  const bool bounce = request.verb == RequestVerb::bounce;
  if (bounce || (request.verb == RequestVerb::remove && !line.empty())) {
    const std::string_view list = take_word(line);
    if (!bounce || list != all_recipients) {
      std::optional<std::vector<std::uint32_t>> recipients = parse_recipients(list);
      if (!recipients) return std::nullopt;
      request.recipients = std::move(*recipients);
    }
    if (bounce) {
      if (line.empty() || line.size() > request_text_limit || !is_one_line(line)) return std::nullopt;
      request.text = line;
      line = {};
    }
  }
  if (!line.empty()) return std::nullopt;
  return request;
}

std::string encode_answer(const SendAnswer& answer) {
  std::string line = outcomes[static_cast<std::size_t>(answer.outcome)];
  if (answer.outcome == RequestOutcome::done || answer.outcome == RequestOutcome::begun)
    line += " " + std::to_string(answer.number);
  if (!answer.text.empty()) line += " " + log_safe(answer.text, answer_text_limit);
  return line + "\n";
}

std::optional<SendAnswer> decode_answer_line(std::string_view line) {
  const std::optional<std::size_t> outcome = index_of(take_word(line), outcomes);
  if (!outcome) return std::nullopt;
  SendAnswer answer;
  answer.outcome = static_cast<RequestOutcome>(*outcome);
  if (answer.outcome == RequestOutcome::done || answer.outcome == RequestOutcome::begun) {
    const std::optional<std::uint64_t> number = decimal<std::uint64_t>(take_word(line));
    if (!number) return std::nullopt;
    answer.number = *number;
  }
  answer.text = line;
  return answer;
}

std::optional<std::vector<std::string_view>> packet_lines(std::string_view packet) {
  std::vector<std::string_view> lines;
  while (!packet.empty()) {
    const std::size_t end = packet.find('\n');
    if (end == std::string_view::npos || lines.size() == request_batch_limit) return std::nullopt;
    lines.push_back(packet.substr(0, end));
    packet.remove_prefix(end + 1);
  }
  if (lines.empty()) return std::nullopt;
  return lines;
}

}  // namespace hato
