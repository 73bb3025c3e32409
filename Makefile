# hato: GNU make. Every .cc below lib/ goes into one archive; a folder's .cc files that are not programs go into
# that folder's archive; a program is its own object, its folder's archive, lib's and the conf object.
# admin/hier says which programs there are and how each is linked and installed.

.DEFAULT_GOAL := all
BUILD   ?= build
# One spelling, whoever calls: a dependency file names its targets as they were called when it was written.
override BUILD := $(patsubst $(CURDIR)/%,%,$(abspath $(BUILD)))
CXX     := $(CCACHE) $(shell sed -n 1p conf-cc)
HOMEDIR ?= $(shell sed -n 1p conf-home)
# Programs are linked for one home; BIN is where they land. Another home: make HOMEDIR=/x BIN=build/x-bin
BIN     ?= $(BUILD)/bin
TESTBIN ?= $(BUILD)/tests

WARN     := -Wall -Wextra -Wconversion -Wshadow -Werror
HARDEN   ?= -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong -fstack-clash-protection
OPT      ?= -Os
FAST_OPT ?= -O2
CXXFLAGS := -std=c++20 $(OPT) -g0 -fPIE -ffunction-sections -fdata-sections -fno-plt $(WARN) $(HARDEN) -I. -Ilib $(EXTRA_CXXFLAGS)
LDFLAGS  := -Wl,--gc-sections -Wl,-z,relro,-z,now -Wl,--as-needed $(EXTRA_LDFLAGS)
STRIP    ?= -s
LIBS     := -l:libowfat.a -l:libbearssl.a -lcrypt -lresolv
# What runs before main in a static program (the file says why): for the C library that it knows, else libc's own.
comma := ,
ifeq ($(origin STATIC_START),undefined)
STATIC_START := $(if $(filter glibc-2.36-x86_64-%,$(shell getconf GNU_LIBC_VERSION | tr ' ' -)-$(shell $(CXX) -dumpmachine)),$(BUILD)/lib/base/static_start.o)
endif
# packed relative relocations: a quarter of the instructions before main
LINK_static ?= -static-pie -Wl,-z,pack-relative-relocs $(STATIC_START) $(if $(STATIC_START),-Wl$(comma)--wrap=_dl_find_object)
LINK_nss    ?= -pie -static-libstdc++ -static-libgcc

FOLDERS  := smtpd policy qmtp qmail-send local remote inject pop3d checkpassword admin panel
# NAME:FOLDER:LINK of every program of the table whose source is here
TABLE    := $(foreach t,$(shell awk '$$1=="p"{print $$2":"$$3":"$$4}' admin/hier),$(if $(wildcard $(word 2,$(subst :, ,$t))/$(word 1,$(subst :, ,$t)).cc),$t))
NAMES    := $(foreach t,$(TABLE),$(word 1,$(subst :, ,$t)))
MAINS    := $(foreach t,$(TABLE),$(word 2,$(subst :, ,$t))/$(word 1,$(subst :, ,$t)).cc)

