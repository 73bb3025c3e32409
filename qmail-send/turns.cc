#include "qmail-send/turns.h"

#include <algorithm>

namespace hato {

Turns::Line& Turns::line(const std::string& name) {
  std::unique_ptr<Line>& known = lines_[name];
  if (!known) known = std::make_unique<Line>(++numbers_, name, limits_(name));
  return *known;
}

void Turns::put_in_turn(Line& line) {
  if (line.in_turn) return;
  line.in_turn = true;
  turns_.push_back(&line);
}

void Turns::add_open(Line& line, QueueId id) {
  line.open.push_back(id);
  put_in_turn(line);
}

void Turns::add_closed(Line& line, const Waiting& entry) {
  line.closed.push_back(entry);
  put_in_turn(line);
}

Turns::Line* Turns::next(std::int64_t now_us, Places places) {
  for (std::size_t n = turns_.size(); n > 0; --n) {
    Line* const line = turns_.front();
    turns_.pop_front();
    if (line->empty()) {
      line->in_turn = false;
      continue;
    }
    turns_.push_back(line);
    if (line->destination.may_start(now_us, places)) return line;
  }
  return nullptr;
}

std::size_t Turns::ready(std::int64_t now_us, Places places, std::size_t enough) const {
  std::size_t count = 0;
  for (auto line = turns_.begin(); line != turns_.end() && count < enough; ++line)
    if ((*line)->destination.may_start(now_us, places))
      count += (*line)->open.size() + (*line)->closed.size();
  return count;
}

std::optional<std::int64_t> Turns::not_before(std::int64_t now_us) const {
  std::optional<std::int64_t> earliest;
  for (const Line* line : turns_) {
    const std::int64_t at = line->destination.not_before();
    if (!line->empty() && at > now_us && (!earliest || at < *earliest)) earliest = at;
  }
  return earliest;
}

std::optional<std::int64_t> Turns::earliest_due() const {
  std::optional<std::int64_t> earliest;
  for (const Line* line : turns_)
    for (const Waiting& entry : line->closed)
      if (!earliest || entry.due < *earliest) earliest = entry.due;
  return earliest;
}

Turns::Emptied Turns::take_all(Line& line) {
  return {std::exchange(line.open, {}), std::exchange(line.closed, {})};
}

void Turns::sweep(std::int64_t now_us) {
  std::erase_if(turns_, [](Line* line) {
    if (line->empty()) line->in_turn = false;
    return !line->in_turn;
  });
  std::erase_if(lines_, [&](const auto& entry) {
    const Line& line = *entry.second;
    return !line.in_turn && line.destination.forgettable(now_us);
  });
}

void Turns::renew_limits() {
  for (const auto& [name, line] : lines_) line->destination.limit(limits_(name));
}

void Turns::forgive_all() {
  for (const auto& [name, line] : lines_) line->destination.forgive();
}

}  // namespace hato
