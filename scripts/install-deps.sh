#!/bin/bash
# Installs the Debian packages that `make demo` and `make test` need and this machine lacks.
# Silent where nothing is missing. Needs root or sudo only to install; with neither, it names
# the one line to run and exits 1.
#
#   scripts/install-deps.sh          install what is missing
#   scripts/install-deps.sh --check  only say what is missing (exit 1 if anything is)
set -euo pipefail

# lua-unbound: Prosody's resolver that reads a hosts file. libnss-wrapper: the same for ejabberd.
# faketime: a clock that steps. gcc, libc6-dev: SQLite is compiled from its bundled source.
PACKAGES=(prosody lua-unbound ejabberd python3 python3-slixmpp libnss-wrapper faketime openssl gcc libc6-dev)

say() { printf '%s\n' "$*" >&2; }

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "This is not a Debian-like system. The demo and the federation tests run on Debian 12"
    say "(a container does: docker run -it rust:bookworm) with: ${PACKAGES[*]}"
    exit 1
fi

missing=()
for package in "${PACKAGES[@]}"; do
    is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "${1:-}" = --check ]; then
    say "Missing Debian packages: ${missing[*]}"
    exit 1
fi

if [ "$(id -u)" -ne 0 ]; then
    self=$(readlink -f "$0")
    say "Missing Debian packages: ${missing[*]}"
    # A password is asked for only where somebody can type it.
    if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [ -t 0 ] && [ -t 2 ]; }; }; then
        exec sudo "$self"
    fi
    say "They need root once. Run this line, then try again:"
    say "    su -c $self"
    exit 1
fi

# The servers are wanted as programs only: none of those that come with this install may run as
# a service of the machine, and none that ran before may be touched.
new_services=()
for service in prosody ejabberd; do
    is_installed "$service" || new_services+=("$service")
done
is_installed erlang-base || new_services+=(epmd.socket epmd)

port_mappers() {
    local comm
    for comm in /proc/[0-9]*/comm; do
        [ "$(cat "$comm" 2>/dev/null)" = epmd ] || continue
        comm=${comm%/comm}
        echo "${comm#/proc/}"
    done
}
mappers_before=$(port_mappers | tr '\n' ' ')

policy=/usr/sbin/policy-rc.d
policy_is_ours=no
cleanup() {
    # `if`, not `&&`: this is the last word of the script, and its exit code with it.
    if [ "$policy_is_ours" = yes ]; then rm -f "$policy"; fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then
    mkdir -p "$(dirname "$policy")"
    policy_is_ours=yes
    printf '#!/bin/sh\n# Put here by %s while it installs; no service starts meanwhile.\nexit 101\n' "$0" >"$policy"
    chmod 755 "$policy"
fi

say "Installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
# A stale index is only a problem if the install then fails, and that is said.
apt-get update -qq || say "(the package index could not be refreshed; going on with the one at hand)"
apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2

# Where an older policy-rc.d allowed the start, stop what came; and nothing starts at the next boot.
for service in "${new_services[@]}"; do
    if [ -d /run/systemd/system ]; then
        systemctl stop "$service" 2>/dev/null || true
    elif [ -x "/etc/init.d/$service" ]; then
        "/etc/init.d/$service" stop >/dev/null 2>&1 || true
    fi
    systemctl disable "$service" >/dev/null 2>&1 || true
    if [ -x "/etc/init.d/$service" ]; then
        update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
done
# ejabberd's own installation leaves Erlang's port mapper behind.
for pid in $(port_mappers); do
    case " $mappers_before " in
        *" $pid "*) ;;
        *) kill "$pid" 2>/dev/null || true ;;
    esac
done

still=()
for package in "${missing[@]}"; do
    is_installed "$package" || still+=("$package")
done
if [ ${#still[@]} -ne 0 ]; then
    say "Could not install: ${still[*]}"
    exit 1
fi
