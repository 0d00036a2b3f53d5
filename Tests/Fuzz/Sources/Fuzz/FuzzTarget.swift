import Disk
import Glibc
import LosslessJSON
import RTFS
import Records
import Salvage
import SystemPackage

/// What is fed with random bytes. A target must end, in memory bounded by its input, without a
/// trap, and keep what it promises of any input: `fail` says where it does not.
enum FuzzTarget: String, CaseIterable {
  /// The JSON scanner, and the salvage of texts around it.
  case json
  /// The reader of RTFS snapshots.
  case rtfs
  /// The reader of database pages.
  case pages
  /// The readers of frames and members of archives.
  case frames

  func run(_ bytes: [UInt8]) {
    switch self {
    case .json:
      Self.scan(bytes)
      guard let first = bytes.first else { return }
      let kinds: [String?] = [nil, "memory-graph", "intent-snapshot", "jsonl", "json", "task-list"]
      Self.salvage(
        Array(bytes.dropFirst()), as: "a.jsonl", kind: kinds[Int(first) % kinds.count],
        repairs: first & 0x80 != 0)
    case .rtfs: Self.read(bytes)
    case .pages: Self.salvage(bytes, as: "a.db", kind: nil, takesDeleted: true)
    case .frames:
      guard let first = bytes.first else { return }
      let names = ["a-20260101T000000Z.tar.zst", "a.tar.gz", "a.tar"]
      Self.salvage(Array(bytes.dropFirst()), as: names[Int(first) % names.count], kind: nil)
    }
  }

  static func fail(_ message: String) -> Never {
    let text = Array((message + "\n").utf8)
    _ = write(2, text, text.count)
    abort()
  }

  /// What parses has a compact form that parses, with the same canonical form.
  private static func scan(_ bytes: [UInt8]) {
    guard var text = try? JSONText(bytes.span) else { return }
    var compact = ByteBuffer()
    text.appendCompact(to: &compact)
    guard var again = try? JSONText(compact.span) else { fail("a compact form does not parse") }
    var one = ByteBuffer()
    var two = ByteBuffer()
    text.appendCanonical(to: &one)
    again.appendCanonical(to: &two)
    if one.array != two.array { fail("two canonical forms") }
    guard (try? JSONText(one.span)) != nil else { fail("a canonical form does not parse") }
  }

  /// What is read is JSON, whatever the size of the pieces that it comes in.
  private static func read(_ bytes: [UInt8]) {
    func records(_ step: Int) -> [[UInt8]] {
      var found: [[UInt8]] = []
      var reader = RTFSReader(Pieces(bytes, step), window: step)
      var record = Record()
      while (try? reader.next(&record)) ?? false {
        var out = ByteBuffer()
        record.text.appendCompact(to: &out)
        if (try? JSONText(out.span)) == nil { fail("a record that is no JSON") }
        found.append(out.array)
      }
      return found
    }
    if records(7) != records(1 << 20) { fail("the size of the pieces matters") }
  }

  /// Any input has an outcome, and its bytes add up: the salvage throws where they do not.
  private static func salvage(
    _ bytes: [UInt8], as name: String, kind: String?, repairs: Bool = false,
    takesDeleted: Bool = false
  ) {
    let root = FilePath("/dev/shm/holdfast-fuzz-\(getpid())")
    do {
      try Disk.remove(root)
      try Disk.makeDirectory(root)
      let input = root.appending(name)
      let file = try StagedFile(input)
      try file.write(bytes.span)
      try file.close()
      var request = SalvageRequest(
        paths: [input], target: root.appending("out"), time: 1_780_000_000)
      request.kind = kind
      request.repairs = repairs
      request.takesDeleted = takesDeleted
      _ = try SalvagePlan(request).run()
      try Disk.remove(root)
    } catch { fail("\(error)") }
  }
}

private struct Pieces: ByteSource {
  private let bytes: [UInt8]
  private let step: Int
  private var at = 0

  init(_ bytes: [UInt8], _ step: Int) {
    self.bytes = bytes
    self.step = step
  }

  mutating func read(into buffer: inout ByteBuffer, atMost limit: Int) -> Int {
    let count = min(limit, step, bytes.count - at)
    buffer.append(bytes.span.extracting(at..<at + count))
    at += count
    return count
  }
}
