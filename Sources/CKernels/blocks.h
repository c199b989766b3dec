// Stored element types to float32: rows of f32, f16, bf16 and quantised blocks of 32, 64 or 256.
#ifndef MEDROUNDS_BLOCKS_H
#define MEDROUNDS_BLOCKS_H

#include "include/CKernels.h"
#include "lanes.h"
#include "nf4.h"

enum { BLOCK = 32 };

// Plain types are blocks of one element.
INLINE size_t block_bytes(int32_t type) {
  return type == KERNEL_F32    ? 4
         : type < KERNEL_Q4_0  ? 2
         : type == KERNEL_Q4_0 ? 18
         : type == KERNEL_Q4_1 ? 20
         : type == KERNEL_Q5_0 ? 22
         : type == KERNEL_Q5_1 ? 24
         : type == KERNEL_Q4_K ? 144
         : type == KERNEL_Q5_K ? 176
         : type == KERNEL_Q6_K ? 210
         : type == KERNEL_NF4  ? 36
         : type == KERNEL_NF4_DOUBLE ? 33
                               : 34;
}

INLINE size_t block_elements(int32_t type) {
  return type < KERNEL_Q4_0 ? 1 : type < KERNEL_Q4_K ? BLOCK : type >= KERNEL_NF4 ? 64 : 256;
}

