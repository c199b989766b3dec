// From which sources this program was built: a git commit's 40 digits, with +changes where the checkout differed from it, or unknown.
// Package.swift sets it from MEDROUNDS_SOURCE, as scripts/lib/source.sh does.
#ifndef MEDROUNDS_BUILD_H
#define MEDROUNDS_BUILD_H
const char *build_source(void);
#endif
