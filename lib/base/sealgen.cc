// A tool of the build: prints the seccomp programs of lib/base/seal.h as C++ arrays. Here stand the rules.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <bit>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace {

using Calls = std::vector<const char*>;

// What glibc and our own code need to run at all once everything is open.
const Calls plain = {"read",
                     "write",
                     "readv",
                     "writev",
                     "pread64",
                     "pwrite64",
                     "lseek",
                     "close",
                     "fsync",
                     "fdatasync",
                     "ftruncate",
                     "fallocate",
                     "poll",
                     "ppoll",
                     "select",
                     "pselect6",
                     "epoll_wait",
                     "epoll_pwait",
                     "epoll_ctl",
                     "brk",
                     "munmap",
                     "mremap",
                     "madvise",
                     "futex",
                     "rt_sigaction",
                     "rt_sigprocmask",
                     "rt_sigreturn",
                     "sigaltstack",
                     "restart_syscall",
                     "alarm",
                     "setitimer",
                     "getitimer",
                     "clock_gettime",
                     "gettimeofday",
                     "time",
                     "nanosleep",
                     "clock_nanosleep",
                     "getpid",
                     "getppid",
                     "gettid",
                     "getuid",
                     "geteuid",
                     "getgid",
                     "getegid",
                     "getrandom",
                     "fstat",
                     "dup",
                     "dup2",
                     "dup3",
                     "pipe2",
                     "shutdown",
                     "getpeername",
                     "getsockname",
                     "recvfrom",
                     "recvmsg",
                     "exit",
                     "exit_group",
                     "sched_yield",
                     "flock",
                     "sendfile",
                     "splice",
                     "copy_file_range",
                     "close_range",
                     "rseq",
                     "set_robust_list"};

const Calls files = {"open",      "openat",     "openat2",       "stat",
                     "lstat",     "newfstatat", "statx",         "access",
                     "faccessat", "faccessat2", "getdents64",    "rename",
                     "renameat",  "renameat2",  "link",          "linkat",
                     "unlink",    "unlinkat",   "mkdir",         "mkdirat",
                     "rmdir",     "readlink",   "readlinkat",    "getcwd",
                     "utimensat", "chdir",      "fchdir",        "fstatfs",
                     "statfs",    "umask",      "inotify_init1", "inotify_add_watch"};

// One thing that must hold for an argument. The kernel takes a descriptor, a command, a family or flags as 32
// bits, whatever stands in the upper half of the register, and so does this: else 2^32 would be another
// number than 0 here and the same descriptor there.
struct Condition {
  enum class Is { equal, at_least, without, with, null } is;
  unsigned argument;
  __u32 value;
};
Condition equal(unsigned argument, __u32 value) {
  return {Condition::Is::equal, argument, value};
}
// unsigned: a negative descriptor is none anyway
Condition at_least(unsigned argument, __u32 value) {
  return {Condition::Is::at_least, argument, value};
}
Condition without(unsigned argument, __u32 bits) {  // none of them is set
  return {Condition::Is::without, argument, bits};
}
Condition with(unsigned argument, __u32 bit) {
  return {Condition::Is::with, argument, bit};
}
Condition null(unsigned argument) {  // a pointer: all 64 bits
  return {Condition::Is::null, argument, 0};
}

// The program: the processor's kind; calls that are allowed under conditions, one after the other; for all
// others one bit each, 32 in a word, which is found by a tree of comparisons. The kernel's price for a
// program at its start grows with its length, and most processes that are sealed make some hundred calls: so
// it is to be short, and libseccomp, which makes a tree of all calls and compares each half of an argument,
// is asked for names alone.
class Filter {
 public:
  static void check(int error, const char* what) {
    if (error == 0) return;
    fprintf(stderr, "sealgen: %s: error %d\n", what, -error);
    exit(1);
  }

  void allow(const Calls& calls) {
    for (const char* name : calls)
      if (const int number = number_of(name); number >= 0) always_.insert(static_cast<__u32>(number));
  }
  // One of the conditions of a call must hold.
  void allow(const char* name, Condition condition) {
    if (const int number = number_of(name); number >= 0)
      sometimes_[static_cast<__u32>(number)].push_back(condition);
  }

