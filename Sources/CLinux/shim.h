/* What Linux has and the Glibc module leaves out. */
#ifndef HOLDFAST_CLINUX_SHIM_H
#define HOLDFAST_CLINUX_SHIM_H
#include <signal.h>
#include <sys/types.h>
/* renameat2(2), since glibc 2.28. */
extern int renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath,
                     unsigned int flags);
/* sync_file_range(2), whose flags are in fs.h, and syncfs(2). */
extern int sync_file_range(int fd, __off64_t offset, __off64_t nbytes, unsigned int flags);
extern int syncfs(int fd);
/* prctl(2) takes any number of arguments, which Swift cannot pass. */
extern int prctl(int option, ...);
/* PR_SET_CHILD_SUBREAPER: processes that lose their parent become children of this one. Linux 3.4. */
static inline int holdfast_adopt_orphans(void) { return prctl(36, 1UL, 0UL, 0UL, 0UL); }
/* openat2(2), Linux 5.6, number 437 everywhere: opens a path that leaves `directory` in no way and
   has no symbolic link in it (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, RESOLVE_NO_MAGICLINKS in it). */
extern long syscall(long number, ...);
static inline int holdfast_open_beneath(int directory, const char *path, int flags) {
  struct { unsigned long long flags, mode, resolve; } how = { (unsigned int)flags, 0, 0x08 | 0x04 };
  return (int)syscall(437L, directory, path, &how, sizeof how);
}
/* Whether a signal was ignored when this program was started, as SIGHUP is by nohup(1). */
static inline int holdfast_is_ignored(int number) {
  struct sigaction action;
  return sigaction(number, 0, &action) == 0 && action.sa_handler == SIG_IGN;
}
/* mallopt(3) and its parameter for the number of arenas, from malloc.h. */
extern int mallopt(int param, int value);
static const int holdfast_arena_limit = -8;
#endif
