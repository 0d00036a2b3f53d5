/// The second implementation of the canonical form, `canonical_reference.py`, run by a real
/// Python on a batch of texts.
enum Reference {
  /// The canonical form of each text; nil for one that Python refuses.
  static func canonical(_ texts: [[UInt8]]) throws -> [[UInt8]?] {
    let script =
      #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/") + "/canonical_reference.py"
    return try TestFile.withDirectory { directory in
      var input: [UInt8] = []
      for text in texts {
        input += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: text.count >> $0) }
        input += text
      }
      try TestFile.write(input, to: directory + "/in")
      try TestFile.run(["python3", script, directory + "/in"], output: directory + "/out")
      let output = try TestFile.read(directory + "/out")
      var answers: [[UInt8]?] = []
      var at = 0
      while at + 4 <= output.count {
        let length = output[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
        at += 4
        if length == 0xFFFF_FFFF {
          answers.append(nil)
        } else {
          guard at + length <= output.count else { break }
          answers.append(Array(output[at..<at + length]))
          at += length
        }
      }
      guard answers.count == texts.count else {
        throw TestFailure(description: "\(answers.count) answers to \(texts.count) texts")
      }
      return answers
    }
  }
}
