import Testing

/// Reads and writes that do less than was asked for, and calls that a signal interrupts: every verb
/// that writes comes to the same result, byte for byte.
@Suite(.scratch) struct ShortTransferTests {
  /// Put between the program and the C library: half of all transfers are cut short, some calls are
  /// interrupted before they do anything, each as a number made of the seed and a count says.
  private static let shim = """
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <stdatomic.h>
    #include <stdlib.h>
    #include <unistd.h>
    static atomic_ulong count;
    static unsigned long next(void) {
      static atomic_ulong seed;
      if (!seed) seed = strtoul(getenv("SHORT_SEED"), 0, 10) | 1;
      unsigned long word = seed + 0x9E3779B97F4A7C15ul * ++count;
      word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9ul;
      word = (word ^ word >> 27) * 0x94D049BB133111EBul;
      return word ^ word >> 31;
    }
    static size_t cut(size_t n) {
      unsigned long word = next();
      if (n < 2 || word % 2 == 0) return n;
      static atomic_flag told = ATOMIC_FLAG_INIT;
      if (!atomic_flag_test_and_set(&told)) close(creat(getenv("SHORT_MARK"), 0600));
      return 1 + (word >> 8) % (n - 1);
    }
    #define INTERRUPTED(fd) if ((fd) > 2 && next() % 9 == 0) { errno = EINTR; return -1; }
    #define REAL(type, name, ...) type (*real)(__VA_ARGS__) = dlsym(RTLD_NEXT, #name)
    ssize_t write(int fd, const void *bytes, size_t n) {
      REAL(ssize_t, write, int, const void *, size_t);
      INTERRUPTED(fd)
      return real(fd, bytes, fd > 2 ? cut(n) : n);
    }
    ssize_t read(int fd, void *bytes, size_t n) {
      REAL(ssize_t, read, int, void *, size_t);
      INTERRUPTED(fd)
      return real(fd, bytes, fd > 2 ? cut(n) : n);
    }
    #define AT(name, pointer) ssize_t name(int fd, pointer bytes, size_t n, off_t at) { \\
      REAL(ssize_t, name, int, pointer, size_t, off_t); \\
      INTERRUPTED(fd) \\
      return real(fd, bytes, cut(n), at); }
    AT(pread, void *) AT(pread64, void *) AT(pwrite, const void *) AT(pwrite64, const void *)
    int ftruncate(int fd, off_t size) {
      REAL(int, ftruncate, int, off_t);
      INTERRUPTED(fd)
      return real(fd, size);
    }
    int flock(int fd, int mode) {
      REAL(int, flock, int, int);
      INTERRUPTED(fd)
      return real(fd, mode);
    }
    """

  @Test(arguments: Deed.all) func sameResult(_ deed: Deed) throws {
    let stage = try Stage(deed)
    let source = try stage.scratch.write(Self.shim, to: "short.c")
    let library = stage.scratch.file("short.so")
    try stage.scratch.tool("clang", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl")
    var random = SeededRandom()
    let rounds = Torture.isFull ? 40 : 2
    // Chance may spare the few transfers of a verb: once at the least, something has to be cut.
    var (done, cut) = (0, 0)
    while done < rounds || cut == 0 && done < 100 {
      try stage.reset()
      let seed = UInt32.random(in: .min ... .max, using: &random)
      let mark = stage.scratch.fresh("mark")
      let outcome = try stage.perform([
        "env", "LD_PRELOAD=\(library)", "SHORT_SEED=\(seed)", "SHORT_MARK=\(mark)",
      ])
      let comment = "\(deed.name), SHORT_SEED \(seed), seed \(random.seed): \(outcome)"
      let now = try TreeImage(of: stage.scratch.file("world"))
      #expect(outcome.status == stage.status, "\(comment)")
      var (found, wanted) = (now.lasting, stage.after.lasting)
      // It tells how long the run took.
      found.nodes["metrics.prom"] = nil
      wanted.nodes["metrics.prom"] = nil
      stage.expect(found == wanted, "\(found.difference(from: wanted)) after \(comment)")
      done += 1
      if TestFile.exists(mark) { cut += 1 }
    }
    #expect(cut > 0, "nothing was ever cut short, seed \(random.seed)")
  }
}
