#include "lib/base/start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string_view>

#include "lib/base/error.h"

namespace hato {

namespace {

// The environment of the child: the additions, then what the caller has under other names.
std::vector<char*> environment(const std::vector<std::string>& additions) {
  std::vector<char*> env;
  for (const std::string& addition : additions) env.push_back(const_cast<char*>(addition.c_str()));
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view old = *variable;
    bool replaced = false;
    for (const std::string& addition : additions)
      replaced |= old.starts_with(std::string_view(addition).substr(0, addition.find('=') + 1));
    if (!replaced) env.push_back(*variable);
  }
  env.push_back(nullptr);
  return env;
}

// dup2, or, for a descriptor in its place already, only open across exec.
bool put(int fd, int number) {
  return fd == number ? fcntl(fd, F_SETFD, 0) == 0 : dup2(fd, number) == number;
}

// In the child, which may be on the parent's memory: system calls only, nothing allocated. glibc's set*id
// functions are left out because they may want to tell other threads. Returns the step that failed.
const char* become_program(const Program& program, char* const* args, char* const* env) {
  if (!put(program.in, 0) || !put(program.out, 1) || !put(program.err, 2)) return "dup2";
  if (program.three >= 0 && !put(program.three, 3)) return "dup2";
  for (const Limit& limit : program.limits) {
    const rlimit both{limit.value, limit.value};
    if (syscall(SYS_prlimit64, 0, limit.resource, &both, nullptr) != 0) return "setrlimit";
  }
  if (program.open_files) {
    rlimit files{};
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &files) != 0) return "getrlimit";
    files.rlim_cur = *program.open_files;
    if (syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &files, nullptr) != 0) return "setrlimit";
  }
  if (program.identity) {
    const gid_t gid = program.identity->gid;
    const uid_t uid = program.identity->uid;
    if (syscall(SYS_setgroups, 1, &gid) != 0) return "setgroups";
    if (syscall(SYS_setresgid, gid, gid, gid) != 0) return "setgid";
    if (syscall(SYS_setresuid, uid, uid, uid) != 0) return "setuid";
  }
  // Handlers become SIG_DFL by exec; what is ignored stays ignored, and we ignore nothing but SIGPIPE.
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &plain, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (program.alarm_seconds != 0) alarm(program.alarm_seconds);
  execve(program.path.c_str(), args, env);
  return "exec";
}

}  // namespace

struct StartNotes::Slot {
  volatile int error;
  const char* volatile step;  // a literal: the same address in parent and child
};

namespace {
constexpr std::size_t page_size = 4096;
constexpr std::size_t slot_size = 16;
constexpr std::size_t slots_of_a_page = page_size / slot_size;
}  // namespace

StartNotes::Slot& StartNotes::at(std::size_t slot) const {
  static_assert(sizeof(Slot) <= slot_size);
  return pages_[slot / slots_of_a_page][slot % slots_of_a_page];
}

StartNote StartNotes::take() {
  if (free_.empty()) {
    void* page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) throw_errno("mmap");
    pages_.push_back(static_cast<Slot*>(page));
    for (std::size_t i = slots_of_a_page; i > 0; --i)
      free_.push_back((pages_.size() - 1) * slots_of_a_page + i - 1);
  }
  StartNote note;
  note.owner_ = this;
  note.slot_ = free_.back();
  free_.pop_back();
  at(note.slot_).error = 0;
  return note;
}

StartNotes::~StartNotes() {
  for (Slot* page : pages_) munmap(page, page_size);
}

StartNote& StartNote::operator=(StartNote&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(slot_, other.slot_);
  return *this;
}

StartNote::~StartNote() {
  if (owner_ != nullptr) owner_->free_.push_back(slot_);
}

int StartNote::error() const {
  return owner_ == nullptr ? 0 : owner_->at(slot_).error;
}

const char* StartNote::step() const {
  return error() == 0 ? "" : owner_->at(slot_).step;
}

pid_t start_program(const Program& program, StartNote& note) {
  if (program.identity && program.identity->uid == 0) throw TempError("refusing to run as root");
  std::vector<char*> args;
  for (const std::string& arg : program.args) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  const std::vector<char*> env = environment(program.env);
  StartNotes::Slot& slot = note.owner_->at(note.slot_);

  const pid_t pid = program.identity ? fork() : vfork();
  if (pid == 0) {
    slot.step = become_program(program, args.data(), env.data());
    slot.error = errno;
    _exit(111);
  }
  return pid;
}

}  // namespace hato
