// Products of few rows with grouped weights: sixteen stored rows side by side, still in their stored form, so that k runs
// in order, every lane is one output and nothing is transposed on the way. The bits are GEMM's.
//
// A group holds sixteen rows, those beyond the last all zero. Within a group, by type:
//   f32, f16, bf16   [k][16] elements
//   q4_0, q4_1       per block of 32 k: 16 f16 d, (q4_1: 16 f16 m,) [4][16] words; nibble j of word w holds k = 8 w + j
//   q8_0             per block of 32 k: 16 f16 d, [8][16] words; byte j of word w holds k = 4 w + j
#ifndef MEDROUNDS_GROUPED_H
#define MEDROUNDS_GROUPED_H

// Weights go straight from their stored form into the chains of a strip of rows: how many rows a strip may have, how many
// strips before floats in a panel are cheaper, and how many groups a strip takes at a time.
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

INLINE ptrdiff_t grouped_head_bytes(int32_t type) { return type == KERNEL_Q4_1 ? 64 : type >= KERNEL_Q4_0 ? 32 : 0; }

// Bytes of a block of 32 k, of quantised types, or of 32 k's of floats.
INLINE ptrdiff_t grouped_block_bytes(int32_t type) {
  switch (type) {
    case KERNEL_F32: return BLOCK * LANES * 4;
    case KERNEL_F16: case KERNEL_BF16: return BLOCK * LANES * 2;
    case KERNEL_Q8_0: return 32 + 8 * LANES * 4;
    default: return grouped_head_bytes(type) + 4 * LANES * 4;
  }
}

INLINE ptrdiff_t grouped_group_bytes(int32_t type, ptrdiff_t columns) {
  return (columns + BLOCK - 1) / BLOCK * grouped_block_bytes(type);
}

static void group_rows_level(void *out, const kernel_matrix *b, ptrdiff_t first_row, ptrdiff_t last_row) {
  const int32_t type = b->type;
  const ptrdiff_t blocks = (b->columns + BLOCK - 1) / BLOCK, bytes = grouped_block_bytes(type);
  for (ptrdiff_t row = first_row; row < last_row; row++) {
    const uint8_t *from = (const uint8_t *)b->data + row * b->row_bytes;
    uint8_t *to = (uint8_t *)out + row / LANES * blocks * bytes;
    const ptrdiff_t lane = row % LANES;
    if (type < KERNEL_Q4_0) {
      const ptrdiff_t size = type == KERNEL_F32 ? 4 : 2;
      for (ptrdiff_t k = 0; k < b->columns; k++)
        __builtin_memcpy(to + (k * LANES + lane) * size, from + k * size, (size_t)size);
      continue;
    }
    for (ptrdiff_t block = 0; block < blocks; block++, from += block_bytes(type), to += bytes) {
      const uint8_t *q = from + (type == KERNEL_Q4_1 ? 4 : 2);
      uint8_t *words = to + grouped_head_bytes(type) + lane * 4;
      __builtin_memcpy(to + lane * 2, from, 2);
      if (type == KERNEL_Q4_1) __builtin_memcpy(to + 32 + lane * 2, from + 2, 2);
      if (type == KERNEL_Q8_0) {
        for (int word = 0; word < 8; word++) __builtin_memcpy(words + word * 64, q + word * 4, 4);
        continue;
      }
      for (int word = 0; word < 4; word++) {
        uint64_t x;
        __builtin_memcpy(&x, q + word % 2 * 8, sizeof x);
        x = (word < 2 ? x : x >> 4) & 0x0f0f0f0f0f0f0f0f;  // eight bytes of a nibble each, to eight nibbles
        x = (x | x >> 4) & 0x00ff00ff00ff00ff;
        x = (x | x >> 8) & 0x0000ffff0000ffff;
        const uint32_t nibbles = (uint32_t)(x | x >> 16);
        __builtin_memcpy(words + word * 64, &nibbles, sizeof nibbles);
      }
    }
  }
}

