// Slows guessing of passwords down: who may ask now, after how many wrong answers. Pure; the owner brings the
// time.
//
// Wrong answers count for three things: the account together with the client (3 are free, then each doubles
// the wait, from 2 seconds up to 15 minutes), the client (20 are free: a household or an office shares an
// address, then likewise), and the account from anywhere (100 are free, then 30 seconds between two, so that
// a crowd of clients gets nowhere). The last does not count for a client that gave the right password before:
// nobody can lock an owner out from where he reads his mail. A client is an IPv4 address or an IPv6 /64.
// Everything is forgotten an hour after its last wrong answer, and good clients after 60 days.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace hato {

class Guesses {
 public:
  static constexpr std::size_t entries_limit = 50000;  // of each kind; then the oldest is forgotten

  // Seconds until this account may be tried by this client; 0: now. client: "" when it has none.
  std::int64_t wait(std::string_view login, std::string_view client, std::int64_t now);
  void wrong(std::string_view login, std::string_view client, std::int64_t now);
  void right(std::string_view login, std::string_view client, std::int64_t now);

 private:
  struct Entry {
    std::string key;
    unsigned wrong = 0;
    std::int64_t last = 0;   // time of the last wrong (or, for good clients, right) answer
    std::int64_t until = 0;  // not before
  };
  // Entries in the order of their last use, found by key.
  class Table {
   public:
    explicit Table(std::int64_t life) : life_(life) {}
    Entry* find(const std::string& key, std::int64_t now);
    Entry& touch(const std::string& key, std::int64_t now);
    void forget(const std::string& key);

   private:
    void drop_oldest();
    std::int64_t life_;
    std::list<Entry> entries_;
    std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
  };

  Table pairs_{3600}, clients_{3600}, accounts_{3600}, good_{60 * 86400};
};

}  // namespace hato
