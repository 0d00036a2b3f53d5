import Archive
import Disk
import LosslessJSON
import Records
import Snapshot
import SystemPackage

/// What is wrong with an archive, and what became of its bytes.
extension BackupSalvage {
  /// Says which members are not as the manifest has them: not every kind of archive shows damage
  /// by itself.
  func noteDamage(_ sink: PieceSink) throws {
    if manifest == nil {
      sink.note(Finding(.error, .badManifest, "its manifest cannot be read"))
    }
    for damage in walk?.damage ?? [] {
      sink.note(
        Finding(
          .error, .damagedMember, damage.reason, offset: damage.range.lowerBound,
          length: damage.range.count))
    }
    for name in members.repeated {
      let text = "holds the member \(MemberPath.printable(name)) more than once: the first is taken"
      sink.note(Finding(.error, .damagedMember, text))
    }
    let nameless = try namelessHashes()
    for (path, wanted) in digests {
      let name = MemberPath.printable(path)
      let hash = members.members.first { $0.name == path }?.hash
      // It has lost its header only, which has been said.
      if hash == wanted || (hash == nil && nameless.contains(wanted)) { continue }
      sink.note(
        Finding(
          .error, .damagedMember,
          hash == nil ? "the member \(name) is missing" : "the member \(name) is damaged"))
    }
    guard walk != nil, manifest != nil else { return }
    if isWrong(Manifest.manifestName) {
      let text = "the member manifest.json is not as SHA256SUMS has it"
      sink.note(Finding(.error, .damagedMember, text))
    }
    if isWrong(Manifest.sumsName) {
      sink.note(Finding(.error, .damagedMember, "the member SHA256SUMS is missing or damaged"))
    }
  }

  /// Whether the member, of those that the manifest says nothing of, is not as the others tell.
  private func isWrong(_ name: [UInt8]) -> Bool {
    let member = members.members.first { $0.name == name }
    if name == Manifest.manifestName {
      guard let hash = member?.hash, let wanted = sums[name] else { return false }
      return hash != wanted
    }
    guard member?.isComplete == true else { return true }
    let told = digests
    // Names with a line feed or a backslash are spelt in another way there.
    if told.contains(where: { $0.path.contains(0x0A) || $0.path.contains(0x5C) }) { return false }
    return sums.count != told.count + 1 || told.contains { sums[$0.path] != $0.hash }
  }

  /// The hashes of the contents that have lost their headers, without the padding behind them.
  private func namelessHashes() throws -> Set<Hash256> {
    var found: Set<Hash256> = []
    for content in walk?.contents ?? [] where content.name == nil {
      try found.formUnion(hashes(of: content.range))
    }
    return found
  }

  private func hashes(of range: Range<Int>) throws -> Set<Hash256> {
    let file = try InputFile(opening: input.path)
    var tail = ByteBuffer()
    let start = max(range.lowerBound, range.upperBound - 511)
    _ = try file.read(at: start, into: &tail, atMost: range.upperBound - start)
    while !tail.isEmpty, tail[tail.count - 1] == 0 { tail.truncate(to: tail.count - 1) }
    var ends: Set<Int> = [start + tail.count]
    for entry in manifest?.entries ?? [] where entry.header.kind == .regular {
      let end = range.lowerBound + entry.header.size
      if (start...range.upperBound).contains(end) { ends.insert(end) }
    }
    var found: Set<Hash256> = []
    for end in ends {
      var hasher = Hasher256()
      var at = range.lowerBound
      while at < end {
        var bytes = ByteBuffer()
        let count = try file.read(at: at, into: &bytes, atMost: min(1 << 20, end - at))
        if count == 0 { break }
        hasher.update(bytes.span)
        at += count
      }
      found.insert(hasher.finish())
    }
    return found
  }

  /// Of an archive that is not compressed: what is not as it was written, as far as its own
  /// checksums and hashes tell.
  private func damage() throws -> [TarWalk.Damage] {
    guard let walk else { return [] }
    let wanted = Dictionary(digests.map { ($0.path, $0.hash) }) { first, _ in first }
    let known = Set(wanted.values).union(sums.values)
    var found = walk.damage
    for content in walk.contents {
      guard let name = content.name else {
        if try hashes(of: content.range).isDisjoint(with: known) {
          let reason = "content that has lost its header"
          found.append(TarWalk.Damage(range: content.range, reason: reason))
        }
        continue
      }
      let member = members.members.first { $0.name == name }
      let isSpecial = [Manifest.manifestName, Manifest.sumsName].contains(name)
      let isOther = wanted[name].map { $0 != member?.hash } ?? false
      if isOther || (isSpecial && manifest != nil && isWrong(name)) {
        let reason = "the member \(MemberPath.printable(name)) is damaged"
        found.append(TarWalk.Damage(range: content.range, reason: reason))
      }
    }
    return found.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }

  /// All stretches of the file, each with what is wrong with it.
  private func judged() throws -> [Stretch] {
    let damage = try damage()
    if damage.isEmpty { return stretches }
    var found: [Stretch] = []
    var at = 0
    func add(upTo end: Int, _ reason: String?) {
      if end > at { found.append(Stretch(range: at..<end, reason: reason)) }
      at = max(at, end)
    }
    for part in damage {
      add(upTo: part.range.lowerBound, nil)
      add(upTo: part.range.upperBound, part.reason)
    }
    add(upTo: stretches.last?.range.upperBound ?? 0, nil)
    return found
  }

  func account(_ sink: PieceSink) throws {
    var isFirst = true
    let counts = isLater ? [:] : counts
    let file = try InputFile(opening: input.path)
    // An archive of somebody else's, or one of which nothing is left: then nothing was recovered.
    let foreign =
      manifest == nil && self.counts.isEmpty
      ? "no backup that can be read: if tar extracts it, salvage the files themselves" : nil
    for stretch in try judged() {
      var at = stretch.range.lowerBound
      while at < stretch.range.upperBound {
        var bytes = ByteBuffer()
        let count = try file.read(
          at: at, into: &bytes, atMost: min(1 << 20, stretch.range.upperBound - at))
        if count == 0 { break }
        if let reason = stretch.reason ?? foreign {
          let shape = stretch.reason == nil ? DamageShape.garbage : .damagedFrame
          try sink.quarantine(bytes.span, shape: shape, reason: reason, line: nil)
        } else {
          try sink.redundant(bytes.span)
        }
        at += count
      }
      if stretch.reason == nil, isFirst {
        isFirst = false
        sink.credit(counts.values.reduce(0, +))
      }
    }
    if isFirst { sink.creditAll(counts.values.reduce(0, +)) }
    for (kind, count) in counts { sink.count(kind, count) }
  }
}
