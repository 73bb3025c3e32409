// The messages of a Maildir as one POP3 session sees them (maildir(5), RFC 1939): read once, at the start;
// changed when the session ends. Messages are numbered from 0 here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/fd.h"

namespace hato {

// When a message arrived, in microseconds since 1970, from its Maildir name
// ("1700000000.M123456P9.host,S=7"); -1 when the name does not begin with a time.
std::int64_t arrival_of_name(std::string_view name);
// What identifies a message for good: its name without flags (from ':' on) when that is 1 to 70 characters
// from 0x21 to 0x7E (RFC 1939's UIDL), else the SHA-256 of it in 64 hexadecimal digits.
std::string unique_id_of_name(std::string_view name);

class Mailbox {
 public:
  // Opens new/ and cur/ below the working directory and reads them: no system call for a message whose name
  // begins with a time. Throws SystemError.
  Mailbox();

  std::size_t count() const { return messages_.size(); }
  // Bytes of the file, as its name says or as the file system does when this is first asked; 0 when the file
  // is gone.
  std::uint64_t size(std::size_t number);
  std::string unique_id(std::size_t number) const;
  // For reading, from the start. Empty, errno set: the file is gone or cannot be read. One that another
  // program gave other flags meanwhile is found again.
  Fd open(std::size_t number);

  bool deleted(std::size_t number) const { return messages_[number].deleted; }
  void mark_deleted(std::size_t number) { messages_[number].deleted = true; }
  void mark_seen(std::size_t number) { messages_[number].seen = true; }
  void unmark_deleted();  // all of them

  // The session's end: removes what is marked deleted, moves the rest of new/ into cur/ with the flags ":2,",
  // or ":2,S" for what was seen. False: something marked is still there. A maildirsize (Maildir++) is told
  // what was removed.
  bool commit();

 private:
  struct Message {
    std::int64_t arrival;
    std::int64_t size;  // -1: not asked yet
    std::size_t name;   // where its name begins in names_
    bool in_new;
    bool deleted = false;
    bool seen = false;
    bool gone = false;  // looked for and not found
  };

  void scan(int directory, bool in_new);
  const char* name(const Message& message) const { return names_.data() + message.name; }
  int directory(const Message& message) const { return message.in_new ? new_.get() : cur_.get(); }
  bool same_message(const Message& a, const Message& b) const;
  bool find_again(Message& message);
  enum class Removal { done, was_gone, failed };
  Removal remove(Message& message);
  bool remove_deleted();
  void move_to_cur(Message& message);

  Fd new_, cur_;
  std::string names_;  // each with a NUL
  std::vector<Message> messages_;
};

}  // namespace hato
