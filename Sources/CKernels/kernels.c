// The public functions: each calls the kernel of the level that is set.
#include "table.h"

static int32_t level_in_force = -1;
static const kernel_table *table = &kernel_table_plain;

int32_t kernel_best_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return __builtin_cpu_supports("avx512bf16") ? KERNEL_LEVEL_AVX512_BF16 : KERNEL_LEVEL_AVX512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    return KERNEL_LEVEL_AVX2;
#endif
  return KERNEL_LEVEL_PLAIN;
}

int32_t kernel_set_level(int32_t level) {
  const int32_t best = kernel_best_level();
  level_in_force = level > best ? best : level < KERNEL_LEVEL_PLAIN ? KERNEL_LEVEL_PLAIN : level;
#if defined(__x86_64__)
  table = level_in_force == KERNEL_LEVEL_AVX512_BF16 ? &kernel_table_avx512_bf16
          : level_in_force == KERNEL_LEVEL_AVX512    ? &kernel_table_avx512
          : level_in_force == KERNEL_LEVEL_AVX2      ? &kernel_table_avx2
                                                     : &kernel_table_plain;
#endif
  return level_in_force;
}

int32_t kernel_level(void) { return level_in_force; }

// Runs before main, so that no thread ever sees the level change without a call.
__attribute__((constructor)) static void choose_best_level(void) { kernel_set_level(kernel_best_level()); }

#define KERNEL(result, name, parameters, arguments) \
  result kernel_##name parameters { return table->name arguments; }
#include "every_kernel.h"
#undef KERNEL
