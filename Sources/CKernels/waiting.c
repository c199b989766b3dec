// Waiting for another thread without keeping the processor from other processes.
#include <sched.h>
#include <time.h>

#include "CKernels.h"

enum { SPINS = 4000, YIELDS = 64 };

void kernel_wait(int32_t turn) {
  if (turn < SPINS) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
  } else if (turn < SPINS + YIELDS) {
    sched_yield();
  } else {
    const struct timespec moment = {0, 20000};
    nanosleep(&moment, 0);
  }
}

int32_t kernel_wait_spins(void) { return SPINS; }
