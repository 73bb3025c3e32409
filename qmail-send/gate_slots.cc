#include "qmail-send/gate_slots.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <new>

#include "lib/base/clock.h"
#include "lib/base/error.h"

namespace hato {

struct GateSlots::Shared {
  std::atomic<std::uint64_t> last_id{0};
  std::atomic<unsigned> used{0};  // slots behind these were never given out
};

namespace {
constexpr std::size_t head_size = 64;  // Shared, and the slots begin on a cache line of their own
std::size_t bytes_for(unsigned count) {
  return head_size + count * sizeof(GateSlot);
}
}  // namespace

GateSlots::GateSlots(unsigned count) : count_(count) {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free && sizeof(Shared) <= head_size);
  void* memory = mmap(nullptr, bytes_for(count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw_errno("mmap");
  shared_ = new (memory) Shared;
  for (unsigned i = 0; i < count; ++i) new (begin() + i) GateSlot;
}

GateSlots::~GateSlots() {
  munmap(shared_, bytes_for(count_));
}

GateSlot* GateSlots::begin() const {
  return reinterpret_cast<GateSlot*>(reinterpret_cast<char*>(shared_) + head_size);
}

GateSlot* GateSlots::end() const {
  return begin() + shared_->used;
}

// While the configuration changes there are two acceptors: compare and exchange.
GateSlot* GateSlots::claim(uid_t uid, std::int32_t kind) {
  for (unsigned i = 0; i < count_; ++i) {
    GateSlot* const slot = begin() + i;
    unsigned used = shared_->used;  // before it is taken, so that nobody passes it by
    while (used <= i && !shared_->used.compare_exchange_weak(used, i + 1)) {
    }
    pid_t nobody = 0;
    if (!slot->pid.compare_exchange_strong(nobody, -1)) continue;
    slot->acceptor = getpid();
    slot->uid = uid;
    slot->kind = kind;
    slot->turn = GateSlot::Turn::serving;
    slot->unlink_id = 0;
    return slot;
  }
  return nullptr;
}

GateSlot* GateSlots::of(pid_t pid) {
  GateSlot* slot = std::find_if(begin(), end(), [pid](const GateSlot& s) { return s.pid == pid; });
  return slot == end() ? nullptr : slot;
}

void GateSlots::release(GateSlot* slot) {
  slot->pid = 0;
}

unsigned GateSlots::of_kind(Kind kind) const {
  return static_cast<unsigned>(std::count_if(begin(), end(), [kind](const GateSlot& s) {
    return s.counts() && s.kind == static_cast<std::int32_t>(kind);
  }));
}

unsigned GateSlots::of_uid(uid_t uid) const {
  return static_cast<unsigned>(
      std::count_if(begin(), end(), [=](const GateSlot& s) { return s.counts() && s.uid == uid; }));
}

unsigned GateSlots::of_uids(const std::function<bool(uid_t)>& counts) const {
  return static_cast<unsigned>(
      std::count_if(begin(), end(), [&](const GateSlot& s) { return s.counts() && counts(s.uid); }));
}

unsigned GateSlots::running() const {
  return static_cast<unsigned>(std::count_if(begin(), end(), [](const GateSlot& s) { return s.counts(); }));
}

std::vector<QueueId> GateSlots::release_of(pid_t acceptor) {
  std::vector<QueueId> unsynced;
  for (GateSlot* slot = begin(); slot != end(); ++slot) {
    if (slot->pid == 0 || slot->acceptor != acceptor) continue;
    if (slot->unlink_id != 0) unsynced.push_back(QueueId(slot->unlink_id));
    release(slot);
  }
  return unsynced;
}

QueueId GateSlots::next_id() {
  const auto now = static_cast<std::uint64_t>(now_us());
  std::uint64_t last = shared_->last_id;
  std::uint64_t next;
  do next = std::max(now, last + 1);
  while (!shared_->last_id.compare_exchange_weak(last, next));
  return QueueId(next);
}

void GateSlots::id_seen(QueueId id) {
  if (shared_->last_id < id.value()) shared_->last_id = id.value();
}

}  // namespace hato
