// In which order new mail is looked at (new_mail.h).
#include <set>

#include "qmail-send/new_mail.h"
#include "tests/catch.h"

using namespace hato;

namespace {

NewMail mail(std::uint64_t number) {
  NewMail fresh;
  for (std::uint64_t id = 0; id < number; ++id) fresh.push({id, 0, 0});
  return fresh;
}

// How many are looked at until `wanted` of those with from <= id < to are found; only they have work in them.
std::size_t looks(NewMail& fresh, std::uint64_t from, std::uint64_t to, std::size_t wanted) {
  std::size_t n = 0;
  while (wanted > 0) {
    const std::optional<Waiting> entry = fresh.next();
    if (!entry) return static_cast<std::size_t>(-1);
    ++n;
    const bool work = from <= entry->id && entry->id < to;
    fresh.found_work(work);
    if (work) --wanted;
  }
  return n;
}

}  // namespace

TEST_CASE("new mail that can be delivered is taken in order of arrival", "[new_mail]") {
  NewMail fresh = mail(1000);
  for (std::uint64_t id = 0; id < 1000; ++id) {
    const auto entry = fresh.next();
    REQUIRE(entry);
    CHECK(entry->id == id);
    fresh.found_work(true);
  }
  CHECK_FALSE(fresh.next());
  CHECK(fresh.empty());
}

TEST_CASE("what can be delivered is found before, behind and between what cannot", "[new_mail]") {
  NewMail behind = mail(11000), between = mail(11000), before = mail(11000);
  CHECK(looks(before, 0, 1000, 1000) == 1000);
  CHECK(looks(behind, 10000, 11000, 1000) < 1200);
  // One of eleven has work: by chance it takes eleven looks to find one.
  CHECK(looks(between, 5000, 6000, 300) < 5000);
}

TEST_CASE("whatever is found, each is looked at once, and the oldest before long", "[new_mail]") {
  NewMail fresh = mail(100);
  std::set<std::uint64_t> seen;
  for (std::uint64_t id = 100; id < 2000; ++id) {  // and more comes, in which there is always work
    const auto entry = fresh.next();
    REQUIRE(entry);
    CHECK(seen.insert(entry->id).second);
    fresh.found_work(entry->id >= 100);
    if (fresh.size() < 150) fresh.push({id, 0, 0});
  }
  for (std::uint64_t id = 0; id < 100; ++id) CHECK(seen.contains(id));
  while (const auto entry = fresh.next()) CHECK(seen.insert(entry->id).second);
}
