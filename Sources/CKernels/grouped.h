// Products of few rows with grouped weights in the layout of grouped_layout.h: k runs in order, every lane is one output, and nothing is
// transposed. The bits are those of GEMM.
#ifndef MEDROUNDS_GROUPED_H
#define MEDROUNDS_GROUPED_H

#include "blocks.h"
#include "grouped_layout.h"
#include "lanes.h"
#include "tile.h"

// Weights go directly from their stored form into the chains of a strip of rows. The constants: how many rows a strip may have, up to how
// many strips this is cheaper than a panel of floats, and how many groups a strip takes at a time.
#if LEVEL >= 2
enum { FUSED_ROWS = 6, FUSED_STRIPS = 6 };
#define FUSED_GROUPS(rows) ((rows) == 1 ? 4 : 2)
#elif LEVEL == 1
enum { FUSED_ROWS = 4, FUSED_STRIPS = 2 };
#define FUSED_GROUPS(rows) 1
#else
enum { FUSED_ROWS = 2, FUSED_STRIPS = 2 };
#define FUSED_GROUPS(rows) 1
#endif
enum { MOST_GROUPS = 4 };

// What the lanes of one part share: the scale, minus the scale times the offset of a weight's integer, and the minimum.
typedef struct {
  f32x16 d, shift, m;
} grouped_scales;

INLINE f32x16 halves_at(const uint8_t *p) {
  u16x16 halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  return from_f16(halves);
}

// Scales of the part of a group that holds k.
INLINE grouped_scales scales_at(int32_t type, const uint8_t *group, ptrdiff_t k) {
  grouped_scales s = {splat(0), splat(0), splat(0)};
  if (type < KERNEL_Q4_0) return s;
  const uint8_t *unit = group + grouped_unit_at(type, k), *part = group + grouped_part_at(type, k);
  if (type >= KERNEL_NF4) {
    s.d = load((const float *)(const void *)part);
    return s;
  }
  if (type == KERNEL_Q4_K || type == KERNEL_Q5_K) {
    s.d = halves_at(unit) * __builtin_convertvector(wide_bytes(part), f32x16);
    s.m = -(halves_at(unit + 32) * __builtin_convertvector(wide_bytes(part + LANES), f32x16));
  } else if (type == KERNEL_Q6_K) {
    i8x16 scales;
    __builtin_memcpy(&scales, part, sizeof scales);
    s.d = halves_at(unit) * __builtin_convertvector(__builtin_convertvector(scales, i32x16), f32x16);
  } else {
    s.d = halves_at(part);
    if (has_minimum(type)) s.m = halves_at(part + 32);
  }
  s.shift = s.d * splat(-(has_minimum(type) ? 1.0f : 1.5f) * (float)(1 << grouped_layout_of(type).bits));
  return s;
}

// How many k's of a part are unrolled: those that share a word.
#define GROUPED_STEP(type) ((type) == KERNEL_Q8_0 ? 4 : 8)
#define NO_UNROLL _Pragma("clang loop unroll(disable)")

// The sixteen weights of k = first + i of a part. An integer n of b bits at the top of a float's fraction, under the exponent of 2^b, is
// the float 2^b + n. That times d, minus d (2^b + z), by one fused multiply-add, is d (n - z) with one rounding: the same as d * (float)(n
// - z), since d has so few bits that d (2^b + z) is exact. (Only the sign of a zero may differ, which does not matter to a chain that
// begins at +0.)
INLINE f32x16 grouped_weights(int32_t type, const uint8_t *part, ptrdiff_t first, int i, const grouped_scales *s) {
  if (type == KERNEL_F32) return load((const float *)(const void *)part + (first + i) * LANES);
  if (type < KERNEL_Q4_0) {
    u16x16 half;
    __builtin_memcpy(&half, part + (first + i) * LANES * 2, sizeof half);
    return type == KERNEL_F16 ? from_f16(half) : from_bf16(half);
  }
  const grouped_layout layout = grouped_layout_of(type);
  const int bits = (int)layout.bits;
  u32x16 q;
  __builtin_memcpy(&q, part + layout.head + first / GROUPED_STEP(type) * 64, sizeof q);
  if (type >= KERNEL_NF4) return s->d * looked_up(nf4_codes, q >> (uint32_t)(i * 4));
  int at = type == KERNEL_Q8_0 ? i * 8 : i * 4;
  if (bits == 5 || bits == 6) {  // four k's at once, a byte each
    u32x16 plane;
    __builtin_memcpy(&plane, part + layout.head + layout.part / 8 * 64, sizeof plane);
    const uint32_t place = (uint32_t)((first / 4 + i % 2) * (bits - 4));
    q = (q >> (uint32_t)(i % 2 * 4) & 0x0f0f0f0f) | (plane >> place << 4 & 0xf0f0f0f0);
    at = i / 2 * 8;
  }
  const int up = 23 - bits - at;
  q = up >= 0 ? q << (uint32_t)up : q >> (uint32_t)-up;
  const f32x16 x = (f32x16)((q & ((1u << bits) - 1) << (23 - bits)) | (uint32_t)(127 + bits) << 23);
  const f32x16 w = fused(x, s->d, s->shift);
  return has_minimum(type) ? w + s->m : w;
}

