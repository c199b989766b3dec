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

// A block of 32 as two groups of lanes. q4_0: d (q - 8); q4_1: d q, rounded, + m; q8_0: d q.
INLINE void unpack_block(int32_t type, const uint8_t *p, f32x16 *low, f32x16 *high) {
  const f32x16 d = splat(scalar_from_f16(half_at(p)));
  if (type == KERNEL_Q8_0) {
    i8x16 a, b;
    __builtin_memcpy(&a, p + 2, sizeof a);
    __builtin_memcpy(&b, p + 18, sizeof b);
    *low = d * __builtin_convertvector(__builtin_convertvector(a, i32x16), f32x16);
    *high = d * __builtin_convertvector(__builtin_convertvector(b, i32x16), f32x16);
    return;
  }
  u8x16 q;
  __builtin_memcpy(&q, p + (type == KERNEL_Q4_1 ? 4 : 2), sizeof q);
  i32x16 wide = __builtin_convertvector(q, i32x16);
  i32x16 a = wide & 15, b = wide >> 4;
  if (type == KERNEL_Q4_1) {
    const f32x16 m = splat(scalar_from_f16(half_at(p + 2)));
    *low = d * __builtin_convertvector(a, f32x16) + m;
    *high = d * __builtin_convertvector(b, f32x16) + m;
  } else {
    *low = d * __builtin_convertvector(a - 8, f32x16);
    *high = d * __builtin_convertvector(b - 8, f32x16);
  }
}

// Elements first .. first + count - 1 of a stored row.
INLINE void unpack_elements(float *out, int32_t type, const uint8_t *row, ptrdiff_t first, ptrdiff_t count) {
  if (type == KERNEL_F32) {
    __builtin_memcpy(out, row + first * 4, (size_t)count * 4);
  } else if (type == KERNEL_F16 || type == KERNEL_BF16) {
    for (ptrdiff_t i = 0; i < count; i += LANES) {
      const ptrdiff_t left = count - i < LANES ? count - i : LANES;
      u16x16 half = {0};
      if (left == LANES) __builtin_memcpy(&half, row + (first + i) * 2, sizeof half);
      else __builtin_memcpy(&half, row + (first + i) * 2, (size_t)left * 2);
      store_some(out + i, left, type == KERNEL_F16 ? from_f16(half) : from_bf16(half));
    }
  } else {
    for (ptrdiff_t i = first; i < first + count;) {
      float block[BLOCK];
      f32x16 low, high;
      unpack_block(type, row + i / BLOCK * block_bytes(type), &low, &high);
      const ptrdiff_t start = i % BLOCK, left = first + count - i;
      if (start == 0 && left >= BLOCK) {
        store(out + (i - first), low);
        store(out + (i - first) + LANES, high);
        i += BLOCK;
        continue;
      }
      store(block, low);
      store(block + LANES, high);
      const ptrdiff_t length = left < BLOCK - start ? left : BLOCK - start;
      __builtin_memcpy(out + (i - first), block + start, (size_t)length * 4);
      i += length;
    }
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
