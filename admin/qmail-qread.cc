// qmail-qread [--json]: lists the messages in the queue and what became of their recipients. man qmail-qread.
#include <string>
#include <vector>

#include "admin/queue_listing.h"
#include "lib/base/conf.h"
#include "lib/base/error.h"
#include "lib/base/io.h"
#include "lib/mail/date.h"
#include "lib/mail/json.h"
#include "lib/store/control.h"
#include "lib/store/routing.h"
#include "lib/store/statefile.h"

using namespace hato;

namespace {

struct RecipientView {
  std::string address;  // as in the envelope
  Route route;
  std::string parameters;  // of ESMTP: NOTIFY, ORCPT
  char fate = 'T';         // T to do, D delivered, F failed
  std::string text;        // of a failure
};

struct MessageView {
  QueueId id;
  bool fresh;
  QueueHeader header;
  std::string sender, parameters, script;
  std::vector<RecipientView> recipients;
  bool bouncing = false;  // failures that the sender has not been told yet
};

void add_state(MessageView& view, const std::vector<StateRecord>& records) {
  for (const StateRecord& record : records) {
    if (record.type == StateType::bounced) view.bouncing = false;
    if (record.type != StateType::done && record.type != StateType::failed) continue;
    if (record.recipient >= view.recipients.size()) continue;
    RecipientView& recipient = view.recipients[record.recipient];
    recipient.fate = record.type == StateType::done ? 'D' : 'F';
    recipient.text = record.text;
    if (record.type == StateType::failed) view.bouncing = true;
  }
}

// qmail's listing: whatever is not printable ASCII is an underscore.
std::string plain(std::string text) {
  for (char& c : text)
    if (c < 32 || c > 126) c = '_';
  return text;
}

std::string as_text(const MessageView& view) {
  std::string date = qmail_date(static_cast<std::int64_t>(view.id.value() / 1000000));
  date.resize(date.rfind(' '));  // the zone
  std::string text = date + " GMT  #" + view.id.text() + "  " + std::to_string(view.header.message_bytes()) +
                     "  <" + plain(view.sender) + "> " + (view.bouncing ? " bouncing" : "") + "\n";
  for (const RecipientView& recipient : view.recipients)
    text += std::string(recipient.fate == 'T' ? "" : "  done") + "\t" +
            channel_name(recipient.route.channel) + "\t" + plain(recipient.route.recipient) + "\n";
  return text;
}

std::string when_said(const char* name, const std::string& value) {
  return value.empty() ? "" : std::string(",\"") + name + "\":" + json_string(value);
}

std::string as_json(const MessageView& view) {
  std::string json =
      "{\"id\":\"" + view.id.text() + "\",\"birth\":" + std::to_string(view.id.value() / 1000000) +
      ",\"bytes\":" + std::to_string(view.header.message_bytes()) + ",\"state\":\"" +
      (view.fresh ? "new" : "deferred") + "\",\"kind\":" + json_string(kind_name(view.header.kind)) +
      ",\"trace\":" + json_string(view.header.trace) + ",\"uid\":" + std::to_string(view.header.uid) +
      when_said("script", view.script) + ",\"sender\":" + json_string(view.sender) +
      when_said("parameters", view.parameters) + ",\"bouncing\":" + (view.bouncing ? "true" : "false") +
      ",\"recipients\":[";
  const char* comma = "";
  for (const RecipientView& recipient : view.recipients) {
    const char* fate = recipient.fate == 'T' ? "pending" : recipient.fate == 'D' ? "delivered" : "failed";
    json += std::string(comma) + "{\"address\":" + json_string(recipient.address) + ",\"channel\":\"" +
            channel_name(recipient.route.channel) + "\",\"state\":\"" + fate + "\"" +
            when_said("parameters", recipient.parameters);
    if (recipient.fate == 'F') json += ",\"text\":" + json_string(recipient.text);
    json += "}";
    comma = ",";
  }
  return json + "]}\n";
}

// A message may have gone from new/ to mess/ since it was listed.
OpenResult open_listed(const QueueListing& queue, const ListedMessage& listed, OpenedMessage& message,
                       std::string& why) {
  const OpenResult result = open_message(queue.path(listed), message, why);
  if (result != OpenResult::missing || !listed.fresh) return result;
  return open_message(queue.paths().mess(listed.id), message, why);
}

std::string trouble(QueueId id, const std::string& why, bool json) {
  if (json) return "{\"id\":\"" + id.text() + "\",\"error\":" + json_string(why) + "}\n";
  return "warning: trouble with #" + id.text() + ": " + why + "\n";
}

int body(int argc, char** argv) {
  const bool json = argc == 2 && std::string_view(argv[1]) == "--json";
  if (argc > 1 && !json) throw PermError("usage: qmail-qread [--json]");
  const QueueListing queue(std::string(conf::home) + "/queue");
  const Router router = read_router(Control());

  Writer out(1, "standard output", 0, 65536);
  for (const ListedMessage& listed : queue.messages) try {
      OpenedMessage message;
      std::string why;
      const OpenResult result = open_listed(queue, listed, message, why);
      if (result == OpenResult::damaged) out.put(trouble(listed.id, why, json));
      if (result != OpenResult::ok) continue;  // missing: delivered in the meantime
      MessageView view{
          listed.id, listed.fresh, message.header, message.envelope.sender, message.envelope.params, "", {}};
      for (const auto& [name, value] : message.envelope.origin)
        if (name == "script") view.script = value;
      for (const auto& recipient : message.envelope.recipients)
        view.recipients.push_back(
            {recipient.address, router.route(recipient.address), recipient.params, 'T', ""});
      StateFile state(queue.paths().state(listed.id), message.header.key);
      add_state(view, state.load());
      out.put(json ? as_json(view) : as_text(view));
    } catch (const SystemError& e) {
      if (out.failed()) throw;
      out.put(trouble(listed.id, e.text(), json));
    }
  out.flush();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("qmail-qread", argc, argv, body);
}
