/* A disk that fails, for a program that is run with this library preloaded.
 *
 * FAULT_FILE names a file with an operation and the name of the file it fails for, such as
 * "sync seoham.db" or "write seoham.db-wal". While it says nothing, all is well. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(const char *operation, int fd) {
  const char *control = getenv("FAULT_FILE");
  if (!control) return 0;
  char wanted[256] = {0}, path[64], target[512], found[600];
  int file = open(control, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, wanted, sizeof wanted - 1);
  close(file);
  if (length <= 0) return 0;
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  length = readlink(path, target, sizeof target - 1);
  if (length <= 0) return 0;
  target[length] = 0;
  const char *name = strrchr(target, '/');
  snprintf(found, sizeof found, "%s %s", operation, name ? name + 1 : target);
  if (strcmp(found, wanted)) return 0;
  errno = EIO;
  return 1;
}

int fdatasync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  return fails("sync", fd) ? -1 : real(fd);
}

int fsync(int fd) {
  static int (*real)(int);
  if (!real) real = dlsym(RTLD_NEXT, "fsync");
  return fails("sync", fd) ? -1 : real(fd);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
  static ssize_t (*real)(int, const void *, size_t, off64_t);
  if (!real) real = dlsym(RTLD_NEXT, "pwrite64");
  return fails("write", fd) ? -1 : real(fd, bytes, length, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
  return pwrite64(fd, bytes, length, offset);
}
