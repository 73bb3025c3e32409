// The seccomp programs of lib/base/seal.h, run by hand on calls that the kernel would be asked for.
#include "lib/base/seal.h"
#include "tests/catch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cstring>

using namespace hato;

namespace {

// What the kernel makes of it (Documentation/networking/filter.rst), for the instructions that there are.
__u32 answer(const SealFilter& filter, const seccomp_data& data) {
  __u32 a = 0, x = 0;
  for (std::size_t at = 0; at < filter.length; ++at) {
    const sock_filter& f = filter.code[at];
    const auto jump = [&](bool yes) { at += yes ? f.jt : f.jf; };
    switch (f.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + f.k, sizeof a);
        break;
      case BPF_LD | BPF_IMM:
        a = f.k;
        break;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= f.k;
        break;
      case BPF_ALU | BPF_RSH | BPF_K:
        a >>= f.k;
        break;
      case BPF_ALU | BPF_RSH | BPF_X:
        a >>= x;
        break;
      case BPF_MISC | BPF_TAX:
        x = a;
        break;
      case BPF_JMP | BPF_JA:
        at += f.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump(a == f.k);
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump(a >= f.k);
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump((a & f.k) != 0);
        break;
      case BPF_RET | BPF_K:
        return f.k;
      default:
        FAIL("an instruction that this test does not know: " << f.code);
    }
  }
  FAIL("the program has no end");
  return 0;
}

constexpr __u64 upper = __u64{1} << 32;  // what the kernel does not see of a 32-bit argument

bool allows(const SealFilter& filter, long number, std::vector<__u64> args = {}) {
  seccomp_data data{};
  data.arch = AUDIT_ARCH_X86_64;
  data.nr = static_cast<int>(number);
  std::copy(args.begin(), args.end(), data.args);
  const __u32 said = answer(filter, data);
  CHECK((said == SECCOMP_RET_ALLOW || said == (SECCOMP_RET_ERRNO | EPERM)));
  return said == SECCOMP_RET_ALLOW;
}

const SealFilter* const all[] = {&seal_profile::plain,  &seal_profile::smtpd,   &seal_profile::gate,
                                 &seal_profile::remote, &seal_profile::starter, &seal_profile::keeper,
                                 &seal_profile::pop3d,  &seal_profile::cleaner, &seal_profile::authd};

}  // namespace

#if defined(__x86_64__)
TEST_CASE("what no sealed program may do, and what each may", "[seal]") {
  for (const SealFilter* filter : all) {
    CAPTURE(filter->name);
    for (const long number :
         std::initializer_list<long>{SYS_read, SYS_write, SYS_close, SYS_poll, SYS_brk, SYS_exit_group,
                                     SYS_getrandom, SYS_clock_gettime, SYS_recvmsg, SYS_close_range})
      CHECK(allows(*filter, number));
    for (const long number : std::initializer_list<long>{SYS_execve,
                                                         SYS_execveat,
                                                         SYS_ptrace,
                                                         SYS_process_vm_writev,
                                                         SYS_pidfd_getfd,
                                                         SYS_tgkill,
                                                         SYS_setuid,
                                                         SYS_setns,
                                                         SYS_unshare,
                                                         SYS_mount,
                                                         SYS_init_module,
                                                         SYS_bpf,
                                                         SYS_io_uring_setup,
                                                         SYS_userfaultfd,
                                                         SYS_keyctl,
                                                         SYS_chroot,
                                                         SYS_symlink,
                                                         SYS_mknod,
                                                         SYS_chmod,
                                                         SYS_chown,
                                                         SYS_pkey_mprotect,
                                                         SYS_memfd_create,
                                                         SYS_listen,
                                                         335L,
                                                         600L,
                                                         100000L,
                                                         -1L})
      CHECK_FALSE(allows(*filter, number));
    // Another kind of processor, and x86-64's second table of calls.
    seccomp_data data{};
    data.nr = SYS_read;
    for (const __u32 arch : {__u32{AUDIT_ARCH_I386}, __u32{AUDIT_ARCH_AARCH64}, 0U}) {
      data.arch = arch;
      CHECK(answer(*filter, data) == (SECCOMP_RET_ERRNO | EPERM));
    }
    CHECK_FALSE(allows(*filter, SYS_read | 0x40000000L));

    CHECK(allows(*filter, SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE}));
    CHECK_FALSE(allows(*filter, SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC}));
    CHECK_FALSE(allows(*filter, SYS_mprotect, {0, 4096, upper | PROT_EXEC}));
    for (const int command : {F_GETFD, F_SETFL, F_SETLKW, F_OFD_SETLK, F_DUPFD_CLOEXEC})
      CHECK(allows(*filter, SYS_fcntl, {3, static_cast<__u64>(command)}));
    for (const int command : {F_DUPFD, F_SETOWN, F_SETSIG, F_SETLEASE, F_NOTIFY, F_SETPIPE_SZ})
      CHECK_FALSE(allows(*filter, SYS_fcntl, {3, static_cast<__u64>(command)}));
    CHECK(allows(*filter, SYS_kill, {1, 0}));
    CHECK_FALSE(allows(*filter, SYS_kill, {1, 9}));
    CHECK_FALSE(allows(*filter, SYS_kill, {1, upper | 9}));
    CHECK(allows(*filter, SYS_prctl, {PR_SET_NAME}));
    CHECK_FALSE(allows(*filter, SYS_prctl, {PR_SET_PTRACER}));
    CHECK(allows(*filter, SYS_setsockopt, {3, SOL_SOCKET}));
    CHECK_FALSE(allows(*filter, SYS_setsockopt, {3, 255}));
  }
}

