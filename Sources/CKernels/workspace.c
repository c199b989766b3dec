// How much scratch memory the kernels need; the same at every level.
#include "CKernels.h"

ptrdiff_t kernel_gemm_workspace_bytes(void) { return 4 << 20; }

ptrdiff_t kernel_attention_scratch_bytes(ptrdiff_t D) { return 64 * 1024 + 4096 * D; }
