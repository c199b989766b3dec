// How much scratch memory the kernels need; the same at every level.
#include "table.h"

ptrdiff_t kernel_gemm_workspace_bytes(void) { return (ptrdiff_t)sizeof(float) * KERNEL_K_BLOCK * (48 + GEMM_M_BLOCK); }

// Two packed blocks of keys or values, two blocks and two chunks of rows as they stand, two chunks of scores.
ptrdiff_t kernel_attention_scratch_bytes(ptrdiff_t D) {
  const ptrdiff_t padded = (D + 15) / 16 * 16;
  return (ptrdiff_t)sizeof(float) *
         (4 * ATTENTION_KEYS * padded + 2 * ATTENTION_QUERIES * padded + 2 * ATTENTION_QUERIES * ATTENTION_KEYS);
}
