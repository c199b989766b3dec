// GEMM: blocks of k in order, panels of B packed once a call, strips of A against each panel. The panels of several blocks lie
// ready together, so that a tile of c takes block after block, and the low-rank product after them, while it is at hand.
#ifndef MEDROUNDS_GEMM_H
#define MEDROUNDS_GEMM_H

#include "tile.h"

#include "pack.h"

// Rows of A packed at once; the rows up to which a panel is packed in pieces that stay in the first cache; their depth.
enum { M_BLOCK = GEMM_M_BLOCK, SMALL_M = 8, SMALL_DEPTH = 64 };

// At most eight rows (decoding): chains of the whole block of k go through a buffer from piece to piece.
INLINE void gemm_few_rows(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row,
                          ptrdiff_t a_column, const kernel_matrix *b, int32_t b_transposed, ptrdiff_t M,
                          ptrdiff_t first_column, ptrdiff_t last_column, ptrdiff_t K, float *panel) {
  for (ptrdiff_t n = first_column; n < last_column; n += PANEL) {
    const ptrdiff_t columns = least(last_column - n, PANEL), padded = (columns + LANES - 1) / LANES * LANES;
    for (ptrdiff_t block = 0; block < K; block += KERNEL_K_BLOCK) {
      const ptrdiff_t end = least(K, block + KERNEL_K_BLOCK);
      float sums[SMALL_M * PANEL];
      for (ptrdiff_t k = block; k < end; k += SMALL_DEPTH) {
        const ptrdiff_t last = least(end, k + SMALL_DEPTH);
        pack_panel(panel, b, b_transposed, n, columns, k, last);
        tile_task task = {a + k * a_column, a_row, a_column, panel, PANEL, last - k, sums, PANEL,
                          k == block ? TILE_BEGIN : TILE_CONTINUE};
        strip_times_panel(task, M, padded);
      }
      for (ptrdiff_t m = 0; m < M; m++)
        for (ptrdiff_t i = 0; i < columns; i++) {
          float *p = c + m * c_row + n + i;
          *p = block > 0 || accumulate ? *p + sums[m * PANEL + i] : sums[m * PANEL + i];
        }
    }
  }
}

// What is added to c after the product: u up, with u [M, r] and up [r, N] as stored.
typedef struct {
  const float *u;
  ptrdiff_t u_row;
  const kernel_matrix *up;
} low_rank;

static __attribute__((noinline)) void gemm_products(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a,
                                                    ptrdiff_t a_row, ptrdiff_t a_column, const kernel_matrix *b,
                                                    int32_t b_transposed, ptrdiff_t M, ptrdiff_t first_column,
                                                    ptrdiff_t last_column, ptrdiff_t K, const low_rank *then,
                                                    void *workspace) {
  float *panels = workspace, *strips = panels + GEMM_PANELS * KERNEL_K_BLOCK * PANEL;
  if (then && (M <= SMALL_M || K <= 0 || then->up->rows > KERNEL_K_BLOCK)) {
    gemm_products(c, c_row, accumulate, a, a_row, a_column, b, b_transposed, M, first_column, last_column, K, 0, workspace);
    gemm_products(c, c_row, 1, then->u, then->u_row, 1, then->up, 0, M, first_column, last_column, then->up->rows, 0,
                  workspace);
    return;
  }
  if (K <= 0 && !accumulate)
    for (ptrdiff_t m = 0; m < M; m++)
      for (ptrdiff_t n = first_column; n < last_column; n++) c[m * c_row + n] = 0;
  if (M <= SMALL_M) {
    gemm_few_rows(c, c_row, accumulate, a, a_row, a_column, b, b_transposed, M, first_column, last_column, K, panels);
    return;
  }
  // Where A is read in few passes, as it stands is cheaper than packed.
  const int pack_a = a_column != 1 || last_column - first_column > 2 * PANEL;
  const int b_floats = b->type == KERNEL_F32 && !b_transposed && M <= 4 * STRIP;
  const ptrdiff_t together = !pack_a && K <= GEMM_BLOCKS * KERNEL_K_BLOCK ? GEMM_BLOCKS : 1;
  for (ptrdiff_t top = 0; top < M; top += M_BLOCK) {
    const ptrdiff_t height = least(M - top, M_BLOCK);
    for (ptrdiff_t start = 0; start < K; start += together * KERNEL_K_BLOCK) {
      const ptrdiff_t end = least(K, start + together * KERNEL_K_BLOCK);
      const float *corner = a + top * a_row + start * a_column;
      if (pack_a) pack_strips(strips, corner, a_row, a_column, height, end - start);
      for (ptrdiff_t n = first_column; n < last_column; n += PANEL) {
        const ptrdiff_t columns = least(last_column - n, PANEL);
        tile_task terms[GEMM_PANELS];
        int count = 0;
        for (ptrdiff_t block = start; block < end; block += KERNEL_K_BLOCK, count++) {
          float *panel = panels + count * KERNEL_K_BLOCK * PANEL;
          const ptrdiff_t depth = least(end - block, KERNEL_K_BLOCK);
          const int mode = block > 0 || accumulate ? TILE_ADD : TILE_REPLACE;
          terms[count] = (tile_task){corner + (block - start) * a_column, a_row, a_column, panel, PANEL, depth, 0, c_row, mode};
          if (pack_a) terms[count].a = strips, terms[count].a_row = 1, terms[count].a_step = STRIP;
          if (b_floats && columns % LANES == 0) {
            terms[count].b = (const float *)b->data + block * (b->row_bytes / 4) + n;
            terms[count].b_step = b->row_bytes / 4;
          } else {
            pack_panel(panel, b, b_transposed, n, columns, block, block + depth);
          }
        }
        const int blocks = count;
        if (then && end == K) {
          float *panel = panels + count * KERNEL_K_BLOCK * PANEL;
          pack_panel(panel, then->up, 0, n, columns, 0, then->up->rows);
          terms[count++] =
              (tile_task){then->u + top * then->u_row, then->u_row, 1, panel, PANEL, then->up->rows, 0, c_row, TILE_ADD};
        }
        for (ptrdiff_t m = 0; m < height; m += STRIP)
          for (int i = 0; i < count; i++) {
            tile_task task = terms[i];
            task.a += m * (pack_a && i < blocks ? task.depth : task.a_row);
            task.c = c + (top + m) * c_row + n;
            strip_times_panel(task, least(height - m, STRIP), columns);
          }
      }
    }
  }
}

static void gemm_level(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row,
                       ptrdiff_t a_column, const kernel_matrix *b, int32_t b_transposed, ptrdiff_t M,
                       ptrdiff_t first_column, ptrdiff_t last_column, ptrdiff_t K, void *workspace) {
  gemm_products(c, c_row, accumulate, a, a_row, a_column, b, b_transposed, M, first_column, last_column, K, 0, workspace);
}

static void gemm_low_rank_level(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row,
                                const kernel_matrix *b, int32_t b_transposed, ptrdiff_t M, ptrdiff_t first_column,
                                ptrdiff_t last_column, ptrdiff_t K, const float *u, ptrdiff_t u_row,
                                const kernel_matrix *up, void *workspace) {
  const low_rank then = {u, u_row, up};
  gemm_products(c, c_row, accumulate, a, a_row, 1, b, b_transposed, M, first_column, last_column, K, &then, workspace);
}

#endif
