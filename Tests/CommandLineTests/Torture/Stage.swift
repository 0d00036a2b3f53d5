import Testing

/// The place where a deed is done again and again, each time from the same start, and what must be
/// true of it after any end.
struct Stage {
  let scratch: Scratch
  let deed: Deed
  let job: Deed.Job
  /// Before, and after a run that nothing went wrong in, which ended with `status`.
  let before: TreeImage
  let after: TreeImage
  let status: Int32
  let temporary: String

  init(_ deed: Deed) throws {
    scratch = try Scratch.here()
    self.deed = deed
    try scratch.directory("world")
    job = try deed.make(scratch)
    temporary = try scratch.directory("tmp")
    before = try TreeImage(of: scratch.file("world"))
    let outcome = try Self.run([Binary.path] + job.words, scratch, temporary)
    status = outcome.status
    after = try TreeImage(of: scratch.file("world"))
    #expect([0, 3].contains(status), "\(outcome)")
    expect(before.lasting != after.lasting, "\(deed.name) does nothing: \(outcome)")
  }

  /// Night 20, later than all that the deeds make before.
  static let time = Night.first + 20 * Night.day

  private static func run(
    _ words: [String], _ scratch: Scratch, _ temporary: String, later: Int = 0,
    _ more: [String: String] = [:]
  ) throws -> Outcome {
    var setting = Child.Setting()
    setting.environment = more
    setting.environment["SOURCE_DATE_EPOCH"] = String(time + later)
    setting.environment["TMPDIR"] = temporary
    return try scratch.run(words, setting)
  }

  /// Does the deed, with other words in front of it.
  func perform(_ prefix: [String] = [], _ more: [String: String] = [:]) throws -> Outcome {
    try Self.run(prefix + [Binary.path] + job.words, scratch, temporary, more)
  }

  /// Puts all back to what was before.
  func reset(to image: TreeImage? = nil) throws {
    for name in ["world", "tmp", ".captured"] { try TestFile.remove(scratch.file(name)) }
    for name in ["tmp", ".captured"] { try scratch.directory(name) }
    try (image ?? before).write(to: scratch.file("world"))
  }

  /// The calls of one undisturbed run that are about files here.
  func calls(_ names: [String]) throws -> [TracedCall] {
    try reset()
    let log = scratch.file("trace")
    let outcome = try perform(Trace.words(log, names))
    #expect(outcome.status == status, "\(outcome)")
    return try Trace.calls(in: log, names).filter { $0.isAbout(places) }
  }

  var places: [String] { [scratch.file("world"), temporary] }

  /// Whether everything asked for has been done.
  func isDone(_ now: TreeImage) -> Bool {
    let isPlaced = job.places.allSatisfy { now.part($0).lasting == after.part($0).lasting }
    return isPlaced
      && job.repositories.allSatisfy { now.backups(in: $0) == after.backups(in: $0) }
  }

  /// As `#expect`, but does not print the bytes of all files concerned.
  func expect(
    _ isTrue: Bool, _ comment: String, at location: SourceLocation = #_sourceLocation
  ) {
    if !isTrue { Issue.record("\(comment)", sourceLocation: location) }
  }

  /// What must be true at every moment, of any end.
  /// - Parameter isSuspect: whether a run has told that it could not read all of the store, so that
  ///   the backup it has made is another one.
  func expectWhole(_ now: TreeImage, isSuspect: Bool = false, _ comment: String) throws {
    for name in job.sources {
      let (found, old) = (now.part(name), before.part(name))
      expect(found == old, "\(comment): \(name) has changed: \(found.difference(from: old))")
    }
    for name in job.places {
      let (found, old, new) = (now.part(name), before.part(name).lasting, after.part(name).lasting)
      expect(
        found.lasting == old || found.lasting == new,
        """
        \(comment): \(name) is neither what it was nor what it is to be: \
        from the old \(found.lasting.difference(from: old)), \
        from the new \(found.lasting.difference(from: new))
        """)
    }
    for name in job.repositories { try expectBackups(now, name, isSuspect, comment) }
    if !job.removes {
      let there = Set(now.nodes.values.map(\.bytes))
      for (path, node) in before.lasting.nodes where node.kind == .file && !Self.isLog(path) {
        expect(there.contains(node.bytes), "\(comment): what \(path) held is nowhere any more")
      }
    }
  }

  private static func isLog(_ path: String) -> Bool {
    ["purged.txt", "metrics.prom"].contains(TreeImage.last(path))
  }

  /// Every backup is where it was or where it is to be, byte for byte; a new one is whole.
  private func expectBackups(_ now: TreeImage, _ name: String, _ isSuspect: Bool, _ comment: String)
    throws
  {
    let (old, new) = (before.backups(in: name), after.backups(in: name))
    let found = now.backups(in: name)
    for (file, copies) in found {
      let known = Self.places([old[file] ?? [:], new[file] ?? [:]])
      #expect(copies.count == 1, "\(comment): \(file) is there more than once: \(copies.keys)")
      // One that the undisturbed run did not make, such as in a fallback directory.
      let isOther = known.isEmpty || isSuspect && old[file] == nil
      for (place, bytes) in copies {
        if isOther {
          if file.contains(".tar") { try expectVerified("\(name)/\(place)", comment) }
        } else {
          expect(
            known[Self.place(place)] == bytes, "\(comment): \(place) is not what it was or is to be"
          )
        }
        // An archive under its name has its manifest beside it; one that was there before may be
        // between two places.
        if file.contains(".tar"), old[file] == nil {
          let sidecar = Scratch.sidecar(of: "\(name)/\(place)")
          expect(now.nodes[sidecar] != nil, "\(comment): \(place) has no manifest")
        }
      }
    }
    for file in old.keys where new[file] != nil {
      expect(found[file] != nil, "\(comment): \(file) is gone")
    }
  }