  void basics() {
    allow(plain);
    // Memory that is writable and executable is for nobody.
    allow("mmap", without(2, PROT_EXEC));
    allow("mprotect", without(2, PROT_EXEC));
    for (const __u32 command :
         {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW, F_DUPFD_CLOEXEC})
      allow("fcntl", equal(1, command));
    // Sockets that are open already; the address argument of sendto must be null.
    allow("sendto", null(4));
    allow("setsockopt", equal(1, SOL_SOCKET));
    allow("setsockopt", equal(1, 6 /* IPPROTO_TCP */));
    allow({"getsockopt"});
    allow("kill", equal(1, 0));
    allow("prctl", equal(0, PR_SET_NAME));
    // Not tgkill: it reaches every process of the same user. abort(3) ends by a bad instruction without it.
    // stat by descriptor, as glibc spells it:
    allow("newfstatat", with(3, 0x1000 /* AT_EMPTY_PATH */));
  }
  void unix_client() {
    allow("socket", equal(0, AF_UNIX));
    allow("connect", at_least(0, 3));
    allow({"sendmsg"});
  }
  void internet_client() {
    allow("socket", equal(0, AF_INET));
    allow("socket", equal(0, AF_INET6));
    allow("connect", at_least(0, 3));
    allow({"bind", "sendmsg", "sendmmsg", "sendto", "ioctl"});
    allow("setsockopt", equal(1, 0 /* IPPROTO_IP */));
    allow("setsockopt", equal(1, 41 /* IPPROTO_IPV6 */));
  }
  // The gate: accepts, forks, and makes files that did not exist before; it can open nothing that has a name.
  void gate() {
    allow({"accept4", "clone", "clone3", "fork", "wait4", "waitid", "linkat", "fstatfs", "socketpair"});
    allow("openat", equal(2, O_TMPFILE | O_RDWR | O_CLOEXEC));
    allow("openat", equal(2, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC));
    allow("prctl", equal(0, PR_SET_PDEATHSIG));
  }

  // qmail-rcptd: looks at files, changes none, and has workers.
  void reader() {
    allow({"accept4", "clone", "clone3", "fork", "wait4", "waitid", "socketpair", "sendmsg", "newfstatat",
           "statx", "getdents64", "readlinkat", "fstatfs", "statfs"});
    const __u32 changing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND;
    allow("openat", without(2, changing));
    allow("open", without(1, changing));
    allow("prctl", equal(0, PR_SET_PDEATHSIG));
  }

  // qmail-clean: names are taken away and moved; what it opens it opens to make it durable, and new files are
  // empty ones.
  void cleaner() {
    allow({"sendmsg", "unlinkat", "renameat2"});
    for (const __u32 flags : {O_RDONLY | O_DIRECTORY | O_CLOEXEC, O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
                              O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC})
      allow("openat", equal(2, flags));
  }

  // Seals its children once more, each for its own: qmail-mtastsd.
  void starter() {
    allow({"clone", "clone3", "fork", "wait4", "waitid", "landlock_create_ruleset", "landlock_add_rule",
           "landlock_restrict_self"});
    for (const __u32 command : {PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE, PR_SET_SECCOMP})
      allow("prctl", equal(0, command));
  }

  void print(const char* name) {
    assemble();
    printf("static const sock_filter code_%s[] = {\n", name);
    for (const sock_filter& f : code_) printf("  {0x%x, %u, %u, 0x%xU},\n", f.code, f.jt, f.jf, f.k);
    printf("};\nextern const SealFilter %s = {\"%s\", code_%s, %zu};\n\n", name, name, name, code_.size());
  }

 private:
  // Places that jumps name before they are known; `next` is the instruction behind the jump.
  using Label = int;
  static constexpr Label next = -1, allowed = 0, denied = 1, look_at_bit = 2, first_own = 3;

