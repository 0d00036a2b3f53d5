import Glibc
import SystemPackage

/// A program that failed, or a file that could not be read or written.
package struct TestFailure: Error, CustomStringConvertible {
  package let description: String

  package init(_ description: String) { self.description = description }
}

/// A directory of its own for a test, removed with it.
package final class Scratch {
  package let path: FilePath

  /// - Parameter inMemory: on a file system in memory where there is one: for many writes that wait
  ///   for the disk, by tests that do not take its power away.
  package init(inMemory: Bool = false) throws {
    let memory = "/dev/shm"
    let parent =
      inMemory && access(memory, W_OK | X_OK) == 0
      ? memory : getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/holdfast-unit-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure("no scratch directory") }
    path = FilePath(
      String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  deinit { Self.remove(Array(path.string.utf8CString)) }

  /// Removes what is there with all below it, directories that may not be written to included.
  private static func remove(_ path: [CChar]) {
    var info = stat()
    guard lstat(path, &info) == 0 else { return }
    guard info.st_mode & S_IFMT == S_IFDIR else {
      unlink(path)
      return
    }
    chmod(path, 0o700)
    if let stream = opendir(path) {
      var names: [[CChar]] = []
      while let entry = readdir(stream) {
        let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { $0.prefix { $0 != 0 } }
        names.append(bytes.map { CChar(bitPattern: $0) })
      }
      closedir(stream)
      for name in names where name != [0x2E] && name != [0x2E, 0x2E] {
        remove(path.dropLast() + [0x2F] + name + [0])
      }
    }
    rmdir(path)
  }

  package func file(_ name: String) -> FilePath { path.pushing(FilePath(name)) }

  /// Writes a file, and the directories above it.
  @discardableResult
  package func write(_ bytes: [UInt8], to name: String) throws -> FilePath {
    let target = file(name)
    var above = path
    for part in FilePath(name).components.dropLast() {
      above.append(part)
      mkdir(above.string, 0o777)
    }
    guard let stream = fopen(target.string, "wb") else {
      throw TestFailure("cannot make \(target)")
    }
    let count = fwrite(bytes, 1, bytes.count, stream)
    guard fclose(stream) == 0, count == bytes.count else {
      throw TestFailure("cannot write \(target)")
    }
    return target
  }

  @discardableResult
  package func write(_ text: String, to name: String) throws -> FilePath {
    try write(Array(text.utf8), to: name)
  }

  package func read(_ name: String) throws -> [UInt8] { try Self.read(file(name)) }

  package static func read(_ path: FilePath) throws -> [UInt8] {
    guard let stream = fopen(path.string, "rb") else { throw TestFailure("cannot open \(path)") }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&block, 1, block.count, stream)
      bytes += block[0..<count]
      if count == 0 { break }
    }
    guard ferror(stream) == 0 else { throw TestFailure("cannot read \(path)") }
    return bytes
  }

  package func exists(_ name: String) -> Bool { access(file(name).string, F_OK) == 0 }

  /// Runs a shell command in the directory; throws with what it said unless it exits 0.
  /// Returns its standard output.
  @discardableResult
  package func run(_ command: String) throws -> String {
    let text = "cd '\(path)' || exit 1\n{ \(command)\n} 2>&1"
    guard let pipe = popen(text, "r") else { throw TestFailure("cannot run \(command)") }
    var said: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = fread(&block, 1, block.count, pipe)
      if count == 0 { break }
      said += block[0..<count]
    }
    let status = pclose(pipe)
    let output = String(decoding: said, as: UTF8.self)
    guard status == 0 else { throw TestFailure("'\(command)' ended with \(status): \(output)") }
    return output
  }

  /// Runs a Python script in the directory and returns what it printed.
  @discardableResult
  package func python(_ script: String, _ arguments: String...) throws -> String {
    try write(script, to: "script.py")
    let words = arguments.map { "'\($0)'" }.joined(separator: " ")
    return try run("python3 script.py \(words)")
  }
}
