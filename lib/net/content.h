// Asking a content service about a message, before it is queued. man/qmail-content.5 has the protocol in
// prose.
//
// A service listens on a Unix stream socket. The gate's worker connects, sends an 'O' record (fields of the
// origin, sender, size) with a read-only descriptor of the message attached, the recipients as 'V' records,
// and 'C'. The service reads the message from the descriptor (pread from `start`; its file offset is shared
// with nobody but other services) and answers, in this order: 'H' records (fields to put in front), at most
// one 'N' record with a descriptor of a replacement message attached, and one 'R' record:
// verdict=accept|refuse|defer|discard, text=SENTENCE.
#pragma once

#include <string>
#include <string_view>

#include "lib/base/clock.h"
#include "lib/base/fd.h"
#include "lib/net/gate.h"
#include "lib/store/queuefile.h"

namespace hato {

enum class Verdict { accept, refuse, defer, discard };

struct ContentAnswer {
  Verdict verdict = Verdict::defer;
  std::string text;     // for refuse and defer: what the sender is told; may begin with an SMTP code
  std::string prepend;  // whole header fields with LF line ends
  Fd replacement;       // empty: the message stays
};

// message: a read-only descriptor, the message being its bytes from queue_format::message_area on. Whatever
// goes wrong (nobody listens, no answer in time, nonsense) is a defer with a text that names the service.
// Throws nothing.
ContentAnswer ask_content_service(const std::string& path, int message, std::uint64_t size, Kind kind,
                                  std::string_view trace, const QueuedEnvelope& envelope, Deadline deadline);

}  // namespace hato
