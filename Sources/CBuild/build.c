#include "build.h"

const char *build_source(void) { return BUILD_SOURCE; }
