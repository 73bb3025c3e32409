// One delivery as qmail-local's command line tells it, and the words that follow from it: qmail-local(8),
// qmail-command(8).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "lib/store/accounts.h"
#include "lib/store/dotfile.h"

namespace hato {

struct Delivery {
  bool describe_only = false;  // -n
  std::string user, home, local, dash, ext, host, sender, default_delivery;
  std::int64_t started = 0;            // seconds since 1970: the From_ line's date
  bool any = false, programs = false;  // $QMAILACCOUNT (lib/store/accounts.h)
  std::optional<Account> account{};    // likewise; none: no quota

  std::string recipient() const { return local + "@" + host; }
  // "Delivered-To: LOCAL@HOST\n" and "Return-Path: <SENDER>\n"; a line feed in an address becomes "_".
  std::string delivered_to() const;
  std::string return_path() const;
  std::string from_line() const;
  // The envelope sender of what is forwarded. A bounce ("" or "#@[]") keeps its own.
  bool keeps_sender() const { return sender.empty() || sender == "#@[]"; }
  std::string new_sender(ListOwner owner) const;
};

// argv[0] is skipped; $QMAILACCOUNT is read, and taken out of the environment. nullopt: the usage is wrong.
std::optional<Delivery> parse_delivery(int argc, char** argv);

// The part of `text` behind its nth separator, empty when it has fewer: EXT2 is after_break(ext, 1).
std::string_view after_break(std::string_view text, int n, std::string_view breaks);
// The part before the last dot, n times over: HOST2 is before_dot(host, 1).
std::string_view before_dot(std::string_view host, int n);

// Puts the variables of qmail-command(8) into this process' environment, for program lines and $QMAILQUEUE.
// default_part: $DEFAULT, unset when there is none.
void set_delivery_environment(const Delivery& delivery, const std::string& new_sender,
                              const std::optional<std::string>& default_part);

}  // namespace hato
