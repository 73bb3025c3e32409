// Which messages of the queue are meant: qmail-q's selections. Pure.
//
// Several values of one option are alternatives; different options must all fit. Nothing given fits every
// message.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "admin/message_view.h"

namespace hato {

// An address as it is selected: "@example.org" its domain ("@.example.org": or below it), with * or ? in it a
// pattern for the whole, else the address itself; "<>" and "" the null sender. Without regard to (ASCII)
// case.
bool address_matches(std::string_view address, std::string_view wanted);
// * for any bytes, ? for one; without regard to (ASCII) case.
bool pattern_matches(std::string_view text, std::string_view pattern);

// "90", "15m", "2h", "7d", "1w": seconds; nullopt for anything else.
std::optional<std::int64_t> parse_age(std::string_view text);
// "1000", "20k", "5M": bytes.
std::optional<std::uint64_t> parse_size(std::string_view text);

class QueueFilter {
 public:
  // An option's name without its dashes; false when there is no such selection. Throws PermError for a value
  // that it cannot have. `now`: seconds, for ages; users: looks a user's name up, -1 for none.
  bool set(std::string_view option, std::string_view value, std::int64_t now,
           std::int64_t (*uid_of)(const std::string& user));
  void add_id(QueueId id) { ids_.push_back(id); }
  // To be called once after all were set.
  void finish();

  bool everything() const { return !by_name_ && !by_file(); }
  const std::vector<QueueId>& ids() const { return ids_; }  // sorted; those asked for by number

  // What the listing alone tells: id, age, place.
  bool fits_name(const ListedMessage& listed) const;
  bool by_file() const { return by_header_ || by_state(); }
  bool by_state() const { return bouncing_; }
  // Header and envelope. The recipients may have been moved away already, so ask before that.
  bool fits_file(const QueueHeader& header, const QueuedEnvelope& envelope) const;
  bool fits_state(const MessageView& view) const { return !bouncing_ || view.bouncing; }

  bool names_recipients() const { return !recipients_.empty(); }
  bool fits_recipient(std::string_view address) const;

 private:
  std::vector<QueueId> ids_;
  bool by_name_ = false, by_header_ = false, by_ids_ = false;
  std::uint64_t born_from_ = 0, born_until_ = UINT64_MAX;  // microseconds
  bool new_ = false, deferred_ = false, held_ = false, bouncing_ = false;
  std::vector<std::string> senders_, recipients_;
  std::vector<std::uint32_t> uids_;
  std::vector<Kind> kinds_;
  std::vector<std::pair<std::string, std::string>> origins_;  // name of the field, pattern
  std::uint64_t larger_ = 0;
};

}  // namespace hato
