// Who is in the gate right now: one slot a worker, in memory that acceptor and workers share. The acceptor
// gives slots out and takes them back when the worker has ended, however it ended; a worker writes only its
// own slot. A worker that waits for another sender has a slot, too, which counts for no pool.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <vector>

#include "lib/store/queuefile.h"

namespace hato {

constexpr unsigned waiting_limit = 64;  // workers of one acceptor that wait

struct GateSlot {
  enum class Turn : std::int32_t {
    serving,
    waiting,  // for another sender of this uid
    leaving   // waited long enough; nobody may be sent to it any more
  };

  std::atomic<pid_t> pid{0};           // 0: free
  std::atomic<pid_t> acceptor{0};      // who gave it out
  std::atomic<uid_t> uid{0};           // of the sender
  std::atomic<std::int32_t> kind{-1};  // Kind, or -1 until the sender has said it
  std::atomic<Turn> turn{Turn::serving};
  std::atomic<std::uint64_t> unlink_id{
      0};  // a linked file whose directory could not be synced: take its name away

  bool counts() const { return pid != 0 && turn == Turn::serving; }
  // By the acceptor: true when the worker waited; it serves from now on, and expects to be sent somebody.
  bool engage(std::int32_t new_kind) {
    Turn waits = Turn::waiting;
    if (!turn.compare_exchange_strong(waits, Turn::serving)) return false;
    kind = new_kind;
    return true;
  }
  // By the worker that waits: true when nobody was sent to it meanwhile, and nobody will be.
  bool leave() {
    Turn waits = Turn::waiting;
    return turn.compare_exchange_strong(waits, Turn::leaving);
  }
};

class GateSlots {
 public:
  static constexpr std::int32_t undeclared = -1;

  explicit GateSlots(unsigned count);  // throws SystemError
  ~GateSlots();
  GateSlots(const GateSlots&) = delete;
  GateSlots& operator=(const GateSlots&) = delete;

  GateSlot* claim(uid_t uid,
                  std::int32_t kind);  // nullptr: all taken. Sets pid to -1 until the worker is forked
  GateSlot* of(pid_t pid);             // nullptr: unknown
  static void release(GateSlot* slot);
  unsigned of_kind(Kind kind) const;
  // The following count those that serve. Workers of this uid, whatever they are.
  unsigned of_uid(uid_t uid) const;
  // Workers of all uids that `counts` is true for.
  unsigned of_uids(const std::function<bool(uid_t)>& counts) const;
  unsigned running() const;
  // Frees the slots that this acceptor, which is dead and its workers with it, did not take back. Returns the
  // messages whose names it had to take away (unlink_id).
  std::vector<QueueId> release_of(pid_t acceptor);

  // The next ID: now, or one more than the last one given out. Workers call it at commit.
  QueueId next_id();
  // Never give out this one or anything below it.
  void id_seen(QueueId id);

 private:
  struct Shared;
  GateSlot* begin() const;
  GateSlot* end() const;  // behind the last one that was ever given out
  Shared* shared_;
  unsigned count_;
};

}  // namespace hato
