import Testing

/// Archives that somebody else made: refused, and nothing is written where it must not be.
@Suite(.scratch) struct HostileArchiveTests {
  /// Makes an archive with a manifest and one hostile member. The manifest is right about the
  /// rest, so that only the check meant can refuse it.
  private static let maker = """
    import hashlib, io, json, subprocess, sys, tarfile
    case, path, victim = sys.argv[1:4]
    good = b'{"type":"entity","name":"n","entityType":"t","observations":[]}\\n'
    hybrid = json.dumps({"version": "1.1", "timestamp": 0, "intents": {}, "edges": [],
        "entities": [json.loads(good)], "manifest": None, "rtfs": None}).encode()
    canonical = b'entity\\n\\n{"entityType":"t","name":"n","observations":[],"type":"entity"}'
    digest = hashlib.sha256(hashlib.sha256(canonical).digest()).hexdigest()
    def entry(name, data, **more):
        return {"path": name, "size": len(data), "mode": "0644", "mtime": 0, "mtime_nsec": 0,
            "sha256": hashlib.sha256(data).hexdigest(), **more}
    names = {"climbs": "store/../../" + victim, "climbs inside": "store/a/../../../" + victim,
        "absolute": "/" + victim, "absolute in store": "store//" + victim, "dot": "store/..",
        "empty name": "store/", "nul": "store/a\\0b", "outside store": "elsewhere",
        "backslash": "store/..\\\\x"}
    name = names.get(case, "store/memory.jsonl")
    entries = [entry("backup.json", hybrid), entry("store/memory.jsonl", good)]
    if case in names:
        entries[1] = entry(name, good)
    if case == "lies about size":
        entries[1]["size"] = 5
    if case == "huge size":
        entries[1]["size"] = 1 << 62
    if case == "negative size":
        entries[1]["size"] = -1
    if case == "lies about hash":
        entries[1]["sha256"] = "0" * 64
    if case == "lies about names":
        entries[1]["path"] = "store/other.jsonl"
    if case == "twice":
        entries.append(entry("store/memory.jsonl", good))
    if case == "file as directory":
        entries.append(entry("store/memory.jsonl/x", good))
    manifest = {"format": "holdfast-backup", "version": 1,
        "implementation": {"id": "holdfast", "version": "0.1.0"},
        "timestamp": "1970-01-01T00:00:00Z", "unix_time": 0, "series": "memory",
        "kind": "memory-graph", "single_file": True, "contexts": [], "counts": {"entity": 1},
        "digest": digest if case != "lies about digest" else "0" * 64, "suspect": False,
        "suspicions": [], "finding_counts": {}, "findings": [], "compression": "zstd:1",
        "rtfs": "none", "members": entries}
    if case == "deep manifest":
        manifest["x"] = 0
    if case == "unknown kind":
        manifest["kind"] = "../../kind"
    text = json.dumps(manifest, indent=2).encode() + b"\\n"
    if case == "deep manifest":
        text = text.replace(b'"x": 0', b'"x": ' + b"[" * 200000 + b"]" * 200000)
    if case == "no manifest":
        text = b"hello"
    members = [("manifest.json", text, None), ("backup.json", hybrid, None), (name, good, None)]
    if case in ("twice", "file as directory"):
        members.append((entries[2]["path"], good, None))
    sums = "".join("%s  %s\\n" % (hashlib.sha256(data).hexdigest(), name)
        for name, data, _ in members).encode()
    members.append(("SHA256SUMS", sums, None))
    kinds = {"symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE,
        "device": tarfile.CHRTYPE, "block device": tarfile.BLKTYPE}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data, _ in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), 0, 0o644
            if name == "store/memory.jsonl" and case in kinds:
                info.type, info.size, info.linkname = kinds[case], 0, "../../" + victim
                data = b""
            if case == "symlink first" and name == "store/memory.jsonl":
                link = tarfile.TarInfo("store")
                link.type, link.linkname = tarfile.SYMTYPE, ".."
                tar.addfile(link)
            tar.addfile(info, io.BytesIO(data))
    subprocess.run(["zstd", "-q", "-f", "-o", path], input=out.getvalue(), check=True)
    """

  @Test(arguments: [
    "climbs", "climbs inside", "absolute", "absolute in store", "dot", "empty name", "nul",
    "outside store", "symlink", "symlink first", "hard link", "fifo", "device", "block device",
    "lies about size", "huge size", "negative size", "lies about hash", "lies about names",
    "lies about digest", "twice", "file as directory", "deep manifest", "unknown kind",
    "no manifest",
  ])
  func refused(_ hostility: String) throws {
    let scratch = try Scratch.here()
    let victim = "holdfast-victim-\(scratch.path.suffix(6))"
    let archive = scratch.file("in/memory-19700101T000000Z.tar.zst")
    try scratch.directory("in")
    try scratch.python(Self.maker, hostility, archive, victim)
    let before = try scratch.listing(scratch.path, except: [".captured"])
    let target = scratch.file("t")
    let restored = try scratch.holdfast("restore", archive, "--to", target)
    #expect(![0, 3].contains(restored.status) && restored.status < 128, "\(restored)")
    #expect(restored.messages.count == 1)
    let verified = try scratch.holdfast("verify", archive)
    #expect(verified.status == 12, "\(verified)")
    #expect(!verified.messages.isEmpty)
    for verb in ["show", "inspect", "digest"] {
      let outcome = try scratch.holdfast(verb, archive)
      #expect(outcome.status < 128, "\(outcome)")
    }
    #expect(try scratch.listing(scratch.path, except: [".captured"]) == before)
    #expect(!TestFile.exists("/\(victim)") && !TestFile.exists("/tmp/\(victim)"))
  }

