/// What a run did to the files in one directory, told by strace, in order.
struct DiskLog {
  /// A file, directory or link, whatever its names are. 0 is the directory itself.
  typealias Object = Int

  enum Change {
    /// Names in directories get, or with nil lose, their objects: all of these or none.
    case names([(directory: Object, name: String, object: Object?)])
    case write(at: Int, bytes: [UInt8])
    case truncate(Int)
    case mode(UInt32)
    case modified(Int)
  }

  struct Step {
    var change: Change
    /// What must be synced to make it last.
    var object: Object
    /// The number of steps done when it was synced, and so lasts for sure.
    var lastsFrom = Int.max
  }

  private(set) var steps: [Step] = []
  /// All objects as they came into being.
  private(set) var objects: [TreeImage.Node]
  /// By directory and name, before.
  let start: [Object: [String: Object]]
  /// The same at the end of the log.
  private var names: [Object: [String: Object]]
  private let root: String
  private var open: [Int: (object: Object, position: Int, isAppending: Bool)] = [:]

  /// - Parameter before: what was in the directory `root` at the beginning.
  init(of log: String, in root: String, before: TreeImage) throws {
    self.root = root
    objects = [TreeImage.Node(kind: .directory, mode: 0o755)]
    var start: [Object: [String: Object]] = [0: [:]]
    var known: [String: Object] = [:]
    for (path, node) in before.nodes.sorted(by: { $0.key < $1.key }) {
      let object = objects.count
      objects.append(node)
      known[path] = object
      let parts = path.split(separator: "/")
      let parent = parts.count == 1 ? 0 : known[parts.dropLast().joined(separator: "/")] ?? 0
      start[parent, default: [:]][String(parts[parts.count - 1])] = object
      if node.kind == .directory { start[object] = [:] }
    }
    self.start = start
    names = start
    var halves: [Substring: Substring] = [:]
    for line in try TestFile.text(log).split(separator: "\n") {
      let words = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
      guard words.count == 2 else { continue }
      let text = words[1].drop { $0 == " " }
      if text.hasSuffix(" <unfinished ...>") {
        halves[words[0]] = text.dropLast(" <unfinished ...>".count)
      } else if text.hasPrefix("<... "), let end = text.firstIndex(of: ">") {
        guard let first = halves.removeValue(forKey: words[0]) else { continue }
        add(TracedLine(String(first) + text[text.index(after: end)...]))
      } else {
        add(TracedLine(String(text)))
      }
    }
  }

  private mutating func add(_ line: TracedLine?) {
    guard let line, line.result >= 0 else { return }
    let words = line.words
    switch line.name {
    case "openat":
      guard words.count > 2 else { return }
      openFile(line, flags: words[2])
    case "write", "writev":
      guard let at = file(line) else { return }
      let bytes = Array(line.bytes.prefix(line.result))
      let position = at.isAppending ? content(of: at.object) : at.position
      push(.write(at: position, bytes: bytes), at.object)
      open[line.descriptor]?.position = position + bytes.count
    case "pwrite64":
      guard let at = file(line), let position = words.last.flatMap({ Int($0) }) else {
        return
      }
      push(.write(at: position, bytes: Array(line.bytes.prefix(line.result))), at.object)
    case "lseek": open[line.descriptor]?.position = line.result
    case "ftruncate":
      guard let at = file(line), let size = words.last.flatMap({ Int($0) }) else { return }
      push(.truncate(size), at.object)
    case "fsync", "fdatasync":
      guard let at = file(line) else { return }
      for index in steps.indices where steps[index].object == at.object {
        steps[index].lastsFrom = min(steps[index].lastsFrom, steps.count)
      }
    case "syncfs":
      for index in steps.indices {
        steps[index].lastsFrom = min(steps[index].lastsFrom, steps.count)
      }
    case "fchmod":
      guard let at = file(line), let mode = words.last.flatMap({ UInt32($0, radix: 8) })
      else { return }
      push(.mode(mode), at.object)
    case "chmod":
      guard let object = object(line.path(0)), let mode = UInt32(words[1], radix: 8) else { return }
      push(.mode(mode), object)
    case "utimensat":
      guard let at = file(line), let time = line.time else { return }
      push(.modified(time), at.object)
    case "mkdir":
      guard let place = place(line.path(0)), let mode = UInt32(words[1], radix: 8) else { return }
      make(TreeImage.Node(kind: .directory, mode: mode & ~0o022), place)
    case "symlink":
      guard let place = place(line.path(1)) else { return }
      make(TreeImage.Node(kind: .link, mode: 0o777, bytes: line.string(0)), place)
    case "unlink", "rmdir":
      guard let place = place(line.path(0)), object(line.path(0)) != nil else { return }
      push([(place.directory, place.name, nil)], place.directory)
    case "link":
      guard let object = object(line.path(0)), let place = place(line.path(1)) else { return }
      push([(place.directory, place.name, object)], place.directory)
    case "rename", "renameat2":
      let (a, b) = line.name == "rename" ? (0, 1) : (1, 3)
      guard let from = place(line.path(a)), let to = place(line.path(b)),
        let object = object(line.path(a))
      else { return }
      let isExchange = words.last == "RENAME_EXCHANGE"
      let other = isExchange ? self.object(line.path(b)) : nil
      push([(to.directory, to.name, object), (from.directory, from.name, other)], to.directory)
    default: break
    }
  }

