// GEMM of the fast numerics: inputs rounded to bfloat16, two k at a time, sums in float32.
//
// A dot product of two pairs is what VDPBF16PS does: fused multiply-add of the odd k, then of the even k, each rounded to
// nearest even, with denormals read and written as zero. Levels without that instruction do the same in float32 with the
// processor's denormals off, so all levels give the same bits here too.
#ifndef MEDROUNDS_FAST_H
#define MEDROUNDS_FAST_H

#include "gemm.h"
#include "pack.h"
#include "random.h"
#include "tile.h"

// ---- Denormals off, during a call -----------------------------------------------------------------------------

#if defined(__x86_64__)
INLINE uint32_t denormals_off(void) {
  const uint32_t before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before | 0x8040);  // flush to zero, denormals are zero
  return before;
}
INLINE void denormals_back(uint32_t before) { __builtin_ia32_ldmxcsr(before); }
#else
INLINE uint32_t denormals_off(void) { return 0; }
INLINE void denormals_back(uint32_t before) { (void)before; }
#endif

// ---- Rounding to bfloat16 ----------------------------------------------------------------------------------------------

#if LEVEL == 3
typedef __bf16 bf16x32 __attribute__((vector_size(64)));
typedef int16_t i16x32 __attribute__((vector_size(64)));
#endif
typedef uint16_t u16x32 __attribute__((vector_size(64)));

// The bfloat16 of each lane in the upper half of its word: to nearest even, denormals to zero, NaN quiet.
INLINE u32x16 rounded(f32x16 x) {
  const u32x16 word = (u32x16)x, magnitude = word & 0x7fffffff;
  const u32x16 nearest = (word + 0x7fff + ((word >> 16) & 1)) & 0xffff0000;
  const u32x16 quiet = (word | 0x00400000) & 0xffff0000;
  const u32x16 nan = (u32x16)(magnitude > 0x7f800000), tiny = (u32x16)(magnitude < 0x00800000);
  return (((nan & quiet) | (~nan & nearest)) & ~tiny) | (word & tiny & 0x80000000);
}

