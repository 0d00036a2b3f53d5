import Disk
import Glibc
import LosslessJSON
import Records
import Snapshot
import Stores
import Synchronization

/// One line of progress on a terminal, with rate and time left; on SIGUSR1 one line anywhere.
/// Any thread may add to it.
final class ProgressLine: Sendable {
  private struct State {
    var total: Int
    var done = 0
    var lastShown = 0.0
  }

  private let phase: String
  private let isShown: Bool
  private let started = Clock.now
  private let state: Mutex<State>

  init(_ phase: String, total: Int, _ console: Console) {
    self.phase = phase
    state = Mutex(State(total: total))
    isShown = Console.errorIsTerminal && !console.isQuiet && !console.isJSON
  }

  /// Sets anew how many bytes there are to do, for work that is known only once it has begun.
  func begin(total: Int) {
    state.withLock {
      $0.total = total
      $0.done = 0
    }
  }

  func add(_ bytes: Int) {
    state.withLock { state in
      state.done += bytes
      if Interruption.takeStatusRequest() {
        Console.write(text(state) + "\n", to: .standardError)
      }
      guard isShown else { return }
      let now = Clock.now
      guard now - state.lastShown > 0.1, now - started > 0.5 else { return }
      state.lastShown = now
      Console.write("\r\u{1B}[K\(text(state))", to: .standardError)
    }
  }

  /// Clears the line.
  func finish() {
    if isShown, state.withLock({ $0.lastShown > 0 }) {
      Console.write("\r\u{1B}[K", to: .standardError)
    }
  }

  private func text(_ state: State) -> String {
    let (total, done) = (state.total, state.done)
    let seconds = max(Clock.now - started, 0.001)
    let rate = Double(done) / seconds
    var text = "\(phase)  \(humanBytes(done))"
    if total > 0 {
      let percent = Int((min(1, Double(done) / Double(total)) * 100).rounded(.down))
      text += " of \(humanBytes(total)) (\(percent) %)"
    }
    text += "  \(humanBytes(Int(rate)))/s"
    if total > done, rate > 0 {
      let left = Int(min(Double(total - done) / rate, 1e9).rounded(.up))
      text += "  \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left"
    }
    return text
  }

  /// For a verification, which tells only later how much there is to do.
  var verification: Verification.Progress {
    Verification.Progress(start: { self.begin(total: $0) }, add: { self.add($0) })
  }

  /// The tree, with every byte that is read counted here.
  func watching(_ tree: any StoreTree) -> any StoreTree { WatchedTree(tree, self) }
}

private final class WatchedTree: StoreTree {
  private let base: any StoreTree
  private let progress: ProgressLine

  init(_ base: any StoreTree, _ progress: ProgressLine) {
    self.base = base
    self.progress = progress
  }

  var files: [StoreFile] { base.files }
  var isSingleFile: Bool { base.isSingleFile }
  var notes: [Finding] { base.notes }
  func displayPath(_ index: Int) -> String { base.displayPath(index) }
  func head(_ index: Int, limit: Int) throws -> ByteBuffer { try base.head(index, limit: limit) }
  func place(_ index: Int) throws -> FilePlace { try base.place(index) }

  func open(_ index: Int) throws -> ByteStream {
    let stream = try base.open(index)
    return ByteStream { [progress] buffer, limit in
      let count = try stream.read(into: &buffer, atMost: limit)
      progress.add(count)
      return count
    }
  }
}
