// How many bytes a message may have: $DATABYTES, else control/databytes (qmail-smtpd(8)).
#pragma once

#include <cstdint>
#include <string_view>

#include "lib/store/control.h"

namespace hato {

struct Databytes {
  std::uint64_t limit = 0;        // 0: none
  bool from_environment = false;  // it goes before the gate's own limit
};
// Throws TempError when the control file cannot be read.
Databytes read_databytes(const Control& control);

// Decimal digits at the start of the text; 0 without any, as qmail reads $DATABYTES; 2^64-1 when it is more.
std::uint64_t leading_number(std::string_view text);

}  // namespace hato