  static int number_of(const char* name) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) check(-EINVAL, name);
    return number;  // negative: a call that this kind of processor does not have
  }

  void put(unsigned code, __u32 k) { code_.push_back({static_cast<__u16>(code), 0, 0, k}); }
  void jump(unsigned comparison, __u32 k, Label yes, Label no) {
    jumps_.push_back({code_.size(), yes, no});
    put(BPF_JMP | comparison | BPF_K, k);
  }
  void place(Label label) { places_[label] = code_.size(); }
  void load(std::size_t offset) { put(BPF_LD | BPF_W | BPF_ABS, static_cast<__u32>(offset)); }
  static std::size_t half(unsigned argument, bool upper) {
    const bool second = upper == (std::endian::native == std::endian::little);
    return offsetof(seccomp_data, args) + argument * sizeof(__u64) + (second ? sizeof(__u32) : 0);
  }

  void assemble() {
    load(offsetof(seccomp_data, arch));
    jump(BPF_JEQ, seccomp_arch_native(), next, denied);
    // The call's place in its word comes to X. Here, and not where it is looked at: the kernel tries a
    // program at its start for each call that there is, so as to pass over it later where that says nothing
    // about arguments, and gives up at the first instruction that is not a comparison. Our processes make too
    // few calls for this to pay.
    load(offsetof(seccomp_data, nr));
    put(BPF_ALU | BPF_AND | BPF_K, 31);
    put(BPF_MISC | BPF_TAX, 0);
    load(offsetof(seccomp_data, nr));
    Label own = first_own;
    for (const auto& [number, conditions] : sometimes_)
      if (!always_.contains(number)) jump(BPF_JEQ, number, own++, next);
    bits();
    own = first_own;
    for (const auto& [number, conditions] : sometimes_)
      if (!always_.contains(number)) place(own++), one_of(conditions);
    place(allowed);
    put(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    place(denied);
    put(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    resolve();
  }

  // The words that are not empty, by their number.
  void bits() {
    std::map<__u32, __u32> words;
    for (const __u32 number : always_) words[number / 32] |= 1U << (number % 32);
    put(BPF_ALU | BPF_RSH | BPF_K, 5);
    tree({words.begin(), words.end()});
    place(look_at_bit);
    put(BPF_ALU | BPF_RSH | BPF_X, 0);
    jump(BPF_JSET, 1, allowed, denied);
  }
  void tree(const std::vector<std::pair<__u32, __u32>>& words) {
    if (words.size() == 1) {
      jump(BPF_JEQ, words[0].first, next, denied);
      put(BPF_LD | BPF_IMM, words[0].second);
      jump(BPF_JA, 0, look_at_bit, look_at_bit);
      return;
    }
    const auto middle = words.begin() + static_cast<std::ptrdiff_t>(words.size() / 2);
    const Label right = label_++;
    jump(BPF_JGE, middle->first, right, next);
    tree({words.begin(), middle});
    place(right);
    tree({middle, words.end()});
  }

  void one_of(const std::vector<Condition>& conditions) {
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      const Condition& c = conditions[i];
      const Label otherwise = i + 1 == conditions.size() ? denied : next;
      if (i == 0 || c.argument != conditions[i - 1].argument) load(half(c.argument, false));
      switch (c.is) {
        case Condition::Is::equal:
          jump(BPF_JEQ, c.value, allowed, otherwise);
          break;
        case Condition::Is::at_least:
          jump(BPF_JGE, c.value, allowed, otherwise);
          break;
        case Condition::Is::without:
          jump(BPF_JSET, c.value, otherwise, allowed);
          break;
        case Condition::Is::with:
          jump(BPF_JSET, c.value, allowed, otherwise);
          break;
        case Condition::Is::null:
          if (conditions.size() != 1) check(-EINVAL, "null() has no alternatives");
          jump(BPF_JEQ, 0, next, denied);
          load(half(c.argument, true));
          jump(BPF_JEQ, 0, allowed, denied);
          break;
      }
    }
  }

  void resolve() {
    for (const auto& [at, yes, no] : jumps_) {
      const auto distance = [&, from = at](Label label) {
        const std::size_t far = label == next ? 0 : places_.at(label) - from - 1;
        if (far > 255) check(-ERANGE, "a jump over more than 255 instructions");
        return static_cast<__u8>(far);
      };
      if (BPF_OP(code_[at].code) == BPF_JA) {
        code_[at].k = distance(yes);
      } else {
        code_[at].jt = distance(yes);
        code_[at].jf = distance(no);
      }
    }
  }

  struct Jump {
    std::size_t at;
    Label yes, no;
  };
  std::set<__u32> always_;
  std::map<__u32, std::vector<Condition>> sometimes_;
  std::vector<sock_filter> code_;
  std::vector<Jump> jumps_;
  std::map<Label, std::size_t> places_;
  Label label_ = 1000;
};

}  // namespace

int main() {
  puts(
      "// Generated by lib/base/sealgen.cc.\n#include <linux/filter.h>\n#include \"lib/base/seal.h\"\n"
      "namespace hato::seal_profile {\n");
  {
    Filter f;
    f.basics();
    f.print("plain");
  }
  {
    Filter f;
    f.basics();
    f.unix_client();
    f.print("smtpd");
  }
  {
    Filter f;
    f.basics();
    f.unix_client();
    f.gate();
    f.print("gate");
  }
  {
    Filter f;
    f.basics();
    f.reader();
    f.print("reader");
  }
  {
    Filter f;
    f.basics();
    f.internet_client();
    f.print("remote");
  }
  {
    Filter f;
    f.basics();
    f.internet_client();
    f.starter();
    f.print("starter");
  }
  {
    Filter f;
    f.basics();
    f.allow(files);
    f.allow({"accept4", "sendmsg"});
    f.print("keeper");
  }
  {
    Filter f;
    f.basics();
    f.allow({"accept4", "sendmsg"});
    f.print("authd");
  }
  {
    Filter f;
    f.basics();
    f.allow(files);
    f.print("pop3d");
  }
  {
    Filter f;
    f.basics();
    f.cleaner();
    f.print("cleaner");
  }
  puts("}  // namespace hato::seal_profile");
  return 0;
}