// What the lanes of one block share: scale, scale times minus the number that makes an integer a float, and offset.
typedef struct { f32x16 d, shift, m; } grouped_scales;

INLINE grouped_scales scales_at(int32_t type, const uint8_t *p) {
  grouped_scales s = {splat(0), splat(0), splat(0)};
  if (type < KERNEL_Q4_0) return s;
  u16x16 halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  s.d = from_f16(halves);
  s.shift = s.d * splat(type == KERNEL_Q4_1 ? -0x1p23f : -0x1.8p23f);
  if (type == KERNEL_Q4_1) {
    __builtin_memcpy(&halves, p + 32, sizeof halves);
    s.m = from_f16(halves);
  }
  return s;
}

// How many k's of a block are unrolled: those that share a word.
#define GROUPED_STEP(type) ((type) == KERNEL_Q8_0 ? 4 : 8)
#define NO_UNROLL _Pragma("clang loop unroll(disable)")

// The sixteen weights of one k of a block. An integer n < 2^22 with the exponent of 2^23 put over it is the float
// 2^23 + n; d times that minus d 2^23, by one fused multiply-add, is d n with one rounding: what d * (float)n gives. (Only
// the sign of a zero may differ, which a chain that begins at +0 cannot tell.)
INLINE f32x16 grouped_weights(int32_t type, const uint8_t *p, ptrdiff_t first, int i, const grouped_scales *s) {
  if (type == KERNEL_F32) return load((const float *)(const void *)p + (first + i) * LANES);
  if (type < KERNEL_Q4_0) {
    u16x16 half;
    __builtin_memcpy(&half, p + (first + i) * LANES * 2, sizeof half);
    return type == KERNEL_F16 ? from_f16(half) : from_bf16(half);
  }
  u32x16 words;
  __builtin_memcpy(&words, p + grouped_head_bytes(type) + first / GROUPED_STEP(type) * 64, sizeof words);
  if (type == KERNEL_Q8_0) {
    // The byte is signed: 2^23 + 2^22 + q has q added to its bits.
    i32x16 q = (i32x16)(words << (uint32_t)(24 - i * 8)) >> 24;
    return fused(from_bits(q + 0x4b400000), s->d, s->shift);
  }
  const f32x16 q = (f32x16)(((words >> (uint32_t)(i * 4)) & 15) | 0x4b000000);
  if (type == KERNEL_Q4_1) return fused(q, s->d, s->shift) + s->m;
  // d (2^23 + 8) needs more bits than a float has, so here the eight goes first: both steps but the last are exact.
  return (q - splat(0x1.00001p23f)) * s->d;
}

