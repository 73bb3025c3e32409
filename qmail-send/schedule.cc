#include "qmail-send/schedule.h"

#include <algorithm>
#include <cmath>

namespace hato {

namespace {

// floor(sqrt(x)), exact for every x >= 0 that can be an age.
std::int64_t square_root(std::int64_t x) {
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(x)));
  while (root * root > x) --root;
  while ((root + 1) * (root + 1) <= x) ++root;
  return root;
}

// For std::*_heap, whose top is the greatest.
bool later(const Waiting& a, const Waiting& b) {
  return a.due != b.due ? a.due > b.due : a.id > b.id;
}

Waiting waiting(QueueId id, std::int64_t due, std::uint32_t flags) {
  return {id.value(), static_cast<std::uint32_t>(std::clamp<std::int64_t>(due, 0, UINT32_MAX)), flags};
}

}  // namespace

std::int64_t first_slot_after(std::int64_t birth, Channel channel, std::int64_t time) {
  const std::int64_t step = retry_step(channel);
  if (birth > time) return (time / (step * step) + 1) * (step * step);
  const std::int64_t age = std::max<std::int64_t>(time - birth, 0);
  const std::int64_t k = square_root(age) / step + 1;
  return birth + step * k * step * k;
}

bool slot_within(std::int64_t birth, Channel channel, std::int64_t from, std::int64_t to) {
  return first_slot_after(birth, channel, from - 1) <= to;
}

void Schedule::push(QueueId id, std::int64_t due, std::uint32_t flags) {
  heap_.push_back(waiting(id, due, flags));
  std::push_heap(heap_.begin(), heap_.end(), later);
}

std::optional<Waiting> Schedule::pop_due(std::int64_t now) {
  if (heap_.empty() || heap_.front().due > now) return std::nullopt;
  std::pop_heap(heap_.begin(), heap_.end(), later);
  const Waiting first = heap_.back();
  heap_.pop_back();
  return first;
}

std::optional<std::int64_t> Schedule::earliest() const {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().due;
}

void Schedule::make_all_due(std::int64_t now, std::uint32_t flags) {
  for (Waiting& entry : heap_)
    entry = waiting(QueueId(entry.id), std::min<std::int64_t>(entry.due, now), entry.flags | flags);
  arrange();
}

std::vector<Waiting> Schedule::take(const std::unordered_set<std::uint64_t>& ids) {
  const auto rest = std::partition(heap_.begin(), heap_.end(),
                                   [&ids](const Waiting& entry) { return !ids.contains(entry.id); });
  const std::vector<Waiting> taken(rest, heap_.end());
  heap_.erase(rest, heap_.end());
  if (!taken.empty()) arrange();
  return taken;
}

void Schedule::append(QueueId id, std::int64_t due, std::uint32_t flags) {
  heap_.push_back(waiting(id, due, flags));
}

void Schedule::arrange() {
  std::make_heap(heap_.begin(), heap_.end(), later);
}

}  // namespace hato
