// The system OpenBLAS, through the CBLAS interface: the test oracle of our own GEMM kernels.
#include <cblas.h>
