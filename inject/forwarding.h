// Sending a delivered message on, whole, from a program line of a dot-file (qmail-command(8)): forward and
// condredirect.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hato {

// $DTLINE, then all of fd 0 from where it stands, to `recipients` (raw) with this envelope sender, as kind
// "forward". Returns the queue's qp. Throws PermError when $DTLINE is not set (there would be no loop
// detection), else as check_queued() does.
std::uint32_t forward_message(const std::string& sender, const std::vector<std::string>& recipients);

// The variable's value, or PermError "NAME not set".
std::string required_env(const char* name);

}  // namespace hato
