// What qmail-send asks of qmail-clean, over a SOCK_SEQPACKET pair: a packet of 1 to clean_batch_limit lines,
// answered by one packet with as many lines, in order. Pure encoding and decoding.
//
//   unlink new ID     remove queue/new/ID              (gone already: done)
//   unlink mess ID    remove queue/mess/NN/ID          (gone already: done)
//   defer new ID      move queue/new/ID to queue/mess/NN/ID
//   bad new ID        move queue/new/ID to queue/bad/ID
//   bad mess ID       move queue/mess/NN/ID to queue/bad/ID
//
// For the operator, whose answer must survive a power cut (lib/net/send_request.h); done when it is on disk:
//
//   remove ID         remove queue/new/ID and queue/mess/NN/ID, whichever there is, and queue/hold/ID
//   hold ID           make queue/hold/ID (there already: done)
//   release ID        remove queue/hold/ID (gone already: done)
//   sync ID           sync queue/state/NN/ID
//
// An answer is "+" (done) or "-" and why not. IDs are QueueIds: digits, nothing else can name a file.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/queuefile.h"

namespace hato {

constexpr std::size_t clean_batch_limit = 64;      // commands in one packet
constexpr std::size_t clean_packet_limit = 16384;  // bytes of a packet, either way
constexpr std::size_t clean_why_limit = 200;       // bytes of one answer's text

enum class CleanVerb { unlink, defer, bad, remove, hold, release, sync };

struct CleanCommand {
  CleanVerb verb = CleanVerb::unlink;
  bool in_new = false;  // queue/new, else queue/mess/NN; false with the operator's verbs
  QueueId id;
  bool operator==(const CleanCommand&) const = default;
};

struct CleanAnswer {
  bool done = false;
  std::string why;  // "" when done
  bool operator==(const CleanAnswer&) const = default;
};

std::string encode_clean_commands(const std::vector<CleanCommand>& commands);
// nullopt for a packet with anything in it that is not exactly such a line.
std::optional<std::vector<CleanCommand>> decode_clean_commands(std::string_view packet);
std::string encode_clean_answers(const std::vector<CleanAnswer>& answers);
std::optional<std::vector<CleanAnswer>> decode_clean_answers(std::string_view packet);

}  // namespace hato
