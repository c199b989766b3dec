// The numbers of the second quantisation of NF4, as the rows of NF4_DOUBLE need them.
#ifndef MEDROUNDS_NF4_H
#define MEDROUNDS_NF4_H

#include "include/CKernels.h"

extern const float nf4_second_codes[129];

// Codes ascend: 126 .. 0 are the negative numbers, 127 is zero, 255 is one.
static inline float nf4_second_code(uint8_t code) {
  return code < 127 ? -nf4_second_codes[127 - code] : nf4_second_codes[code - 127];
}

#endif
