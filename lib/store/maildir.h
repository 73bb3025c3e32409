// Delivery into a Maildir, maildir(5): tmp/, write, fsync, link into new/, fsync new/. What is in new/ is
// whole and survives a power cut; nothing in tmp/ counts. Works over NFS, and on one machine costs two
// fsyncs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/store/message_file.h"

namespace hato {

// Readers may remove a file from tmp/ that nobody touched for 36 hours: so a delivery gives up after 24.
constexpr std::chrono::hours maildir_time_limit{24};
// Files of the same name in tmp/: how often a new name is tried, and how long is waited before.
constexpr int maildir_name_tries = 3;
constexpr std::chrono::seconds maildir_name_wait{2};

// No such Maildir, or we may not enter it (errno of a permanent kind; is_temporary says no).
class MaildirMissing : public SystemError {
 public:
  using SystemError::SystemError;
};

// TIME.MmicrosPpid.HOST,S=size: unique on this host, sorts by arrival within a second too. Slash and colon in
// the host become \057 and \072, at most 64 bytes of it are used. size: of the file, in bytes.
std::string maildir_name(std::int64_t time_us, pid_t pid, std::string_view host, std::uint64_t size);
// The size a name tells (",S=7", before the flags); -1 when it tells none.
std::int64_t size_of_name(std::string_view name);

// Delivers `head` (whole lines: Return-Path, Delivered-To) and then the message, mode 0600. Returns the name
// below new/ when it is durable. Throws MaildirMissing, TimeoutError after the time limit, and SystemError or
// TempError for all else; then new/ has no file of ours and tmp/ none either, unless we are killed.
// directory: with or without a slash at its end.
std::string deliver_to_maildir(const std::string& directory, std::string_view head, MessageFile& message,
                               std::chrono::milliseconds time_limit = maildir_time_limit);

// Makes directory, tmp, new and cur, mode 0700. Throws SystemError ("mkdir NAME: ...").
void make_maildir(const std::string& directory);

// Makes `directory` ("./Maildir/.Shop/") when it is missing and a Maildir++ folder of a Maildir that is there,
// with Courier's mark of a folder (an empty file maildirfolder). Several may do so at once. What cannot be made
// the delivery will miss.
void make_missing_folder(const std::string& directory);

// A reader's duty: removes the files in tmp/ that nobody has read or written for 36 hours. Any failure is
// ignored: the next reader tries again.
constexpr std::chrono::hours maildir_stale_after{36};
void clean_maildir(const std::string& directory, std::int64_t now_seconds);

}  // namespace hato
