import Disk
import Dispatch
import LosslessJSON
import Records
import Synchronization
import TestSupport
import Testing

/// How many are at it, and the most there ever were.
private final class Gauge: Sendable {
  private let state = Mutex((now: 0, most: 0, done: 0))

  func enter() {
    state.withLock { state in
      state.now += 1
      state.most = max(state.most, state.now)
    }
  }
  func leave() {
    state.withLock { state in
      state.now -= 1
      state.done += 1
    }
  }
  var most: Int { state.withLock { $0.most } }
  var done: Int { state.withLock { $0.done } }
}

struct WorkPoolTests {
  @Test(.timeLimit(.minutes(1)), arguments: [0, 1, 2, 5])
  func doesAllThereIsOnNoMoreThreadsThanItMay(threads: Int) {
    let pool = WorkPool(threads: threads)
    let gauge = Gauge()
    let all = DispatchSemaphore(value: 0)
    // In two goes: between them it has nothing to do.
    for goal in [500, 1000] {
      for _ in 0..<500 {
        pool.submit {
          gauge.enter()
          Clock.sleep(seconds: 1e-5)
          gauge.leave()
          if gauge.done == goal { all.signal() }
        }
      }
      all.wait()
      #expect(gauge.done == goal)
    }
    #expect(gauge.most <= max(threads, 1))
  }

  @Test(.timeLimit(.minutes(1))) func whoWaitsWorks() {
    let pool = WorkPool(threads: 1)
    let (begun, gate, done) = (
      DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
    )
    let order = Mutex<[Int]>([])
    pool.submit {
      begun.signal()
      gate.wait()
    }
    begun.wait()
    // The pool's only thread is held up: nobody is left but the caller.
    for number in 1...3 { pool.submit { order.withLock { $0.append(number) } } }
    pool.submit { done.signal() }
    pool.submit { order.withLock { $0.append(4) } }
    pool.wait(for: done)
    #expect(order.withLock { $0 } == [1, 2, 3])
    gate.signal()
  }

  @Test(.timeLimit(.minutes(1))) func whatIsThereIsNotWaitedFor() {
    let pool = WorkPool(threads: 1)
    let (begun, gate, there) = (
      DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
    )
    there.signal()
    let isDone = Mutex(false)
    pool.submit {
      begun.signal()
      gate.wait()
    }
    begun.wait()
    pool.submit { isDone.withLock { $0 = true } }
    pool.wait(for: there)
    #expect(!isDone.withLock { $0 })
    gate.signal()
  }
}

struct HashLaneTests {
  /// Whatever the pieces, and however they are handed over.
  @Test(.timeLimit(.minutes(1))) func hashesPiecesInTheirOrder() {
    var random = Seeded()
    let lane = HashLane()
    for _ in 0..<50 {
      var (all, shared, own) = (ByteBuffer(), ByteBuffer(), ByteBuffer())
      for _ in 0..<random.below(40) {
        let piece = random.bytes(random.below(3000))
        all.append(piece)
        if random.chance(2) {
          own.append(piece)
          own = lane.update(own)
          #expect(own.isEmpty)
        } else {
          shared.removeAll()
          shared.append(piece)
          lane.update(sharing: shared, upTo: piece.count)
          // What is written to it now is none of the lane's business.
          shared.append(random.bytes(10))
        }
      }
      #expect(lane.finish() == Hash256(of: all.span), "seed \(random.seed)")
    }
  }
}
