// The process that qmail-start leaves behind for the services that the operator wants: starts each, starts it
// again when it ended, and ends them all when qmail-send has ended.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/store/control.h"

namespace hato {

// A service that ended at once again is left alone for a while: from 1 second, doubled each time, to a
// minute.
constexpr int longest_service_pause = 60;
// One that ran so long starts with 1 second again.
constexpr int service_settled_seconds = 60;

struct Services {
  std::vector<std::string> known;    // in order, each once
  std::vector<std::string> unknown;  // lines of control/services that name none
};
// control/services, a name a line, and qmail-mtastsd where control/mtasts asks for it. The names are those of
// qmail-start(8): a line there never starts anything else. Throws SystemError.
Services wanted_services(const Control& control);

// Keeps them (HOME/bin/NAME, each started as root with the lifeline on descriptor 0 and becoming its user by
// itself) until the lifeline ends. To be run in a process of its own, as root. fd 2 is the log; all other
// descriptors are close-on-exec.
void keep_services(int lifeline, const std::vector<std::string>& names);

}  // namespace hato
