// Stored element types to float32: rows of f32, f16, bf16 and the quantised blocks of 32.
#ifndef MEDROUNDS_BLOCKS_H
#define MEDROUNDS_BLOCKS_H

enum { BLOCK = 32 };

INLINE ptrdiff_t block_bytes(int32_t type) {
  return type == KERNEL_Q4_0 ? 18 : type == KERNEL_Q4_1 ? 20 : 34;
}

INLINE uint16_t half_at(const uint8_t *p) {
  uint16_t h;
  __builtin_memcpy(&h, p, sizeof h);
  return h;
}

// Elements first .. first + 15 of a stored row; of a quantised one, first is a multiple of 16.
// q4_0: d (q - 8); q4_1: d q, rounded, + m; q8_0: d q.
INLINE f32x16 unpack_lanes(int32_t type, const uint8_t *row, ptrdiff_t first) {
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
  const uint8_t *p = row + first / BLOCK * block_bytes(type);
  const f32x16 d = splat_f16(half_at(p));
  const ptrdiff_t upper = first % BLOCK / LANES;
  if (type == KERNEL_Q8_0) {
    i8x16 q;
    __builtin_memcpy(&q, p + 2 + upper * LANES, sizeof q);
    return d * __builtin_convertvector(__builtin_convertvector(q, i32x16), f32x16);
  }
  u8x16 q;
  __builtin_memcpy(&q, p + (type == KERNEL_Q4_1 ? 4 : 2), sizeof q);
  const i32x16 nibbles = (__builtin_convertvector(q, i32x16) >> (int32_t)(upper * 4)) & 15;
  if (type == KERNEL_Q4_0) return d * __builtin_convertvector(nibbles - 8, f32x16);
  return d * __builtin_convertvector(nibbles, f32x16) + splat_f16(half_at(p + 2));
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
    } else {  // floats end where the row ends
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
  switch (matrix->type) {
    case KERNEL_F32: unpack_elements(out, KERNEL_F32, p, 0, matrix->columns); break;
    case KERNEL_F16: unpack_elements(out, KERNEL_F16, p, 0, matrix->columns); break;
    case KERNEL_BF16: unpack_elements(out, KERNEL_BF16, p, 0, matrix->columns); break;
    case KERNEL_Q4_0: unpack_elements(out, KERNEL_Q4_0, p, 0, matrix->columns); break;
    case KERNEL_Q4_1: unpack_elements(out, KERNEL_Q4_1, p, 0, matrix->columns); break;
    default: unpack_elements(out, KERNEL_Q8_0, p, 0, matrix->columns); break;
  }
}

#endif
