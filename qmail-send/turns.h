// A channel's destinations with what waits for them, in turns: which message's next recipient is delivered
// next. Single-threaded, no I/O; the clock is the caller's.
//
// For each destination there is a queue of messages that are open in memory (a Share says which of a
// message's recipients go there) and, behind it, one of messages that are closed again, 16 bytes each.
// Destinations take turns, and so do the messages of one destination.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/store/queuefile.h"
#include "qmail-send/destination.h"
#include "qmail-send/schedule.h"

namespace hato {

// Messages of one recipient that are kept open for one destination; more are closed again and wait as 16
// bytes.
constexpr std::size_t open_messages_of_a_destination = 100;

class Turns {
 public:
  // What waits for one destination. Its address is stable while anything waits or is under way.
  struct Line {
    Line(std::uint64_t id, std::string text, DestinationLimits limits)
        : number(id), name(std::move(text)), destination(limits) {}
    const std::uint64_t number;  // of all lines there ever were
    const std::string name;
    Destination destination;
    std::deque<QueueId> open;    // messages that have a Share with recipients left
    std::deque<Waiting> closed;  // messages that have all their recipients of the channel here
    bool in_turn = false;        // among turns_
    std::uint64_t forgiven = 0;  // the owner's: for which asking it was forgiven last
    bool empty() const { return open.empty() && closed.empty(); }
    bool full() const { return open.size() >= open_messages_of_a_destination || !closed.empty(); }
  };

  // limits: what holds for a destination, by name; asked once for each line.
  explicit Turns(std::function<DestinationLimits(const std::string&)> limits) : limits_(std::move(limits)) {}

  Line& line(const std::string& name);
  void add_open(Line& line, QueueId id);
  void add_closed(Line& line, const Waiting& entry);

  // The next line that may start a delivery, and moves it behind the others; null: none may.
  Line* next(std::int64_t now_us, Places places);
  // How many messages wait in lines that may start one now, counted up to `enough`.
  std::size_t ready(std::int64_t now_us, Places places, std::size_t enough) const;
  // When time alone lets a line start that may not now (rates); nullopt: never.
  std::optional<std::int64_t> not_before(std::int64_t now_us) const;
  // The earliest due time of what waits closed.
  std::optional<std::int64_t> earliest_due() const;

  // Takes everything out of a line that begins to back off.
  struct Emptied {
    std::deque<QueueId> open;
    std::deque<Waiting> closed;
  };
  Emptied take_all(Line& line);

  // Forgets lines with nothing to remember. Call now and then.
  void sweep(std::int64_t now_us);
  // SIGALRM: nobody backs off.
  void forgive_all();
  // The limits may have changed.
  void renew_limits();
  // Destinations that are known.
  std::size_t size() const { return lines_.size(); }

 private:
  void put_in_turn(Line& line);

  std::function<DestinationLimits(const std::string&)> limits_;
  std::unordered_map<std::string, std::unique_ptr<Line>> lines_;
  std::deque<Line*> turns_;  // lines that are not empty
  std::uint64_t numbers_ = 0;
};

}  // namespace hato