LIBSRC   := $(filter-out lib/base/sealgen.cc lib/base/static_start.cc,$(wildcard lib/*/*.cc))
LIBOBJ   := $(LIBSRC:%.cc=$(BUILD)/%.o) $(BUILD)/gen/seal_filters.o
LIBHATO  := $(BUILD)/libhato.a

.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: all clean conf-object

all: $(NAMES:%=$(BIN)/%)

# The standard library's headers are compiled once (half of all compile time), Catch2's too, unless ccache does better.
# GCC only, whose warnings about array bounds are then wrong now and then (GCC 12 loses track of what is a system header). Every file still includes what it uses: builds with ccache and clang see to that.
PRECOMPILE := $(if $(CCACHE)$(findstring clang,$(CXX))$(findstring ccache,$(CXX)),,yes)
FIRST      := $(if $(PRECOMPILE),std_first)
define std_first
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>
endef
define catch_first
#include "tests/catch.h"
endef
$(BUILD)/gen/%_first.h: | $(BUILD)/gen/dirs
	$(file >$@,$($*_first))
$(BUILD)/gen/%_first.h.gch: $(BUILD)/gen/%_first.h
	$(CXX) $(CXXFLAGS) -x c++-header -o $@ $<
$(BUILD)/tests/unit/%.o $(BUILD)/tests/program/%.o: FIRST := $(if $(PRECOMPILE),catch_first)

# What looks at every byte of a message is compiled for speed. The rest runs a few times for each message, in programs that
# are started for it: there what counts is the number of pages that have to be there, so it is compiled for size.
FAST := lib/base/crc32c.cc lib/base/io.cc lib/mail/mbox.cc lib/mail/header.cc lib/mail/message_meter.cc lib/net/gate.cc \
  smtpd/message_text.cc remote/outgoing_message.cc
$(FAST:%.cc=$(BUILD)/%.o): private CXXFLAGS += $(FAST_OPT)
# The tests, too: GCC 12's -Os sees array bounds overrun in them where there are none.
$(BUILD)/tests/%.o $(BUILD)/gen/catch_first.h.gch: private CXXFLAGS += $(FAST_OPT)

$(BUILD)/%.o: %.cc | $(BUILD)/gen/dirs $(if $(PRECOMPILE),$(BUILD)/gen/std_first.h.gch)
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(FIRST:%=-include $(BUILD)/gen/%.h -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict) -MMD -MP -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.cc
	$(CXX) $(CXXFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/dirs:
	@mkdir -p $(@D) && touch $@

# Seal filters are exported as BPF by a tool of the build (lib/base/sealgen.cc), so that no program links libseccomp.
$(BUILD)/sealgen: lib/base/sealgen.cc
	@mkdir -p $(@D)
	$(CXX) -std=c++20 -O1 $(WARN) -I. -Ilib -o $@ $< -lseccomp
$(BUILD)/gen/seal_filters.cc: $(BUILD)/sealgen | $(BUILD)/gen/dirs
	$(BUILD)/sealgen > $@

$(LIBHATO): $(LIBOBJ)
	rm -f $@.part && ar rcs $@.part $^ && mv -f $@.part $@

define folder_archive
$(BUILD)/$1.a: $(patsubst %.cc,$(BUILD)/%.o,$(filter-out $(MAINS),$(wildcard $1/*.cc)))
	@mkdir -p $$(@D)
	rm -f $$@.part && ar rcs $$@.part $$(filter %.o,$$^) && mv -f $$@.part $$@
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_archive,$f)))
ARCHIVES := $(FOLDERS:%=$(BUILD)/%.a)

# The conf object: the only one that knows home, users and split. It lies beside the programs linked for it.
$(BIN)/.conf.cc: conf-object
	@mkdir -p $(@D)
	@sh admin/conf-object.sh "$(HOMEDIR)" > $@.new && { cmp -s $@.new $@ && rm $@.new || mv $@.new $@; }
$(BIN)/.conf.o: $(BIN)/.conf.cc
	$(CXX) $(CXXFLAGS) -c -o $@ $<

# PROBE=1: the same programs, with a seal() that tries afterwards what it should have denied (lib/base/seal_probe.h).
PROBE_OBJ := $(if $(PROBE),$(BUILD)/probe/lib/base/seal.o $(BUILD)/probe/lib/base/seal_probe.o)
$(BUILD)/probe/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) -DHATO_SEAL_PROBE -MMD -MP -c -o $@ $<

define program
$(BIN)/$(word 1,$1): $(BUILD)/$(word 2,$1)/$(word 1,$1).o $(PROBE_OBJ) $(BUILD)/$(word 2,$1).a $(LIBHATO) $(BIN)/.conf.o $(filter %.o,$(LINK_$(word 3,$1)))
	$$(CXX) $(LINK_$(word 3,$1)) $$(LDFLAGS) $$(STRIP) -o $$@.part $$< $(PROBE_OBJ) $(BUILD)/$(word 2,$1).a $(BIN)/.conf.o $(LIBHATO) $$(LIBS)
	@mv -f $$@.part $$@
endef
$(foreach t,$(TABLE),$(eval $(call program,$(subst :, ,$t))))

# Archives and programs are made as X.part and renamed, so that a build that was killed leaves nothing half.

# --- installing ---------------------------------------------------------------------------------------------------
.PHONY: deps check-deps install install-sendmail install-systemd instcheck
deps:
	@sh admin/deps.sh build
check-deps:
	@sh admin/deps.sh check
install: all
	@DESTDIR='$(DESTDIR)' sh admin/install.sh '$(HOMEDIR)' '$(BIN)'
# The system's own sendmail becomes hato's: on request only. What was there is kept as sendmail.before-hato.
install-sendmail:
	@DESTDIR='$(DESTDIR)' sh admin/install-sendmail.sh '$(HOMEDIR)'
# Units for systemd, with HOME put in; enabling them is left to the operator (INSTALL).
UNITS ?= /etc/systemd/system
install-systemd:
	mkdir -p '$(DESTDIR)$(UNITS)'
	for unit in admin/systemd/*; do sed 's|@HOME@|$(HOMEDIR)|g' "$$unit" >'$(DESTDIR)$(UNITS)'/"$${unit##*/}" || exit 1; done
instcheck:
	@sh admin/instcheck.sh '$(HOMEDIR)'

# --- tests: every tests/unit/*.cc is one executable together, and so is every tests/program/*.cc -------------------
TEST_LIBS := -lCatch2WithMain
$(patsubst %.cc,$(BUILD)/%.o,$(wildcard tests/unit/*.cc tests/program/*.cc)): | $(if $(PRECOMPILE),$(BUILD)/gen/catch_first.h.gch)

define suite
$(TESTBIN)/run-$1: $(patsubst %.cc,$(BUILD)/%.o,tests/scratch_directory.cc $(wildcard tests/$1/*.cc)) $(ARCHIVES) $(LIBHATO) $(BIN)/.conf.o
	@mkdir -p $$(@D)
	$$(CXX) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) -Wl,--start-group $(ARCHIVES) $(LIBHATO) -Wl,--end-group $$(LIBS) $$(TEST_LIBS)
endef
$(eval $(call suite,unit))
$(eval $(call suite,program))
.PHONY: unit program-tests
unit: $(TESTBIN)/run-unit
	$(TESTBIN)/run-unit -w NoTests
program-tests: $(TESTBIN)/run-program
test-programs: $(TESTBIN)/run-unit $(TESTBIN)/run-program

# --- fuzzing: tests/fuzz/fuzz_NAME.cc, seeds in tests/fuzz/corpus/NAME. With clang each is a libFuzzer; with any other
# compiler tests/fuzz/replay.cc gives it a main that only replays files.
FUZZERS   := $(patsubst tests/fuzz/fuzz_%.cc,$(TESTBIN)/fuzz_%,$(wildcard tests/fuzz/fuzz_*.cc))
FUZZ_MAIN := $(if $(FUZZ_ENGINE),,$(BUILD)/tests/fuzz/replay.o)
$(TESTBIN)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(FUZZ_MAIN) $(ARCHIVES) $(LIBHATO) $(BIN)/.conf.o
	@mkdir -p $(@D)
	$(CXX) $(LDFLAGS) $(FUZZ_ENGINE) -o $@ $(filter %.o,$^) -Wl,--start-group $(ARCHIVES) $(LIBHATO) -Wl,--end-group $(LIBS)
fuzzers: $(FUZZERS)

# Each makes a room of its own below $TMPDIR, which is gone afterwards (tests/room.sh).
.PHONY: test-programs fuzzers check sanitize fuzz crash demo bench lint-man tidy format
check: deps check-deps
	@bash tests/room.sh bash tests/check.sh
sanitize: deps check-deps
	@bash tests/room.sh bash tests/check.sh sanitize
fuzz: deps check-deps
	@bash tests/room.sh bash tests/check.sh fuzz
crash: deps check-deps
	@bash tests/room.sh bash tests/check.sh crash
demo: deps
	@ROOM_GRACE=30 ROOM_NETWORK=shared bash tests/room.sh bash admin/demo.sh
bench: deps check-deps
	@bash tests/bench/bench.sh
lint-man:
	@sh tests/lint-man.sh
tidy:
	clang-tidy --quiet $(LIBSRC) $(foreach f,$(FOLDERS),$(wildcard $f/*.cc)) -- -std=c++20 -I. -Ilib
format:
	clang-format -i $(shell git ls-files '*.cc' '*.h')

clean:
	rm -rf build build-*

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
