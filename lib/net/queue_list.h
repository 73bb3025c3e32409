// The queue as mailq shows it to a user who cannot read it: qmail-send's socket gate/list/s (SOCK_STREAM).
// Who connects says nothing: his uid (SO_PEERCRED) says whose messages he is shown. What he is sent is text,
// then a NUL, and behind it nothing when the list is whole, or a sentence why it is not. Without a NUL the
// list broke off. man/qmail-sendsocket.5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hato {

constexpr std::int64_t list_seconds = 60;        // for one list, however long and however slow its reader
constexpr std::int64_t list_write_seconds = 15;  // for a reader to take a piece of it
constexpr std::size_t list_reason_limit = 300;   // bytes of the sentence

std::string list_socket_path();  // conf::home + "/gate/list/s"

// Ends a list: NUL and the sentence, made safe; "" for a list that is whole.
std::string encode_list_end(std::string_view why);

// The reader's side, fed with whatever pieces come. Pure.
class QueueList {
 public:
  // The list's text in this piece, which may be empty; a part of `piece`.
  std::string_view take(std::string_view piece);
  bool ended() const { return ended_; }
  // After the end of the stream: "" when the list is whole, else a sentence of printable characters.
  std::string why() const;

 private:
  bool ended_ = false;
  std::string why_;  // what came behind the NUL, cut off at list_reason_limit
};

}  // namespace hato
