// The register tile of GEMM: a few rows times a few vectors of columns; each output is one ordered chain of fused multiply-adds over k.
#ifndef MEDROUNDS_TILE_H
#define MEDROUNDS_TILE_H

#include "lanes.h"

// A panel of B is [depth][PANEL] floats; A comes in strips of STRIP rows. The tile's size is what a level's registers hold.
enum { PANEL = 48, STRIP = 8 };

#if LEVEL >= 2
typedef f32x16 tile_vector;
enum { TILE_ROWS = 8, TILE_VECTORS = 3 };
#define TILE_SPLAT(x) splat(x)
#elif LEVEL == 1
typedef f32x8 tile_vector;
enum { TILE_ROWS = 4, TILE_VECTORS = 2 };
#define TILE_SPLAT(x) ((f32x8){x, x, x, x, x, x, x, x})
#else
typedef f32x4 tile_vector;
enum { TILE_ROWS = 4, TILE_VECTORS = 3 };
#define TILE_SPLAT(x) ((f32x4){x, x, x, x})
#endif
enum { TILE_LANES = sizeof(tile_vector) / 4, TILE_COLUMNS = TILE_LANES * TILE_VECTORS };

// What a tile does with c: its chains begin at zero or continue from c; at the end they replace c or are added to it.
enum { TILE_BEGIN = 0, TILE_CONTINUE = 1 };
enum { TILE_REPLACE = 0, TILE_ADD = 2 };

// The mask of a tile: an element whose bit is set is multiplied by `scale`, the others are left out; the bit of [r, n] is r * row + n after
// `bit`.
typedef struct {
  const uint16_t *words;
  ptrdiff_t row, bit;
  float scale;
} tile_mask;

// A sum with the lanes that the mask leaves out set to zero, the others scaled; the mask starts at bit `bit`.
INLINE tile_vector counted(tile_vector sum, const tile_mask *mask, ptrdiff_t bit) {
#if LEVEL >= 2
  typedef i32x16 lane_vector;
  const lane_vector lane = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
#elif LEVEL == 1
  typedef i32x8 lane_vector;
  const lane_vector lane = {1, 2, 4, 8, 16, 32, 64, 128};
#else
  typedef int32_t lane_vector __attribute__((vector_size(16)));
  const lane_vector lane = {1, 2, 4, 8};
#endif
  const uint16_t *words = mask->words + (bit >> 4);
  const int32_t both = (int32_t)((words[0] | (uint32_t)words[1] << 16) >> (bit & 15));
  const lane_vector keep = ((lane_vector){0} + both & lane) != 0;
  return (tile_vector)((lane_vector)(sum * TILE_SPLAT(mask->scale)) & keep);
}

// a[r, k] is at a[r * a_row + k * a_step], b[k, n] at b[k * b_step + n].
typedef struct {
  const float *a;
  ptrdiff_t a_row, a_step;
  const float *b;
  ptrdiff_t b_step, depth;
  float *c;
  ptrdiff_t c_row;
  int mode;
  const tile_mask *mask;  // or none
} tile_task;

// Rows of b that are far apart are prefetched: the processor does not predict them.
enum { FAR_ROWS = 16 };

INLINE void tile(const tile_task *t, const int rows, const int vectors, const int packed, const int far) {
  tile_vector sum[TILE_ROWS][TILE_VECTORS];
  float *c = t->c;
  const ptrdiff_t c_row = t->c_row;
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      if (t->mode & TILE_CONTINUE) __builtin_memcpy(&sum[r][v], c + r * c_row + v * TILE_LANES, sizeof(tile_vector));
      else sum[r][v] = (tile_vector){0};
      __builtin_prefetch(c + r * c_row + v * TILE_LANES, 1);  // the next term may read what this one writes
    }
  }
  const float *a = t->a, *b = t->b;
  const ptrdiff_t a_row = packed ? 1 : t->a_row, a_step = packed ? STRIP : t->a_step, b_step = t->b_step;
  for (ptrdiff_t k = t->depth; k > 0; k--) {
    tile_vector column[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) __builtin_memcpy(&column[v], b + v * TILE_LANES, sizeof(tile_vector));
    if (far) UNROLL for (int v = 0; v < vectors; v++) __builtin_prefetch(b + FAR_ROWS * b_step + v * TILE_LANES);
    UNROLL for (int r = 0; r < rows; r++) {
      const float scalar = a[r * a_row];
      const tile_vector element = TILE_SPLAT(scalar);
      UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = __builtin_elementwise_fma(element, column[v], sum[r][v]);
    }
    a += a_step;
    b += b_step;
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      float *p = c + r * c_row + v * TILE_LANES;
      tile_vector before;
      if (t->mask) sum[r][v] = counted(sum[r][v], t->mask, t->mask->bit + r * t->mask->row + v * TILE_LANES);
      if (t->mode & TILE_ADD) {
        __builtin_memcpy(&before, p, sizeof before);
        sum[r][v] = before + sum[r][v];
      }
      __builtin_memcpy(p, &sum[r][v], sizeof(tile_vector));
    }
  }
}