// Prefetches what the part after `ahead` bytes holds from k = first on, as far as one step reaches.
INLINE void ask_for_step(int32_t type, const uint8_t *part, ptrdiff_t ahead, ptrdiff_t first) {
  if (type < KERNEL_Q4_0) return;
  const ptrdiff_t step = GROUPED_STEP(type), bytes = grouped_part_bytes(type) * step / grouped_layout_of(type).part;
  UNROLL for (ptrdiff_t i = 0; i < bytes; i += 64) __builtin_prefetch(part + ahead + first / step * bytes + i, 0, 2);
}

// k first .. last - 1 of some rows of a times the groups from p on, into `columns` columns of c: added to them, or in place of them.
typedef struct {
  float *c;
  ptrdiff_t c_row, columns;
  int add;
  const float *a;
  ptrdiff_t a_row;
  const uint8_t *p;
  ptrdiff_t group_bytes, first, last;
} grouped_task;

// A strip: chains over k in registers, which are then written to c.
INLINE void fused_block(const int32_t type, const int rows, const int groups, const grouped_task *task) {
  float *c = task->c;
  const float *a = task->a;
  const uint8_t *p = task->p;
  const ptrdiff_t c_row = task->c_row, a_row = task->a_row, columns = task->columns, group_bytes = task->group_bytes;
  const ptrdiff_t last = task->last;
  const int add = task->add;
  const int part = (int)grouped_layout_of(type).part, step = GROUPED_STEP(type);
  f32x16 sum[FUSED_ROWS][MOST_GROUPS];
  const uint8_t *group[MOST_GROUPS];
  UNROLL for (int r = 0; r < rows; r++) UNROLL for (int g = 0; g < groups; g++) sum[r][g] = splat(0);
  // Groups after the last column repeat the last one.
  UNROLL for (int g = 0; g < groups; g++) group[g] = p + (g * LANES < columns ? g : (columns - 1) / LANES) * group_bytes;
  ptrdiff_t k = task->first;
  for (; k + part <= last; k += part) {
    grouped_scales s[MOST_GROUPS];
    const uint8_t *at[MOST_GROUPS];
    UNROLL for (int g = 0; g < groups; g++) {
      s[g] = scales_at(type, group[g], k);
      at[g] = group[g] + grouped_part_at(type, k);
    }
    NO_UNROLL for (int begin = 0; begin < part; begin += step) {
      UNROLL for (int g = 0; g < groups; g++) ask_for_step(type, at[g], groups * group_bytes, begin);
      UNROLL for (int i = 0; i < step; i++) {
        f32x16 w[MOST_GROUPS];
        UNROLL for (int g = 0; g < groups; g++) w[g] = grouped_weights(type, at[g], begin, i, &s[g]);
        UNROLL for (int r = 0; r < rows; r++) {
          const f32x16 x = splat(a[r * a_row + k + begin + i]);
          UNROLL for (int g = 0; g < groups; g++) sum[r][g] = fused(x, w[g], sum[r][g]);
        }
      }
    }
  }
  for (; k < last; k++) {
    const int i = (int)(k % part);
    UNROLL for (int g = 0; g < groups; g++) {
      const grouped_scales s = scales_at(type, group[g], k);
      const f32x16 w = grouped_weights(type, group[g] + grouped_part_at(type, k), i / step * step, i % step, &s);
      UNROLL for (int r = 0; r < rows; r++) sum[r][g] = fused(splat(a[r * a_row + k]), w, sum[r][g]);
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int g = 0; g < groups; g++) {
      const ptrdiff_t left = columns - g * LANES;
      float *out = c + r * c_row + g * LANES;
      if (left <= 0) continue;
      store_some(out, left, add ? load_some(out, left, 0) + sum[r][g] : sum[r][g]);
    }
  }
}

