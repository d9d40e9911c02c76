# SPDX-License-Identifier: MIT
# One non-recursive Makefile; everything made lands in build/. `make help` lists the targets.

# ---- what a user may set ----
HOST    := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
ARCH    ?= $(HOST)
CROSS_COMPILE ?=
CC      ?= gcc
SAN     ?=
LEGACY  ?= 1
# another architecture than ours: with libraries that tests/sysroot unpacks
ifneq ($(ARCH),$(HOST))
CROSS_COMPILE := $(or $(CROSS_COMPILE),aarch64-linux-gnu-)
SYSROOT ?= build/$(ARCH)/sysroot
PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/aarch64-linux-gnu/pkgconfig pkg-config
endif
PKG_CONFIG ?= pkg-config
SLIRP   ?= $(shell $(PKG_CONFIG) --exists slirp 2>/dev/null && echo 1 || echo 0)
SDL     ?= $(shell $(PKG_CONFIG) --exists sdl2 2>/dev/null && echo 1 || echo 0)
PNG     ?= $(shell $(PKG_CONFIG) --exists libpng 2>/dev/null && echo 1 || echo 0)
V       ?= 0
PREFIX  ?= /usr/local
DESTDIR ?=
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR  ?= $(PREFIX)/share/zsh/site-functions
UNITDIR ?= $(PREFIX)/lib/systemd/system

ifeq ($(origin CC),default)
CC := gcc
endif
ifneq ($(CROSS_COMPILE),)
ifeq ($(CC),gcc)
CC := $(CROSS_COMPILE)gcc
endif
AR := $(CROSS_COMPILE)ar
endif

VERSION := 0.1

# ---- where things go: a plain build is in build/, others beside it ----
comma := ,
O := $(if $(filter $(ARCH),$(HOST)),build,build/$(ARCH))
ifeq ($(SAN),)
B := $(O)
else
B := $(O)/san-$(subst $(comma),-,$(SAN))
endif

PKGS    := liburing ext2fs com_err blkid libseccomp jansson
CPPFLAGS := -I. -D_GNU_SOURCE -DVMM_VERSION='"$(VERSION)"' -DVMM_LEGACY=$(LEGACY)
WARN    := -Wall -Wextra -Wshadow -Wvla -Wconversion -Wno-sign-conversion -Wstrict-prototypes \
           -Wmissing-prototypes -Werror
CFLAGS  ?= -O2 -g
CFLAGS_ALL := -std=gnu17 $(WARN) $(CFLAGS) -fno-strict-overflow -fstack-protector-strong -pthread
# as-needed: what is only wanted at times is loaded then (slirp-lib.c, picture.c, sdl.c)
LDFLAGS_ALL := $(LDFLAGS) -pthread -Wl,-z,relro,-z,now,--as-needed
ifneq ($(SAN),)
CFLAGS_ALL  += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
ifeq ($(SAN),thread)
# gcc says that it does not follow fences; rings are atomics all the same
CFLAGS_ALL  += $(shell $(CC) --version | grep -q clang || echo -Wno-tsan)
endif
LDFLAGS_ALL += -fsanitize=$(SAN)
endif

ifeq ($(ARCH),arm64)
PKGS    += zlib
LDLIBS_ARCH := -lfdt # has no .pc file
endif
ifneq ($(SYSROOT),)
CFLAGS_ALL += --sysroot=$(abspath $(SYSROOT))
endif

# optional ones: without them their feature says so
ifneq ($(SLIRP),0)
PKGS    += slirp
endif
ifneq ($(PNG),0)
PKGS    += libpng
endif

PKG_MISSING := $(shell for p in $(PKGS); do $(PKG_CONFIG) --exists $$p 2>/dev/null || echo $$p; done)
LDLIBS  := $(if $(PKG_MISSING),,$(shell $(PKG_CONFIG) --libs $(PKGS))) $(LDLIBS_ARCH) -lm
PKG_CFLAGS := $(if $(PKG_MISSING),,$(shell $(PKG_CONFIG) --cflags $(PKGS)))

