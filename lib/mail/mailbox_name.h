// Names of IMAP mailboxes and of the Maildir++ folders that hold them. Pure.
//
// For people a folder is "Work/Clients", UTF-8, "/" between its levels. On disk (Maildir++, as Courier and
// Dovecot have it) it is the directory ".Work.Clients" of the Maildir, each level in modified UTF-7 (RFC 3501
// 5.1.3).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hato {

inline constexpr std::size_t max_folder_directory = 200;  // bytes of the directory's name

// nullopt: not UTF-8, an empty level, a control character, a dot in it, blanks at its ends, INBOX, or too
// long.
std::optional<std::string> folder_directory(std::string_view folder);
// The other way round; nullopt: not the directory that folder_directory makes of any name.
std::optional<std::string> folder_name(std::string_view directory);

}  // namespace hato