typedef void (*fused_function)(const grouped_task *);
#define FUSED(type, rows)                                                                 \
  static __attribute__((noinline)) void fused_##type##_##rows(const grouped_task *task) { \
    fused_block(KERNEL_##type, rows, FUSED_GROUPS(rows), task);                           \
  }
#if LEVEL >= 2
#define FUSED_TYPE(type) \
  FUSED(type, 1) FUSED(type, 2) FUSED(type, 3) FUSED(type, 4) FUSED(type, 5) FUSED(type, 6)
#define FUSED_LIST(type)                                                                                \
  {fused_##type##_1, fused_##type##_2, fused_##type##_3, fused_##type##_4, fused_##type##_5, fused_##type##_6}
#elif LEVEL == 1
#define FUSED_TYPE(type) FUSED(type, 1) FUSED(type, 2) FUSED(type, 3) FUSED(type, 4)
#define FUSED_LIST(type) {fused_##type##_1, fused_##type##_2, fused_##type##_3, fused_##type##_4}
#else
#define FUSED_TYPE(type) FUSED(type, 1) FUSED(type, 2)
#define FUSED_LIST(type) {fused_##type##_1, fused_##type##_2}
#endif
FUSED_TYPE(F32)
FUSED_TYPE(F16)
FUSED_TYPE(BF16)
FUSED_TYPE(Q4_0)
FUSED_TYPE(Q4_1)
FUSED_TYPE(Q8_0)
FUSED_TYPE(Q5_0)
FUSED_TYPE(Q5_1)
FUSED_TYPE(Q4_K)
FUSED_TYPE(Q5_K)
FUSED_TYPE(Q6_K)
FUSED_TYPE(NF4)
static const fused_function fused_functions[][FUSED_ROWS] = {
    [KERNEL_F32] = FUSED_LIST(F32),   [KERNEL_F16] = FUSED_LIST(F16),   [KERNEL_BF16] = FUSED_LIST(BF16),
    [KERNEL_Q4_0] = FUSED_LIST(Q4_0), [KERNEL_Q4_1] = FUSED_LIST(Q4_1), [KERNEL_Q8_0] = FUSED_LIST(Q8_0),
    [KERNEL_Q5_0] = FUSED_LIST(Q5_0), [KERNEL_Q5_1] = FUSED_LIST(Q5_1), [KERNEL_Q4_K] = FUSED_LIST(Q4_K),
    [KERNEL_Q5_K] = FUSED_LIST(Q5_K), [KERNEL_Q6_K] = FUSED_LIST(Q6_K), [KERNEL_NF4] = FUSED_LIST(NF4),
    [KERNEL_NF4_DOUBLE] = FUSED_LIST(NF4),
};

// k first .. last - 1 of one group as floats into a panel [last - first][PANEL].
INLINE void unpack_group(float *out, int32_t type, const uint8_t *group, ptrdiff_t ahead, ptrdiff_t first,
                         ptrdiff_t last) {
  const int part = (int)grouped_layout_of(type).part, step = GROUPED_STEP(type);
  for (ptrdiff_t k = first; k < last; k += part, out += part * PANEL) {
    const grouped_scales s = scales_at(type, group, k);
    const uint8_t *at = group + grouped_part_at(type, k);
    if (last - k >= part) {
      NO_UNROLL for (int begin = 0; begin < part; begin += step) {
        ask_for_step(type, at, ahead, begin);
        UNROLL for (int i = 0; i < step; i++)
          store(out + (begin + i) * PANEL, grouped_weights(type, at, begin, i, &s));
      }
    } else {
      for (int i = 0; i < last - k; i++)
        store(out + i * PANEL, grouped_weights(type, at, i / step * step, i % step, &s));
    }
  }
}

static __attribute__((noinline)) void unpack_groups(float *panel, int32_t type, const uint8_t *p,
                                                    ptrdiff_t group_bytes, ptrdiff_t columns, ptrdiff_t first,
                                                    ptrdiff_t last) {
#define UNPACK(type) unpack_group(panel + n, type, p + n / LANES * group_bytes, PANEL / LANES * group_bytes, first, last)
  for (ptrdiff_t n = 0; n < columns; n += LANES) EVERY_TYPE(type, UNPACK)
#undef UNPACK
}

// Up to this many rows, panels are unpacked in pieces that stay in the first cache, and the chains of a block of k go through a buffer from
// piece to piece. A piece consists of whole parts.
enum { PIECE_ROWS = 64, PIECE_DEPTH = 64 };

static __attribute__((noinline)) void piecewise_block(const grouped_task *task, ptrdiff_t M, int32_t type,
                                                      float *panel) {
  const ptrdiff_t columns = task->columns, first = task->first, last = task->last;
  float *sums = panel + PIECE_DEPTH * PANEL;
  const ptrdiff_t padded = (columns + LANES - 1) / LANES * LANES;
  for (ptrdiff_t k = first; k < last; k += PIECE_DEPTH) {
    const ptrdiff_t piece = least(last - k, PIECE_DEPTH);
    unpack_groups(panel, type, task->p, task->group_bytes, columns, k, k + piece);
    for (ptrdiff_t m = 0; m < M; m += STRIP) {
      tile_task strip = {task->a + m * task->a_row + k, task->a_row, 1, panel, PANEL, piece, sums + m * PANEL, PANEL,
                         k == first ? TILE_BEGIN : TILE_CONTINUE};
      strip_times_panel(strip, least(M - m, STRIP), padded);
    }
  }
  for (ptrdiff_t m = 0; m < M; m++) {
    for (ptrdiff_t n = 0; n < columns; n += LANES) {
      float *out = task->c + m * task->c_row + n;
      const f32x16 sum = load(sums + m * PANEL + n);
      store_some(out, columns - n, task->add ? load_some(out, columns - n, 0) + sum : sum);
    }
  }
}

static void grouped_product_level(const kernel_target *to, const float *a, ptrdiff_t a_row, const kernel_grouped *b,
                                  void *workspace) {
  const ptrdiff_t K = b->columns, M = to->M, last_column = to->last_column;
  const ptrdiff_t group_bytes = grouped_group_bytes(b->type, K);
  // The rows in equal strips, as few as possible; the more rows there are, the more a panel of floats pays off.
  const ptrdiff_t strips = M <= FUSED_STRIPS * FUSED_ROWS ? (M + FUSED_ROWS - 1) / FUSED_ROWS : 0;
  const ptrdiff_t height = strips ? (M + strips - 1) / strips : 0;
  const ptrdiff_t step = strips ? FUSED_GROUPS(height) * LANES : PANEL;
  for (ptrdiff_t n = to->first_column; n < last_column; n += step) {
    for (ptrdiff_t first = 0; first < K; first += KERNEL_K_BLOCK) {
      const grouped_task block = {to->c + n, to->c_row, least(last_column - n, step), first > 0 || to->accumulate,
                                  a, a_row, (const uint8_t *)b->data + n / LANES * group_bytes, group_bytes,
                                  first, least(K, first + KERNEL_K_BLOCK)};
      for (ptrdiff_t m = 0; strips && m < M; m += height) {
        grouped_task strip = block;
        strip.c += m * to->c_row, strip.a += m * a_row;
        fused_functions[b->type][least(M - m, height) - 1](&strip);
      }
      if (strips) continue;
      if (M <= PIECE_ROWS) {
        piecewise_block(&block, M, b->type, workspace);
        continue;
      }
      unpack_groups(workspace, b->type, block.p, group_bytes, block.columns, first, block.last);
      for (ptrdiff_t m = 0; m < M; m += STRIP) {
        tile_task task = {a + m * a_row + first, a_row, 1, workspace, PANEL, block.last - first,
                          block.c + m * to->c_row, to->c_row, block.add ? TILE_ADD : TILE_REPLACE};
        strip_times_panel(task, least(M - m, STRIP), block.columns);
      }
    }
  }
}

#endif