#define TILE(rows)                                                                    \
  static __attribute__((noinline)) void tile_##rows(const tile_task *t, int vectors) {\
    const int packed = t->a_row == 1 && t->a_step == STRIP, far = t->b_step > 2 * PANEL;\
    if (vectors == TILE_VECTORS && packed && far) tile(t, rows, TILE_VECTORS, 1, 1);  \
    else if (vectors == TILE_VECTORS && packed) tile(t, rows, TILE_VECTORS, 1, 0);    \
    else if (vectors == TILE_VECTORS) tile(t, rows, TILE_VECTORS, 0, 0);              \
    else if (TILE_VECTORS > 2 && vectors == 2) tile(t, rows, 2, 0, 0);                \
    else tile(t, rows, 1, 0, 0);                                                      \
  }
TILE(1)
TILE(2)
TILE(3)
TILE(4)
#if LEVEL >= 2
TILE(5)
TILE(6)
TILE(7)
TILE(8)
#endif

typedef void (*tile_function)(const tile_task *, int);
static const tile_function tiles[] = {
    tile_1, tile_2, tile_3, tile_4,
#if LEVEL >= 2
    tile_5, tile_6, tile_7, tile_8,
#endif
};

// rows times columns of c, by tiles. b must be readable up to the next whole vector; c is written only in its own columns.
INLINE void strip_times_panel(tile_task task, ptrdiff_t rows, ptrdiff_t columns) {
  const tile_task whole = task;
  tile_mask mask = {0};
  if (whole.mask) mask = *whole.mask, task.mask = &mask;
  for (ptrdiff_t n = 0; n < columns; n += TILE_COLUMNS) {
    const ptrdiff_t width = columns - n < TILE_COLUMNS ? columns - n : TILE_COLUMNS;
    const int vectors = (int)((width + TILE_LANES - 1) / TILE_LANES);
    for (ptrdiff_t m = 0; m < rows; m += TILE_ROWS) {
      const ptrdiff_t height = rows - m < TILE_ROWS ? rows - m : TILE_ROWS;
      task.a = whole.a + m * whole.a_row;
      task.b = whole.b + n;
      float *c = whole.c + m * whole.c_row + n;
      if (whole.mask) mask.bit = whole.mask->bit + m * mask.row + n;
      if (width == vectors * TILE_LANES) {
        task.c = c;
        tiles[height - 1](&task, vectors);
        continue;
      }
      // The last vector reaches beyond the columns, so it goes through a buffer.
      float buffer[TILE_ROWS * TILE_COLUMNS];
      task.c = buffer;
      task.c_row = TILE_COLUMNS;
      task.mode = whole.mode & TILE_CONTINUE;
      if (whole.mode & TILE_CONTINUE)
        for (ptrdiff_t r = 0; r < height; r++)
          for (ptrdiff_t i = 0; i < vectors * TILE_LANES; i++)
            buffer[r * TILE_COLUMNS + i] = i < width ? c[r * whole.c_row + i] : 0;
      tiles[height - 1](&task, vectors);
      for (ptrdiff_t r = 0; r < height; r++)
        for (ptrdiff_t i = 0; i < width; i++) {
          const float sum = buffer[r * TILE_COLUMNS + i];
          c[r * whole.c_row + i] = whole.mode & TILE_ADD ? c[r * whole.c_row + i] + sum : sum;
        }
      task.c_row = whole.c_row;
      task.mode = whole.mode;
    }
  }
}

#endif
