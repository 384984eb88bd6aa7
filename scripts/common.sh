# SPDX-License-Identifier: GPL-2.0-only
# What the shell scripts share. Sourced, not run.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=$(realpath -m "${BUILD:-$ROOT/build}")
JOBS=${JOBS:-$(nproc)}
LINUX=$BUILD/linux

# The same input gives the same object wherever it is built, and ccache can tell. It goes
# by the headers that the compiler names, and does not preprocess itself as well: a quarter
# of what a first build takes.
export CCACHE_DIR=$BUILD/ccache CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1

# KERNEL_FLAVOUR=kasan or kcsan: the kernel of kernel-$KERNEL_FLAVOUR.config, with
# modules of its own, beside the usual one.
FLAVOUR=${KERNEL_FLAVOUR:+-$KERNEL_FLAVOUR}
KERNEL=$BUILD/kernel$FLAVOUR
MODROOT=$BUILD/modroot$FLAVOUR
export ROOT BUILD JOBS LINUX

die() {
	printf 'error: %s\n' "$1" >&2
	shift
	[ $# -eq 0 ] || printf '  %s\n' "$@" >&2
	exit 1
}

# watched DIRECTORIES: make's arguments that have KCSAN look at the objects in these
# directories only. The variable is expanded in each directory, and wins over its Makefile.
watched() {
	[ "$FLAVOUR" != -kcsan ] ||
		printf 'KCSAN_SANITIZE=$(if $(filter %s,$(obj)),y,n)' "$1"
}

# instrumented OBJECTS: what KASAN or KCSAN is to see has its calls in it.
instrumented() {
	local call object

	case $FLAVOUR in
	-kasan) call=__asan_report_ ;;
	-kcsan) call=__tsan_read ;;
	*) return 0 ;;
	esac
	for object; do
		[[ $(nm -u "$object") == *" $call"* ]] ||
			die "$object has no call of $call*: ${FLAVOUR#-} would not look at it"
	done
}

TICKER=
trap '[ -z "$TICKER" ] || kill "$TICKER" 2>/dev/null || true' EXIT

# While a step runs: one line that is rewritten on a terminal, else a line
# every 30 s. $PROGRESS names a function that prints how far it has come.
ticker() {
	local pause=30 start=$SECONDS never text

	[ -t 1 ] && pause=1
	# A pipe that nobody writes to: a pause without a process of its own.
	exec {never}<> <(:)
	while kill -0 $$ 2>/dev/null; do
		read -rt "$pause" -u "$never" || true
		text="$1: $((SECONDS - start)) s$("${PROGRESS:-true}" "$2" 2>/dev/null || true)"
		if [ -t 1 ]; then printf '\r\033[K%s' "$text"; else echo "$text"; fi
	done
}

# step LOG TITLE COMMAND...: run quietly into $BUILD/log/LOG.log; print one line
# with the time it took, or the end of the log when it fails. `set -e` is off in it: a
# COMMAND that is a function of ours has && between its commands.
step() {
	local log=$BUILD/log/$1.log title=$2 start=$SECONDS rc=0

	shift 2
	mkdir -p "$BUILD/log"
	: >"$log"
	ticker "$title" "$log" &
	TICKER=$!
	"$@" >>"$log" 2>&1 </dev/null || rc=$?
	kill "$TICKER" 2>/dev/null || true
	wait "$TICKER" 2>/dev/null || true
	TICKER=
	if [ -t 1 ]; then printf '\r\033[K'; fi
	if [ "$rc" -ne 0 ]; then
		echo "$title: FAILED after $((SECONDS - start)) s, the end of $log:"
		tail -n "${TAIL:-40}" "$log" | sed 's/^/    /'
		return "$rc"
	fi
	echo "$title: $((SECONDS - start)) s"
}

# The address that this machine's apt fetches the Debian archive from, so that
# no file of ours names a host. Works before the first `apt-get update`, too.
debian_site() {
	apt-get indextargets --no-release-info \
		--format '$(RELEASE) $(COMPONENT) $(SITE)' |
		awk -v codename="$1" '
			$1 ~ "^(" codename "|stable|oldstable)$" && $2 == "main" {
				print $3; exit
			}'
}

# private_apt NAME RELEASE...: package lists of our own in $BUILD/apt/NAME; the
# system's apt set-up and lists stay as they are. Sets the array APT.
private_apt() {
	local dir=$BUILD/apt/$1 codename site release

	shift
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	site=$(debian_site "$codename")
	[ -n "$site" ] || return 1
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	for release; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
			"$site $release main"
	done >"$dir/sources.list"
	# Without a sandbox user: _apt could not read a home directory.
	APT=(apt-get -q
		-o "Dir::Etc::SourceList=$dir/sources.list"
		-o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$dir/lists"
		-o "Dir::Cache=$dir/cache"
		-o APT::Sandbox::User=root
		-o Acquire::Languages=none)
}
