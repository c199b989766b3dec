// Philox 4x32-10 (Salmon et al. 2011), eight counters at a time, and what is drawn from it.
#ifndef MEDROUNDS_RANDOM_H
#define MEDROUNDS_RANDOM_H

#include "include/CKernels.h"
#include "lanes.h"

enum { RANDOM_GROUP = 32 };

// Words 4 block .. 4 block + 31 of a stream. Each lane holds one 32-bit word, so that products are exact in 64 bits; the bits above the
// word are never read.
INLINE void random_group(uint32_t *out, kernel_random random, uint64_t block) {
  const uint64_t word = 0xffffffff;
  u64x8 counter = block + (u64x8){0, 1, 2, 3, 4, 5, 6, 7};
  u64x8 c0 = counter, c1 = counter >> 32;
  u64x8 c2 = (u64x8){0} + random.stream[0], c3 = (u64x8){0} + random.stream[1];
  uint32_t k0 = random.key[0], k1 = random.key[1];
  UNROLL for (int round = 0; round < 10; round++) {
    u64x8 p0 = (c0 & word) * 0xD2511F53u, p1 = (c2 & word) * 0xCD9E8D57u;
    c0 = (p1 >> 32) ^ c1 ^ k0;
    c2 = (p0 >> 32) ^ c3 ^ k1;
    c1 = p1;
    c3 = p0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  u64x8 low = (c0 & word) | (c1 << 32), high = (c2 & word) | (c3 << 32);
  u64x8 a = __builtin_shufflevector(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
  u64x8 b = __builtin_shufflevector(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
  __builtin_memcpy(out, &a, sizeof a);
  __builtin_memcpy(out + LANES, &b, sizeof b);
}

// Runs `body` over elements first .. first + count - 1 in groups: words + offset belongs to elements done ..
// done + length - 1 of the call.
#define FOR_RANDOM_GROUPS(body)                                     \
  uint32_t words[RANDOM_GROUP + LANES];                             \
  __builtin_memset(words + RANDOM_GROUP, 0, LANES * sizeof *words); \
  for (ptrdiff_t done = 0; done < count;) {                         \
    const uint64_t element = first + (uint64_t)done;                \
    const ptrdiff_t offset = (ptrdiff_t)(element & 3);              \
    ptrdiff_t length = RANDOM_GROUP - offset;                       \
    if (length > count - done) length = count - done;               \
    random_group(words, random, element >> 2);                      \
    body;                                                           \
    done += length;                                                 \
  }

static void random_words_level(uint32_t *out, kernel_random random, uint64_t first, ptrdiff_t count) {
  FOR_RANDOM_GROUPS(__builtin_memcpy(out + done, words + offset, (size_t)length * sizeof *out))
}

// (word >> 8) * 2^-24 of sixteen words.
INLINE f32x16 unit_interval(const uint32_t *words) {
  u32x16 w;
  __builtin_memcpy(&w, words, sizeof w);
  return __builtin_convertvector((i32x16)(w >> 8), f32x16) * splat(0x1p-24f);
}

static void random_uniform_level(float *out, kernel_random random, uint64_t first, ptrdiff_t count, float low,
                                 float high) {
  const f32x16 width = splat(high - low);
  FOR_RANDOM_GROUPS(for (ptrdiff_t i = 0; i < length; i += LANES)
                      store_some(out + done + i, length - i, splat(low) + unit_interval(words + offset + i) * width))
}

// ---- Masks kept from the forward pass: bit i of word j belongs to element 16 j + i -----------------------------------------

INLINE uint16_t bits_of(i32x16 mask) {
#if LEVEL >= 2
  return (uint16_t)__builtin_ia32_cvtd2mask512(mask);
#else
  uint16_t word = 0;
  for (int i = 0; i < LANES; i++) word |= (uint16_t)((mask[i] & 1) << i);
  return word;
#endif
}

INLINE i32x16 mask_of(uint16_t word) {
  const i32x16 bit = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  return ((i32x16){0} + (int32_t)word & bit) != 0;
}

static void dropout_level(float *out, uint16_t *mask, const float *x, kernel_random random, uint64_t first,
                          ptrdiff_t count, float probability) {
  const float scale = 1.0f / (1.0f - probability);
  FOR_RANDOM_GROUPS(for (ptrdiff_t i = 0; i < length; i += LANES) {
    const i32x16 keep = unit_interval(words + offset + i) >= splat(probability);
    mask[(done + i) / LANES] = bits_of(keep);
    store_some(out + done + i, length - i, from_bits(bits(load_some(x + done + i, length - i, 0) * splat(scale)) & keep));
  })
}

static void dropout_again_level(float *out, const uint16_t *mask, const float *x, ptrdiff_t count, float probability) {
  const float scale = 1.0f / (1.0f - probability);
  for (ptrdiff_t i = 0; i < count; i += LANES)
    store_some(out + i, count - i,
               from_bits(bits(load_some(x + i, count - i, 0) * splat(scale)) & mask_of(mask[i / LANES])));
}

#endif
