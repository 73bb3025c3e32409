// What runs before main in a static program, in the place of the C library's own __libc_start_main.
//
// glibc begins every program by asking the processor what it is: some seventy CPUID instructions, for the
// best memcpy and the sizes of the caches. On a virtual machine each of them is a trip through the hypervisor
// (5 us on the one where this was measured), in all 0.38 ms of CPU time: as much as fork and exec themselves,
// for each session and each delivery. Our programs live for milliseconds and gain nothing from it. So they
// start by the same steps as glibc's csu/libc-start.c in a static program, without those questions, and use
// the string functions that every x86-64 processor has.
//
// Nor do they look for a directory to load plugins from, or for symbols in the kernel's vDSO: a static
// program of ours never calls dlopen, and asks for the time by a system call (another 0.05 ms).
//
// The steps are the business of one release of glibc: the Makefile takes this file for the release named
// below alone, and the C library's start for any other, for other processors and for dynamic programs.
// Nothing else depends on it.
#include <dlfcn.h>
#include <elf.h>
#include <features.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#if !defined(__x86_64__) || __GLIBC__ != 2 || __GLIBC_MINOR__ != 36
#error "this start is for glibc 2.36 on x86-64: leave it out (make STATIC_START=)"
#endif

#define HIDDEN __attribute__((visibility("hidden")))

extern "C" {

// The parts of libc.a that its own start calls.
HIDDEN extern void* __libc_stack_end;
HIDDEN extern void* _dl_random;  // 16 random bytes from the kernel
HIDDEN extern int __libc_enable_secure;
HIDDEN extern int __libc_argc;
HIDDEN extern char** __libc_argv;
HIDDEN extern const ElfW(Phdr) * _dl_phdr;  // this program's headers, as the kernel mapped them
HIDDEN extern std::size_t _dl_phnum;
HIDDEN extern int _dl_stack_flags;  // what threads' stacks may be
HIDDEN extern const ElfW(Ehdr) __ehdr_start;
HIDDEN void _dl_aux_init(ElfW(auxv_t) *);
HIDDEN void __tunables_init(char**);
HIDDEN void _dl_relocate_static_pie();
HIDDEN void __libc_setup_tls();
HIDDEN void __libc_early_init(bool);
HIDDEN void __init_misc(int, char**, char**);
HIDDEN void __libc_check_standard_fds();
int __cxa_atexit(void (*)(void*), void*, void*);
void _init();
void _fini();

// What the linker says of this program.
using Initializer = void (*)(int, char**, char**);
HIDDEN extern const ElfW(Rela) __rela_iplt_start[] __attribute__((weak));
HIDDEN extern const ElfW(Rela) __rela_iplt_end[] __attribute__((weak));
HIDDEN extern const Initializer __preinit_array_start[], __preinit_array_end[];
HIDDEN extern const Initializer __init_array_start[], __init_array_end[];
HIDDEN extern void (*const __fini_array_start[])();
HIDDEN extern void (*const __fini_array_end[])();

// What glibc would have worked out of CPUID for its string functions: its own values for a processor that it
// does not know (bytes).
HIDDEN long __x86_data_cache_size = 32L << 10, __x86_data_cache_size_half = 16L << 10;
HIDDEN long __x86_shared_cache_size = 1L << 20, __x86_shared_cache_size_half = 512L << 10;
HIDDEN long __x86_shared_non_temporal_threshold = 768L << 10;
HIDDEN long __x86_rep_movsb_threshold = 2048, __x86_rep_stosb_threshold = 2048;
HIDDEN long __x86_rep_movsb_stop_threshold = 768L << 10;
HIDDEN int __x86_string_control = 0;

[[noreturn]] int __libc_start_main(int (*main)(int, char**, char**), int argc, char** argv, void (*init)(),
                                   void (*fini)(), void (*rtld_fini)(), void* stack_end);
}

namespace {

// As glibc ends a static program: destructors in the reverse order, then .fini.
void finish(void*) {
  for (auto at = __fini_array_end; at != __fini_array_start;) (*--at)();
  _fini();
}

// The string functions' choice (STT_GNU_IFUNC): each resolver looks at what is known of the processor, which
// is nothing, and names the function that runs everywhere.
__attribute__((noinline)) void resolve_indirect_functions() {
  for (const ElfW(Rela)* at = __rela_iplt_start; at < __rela_iplt_end; ++at) {
    if (ELF64_R_TYPE(at->r_info) != R_X86_64_IRELATIVE) __builtin_trap();
    const auto resolver = reinterpret_cast<ElfW(Addr) (*)()>(at->r_addend);
    *reinterpret_cast<ElfW(Addr)*>(at->r_offset) = resolver();
  }
}

ElfW(Addr) load_address() {
  return reinterpret_cast<ElfW(Addr)>(&__ehdr_start);
}

// What the headers ask for: relocated tables become read-only (RELRO), stacks are not for code.
void protect_memory() {
  constexpr ElfW(Addr) page = 4096;
  for (const ElfW(Phdr)* at = _dl_phdr; at != _dl_phdr + _dl_phnum; ++at) {
    if (at->p_type == PT_GNU_STACK) _dl_stack_flags = static_cast<int>(at->p_flags);
    if (at->p_type != PT_GNU_RELRO) continue;
    const ElfW(Addr) begin = (load_address() + at->p_vaddr) & ~(page - 1);
    const ElfW(Addr) end = (load_address() + at->p_vaddr + at->p_memsz) & ~(page - 1);
    if (begin < end && mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_READ) != 0) _exit(127);
  }
}

