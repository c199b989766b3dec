// GEMM: the plain order of the contract.
#ifndef MEDROUNDS_GEMM_H
#define MEDROUNDS_GEMM_H

static void gemm_level(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row,
                       ptrdiff_t a_column, const kernel_matrix *b, int32_t b_transposed, ptrdiff_t M,
                       ptrdiff_t first_column, ptrdiff_t last_column, ptrdiff_t K, void *workspace) {
  (void)workspace;
  if (!accumulate)
    for (ptrdiff_t m = 0; m < M; m++)
      for (ptrdiff_t n = first_column; n < last_column; n++) c[m * c_row + n] = 0;
  for (ptrdiff_t start = 0; start < K; start += KERNEL_K_BLOCK) {
    const ptrdiff_t end = K - start < KERNEL_K_BLOCK ? K : start + KERNEL_K_BLOCK;
    for (ptrdiff_t n = first_column; n < last_column; n++) {
      float column[KERNEL_K_BLOCK];
      if (b_transposed) {
        unpack_elements(column, b->type, (const uint8_t *)b->data + n * b->row_bytes, start, end - start);
      } else {
        for (ptrdiff_t k = start; k < end; k++)
          unpack_elements(column + k - start, b->type, (const uint8_t *)b->data + k * b->row_bytes, n, 1);
      }
      for (ptrdiff_t m = 0; m < M; m++) {
        float sum = 0;
        for (ptrdiff_t k = start; k < end; k++)
          sum = __builtin_fmaf(a[m * a_row + k * a_column], column[k - start], sum);
        c[m * c_row + n] = start == 0 && !accumulate ? sum : c[m * c_row + n] + sum;
      }
    }
  }
}

#endif
