// maildir2mbox: moves the messages of $MAILDIR to the end of the mbox $MAIL, by way of $MAILTMP. man
// maildir2mbox.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "lib/base/clock.h"
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "lib/base/fd.h"
#include "lib/base/io.h"
#include "lib/base/log.h"
#include "lib/mail/mbox.h"
#include "lib/store/maildir.h"
#include "lib/store/mbox.h"
#include "lib/store/message_file.h"

using namespace hato;

namespace {

constexpr std::size_t write_space = 64U << 10;
constexpr std::chrono::hours lock_limit{24};  // the user waits, or interrupts

struct Names {
  std::string maildir, mbox, temporary;
};

struct Message {
  std::int64_t delivered;  // seconds: the file's modification time
  std::string path;
};

std::string needed(const char* name) {
  const std::optional<std::string> value = env(name);
  if (!value || value->empty()) throw TempError(std::string("fatal: ") + name + " not set");
  return *value;
}

// Messages in new/ and cur/, oldest first. Those of this very second are left for the next time: others may
// come before them.
std::vector<Message> messages_in(const std::string& maildir) {
  const std::int64_t now = now_seconds();
  std::vector<Message> messages;
  for (const char* part : {"/new/", "/cur/"}) {
    const std::string directory = maildir + part;
    DIR* const listing = opendir(directory.c_str());
    if (listing == nullptr) throw_errno("fatal: unable to scan " + directory);
    while (const dirent* entry = readdir(listing)) {
      struct stat status;
      if (entry->d_name[0] == '.' || fstatat(dirfd(listing), entry->d_name, &status, 0) != 0) continue;
      if (S_ISREG(status.st_mode) && status.st_mtime < now)
        messages.push_back({status.st_mtime, directory + entry->d_name});
    }
    closedir(listing);
  }
  std::sort(messages.begin(), messages.end(), [](const Message& a, const Message& b) {
    return a.delivered != b.delivered ? a.delivered < b.delivered : a.path < b.path;
  });
  return messages;
}

// From_ with the sender of a Return-Path line at the very beginning; XXX when there is none.
std::string from_line_of(std::string_view beginning, std::int64_t delivered) {
  constexpr std::string_view field = "Return-Path: <";
  const std::string_view line = beginning.substr(0, beginning.find('\n'));
  if (!line.starts_with(field) || !line.ends_with('>')) return from_line("XXX", delivered);
  return from_line(line.substr(field.size(), line.size() - field.size() - 1), delivered);
}

void copy_old(int from, Writer& out) {
  MessageFile old(from);
  for (off_t at = 0; at < old.size();) {
    const std::string_view piece = old.piece(at);
    out.put(piece);
    at += static_cast<off_t>(piece.size());
  }
}

void append(const Message& message, Writer& out) {
  const Fd file = open_file(message.path, O_RDONLY);
  MessageFile text(file.get());
  out.put(from_line_of(text.piece(0), message.delivered));
  MboxQuoter quoter;
  std::string lines;
  for (off_t at = 0; at < text.size();) {
    const std::string_view piece = text.piece(at);
    at += static_cast<off_t>(piece.size());
    lines.clear();
    quoter.put(piece, lines);
    out.put(lines);
  }
  lines.clear();
  quoter.end(lines);
  out.put(lines);
}

// The old mbox and the messages behind it, on disk under the temporary name.
void write_new_mbox(const Names& names, const std::vector<Message>& messages) {
  const Fd old = open_file(names.mbox, O_RDONLY);
  struct stat status;
  if (fstat(old.get(), &status) != 0) throw_errno("stat " + names.mbox);
  const Fd fresh = open_file(names.temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fchmod(fresh.get(), status.st_mode & 0777) != 0) throw_errno("chmod " + names.temporary);
  Writer out(fresh.get(), names.temporary, 0, write_space);
  copy_old(old.get(), out);
  for (const Message& message : messages) append(message, out);
  out.flush();
  fsync_fd(fresh.get(), names.temporary);
}

int body(int, char**) {
  umask(077);
  const Names names{needed("MAILDIR"), needed("MAIL"), needed("MAILTMP")};
  clean_maildir(names.maildir, now_seconds());
  const std::vector<Message> messages = messages_in(names.maildir);
  if (messages.empty()) return 0;
  const LockedMbox lock(names.mbox, lock_limit);
  if (!lock.locked()) throw TempError("fatal: unable to lock " + names.mbox);
  write_new_mbox(names, messages);
  if (rename(names.temporary.c_str(), names.mbox.c_str()) != 0)
    throw_errno("fatal: unable to move " + names.temporary + " to " + names.mbox);
  fsync_directory_of(names.mbox);  // nothing is removed before this
  for (const Message& message : messages)
    if (unlink(message.path.c_str()) != 0)
      log_line(2, "maildir2mbox: warning: " + message.path +
                      " will be delivered twice; unable to unlink: " + errno_text(errno));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("maildir2mbox", argc, argv, body);
}
