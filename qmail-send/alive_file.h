// queue/lock/alive: the moment up to which every slot of the schedule was used, as a decimal number and LF.
// After a start, whatever had a slot since then is overdue.
#pragma once

#include <cstdint>
#include <string>

namespace hato {

// Seconds since 1970. A file without such a number (an installation that never ran) tells by its age; 0 when
// there is none. Throws SystemError when it cannot be read.
std::int64_t read_alive(const std::string& path);
// Throws SystemError; nothing is synced.
void write_alive(const std::string& path, std::int64_t seconds);

}  // namespace hato
