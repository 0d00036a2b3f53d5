import Disk
import Dispatch
import LosslessJSON
import Synchronization

/// A frame on its way through the pool.
final class FrameJob: Sendable {
  private struct State {
    var content: ByteBuffer
    var result: Result<ByteBuffer, ArchiveError>?
  }

  private let state: Mutex<State>
  private let done = DispatchSemaphore(value: 0)
  let contentSize: Int

  init(_ content: ByteBuffer) {
    contentSize = content.count
    state = Mutex(State(content: content))
  }

  /// Called once, by a worker.
  func run(_ compressor: inout FrameCompressor) {
    var content = state.withLock { state in
      let content = state.content
      state.content = ByteBuffer()
      return content
    }
    let result: Result<ByteBuffer, ArchiveError>
    do throws(ArchiveError) {
      result = .success(try compressor.compress(content.span))
    } catch { result = .failure(error) }
    content.removeAll()
    state.withLock { state in
      state.content = content
      state.result = result
    }
    done.signal()
  }

  var isDone: Bool { state.withLock { $0.result != nil } }

  /// Waits for the frame; called once. Gives the emptied content buffer back for the next.
  func wait() throws(ArchiveError) -> (frame: ByteBuffer, spare: ByteBuffer) {
    WorkPool.shared.wait(for: done)
    let (result, spare) = state.withLock { state in
      let taken = (state.result, state.content)
      state = State(content: ByteBuffer(), result: state.result)
      return taken
    }
    guard let result else { throw ArchiveError(.failed, "a frame was lost") }
    return (try result.get(), spare)
  }
}

/// Compressors that work through a queue of frames on background threads, each with a context
/// of its own that it keeps.
package final class CompressionPool: Sendable {
  private final class Worker: Sendable {
    let compressor: Mutex<FrameCompressor>

    init(_ compression: Compression) throws(ArchiveError) {
      compressor = Mutex(try FrameCompressor(compression))
    }
  }

  private struct State {
    var waiting: [FrameJob] = []
    var idle: [Worker]
  }

  private let state: Mutex<State>
  /// For whoever would only wait.
  private let helper: Worker

  package let compression: Compression
  package let workers: Int

  /// Throws `failed` where there is no memory for the compressors, `invalidSetting` for a level
  /// out of range.
  package init(_ compression: Compression, workers: Int = 2) throws(ArchiveError) {
    _ = try Compression(parsing: compression.description)
    let workers = max(1, workers)
    self.compression = compression
    self.workers = workers
    var idle: [Worker] = []
    for _ in 0..<workers { idle.append(try Worker(compression)) }
    state = Mutex(State(idle: idle))
    helper = try Worker(compression)
  }

  /// Starts a frame: one to `Frame.contentLimit` bytes.
  func submit(_ content: ByteBuffer) -> FrameJob {
    let job = FrameJob(content)
    let worker = state.withLock { state in
      state.waiting.append(job)
      return state.idle.popLast()
    }
    if let worker { WorkPool.shared.submit { self.work(worker) } }
    return job
  }

  /// Takes frames until none waits.
  private func work(_ worker: Worker) {
    while let job = next(for: worker) {
      worker.compressor.withLock { job.run(&$0) }
    }
  }

  /// Compresses the oldest frame that nobody works on yet, on the calling thread.
  func help() {
    let job = state.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() }
    if let job { helper.compressor.withLock { job.run(&$0) } }
  }

  /// The oldest frame; where there is none, the worker is idle again before anyone can add one.
  private func next(for worker: Worker) -> FrameJob? {
    state.withLock { state in
      guard state.waiting.isEmpty else { return state.waiting.removeFirst() }
      state.idle.append(worker)
      return nil
    }
  }
}
