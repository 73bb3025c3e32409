#include "qmail-send/schedule.h"

#include <algorithm>

namespace hato {

namespace {

// For std::*_heap, whose top is the greatest.
bool later(const Waiting& a, const Waiting& b) {
  return a.due != b.due ? a.due > b.due : a.id > b.id;
}

Waiting waiting(QueueId id, std::int64_t due, std::uint32_t flags) {
  return {id.value(), static_cast<std::uint32_t>(std::clamp<std::int64_t>(due, 0, UINT32_MAX)), flags};
}

}  // namespace

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
