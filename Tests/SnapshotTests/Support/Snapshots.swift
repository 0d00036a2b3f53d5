import Archive
import Disk
import Records
import Snapshot
import Stores
import SystemPackage
import TestSupport

/// The time of every backup made here.
let backupTime = 1_700_000_000

/// A backup of `store` in `directory`, published with its sidecar; returns the archive.
func backUp(
  _ store: FilePath, to directory: FilePath, name: String = "b",
  compression: Compression = .default, hasRTFS: Bool = true, kind: StoreFormat? = nil
) throws -> FilePath {
  let tree = try DiskTree(store)
  let format = try kind ?? StoreFormat.fileFormats.detect(tree, path: store.string)
  let settings = SnapshotWriter.Settings(
    compression: compression, hasRTFS: hasRTFS, idField: nil, note: nil, time: backupTime)
  let writer = try SnapshotWriter(
    tree, source: store, as: format, settings: settings, openedBefore: EarlyFiles(of: store, []),
    spillingTo: directory, progress: { _ in })
  let manifest = writer.manifest(series: name)
  let target = directory.appending("\(name).\(compression.fileExtension)")
  let output = try ArchiveOutput(for: target)
  try writer.write(manifest, to: output)
  var beside = try OutputFile(for: BackupFile.sidecarPath(of: target))
  try beside.write(manifest.encoded(archive: output.seal(isVerified: true)).span)
  try beside.publish()
  try output.publish()
  return target
}

func verify(_ path: FilePath, quick: Bool = false) throws -> Verification {
  try Verification.run(path, formats: StoreFormat.fileFormats, quick: quick)
}

func survey(_ store: FilePath) throws -> Survey {
  let tree = try DiskTree(store)
  let format = try StoreFormat.fileFormats.detect(tree, path: store.string)
  return try Survey.read(tree, as: format, rules: true)
}

/// Records of one encoding of a backup: their kinds, scopes and hashes in order.
func records(_ path: FilePath, _ encoding: Encoding) throws -> [String] {
  let survey = Survey(rules: false)
  var labels: [String] = []
  survey.onRecord = { record, hash in
    labels.append("\(record.kind) [\(String(decoding: record.scope, as: UTF8.self))] \(hash.hex)")
  }
  try BackupFile(opening: path).read(encoding, formats: StoreFormat.fileFormats, into: survey)
  try survey.finish()
  return labels
}

let graph = """
  {"type":"entity","name":"Ada","entityType":"person","observations":["likes 12345 \\ud83d\\ude00"]}
  {"type":"entity","name":"Bob","entityType":"person","observations":[]}
  {"type":"relation","from":"Ada","to":"Bob","relationType":"knows"}
  {"type":"note","text":"kept"}
  """
