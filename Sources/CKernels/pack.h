// Packing for GEMM: panels of B as [k][48] floats directly from any stored type, strips of A as [k][8].
#ifndef MEDROUNDS_PACK_H
#define MEDROUNDS_PACK_H

#include "blocks.h"
#include "lanes.h"
#include "tile.h"

// Transposes 16 x 16 by four perfect shuffles of the rows.
#define TRANSPOSE(vector, rows)                                                                                        \
  UNROLL for (int stage = 0; stage < 4; stage++) {                                                                     \
    vector mixed[16];                                                                                                  \
    UNROLL for (int i = 0; i < 8; i++) {                                                                               \
      mixed[2 * i] = __builtin_shufflevector(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22,    \
                                             7, 23);                                                                   \
      mixed[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,   \
                                                 14, 30, 15, 31);                                                      \
    }                                                                                                                  \
    UNROLL for (int i = 0; i < 16; i++) rows[i] = mixed[i];                                                            \
  }

// While packing reads the rows of one panel, it prefetches those of the next, `ahead` bytes further on: they are too far apart for the
// processor to predict.

// k first .. first + 31 of sixteen stored rows of quantised blocks, to out[k - first][PANEL]. The bytes are transposed before they become
// floats: then sixteen weights of the same k are together, and their scales are in the lanes.
INLINE void pack_blocks(float *out, int32_t type, const uint8_t *const rows[LANES], ptrdiff_t first,
                        ptrdiff_t ahead) {
  if (type > KERNEL_Q8_0) {
    for (int half = 0; half < 2; half++, out += LANES * PANEL) {
      f32x16 x[16];
      for (int i = 0; i < LANES; i++) x[i] = unpack_lanes(type, rows[i], first + half * LANES);
      TRANSPOSE(f32x16, x)
      UNROLL for (int k = 0; k < LANES; k++) store(out + k * PANEL, x[k]);
    }
    return;
  }
  const ptrdiff_t offset = first / BLOCK * block_bytes(type);
  UNROLL for (int i = 0; i < LANES; i++) __builtin_prefetch(rows[i] + ahead + offset, 0, 2);
  f32x16 d, m = splat(0);
  if (type == KERNEL_Q4_1) {
    u32x16 both;
    UNROLL for (int i = 0; i < LANES; i++) {
      uint32_t word;
      __builtin_memcpy(&word, rows[i] + offset, sizeof word);
      both[i] = word;
    }
    d = from_f16(__builtin_convertvector(both & 0xffff, u16x16));
    m = from_f16(__builtin_convertvector(both >> 16, u16x16));
  } else {
    u16x16 halves;
    UNROLL for (int i = 0; i < LANES; i++) halves[i] = half_at(rows[i] + offset);
    d = from_f16(halves);
  }
  if (type == KERNEL_Q8_0) {
    for (int half = 0; half < 2; half++, out += 16 * PANEL) {
      i8x16 q[16];
      UNROLL for (int i = 0; i < 16; i++) __builtin_memcpy(&q[i], rows[i] + offset + 2 + half * 16, 16);
      TRANSPOSE(i8x16, q)
      UNROLL for (int k = 0; k < 16; k++)
        store(out + k * PANEL, d * __builtin_convertvector(__builtin_convertvector(q[k], i32x16), f32x16));
    }
    return;
  }
  u8x16 q[16];
  UNROLL for (int i = 0; i < 16; i++) __builtin_memcpy(&q[i], rows[i] + offset + (type == KERNEL_Q4_1 ? 4 : 2), 16);
  TRANSPOSE(u8x16, q)
  UNROLL for (int k = 0; k < 16; k++) {
    i32x16 wide = __builtin_convertvector(q[k], i32x16);
    i32x16 low = wide & 15, high = wide >> 4;
    if (type == KERNEL_Q4_1) {
      store(out + k * PANEL, d * __builtin_convertvector(low, f32x16) + m);
      store(out + (k + 16) * PANEL, d * __builtin_convertvector(high, f32x16) + m);
    } else {
      store(out + k * PANEL, d * __builtin_convertvector(low - 8, f32x16));
      store(out + (k + 16) * PANEL, d * __builtin_convertvector(high - 8, f32x16));
    }
  }
}

