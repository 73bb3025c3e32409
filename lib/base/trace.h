// The trace id: one word that follows a message through session, Received line, queue, log and bounce.
#pragma once

#include <string>
#include <string_view>

namespace hato {

constexpr std::size_t trace_length = 13;

// 65 bits of getrandom as 13 characters of [0-9a-z] without i, l, o, u. Throws SystemError.
std::string new_trace_id();
// Right length, only those characters.
bool is_trace_id(std::string_view text);

}  // namespace hato
