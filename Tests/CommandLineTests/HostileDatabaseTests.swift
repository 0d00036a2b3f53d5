import Testing

/// Databases that nobody's damage makes, of which each row would be read many thousand times.
@Suite(.scratchOnDisk) struct HostileDatabaseTests {
  private static let make = """
    import sqlite3, struct, sys
    def varint(n):
        out = [n & 127]
        while n := n >> 7: out.insert(0, n & 127 | 128)
        return bytes(out)
    def cell(row, size, head, on_page):
        return varint(size) + varint(row) + (head + bytes(on_page))[:on_page]
    def page(size, cells, overlapping=0):
        data, at, places = bytearray(size), size, []
        for cell in cells:
            at -= len(cell)
            data[at:at + len(cell)] = cell
            places.append(at)
        places += [at] * overlapping
        data[0] = 13
        data[3:7] = struct.pack('>HH', len(places), at)
        data[8:8 + 2 * len(places)] = struct.pack('>%dH' % len(places), *places)
        return bytes(data)
    def overlapping():
        # Columns that are NULL take a byte each in the head of a row, and none behind it.
        whole = cell(1, 16000, varint(16000), 16000)
        return 65536, [page(65536, [whole], 24000)] * 4
    def shared():
        # Each row goes on in the same pages.
        size, count, pages = 512, 10, 4000
        total = 39 + pages * 508
        blob = total
        for _ in range(3): blob = total - 1 - len(varint(0) + varint(2 * blob + 12))
        head = varint(0) + varint(2 * blob + 12)
        head = bytes([1 + len(head)]) + head
        cells = [cell(row, total, head, 39) + struct.pack('>I', 3 + pages) for row in range(count)]
        chain = [struct.pack('>I', 4 + pages + n if n + 1 < pages else 0) + bytes(508)
            for n in range(pages)]
        return size, [page(size, cells)] * pages + chain
    size, pages = globals()[sys.argv[1]]()
    db = sqlite3.connect('a.db')
    db.execute('PRAGMA page_size=%d' % size)
    db.execute('CREATE TABLE t(id INTEGER PRIMARY KEY, a)')
    db.commit()
    db.close()
    data = open('a.db', 'rb').read() + b''.join(pages)
    open('a.db', 'wb').write(data[:28] + struct.pack('>I', len(data) // size) + data[32:])
    """

  /// The limits are a hundred times what it takes, and less than it took.
  @Test(arguments: ["overlapping", "shared"])
  func rowsThatOverlap(_ kind: String) throws {
    let scratch = try Scratch.here()
    let made = try scratch.run(
      ["python3", "-c", Self.make, kind], Child.Setting(directory: scratch.path))
    #expect(made.status == 0, "\(made)")
    let outcome = try scratch.run([
      "bash", "-c", "ulimit -v 2000000; exec timeout 90 \"$@\"", "bash", Binary.path, "salvage",
      scratch.file("a.db"), "--to", scratch.file("out"),
    ])
    #expect(outcome.status == 3, "\(outcome)")
  }
}
