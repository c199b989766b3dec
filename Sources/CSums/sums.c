// Sums of products in double: CSums.h says in which order. Wider vectors and tiles change the speed alone.
#include "CSums.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

enum { LANES = 8, BLOCK = 256, TILE = 4 };

typedef double lanes __attribute__((vector_size(64)));

#define INLINE static inline __attribute__((always_inline))

// Vectors are never passed or returned: without AVX-512 that would be another convention of calls.
#define LOAD(v, x) memcpy(&(v), (x), sizeof(v))

INLINE double fold(const lanes *v) {
  const double *l = (const double *)v;
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

// out[i row + j] += x_i . y_j over one block of at most BLOCK elements, rows of `width` elements.
INLINE void tile(double *out, ptrdiff_t row, const double *x, int m, const double *y, int n, ptrdiff_t width,
                 ptrdiff_t count) {
  lanes sums[TILE][TILE] = {0};
  ptrdiff_t k = 0;
  for (; k + LANES <= count; k += LANES) {
    lanes right[TILE];
#pragma clang loop unroll(full)
    for (int j = 0; j < n; j++) LOAD(right[j], y + j * width + k);
#pragma clang loop unroll(full)
    for (int i = 0; i < m; i++) {
      lanes left;
      LOAD(left, x + i * width + k);
#pragma clang loop unroll(full)
      for (int j = 0; j < n; j++) sums[i][j] += left * right[j];
    }
  }
  if (k < count) {
    for (int i = 0; i < m; i++)
      for (int j = 0; j < n; j++) {
        lanes left = {0}, right = {0};
        memcpy(&left, x + i * width + k, (size_t)(count - k) * sizeof *x);
        memcpy(&right, y + j * width + k, (size_t)(count - k) * sizeof *y);
        sums[i][j] += left * right;
      }
  }
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) out[i * row + j] += fold(&sums[i][j]);
}

// All rows against all rows, or, with `half`, the tiles at and below the diagonal. Tiles of `size` rows fit the registers
// of a level.
INLINE void products(double *out, const double *x, ptrdiff_t m, const double *y, ptrdiff_t n, ptrdiff_t width,
                     int half, const int size) {
  memset(out, 0, (size_t)(m * n) * sizeof *out);
  for (ptrdiff_t first = 0; first < width; first += BLOCK) {
    const ptrdiff_t count = width - first < BLOCK ? width - first : BLOCK;
    for (ptrdiff_t i = 0; i < m; i += size) {
      const int rows = m - i < size ? (int)(m - i) : size;
      const ptrdiff_t end = half ? (i + size < n ? i + size : n) : n;
      for (ptrdiff_t j = 0; j < end; j += size) {
        const int columns = end - j < size ? (int)(end - j) : size;
        const double *left = x + i * width + first, *right = y + j * width + first;
        if (rows == size && columns == size)
          tile(out + i * n + j, n, left, size, right, size, width, count);
        else
          for (int a = 0; a < rows; a++)
            for (int b = 0; b < columns; b++)
              tile(out + (i + a) * n + j + b, n, left + a * width, 1, right + b * width, 1, width, count);
      }
    }
  }
  if (half)
    for (ptrdiff_t i = 0; i < n; i++)
      for (ptrdiff_t j = 0; j < i; j++) out[j * n + i] = out[i * n + j];
}

INLINE void add(double *y, double a, const double *x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) y[i] += a * x[i];
}

INLINE void add_floats(double *y, double a, const float *x, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) y[i] += a * (double)x[i];
}

INLINE void rotate(double *x, double *y, double c, double s, ptrdiff_t n) {
  for (ptrdiff_t i = 0; i < n; i++) {
    const double left = x[i], right = y[i];
    x[i] = c * left - s * right;
    y[i] = s * left + c * right;
  }
}

INLINE double dot(const double *x, const double *y, ptrdiff_t n) {
  double sum = 0;
  for (ptrdiff_t first = 0; first < n; first += BLOCK)
    tile(&sum, 1, x + first, 1, y + first, 1, n, n - first < BLOCK ? n - first : BLOCK);
  return sum;
}

#define FORMS(name, size, attributes)                                                                                \
  attributes static double dot_##name(const double *x, const double *y, ptrdiff_t n) { return dot(x, y, n); }        \
  attributes static void products_##name(double *out, const double *x, ptrdiff_t m, const double *y, ptrdiff_t n,    \
                                         ptrdiff_t width) {                                                          \
    products(out, x, m, y, n, width, 0, size);                                                                       \
  }                                                                                                                  \
  attributes static void gram_##name(double *out, const double *x, ptrdiff_t n, ptrdiff_t width) {                   \
    products(out, x, n, x, n, width, 1, size);                                                                       \
  }                                                                                                                  \
  attributes static void add_##name(double *y, double a, const double *x, ptrdiff_t n) { add(y, a, x, n); }          \
  attributes static void add_floats_##name(double *y, double a, const float *x, ptrdiff_t n) {                       \
    add_floats(y, a, x, n);                                                                                          \
  }                                                                                                                  \
  attributes static void rotate_##name(double *x, double *y, double c, double s, ptrdiff_t n) {                      \
    rotate(x, y, c, s, n);                                                                                           \
  }

FORMS(plain, 2, )

#if defined(__x86_64__)
FORMS(avx2, 2, __attribute__((target("avx2"))))
FORMS(avx512, 4, __attribute__((target("avx512f"))))
#define CHOOSE(call)                                                                \
  __builtin_cpu_supports("avx512f") ? call(avx512) : __builtin_cpu_supports("avx2") \
      ? call(avx2) : call(plain)
#else
#define CHOOSE(call) call(plain)
#endif

double sums_dot(const double *x, const double *y, ptrdiff_t n) {
#define CALL(name) dot_##name(x, y, n)
  return CHOOSE(CALL);
#undef CALL
}

void sums_products(double *out, const double *x, ptrdiff_t m, const double *y, ptrdiff_t n, ptrdiff_t width) {
#define CALL(name) products_##name(out, x, m, y, n, width)
  CHOOSE(CALL);
#undef CALL
}

void sums_gram(double *out, const double *x, ptrdiff_t n, ptrdiff_t width) {
#define CALL(name) gram_##name(out, x, n, width)
  CHOOSE(CALL);
#undef CALL
}

void sums_add(double *y, double a, const double *x, ptrdiff_t n) {
#define CALL(name) add_##name(y, a, x, n)
  CHOOSE(CALL);
#undef CALL
}

void sums_add_floats(double *y, double a, const float *x, ptrdiff_t n) {
#define CALL(name) add_floats_##name(y, a, x, n)
  CHOOSE(CALL);
#undef CALL
}

void sums_rotate(double *x, double *y, double c, double s, ptrdiff_t n) {
#define CALL(name) rotate_##name(x, y, c, s, n)
  CHOOSE(CALL);
#undef CALL
}