# ---- sources ----
# of firmware/, and of tests, what one architecture alone has; vmm/$(ARCH)/ is the rest of it
FIRMWARE_x86 := acpi acpi-dsdt aml cpu-x86 elf-pvh linux-x86 load-x86 memmap pvh
FIRMWARE_arm64 := fdt linux-arm64 load-arm64
FIRMWARE_NOT := $(FIRMWARE_$(if $(filter x86,$(ARCH)),arm64,x86):%=firmware/%.c)
TESTS_x86 := acpi cpuid elf kvm kvm-irq kvm-run linux-x86 load memmap pvh aml cpu-x86
TESTS_arm64 := board-arm64 fdt load-arm64
TESTS_NOT := $(TESTS_$(if $(filter x86,$(ARCH)),arm64,x86):%=tests/unit/test-%.c)
SRC := $(sort $(wildcard vmm/*.c vmm/base/*.c vmm/bus/*.c vmm/$(ARCH)/*.c virtio/*.c devices/*.c \
         devices/platform/*.c devices/backend/*.c firmware/*.c))
SRC := $(filter-out $(FIRMWARE_NOT),$(SRC))
ifeq ($(LEGACY),0)
SRC := $(filter-out virtio/legacy.c virtio/quirks.c,$(SRC))
endif
ifeq ($(SLIRP),0)
SRC := $(filter-out devices/backend/net-slirp.c devices/backend/slirp-lib.c,$(SRC))
else
SRC := $(filter-out devices/backend/net-slirp-none.c,$(SRC))
endif
ifeq ($(SDL),0)
SRC := $(filter-out devices/backend/display-sdl.c devices/backend/display-sdl-input.c devices/backend/sdl.c,$(SRC))
else
SRC := $(filter-out devices/backend/display-sdl-none.c,$(SRC))
endif
ifeq ($(PNG),0)
SRC := $(filter-out devices/backend/picture.c,$(SRC))
else
SRC := $(filter-out devices/backend/picture-none.c,$(SRC))
endif
LIB_SRC := $(filter-out vmm/main.c,$(SRC))
OBJ     := $(SRC:%.c=$(B)/obj/%.o)
LIB_OBJ := $(LIB_SRC:%.c=$(B)/obj/%.o)
DRIVER_SRC := $(sort $(wildcard tests/driver/*.c))
DRIVER_OBJ := $(DRIVER_SRC:%.c=$(B)/obj/%.o)
TEST_SRC := $(filter-out $(TESTS_NOT),$(sort $(wildcard tests/unit/test-*.c tests/device/test-*.c)))
ifeq ($(SLIRP),0)
TEST_SRC := $(filter-out tests/unit/test-net-slirp%.c tests/unit/test-slirp-flow.c,$(TEST_SRC))
endif
ifeq ($(SDL),0)
TEST_SRC := $(filter-out tests/unit/test-display-sdl.c tests/unit/test-window.c,$(TEST_SRC))
endif
ifeq ($(PNG),0)
TEST_SRC := $(filter-out tests/unit/test-display-png.c,$(TEST_SRC))
endif
TEST_OBJ := $(TEST_SRC:%.c=$(B)/obj/%.o)
TESTS   := $(TEST_SRC:tests/%.c=$(B)/tests/%)
PROVE_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard tests/prove/*.c)))
NATIVE_SRC := $(sort $(wildcard tests/bench/*.c))
NATIVE_OBJ := $(NATIVE_SRC:%.c=$(B)/obj/%.o)
FUZZ_MAIN := tests/fuzz/libfuzzer.c tests/fuzz/replay.c
FUZZ_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(filter-out $(FUZZ_MAIN),$(sort $(wildcard tests/fuzz/*.c))))

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s%s\n'
endif

.PHONY: uninstall package-check all run check tests style install clean help packages packages-again objects test-programs bench bench-native prove fuzz fuzz-seeds coverage libraries FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/vmm $(if $(filter $(ARCH),$(HOST)),$(B)/vmm.1)
ifeq ($(SLIRP),0)
	@echo 'make: without libslirp (packages libslirp-dev, libglib2.0-dev): --net user says so, and none is the default' >&2
endif
ifeq ($(SDL),0)
	@echo 'make: without SDL (package libsdl2-dev): --display sdl says so' >&2
endif
ifeq ($(PNG),0)
	@echo 'make: without libpng (package libpng-dev): --display png and screendump say so' >&2
endif

help:
	@echo 'make            build $(B)/vmm'
	@echo 'make run        boot Debian from its disk image (the image is made first, once)'
	@echo 'make check      all tests; installs what they need, uses the lab where KVM is not hardware KVM'
	@echo 'make tests      unit and device tests only'
	@echo 'make prove      the ring walkers with every content of guest memory within bounds, then with bounds broken'
	@echo 'make fuzz       every surface under libFuzzer for TIME=60 seconds; TARGET=NAME for one'
	@echo 'make coverage   lines of virtio/ and devices/ that tests and inputs reach'
	@echo 'make torture    a guest writes records for TIME=600 seconds while its host fails and kills vmm: is any lost?'
	@echo 'make hostile    the hostile guest, plain and under sanitizers'
	@echo 'make bench      vmm and QEMU side by side; writes build/bench/report.html'
	@echo 'make bench-native  ns per request through the rings, without KVM'
	@echo 'make style      the laws of the tree'
	@echo 'make lint       clang-tidy and cppcheck, and the analyzer of gcc on virtio/; IN=DIR... for some'
	@echo 'make docs       links, spelling, options, targets and function names in the documents'
	@echo 'make conformance  the clauses of virtio and the tests that show them; $(B)/conformance.html'
	@echo 'make install    into $$(DESTDIR)$$(PREFIX); make uninstall takes it away'
	@echo 'make package-check  build the Debian package and look at it'
	@echo 'make clean      remove what was built (not the lab, its kernels and the image)'
	@echo 'variables       ARCH=x86|arm64  CROSS_COMPILE=aarch64-linux-gnu-  CC=gcc|clang  SAN=address,undefined|thread  LEGACY=0|1  SLIRP=0|1  SDL=0|1  PNG=0|1  V=1  PREFIX=DIR  DESTDIR=DIR  BASHDIR=DIR  ZSHDIR=DIR  UNITDIR=DIR'

# ---- compiling; a change of flags rebuilds ----
$(B)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(SRC)' | cmp -s - $@ || \
	 echo '$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(SRC)' > $@
FORCE:

packages:
ifneq ($(PKG_MISSING),)
	@echo 'make: missing libraries: $(PKG_MISSING)' >&2
ifneq ($(SYSROOT),)
	@echo 'make: "tests/need arm64 && tests/sysroot" brings them (apt; nothing of arm64 is installed)' >&2
else
	@echo 'make: "tests/need build" installs them (apt; root or sudo)' >&2
endif
	@exit 1
endif

$(B)/obj/%.o: %.c $(B)/flags | packages
	$(say) CC $<
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(PKG_CFLAGS) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# which system calls threads may use: comments in the sources say it
$(B)/gen/sandbox-table.h: $(SRC) vmm/sandbox-table
	$(say) TABLE $@
	@mkdir -p $(@D)
	$(Q)vmm/sandbox-table $(SRC) > $@.new
	@cmp -s $@.new $@ && touch $@ || mv $@.new $@; rm -f $@.new

$(B)/obj/vmm/sandbox-filter.o: $(B)/gen/sandbox-table.h
$(B)/obj/vmm/sandbox-filter.o: CPPFLAGS += -I$(B)/gen

$(B)/libvmm.a: $(LIB_OBJ)
	$(say) AR $@
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/vmm: $(B)/obj/vmm/main.o $(B)/libvmm.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS)

$(B)/vmm.1: $(B)/vmm
	$(say) MAN $@
	$(Q)$(B)/vmm help --man > $@

$(B)/tests/%: $(B)/obj/tests/%.o $(DRIVER_OBJ) $(B)/libvmm.a
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $< $(DRIVER_OBJ) $(B)/libvmm.a $(LDLIBS) -lcmocka

$(B)/tests/unit/test-window: LDLIBS += -lX11

$(B)/bench/native: $(NATIVE_OBJ) $(DRIVER_OBJ) $(B)/libvmm.a
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS) -lcmocka

# inputs from elsewhere: run by libFuzzer (in a build for it), or one after the other
$(B)/fuzz/%: $(B)/obj/tests/fuzz/%.o $(FUZZ_OBJ) $(DRIVER_OBJ) $(B)/libvmm.a
	$(say) LINK $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(if $(filter %/libfuzzer,$@),-fsanitize=fuzzer) -o $@ $< \
		$(FUZZ_OBJ) $(DRIVER_OBJ) $(B)/libvmm.a $(LDLIBS) -lcmocka

# what a program of the library's is linked with
libraries:
	@echo '$(LDLIBS)'

# ---- testing ----
objects: $(OBJ) $(DRIVER_OBJ) $(TEST_OBJ) $(NATIVE_OBJ) $(FUZZ_OBJ)

test-programs: $(TESTS)

tests: $(TESTS) $(B)/vmm
	@tests/check unit $(B)

style:
	@tests/style/check

# IN: the directories to look at
.PHONY: lint
IN ?= vmm virtio devices firmware
lint: $(B)/gen/sandbox-table.h
	@tests/need build lint
	@CPPFLAGS='$(filter-out -DVMM_VERSION%,$(CPPFLAGS)) $(PKG_CFLAGS)' tests/lint/run $(B) $(filter $(addsuffix /%,$(IN)),$(SRC))

.PHONY: docs
docs: $(B)/vmm
	@tests/need lint
	@tests/docs/run $(B)

.PHONY: conformance
conformance: $(TESTS)
	@tests/conformance/run $(B)

check:
	@tests/need build check display lint
	@$(MAKE) --no-print-directory packages-again
	@tests/check all $(B) SAN='$(SAN)' LEGACY='$(LEGACY)' CC='$(CC)'

# ---- proof ----
prove:
	@tests/need build prove
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/prove
	@tests/prove/run $(B)

# ---- inputs that nobody thought of ----
TIME ?= 60
FUZZ_BUILD := CC=clang-14 SAN=address,undefined B=build/fuzz CFLAGS='-O1 -g -fsanitize=fuzzer-no-link'

fuzz:
	@tests/need build check
	@$(MAKE) --no-print-directory -j$$(nproc) $(FUZZ_BUILD) build/fuzz/fuzz/libfuzzer build/fuzz/fuzz/replay
	@tests/fuzz/run build/fuzz $(TIME) $(TARGET)

# the same inputs as seeds, made anew
fuzz-seeds:
	@$(MAKE) --no-print-directory -j$$(nproc) $(FUZZ_BUILD) build/fuzz/fuzz/replay
	@build/fuzz/fuzz/replay --seeds tests/fuzz/corpus

coverage:
	@tests/need build check
	@$(MAKE) --no-print-directory -j$$(nproc) CC=gcc B=build/coverage LEGACY=1 \
		CFLAGS='-O0 -g --coverage -fprofile-update=atomic -Wno-error' build/coverage/vmm test-programs \
		build/coverage/fuzz/replay
	@tests/fuzz/coverage build/coverage

# ---- guests that break rules, hosts that fail ----
.PHONY: hostile torture
hostile torture: | hostile-guest
torture: TIME = 600
torture:
	@tests/lab/run --time $$(($(TIME) + 900)) -- tests/guest/torture/run --vmm $(B)/vmm $(TIME)

.PHONY: hostile-guest
hostile-guest:
	@tests/need build lab
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/vmm
	@tests/guest/hostile/make-guest build/guest/hostile.elf

hostile:
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=address,undefined build/san-address-undefined/vmm
	@$(MAKE) --no-print-directory -j$$(nproc) SAN=thread build/san-thread/vmm
	@for b in $(B) build/san-address-undefined build/san-thread; do \
		echo "# $$b"; tests/lab/run --time 3600 -- tests/guest/hostile/run --vmm $$b/vmm \
		$$([ $$b = $(B) ] || echo --option=--sandbox --option=off --growth 64) || exit; done

# ---- measuring ----
$(B)/prove: $(PROVE_OBJ) $(B)/libvmm.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -Wl,--wrap=vq_chain_add -o $@ $^ $(LDLIBS)

bench-native:
	@tests/need build check
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/bench/native
	@$(B)/bench/native

bench:
	@tests/need build lab bench
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/vmm
	@tests/bench/prepare
	@tests/lab/run --time 4800 -- tests/bench/run --vmm $(B)/vmm
	@tests/lab/run --time 1800 -- tests/bench/display --vmm $(B)/vmm

# pkg-config was asked before the packages were there: a fresh make asks again
packages-again: 
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/vmm $(TESTS)

# ---- running ----
run:
	@tests/need build
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@examples/run-image

# ---- installing: what is put where, a pair for each file ----
COMPLETIONS := $(B)/complete.bash $(B)/complete.zsh
$(COMPLETIONS): $(B)/complete.%: $(B)/vmm
	$(say) WORDS $@
	$(Q)$(B)/vmm help --complete $* > $@

$(B)/vmm@.service: examples/vmm@.service FORCE
	$(Q)sed 's,/usr/bin,$(PREFIX)/bin,' $< > $@

DOCDIR := $(PREFIX)/share/doc/vmm
INSTALLED = $(B)/vmm.1:$(PREFIX)/share/man/man1/vmm.1 $(B)/complete.bash:$(BASHDIR)/vmm \
	$(B)/complete.zsh:$(ZSHDIR)/_vmm $(B)/vmm@.service:$(UNITDIR)/vmm@.service README.md:$(DOCDIR)/README.md \
	$(foreach f,$(wildcard docs/*.md),$(f):$(DOCDIR)/$(f)) \
	$(foreach f,$(INSTALLED_EXAMPLES),examples/$(f):$(DOCDIR)/examples/$(f))
# those that need nothing of this tree
INSTALLED_EXAMPLES := boot-image boot-kernel two-machines compare-driver console-socket vmm@.service vmm.conf pod.yaml

install: all $(COMPLETIONS) $(B)/vmm@.service
	install -D -m 755 $(B)/vmm $(DESTDIR)$(PREFIX)/bin/vmm
	@$(foreach p,$(INSTALLED),install -D -m $$(test -x $(firstword $(subst :, ,$(p))) && echo 755 || echo 644) \
		$(subst :, $(DESTDIR),$(p)) &&) true

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/vmm $(foreach p,$(INSTALLED),$(DESTDIR)$(lastword $(subst :, ,$(p))))
	@rmdir --ignore-fail-on-non-empty -p $(DESTDIR)$(DOCDIR)/docs $(DESTDIR)$(DOCDIR)/examples 2>/dev/null || true

# the Debian package, built and looked at
package-check:
	@tests/need build package lab
	@$(MAKE) --no-print-directory -j$$(nproc) $(B)/vmm
	@tests/package/run build/package

clean:
	rm -rf build/obj build/san-* build/fuzz build/fuzz-replay build/coverage build/nolegacy build/clang build/tests build/bench/native build/libvmm.a build/vmm build/vmm.1 build/complete.bash build/complete.zsh build/vmm@.service build/package build/flags

-include $(OBJ:.o=.d) $(DRIVER_OBJ:.o=.d) $(TEST_OBJ:.o=.d) $(NATIVE_OBJ:.o=.d) $(PROVE_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d)
