// Only in test builds (-DHATO_SEAL_PROBE): right after sealing a program tries what it must not be able to do
// and writes what happened to fd $HATO_SEAL_PROBE_FD (when that was closed: fd 2), one "PROFILE CALL denied|ALLOWED" a line.
#pragma once

namespace hato {
void probe_seal(const char* profile);
}
