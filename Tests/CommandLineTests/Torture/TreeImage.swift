import Glibc

/// Files and directories as they are at one moment, in memory.
struct TreeImage: Equatable {
  enum Kind: Equatable { case file, directory, link, other }

  struct Node: Equatable {
    var kind: Kind
    var mode: UInt32
    /// Of a file its content, of a symbolic link what it says.
    var bytes: [UInt8] = []
    /// Nanoseconds since 1970; 0 where times are left out.
    var modified = 0
  }

  /// By path from the root of the image, which itself has none.
  var nodes: [String: Node] = [:]

  init() {}

  /// Reads all below a directory.
  init(of directory: String, hasTimes: Bool = true) throws {
    try read(directory, "", hasTimes)
  }

  private mutating func read(_ root: String, _ prefix: String, _ hasTimes: Bool) throws {
    for name in try TestFile.names(prefix.isEmpty ? root : "\(root)/\(prefix)") {
      let path = prefix.isEmpty ? name : "\(prefix)/\(name)"
      var facts = stat()
      guard lstat("\(root)/\(path)", &facts) == 0 else { continue }
      var node = Node(kind: .other, mode: facts.st_mode & 0o7777)
      node.modified = hasTimes ? facts.st_mtim.tv_sec * 1_000_000_000 + facts.st_mtim.tv_nsec : 0
      switch facts.st_mode & S_IFMT {
      case S_IFREG:
        node.kind = .file
        node.bytes = try TestFile.read("\(root)/\(path)")
      case S_IFDIR: node.kind = .directory
      case S_IFLNK:
        node.kind = .link
        var text = [CChar](repeating: 0, count: 4096)
        let count = readlink("\(root)/\(path)", &text, text.count)
        node.bytes = text.prefix(max(count, 0)).map(UInt8.init(bitPattern:))
      default: break
      }
      nodes[path] = node
      if node.kind == .directory { try read(root, path, hasTimes) }
    }
  }

  /// What is at `name` and below; empty where there is nothing.
  func part(_ name: String) -> TreeImage {
    var part = TreeImage()
    for (path, node) in nodes {
      if path == name { part.nodes["."] = node }
      if path.hasPrefix(name + "/") { part.nodes[String(path.dropFirst(name.count + 1))] = node }
    }
    return part
  }

  /// Without times, and without the locks that stay where they were made.
  var lasting: TreeImage {
    var image = self
    for (path, node) in nodes {
      if Self.isLock(path) {
        image.nodes[path] = nil
      } else if node.modified != 0 {
        image.nodes[path]?.modified = 0
      }
    }
    return image
  }

  static func last(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  /// Lock files stay: to remove one while another program waits for it would let two in.
  private static func isLock(_ path: String) -> Bool {
    let name = last(path)
    return name == ".lock" || name.hasPrefix(".holdfast-") && name.hasSuffix(".lock")
  }

  /// Unfinished files and directories.
  var leftovers: [String] {
    nodes.keys.filter { path in
      let name = Self.last(path)
      return name.hasPrefix(".holdfast-") && !Self.isLock(path) || name.hasSuffix("-journal")
        || name.hasSuffix("-wal")
    }.sorted()
  }

  /// What another one has that this one has not, or differently.
  func difference(from other: TreeImage) -> String {
    let gone = other.nodes.keys.filter { nodes[$0] == nil }.sorted().map { "-\($0)" }
    let new = nodes.keys.filter { other.nodes[$0] == nil }.sorted().map { "+\($0)" }
    let changed = nodes.keys.filter { path in other.nodes[path].map { $0 != nodes[path] } ?? false }
    return (gone + new + changed.sorted().map { "~\($0)" }).joined(separator: " ")
  }

  /// Makes it on the disk, in a directory that does not exist.
  func write(to root: String) throws {
    try TestFile.makeDirectory(root)
    let order = nodes.keys.sorted()
    for path in order {
      guard let node = nodes[path] else { continue }
      let place = "\(root)/\(path)"
      switch node.kind {
      case .directory:
        guard mkdir(place, 0o755) == 0 else { throw TestFailure("cannot make \(place)") }
      case .link:
        let text = String(decoding: node.bytes, as: UTF8.self)
        guard symlink(text, place) == 0 else { throw TestFailure("cannot make \(place)") }
      case .file, .other:
        try TestFile.write(node.bytes, to: place)
      }
    }
    for path in order.reversed() {
      guard let node = nodes[path], node.kind != .link else { continue }
      try TestFile.setMode(node.mode, of: "\(root)/\(path)")
      try TestFile.setTime(node.modified, of: "\(root)/\(path)")
    }
  }
}
