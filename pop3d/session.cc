#include "pop3d/session.h"

#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>

#include "lib/base/error.h"
#include "pop3d/capabilities.h"
#include "pop3d/multiline.h"

namespace hato {

namespace {

constexpr std::size_t piece_bytes = 32 * 1024;

std::size_t read_piece(int file, char* space, std::size_t size) {
  for (;;) {
    const ssize_t n = ::read(file, space, size);
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno != EINTR) throw_errno("read message");
  }
}

}  // namespace

void Pop3Session::say(std::string_view reply) {
  client_.put(reply);
  client_.put("\r\n");
}

bool Pop3Session::command(std::string_view line) {
  const Pop3Command command = parse_pop3_command(line);
  switch (command.verb) {
    case Verb::stat:
      stat();
      break;
    case Verb::list:
      listing(command.argument, false);
      break;
    case Verb::uidl:
      listing(command.argument, true);
      break;
    case Verb::retr:
      retrieve(command.argument, true);
      break;
    case Verb::top:
      retrieve(command.argument, false);
      break;
    case Verb::dele:
      remove(command.argument);
      break;
    case Verb::rset:
      reset();
      break;
    case Verb::last:
      say("+OK " + std::to_string(last_));
      break;
    case Verb::noop:
      say("+OK ");
      break;
    case Verb::capa:
      client_.put(pop3_capabilities);
      break;
    case Verb::quit:
      quit();
      return false;
    default:
      say("-ERR unimplemented");
      break;
  }
  return true;
}

std::optional<std::size_t> Pop3Session::take_message(std::string_view& argument) {
  const std::optional<std::uint64_t> number = take_number(argument);
  const char* problem = nullptr;
  if (!number)
    problem = "-ERR syntax error";
  else if (*number == 0)
    problem = "-ERR messages are counted from 1";
  else if (*number > mailbox_.count())
    problem = "-ERR not that many messages";
  else if (mailbox_.deleted(*number - 1))
    problem = "-ERR already deleted";
  if (problem == nullptr) return *number - 1;
  say(problem);
  return std::nullopt;
}

void Pop3Session::stat() {
  std::size_t count = 0;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < mailbox_.count(); ++i) {
    if (mailbox_.deleted(i)) continue;
    ++count;
    total += mailbox_.size(i);
  }
  say("+OK " + std::to_string(count) + " " + std::to_string(total));
}

void Pop3Session::list_one(std::size_t number, bool unique_ids) {
  say(std::to_string(number + 1) + " " +
      (unique_ids ? mailbox_.unique_id(number) : std::to_string(mailbox_.size(number))));
}

void Pop3Session::listing(std::string_view argument, bool unique_ids) {
  if (!argument.empty()) {
    const std::optional<std::size_t> number = take_message(argument);
    if (!number) return;
    client_.put("+OK ");
    list_one(*number, unique_ids);
    return;
  }
  say("+OK ");
  for (std::size_t i = 0; i < mailbox_.count(); ++i)
    if (!mailbox_.deleted(i)) list_one(i, unique_ids);
  say(".");
}

// TOP without a number of lines sends all of the message, as qmail-pop3d does.
void Pop3Session::retrieve(std::string_view argument, bool whole) {
  const std::optional<std::size_t> number = take_message(argument);
  if (!number) return;
  std::uint64_t body_lines = MultilineEncoder::whole_message;
  if (!whole) body_lines = take_number(argument).value_or(MultilineEncoder::whole_message);
  const Fd file = mailbox_.open(*number);
  const std::unique_ptr<char[]> space(new char[piece_bytes]);
  // The first piece before "+OK": what cannot be read (a directory, a bad disk) can still be refused.
  std::optional<std::size_t> first;
  if (file) {
    try {
      first = read_piece(file.get(), space.get(), piece_bytes);
    } catch (const SystemError&) {
    }
  }
  if (!first) {
    say("-ERR unable to open that message");
    return;
  }
  say("+OK ");
  MultilineEncoder encoder(body_lines);
  std::string out;
  out.reserve(*first + *first / 16 + 16);
  std::size_t size = *first;
  // A read of a file that comes back short was the last.
  while (encoder.feed({space.get(), size}, out) && size == piece_bytes) {
    client_.put(out);
    out.clear();
    size = read_piece(file.get(), space.get(), piece_bytes);
  }
  encoder.finish(out);
  client_.put(out);
  if (body_lines == MultilineEncoder::whole_message) {
    mailbox_.mark_seen(*number);
    last_ = std::max(last_, *number + 1);
  }
}

void Pop3Session::remove(std::string_view argument) {
  const std::optional<std::size_t> number = take_message(argument);
  if (!number) return;
  mailbox_.mark_deleted(*number);
  last_ = std::max(last_, *number + 1);
  say("+OK ");
}

void Pop3Session::reset() {
  mailbox_.unmark_deleted();
  last_ = 0;
  say("+OK ");
}

void Pop3Session::quit() {
  say(mailbox_.commit() ? "+OK " : "-ERR unable to unlink all deleted messages");
}

}  // namespace hato
