import Glibc
import SystemPackage

/// Lists directories in byte order of names, one directory at a time, without recursion and
/// without following symbolic links.
package enum TreeWalk {
  package struct Entry: Sendable {
    /// Path from the root of the walk.
    package var name: FilePath
    package var facts: FileFacts
  }

  /// The names in `directory`, sorted bytewise, `.` and `..` left out.
  package static func names(in directory: FilePath) throws(DiskError) -> [FilePath.Component] {
    guard let stream = directory.withPlatformString({ opendir($0) }) else {
      throw DiskError("cannot list", directory, Errno(rawValue: errno))
    }
    defer { closedir(stream) }
    var names: [FilePath.Component] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw DiskError("cannot list", directory, Errno(rawValue: errno)) }
        break
      }
      let component = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) {
          FilePath.Component(platformString: $0)
        }
      }
      if let component, component.kind == .regular { names.append(component) }
    }
    return names.map { ($0, bytes(of: $0)) }
      .sorted { $0.1.lexicographicallyPrecedes($1.1) }.map(\.0)
  }

  /// The bytes of a name: the file system's own, which need not be UTF-8.
  package static func bytes(of component: FilePath.Component) -> [UInt8] {
    component.withPlatformString { text in
      (0..<strlen(text)).map { UInt8(bitPattern: text[$0]) }
    }
  }

  package static func bytes(of path: FilePath) -> [UInt8] {
    path.withPlatformString { text in (0..<strlen(text)).map { UInt8(bitPattern: text[$0]) } }
  }

  /// Visits everything below `root`, directories before what they hold. `visit` returns whether
  /// to go into a directory. Entries that vanish meanwhile are passed over.
  package static func walk(
    _ root: FilePath, _ visit: (Entry) throws -> Bool
  ) throws {
    var stack: [(prefix: FilePath, names: [FilePath.Component], next: Int)] = [
      (FilePath(""), try names(in: root), 0)
    ]
    while let level = stack.indices.last {
      let next = stack[level].next
      guard next < stack[level].names.count else {
        stack.removeLast()
        continue
      }
      stack[level].next += 1
      let path = stack[level].prefix.appending(stack[level].names[next])
      let full = root.pushing(path)
      guard let facts = try FileFacts(at: full, following: false) else { continue }
      let enter = try visit(Entry(name: path, facts: facts))
      if enter, facts.kind == .directory {
        stack.append((path, try names(in: full), 0))
      }
    }
  }
}

extension FilePath {
  /// Makes a path of raw bytes, which need not be UTF-8; nil if they hold a NUL.
  package init?(bytes: [UInt8]) {
    guard !bytes.contains(0) else { return nil }
    var text = bytes.map { CChar(bitPattern: $0) }
    text.append(0)
    self = text.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return FilePath("") }
      return FilePath(platformString: base)
    }
  }
}
