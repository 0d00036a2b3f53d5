import Disk
import LosslessJSON

/// Puts common, removed and added lines into the hunks of a unified diff, three lines of context
/// around each.
struct HunkWriter {
  private static let context = 3

  private let names: (String, String)
  private let out: (Span<UInt8>) throws -> Void
  private var isFirst = true
  /// Lines seen of each text.
  private var seen = (0, 0)
  /// The last common lines, before a hunk or at the end of one.
  private var trail: [[UInt8]] = []
  private let body = Shelf(limit: 1 << 20)
  private var start = (0, 0)
  private var lines = (0, 0)
  private var isOpen = false

  init(names: (String, String), to out: @escaping (Span<UInt8>) throws -> Void) {
    self.names = names
    self.out = out
  }

  mutating func common(_ line: [UInt8]) throws {
    trail.append(line)
    seen = (seen.0 + 1, seen.1 + 1)
    if isOpen {
      if trail.count > 2 * Self.context { try close() }
    } else if trail.count > Self.context {
      trail.removeFirst()
    }
  }

  mutating func removed(_ line: [UInt8]) throws {
    try open()
    try append(0x2D, line)
    lines.0 += 1
    seen.0 += 1
  }

  mutating func added(_ line: [UInt8]) throws {
    try open()
    try append(0x2B, line)
    lines.1 += 1
    seen.1 += 1
  }

  mutating func finish() throws { if isOpen { try close() } }

  /// Begins a hunk, or goes on with the one that is open; common lines held back come first.
  private mutating func open() throws {
    if !isOpen {
      isOpen = true
      start = (seen.0 - trail.count, seen.1 - trail.count)
      lines = (0, 0)
    }
    for line in trail { try append(0x20, line) }
    lines = (lines.0 + trail.count, lines.1 + trail.count)
    trail = []
  }

  private func append(_ mark: UInt8, _ line: [UInt8]) throws {
    var text = ByteBuffer([mark])
    text.append(line)
    text.append(0x0A)
    try body.append(text.span)
  }

  /// Ends the hunk with at most three of the common lines held back; the last three may begin the
  /// next one.
  private mutating func close() throws {
    for line in trail.prefix(Self.context) { try append(0x20, line) }
    let count = min(trail.count, Self.context)
    lines = (lines.0 + count, lines.1 + count)
    var head = ByteBuffer()
    if isFirst { head.append(utf8: "--- \(names.0)\n+++ \(names.1)\n") }
    isFirst = false
    // A range of no lines is named by the line before it.
    let from = lines.0 == 0 ? start.0 : start.0 + 1
    let to = lines.1 == 0 ? start.1 : start.1 + 1
    head.append(utf8: "@@ -\(from),\(lines.0) +\(to),\(lines.1) @@\n")
    try out(head.span)
    try body.drain(out)
    trail = Array(trail.dropFirst(Self.context).suffix(Self.context))
    isOpen = false
  }
}
