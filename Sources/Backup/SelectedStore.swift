import Disk
import LosslessJSON
import Records
import Snapshot
import Stores
import SystemPackage

/// Writes a part of a store as a store of the same kind, under the same file names.
struct SelectedStore {
  let tree: BackupTree
  let format: StoreFormat
  let selection: Selection

  /// Writes the selected records into the directory `target`; returns their digest and number.
  /// What was written has been read again.
  func write(to target: FilePath) throws -> StoreOutput.Result {
    var options = WriteOptions(directory: target)
    options.sourceKind = format.name
    options.layout = tree.isSingleFile ? .oneFile : .files
    options.fileName = tree.isSingleFile ? tree.files.first { !$0.isDirectory }?.name : nil
    options.time = tree.backup.manifest.time
    let output = try StoreOutput(format, options)
    let survey = Survey(rules: false)
    let files = tree.files
    survey.onRecord = { [selection] record, hash in
      guard selection.contains(record) else { return }
      let file = files[record.place.file]
      try output.take(&record, hash, at: WritePlace(file: file.name, mode: file.mode))
    }
    let idField = tree.backup.manifest.idField.flatMap(JSONPointer.init)
    try format.read(tree, ReadOptions(idField: idField), survey)
    try survey.finish()
    return try output.finish()
  }
}