// k first .. first + 15 of sixteen stored rows of floats, to out[k - first][PANEL].
INLINE void pack_floats(float *out, int32_t type, const uint8_t *const rows[LANES], ptrdiff_t first,
                        ptrdiff_t ahead) {
  f32x16 x[16];
  UNROLL for (int i = 0; i < 16; i++) __builtin_prefetch(rows[i] + ahead + first * (type == KERNEL_F32 ? 4 : 2), 0, 2);
  UNROLL for (int i = 0; i < 16; i++) {
    if (type == KERNEL_F32) {
      __builtin_memcpy(&x[i], rows[i] + first * 4, sizeof x[i]);
    } else {
      u16x16 half;
      __builtin_memcpy(&half, rows[i] + first * 2, sizeof half);
      x[i] = type == KERNEL_F16 ? from_f16(half) : from_bf16(half);
    }
  }
  TRANSPOSE(f32x16, x)
  UNROLL for (int k = 0; k < 16; k++) store(out + k * PANEL, x[k]);
}

// The panel of b stored [N, K]: columns n .. n + columns - 1, k first .. last - 1. Columns up to the next multiple of
// 16 repeat the last one.
INLINE void pack_transposed(float *out, int32_t type, const kernel_matrix *b, ptrdiff_t n, ptrdiff_t columns,
                            ptrdiff_t first, ptrdiff_t last) {
  const ptrdiff_t step = type >= KERNEL_Q4_0 ? BLOCK : LANES;
  for (ptrdiff_t group = 0; group < columns; group += LANES) {
    const uint8_t *rows[LANES];
    for (ptrdiff_t i = 0; i < LANES; i++) {
      const ptrdiff_t column = group + i < columns ? group + i : columns - 1;
      rows[i] = (const uint8_t *)b->data + (n + column) * b->row_bytes;
    }
    ptrdiff_t k = first;
    for (; k + step <= last; k += step) {
      if (type >= KERNEL_Q4_0) pack_blocks(out + (k - first) * PANEL + group, type, rows, k, PANEL * b->row_bytes);
      else pack_floats(out + (k - first) * PANEL + group, type, rows, k, PANEL * b->row_bytes);
    }
    if (k == last) continue;
    for (ptrdiff_t i = 0; i < LANES; i++) {
      float rest[BLOCK];
      unpack_elements(rest, type, rows[i], k, last - k);
      for (ptrdiff_t j = k; j < last; j++) out[(j - first) * PANEL + group + i] = rest[j - k];
    }
  }
}

// How many stored rows (an even number) one vector of columns is packed over before the next vector, and how many rows ahead are
// prefetched.
enum { ROWS_AT_ONCE = 64, AHEAD_ROWS = 64 };

// The bytes of a stored row that hold some of its columns.
typedef struct {
  ptrdiff_t first, last;
} stored_columns;

INLINE stored_columns stored_columns_of(int32_t type, ptrdiff_t n, ptrdiff_t columns) {
  const ptrdiff_t elements = block_elements(type), bytes = block_bytes(type);
  return (stored_columns){n / elements * bytes, (n + columns - 1) / elements * bytes};
}

// Prefetches a row: rows are too far apart for the processor to predict.
INLINE void ask_for_row(const uint8_t *row, stored_columns columns) {
  __builtin_prefetch(row + columns.first);
  __builtin_prefetch(row + columns.last);
}

