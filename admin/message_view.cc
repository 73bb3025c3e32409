#include "admin/message_view.h"

#include <algorithm>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/mail/date.h"
#include "lib/mail/json.h"
#include "lib/store/retry_slots.h"
#include "lib/store/statefile.h"

namespace hato {

namespace {

constexpr std::size_t mailq_reason_limit = 300;  // bytes

void add_state(MessageView& view, const std::vector<StateRecord>& records) {
  for (const StateRecord& record : records) {
    if (record.type == StateType::bounced) view.bouncing = false;
    RecipientFate fate;
    switch (record.type) {
      case StateType::done:
        fate = RecipientFate::delivered;
        break;
      case StateType::failed:
        fate = RecipientFate::failed;
        break;
      case StateType::removed:
        fate = RecipientFate::removed;
        break;
      case StateType::deferred:
        if (record.recipient < view.recipients.size() &&
            view.recipients[record.recipient].fate == RecipientFate::pending)
          view.recipients[record.recipient].text = record.text;
        continue;
      default:
        continue;
    }
    if (record.recipient >= view.recipients.size()) continue;
    RecipientView& recipient = view.recipients[record.recipient];
    if (recipient.fate != RecipientFate::pending) continue;
    recipient.fate = fate;
    recipient.text = record.text;
    if (fate == RecipientFate::failed) view.bouncing = true;
  }
}

std::string field(const char* name, const std::string& value) {
  return std::string(",\"") + name + "\":" + json_string(value);
}

std::string when_said(const char* name, const std::string& value) {
  return value.empty() ? "" : field(name, value);
}

std::string first_line(const MessageView& view) {
  std::string date = qmail_date(static_cast<std::int64_t>(view.listed.id.value() / 1000000));
  date.resize(date.rfind(' '));  // the zone
  return date + " GMT  #" + view.listed.id.text() + "  " + std::to_string(view.header.message_bytes()) +
         "  <" + plain(view.envelope.sender) + "> " + (view.bouncing ? " bouncing" : "") +
         (view.listed.held ? " held" : "") + "\n";
}

std::string recipient_line(const RecipientView& recipient, const std::string& address) {
  return std::string(recipient.fate == RecipientFate::pending ? "" : "  done") + "\t" +
         channel_name(recipient.route.channel) + "\t" + plain(address) + "\n";
}

}  // namespace

const char* fate_name(RecipientFate fate) {
  constexpr const char* names[] = {"pending", "delivered", "failed", "removed"};
  return names[static_cast<std::size_t>(fate)];
}

std::string MessageView::origin(std::string_view name) const {
  for (const auto& [known, value] : envelope.origin)
    if (known == name) return value;
  return "";
}

std::size_t MessageView::pending() const {
  return static_cast<std::size_t>(std::count_if(
      recipients.begin(), recipients.end(), [](const auto& r) { return r.fate == RecipientFate::pending; }));
}

OpenResult open_listed(const QueueListing& queue, const ListedMessage& listed, OpenedMessage& message,
                       std::string& why) {
  const OpenResult result = open_message(queue.path(listed), message, why);
  if (result != OpenResult::missing || !listed.fresh) return result;
  return open_message(queue.paths().mess(listed.id), message, why);
}

MessageView view_of(const QueueListing& queue, const ListedMessage& listed, OpenedMessage& message,
                    const Router& router) {
  MessageView view{listed, message.header, std::move(message.envelope), {}};
  for (Recipient& recipient : view.envelope.recipients) {
    Route route = router.route(recipient.address);
    view.recipients.push_back({std::move(recipient.address), std::move(recipient.params), std::move(route),
                               RecipientFate::pending, ""});
  }
  view.envelope.recipients.clear();
  StateFile state(queue.paths().state(listed.id), message.header.key);
  add_state(view, state.load());
  return view;
}

std::optional<std::int64_t> next_attempt(const MessageView& view, const RecipientView& recipient,
                                         std::int64_t now) {
  if (recipient.fate != RecipientFate::pending || view.listed.fresh || view.listed.held) return std::nullopt;
  return first_slot_after(birth_of(view.listed.id), recipient.route.channel, now);
}

std::string plain(std::string text) {
  for (char& c : text)
    if (c < 32 || c > 126) c = '_';
  return text;
}

std::string as_listing(const MessageView& view) {
  std::string text = first_line(view);
  for (const RecipientView& recipient : view.recipients)
    text += recipient_line(recipient, recipient.route.recipient);
  return text;
}

std::string as_mailq(const MessageView& view) {
  std::string text = first_line(view);
  for (const RecipientView& recipient : view.recipients) {
    text += recipient_line(recipient, recipient.address);
    if (recipient.fate != RecipientFate::pending || recipient.text.empty()) continue;
    std::string why = recipient.text;
    while (!why.empty() && why.back() == '\n') why.pop_back();
    std::replace(why.begin(), why.end(), '\n', ' ');
    text += "\t\t(" + plain(log_safe(why, mailq_reason_limit)) + ")\n";
  }
  return text;
}

std::string as_json(const MessageView& view, bool full) {
  std::string json =
      "{\"id\":\"" + view.listed.id.text() +
      "\",\"birth\":" + std::to_string(view.listed.id.value() / 1000000) +
      ",\"bytes\":" + std::to_string(view.header.message_bytes()) + ",\"state\":\"" +
      (view.listed.fresh ? "new" : "deferred") + "\",\"held\":" + (view.listed.held ? "true" : "false") +
      field("kind", kind_name(view.header.kind)) + field("trace", view.header.trace) +
      ",\"uid\":" + std::to_string(view.header.uid) + when_said("script", view.origin("script")) +
      field("sender", view.envelope.sender) + when_said("parameters", view.envelope.params) +
      ",\"bouncing\":" + (view.bouncing ? "true" : "false");
  if (full) {
    json += ",\"origin\":{";
    const char* comma = "";
    for (const auto& [name, value] : view.envelope.origin) {
      json += std::string(comma) + json_string(name) + ":" + json_string(value);
      comma = ",";
    }
    json += "}";
  }
  const std::int64_t now = now_seconds();
  json += ",\"recipients\":[";
  const char* comma = "";
  for (const RecipientView& recipient : view.recipients) {
    json += std::string(comma) + "{\"address\":" + json_string(recipient.address) +
            field("channel", channel_name(recipient.route.channel)) +
            field("state", fate_name(recipient.fate)) + when_said("parameters", recipient.params) +
            when_said("text", recipient.text);
    if (const auto next = next_attempt(view, recipient, now)) json += ",\"next\":" + std::to_string(*next);
    json += "}";
    comma = ",";
  }
  return json + "]}\n";
}

std::string error_as_json(QueueId id, const std::string& why) {
  return "{\"id\":\"" + id.text() + "\",\"error\":" + json_string(why) + "}\n";
}

}  // namespace hato
