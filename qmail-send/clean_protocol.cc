#include "qmail-send/clean_protocol.h"

#include "lib/base/log.h"

namespace hato {

namespace {

struct Form {
  std::string_view words;
  CleanVerb verb;
  bool in_new;
};
constexpr Form forms[] = {
    {"unlink new ", CleanVerb::unlink, true}, {"unlink mess ", CleanVerb::unlink, false},
    {"defer new ", CleanVerb::defer, true},   {"bad new ", CleanVerb::bad, true},
    {"bad mess ", CleanVerb::bad, false},     {"remove ", CleanVerb::remove, false},
    {"hold ", CleanVerb::hold, false},        {"release ", CleanVerb::release, false},
    {"sync ", CleanVerb::sync, false}};

std::optional<CleanCommand> parse_command(std::string_view line) {
  for (const Form& form : forms) {
    if (!line.starts_with(form.words)) continue;
    const std::optional<QueueId> id = QueueId::parse(line.substr(form.words.size()));
    if (!id) return std::nullopt;
    return CleanCommand{form.verb, form.in_new, *id};
  }
  return std::nullopt;
}

std::optional<CleanAnswer> parse_answer(std::string_view line) {
  if (line == "+") return CleanAnswer{true, ""};
  if (line.starts_with('-')) return CleanAnswer{false, std::string(line.substr(1))};
  return std::nullopt;
}

// Whole lines through `parse`; nullopt when one is not sound, none is there, or there are too many.
template <typename Item>
std::optional<std::vector<Item>> parse_lines(std::string_view packet,
                                             std::optional<Item> (*parse)(std::string_view)) {
  std::vector<Item> items;
  while (!packet.empty()) {
    const std::size_t end = packet.find('\n');
    if (end == std::string_view::npos || items.size() == clean_batch_limit) return std::nullopt;
    std::optional<Item> item = parse(packet.substr(0, end));
    if (!item) return std::nullopt;
    items.push_back(std::move(*item));
    packet.remove_prefix(end + 1);
  }
  if (items.empty()) return std::nullopt;
  return items;
}

}  // namespace

std::string encode_clean_commands(const std::vector<CleanCommand>& commands) {
  std::string packet;
  for (const CleanCommand& command : commands)
    for (const Form& form : forms)
      if (form.verb == command.verb && form.in_new == command.in_new) {
        packet += form.words;
        packet += command.id.text();
        packet += '\n';
      }
  return packet;
}

std::optional<std::vector<CleanCommand>> decode_clean_commands(std::string_view packet) {
  return parse_lines<CleanCommand>(packet, parse_command);
}

std::string encode_clean_answers(const std::vector<CleanAnswer>& answers) {
  std::string packet;
  for (const CleanAnswer& answer : answers)
    packet += answer.done ? "+\n" : "-" + log_safe(answer.why, clean_why_limit) + "\n";
  return packet;
}

std::optional<std::vector<CleanAnswer>> decode_clean_answers(std::string_view packet) {
  return parse_lines<CleanAnswer>(packet, parse_answer);
}

}  // namespace hato
