#include "qmail-send/gate_slots.h"

#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "lib/base/clock.h"
#include "lib/base/error.h"

namespace hato {

struct GateSlots::Shared {
  std::atomic<std::uint64_t> last_id{0};
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

GateSlot* GateSlots::claim(uid_t uid, std::int32_t kind) {
  GateSlot* free = std::find_if(begin(), end(), [](const GateSlot& slot) { return slot.pid == 0; });
  if (free == end()) return nullptr;
  free->uid = uid;
  free->kind = kind;
  free->unlink_id = 0;
  free->pid = -1;
  return free;
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
    return s.pid != 0 && s.kind == static_cast<std::int32_t>(kind);
  }));
}

unsigned GateSlots::local_of(uid_t uid) const {
  return static_cast<unsigned>(std::count_if(begin(), end(), [uid](const GateSlot& s) {
    return s.pid != 0 && s.uid == uid &&
           (s.kind == undeclared || s.kind == static_cast<std::int32_t>(Kind::local));
  }));
}

unsigned GateSlots::running() const {
  return static_cast<unsigned>(std::count_if(begin(), end(), [](const GateSlot& s) { return s.pid != 0; }));
}

void GateSlots::release_dead() {
  for (GateSlot* slot = begin(); slot != end(); ++slot)
    if (slot->pid == -1 || (slot->pid > 0 && kill(slot->pid, 0) != 0)) slot->pid = 0;
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
