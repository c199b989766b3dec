// How much scratch memory the kernels need; the same at every level.
#include "table.h"

ptrdiff_t kernel_gemm_workspace_bytes(void) { return (ptrdiff_t)sizeof(float) * KERNEL_K_BLOCK * (48 + GEMM_M_BLOCK); }

ptrdiff_t kernel_attention_scratch_bytes(ptrdiff_t D) { return 64 * 1024 + 4096 * D; }
