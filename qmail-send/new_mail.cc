#include "qmail-send/new_mail.h"

#include <utility>

namespace hato {

namespace {
constexpr unsigned oldest_every = 8;
constexpr unsigned tries_of_any = 8;  // in a row, before the sides are looked at again
}  // namespace

std::optional<Waiting> NewMail::next() {
  if (waiting_.empty()) return std::nullopt;
  last_ = ++count_ % oldest_every == 0 ? Side::oldest : side_;
  if (last_ == Side::newest) {
    const Waiting entry = waiting_.back();
    waiting_.pop_back();
    return entry;
  }
  if (last_ == Side::any) std::swap(waiting_.front(), waiting_[random_() % waiting_.size()]);
  const Waiting entry = waiting_.front();
  waiting_.pop_front();
  return entry;
}

void NewMail::found_work(bool found) {
  if (found) {
    side_ = last_;
    misses_ = 0;
  } else if (last_ == side_ && (side_ != Side::any || ++misses_ == tries_of_any)) {
    side_ = side_ == Side::oldest ? Side::newest : side_ == Side::newest ? Side::any : Side::oldest;
    misses_ = 0;
  }
}

}  // namespace hato
