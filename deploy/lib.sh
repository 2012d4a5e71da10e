# Shared by deploy/quickstart and tests/run; sourced, with `root` set to the top of the tree.
# shellcheck shell=bash

# What building and running takes.
build_packages=(
	gcc libc6-dev pkg-config meson ninja-build python3
	libcurl4-openssl-dev libevent-dev libssl-dev libnng-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler
	libhiredis-dev libjwt-dev libjansson-dev liblmdb-dev liburing-dev zlib1g-dev
)

say() {
	printf '%s\n' "$*"
}

die() {
	printf 'error: %s\n' "$*" >&2
	exit 1
}

is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root or sudo: $*"
	fi
}

# Installs those of the named Debian packages that are missing; touches no network if none is.
require_packages() {
	local missing=() name
	command -v dpkg-query >/dev/null ||
		die "no dpkg here: install what deploy/lib.sh lists by hand, or use Debian 12"
	for name in "$@"; do
		is_installed "$name" || missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] && return
	say "installing: ${missing[*]}"
	as_root apt-get -qq update
	install_without_starting "${missing[@]}"
}

# A package that brings a service also starts it, unless policy-rc.d (invoke-rc.d(8)) says no.
install_without_starting() {
	# shellcheck disable=SC2016
	as_root sh -c '
		policy=/usr/sbin/policy-rc.d
		if [ ! -e "$policy" ]; then
			trap "rm -f $policy" EXIT
			trap "exit 1" INT TERM
			printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy"
		fi
		DEBIAN_FRONTEND=noninteractive \
			apt-get -qq -y --no-install-recommends install "$@" >/dev/null
	' sh "$@"
}

# configure FOLDER MESON-OPTION...: makes a build folder, or brings its rules up to date. One that was
# copied or moved with the tree still points to the old place and is made anew.
configure() {
	local folder=$1 output
	shift
	if [ -f "$folder/build.ninja" ] &&
		grep -qsF "\"source\": \"$root\"" "$folder/meson-info/meson-info.json" &&
		ninja -C "$folder" build.ninja >/dev/null 2>&1; then
		return
	fi
	if [ -d "$folder/meson-private" ]; then
		set -- --wipe "$@"
	fi
	output=$(meson setup "$@" "$folder" "$root" 2>&1) || {
		printf '%s\n' "$output" >&2
		die "meson setup $folder failed"
	}
}
