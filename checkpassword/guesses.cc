#include "checkpassword/guesses.h"

#include <algorithm>

#include "lib/base/ip.h"

namespace hato {

namespace {

constexpr unsigned pair_free = 3, client_free = 20, account_free = 100;
constexpr std::int64_t first_wait = 2, longest_wait = 900, account_wait = 30;

std::string client_key(std::string_view client) {
  const std::optional<IpAddress> address = IpAddress::parse(client);
  if (!address) return std::string(client);
  const std::size_t size = address->is_v4() ? 16 : 8;
  return std::string(reinterpret_cast<const char*>(address->bytes().data()), size);
}

std::string pair_key(std::string_view login, const std::string& client) {
  return std::string(login) + '\0' + client;
}

std::int64_t doubled(unsigned wrong, unsigned free) {
  if (wrong < free) return 0;
  const unsigned steps = std::min(wrong - free, 10U);
  return std::min(first_wait << steps, longest_wait);
}

}  // namespace

Guesses::Entry* Guesses::Table::find(const std::string& key, std::int64_t now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  // A clock that was set back: what lies far in the future is not of our time.
  if (now - found->second->last > life_ || found->second->last - now > life_) {
    forget(key);
    return nullptr;
  }
  return &*found->second;
}

Guesses::Entry& Guesses::Table::touch(const std::string& key, std::int64_t now) {
  if (find(key, now) == nullptr) {
    if (by_key_.size() >= entries_limit) drop_oldest();
    entries_.push_front({key});
    by_key_[key] = entries_.begin();
  }
  const auto at = by_key_[key];
  entries_.splice(entries_.begin(), entries_, at);
  at->last = now;
  return *at;
}

void Guesses::Table::forget(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  entries_.erase(found->second);
  by_key_.erase(found);
}

void Guesses::Table::drop_oldest() {
  by_key_.erase(entries_.back().key);
  entries_.pop_back();
}

std::int64_t Guesses::wait(std::string_view login, std::string_view client, std::int64_t now) {
  const std::string from = client_key(client);
  std::int64_t until = 0;
  if (const Entry* entry = pairs_.find(pair_key(login, from), now)) until = entry->until;
  if (!from.empty())
    if (const Entry* entry = clients_.find(from, now)) until = std::max(until, entry->until);
  if (good_.find(pair_key(login, from), now) == nullptr)
    if (const Entry* entry = accounts_.find(std::string(login), now)) until = std::max(until, entry->until);
  return std::max<std::int64_t>(until - now, 0);
}

void Guesses::wrong(std::string_view login, std::string_view client, std::int64_t now) {
  const std::string from = client_key(client);
  const auto count = [now](Entry& entry, unsigned free) {
    ++entry.wrong;
    entry.until = now + doubled(entry.wrong, free);
  };
  count(pairs_.touch(pair_key(login, from), now), pair_free);
  if (!from.empty()) count(clients_.touch(from, now), client_free);
  Entry& account = accounts_.touch(std::string(login), now);
  if (++account.wrong >= account_free) account.until = now + account_wait;
}

void Guesses::right(std::string_view login, std::string_view client, std::int64_t now) {
  const std::string from = client_key(client);
  // The client's and the account's counts stay: one right answer does not buy a guesser new tries.
  pairs_.forget(pair_key(login, from));
  good_.touch(pair_key(login, from), now);
}

}  // namespace hato
