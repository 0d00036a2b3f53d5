import Glibc

/// What keeps a test from being run at all.
struct TestFailure: Error, CustomStringConvertible {
  let description: String
}

/// The checkout that these tests were built from, and the binary they ask.
enum Checkout {
  static let root: String = {
    // Tests/DocumentationTests/Support/Checkout.swift
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(4).joined(separator: "/")
  }()

  /// `HOLDFAST_BINARY`, else the product that was built along with the tests.
  static var binary: String {
    if let given = getenv("HOLDFAST_BINARY") { return String(cString: given) }
    #if DEBUG
      return "\(root)/.build/debug/holdfast"
    #else
      return "\(root)/.build/release/holdfast"
    #endif
  }

  /// The text of a file, by its path from the root.
  static func read(_ path: String) throws -> String {
    try contents("\(root)/\(path)")
  }

  static func contents(_ path: String) throws -> String {
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
    return String(decoding: bytes, as: UTF8.self)
  }

  static func exists(_ path: String) -> Bool {
    var facts = stat()
    return lstat("\(root)/\(path)", &facts) == 0
  }

  /// The texts for people: what tells of the program and of its stores.
  static let documents = [
    "README.md", "CHANGELOG.md", "docs/cli.md", "docs/coverage.md", "docs/format.md",
    "docs/json.md", "docs/stores.md", "migrations/README.md", "samples/README.md",
  ]
}
