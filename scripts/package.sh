#!/usr/bin/env bash
# Makes build/medrounds_<version>_<architecture>.deb: the program, the unit of a site as a service, docs/federation.md, the user's maintainer
# scripts. MEDROUNDS names a program that was built with --static-swift-stdlib; without it one is built. Two calls for one commit and one
# program give the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fail() { printf 'package: %s\n' "$1" >&2; exit 2; }
for tool in dpkg-deb dpkg-shlibdeps strip git; do
    command -v "$tool" >/dev/null || fail "there is no $tool (Debian: dpkg-dev, binutils, git)"
done
if [ -z "${MEDROUNDS:-}" ]; then
    # shellcheck source=scripts/lib/source.sh
    . scripts/lib/source.sh
    # In a folder of its own: the other release build links the Swift libraries dynamically.
    swift build -c release --static-swift-stdlib --product medrounds --scratch-path .build-static
    MEDROUNDS="$(swift build -c release --static-swift-stdlib --scratch-path .build-static --show-bin-path)/medrounds"
fi
[ -x "$MEDROUNDS" ] || fail "there is no program at $MEDROUNDS"
if ldd "$MEDROUNDS" | grep -q libswift; then
    fail "$MEDROUNDS needs Swift's libraries, which Debian does not have; build it with --static-swift-stdlib"
fi

SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)"
export SOURCE_DATE_EPOCH
day() { date -u -d "@$SOURCE_DATE_EPOCH" "$@"; }
# Before a release of this number: ~ sorts first.
version="$("$MEDROUNDS" --version | grep -oE '[0-9]+(\.[0-9]+)+' | head -n 1)~git$(day +%Y%m%d.%H%M%S).$(git rev-parse --short=9 HEAD)"
[ -z "$(git status --porcelain -- scripts/package scripts/package.sh docs/federation.md)" ] || version="$version+changes"
architecture="$(dpkg --print-architecture)"

umask 022
stage="$PWD/build/package/stage"
rm -rf "$stage"
mkdir -p "$stage"/{DEBIAN,usr/bin,usr/lib/systemd/system,usr/share/doc/medrounds,etc,var/lib}
strip --strip-unneeded -o "$stage/usr/bin/medrounds" "$MEDROUNDS"
install -m 644 scripts/package/medrounds-site@.service "$stage/usr/lib/systemd/system"
install -m 644 scripts/package/copyright docs/federation.md "$stage/usr/share/doc/medrounds"
# The state of a site is in /var/lib, beside its site.yaml; /etc/medrounds leads there.
ln -s ../var/lib/medrounds "$stage/etc/medrounds"
install -m 755 scripts/package/{postinst,prerm,postrm} "$stage/DEBIAN"
maintainer="MedRounds <medrounds@localhost>"
printf 'medrounds (%s) unstable; urgency=medium\n\n  * Commit %s.\n\n -- %s  %s\n' "$version" "$(git rev-parse HEAD)" "$maintainer" \
    "$(LC_ALL=C day -R)" | gzip -9n > "$stage/usr/share/doc/medrounds/changelog.gz"

# Which packages have the libraries that the program names, and from which version on.
mkdir -p build/package/debian
printf 'Source: medrounds\n\nPackage: medrounds\nArchitecture: any\n' > build/package/debian/control
depends="$(cd build/package && dpkg-shlibdeps -O --ignore-missing-info "$stage/usr/bin/medrounds" 2> shlibdeps.log | sed -n 's/^shlibs:Depends=//p')"
[ -n "$depends" ] || fail "dpkg-shlibdeps finds no packages of the libraries (build/package/shlibdeps.log)"
cat > "$stage/DEBIAN/control" <<EOF_CONTROL
Package: medrounds
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(find "$stage" -path "$stage/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{ sum += int(($1 + 1023) / 1024) } END { print sum }')
Depends: $depends, adduser
Suggests: git
Section: science
Priority: optional
Description: federated fine-tuning of language models between hospitals
 A hospital trains on its own notes on its own machine and sends an adapter.
 The unit medrounds-site@NAME runs a site that medrounds site init made.
EOF_CONTROL
(cd "$stage" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$stage/DEBIAN/md5sums"
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
package="build/medrounds_${version}_$architecture.deb"
dpkg-deb --root-owner-group -Zxz -z3 --threads-max=1 --build "$stage" "$package" > build/package/dpkg-deb.log
printf '%s\n' "$package"