  /// The open file that the first word names. Descriptors come from elsewhere too, such as pipes.
  private func file(_ line: TracedLine) -> (object: Object, position: Int, isAppending: Bool)? {
    guard let at = open[line.descriptor], object(line.descriptorPath) == at.object else {
      return nil
    }
    return at
  }

  private mutating func openFile(_ line: TracedLine, flags: String) {
    let path = line.resultPath
    open[line.result] = nil
    guard !path.hasSuffix("(deleted)") else { return }
    if object(path) == nil, flags.contains("O_CREAT"), let place = place(path) {
      let mode = line.words.last.flatMap { UInt32($0, radix: 8) } ?? 0o600
      make(TreeImage.Node(kind: .file, mode: mode & ~0o022), place)
    }
    guard let object = object(path) else { return }
    if flags.contains("O_TRUNC") { push(.truncate(0), object) }
    open[line.result] = (object, 0, flags.contains("O_APPEND"))
  }

  private mutating func make(_ node: TreeImage.Node, _ place: (directory: Object, name: String)) {
    objects.append(node)
    let object = objects.count - 1
    if node.kind == .directory { names[object] = [:] }
    push([(place.directory, place.name, object)], place.directory)
  }

  private mutating func push(_ change: Change, _ object: Object) {
    steps.append(Step(change: change, object: object))
  }

  private mutating func push(
    _ changes: [(directory: Object, name: String, object: Object?)], _ directory: Object
  ) {
    for change in changes { names[change.directory, default: [:]][change.name] = change.object }
    push(.names(changes), directory)
  }

  /// The size that an object has at this moment.
  private func content(of object: Object) -> Int {
    steps.reduce(objects[object].bytes.count) { size, step in
      guard step.object == object else { return size }
      switch step.change {
      case .write(let at, let bytes): return max(size, at + bytes.count)
      case .truncate(let length): return length
      default: return size
      }
    }
  }

  private func place(_ path: String) -> (directory: Object, name: String)? {
    guard path.hasPrefix(root + "/") else { return nil }
    let parts = path.dropFirst(root.count + 1).split(separator: "/").map(String.init)
    guard let last = parts.last else { return nil }
    var at = 0
    for part in parts.dropLast() {
      guard let next = names[at]?[part] else { return nil }
      at = next
    }
    return (at, last)
  }

  private func object(_ path: String) -> Object? {
    if path == root { return 0 }
    return place(path).flatMap { names[$0.directory]?[$0.name] }
  }

