import Archive
import Disk
import Records
import Snapshot
import Stores
import SystemPackage
import TestSupport
import Testing

/// Content archives that their writer goes on with while they are read.
struct EarlyFileTests {
  private static let maker = """
    import hashlib, json, os, sys
    index = {}
    for number in range(int(sys.argv[1])):
        value = {'intent_id': 'i%d' % number, 'goal': 'g', 'status': 'Active'}
        text = json.dumps(value, separators=(',', ':'))
        name = hashlib.sha256(text.encode()).hexdigest()
        index[name] = 'aa/bb/%s.json' % name
        os.makedirs('store/aa/bb', exist_ok=True)
        open('store/' + index[name], 'w').write(text)
    open('store/new.tmp', 'w').write(json.dumps(index))
    os.rename('store/new.tmp', 'store/index.json')
    """

  private func read(_ tree: DiskTree, _ early: EarlyFiles, _ scratch: Scratch) throws -> Survey {
    let settings = SnapshotWriter.Settings(
      compression: .default, hasRTFS: true, idField: nil, note: nil, time: backupTime)
    return try SnapshotWriter(
      tree, source: tree.root, as: .contentArchive, settings: settings, openedBefore: early,
      spillingTo: scratch.path, progress: { _ in }
    ).survey
  }

  /// The index is replaced behind the listing by one that names an object which that lacks. What
  /// was opened before is read: a state that the archive had.
  @Test func anIndexReplacedMeanwhile() throws {
    let scratch = try Scratch()
    let store = scratch.file("store")
    try scratch.python(Self.maker, "3")
    let early = try EarlyFiles(of: store, ContentArchive.indexNames)
    let tree = try DiskTree(store)
    #expect(try early.replaced() == nil)
    try scratch.python(Self.maker, "5")
    let survey = try read(tree, early, scratch)
    #expect(survey.counts[.intent] == 3 && survey.log.errors == 0, "\(survey.log.findings)")
    #expect(try early.replaced() == store.appending("index.json"))
    // Read by its name, it names what the listing does not have.
    let late = try read(tree, EarlyFiles(of: store, []), scratch)
    #expect(late.log.counts[.missingFile] == 2)
  }

  /// Written anew in its own place, it is no state that is known to have been whole.
  @Test func anIndexChangedInPlace() throws {
    let scratch = try Scratch()
    try scratch.python(Self.maker, "3")
    let early = try EarlyFiles(of: scratch.file("store"), ContentArchive.indexNames)
    let tree = try DiskTree(scratch.file("store"))
    try scratch.run("echo >> store/index.json")
    let error = #expect(throws: DiskError.self) { try read(tree, early, scratch) }
    #expect(error?.code == .changed)
  }
}