// The panel of b stored [K, N]. Columns up to the next multiple of 16 are zero. One vector of columns is packed over several rows before
// the next vector: values that depend on the column alone are computed once, and the rows stay in the cache.
INLINE void pack_rows(float *out, int32_t type, const kernel_matrix *b, ptrdiff_t n, ptrdiff_t columns, ptrdiff_t first,
                      ptrdiff_t last) {
  const stored_columns span = stored_columns_of(type, n, columns);
  for (ptrdiff_t top = first; top < last; top += ROWS_AT_ONCE, out += ROWS_AT_ONCE * PANEL) {
    const ptrdiff_t end = least(last, top + ROWS_AT_ONCE);
    const uint8_t *rows = (const uint8_t *)b->data + top * b->row_bytes;
    for (ptrdiff_t i = 0; i < columns; i += LANES) {
      const int whole = columns - i >= LANES && (type < KERNEL_Q4_0 || n % LANES == 0);
      const uint8_t *row = rows;
      float *p = out + i;
      for (ptrdiff_t k = top; k < end; k++, row += b->row_bytes, p += PANEL) {
        if (i == 0) ask_for_row(row + AHEAD_ROWS * b->row_bytes, span);
        if (whole) {
          store(p, unpack_lanes(type, row, n + i));
          continue;
        }
        store(p, splat(0));
        unpack_elements(p, type, row, n + i, least(columns - i, LANES));
      }
    }
  }
}

// Packs the panel of b by the function for the form in which b is stored, inside a function with pack_panel's parameters.
#define PACK_FORM(type, transposed, stored)                                       \
  if (b_transposed) transposed(out, type, b, n, columns, first, last);            \
  else stored(out, type, b, n, columns, first, last)

static __attribute__((noinline)) void pack_panel(float *out, const kernel_matrix *b, int32_t b_transposed, ptrdiff_t n,
                                                 ptrdiff_t columns, ptrdiff_t first, ptrdiff_t last) {
  EVERY_TYPE(b->type, PACK_FORM, pack_transposed, pack_rows)
}

// Strips of A: out[strip][k][STRIP] from a[m * a_row + k * a_column], m < M, k < depth. Rows beyond M repeat the last.
static __attribute__((noinline)) void pack_strips(float *out, const float *a, ptrdiff_t a_row, ptrdiff_t a_column,
                                                  ptrdiff_t M, ptrdiff_t depth) {
  if (a_row == 1) {  // stored [K, M]: a few stored rows at a time, so that their lines and pages stay in the cache
    for (ptrdiff_t first = 0; first < depth; first += LANES) {
      const ptrdiff_t last = depth - first < LANES ? depth : first + LANES;
      ptrdiff_t m = 0;
      for (; m + STRIP <= M; m += STRIP)
        for (ptrdiff_t k = first; k < last; k++)
          __builtin_memcpy(out + m * depth + k * STRIP, a + m + k * a_column, STRIP * sizeof *out);
      for (ptrdiff_t i = m; i < m + STRIP && m < M; i++)
        for (ptrdiff_t k = first; k < last; k++)
          out[m * depth + k * STRIP + i - m] = a[(i < M ? i : M - 1) + k * a_column];
    }
    return;
  }
  for (ptrdiff_t m = 0; m < M; m += STRIP, out += STRIP * depth) {
    const float *rows[STRIP];
    for (ptrdiff_t i = 0; i < STRIP; i++) rows[i] = a + (m + i < M ? m + i : M - 1) * a_row;
    ptrdiff_t k = 0;
    if (a_column == 1)
      for (; k + 8 <= depth; k += 8) {
        f32x8 x[8];
        UNROLL for (int i = 0; i < 8; i++) __builtin_memcpy(&x[i], rows[i] + k, sizeof x[i]);
        UNROLL for (int stage = 0; stage < 3; stage++) {
          f32x8 mixed[8];
          UNROLL for (int i = 0; i < 4; i++) {
            mixed[2 * i] = __builtin_shufflevector(x[i], x[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
            mixed[2 * i + 1] = __builtin_shufflevector(x[i], x[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
          }
          UNROLL for (int i = 0; i < 8; i++) x[i] = mixed[i];
        }
        UNROLL for (int i = 0; i < 8; i++) __builtin_memcpy(out + (k + i) * STRIP, &x[i], sizeof x[i]);
      }
    for (; k < depth; k++)
      for (ptrdiff_t i = 0; i < STRIP; i++) out[k * STRIP + i] = rows[i][k * a_column];
  }
}

#endif
