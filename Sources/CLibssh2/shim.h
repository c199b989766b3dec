// The system libssh2, which libgit2 is built on: its reader of known_hosts is used directly. Macros get inline shims here, since Swift does not
// see them.
#include <libssh2.h>

static inline LIBSSH2_SESSION *shim_ssh_session(void) { return libssh2_session_init_ex(NULL, NULL, NULL, NULL); }
