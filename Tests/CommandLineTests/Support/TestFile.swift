import Glibc

/// Whole files, for tests only.
enum TestFile {
  static func read(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "rbe") else { throw TestFailure("no \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&block, 1, block.count, file)
      bytes += block[0..<count]
      if count < block.count { break }
    }
    guard ferror(file) == 0 else { throw TestFailure("cannot read \(path)") }
    return bytes
  }

  static func text(_ path: String) throws -> String {
    String(decoding: try read(path), as: UTF8.self)
  }

  static func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = fopen(path, "wbe") else { throw TestFailure("cannot make \(path)") }
    let count = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, count == bytes.count else {
      throw TestFailure("cannot write \(path)")
    }
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  /// Makes a directory and those above it.
  static func makeDirectory(_ path: String) throws {
    if path.isEmpty || exists(path) { return }
    try makeDirectory(String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw TestFailure("cannot make \(path)")
    }
  }

  /// The names in a directory, hidden ones included, sorted.
  static func names(_ directory: String) throws -> [String] {
    guard let stream = opendir(directory) else { throw TestFailure("no \(directory)") }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names.sorted()
  }

  /// Removes a file, or a directory with all that is in it; nothing there is fine.
  static func remove(_ path: String) throws {
    var facts = stat()
    guard lstat(path, &facts) == 0 else { return }
    if facts.st_mode & S_IFMT == S_IFDIR {
      chmod(path, 0o700)
      for name in try names(path) { try remove("\(path)/\(name)") }
    }
    guard Glibc.remove(path) == 0 else { throw TestFailure("cannot remove \(path)") }
  }

  static func size(_ path: String) throws -> Int {
    var facts = stat()
    guard stat(path, &facts) == 0 else { throw TestFailure("no \(path)") }
    return Int(facts.st_size)
  }

  /// Sets the time of last change, in nanoseconds since 1970.
  static func setTime(_ nanoseconds: Int, of path: String) throws {
    let time = timespec(
      tv_sec: nanoseconds / 1_000_000_000, tv_nsec: nanoseconds % 1_000_000_000)
    guard utimensat(AT_FDCWD, path, [time, time], AT_SYMLINK_NOFOLLOW) == 0 else {
      throw TestFailure("cannot set the time of \(path)")
    }
  }

  static func setMode(_ mode: UInt32, of path: String) throws {
    guard chmod(path, mode) == 0 else { throw TestFailure("cannot set the mode of \(path)") }
  }
}