// call(type, ...) with the type as a constant.
#define EVERY_TYPE(type, call, ...)                            \
  switch (type) {                                              \
    case KERNEL_F32: call(KERNEL_F32, ##__VA_ARGS__); break;   \
    case KERNEL_F16: call(KERNEL_F16, ##__VA_ARGS__); break;   \
    case KERNEL_BF16: call(KERNEL_BF16, ##__VA_ARGS__); break; \
    case KERNEL_Q4_0: call(KERNEL_Q4_0, ##__VA_ARGS__); break; \
    case KERNEL_Q4_1: call(KERNEL_Q4_1, ##__VA_ARGS__); break; \
    case KERNEL_Q8_0: call(KERNEL_Q8_0, ##__VA_ARGS__); break; \
    case KERNEL_Q5_0: call(KERNEL_Q5_0, ##__VA_ARGS__); break; \
    case KERNEL_Q5_1: call(KERNEL_Q5_1, ##__VA_ARGS__); break; \
    case KERNEL_Q4_K: call(KERNEL_Q4_K, ##__VA_ARGS__); break; \
    case KERNEL_Q5_K: call(KERNEL_Q5_K, ##__VA_ARGS__); break; \
    case KERNEL_Q6_K: call(KERNEL_Q6_K, ##__VA_ARGS__); break; \
    case KERNEL_NF4: call(KERNEL_NF4, ##__VA_ARGS__); break;   \
    default: call(KERNEL_NF4_DOUBLE, ##__VA_ARGS__); break;    \
  }

INLINE uint16_t half_at(const uint8_t *p) {
  uint16_t h;
  __builtin_memcpy(&h, p, sizeof h);
  return h;
}

// QLoRA's codes: quantiles of the normal distribution (Dettmers et al. 2023, appendix E).
static const float nf4_codes[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f,
                                    -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0.0f,
                                    0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f,
                                    0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f,
                                    0.7229568362236023f, 1.0f};

INLINE i32x16 wide_bytes(const uint8_t *p) {
  u8x16 q;
  __builtin_memcpy(&q, p, sizeof q);
  return __builtin_convertvector(q, i32x16);
}

// Bit 0 .. 15 of a word to its lane.
INLINE i32x16 spread_bits(uint32_t word) {
  const i32x16 lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return ((i32x16){} + (int32_t)(word & 0xffff)) >> lane & 1;
}

// The 6-bit scale and minimum of sub-block j of Q4_K and Q5_K.
INLINE void k_scale(const uint8_t *p, ptrdiff_t j, int *scale, int *minimum) {
  if (j < 4) {
    *scale = p[j] & 63;
    *minimum = p[j + 4] & 63;
  } else {
    *scale = (p[j + 4] & 15) | (p[j - 4] >> 6) << 4;
    *minimum = (p[j + 4] >> 4) | (p[j] >> 6) << 4;
  }
}

// A block of 64 codes, the high nibble first. Where absmax is quantised, the product and the sum that give it are rounded.
typedef struct {
  float absmax;
  const uint8_t *codes;
} nf4_block;

// The block that holds element k of a row.
INLINE nf4_block nf4_block_of(int32_t type, const uint8_t *row, size_t k) {
  const size_t block = k / 64;
  if (type == KERNEL_NF4) {
    nf4_block found = {0, row + block * 36 + 4};
    __builtin_memcpy(&found.absmax, found.codes - 4, sizeof found.absmax);
    return found;
  }
  float offset, scale;
  uint16_t before, groups;
  __builtin_memcpy(&offset, row, sizeof offset);
  __builtin_memcpy(&before, row + 4, sizeof before);
  __builtin_memcpy(&groups, row + 6, sizeof groups);
  __builtin_memcpy(&scale, row + 8 + (before + block) / 256 * 4, sizeof scale);
  const uint8_t *p = row + 8 + groups * 4 + block * 33;
  return (nf4_block){nf4_second_code(p[0]) * scale + offset, p + 1};
}

// Whether a weight is the integer times a scale, plus or minus a minimum; in types without a minimum, the middle of the integer's range
// means zero.
INLINE int has_minimum(int32_t type) {
  return type == KERNEL_Q4_1 || type == KERNEL_Q5_1 || type == KERNEL_Q4_K || type == KERNEL_Q5_K;
}

// Elements at .. at + 15 of a quantised block, or of a block of codes, at a multiple of 16, as the unsigned integers of their bits; for
// q8_0, the signed bytes plus 128.
INLINE i32x16 block_integers(int32_t type, const uint8_t *p, size_t at) {
  const size_t upper = at % BLOCK / LANES;
  if (type >= KERNEL_NF4) {
    u8x16 pairs = {0};
    __builtin_memcpy(&pairs, p + at / 2, 8);
    return __builtin_convertvector(__builtin_shufflevector(pairs >> 4, pairs & 15, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
                                                           21, 6, 22, 7, 23),
                                   i32x16);
  }
  if (type == KERNEL_Q4_0 || type == KERNEL_Q4_1)
    return wide_bytes(p + (type == KERNEL_Q4_1 ? 4 : 2)) >> (int32_t)(upper * 4) & 15;
  if (type == KERNEL_Q8_0) return wide_bytes(p + 2 + at) ^ 128;
  if (type == KERNEL_Q5_0 || type == KERNEL_Q5_1) {
    const ptrdiff_t head = type == KERNEL_Q5_0 ? 2 : 4;
    uint32_t high;
    __builtin_memcpy(&high, p + head, sizeof high);
    return (wide_bytes(p + head + 4) >> (int32_t)(upper * 4) & 15) | spread_bits(high >> (upper * LANES)) << 4;
  }
  if (type == KERNEL_Q6_K) {
    const size_t half = at / 128, quarter = at % 128 / BLOCK, l = at % BLOCK;
    const i32x16 low = wide_bytes(p + half * 64 + quarter % 2 * 32 + l) >> (int32_t)(quarter / 2 * 4) & 15;
    return low | (wide_bytes(p + 128 + half * 32 + l) >> (int32_t)(quarter * 2) & 3) << 4;
  }
  const size_t j = at / BLOCK, l = at % BLOCK;
  const i32x16 q = wide_bytes(p + (type == KERNEL_Q5_K ? 48 : 16) + j / 2 * 32 + l) >> (int32_t)(j % 2 * 4) & 15;
  return type == KERNEL_Q5_K ? q | (wide_bytes(p + 16 + l) >> (int32_t)j & 1) << 4 : q;
}

// Elements first .. first + 15 of a stored row; of a quantised one, first is a multiple of 16. With the stored integer q:
// q4_0: d (q - 8); q5_0: d (q - 16); q4_1, q5_1: d q + m; q8_0: d q; q4_k, q5_k: (d s) q - (m t); q6_k: (d s) (q - 32);
// nf4: absmax times its code. Each product and sum is rounded.
INLINE f32x16 unpack_lanes(int32_t type, const uint8_t *row, size_t first) {
  if (type == KERNEL_F32) {
    f32x16 x;
    __builtin_memcpy(&x, row + first * 4, sizeof x);
    return x;
  }
  if (type == KERNEL_F16 || type == KERNEL_BF16) {
    u16x16 half;
    __builtin_memcpy(&half, row + first * 2, sizeof half);
    return type == KERNEL_F16 ? from_f16(half) : from_bf16(half);
  }
  if (type >= KERNEL_NF4) {
    const nf4_block block = nf4_block_of(type, row, first);
    return splat(block.absmax) * looked_up(nf4_codes, (u32x16)block_integers(type, block.codes, first % 64));
  }
  const uint8_t *p = row + first / block_elements(type) * block_bytes(type);
  const size_t at = first % block_elements(type);
  if (type == KERNEL_Q8_0) {
    i8x16 q;
    __builtin_memcpy(&q, p + 2 + at, sizeof q);
    return splat_f16(half_at(p)) * __builtin_convertvector(__builtin_convertvector(q, i32x16), f32x16);
  }
  const i32x16 q = block_integers(type, p, at);
  if (type == KERNEL_Q6_K) {
    const f32x16 d = splat_f16(half_at(p + 208)) * splat((float)(int8_t)p[192 + at / LANES]);
    return d * __builtin_convertvector(q - 32, f32x16);
  }
  const f32x16 d = splat_f16(half_at(p));
  if (type == KERNEL_Q4_0 || type == KERNEL_Q5_0)
    return d * __builtin_convertvector(q - (type == KERNEL_Q4_0 ? 8 : 16), f32x16);
  const f32x16 m = splat_f16(half_at(p + 2)), x = __builtin_convertvector(q, f32x16);
  if (type == KERNEL_Q4_1 || type == KERNEL_Q5_1) return d * x + m;
  int scale, minimum;
  k_scale(p + 4, at / BLOCK, &scale, &minimum);
  return d * splat((float)scale) * x - m * splat((float)minimum);
}

// Elements first .. first + count - 1 of a stored row.
INLINE void unpack_elements(float *out, int32_t type, const uint8_t *row, ptrdiff_t first, ptrdiff_t count) {
  ptrdiff_t i = first;
  const ptrdiff_t end = first + count;
  while (i < end) {
    const ptrdiff_t start = type >= KERNEL_Q4_0 ? i / LANES * LANES : i;
    if (start == i && end - i >= LANES) {
      store(out, unpack_lanes(type, row, i));
      out += LANES;
      i += LANES;
      continue;
    }
    float lanes[LANES];
    if (type >= KERNEL_Q4_0) {
      store(lanes, unpack_lanes(type, row, start));
    } else {  // float rows may end before a whole group of lanes
      uint8_t part[LANES * 4];
      const ptrdiff_t size = type == KERNEL_F32 ? 4 : 2, left = end - i < LANES ? end - i : LANES;
      __builtin_memset(part, 0, sizeof part);
      __builtin_memcpy(part, row + i * size, (size_t)(left * size));
      store(lanes, unpack_lanes(type, part, 0));
    }
    for (ptrdiff_t lane = i - start; lane < LANES && i < end; lane++, i++) *out++ = lanes[lane];
  }
}

static void matrix_row_level(float *out, const kernel_matrix *matrix, ptrdiff_t row) {
  const uint8_t *p = (const uint8_t *)matrix->data + row * matrix->row_bytes;
#define ROW(type) unpack_elements(out, type, p, 0, matrix->columns)
  EVERY_TYPE(matrix->type, ROW)
#undef ROW
}

static void nf4_from_f32_level(uint8_t *out, const float *x, ptrdiff_t blocks) {
  float middles[15];
  for (int i = 0; i < 15; i++) middles[i] = (float)(((double)nf4_codes[i] + (double)nf4_codes[i + 1]) / 2);
  for (ptrdiff_t block = 0; block < blocks; block++, x += 64, out += 36) {
    float absmax = 0;
    for (int i = 0; i < 64; i++) {
      const float size = __builtin_fabsf(x[i]);
      absmax = size > absmax ? size : absmax;
    }
    __builtin_memcpy(out, &absmax, sizeof absmax);
    const float inverse = absmax > 0 ? 1.0f / absmax : 0.0f;
    for (int i = 0; i < 64; i += 2) {
      int high = 0, low = 0;
      for (int j = 0; j < 15; j++) {
        high += x[i] * inverse > middles[j];
        low += x[i + 1] * inverse > middles[j];
      }
      out[4 + i / 2] = (uint8_t)(high << 4 | low);
    }
  }
}

#endif
