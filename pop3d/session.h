// POP3 after login (RFC 1939's TRANSACTION state) as qmail-pop3d(8) speaks it.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "lib/base/io.h"
#include "pop3d/command.h"
#include "pop3d/mailbox.h"

namespace hato {

class Pop3Session {
 public:
  // Both must outlive the session. Nothing is written yet.
  Pop3Session(Mailbox& mailbox, Writer& client) : mailbox_(mailbox), client_(client) {}

  // Answers one command line (without LF). False: the session is over (QUIT). Throws what Writer throws, and
  // TempError when a message breaks off in the middle: the connection must be closed then.
  bool command(std::string_view line);

 private:
  void say(std::string_view reply);
  // The message a command names at the front of `argument`, taken off it; nullopt: the client was told why
  // not.
  std::optional<std::size_t> take_message(std::string_view& argument);
  void stat();
  void listing(std::string_view argument, bool unique_ids);
  void list_one(std::size_t number, bool unique_ids);
  void retrieve(std::string_view argument, bool whole);
  void send_message_file(std::size_t number, int file, std::uint64_t body_lines);
  void remove(std::string_view argument);
  void reset();
  void quit();

  Mailbox& mailbox_;
  Writer& client_;
  std::size_t last_ = 0;  // LAST's answer: the highest message number retrieved or deleted, from 1
};

}  // namespace hato
