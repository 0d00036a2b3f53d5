import Glibc

/// A file that could not be read or written, or a program that failed.
struct TestFailure: Error, CustomStringConvertible {
  let description: String
}

/// Whole files, for tests only.
enum TestFile {
  static func read(_ path: String) throws -> [UInt8] {
    guard let file = fopen(path, "rb") else { throw TestFailure(description: "no \(path)") }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&block, 1, block.count, file)
      bytes += block[0..<count]
      if count < block.count { break }
    }
    guard ferror(file) == 0 else { throw TestFailure(description: "cannot read \(path)") }
    return bytes
  }

  static func write(_ bytes: [UInt8], to path: String) throws {
    guard let file = fopen(path, "wb") else {
      throw TestFailure(description: "cannot make \(path)")
    }
    let count = fwrite(bytes, 1, bytes.count, file)
    guard fclose(file) == 0, count == bytes.count else {
      throw TestFailure(description: "cannot write \(path)")
    }
  }

  /// Runs `body` with a fresh directory, removed afterwards with the files in it.
  static func withDirectory<T>(_ body: (String) throws -> T) throws -> T {
    var template = Array("/tmp/holdfast-test-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw TestFailure(description: "no directory") }
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { _ = try? run(["rm", "-rf", path]) }
    return try body(path)
  }

  /// Runs a program to its end; its standard output goes to `output`. Throws unless it exits 0.
  static func run(_ arguments: [String], output: String = "/dev/null") throws {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    let flags = O_WRONLY | O_CREAT | O_TRUNC
    posix_spawn_file_actions_addopen(&actions, 1, output, flags, 0o600)
    var words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child = pid_t()
    guard posix_spawnp(&child, arguments[0], &actions, nil, &words, environ) == 0 else {
      throw TestFailure(description: "cannot run \(arguments[0])")
    }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 {
      guard errno == EINTR else { throw TestFailure(description: "lost \(arguments[0])") }
    }
    guard status == 0 else {
      throw TestFailure(description: "\(arguments[0]) ended with status \(status)")
    }
  }
}
