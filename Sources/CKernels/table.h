// The table of kernels that each level fills in, and sizes that all levels share.
#ifndef MEDROUNDS_TABLE_H
#define MEDROUNDS_TABLE_H

#include "CKernels.h"

// How many rows of A GEMM packs at once; the largest total depth of the pieces of a sum whose panels wait together, so that the rows of A
// which they read stay in the cache; the largest number of such pieces.
enum { GEMM_M_BLOCK = 1024, GEMM_DEPTH = 2048, GEMM_PIECES = 16 };
// Attention takes keys in blocks aligned within each span, and queries in chunks of whole strips.
enum { ATTENTION_KEYS = 96, ATTENTION_QUERIES = 64 };

typedef struct {
#define KERNEL(result, name, parameters, arguments) result(*name) parameters;
#include "every_kernel.h"
#undef KERNEL
} kernel_table;

extern const kernel_table kernel_table_plain;
extern const kernel_table kernel_table_avx2;
extern const kernel_table kernel_table_avx512;
extern const kernel_table kernel_table_avx512_bf16;

#endif
