// GEMM: blocks of k in order, panels of B packed once a call, strips of A against each panel.
#ifndef MEDROUNDS_GEMM_H
#define MEDROUNDS_GEMM_H

#include "tile.h"

#include "pack.h"

// Rows of A packed at once; the rows up to which a panel is packed in pieces that stay in the first cache; their depth.
enum { M_BLOCK = GEMM_M_BLOCK, SMALL_M = 8, SMALL_DEPTH = 64 };

INLINE ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

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

static void gemm_level(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row,
                       ptrdiff_t a_column, const kernel_matrix *b, int32_t b_transposed, ptrdiff_t M,
                       ptrdiff_t first_column, ptrdiff_t last_column, ptrdiff_t K, void *workspace) {
  float *panel = workspace, *strips = panel + KERNEL_K_BLOCK * PANEL;
  if (K <= 0 && !accumulate)
    for (ptrdiff_t m = 0; m < M; m++)
      for (ptrdiff_t n = first_column; n < last_column; n++) c[m * c_row + n] = 0;
  if (M <= SMALL_M) {
    gemm_few_rows(c, c_row, accumulate, a, a_row, a_column, b, b_transposed, M, first_column, last_column, K, panel);
    return;
  }
  // Where A is read in few passes, as it stands is cheaper than packed.
  const int pack_a = a_column != 1 || last_column - first_column > 2 * PANEL;
  const int b_floats = b->type == KERNEL_F32 && !b_transposed && M <= 4 * STRIP;
  for (ptrdiff_t top = 0; top < M; top += M_BLOCK) {
    const ptrdiff_t height = least(M - top, M_BLOCK);
    for (ptrdiff_t block = 0; block < K; block += KERNEL_K_BLOCK) {
      const ptrdiff_t end = least(K, block + KERNEL_K_BLOCK), depth = end - block;
      const float *corner = a + top * a_row + block * a_column;
      // While one block of k is multiplied, the stored rows of the next are fetched, a few with every strip.
      const ptrdiff_t steps = (height + STRIP - 1) / STRIP * ((last_column - first_column + PANEL - 1) / PANEL);
      const ptrdiff_t asked_last = b_transposed ? end : least(K, end + KERNEL_K_BLOCK);
      const ptrdiff_t asked_rows = (KERNEL_K_BLOCK + steps - 1) / steps;
      ptrdiff_t asked = end;
      if (pack_a) pack_strips(strips, corner, a_row, a_column, height, depth);
      for (ptrdiff_t n = first_column; n < last_column; n += PANEL) {
        const ptrdiff_t columns = least(last_column - n, PANEL);
        const int mode = block > 0 || accumulate ? TILE_ADD : TILE_REPLACE;
        tile_task task = {0, 1, STRIP, panel, PANEL, depth, 0, c_row, mode};
        if (b_floats && columns % LANES == 0) {
          task.b = (const float *)b->data + block * (b->row_bytes / 4) + n;
          task.b_step = b->row_bytes / 4;
        } else {
          pack_panel(panel, b, b_transposed, n, columns, block, end);
        }
        for (ptrdiff_t m = 0; m < height; m += STRIP) {
          task.a = pack_a ? strips + m * depth : corner + m * a_row;
          if (!pack_a) task.a_row = a_row, task.a_step = a_column;
          task.c = c + (top + m) * c_row + n;
          strip_times_panel(task, least(height - m, STRIP), columns);
          if (asked >= asked_last) continue;
          ask_for_rows(b, first_column, last_column - first_column, asked, least(asked_last, asked + asked_rows));
          asked += asked_rows;
        }
      }
    }
  }
}

#endif
