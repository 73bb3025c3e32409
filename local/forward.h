// Forward lines of a dot-file: all of them together are one new message in the queue.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/message_file.h"

namespace hato {

// Queues delivered_to and then the message, from `sender` to each of `recipients` (raw addresses), through
// the gate or $QMAILQUEUE, which takes no parameters. Returns the queue process' pid (0 unknown). Throws
// TempError or PermError with "Unable to forward message: ...".
std::uint32_t forward_message(MessageFile& message, std::string_view delivered_to, const std::string& sender,
                              const std::vector<std::string_view>& recipients,
                              const std::string& message_params, const std::string& recipient_params);

}  // namespace hato
