import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// A database in a damaged archive: what is left of its pages, each at its place in the file, so
/// that what leads from page to page leads to the right ones.
extension BackupSalvage {
  /// Where a part of the database lies in it, as far as that is known.
  private struct Part {
    var member: Int
    /// Bytes in front of its first page, which are left out.
    var skipped = 0
    var count: Int
    var start: Int?
  }

  /// Whether the content is of a database, by its header or by its pages.
  func holdsPages(_ path: FilePath) throws -> Bool { try firstPage(path) != nil }

  /// Where the first page starts in the content; nil where it is of no database.
  private func firstPage(_ path: FilePath) throws -> Int? {
    let file = try InputFile(opening: path)
    var head = ByteBuffer()
    _ = try file.read(at: 0, into: &head, atMost: 16)
    if TextBytes.starts(head.span, "SQLite format 3\0") { return 0 }
    if let manifest, !Self.databaseKinds.contains(manifest.kind) { return nil }
    return try PageFile.firstPage(path)
  }

  static let databaseKinds = ["run-history", "sqlite"]

  /// Puts the parts that have lost their header into one file with the part that has it.
  func placePages(_ lost: [Int]) throws {
    guard let first = lost.first else { return }
    let head = named(before: members.members[first])
    let isStore = head?.name?.starts(with: Manifest.storePrefix) ?? false
    let entries = (manifest?.storeEntries ?? []).filter { $0.header.kind == .regular }
    let entry = entries.first { !isStore || $0.header.path == head?.name }
    let size = (isStore ? head?.size : nil) ?? entry?.header.size
    let name = isStore ? head?.name : entry?.header.path
    let named = name.flatMap { FilePath(bytes: $0) }.map { work.appending("members").pushing($0) }
    var target = work.appending("members/store/recovered.db")
    if let named, try members.hasRoom(named) { target = named }
    var parts: [Part] = []
    if isStore, let index = members.members.firstIndex(where: { $0.name == head?.name }) {
      parts.append(Part(member: index, count: members.members[index].count, start: 0))
    }
    for index in lost {
      let skipped = try firstPage(work.pushing(members.members[index].path)) ?? 0
      parts.append(
        Part(
          member: index, skipped: skipped, count: members.members[index].count - skipped,
          start: nil))
    }
    locate(&parts, size: size)
    let whole = work.appending("pages")
    try Disk.remove(whole)
    let output = try StagedFile(whole)
    var end = 0
    for part in parts.sorted(by: { ($0.start ?? .max) < ($1.start ?? .max) }) {
      // Nothing leads to pages whose place is not known; the rows on them are found all the same.
      let start = part.start ?? (max(end, size ?? 0) + 0xFFFF) & ~0xFFFF
      try writeHole(start - end, to: output)
      let count = min(part.count, part.start == nil ? .max : max(0, (size ?? .max) - start))
      try write(
        try InputFile(opening: work.pushing(members.members[part.member].path)), to: output,
        from: part.skipped, count: count)
      end = start + count
    }
    // NULs at the end of a part without a header pass for padding; its last page is whole with them.
    try writeHole(min((end + 0xFFFF) & ~0xFFFF, max(end, size ?? .max)) - end, to: output)
    try output.close()
    try Disk.remove(target)
    try Disk.makeDirectory(target.removingLastComponent())
    try Disk.rename(whole, to: target, replacing: false)
  }

  /// Where the parts lie: behind the one before where it is known how much is missing between them,
  /// or in front of the end of the member.
  private func locate(_ parts: inout [Part], size: Int?) {
    let most = Self.holeLimit(input.size)
    let padded = size.map { ($0 + 511) / 512 * 512 }
    for index in parts.indices where parts[index].start == nil {
      guard index > 0, let missing = members.members[parts[index].member].missing,
        let start = parts[index - 1].start
      else { continue }
      parts[index].start = start + parts[index - 1].count + missing + parts[index].skipped
    }
    for index in parts.indices.reversed() where parts[index].start == nil {
      var end: Int?
      if index + 1 < parts.count {
        let missing = members.members[parts[index + 1].member].missing
        end = missing.flatMap { missing in
          parts[index + 1].start.map { $0 - parts[index + 1].skipped - missing }
        }
      } else if members.members[parts[index].member].isEnded {
        end = padded
      }
      parts[index].start = end.map { $0 - parts[index].count }
    }
    // What no database can be like was damaged itself.
    var end = 0
    for index in parts.indices {
      guard let start = parts[index].start else { continue }
      if start < end || start - end > most || start > size ?? .max {
        parts[index].start = nil
      } else {
        end = start + parts[index].count
      }
    }
  }

  /// The most content that may be missing between two parts of an archive of so many bytes.
  private static func holeLimit(_ size: Int) -> Int { max(16 << 20, 64 * size) }

  private func writeHole(_ count: Int, to output: StagedFile) throws {
    var left = count
    let zeros = ByteBuffer([UInt8](repeating: 0, count: min(1 << 20, max(0, count))))
    while left > 0 {
      try output.write(zeros.span.extracting(0..<min(left, zeros.count)))
      left -= zeros.count
    }
  }
}
