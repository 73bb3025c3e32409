// How much a Maildir and its sub-folders hold: the messages in new/ and cur/ of the Maildir itself and of
// every
// ".Folder" in it (Maildir++). Sizes are what the names say (",S=4123"), else the files'.
//
// What is there was made by a customer: symbolic links are not followed, names with a dot at their front and
// directories among the messages are no messages, and the work has a limit. man qmail-quota(5).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/store/quota.h"

namespace hato {

// control/quotatrash. excluded: the folder .Trash, and messages with the flag T, are not part of the use.
enum class Trash : bool { excluded, counted };
inline constexpr std::string_view trash_folder = ".Trash";

// Does a message of this name count?
bool counts_as_message(std::string_view name, Trash trash);

// maildir: its descriptor, open for reading. most_names: of directory entries that are looked at. nullopt:
// there are more. A folder that is gone, or no Maildir, holds nothing; throws SystemError when one cannot be
// read. What is moved meanwhile may be counted twice.
std::optional<QuotaUse> count_maildir(int maildir, Trash trash, std::uint64_t most_names);

// Every directory whose change changes the use. Two looks that are equal: nothing was linked, renamed or
// removed between them, as far as the kernel's clock can tell (a tick, 4 ms as a rule). Arguments and answer
// as above.
struct DirectoryStamp {
  std::uint64_t device, inode;
  std::int64_t changed_ns;
  bool operator==(const DirectoryStamp&) const = default;
};
std::optional<std::vector<DirectoryStamp>> maildir_stamps(int maildir, Trash trash, std::uint64_t most_names);

// As count_maildir, but looked at again (and, when the Maildir was changed a moment ago, after a moment)
// until nothing came, went or moved meanwhile: then the use is that of one moment, and certain. Gives up
// after three tries.
struct MaildirCount {
  QuotaUse use;
  bool certain = false;
  std::vector<DirectoryStamp> stamps;  // of that moment
};
std::optional<MaildirCount> count_maildir_carefully(int maildir, Trash trash, std::uint64_t most_names);

}  // namespace hato
