// What qbiff(1) writes to a screen, and to which screens.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace hato {

// CR LF BEL, "*** TO <LOCAL> FROM <SENDER>", and a line with the subject and the beginning of the body, 78
// bytes. message: as much of it as there is to see. Nothing but printable ASCII gets to the screen: others
// become _ and
// /.
std::string announcement(std::string_view local, std::string_view sender, std::string_view message);

// Names (below /dev) of the terminals where `user` is logged in, from the bytes of an utmp(5) file. Names
// that are absolute or have a dot are left out.
std::vector<std::string> terminals_of(std::string_view user, std::string_view utmp_bytes);

}  // namespace hato