// A program that got rights of its own by execve (a set-id bit, a file capability, a change of label) must
// not be led by whoever started it, and nor must the programs that it starts: variables that a C library
// obeys are taken out of its environment, the same as glibc takes out of a static program's (its
// unsecvars.h). No file of ours has such rights, but an operator may give them.
void forget_unsafe_variables() {
  constexpr const char* unsafe[] = {"GCONV_PATH",
                                    "GETCONF_DIR",
                                    "GLIBC_TUNABLES",
                                    "HOSTALIASES",
                                    "LD_AUDIT",
                                    "LD_DEBUG",
                                    "LD_DEBUG_OUTPUT",
                                    "LD_DYNAMIC_WEAK",
                                    "LD_HWCAP_MASK",
                                    "LD_LIBRARY_PATH",
                                    "LD_ORIGIN_PATH",
                                    "LD_PRELOAD",
                                    "LD_PREFER_MAP_32BIT_EXEC",
                                    "LD_PROFILE",
                                    "LD_PROFILE_OUTPUT",
                                    "LD_SHOW_AUXV",
                                    "LD_USE_LOAD_BIAS",
                                    "LOCALDOMAIN",
                                    "LOCPATH",
                                    "MALLOC_CHECK_",
                                    "MALLOC_TRACE",
                                    "NIS_PATH",
                                    "NLSPATH",
                                    "RESOLV_HOST_CONF",
                                    "RES_OPTIONS",
                                    "TMPDIR",
                                    "TZDIR"};
  for (const char* name : unsafe) unsetenv(name);
}

}  // namespace

// _dl_find_object(3) for the unwinder, which asks for the object that an address lies in: there is only this
// program. glibc's would look in the list of loaded objects, which is not made here; the linker puts this one
// in its place
// (--wrap=_dl_find_object).
extern "C" int __wrap__dl_find_object(void*, dl_find_object* found);
int __wrap__dl_find_object(void*, dl_find_object* found) {
  found->dlfo_flags = 0;
  found->dlfo_map_start = found->dlfo_map_end = reinterpret_cast<void*>(load_address());
  found->dlfo_link_map = nullptr;
  found->dlfo_eh_frame = nullptr;
  for (const ElfW(Phdr)* at = _dl_phdr; at != _dl_phdr + _dl_phnum; ++at) {
    const auto begin = reinterpret_cast<char*>(load_address() + at->p_vaddr);
    if (at->p_type == PT_LOAD && begin + at->p_memsz > found->dlfo_map_end)
      found->dlfo_map_end = begin + at->p_memsz;
    if (at->p_type == PT_GNU_EH_FRAME) found->dlfo_eh_frame = begin;
  }
  return found->dlfo_eh_frame == nullptr ? -1 : 0;
}

__attribute__((no_stack_protector)) int __libc_start_main(int (*main)(int, char**, char**), int argc,
                                                          char** argv, void (*)(), void (*)(), void (*)(),
                                                          void* stack_end) {
  environ = &argv[argc + 1];
  __libc_stack_end = stack_end;
  char** after = environ;
  while (*after++ != nullptr) {
  }
  _dl_aux_init(reinterpret_cast<ElfW(auxv_t)*>(after));
  __tunables_init(environ);
  _dl_relocate_static_pie();
  resolve_indirect_functions();
  __libc_setup_tls();
  // The stack protector's canary (its first byte stays 0, against strings) and the key for mangled pointers,
  // where the compiler and setjmp look for them.
  const auto* random = static_cast<const std::uintptr_t*>(_dl_random);
  asm volatile("movq %0, %%fs:0x28" : : "r"(random[0] & ~static_cast<std::uintptr_t>(0xff)));
  asm volatile("movq %0, %%fs:0x30" : : "r"(random[1]));
  __libc_early_init(true);
  __libc_argc = argc;
  __libc_argv = argv;
  protect_memory();
  __init_misc(argc, argv, environ);
  __cxa_atexit(finish, nullptr, nullptr);
  if (__libc_enable_secure != 0) {
    __libc_check_standard_fds();
    forget_unsafe_variables();
  }
  for (auto at = __preinit_array_start; at != __preinit_array_end; ++at) (*at)(argc, argv, environ);
  _init();
  for (auto at = __init_array_start; at != __init_array_end; ++at) (*at)(argc, argv, environ);
  exit(main(argc, argv, environ));
}
