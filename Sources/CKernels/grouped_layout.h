// The layout of grouped weights: sixteen stored rows side by side, still in their stored form.
//
// A group holds sixteen rows; rows after the last are all zero. Float weights are [k][16] elements in a group. Quantised rows are stored in
// units; a unit is a head and its parts, and a part is the k's that share a scale:
//   unit head   q4_k, q5_k: 16 f16 d, 16 f16 dmin; q6_k: 16 f16 d
//   part head   q4_0, q5_0, q8_0: 16 f16 d; q4_1, q5_1: 16 f16 d, 16 f16 m; q4_k, q5_k: 16 u8 scales, 16 u8 minima;
//               q6_k: 16 i8 scales; nf4: 16 f32 absmax, also where absmax is stored quantised
//   words       [part / 8][16] words: nibble j of word w holds the low four bits of k = 8 w + j
//   plane       q5_0, q5_1, q5_k, q6_k: [16] words; what k has above its nibble, b bits, begins at bit b (2 w + j mod 2) of
//               byte j / 2
// The words of q8_0 are [part / 4][16]: byte j of word w holds k = 4 w + j, plus 128.
#ifndef MEDROUNDS_GROUPED_LAYOUT_H
#define MEDROUNDS_GROUPED_LAYOUT_H

#include "include/CKernels.h"

#define LAYOUT static inline __attribute__((always_inline))

// How many k's a part has, how many parts a unit has, the bytes of a unit's and of a part's head, and the bits of a weight without its
// share of the heads.
typedef struct {
  ptrdiff_t part, parts, unit_head, head, bits;
} grouped_layout;

LAYOUT grouped_layout grouped_layout_of(int32_t type) {
  switch (type) {
    case KERNEL_F32: return (grouped_layout){32, 1, 0, 0, 32};
    case KERNEL_F16: case KERNEL_BF16: return (grouped_layout){32, 1, 0, 0, 16};
    case KERNEL_Q4_0: return (grouped_layout){32, 1, 0, 32, 4};
    case KERNEL_Q4_1: return (grouped_layout){32, 1, 0, 64, 4};
    case KERNEL_Q8_0: return (grouped_layout){32, 1, 0, 32, 8};
    case KERNEL_Q5_0: return (grouped_layout){32, 1, 0, 32, 5};
    case KERNEL_Q5_1: return (grouped_layout){32, 1, 0, 64, 5};
    case KERNEL_Q4_K: return (grouped_layout){32, 8, 64, 32, 4};
    case KERNEL_Q5_K: return (grouped_layout){32, 8, 64, 32, 5};
    case KERNEL_Q6_K: return (grouped_layout){16, 16, 32, 16, 6};
    default: return (grouped_layout){64, 1, 0, 64, 4};
  }
}

LAYOUT ptrdiff_t grouped_part_bytes(int32_t type) {
  const grouped_layout layout = grouped_layout_of(type);
  return layout.head + layout.part * layout.bits * 2;
}

LAYOUT ptrdiff_t grouped_unit_bytes(int32_t type) {
  const grouped_layout layout = grouped_layout_of(type);
  return layout.unit_head + layout.parts * grouped_part_bytes(type);
}

LAYOUT ptrdiff_t grouped_group_bytes(int32_t type, ptrdiff_t columns) {
  const grouped_layout layout = grouped_layout_of(type);
  const ptrdiff_t unit = layout.part * layout.parts;
  return (columns + unit - 1) / unit * grouped_unit_bytes(type);
}

// Byte offset of the unit and of the part that hold k.
LAYOUT ptrdiff_t grouped_unit_at(int32_t type, ptrdiff_t k) {
  const grouped_layout layout = grouped_layout_of(type);
  return k / (layout.part * layout.parts) * grouped_unit_bytes(type);
}

LAYOUT ptrdiff_t grouped_part_at(int32_t type, ptrdiff_t k) {
  const grouped_layout layout = grouped_layout_of(type);
  return grouped_unit_at(type, k) + layout.unit_head + k / layout.part % layout.parts * grouped_part_bytes(type);
}

#endif
