import HoldfastStorage
import TestSupport
import Testing

/// A content archive that is read while another program replaces its records: the index that has
/// just been read names objects that are there no more.
struct ReplacedMeanwhileTests {
  /// Stopped behind any of its looks at the index, a reader finds every record once it goes on.
  @Test func everyRecordIsFound() async throws {
    let worker = try await Worker(.archive)
    let reached = try worker.scratch.python(
      #"""
      import os, re, signal, subprocess, sys, time
      program, store = sys.argv[1:3]
      # All calls of the store on one thread, so that they have the same numbers in each run.
      os.environ["LIBDISPATCH_COOPERATIVE_POOL_STRICT"] = "1"

      def reader(log, *more):
          words = ["strace", "-f", "-o", log, "-P", store + "/intents/index.json",
                   "-e", "trace=?openat,?newfstatat,?stat,?fstat"]
          return subprocess.Popen([*words, *more, program, "archive", store, "read", "4"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

      first = reader("trace")
      assert first.wait() == 0, first.stderr.read()
      counts = {}
      for line in open("trace"):
          call = re.match(r"(\d+) +(\w+)\(", line)
          if call: counts[call.groups()] = counts.get(call.groups(), 0) + 1
      stops = sorted({(name, number + 1) for (_, name), count in counts.items()
                      for number in range(count)})
      changes, reached = 0, 0
      for name, number in stops:
          # The tracer itself may fail where its program goes on at the wrong moment: once more then.
          while True:
              log = "trace-%s-%d-%d" % (name, number, changes)
              run = reader(log, "-e", "inject=%s:signal=STOP:when=%d" % (name, number))
              def is_stopped(): return os.path.exists(log) and "stopped by SIGSTOP" in open(log).read()
              while run.poll() is None and not is_stopped(): time.sleep(0.002)
              if run.poll() is None:
                  reached += 1
                  subprocess.run([program, "archive", store, "w", "4"], check=True,
                                 stdout=subprocess.DEVNULL)
                  changes += 1
              # A thread that stops late must be told once more.
              while run.poll() is None:
                  try: os.kill(int(open(log).read().split()[0]), signal.SIGCONT)
                  except ProcessLookupError: pass
                  time.sleep(0.002)
              wrong, ends = run.stderr.read(), run.stdout.read().split("\n")[:-1]
              if not wrong.startswith("strace: ptrace("): break
              try: os.kill(int(open(log).read().split()[0]), signal.SIGKILL)
              except ProcessLookupError: pass
          assert run.returncode == 0, "stopped at %s %d: %s" % (name, number, wrong)
          # As it was before or as it is after; and what is read later is no older.
          values = [int(line.split()[1]) for line in ends]
          assert len(values) == 8 and set(values) <= {changes - 1, changes}, (changes, ends)
          assert values == sorted(values), ends
      print(reached)
      """#, Worker.program, worker.path)
    #expect((Int(reached.split(separator: "\n").first ?? "") ?? 0) > 4)
  }
}
