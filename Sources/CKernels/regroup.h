// Turns stored rows into grouped weights, one part of a row at a time; grouped_layout.h gives the layout.
#ifndef MEDROUNDS_REGROUP_H
#define MEDROUNDS_REGROUP_H

#include "blocks.h"
#include "grouped_layout.h"
#include "lanes.h"

// Bytes 0, 2, 4 and 6 of eight bytes.
INLINE uint32_t even_bytes(uint64_t x) {
  x &= 0x00ff00ff00ff00ff;
  x = (x | x >> 8) & 0x0000ffff0000ffff;
  return (uint32_t)(x | x >> 16);
}

// Writes the scales and minima of a block's elements from `at` on into the heads of their unit and part.
INLINE void regroup_heads(int32_t type, uint8_t *unit, uint8_t *part, ptrdiff_t lane, const uint8_t *p, size_t at) {
  if (type == KERNEL_Q6_K) {
    __builtin_memcpy(unit + lane * 2, p + 208, 2);
    part[lane] = p[192 + at / LANES];
  } else if (type == KERNEL_Q4_K || type == KERNEL_Q5_K) {
    int scale, minimum;
    k_scale(p + 4, at / BLOCK, &scale, &minimum);
    __builtin_memcpy(unit + lane * 2, p, 2);
    __builtin_memcpy(unit + 32 + lane * 2, p + 2, 2);
    part[lane] = (uint8_t)scale;
    part[LANES + lane] = (uint8_t)minimum;
  } else {
    __builtin_memcpy(part + lane * 2, p, 2);
    if (has_minimum(type)) __builtin_memcpy(part + 32 + lane * 2, p + 2, 2);
  }
}

INLINE void regroup_part(int32_t type, uint8_t *group, ptrdiff_t lane, const uint8_t *row, ptrdiff_t k) {
  const grouped_layout layout = grouped_layout_of(type);
  uint8_t *part = group + grouped_part_at(type, k), *words = part + layout.head + lane * 4;
  const size_t at = (size_t)k % block_elements(type);
  const uint8_t *p = row + (size_t)k / block_elements(type) * block_bytes(type);
  if (type >= KERNEL_NF4) {
    const nf4_block block = nf4_block_of(type, row, (size_t)k);
    __builtin_memcpy(part + lane * 4, &block.absmax, sizeof block.absmax);
    p = block.codes;
  } else {
    regroup_heads(type, group + grouped_unit_at(type, k), part, lane, p, at);
  }
  uint8_t q[64];
  for (ptrdiff_t i = 0; i < layout.part; i += LANES) {
    const u8x16 integers = __builtin_convertvector(block_integers(type, p, at + (size_t)i), u8x16);
    __builtin_memcpy(q + i, &integers, sizeof integers);
  }
  if (type == KERNEL_Q8_0) {
    for (ptrdiff_t word = 0; word < layout.part / 4; word++) __builtin_memcpy(words + word * 64, q + word * 4, 4);
    return;
  }
  uint32_t plane = 0;
  for (ptrdiff_t word = 0; word < layout.part / 8; word++) {
    uint64_t eight;
    __builtin_memcpy(&eight, q + word * 8, sizeof eight);
    const uint32_t even = even_bytes(eight), odd = even_bytes(eight >> 8);
    const uint32_t nibbles = (even & 0x0f0f0f0f) | (odd & 0x0f0f0f0f) << 4;
    __builtin_memcpy(words + word * 64, &nibbles, sizeof nibbles);
    plane |= ((even >> 4 & 0x0f0f0f0f) | (odd >> 4 & 0x0f0f0f0f) << (layout.bits - 4)) << word * 2 * (layout.bits - 4);
  }
  if (layout.bits > 4) __builtin_memcpy(words + layout.part / 8 * 64, &plane, sizeof plane);
}

INLINE void regroup_row(int32_t type, uint8_t *group, ptrdiff_t lane, const uint8_t *row, ptrdiff_t columns) {
  if (type >= KERNEL_Q4_0) {
    for (ptrdiff_t k = 0; k < columns; k += grouped_layout_of(type).part) regroup_part(type, group, lane, row, k);
    return;
  }
  const ptrdiff_t size = type == KERNEL_F32 ? 4 : 2;
  for (ptrdiff_t k = 0; k < columns; k++)
    __builtin_memcpy(group + (k * LANES + lane) * size, row + k * size, (size_t)size);
}

static void group_rows_level(void *out, const kernel_matrix *b, ptrdiff_t first_row, ptrdiff_t last_row) {
  const ptrdiff_t group_bytes = grouped_group_bytes(b->type, b->columns);
  for (ptrdiff_t n = first_row; n < last_row; n++) {
    const uint8_t *row = (const uint8_t *)b->data + n * b->row_bytes;
    uint8_t *group = (uint8_t *)out + n / LANES * group_bytes;
#define REGROUP(type) regroup_row(type, group, n % LANES, row, b->columns)
    EVERY_TYPE(b->type, REGROUP)
#undef REGROUP
  }
}

#endif