TEST_CASE("sockets of sealed programs", "[seal]") {
  struct Row {
    const SealFilter& filter;
    bool unix, internet;
  };
  const Row rows[] = {{seal_profile::plain, false, false},  {seal_profile::smtpd, true, false},
                      {seal_profile::gate, true, false},    {seal_profile::remote, false, true},
                      {seal_profile::starter, false, true}, {seal_profile::keeper, false, false},
                      {seal_profile::pop3d, false, false},  {seal_profile::cleaner, false, false},
                      {seal_profile::authd, false, false}};
  for (const Row& row : rows) {
    CAPTURE(row.filter.name);
    CHECK(allows(row.filter, SYS_socket, {AF_UNIX, SOCK_STREAM}) == row.unix);
    CHECK(allows(row.filter, SYS_socket, {AF_INET, SOCK_STREAM}) == row.internet);
    CHECK(allows(row.filter, SYS_socket, {AF_INET6, SOCK_STREAM}) == row.internet);
    for (const int family : {AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG})
      CHECK_FALSE(allows(row.filter, SYS_socket, {static_cast<__u64>(family), SOCK_RAW}));
    for (const __u64 fd : {0, 1, 2}) {
      CHECK_FALSE(allows(row.filter, SYS_connect, {fd}));
      CHECK_FALSE(allows(row.filter, SYS_connect, {upper | fd}));  // the client's all the same
    }
    CHECK(allows(row.filter, SYS_connect, {3}) == (row.unix || row.internet));
    // What is sent goes where the socket is connected to.
    CHECK(allows(row.filter, SYS_sendto, {3, 0, 0, 0, 0}));
    CHECK(allows(row.filter, SYS_sendto, {3, 0, 0, 0, 4096}) == row.internet);
    CHECK(allows(row.filter, SYS_sendto, {3, 0, 0, 0, upper}) == row.internet);
  }
}

TEST_CASE("files and children of sealed programs", "[seal]") {
  using namespace seal_profile;
  const auto open = [](const SealFilter& filter, int flags) {
    return allows(filter, SYS_openat, {0, 0, static_cast<__u64>(flags)});
  };
  for (const SealFilter* filter : {&plain, &smtpd, &remote, &starter, &authd}) {
    CAPTURE(filter->name);
    for (const long number : std::initializer_list<long>{SYS_open, SYS_openat2, SYS_rename, SYS_unlink,
                                                         SYS_linkat, SYS_getdents64})
      CHECK_FALSE(allows(*filter, number));
    for (const int flags : {O_RDONLY, O_RDONLY | O_CLOEXEC, O_TMPFILE | O_RDWR | O_CLOEXEC})
      CHECK_FALSE(open(*filter, flags));
  }
  CHECK(open(gate, O_TMPFILE | O_RDWR | O_CLOEXEC));
  CHECK(open(gate, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC));
  for (const int flags : {O_RDONLY, O_RDWR | O_CLOEXEC, O_CREAT | O_RDWR | O_CLOEXEC})
    CHECK_FALSE(open(gate, flags));
  CHECK(open(cleaner, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK_FALSE(open(cleaner, O_RDONLY | O_CLOEXEC));
  CHECK_FALSE(open(cleaner, O_RDWR | O_CLOEXEC));
  for (const SealFilter* filter : {&keeper, &pop3d}) CHECK(open(*filter, O_RDONLY));
  for (const SealFilter* filter : all) {
    CAPTURE(filter->name);
    const bool forks = filter == &gate || filter == &starter;
    CHECK(allows(*filter, SYS_clone) == forks);
    CHECK(allows(*filter, SYS_wait4) == forks);
    CHECK(allows(*filter, SYS_newfstatat, {0, 0, 0, AT_EMPTY_PATH}));
    CHECK(allows(*filter, SYS_newfstatat, {0, 0, 0, 0}) == (filter == &keeper || filter == &pop3d));
  }
}
#endif
