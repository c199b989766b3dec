// GEMM: blocks of k in order, panels of B packed once for each call, strips of A against each panel. The panels of several blocks are in
// the workspace together, so that a tile of c takes block after block, and term after term, while it is in the cache.
#ifndef MEDROUNDS_GEMM_H
#define MEDROUNDS_GEMM_H

#include "pack.h"
#include "table.h"
#include "tile.h"

// How many rows of A are packed at once; up to how many rows a panel is packed in pieces that stay in the first cache; the depth of such a
// piece.
enum { M_BLOCK = GEMM_M_BLOCK, SMALL_M = 8, SMALL_DEPTH = 64 };

// At most eight rows (decoding): the chains of the whole block of k go through a buffer from piece to piece.
INLINE void gemm_few_rows(const kernel_target *to, int32_t accumulate, const kernel_term *term, ptrdiff_t a_column,
                          float *panel) {
  const float *a = term->a;
  float *c = to->c;
  const ptrdiff_t K = term->K, a_row = term->a_row, M = to->M, c_row = to->c_row, last_column = to->last_column;
  for (ptrdiff_t n = to->first_column; n < last_column; n += PANEL) {
    const ptrdiff_t columns = least(last_column - n, PANEL), padded = (columns + LANES - 1) / LANES * LANES;
    for (ptrdiff_t block = 0; block < K; block += KERNEL_K_BLOCK) {
      const ptrdiff_t end = least(K, block + KERNEL_K_BLOCK);
      float sums[SMALL_M * PANEL];
      for (ptrdiff_t k = block; k < end; k += SMALL_DEPTH) {
        const ptrdiff_t last = least(end, k + SMALL_DEPTH);
        const tile_mask mask = {term->mask, term->mask_row, n, term->scale};
        pack_panel(panel, &term->b, term->b_transposed, n, columns, k, last);
        tile_task task = {a + k * a_column, a_row, a_column, panel, PANEL, last - k, sums, PANEL,
                          k == block ? TILE_BEGIN : TILE_CONTINUE, last == end && term->mask ? &mask : 0};
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

// A block of k of a term, and where its packed panel begins in the workspace, in floats.
typedef struct {
  const kernel_term *term;
  ptrdiff_t first, depth, panel;
  int add;
} gemm_piece;

// How far the pieces taken from a sum reach, and whether the next piece is added to c.
typedef struct {
  ptrdiff_t term, first;
  int add;
} gemm_place;

// The next pieces of a sum, at most `most`, whose panels are in the workspace together. `block` is the largest depth of a piece, `bytes`
// the size of an element of a panel.
INLINE int next_pieces(gemm_piece *pieces, gemm_place *at, const kernel_term *terms, ptrdiff_t count, int most,
                       ptrdiff_t block, ptrdiff_t bytes) {
  ptrdiff_t used = 0;
  int found = 0;
  while (at->term < count && found < most) {
    const kernel_term *term = &terms[at->term];
    const ptrdiff_t depth = least(term->K - at->first, block);
    if (depth > 0) {
      if (used + depth > GEMM_DEPTH) break;
      pieces[found++] = (gemm_piece){term, at->first, depth, used * bytes / (ptrdiff_t)sizeof(float) * PANEL, at->add};
      used += (depth + 1) / 2 * 2;
      at->add = 1;
    }
    at->first += block;
    if (at->first >= term->K) at->term++, at->first = 0;
  }
  return found;
}

// How many pieces of a sum may wait together: only one piece of a very deep sum, where c is the smaller part of the memory traffic.
INLINE int most_pieces(const kernel_term *terms, ptrdiff_t count, ptrdiff_t block) {
  ptrdiff_t depth = 0;
  for (ptrdiff_t i = 0; i < count; i++) depth += terms[i].K;
  return depth <= 8 * block ? GEMM_PIECES : 1;
}

// c = 0 where no term has any k.
INLINE void clear_empty_sum(const kernel_target *to, const kernel_term *terms, ptrdiff_t count) {
  if (to->accumulate) return;
  for (ptrdiff_t i = 0; i < count; i++)
    if (terms[i].K > 0) return;
  for (ptrdiff_t m = 0; m < to->M; m++)
    for (ptrdiff_t n = to->first_column; n < to->last_column; n++) to->c[m * to->c_row + n] = 0;
}

static __attribute__((noinline)) void gemm_products(const kernel_target *to, const kernel_term *terms, ptrdiff_t count,
                                                    ptrdiff_t a_column, void *workspace) {
  float *panels = workspace, *strips = panels + GEMM_DEPTH * PANEL, *c = to->c;
  const ptrdiff_t M = to->M, c_row = to->c_row, first_column = to->first_column, last_column = to->last_column;
  clear_empty_sum(to, terms, count);
  if (M <= SMALL_M) {
    int32_t accumulate = to->accumulate;
    for (ptrdiff_t i = 0; i < count; i++) {
      gemm_few_rows(to, accumulate, &terms[i], a_column, panels);
      accumulate |= terms[i].K > 0;
    }
    return;
  }
  // Where A is read in few passes, reading it in place is cheaper than packing it. Packed A has room for one piece at a time.
  const int pack_a = a_column != 1 || last_column - first_column > 2 * PANEL;
  const int most = pack_a ? 1 : most_pieces(terms, count, KERNEL_K_BLOCK);
  for (ptrdiff_t top = 0; top < M; top += M_BLOCK) {
    const ptrdiff_t height = least(M - top, M_BLOCK);
    gemm_piece pieces[GEMM_PIECES];
    gemm_place at = {0, 0, to->accumulate};
    for (int found; (found = next_pieces(pieces, &at, terms, count, most, KERNEL_K_BLOCK, sizeof(float))) > 0;) {
      if (pack_a) {
        const kernel_term *term = pieces[0].term;
        pack_strips(strips, (const float *)term->a + top * term->a_row + pieces[0].first * a_column, term->a_row,
                    a_column, height, pieces[0].depth);
      }
      for (ptrdiff_t n = first_column; n < last_column; n += PANEL) {
        const ptrdiff_t columns = least(last_column - n, PANEL);
        tile_task tasks[GEMM_PIECES];
        tile_mask masks[GEMM_PIECES];
        for (int i = 0; i < found; i++) {
          const gemm_piece *piece = &pieces[i];
          const kernel_term *term = piece->term;
          const kernel_matrix *b = &term->b;
          float *panel = panels + piece->panel;
          tasks[i] = (tile_task){(const float *)term->a + top * term->a_row + piece->first, term->a_row, 1, panel, PANEL,
                                 piece->depth, 0, c_row, piece->add ? TILE_ADD : TILE_REPLACE, 0};
          if (pack_a) tasks[i].a = strips, tasks[i].a_row = 1, tasks[i].a_step = STRIP;
          masks[i] = (tile_mask){term->mask, term->mask_row, 0, term->scale};
          if (term->mask) tasks[i].mask = &masks[i];
          if (b->type == KERNEL_F32 && !term->b_transposed && M <= 4 * STRIP && columns % LANES == 0) {
            tasks[i].b = (const float *)b->data + piece->first * (b->row_bytes / 4) + n;
            tasks[i].b_step = b->row_bytes / 4;
          } else {
            pack_panel(panel, b, term->b_transposed, n, columns, piece->first, piece->first + piece->depth);
          }
        }
        for (ptrdiff_t m = 0; m < height; m += STRIP)
          for (int i = 0; i < found; i++) {
            tile_task task = tasks[i];
            task.a += m * (pack_a ? task.depth : task.a_row);
            task.c = c + (top + m) * c_row + n;
            masks[i].bit = (top + m) * masks[i].row + n;
            strip_times_panel(task, least(height - m, STRIP), columns);
          }
      }
    }
  }
}

static void gemm_level(const kernel_target *to, const float *a, ptrdiff_t a_row, ptrdiff_t a_column,
                       const kernel_matrix *b, int32_t b_transposed, ptrdiff_t K, void *workspace) {
  const kernel_term term = {a, a_row, K, *b, b_transposed, 1, 0, 0};
  gemm_products(to, &term, 1, a_column, workspace);
}

static void gemm_sum_level(const kernel_target *to, const kernel_term *terms, ptrdiff_t count, void *workspace) {
  gemm_products(to, terms, count, 1, workspace);
}

#endif