  /// A tar header, and behind it as many bytes of one value as it claims, in runs of 128 KiB.
  private static let bomber = """
    import gzip, struct, sys
    path, runs = sys.argv[1], int(sys.argv[2])
    header = bytearray(512)
    header[0:13], header[100:108], header[156:157] = b"manifest.json", b"0000644\\0", b"0"
    header[124:136], header[136:148] = b"\\x80" + (runs << 17).to_bytes(11, "big"), b"0" * 11 + b"\\0"
    header[257:265], header[148:156] = b"ustar\\x0000", b" " * 8
    header[148:156] = b"%06o\\0 " % sum(header)
    def block(size, kind, last, data):
        return struct.pack("<I", size << 3 | kind << 1 | last)[:3] + data
    with open(path, "wb") as file:
        if path.endswith(".gz"):
            with gzip.open(file, "wb") as out:
                out.write(header)
                for _ in range(runs):
                    out.write(bytes(1 << 17))
        else:
            # A frame that does not say what it holds (RFC 8878, 3.1.1), with a window of 128 KiB.
            file.write(bytes.fromhex("28b52ffd0038") + block(512, 0, 0, header))
            file.write(block(1 << 17, 1, 0, b"\\0") * (runs - 1) + block(1 << 17, 1, 1, b"\\0"))
    """

  /// Nobody's disk is filled by a small archive; who wants it all the same can say so.
  @Test func bombs() throws {
    let scratch = try Scratch.here()
    let target = scratch.file("target")
    func expect(_ status: Int32, _ words: String...) throws {
      let outcome = try scratch.run([Binary.path] + words)
      #expect(outcome.status == status, "\(outcome)")
      guard status == 13 else { return }
      #expect(
        outcome.messages.count == 1 && outcome.message.contains("--max-unpacked"), "\(outcome)")
      #expect(!TestFile.exists(target))
    }
    // 12 GiB in 384 KiB.
    let bomb = scratch.file("bomb.tar.zst")
    try scratch.python(Self.bomber, bomb, String(12 << 13))
    try expect(13, "verify", bomb)
    try expect(13, "inspect", bomb)
    try expect(13, "show", bomb)
    try expect(13, "restore", bomb, "--to", target)
    for name in ["small.tar.zst", "small.tar.gz"] {
      let small = scratch.file(name)
      try scratch.python(Self.bomber, small, "512")
      try expect(13, "verify", small, "--max-unpacked", "32M")
      try expect(13, "salvage", small, "--to", target, "--max-unpacked", "32M")
      try expect(12, "verify", small)
    }
    try expect(64, "verify", bomb, "--max-unpacked", "a lot")

    // What is made of zeros, and a backup of it, is no bomb to whoever makes it.
    let store = try SampleStore.contexts.make(in: scratch)
    try scratch.python(
      "import sys; open(sys.argv[1] + '/zeros.bin', 'wb').truncate(48 << 20)", store.path)
    let backup = try scratch.json(
      "backup", store.path, "--to", scratch.file("repo"), "--max-unpacked", "1M")
    let archive = try #require(backup["backup"]?.text)
    try expect(13, "verify", archive, "--max-unpacked", "1M")
    try expect(13, "restore", archive, "--to", target, "--max-unpacked", "1M")
    try expect(0, "verify", archive)
    try expect(0, "restore", archive, "--to", target)
  }

  /// The maker's own archive is a good one where nothing hostile is in it.
  @Test func theHarmlessOne() throws {
    let scratch = try Scratch.here()
    let archive = scratch.file("memory-19700101T000000Z.tar.zst")
    try scratch.python(Self.maker, "harmless", archive, "x")
    try scratch.holdfast(exit: 3, "verify", archive)  // no sidecar
    try scratch.holdfast(exit: 0, "restore", archive, "--to", scratch.file("t"))
    #expect(try TestFile.names(scratch.file("t")) == ["memory.jsonl"])
  }

  /// A backslash is a letter like any other.
  @Test func backslash() throws {
    let scratch = try Scratch.here()
    let archive = scratch.file("memory-19700101T000000Z.tar.zst")
    try scratch.python(Self.maker, "backslash", archive, "x")
    try scratch.holdfast(exit: 0, "restore", archive, "--to", scratch.file("t"))
    #expect(try TestFile.names(scratch.file("t")) == [#"..\x"#])
  }

  /// A symbolic link where the backup is to be written, or restored to, is not followed out.
  @Test func linksInTheWay() throws {
    let scratch = try Scratch.here()
    let store = try SampleStore.graph.make(in: scratch)
    let archive = try scratch.backUp(store.path)
    try scratch.directory("elsewhere")
    try scratch.tool("ln", "-s", "elsewhere", scratch.file("link"))
    let outcome = try scratch.holdfast("restore", archive, "--to", scratch.file("link"))
    // The person named the link: it stays one, and what it names is the target.
    #expect(outcome.status == 0, "\(outcome)")
    #expect(try scratch.tool("readlink", scratch.file("link")).text == "elsewhere\n")
    try scratch.expectSame(store.root, scratch.file("elsewhere"))
    try scratch.directory("locked")
    try scratch.write("precious", to: "precious")
    try scratch.tool("ln", "-s", scratch.file("precious"), scratch.file("locked/.lock"))
    let backup = try scratch.holdfast("backup", store.path, "--to", scratch.file("locked"))
    #expect(backup.status != 0, "\(backup)")
    #expect(try TestFile.text(scratch.file("precious")) == "precious")
  }
}
