import Disk
import Glibc
import LosslessJSON
import Records
import Stores

/// One line of progress on a terminal, with rate and time left; on SIGUSR1 one line anywhere.
final class ProgressLine {
  private let phase: String
  private let total: Int
  private let isShown: Bool
  private let isQuiet: Bool
  private let started = Clock.now
  private var lastShown = 0.0
  private var done = 0

  init(_ phase: String, total: Int, _ console: Console) {
    self.phase = phase
    self.total = total
    isQuiet = console.isQuiet
    isShown = Console.errorIsTerminal && !console.isQuiet && !console.isJSON
  }

  func add(_ bytes: Int) {
    done += bytes
    if Interruption.takeStatusRequest() { Console.write(text + "\n", to: .standardError) }
    guard isShown else { return }
    let now = Clock.now
    guard now - lastShown > 0.1, now - started > 0.5 else { return }
    lastShown = now
    Console.write("\r\u{1B}[K\(text)", to: .standardError)
  }

  /// Clears the line.
  func finish() {
    if isShown, lastShown > 0 { Console.write("\r\u{1B}[K", to: .standardError) }
  }

  private var text: String {
    let seconds = max(Clock.now - started, 0.001)
    let rate = Double(done) / seconds
    var text = "\(phase)  \(humanBytes(done))"
    if total > 0 { text += " of \(humanBytes(total)) (\(min(100, done * 100 / total)) %)" }
    text += "  \(humanBytes(Int(rate)))/s"
    if total > done, rate > 0 {
      let left = Int((Double(total - done) / rate).rounded(.up))
      text += "  \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left"
    }
    return text
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
