# Tells the build which sources it is made from; every step of a run records it. Source this file in the project's folder.
MEDROUNDS_SOURCE="$(git rev-parse HEAD 2>/dev/null || printf unknown)"
if [ "$MEDROUNDS_SOURCE" != unknown ] \
    && [ -n "$(git status --porcelain -- Package.swift Package.resolved Sources 2>/dev/null || printf changed)" ]; then
    MEDROUNDS_SOURCE="$MEDROUNDS_SOURCE+changes"
fi
export MEDROUNDS_SOURCE
