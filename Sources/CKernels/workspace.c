// How much scratch memory the kernels need; the same at every level.
#include "grouped_layout.h"
#include "table.h"

ptrdiff_t kernel_gemm_workspace_bytes(void) {
  return (ptrdiff_t)sizeof(float) * (GEMM_DEPTH * 48 + KERNEL_K_BLOCK * GEMM_M_BLOCK);
}

// Two packed blocks of keys or values, two blocks and two chunks of unpacked rows, two chunks of scores.
ptrdiff_t kernel_attention_scratch_bytes(ptrdiff_t D) {
  const ptrdiff_t padded = (D + 15) / 16 * 16;
  return (ptrdiff_t)sizeof(float) *
         (4 * ATTENTION_KEYS * padded + 2 * ATTENTION_QUERIES * padded + 2 * ATTENTION_QUERIES * ATTENTION_KEYS);
}

ptrdiff_t kernel_grouped_bytes(int32_t type, ptrdiff_t rows, ptrdiff_t columns) {
  return (rows + 15) / 16 * grouped_group_bytes(type, columns);
}

ptrdiff_t kernel_cache_floats(ptrdiff_t keys, ptrdiff_t D) {
  return (keys + ATTENTION_KEYS - 1) / ATTENTION_KEYS * ATTENTION_KEYS * (D + (D + 15) / 16 * 16);
}

// A strip of weights, of queries and of sums.
ptrdiff_t kernel_cached_attention_scratch_bytes(ptrdiff_t D) {
  return (ptrdiff_t)sizeof(float) * 8 * (ATTENTION_KEYS + 2 * ((D + 15) / 16 * 16));
}