  /// What is on the disk when power fails after `count` steps: all that had been synced by then,
  /// and of the rest what `isWritten` says.
  func image(after count: Int, isWritten: (Int, Step) -> Bool) -> TreeImage {
    var (nodes, names) = (objects, start)
    for (index, step) in steps.prefix(count).enumerated() {
      guard step.lastsFrom <= count || isWritten(index, step) else { continue }
      switch step.change {
      case .names(let changes):
        for change in changes {
          names[change.directory, default: [:]][change.name] = change.object
        }
      case .write(let at, let bytes):
        let missing = at + bytes.count - nodes[step.object].bytes.count
        if missing > 0 { nodes[step.object].bytes += [UInt8](repeating: 0, count: missing) }
        nodes[step.object].bytes.replaceSubrange(at..<at + bytes.count, with: bytes)
      case .truncate(let size):
        let missing = size - nodes[step.object].bytes.count
        if missing > 0 { nodes[step.object].bytes += [UInt8](repeating: 0, count: missing) }
        nodes[step.object].bytes.removeLast(max(0, -missing))
      case .mode(let mode): nodes[step.object].mode = mode
      case .modified(let time): nodes[step.object].modified = time
      }
    }
    var image = TreeImage()
    func gather(_ directory: Object, _ prefix: String) {
      for (name, object) in names[directory] ?? [:] {
        image.nodes[prefix + name] = nodes[object]
        if nodes[object].kind == .directory { gather(object, "\(prefix)\(name)/") }
      }
    }
    gather(0, "")
    return image
  }
}

/// One line of `strace -y -xx`: all strings and paths are in hexadecimal.
private struct TracedLine {
  let name: String
  let words: [String]
  let result: Int
  let resultPath: String

  init?(_ line: String) {
    guard let start = line.firstIndex(of: "("), let equals = line.lastIndex(of: "="),
      let end = line[..<equals].lastIndex(of: ")")
    else { return nil }
    name = String(line[..<start])
    var (words, word, depth, isQuoted) = ([String](), "", 0, false)
    for character in line[line.index(after: start)..<end] {
      if character == "\"" { isQuoted.toggle() }
      if !isQuoted, "[{<".contains(character) { depth += 1 }
      if !isQuoted, "]}>".contains(character) { depth -= 1 }
      if character == ",", depth == 0, !isQuoted {
        words.append(word)
        word = ""
      } else if character != " " || isQuoted {
        word.append(character)
      }
    }
    self.words = words + [word]
    let tail = line[equals...].dropFirst(2)
    result = Int(tail.prefix { $0.isNumber || $0 == "-" }) ?? -1
    resultPath = Self.path(tail)
  }

  /// Of the first word.
  var descriptor: Int { Int(words[0].prefix { $0.isNumber }) ?? -1 }

  var descriptorPath: String { Self.path(words[0][...]) }

  func path(_ index: Int) -> String { String(decoding: string(index), as: UTF8.self) }
  func string(_ index: Int) -> [UInt8] { index < words.count ? Self.strings(words[index]) : [] }

  /// All that is written.
  var bytes: [UInt8] { words.dropFirst().flatMap { Self.strings($0) } }

  /// The second of two times, in nanoseconds.
  var time: Int? {
    let numbers = words.first { $0.contains("tv_sec") }?.split { !$0.isNumber }.compactMap {
      Int($0)
    }
    guard let numbers, numbers.count >= 4 else { return nil }
    return numbers[numbers.count - 2] * 1_000_000_000 + numbers[numbers.count - 1]
  }

  private static func path(_ text: Substring) -> String {
    guard let start = text.firstIndex(of: "<"), let end = text.lastIndex(of: ">"), start < end
    else {
      return ""
    }
    let inner = text[text.index(after: start)..<end]
    let name = String(decoding: unescaped(inner.utf8), as: UTF8.self)
    return text.contains("(deleted)") ? name + "(deleted)" : name
  }

  private static func strings(_ word: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, piece) in word.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
    where index % 2 == 1 {
      bytes += unescaped(piece.utf8)
    }
    return bytes
  }

  /// `\x41\x42` as AB.
  private static func unescaped(_ text: Substring.UTF8View) -> [UInt8] {
    func digit(_ byte: UInt8) -> UInt8 { byte < 0x3A ? byte &- 0x30 : byte &- 0x57 }
    let all = Array(text)
    return stride(from: 0, to: all.count - 3, by: 4).map {
      digit(all[$0 + 2]) << 4 | digit(all[$0 + 3])
    }
  }
}