// Sixteen pairs: `even` in the lower halves, `odd` in the upper.
INLINE u32x16 pairs_of(f32x16 even, f32x16 odd) {
#if LEVEL == 3
  const u16x32 both = (u16x32)__builtin_ia32_cvtne2ps2bf16_512(odd, even);
  return (u32x16)__builtin_shufflevector(both, both, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25,
                                         10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#else
  return (rounded(even) >> 16) | rounded(odd);
#endif
}

// Sixteen lanes as halves, in order.
INLINE u16x16 halves_of(f32x16 x) {
#if LEVEL == 3
  const u16x32 both = (u16x32)__builtin_ia32_cvtne2ps2bf16_512(x, x);
  return __builtin_shufflevector(both, both, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  return __builtin_convertvector(rounded(x) >> 16, u16x16);
#endif
}

static void fast_rows_level(uint16_t *out, ptrdiff_t out_row, const float *x, ptrdiff_t x_row, ptrdiff_t rows,
                            ptrdiff_t columns) {
  for (ptrdiff_t t = 0; t < rows; t++, out += out_row, x += x_row) {
    ptrdiff_t i = 0;
    for (; i + LANES <= columns; i += LANES) {
      const u16x16 halves = halves_of(load(x + i));
      __builtin_memcpy(out + i, &halves, sizeof halves);
    }
    if (i == columns) continue;
    const u16x16 halves = halves_of(load_part(x + i, columns - i, 0));
    uint16_t part[LANES];
    __builtin_memcpy(part, &halves, sizeof part);
    const ptrdiff_t whole = columns + (columns & 1);  // a last incomplete pair ends with zero
    __builtin_memcpy(out + i, part, (size_t)(whole - i) * sizeof *out);
  }
}

static void fast_pairs_level(uint32_t *out, const float *x, ptrdiff_t rows, ptrdiff_t columns) {
  for (ptrdiff_t t = 0; t < rows; t += 2, x += 2 * columns, out += columns)
    for (ptrdiff_t i = 0; i < columns; i += LANES) {
      const f32x16 odd = t + 1 < rows ? load_some(x + columns + i, columns - i, 0) : splat(0);
      const u32x16 pairs = pairs_of(load_some(x + i, columns - i, 0), odd);
      __builtin_memcpy(out + i, &pairs, (size_t)least(columns - i, LANES) * sizeof *out);
    }
}

// ---- Dropout straight into bfloat16 ----------------------------------------------------------------------------------------

INLINE void store_halves(uint16_t *p, ptrdiff_t left, f32x16 x) {
  const u16x16 halves = halves_of(x);
  if (left >= LANES) {
    __builtin_memcpy(p, &halves, sizeof halves);
    return;
  }
  uint16_t part[LANES];
  __builtin_memcpy(part, &halves, sizeof part);
  __builtin_memcpy(p, part, (size_t)left * sizeof *p);
}

static void fast_dropout_level(uint16_t *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first,
                               ptrdiff_t count, float probability) {
  const float scale = 1.0f / (1.0f - probability);
  FOR_RANDOM_GROUPS(for (ptrdiff_t i = 0; i < length; i += LANES) {
    const i32x16 keep = unit_interval(words + offset + i) >= splat(probability);
    mask[(done + i) / LANES] = bits_of(keep);
    store_halves(out + done + i, length - i,
                 from_bits(bits(load_some(x + done + i, length - i, 0) * splat(scale)) & keep));
  })
}

static void fast_dropout_again_level(uint16_t *out, const uint16_t *mask, const float *x, ptrdiff_t count,
                                     float probability) {
  const float scale = 1.0f / (1.0f - probability);
  for (ptrdiff_t i = 0; i < count; i += LANES)
    store_halves(out + i, count - i,
                 from_bits(bits(load_some(x + i, count - i, 0) * splat(scale)) & mask_of(mask[i / LANES])));
}

// ---- Panels of B: [k / 2][PANEL] pairs -----------------------------------------------------------------------------------

// Thirty-two lanes as halves, in order.
INLINE u16x32 halves_of_both(f32x16 low, f32x16 high) {
#if LEVEL == 3
  return (u16x32)__builtin_ia32_cvtne2ps2bf16_512(high, low);
#else
  const u16x16 first = halves_of(low), second = halves_of(high);
  return __builtin_shufflevector(first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
                                 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
#endif
}

// Elements first .. first + 31 of a stored row in bfloat16; in a quantised row, first is a multiple of 32. A block of four bits has only
// sixteen values: they are rounded once, and then looked up.
INLINE u16x32 unpack_halves(int32_t type, const uint8_t *row, ptrdiff_t first) {
#if LEVEL == 3
  if (type == KERNEL_Q4_0 || type == KERNEL_Q4_1) {
    const uint8_t *p = row + first / BLOCK * block_bytes(type);
    const f32x16 d = splat_f16(half_at(p));
    f32x16 values = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    values = type == KERNEL_Q4_0 ? d * (values - splat(8)) : d * values + splat_f16(half_at(p + 2));
    const u16x32 table = halves_of_both(values, values);
    u8x16 q;
    __builtin_memcpy(&q, p + (type == KERNEL_Q4_1 ? 4 : 2), sizeof q);
    const u8x16 low = q & 15, high = q >> 4;
    const u16x32 places = __builtin_convertvector(
        __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                22, 23, 24, 25, 26, 27, 28, 29, 30, 31),
        u16x32);
    return (u16x32)__builtin_ia32_permvarhi512((i16x32)table, (i16x32)places);
  }
  if (type == KERNEL_BF16) {  // the product itself reads denormals as zero
    u16x32 halves;
    __builtin_memcpy(&halves, row + first * 2, sizeof halves);
    return halves;
  }
#endif
  return halves_of_both(unpack_lanes(type, row, first), unpack_lanes(type, row, first + LANES));
}

// The first `count` of them, followed by zeros.
INLINE u16x32 unpack_halves_part(int32_t type, const uint8_t *row, ptrdiff_t first, ptrdiff_t count) {
  if (count == BLOCK) return unpack_halves(type, row, first);
  float part[BLOCK] = {0};
  unpack_elements(part, type, row, first, count);
  return halves_of_both(load(part), load(part + LANES));
}

// k first .. last - 1 of b stored [N, K], first a multiple of 32. Columns up to the next multiple of 16 repeat the last one.
INLINE void pack_pairs_transposed(uint32_t *out, int32_t type, const kernel_matrix *b, ptrdiff_t n, ptrdiff_t columns,
                                  ptrdiff_t first, ptrdiff_t last) {
  const ptrdiff_t ahead = PANEL * b->row_bytes;
  for (ptrdiff_t group = 0; group < columns; group += LANES) {
    const uint8_t *rows[LANES];
    for (ptrdiff_t i = 0; i < LANES; i++)
      rows[i] = (const uint8_t *)b->data + (n + least(group + i, columns - 1)) * b->row_bytes;
    for (ptrdiff_t k = first; k < last; k += BLOCK) {
      const ptrdiff_t depth = least(last - k, BLOCK);
      const ptrdiff_t offset = k / block_elements(type) * block_bytes(type);
      u32x16 pairs[16];
      UNROLL for (int i = 0; i < LANES; i++) {
        __builtin_prefetch(rows[i] + ahead + offset, 0, 2);
        pairs[i] = (u32x16)unpack_halves_part(type, rows[i], k, depth);
      }
      TRANSPOSE(u32x16, pairs)
      uint32_t *p = out + (k - first) / 2 * PANEL + group;
      if (depth == BLOCK) {
        UNROLL for (int j = 0; j < BLOCK / 2; j++) __builtin_memcpy(p + j * PANEL, &pairs[j], sizeof pairs[j]);
      } else {
        for (ptrdiff_t j = 0; j < (depth + 1) / 2; j++) __builtin_memcpy(p + j * PANEL, &pairs[j], sizeof pairs[j]);
      }
    }
  }
}

// Elements first .. first + 15 of two stored rows, as pairs.
INLINE u32x16 stored_pairs(int32_t type, const uint8_t *even, const uint8_t *odd, ptrdiff_t first) {
#if LEVEL == 3
  if (type == KERNEL_BF16) {  // the product itself reads denormals as zero
    u16x16 low, high;
    __builtin_memcpy(&low, even + first * 2, sizeof low);
    __builtin_memcpy(&high, odd + first * 2, sizeof high);
    return (u32x16)__builtin_shufflevector(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9,
                                           25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
#endif
  return pairs_of(unpack_lanes(type, even, first), unpack_lanes(type, odd, first));
}

// k first .. last - 1 of b stored [K, N]. Columns up to the next multiple of 16 are zero. One vector of columns is packed over several rows
// before the next vector: values that depend on the column alone are computed once, and the rows stay in the cache.
INLINE void pack_pairs_rows(uint32_t *out, int32_t type, const kernel_matrix *b, ptrdiff_t n, ptrdiff_t columns,
                            ptrdiff_t first, ptrdiff_t last) {
  const ptrdiff_t row_bytes = b->row_bytes;
  const stored_columns span = stored_columns_of(type, n, columns);
  for (ptrdiff_t top = first; top < last; top += ROWS_AT_ONCE, out += ROWS_AT_ONCE / 2 * PANEL) {
    const ptrdiff_t end = least(last, top + ROWS_AT_ONCE);
    const uint8_t *rows = (const uint8_t *)b->data + top * row_bytes;
    for (ptrdiff_t i = 0; i < columns; i += LANES) {
      const int whole = columns - i >= LANES && (type < KERNEL_Q4_0 || n % LANES == 0);
      const uint8_t *row = rows;
      uint32_t *p = out + i;
      for (ptrdiff_t k = top; k < end; k += 2, row += 2 * row_bytes, p += PANEL) {
        if (i == 0) {
          ask_for_row(row + AHEAD_ROWS * row_bytes, span);
          ask_for_row(row + (AHEAD_ROWS + 1) * row_bytes, span);
        }
        u32x16 pairs;
        if (whole && k + 1 < end) {
          pairs = stored_pairs(type, row, row + row_bytes, n + i);
        } else {
          float low[LANES] = {0}, high[LANES] = {0};
          unpack_elements(low, type, row, n + i, least(columns - i, LANES));
          if (k + 1 < end) unpack_elements(high, type, row + row_bytes, n + i, least(columns - i, LANES));
          pairs = pairs_of(load(low), load(high));
        }
        __builtin_memcpy(p, &pairs, sizeof pairs);
      }
    }
  }
}

static __attribute__((noinline)) void pack_pairs(uint32_t *out, const kernel_matrix *b, int32_t b_transposed,
                                                 ptrdiff_t n, ptrdiff_t columns, ptrdiff_t first, ptrdiff_t last) {
  EVERY_TYPE(b->type, PACK_FORM, pack_pairs_transposed, pack_pairs_rows)
}

// ---- The tile ------------------------------------------------------------------------------------------------------------

#if LEVEL >= 2
typedef u32x16 pair_vector;
#elif LEVEL == 1
typedef u32x8 pair_vector;
#else
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef u32x4 pair_vector;
#endif

// Sets denormals to zero where the processor does not do it.
INLINE tile_vector flushed(tile_vector x) {
#if LEVEL == 0 && !defined(__x86_64__)
  const pair_vector word = (pair_vector)x, tiny = (pair_vector)((word & 0x7fffffff) < 0x00800000);
  return (tile_vector)(word & (~tiny | 0x80000000));
#else
  return x;
#endif
}

INLINE tile_vector dot_pairs(tile_vector sum, pair_vector a, pair_vector b) {
#if LEVEL == 3
  return __builtin_ia32_dpbf16ps_512(sum, (bf16x32)a, (bf16x32)b);
#else
  sum = flushed(__builtin_elementwise_fma((tile_vector)(a & 0xffff0000), (tile_vector)(b & 0xffff0000), sum));
  return flushed(__builtin_elementwise_fma((tile_vector)(a << 16), (tile_vector)(b << 16), sum));
#endif
}

// Rows of A start at a[0 .. rows - 1]; a tile multiplies `depth` pairs of each with b's, and replaces c or adds to it.
typedef struct {
  float *c;
  ptrdiff_t c_row;
  const uint32_t *const *a;
  const uint32_t *b;
  ptrdiff_t depth;
  int add;
  const tile_mask *mask;  // or none
} pair_task;

INLINE void pair_tile(const pair_task *task, const int rows, const int vectors) {
  float *c = task->c;
  const ptrdiff_t c_row = task->c_row, depth = task->depth;
  const uint32_t *b = task->b;
  const tile_mask *mask = task->mask;
  tile_vector sum[TILE_ROWS][TILE_VECTORS];
  const uint32_t *row[TILE_ROWS];
  UNROLL for (int r = 0; r < rows; r++) {
    row[r] = task->a[r];
    UNROLL for (int v = 0; v < vectors; v++) {
      sum[r][v] = (tile_vector){0};
      __builtin_prefetch(c + r * c_row + v * TILE_LANES, 1);  // the next term may read what this one writes
    }
  }
  for (ptrdiff_t k = 0; k < depth; k++, b += PANEL) {
    pair_vector column[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) __builtin_memcpy(&column[v], b + v * TILE_LANES, sizeof(pair_vector));
    UNROLL for (int r = 0; r < rows; r++) {
      uint32_t both;
      __builtin_memcpy(&both, row[r] + k, sizeof both);
      const pair_vector element = (pair_vector){0} + both;
      UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = dot_pairs(sum[r][v], element, column[v]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      float *p = c + r * c_row + v * TILE_LANES;
      tile_vector before;
      if (mask) sum[r][v] = flushed(counted(sum[r][v], mask, mask->bit + r * mask->row + v * TILE_LANES));
      if (task->add) {
        __builtin_memcpy(&before, p, sizeof before);
        sum[r][v] = flushed(flushed(before) + sum[r][v]);
      }
      __builtin_memcpy(p, &sum[r][v], sizeof(tile_vector));
    }
  }
}

#define PAIR_TILE(rows)                                                                       \
  static __attribute__((noinline)) void pair_tile_##rows(const pair_task *task, int vectors) {\
    if (vectors == TILE_VECTORS) pair_tile(task, rows, TILE_VECTORS);                         \
    else if (TILE_VECTORS > 2 && vectors == 2) pair_tile(task, rows, 2);                      \
    else pair_tile(task, rows, 1);                                                            \
  }
PAIR_TILE(1)
PAIR_TILE(2)
PAIR_TILE(3)
PAIR_TILE(4)
#if LEVEL >= 2
PAIR_TILE(5)
PAIR_TILE(6)
PAIR_TILE(7)
PAIR_TILE(8)
#endif

typedef void (*pair_tile_function)(const pair_task *, int);
static const pair_tile_function pair_tiles[] = {
    pair_tile_1, pair_tile_2, pair_tile_3, pair_tile_4,
#if LEVEL >= 2
    pair_tile_5, pair_tile_6, pair_tile_7, pair_tile_8,
#endif
};

// ---- The product -----------------------------------------------------------------------------------------------------------

// Up to TILE_ROWS rows times a panel, by tiles.
INLINE void rows_times_panel(pair_task task, ptrdiff_t rows, ptrdiff_t columns) {
  const pair_task whole = task;
  tile_mask mask = {0};
  if (whole.mask) mask = *whole.mask, task.mask = &mask;
  for (ptrdiff_t n = 0; n < columns; n += TILE_COLUMNS) {
    const ptrdiff_t width = least(columns - n, TILE_COLUMNS);
    const int vectors = (int)((width + TILE_LANES - 1) / TILE_LANES);
    float *c = whole.c + n;
    task.b = whole.b + n;
    if (whole.mask) mask.bit = whole.mask->bit + n;
    if (width == vectors * TILE_LANES) {
      task.c = c;
      pair_tiles[rows - 1](&task, vectors);
      continue;
    }
    // The last vector reaches beyond the columns, so it goes through a buffer.
    float buffer[TILE_ROWS * TILE_COLUMNS];
    pair_task part = task;
    part.c = buffer, part.c_row = TILE_COLUMNS, part.add = 0;
    pair_tiles[rows - 1](&part, vectors);
    for (ptrdiff_t r = 0; r < rows; r++)
      for (ptrdiff_t i = 0; i < width; i++) {
        float *p = c + r * whole.c_row + i;
        *p = whole.add ? *p + buffer[r * TILE_COLUMNS + i] : buffer[r * TILE_COLUMNS + i];
      }
  }
}

static void fast_gemm_sum_level(const kernel_target *to, const kernel_term *terms, ptrdiff_t count, void *workspace) {
  uint32_t *panels = workspace;
  const ptrdiff_t M = to->M, last_column = to->last_column;
  clear_empty_sum(to, terms, count);
  const int most = most_pieces(terms, count, KERNEL_FAST_K_BLOCK);
  gemm_piece pieces[GEMM_PIECES];
  gemm_place at = {0, 0, to->accumulate};
  for (int found; (found = next_pieces(pieces, &at, terms, count, most, KERNEL_FAST_K_BLOCK, sizeof(uint16_t))) > 0;) {
    for (ptrdiff_t n = to->first_column; n < last_column; n += PANEL) {
      const ptrdiff_t columns = least(last_column - n, PANEL);
      for (int i = 0; i < found; i++) {
        const gemm_piece *piece = &pieces[i];
        pack_pairs(panels + piece->panel, &piece->term->b, piece->term->b_transposed, n, columns, piece->first,
                   piece->first + piece->depth);
      }
      const uint32_t before = denormals_off();  // not while packing, where float16 conversion may pass through denormals
      for (ptrdiff_t m = 0; m < M; m += TILE_ROWS) {
        const ptrdiff_t rows = least(M - m, TILE_ROWS);
        for (int i = 0; i < found; i++) {
          const gemm_piece *piece = &pieces[i];
          const kernel_term *term = piece->term;
          const uint32_t *row[TILE_ROWS];
          for (ptrdiff_t r = 0; r < rows; r++)
            row[r] = (const uint32_t *)(const void *)((const uint16_t *)term->a + (m + r) * term->a_row + piece->first);
          const tile_mask mask = {term->mask, term->mask_row, m * term->mask_row + n, term->scale};
          const pair_task task = {to->c + m * to->c_row + n, to->c_row, row, panels + piece->panel,
                                  (piece->depth + 1) / 2, piece->add, term->mask ? &mask : 0};
          rows_times_panel(task, rows, columns);
        }
      }
      denormals_back(before);
    }
  }
}

// ---- Products over rows: u^T y ---------------------------------------------------------------------------------------------

// Each vector of y's rows is used for as many rows of c as a level has registers for, directly from where it is stored: packing it would
// read it as often again. Rows of y are prefetched: they are too far apart for the processor to predict.
enum { CROSS_ROWS = LEVEL >= 2 ? 16 : 8, CROSS_AHEAD = 32 };

// One vector of columns of c: its first `rows` rows gain the sums over y's rows first .. last - 1. y points to row `first`.
INLINE void cross_tile(float *c, ptrdiff_t c_row, const uint32_t *u, ptrdiff_t u_row, const uint16_t *y, ptrdiff_t y_row,
                       ptrdiff_t count, const int rows) {
  typedef uint16_t half_vector __attribute__((vector_size(sizeof(pair_vector) / 2)));
  tile_vector sum[CROSS_ROWS];
  UNROLL for (int r = 0; r < rows; r++) sum[r] = (tile_vector){0};
  for (ptrdiff_t t = 0; t < count; t += 2, u += u_row, y += 2 * y_row) {
    half_vector even, odd = {0};
    __builtin_memcpy(&even, y, sizeof even);
    if (t + 1 < count) __builtin_memcpy(&odd, y + y_row, sizeof odd);
    __builtin_prefetch(y + CROSS_AHEAD * y_row);
    __builtin_prefetch(y + (CROSS_AHEAD + 1) * y_row);
    const pair_vector column = __builtin_convertvector(even, pair_vector) | __builtin_convertvector(odd, pair_vector) << 16;
    UNROLL for (int r = 0; r < rows; r++) sum[r] = dot_pairs(sum[r], (pair_vector){0} + u[r], column);
  }
  UNROLL for (int r = 0; r < rows; r++) {
    tile_vector before;
    __builtin_memcpy(&before, c + r * c_row, sizeof before);
    sum[r] = flushed(flushed(before) + sum[r]);
    __builtin_memcpy(c + r * c_row, &sum[r], sizeof sum[r]);
  }
}

// The rows of c in strips, the widest first.
INLINE void cross_tiles(float *c, ptrdiff_t c_row, const uint32_t *u, ptrdiff_t rank, const uint16_t *y, ptrdiff_t y_row,
                        ptrdiff_t count) {
  ptrdiff_t r = 0;
  for (; r + CROSS_ROWS <= rank; r += CROSS_ROWS) cross_tile(c + r * c_row, c_row, u + r, rank, y, y_row, count, CROSS_ROWS);
  for (; r + 4 <= rank; r += 4) cross_tile(c + r * c_row, c_row, u + r, rank, y, y_row, count, 4);
  for (; r < rank; r++) cross_tile(c + r * c_row, c_row, u + r, rank, y, y_row, count, 1);
}

static void fast_cross_level(const kernel_target *to, const uint32_t *u, const uint16_t *y, ptrdiff_t y_row,
                             ptrdiff_t T) {
  float *c = to->c;
  const ptrdiff_t c_row = to->c_row, rank = to->M, last_column = to->last_column;
  const uint32_t before = denormals_off();
  for (ptrdiff_t block = 0; block < T; block += KERNEL_FAST_K_BLOCK) {
    const ptrdiff_t count = least(T - block, KERNEL_FAST_K_BLOCK);
    const uint32_t *pairs = u + block / 2 * rank;
    const uint16_t *rows = y + block * y_row;
    ptrdiff_t n = to->first_column;
    for (; n + TILE_LANES <= last_column; n += TILE_LANES)
      cross_tiles(c + n, c_row, pairs, rank, rows + n, y_row, count);
    // The last vector reaches beyond the columns, so it goes column by column through a buffer.
    for (; n < last_column; n++) {
      for (ptrdiff_t r = 0; r < rank; r++) {
        tile_vector sum = {0};
        for (ptrdiff_t t = 0; t < count; t += 2) {
          const uint32_t both = rows[t * y_row + n] | (uint32_t)(t + 1 < count ? rows[(t + 1) * y_row + n] : 0) << 16;
          sum = dot_pairs(sum, (pair_vector){0} + pairs[t / 2 * rank + r], (pair_vector){0} + both);
        }
        const tile_vector old = (tile_vector){0} + c[r * c_row + n];
        c[r * c_row + n] = flushed(flushed(old) + sum)[0];
      }
    }
  }
  denormals_back(before);
}

#endif
