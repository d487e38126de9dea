# SPDX-License-Identifier: MIT
#
# make            ./inroot, the static executable (build-static.sh makes it)
# make demo       a root from a Debian package, entered and unpacked as root and as an ordinary user
# make check      every test; as root it installs the Debian packages that are missing
# make bench      against the bare system calls and the installed peers
# make soak       the tests with full counts;   make fuzz     the fuzz targets, FUZZ_SECONDS each
# make lint       clang-tidy, cppcheck, gcc -fanalyzer
# make dynamic    build/dynamic/inroot: glibc, with the address and undefined-behaviour sanitizers
# make install    DESTDIR, PREFIX;  install-setuid, with GROUP=NAME: set-uid mode, see inroot-setuid(8)
#                 also: uninstall, clean, distclean (third-party builds and test roots too)

PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600
LINKS = exec-in-root unpack-in-root

SOURCES = $(wildcard helper.c cmd/*.c plan/*.c root/*.c archive/*.c seccomp/*.c sys/*.c)
HEADERS = $(wildcard *.h cmd/*.h plan/*.h root/*.h archive/*.h seccomp/*.h sys/*.h)
LIBRARY = $(filter-out helper.c,$(SOURCES))
MANUALS = $(wildcard man/*.1)
UNIT    = $(patsubst test/unit/%.c,build/dynamic/unit/%,$(wildcard test/unit/*.c))
FUZZERS = $(patsubst test/fuzz/%.c,build/fuzz/bin/%,$(wildcard test/fuzz/*.c))

# Without -j the parts that are made below `check` use all processors.
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
PYTEST  = PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -p no:cacheprovider -q -rs

all: inroot

inroot: build-static.sh $(SOURCES) $(HEADERS)
	./build-static.sh

# -- the sanitizer build, and the unit tests on it ---------------------------------------------

WARN     = -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
LIBS     = -lcap-ng -lisal -lzstd -ljansson
DYN_CC   = gcc
DYN_FLAGS = -std=gnu17 -O1 -g -fno-omit-frame-pointer -D_GNU_SOURCE -iquote . $(WARN) -MMD -MP \
	-fsanitize=address,undefined -fno-sanitize-recover=all

dynamic: build/dynamic/inroot
unit: $(UNIT)

build/dynamic/inroot: build/dynamic/helper.o build/dynamic/test/sanitizers.o build/dynamic/libinroot.a
	$(DYN_CC) $(DYN_FLAGS) -o $@ $^ $(LIBS)

# A parser that lets everything pass, for the tests of set-uid mode: who carries the plan out has to refuse it.
lenient: build/lenient/inroot

build/lenient/inroot: $(SOURCES) $(HEADERS) Makefile
	@mkdir -p $(@D)
	$(DYN_CC) -std=gnu17 -O1 -D_GNU_SOURCE -DPLAN_PARSER_REFUSES=0 -iquote . $(WARN) -o $@ $(SOURCES) $(LIBS)

build/dynamic/libinroot.a: $(LIBRARY:%.c=build/dynamic/%.o)
	@rm -f $@
	ar rcs $@ $^

build/dynamic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(DYN_CC) $(DYN_FLAGS) -c -o $@ $<

build/dynamic/unit/%: test/unit/%.c build/dynamic/libinroot.a Makefile
	@mkdir -p $(@D)
	$(DYN_CC) $(DYN_FLAGS) -o $@ $< build/dynamic/libinroot.a -lcmocka $(LIBS) $(PEER)

# What the tables and filters of seccomp/ are compared with; never linked into inroot.
build/dynamic/unit/test_calls build/dynamic/unit/test_seccomp_differential: PEER = -lseccomp
build/dynamic/unit/test_profile_engines: PEER = -lseccomp

# -- fuzzing: the same sources, watched by libFuzzer -------------------------------------------

FUZZ_FLAGS = -std=gnu17 -O1 -g -D_GNU_SOURCE -iquote . -MMD -MP -fno-sanitize-recover=all

fuzzers: $(FUZZERS)

build/fuzz/libinroot.a: $(LIBRARY:%.c=build/fuzz/%.o)
	@rm -f $@
	ar rcs $@ $^

build/fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -c -o $@ $<

build/fuzz/bin/%: test/fuzz/%.c build/fuzz/libinroot.a Makefile
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -o $@ $< build/fuzz/libinroot.a $(LIBS)

# Each target in turn; what it learns is kept in build/fuzz/corpus, what it breaks in build/fuzz/found.
fuzz:
	@test/deps.sh build fuzz
	$(SUBMAKE) fuzzers
	set -e; for target in $(FUZZERS:build/fuzz/bin/%=%); do \
		mkdir -p build/fuzz/corpus/$$target build/fuzz/found/$$target; \
		build/fuzz/bin/$$target -max_total_time=$(FUZZ_SECONDS) -print_final_stats=1 \
			-artifact_prefix=build/fuzz/found/$$target/ build/fuzz/corpus/$$target \
			$$(ls -d test/fuzz/seeds/$$target 2>/dev/null); \
	done

# -- running -----------------------------------------------------------------------------------

check:
	@test/deps.sh build check fuzz
	$(SUBMAKE) inroot dynamic lenient unit fuzzers
	test/check.sh

bench:
	@test/deps.sh build bench
	$(SUBMAKE) inroot
	/usr/bin/python3 bench/bench.py
	/usr/bin/python3 bench/rootfs.py
	/usr/bin/python3 bench/filter.py
	/usr/bin/python3 bench/unpack.py

soak:
	@test/deps.sh build check
	$(SUBMAKE) inroot
	INROOT_SOAK=1 $(PYTEST) test/behaviour test/faults

demo:
	@test/deps.sh build demo
	$(SUBMAKE) inroot
	examples/demo.sh

# -- looking at the sources --------------------------------------------------------------------

lint:
	@test/deps.sh lint
	clang-tidy --quiet $(SOURCES) -- -std=gnu17 -D_GNU_SOURCE -iquote .
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 -D_GNU_SOURCE -I. $(SOURCES)
	set -e; for source in $(SOURCES); do \
		gcc -std=gnu17 -O2 -D_GNU_SOURCE -iquote . $(WARN) -Werror -fanalyzer -c -o /dev/null $$source; \
	done

# -- installing --------------------------------------------------------------------------------

BIN = $(DESTDIR)$(PREFIX)/bin
MAN = $(DESTDIR)$(PREFIX)/share/man/man1
MAN5 = $(DESTDIR)$(PREFIX)/share/man/man5
MAN8 = $(DESTDIR)$(PREFIX)/share/man/man8
APPARMOR = $(DESTDIR)/etc/apparmor.d

install: inroot
	install -d $(BIN) $(MAN) $(MAN5) $(MAN8)
	install -m 755 inroot $(BIN)
	for link in $(LINKS); do ln -sf inroot $(BIN)/$$link; done
	install -m 644 $(MANUALS) $(MAN)
	install -m 644 man/inroot-config.5 $(MAN5)
	install -m 644 man/inroot-setuid.8 $(MAN8)
	for link in $(LINKS); do ln -sf inroot-$${link%-in-root}.1 $(MAN)/$$link.1; done
	if [ -d $(APPARMOR) ]; then \
		sed 's|@BIN@|$(PREFIX)/bin|' examples/apparmor/inroot > $(APPARMOR)/inroot && chmod 644 $(APPARMOR)/inroot; \
	fi

# For hosts where user namespaces are closed to users; man 8 inroot-setuid. GROUP is who may use it.
install-setuid: install
	@[ -n "$(GROUP)" ] || { echo 'whose members may use it: make install-setuid GROUP=NAME' >&2; exit 2; }
	chown root:$(GROUP) $(BIN)/inroot
	chmod 4750 $(BIN)/inroot

uninstall:
	rm -f $(BIN)/inroot $(LINKS:%=$(BIN)/%) $(MANUALS:man/%=$(MAN)/%) $(LINKS:%=$(MAN)/%.1) \
		$(MAN5)/inroot-config.5 $(MAN8)/inroot-setuid.8 $(APPARMOR)/inroot

clean:
	rm -rf inroot build/inroot.debug build/inroot.map build/static build/dynamic build/lenient build/fuzz build/check

distclean:
	rm -rf inroot build

.PHONY: all dynamic lenient unit fuzzers fuzz check bench soak demo lint install install-setuid uninstall clean distclean

-include $(wildcard build/dynamic/*.d build/dynamic/*/*.d build/fuzz/*.d build/fuzz/*/*.d)