// One block of k of a strip: chains over k in registers, then into c.
INLINE void fused_block(const int32_t type, const int rows, const int groups, float *c, ptrdiff_t c_row,
                        ptrdiff_t columns, int add, const float *a, ptrdiff_t a_row, const uint8_t *p, ptrdiff_t group_bytes,
                        ptrdiff_t depth) {
  f32x16 sum[FUSED_ROWS][MOST_GROUPS];
  const uint8_t *at[MOST_GROUPS];
  UNROLL for (int r = 0; r < rows; r++) UNROLL for (int g = 0; g < groups; g++) sum[r][g] = splat(0);
  // Groups beyond the last column repeat the last one.
  UNROLL for (int g = 0; g < groups; g++) at[g] = p + (g * LANES < columns ? g : (columns - 1) / LANES) * group_bytes;
  for (; depth >= BLOCK; depth -= BLOCK, a += BLOCK) {
    grouped_scales s[MOST_GROUPS];
    UNROLL for (int g = 0; g < groups; g++) s[g] = scales_at(type, at[g]);
    NO_UNROLL for (int first = 0; first < BLOCK; first += GROUPED_STEP(type)) {
      // What the next groups hold at this place is asked for, a line a group and word.
      if (type >= KERNEL_Q4_0)
        UNROLL for (int g = 0; g < groups; g++)
          __builtin_prefetch(at[g] + groups * group_bytes + first / GROUPED_STEP(type) * 80, 0, 2);
      UNROLL for (int i = 0; i < GROUPED_STEP(type); i++) {
        f32x16 w[MOST_GROUPS];
        UNROLL for (int g = 0; g < groups; g++) w[g] = grouped_weights(type, at[g], first, i, &s[g]);
        UNROLL for (int r = 0; r < rows; r++) {
          const f32x16 x = splat(a[r * a_row + first + i]);
          UNROLL for (int g = 0; g < groups; g++) sum[r][g] = fused(x, w[g], sum[r][g]);
        }
      }
    }
    UNROLL for (int g = 0; g < groups; g++) at[g] += grouped_block_bytes(type);
  }
  const int step = GROUPED_STEP(type);
  for (int k = 0; k < depth; k++) {
    UNROLL for (int g = 0; g < groups; g++) {
      const grouped_scales s = scales_at(type, at[g]);
      const f32x16 w = grouped_weights(type, at[g], k / step * step, k % step, &s);
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

typedef void (*fused_function)(float *c, ptrdiff_t c_row, ptrdiff_t columns, int add, const float *a, ptrdiff_t a_row,
                               const uint8_t *p, ptrdiff_t group_bytes, ptrdiff_t depth);
#define FUSED(type, rows)                                                                                              \
  static __attribute__((noinline)) void fused_##type##_##rows(float *c, ptrdiff_t c_row, ptrdiff_t columns, int add,   \
                                                              const float *a, ptrdiff_t a_row, const uint8_t *p,       \
                                                              ptrdiff_t group_bytes, ptrdiff_t depth) {                \
    fused_block(KERNEL_##type, rows, FUSED_GROUPS(rows), c, c_row, columns, add, a, a_row, p, group_bytes, depth);     \
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
static const fused_function fused_functions[6][FUSED_ROWS] = {
    [KERNEL_F32] = FUSED_LIST(F32),   [KERNEL_F16] = FUSED_LIST(F16),   [KERNEL_BF16] = FUSED_LIST(BF16),
    [KERNEL_Q4_0] = FUSED_LIST(Q4_0), [KERNEL_Q4_1] = FUSED_LIST(Q4_1), [KERNEL_Q8_0] = FUSED_LIST(Q8_0),
};

// One group's k of a block of KERNEL_K_BLOCK as floats into a panel [depth][PANEL].
INLINE void unpack_group(float *out, int32_t type, const uint8_t *p, ptrdiff_t ahead, ptrdiff_t depth) {
  const int step = GROUPED_STEP(type);
  for (; depth > 0; depth -= BLOCK, p += grouped_block_bytes(type), out += BLOCK * PANEL) {
    const grouped_scales s = scales_at(type, p);
    if (depth >= BLOCK) {
      NO_UNROLL for (int first = 0; first < BLOCK; first += step) {
        if (type >= KERNEL_Q4_0) __builtin_prefetch(p + ahead + first / step * 80, 0, 2);
        UNROLL for (int i = 0; i < step; i++) store(out + (first + i) * PANEL, grouped_weights(type, p, first, i, &s));
      }
    } else {
      for (int k = 0; k < depth; k++) store(out + k * PANEL, grouped_weights(type, p, k / step * step, k % step, &s));
    }
  }
}

static __attribute__((noinline)) void unpack_groups(float *panel, int32_t type, const uint8_t *p,
                                                    ptrdiff_t group_bytes, ptrdiff_t columns, ptrdiff_t depth) {
#define UNPACK(type) unpack_group(panel + n, type, p + n / LANES * group_bytes, PANEL / LANES * group_bytes, depth)
  for (ptrdiff_t n = 0; n < columns; n += LANES) EVERY_TYPE(type, UNPACK)
#undef UNPACK
}

// Up to so many rows, panels are unpacked in pieces that stay in the first cache, and the chains of a block of k go
// through a buffer from piece to piece.
enum { PIECE_ROWS = 64, PIECE_DEPTH = 64 };

static __attribute__((noinline)) void piecewise_block(float *c, ptrdiff_t c_row, ptrdiff_t columns, int add,
                                                      const float *a, ptrdiff_t a_row, ptrdiff_t M, int32_t type,
                                                      const uint8_t *p, ptrdiff_t group_bytes, ptrdiff_t depth,
                                                      float *panel) {
  float *sums = panel + PIECE_DEPTH * PANEL;
  const ptrdiff_t padded = (columns + LANES - 1) / LANES * LANES;
  for (ptrdiff_t k = 0; k < depth; k += PIECE_DEPTH, p += PIECE_DEPTH / BLOCK * grouped_block_bytes(type)) {
    const ptrdiff_t piece = least(depth - k, PIECE_DEPTH);
    unpack_groups(panel, type, p, group_bytes, columns, piece);
    for (ptrdiff_t m = 0; m < M; m += STRIP) {
      tile_task task = {a + m * a_row + k, a_row, 1, panel, PANEL, piece, sums + m * PANEL, PANEL,
                        k == 0 ? TILE_BEGIN : TILE_CONTINUE};
      strip_times_panel(task, least(M - m, STRIP), padded);
    }
  }
  for (ptrdiff_t m = 0; m < M; m++) {
    for (ptrdiff_t n = 0; n < columns; n += LANES) {
      float *out = c + m * c_row + n;
      const f32x16 sum = load(sums + m * PANEL + n);
      store_some(out, columns - n, add ? load_some(out, columns - n, 0) + sum : sum);
    }
  }
}

static void grouped_product_level(float *c, ptrdiff_t c_row, int32_t accumulate, const float *a, ptrdiff_t a_row,
                                  const kernel_grouped *b, ptrdiff_t M, ptrdiff_t first_column, ptrdiff_t last_column,
                                  void *workspace) {
  const ptrdiff_t K = b->columns, group_bytes = grouped_group_bytes(b->type, K);
  // Rows in equal strips, as few as may be; the more rows, the more a panel of floats is worth making.
  const ptrdiff_t strips = M <= FUSED_STRIPS * FUSED_ROWS ? (M + FUSED_ROWS - 1) / FUSED_ROWS : 0;
  const ptrdiff_t height = strips ? (M + strips - 1) / strips : 0;
  const ptrdiff_t step = strips ? FUSED_GROUPS(height) * LANES : PANEL;
  for (ptrdiff_t n = first_column; n < last_column; n += step) {
    const ptrdiff_t columns = least(last_column - n, step);
    const uint8_t *p = (const uint8_t *)b->data + n / LANES * group_bytes;
    const ptrdiff_t block_bytes = KERNEL_K_BLOCK / BLOCK * grouped_block_bytes(b->type);
    for (ptrdiff_t block = 0; block < K; block += KERNEL_K_BLOCK, p += block_bytes) {
      const ptrdiff_t depth = least(K - block, KERNEL_K_BLOCK);
      const int add = block > 0 || accumulate;
      for (ptrdiff_t m = 0; strips && m < M; m += height) {
        const ptrdiff_t rows = least(M - m, height);
        fused_functions[b->type][rows - 1](c + m * c_row + n, c_row, columns, add, a + m * a_row + block, a_row, p,
                                           group_bytes, depth);
      }
      if (strips) continue;
      if (M <= PIECE_ROWS) {
        piecewise_block(c + n, c_row, columns, add, a + block, a_row, M, b->type, p, group_bytes, depth, workspace);
        continue;
      }
      unpack_groups(workspace, b->type, p, group_bytes, columns, depth);
      for (ptrdiff_t m = 0; m < M; m += STRIP) {
        tile_task task = {a + m * a_row + block, a_row, 1, workspace, PANEL, depth, c + m * c_row + n, c_row,
                          add ? TILE_ADD : TILE_REPLACE};
        strip_times_panel(task, least(M - m, STRIP), columns);
      }
    }
  }
}

#endif
