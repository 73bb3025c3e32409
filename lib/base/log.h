// Log lines: one write each, so that lines of several processes on one pipe do not mix.
#pragma once

#include <string>
#include <string_view>

namespace hato {

// Bytes below 32, 127 and (in names and texts from outside) anything that could forge a line become '?', as
// qmail-send does; bytes above 127 stay, so UTF-8 addresses are readable. At most `limit` bytes, then "...".
std::string log_safe(std::string_view text, std::size_t limit = 1000);

// Writes line + "\n" to fd with one write(2), newlines and control bytes made safe, at most 4000 bytes
// (PIPE_BUF less some). Failure is ignored: there is nobody to tell.
void log_line(int fd, std::string_view line);

// Is descriptor 2 a log, and not the client's connection (descriptor 0), as it is under inetd?
bool has_log();

}  // namespace hato
