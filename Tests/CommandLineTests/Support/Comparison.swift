import Testing

extension Scratch {
  /// Expects two directories to hold the same: bytes, names, modes, and times in nanoseconds.
  func expectSame(
    _ a: String, _ b: String, except outside: [String] = [],
    at location: SourceLocation = #_sourceLocation
  ) throws {
    let excluded = outside.flatMap { ["-x", $0] }
    let outcome = try run(["diff", "-r", "--no-dereference"] + excluded + [a, b])
    #expect(outcome.status == 0, "\(outcome)", sourceLocation: location)
    let (first, second) = (try listing(a, except: outside), try listing(b, except: outside))
    #expect(first == second, "modes, times or names differ", sourceLocation: location)
    #expect(!first.isEmpty, sourceLocation: location)
  }

  /// Each file and directory below with its kind, mode, size and time of last change.
  func listing(_ directory: String, except outside: [String] = []) throws -> [String] {
    try python(Self.listingProgram, directory, outside.joined(separator: " ")).lines
  }

  private static let listingProgram = """
    import os, stat, sys
    root = os.fsencode(sys.argv[1])
    outside = [os.fsencode(name) for name in sys.argv[2].split()]
    for top, directories, files in os.walk(root):
        if top == root:
            directories[:] = [name for name in directories if name not in outside]
        directories.sort()
        for name in sorted(directories + files):
            path = os.path.join(top, name)
            facts = os.lstat(path)
            print(os.path.relpath(path, root), oct(facts.st_mode), facts.st_mtime_ns,
                facts.st_size if stat.S_ISREG(facts.st_mode) else '-')
    """

  /// Unpacks an archive with tar alone and checks it with sha256sum alone; where it is then.
  func unpack(_ archive: String, at location: SourceLocation = #_sourceLocation) throws -> String {
    let directory = fresh("unpacked")
    try TestFile.makeDirectory(directory)
    let option = ["--zstd": ".tar.zst", "-z": ".tar.gz"].first { archive.hasSuffix($0.value) }
    let words = [
      "tar", option?.key ?? "--no-recursion", "-xpf", archive, "-C", directory,
    ]
    let unpacked = try run(words)
    #expect(unpacked.status == 0, "\(unpacked)", sourceLocation: location)
    // GNU tar tells of the mark that names which are no UTF-8 must have, and goes on.
    let said = unpacked.messages.filter { !$0.contains("keyword 'hdrcharset'") }
    #expect(said.isEmpty, "\(unpacked)", sourceLocation: location)
    let sums = try run(
      ["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS"], Child.Setting(directory: directory))
    #expect(sums.status == 0, "\(sums)", sourceLocation: location)
    return directory
  }

  /// Everything that must hold of a backup: plain tools read it, it verifies, it restores to
  /// what the store is, and the digests agree. Gives the directory of the restored store.
  @discardableResult func proveBackup(
    _ archive: String, of store: SampleStore.Made, restoredBy exit: Int32 = 0,
    at location: SourceLocation = #_sourceLocation
  ) throws -> String {
    let unpacked = try unpack(archive, at: location)
    try expectSame(
      store.root, unpacked + "/store", except: store.outside, at: location)
    try holdfast(exit: 0, "verify", archive, at: location)
    try holdfast(exit: 0, "verify", "--quick", archive, at: location)
    let target = fresh("restored")
    let restored = try json(exit: exit, "restore", archive, "--to", target, at: location)
    try expectSame(store.root, target, except: store.outside, at: location)
    if exit == 0 {
      let isFile = store.path != store.root
      let name = store.path.dropFirst(store.root.count)
      let digests = try [store.path, archive, isFile ? target + name : target].map {
        try digest($0, at: location)
      }
      #expect(Set(digests).count == 1, "\(digests)", sourceLocation: location)
      #expect(restored["digest"]?.text == digests[0], sourceLocation: location)
    }
    return target
  }
}
