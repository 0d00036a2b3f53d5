import Glibc

/// Seconds of processor time that the calling thread takes for `body`. How busy the machine is does not
/// count, as it would with a clock on the wall: what takes time in proportion to its input stays far
/// below a limit that anything quadratic exceeds.
package func processorTime(_ body: () throws -> Void) rethrows -> Double {
  let start = threadTime()
  try body()
  return threadTime() - start
}

private func threadTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
