// The kernels at the level of AVX-512 with products of bfloat16 pairs.
#include "table.h"

#pragma STDC FP_CONTRACT OFF

#define LEVEL 3
#define LEVEL_TABLE kernel_table_avx512_bf16

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"))), \
                             apply_to = function)
#include "every_level.h"
#pragma clang attribute pop
#endif
