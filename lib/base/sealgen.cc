// A tool of the build: prints the seccomp programs of lib/base/seal.h as C++ arrays. Here stand the rules.
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
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

struct Filter {
  scmp_filter_ctx context;

  Filter() : context(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    check(context == nullptr ? -ENOMEM : 0, "seccomp_init");
    check(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "binary tree");
  }
  ~Filter() { seccomp_release(context); }
  Filter(const Filter&) = delete;
  Filter& operator=(const Filter&) = delete;

  static void check(int error, const char* what) {
    if (error == 0) return;
    fprintf(stderr, "sealgen: %s: error %d\n", what, -error);
    exit(1);
  }
  static int number(const char* name) { return seccomp_syscall_resolve_name(name); }

  void allow(const Calls& calls) {
    for (const char* name : calls) check(seccomp_rule_add(context, SCMP_ACT_ALLOW, number(name), 0), name);
  }
  void allow(const char* name, scmp_arg_cmp a) {
    check(seccomp_rule_add(context, SCMP_ACT_ALLOW, number(name), 1, a), name);
  }

  void basics() {
    allow(plain);
    // Memory that is writable and executable is for nobody.
    allow("mmap", SCMP_CMP(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    allow("mprotect", SCMP_CMP(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    for (const unsigned long command :
         {F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW, F_DUPFD_CLOEXEC})
      allow("fcntl", SCMP_CMP(1, SCMP_CMP_EQ, command));
    // Sockets that are open already; the address argument of sendto must be null.
    allow("sendto", SCMP_CMP(4, SCMP_CMP_EQ, 0));
    allow("setsockopt", SCMP_CMP(1, SCMP_CMP_EQ, SOL_SOCKET));
    allow("setsockopt", SCMP_CMP(1, SCMP_CMP_EQ, 6 /* IPPROTO_TCP */));
    allow({"getsockopt"});
    allow("kill", SCMP_CMP(1, SCMP_CMP_EQ, 0));
    allow("prctl", SCMP_CMP(0, SCMP_CMP_EQ, PR_SET_NAME));
    // Not tgkill: it reaches every process of the same user. abort(3) ends by a bad instruction without it.
    // stat by descriptor, as glibc spells it:
    allow("newfstatat", SCMP_CMP(3, SCMP_CMP_MASKED_EQ, 0x1000 /* AT_EMPTY_PATH */, 0x1000));
  }
  void unix_client() {
    allow("socket", SCMP_CMP(0, SCMP_CMP_EQ, AF_UNIX));
    allow("connect", SCMP_CMP(0, SCMP_CMP_GE, 3));
    allow({"sendmsg"});
  }
  void internet_client() {
    allow("socket", SCMP_CMP(0, SCMP_CMP_EQ, AF_INET));
    allow("socket", SCMP_CMP(0, SCMP_CMP_EQ, AF_INET6));
    allow("connect", SCMP_CMP(0, SCMP_CMP_GE, 3));
    allow({"bind", "sendmsg", "sendmmsg", "sendto", "ioctl"});
    allow("setsockopt", SCMP_CMP(1, SCMP_CMP_EQ, 0 /* IPPROTO_IP */));
    allow("setsockopt", SCMP_CMP(1, SCMP_CMP_EQ, 41 /* IPPROTO_IPV6 */));
  }
  // The gate: accepts, forks, and makes files that did not exist before; it can open nothing that has a name.
  void gate() {
    allow({"accept4", "clone", "clone3", "fork", "wait4", "waitid", "linkat", "fstatfs", "socketpair"});
    allow("openat", SCMP_CMP(2, SCMP_CMP_EQ, O_TMPFILE | O_RDWR | O_CLOEXEC));
    allow("openat", SCMP_CMP(2, SCMP_CMP_EQ, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC));
    allow("prctl", SCMP_CMP(0, SCMP_CMP_EQ, PR_SET_PDEATHSIG));
  }

  // qmail-clean: names are taken away and moved; what it opens it opens to make it durable, and new files are
  // empty ones.
  void cleaner() {
    allow({"sendmsg", "unlinkat", "renameat2"});
    for (const unsigned long flags : {O_RDONLY | O_DIRECTORY | O_CLOEXEC, O_RDONLY | O_NOFOLLOW | O_CLOEXEC,
                                      O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC})
      allow("openat", SCMP_CMP(2, SCMP_CMP_EQ, flags));
  }

  // Seals its children once more, each for its own: qmail-mtastsd.
  void starter() {
    allow({"clone", "clone3", "fork", "wait4", "waitid", "landlock_create_ruleset", "landlock_add_rule",
           "landlock_restrict_self"});
    for (const unsigned long command :
         {PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_DUMPABLE, PR_SET_SECCOMP})
      allow("prctl", SCMP_CMP(0, SCMP_CMP_EQ, command));
  }

  void print(const char* name) {
    // The exporter writes to a descriptor; a memory file takes it.
    const int fd = memfd_create("filter", 0);
    check(fd < 0 ? -errno : 0, "memfd_create");
    check(seccomp_export_bpf(context, fd), "seccomp_export_bpf");
    const off_t size = lseek(fd, 0, SEEK_END);
    std::vector<sock_filter> code(static_cast<std::size_t>(size) / sizeof(sock_filter));
    if (pread(fd, code.data(), static_cast<std::size_t>(size), 0) != size) check(-EIO, "pread");
    close(fd);
    printf("static const sock_filter code_%s[] = {\n", name);
    for (const sock_filter& f : code) printf("  {0x%x, %u, %u, 0x%xU},\n", f.code, f.jt, f.jf, f.k);
    printf("};\nextern const SealFilter %s = {\"%s\", code_%s, %zu};\n\n", name, name, name, code.size());
  }
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
