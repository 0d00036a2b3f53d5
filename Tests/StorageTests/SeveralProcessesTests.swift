import HoldfastStorage
import TestSupport
import Testing

/// Several programs that write to one store at once, and programs that are killed.
@Suite(.serialized) struct SeveralProcessesTests {
  /// No update is lost, no byte is damaged. HOLDFAST_STORAGE_WRITES: changes by each of the four.
  @Test(arguments: Worker.shared) func fourWriters(_ place: Where) async throws {
    let worker = try await Worker(place)
    let count = Worker.count("HOLDFAST_STORAGE_WRITES", else: 6)
    try worker.scratch.python(
      """
      import subprocess, sys
      workers = [subprocess.Popen(sys.argv[1:4] + [name, sys.argv[4]], stdout=open(name + ".log", "w"))
        for name in "abcd"]
      assert [worker.wait() for worker in workers] == [0, 0, 0, 0]
      """, Worker.program, place.rawValue, worker.path, "\(count)")
    var acknowledged: [String] = []
    for name in ["a", "b", "c", "d"] {
      let own = try worker.acknowledged("\(name).log")
      #expect(own.count == count)
      acknowledged += own
    }
    try await worker.check(acknowledged, atMost: 0)
  }

  /// What has been acknowledged is there, whenever the writer is killed. HOLDFAST_STORAGE_KILLS: how
  /// often, for each kind of store.
  @Test(arguments: Worker.shared) func killed(_ place: Where) async throws {
    let worker = try await Worker(place)
    var random = Seeded()
    let kills = Worker.count("HOLDFAST_STORAGE_KILLS", else: 2)
    var acknowledged: [String] = []
    for round in 0..<kills {
      // Killed some milliseconds behind one of the first acknowledgements: anywhere in a change.
      try worker.scratch.python(
        """
        import subprocess, sys, time
        lines, delay = int(sys.argv[5]), float(sys.argv[6])
        with open("ack.log", "wb") as log:
          worker = subprocess.Popen(sys.argv[1:5] + ["100000"], stdout=log)
          while worker.poll() is None and open("ack.log", "rb").read().count(b"\\n") < lines:
            time.sleep(0.001)
          time.sleep(delay)
          worker.kill()
          assert worker.wait() == -9, "the worker ended by itself"
        """, Worker.program, place.rawValue, worker.path, "r\(round)", "\(random.below(6))",
        "\(Double(random.below(30)) / 1000)")
      acknowledged += try worker.acknowledged("ack.log")
      try await worker.check(acknowledged, atMost: round + 1)
    }
  }
}