  /// The directories in the trash have names that depend on what is there already.
  private static func place(_ path: String) -> String {
    guard path.hasPrefix(".trash/") else { return path }
    return ".trash/" + TreeImage.last(path)
  }

  private static func places(_ images: [[String: [UInt8]]]) -> [String: [UInt8]] {
    images.joined().reduce(into: [:]) { $0[place($1.key)] = $1.value }
  }

  private func expectVerified(_ name: String, _ comment: String) throws {
    let check = try scratch.holdfast("verify", scratch.world(name))
    #expect(check.status == 0, "\(comment): \(check)")
  }

  /// Does it again, undisturbed, and expects that it is done and nothing is left over.
  func expectNextRun(after now: TreeImage, isSuspect: Bool = false, _ comment: String) throws {
    let wasDone = isDone(now)
    let later = job.repositories.isEmpty ? 0 : 60
    let words = [Binary.path] + job.words
    // A lock that its maker died in making does not say whose it is: its owners, too, give it ten
    // seconds.
    for path in now.nodes.keys where TreeImage.last(path) == ".archive_lock" {
      if now.nodes[path]?.bytes.isEmpty == true { try TestFile.remove(scratch.world(path)) }
    }
    let next = try Self.run(words, scratch, temporary, later: later)
    let allowed = wasDone ? job.again.union([status]) : [status]
    #expect(allowed.contains(next.status), "next run after \(comment): \(next)")
    var last = try TreeImage(of: scratch.file("world"))
    if next.status != status, !last.leftovers.isEmpty {
      // Refused, since it is done already: then the next one that is not clears up.
      for name in job.places { try TestFile.remove(scratch.world(name)) }
      let again = try Self.run(words, scratch, temporary, later: later)
      #expect(again.status == status, "\(comment): \(again)")
      last = try TreeImage(of: scratch.file("world"))
    }
    try expectSettled(last, isSuspect, "after the run after \(comment)")
    for name in job.repositories where !last.backups(in: name).isEmpty {
      let verified = try scratch.holdfast("verify", scratch.world(name))
      #expect(verified.status == 0, "after \(comment): \(verified)")
    }
  }

  /// What must be true once a run has ended well.
  private func expectSettled(_ now: TreeImage, _ isSuspect: Bool, _ comment: String) throws {
    for name in job.sources {
      expect(now.part(name) == before.part(name), "\(comment): \(name) has changed")
    }
    #expect(now.leftovers == [], "\(comment)")
    #expect(try TestFile.names(temporary) == [], "\(comment)")
    for name in job.places {
      let (found, new) = (now.part(name).lasting, after.part(name).lasting)
      expect(found == new, "\(comment): \(name) \(found.difference(from: new))")
    }
    for name in job.repositories {
      let (found, old, new) = (
        now.backups(in: name), before.backups(in: name), after.backups(in: name)
      )
      for (file, copies) in found {
        let known = (old[file] ?? [:]).merging(new[file] ?? [:]) { $1 }
        #expect(copies.count == 1, "\(comment): \(copies.keys)")
        for (_, bytes) in copies where !known.isEmpty && !(isSuspect && old[file] == nil) {
          expect(known.values.contains(bytes), "\(comment): \(file) has changed")
        }
        for place in copies.keys where file.contains(".tar") {
          let sidecar = Scratch.sidecar(of: "\(name)/\(place)")
          expect(now.nodes[sidecar] != nil, "\(comment): \(place) has no manifest")
        }
        for place in copies.keys where file.hasSuffix(".manifest.json") {
          let stem = "\(name)/\(place.dropLast(".manifest.json".count))"
          let isPaired = [".tar.zst", ".tar.gz", ".tar"].contains { now.nodes[stem + $0] != nil }
          #expect(isPaired, "\(comment): \(place) has no archive")
        }
      }
      for file in old.keys where new[file] != nil {
        expect(found[file] != nil, "\(comment): \(file) is gone")
      }
    }
  }
}

extension TreeImage {
  /// The archives and manifests in a repository and its trash: by name, where each lies and its
  /// bytes.
  func backups(in repository: String) -> [String: [String: [UInt8]]] {
    var found: [String: [String: [UInt8]]] = [:]
    for (path, node) in part(repository).nodes where node.kind == .file {
      let name = Self.last(path)
      guard !name.hasPrefix("."), name.contains(".tar") || name.hasSuffix(".manifest.json") else {
        continue
      }
      found[name, default: [:]][path] = node.bytes
    }
    return found
  }
}
