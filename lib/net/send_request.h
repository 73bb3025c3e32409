// What may be asked of a running qmail-send, over the socket gate/send/s: SOCK_SEQPACKET; a packet of 1 to
// request_batch_limit lines is answered by one packet with as many lines, in order, and the next packet is
// read only then. man/qmail-sendsocket.5 has it in prose. Pure encoding and decoding.
//
//   hold ID                  no attempt and no bounce until it is released, also after a restart
//   release ID               ends that, and tries it now
//   retry ID                 every pending recipient is tried now, as by SIGALRM
//   remove ID                the whole message, without a bounce
//   remove ID N,N,...        these recipients (indexes into the envelope, from 0), without a bounce
//   bounce ID N,N,... TEXT   these recipients fail with TEXT; "*" for the list: all that are pending
//   flush DOMAIN [ADDRESS]   retry every message with a recipient in DOMAIN (".DOMAIN": in or below it);
//                            ADDRESS: of the host that asks
//   status                   numbers for monitoring
//
// Answers: "done N [TEXT]", "begun N", "none", "refused TEXT", "failed TEXT". An answer to hold, release,
// remove and bounce is given when what was asked for survives a power cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/queuefile.h"

namespace hato {

constexpr std::size_t request_batch_limit = 256;         // lines of one packet
constexpr std::size_t request_packet_limit = 32U << 10;  // bytes
constexpr std::size_t answer_packet_limit = 128U << 10;  // bytes: request_batch_limit lines fit
constexpr std::size_t request_recipients_limit = 500;    // indexes in one line
constexpr std::size_t request_text_limit = 500;          // bytes of a bounce's text
constexpr std::size_t answer_text_limit = 300;

enum class RequestVerb { hold, release, retry, remove, bounce, flush, status };

struct SendRequest {
  RequestVerb verb = RequestVerb::status;
  QueueId id;
  std::vector<std::uint32_t> recipients;  // empty: the whole message
  std::string text;                       // of a bounce: printable, blanks, UTF-8; no line end
  std::string domain;                     // of a flush: canonical; a leading dot takes those below it, too
  std::string address;                    // of a flush: IP address of the host that asks, or ""
  bool operator==(const SendRequest&) const = default;
};

enum class RequestOutcome {
  done,     // number: deliveries of the message under way, which cannot be called back; of a flush: messages
  begun,    // of a flush: not all messages are looked at yet; number: how many are found
  none,     // no such message, or nothing of it is left to do this to
  refused,  // this asker may not, or such a thing cannot be asked
  failed,   // try again later
};
struct SendAnswer {
  RequestOutcome outcome = RequestOutcome::none;
  std::uint64_t number = 0;
  std::string text;  // why; of a status: NAME=NUMBER words
  bool operator==(const SendAnswer&) const = default;
};

const char* verb_name(RequestVerb verb);

// The name of a domain as a flush takes it: canonical, a leading dot kept; nullopt when it is none.
std::optional<std::string> flush_domain(std::string_view name);
// Is this address in the domain of a flush?
bool address_in_domain(std::string_view address, std::string_view flush_domain);

std::string encode_request(const SendRequest& request);  // one line with its line feed
// nullopt for what is not exactly such a line (without its line feed).
std::optional<SendRequest> decode_request_line(std::string_view line);
std::string encode_answer(const SendAnswer& answer);  // one line with its line feed
std::optional<SendAnswer> decode_answer_line(std::string_view line);
// The lines of a packet; nullopt when it has none, too many, or its end is not a line's.
std::optional<std::vector<std::string_view>> packet_lines(std::string_view packet);

}  // namespace hato
