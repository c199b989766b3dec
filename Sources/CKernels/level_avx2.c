// The kernels at the level of AVX2 and FMA.
#include "table.h"

#pragma STDC FP_CONTRACT OFF

#define LEVEL 1
#define LEVEL_TABLE kernel_table_avx2

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "every_level.h"
#pragma clang attribute pop
#endif
