// One queued message as the tools show it: header, envelope, and what became of each recipient so far.
#pragma once

#include <string>
#include <vector>

#include "admin/queue_listing.h"
#include "lib/mail/router.h"
#include "lib/store/queuefile.h"

namespace hato {

enum class RecipientFate { pending, delivered, failed, removed };
const char* fate_name(RecipientFate fate);  // "pending" …

struct RecipientView {
  std::string address;  // as in the envelope
  std::string params;   // what SMTP said of him
  Route route;
  RecipientFate fate = RecipientFate::pending;
  std::string text;  // why it failed, or why not at the last attempt (pending), or who removed him
};

struct MessageView {
  ListedMessage listed;
  QueueHeader header;
  QueuedEnvelope envelope;  // its recipients have moved to the views
  std::vector<RecipientView> recipients;
  bool bouncing = false;  // failures that the sender has not been told yet

  std::size_t pending() const;
  // What the sender said of himself: "script", "ip" ...; "" when he did not.
  std::string origin(std::string_view name) const;
};

// A message may have gone from new/ to mess/ since it was listed.
OpenResult open_listed(const QueueListing& queue, const ListedMessage& listed, OpenedMessage& message,
                       std::string& why);
// Takes an opened message's header and envelope over and adds its state file's records.
MessageView view_of(const QueueListing& queue, const ListedMessage& listed, OpenedMessage& message,
                    const Router& router);

// When a pending recipient is tried next, if nothing else happens: the first slot after `now`. nullopt: as
// soon as may be (new mail), or nobody knows (held, not pending).
std::optional<std::int64_t> next_attempt(const MessageView& view, const RecipientView& recipient,
                                         std::int64_t now);

// qmail-qread's form: several lines, each recipient as he is delivered to.
std::string as_listing(const MessageView& view);
// mailq's: each recipient as the sender wrote him, and what the last attempt at one that is pending said.
std::string as_mailq(const MessageView& view);
// One line, qmail-qread(8) has the names. `full` adds the origin.
std::string as_json(const MessageView& view, bool full);
// {"id":...,"error":...}
std::string error_as_json(QueueId id, const std::string& why);

// Whatever is not printable ASCII is an underscore, as in qmail's listing.
std::string plain(std::string text);

}  // namespace hato
