// The kernels at the level of plain C: fused multiply-add through fmaf, the same bits slowly.
#include "table.h"

#pragma STDC FP_CONTRACT OFF

#define LEVEL 0
#define LEVEL_TABLE kernel_table_plain

#include "every_level.h"
