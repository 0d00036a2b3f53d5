// swift-tools-version: 6.2
import PackageDescription

/// Every target of our own: the Swift 6 language mode, and no warning survives.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableExperimentalFeature("Lifetimes"),
  .treatAllWarnings(as: .error),
]

/// The rooms of the house, lowest first. A room may import only what its dependencies here allow.
let rooms: [Target] = [
  .systemLibrary(name: "CLibArchive", providers: [.apt(["libarchive-dev"])]),
  .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
  .target(name: "LosslessJSON", swiftSettings: strict),
  .target(
    name: "Records",
    dependencies: ["LosslessJSON", .product(name: "Crypto", package: "swift-crypto")],
    swiftSettings: strict),
  .target(
    name: "Disk",
    dependencies: ["Records", .product(name: "SystemPackage", package: "swift-system")],
    swiftSettings: strict),
  .target(name: "Stores", dependencies: ["Disk"], swiftSettings: strict),
  .target(name: "RTFS", dependencies: ["Disk"], swiftSettings: strict),
  .target(name: "Archive", dependencies: ["Disk", "CLibArchive", "CZstd"], swiftSettings: strict),
  .target(name: "Snapshot", dependencies: ["Archive", "Stores", "RTFS"], swiftSettings: strict),
  .target(name: "Backup", dependencies: ["Snapshot"], swiftSettings: strict),
  .target(
    name: "Commands",
    dependencies: ["Backup", .product(name: "ArgumentParser", package: "swift-argument-parser")],
    swiftSettings: strict),
  .executableTarget(
    name: "holdfast",
    dependencies: ["Commands"],
    swiftSettings: strict,
    // One file that runs after being copied alone: the Swift runtime is linked in. The two
    // libraries belong to FoundationEssentials, which the packages above import.
    // Not in debug builds: their flags reach the test bundles, which need the shared runtime.
    linkerSettings: [
      .unsafeFlags(["-static-stdlib"], .when(configuration: .release)),
      .linkedLibrary("_FoundationCollections", .when(configuration: .release)),
      .linkedLibrary("_FoundationCShims", .when(configuration: .release)),
    ]),
]

let tests: [Target] = [
  .target(
    name: "TestSupport",
    dependencies: ["LosslessJSON", .product(name: "SystemPackage", package: "swift-system")],
    path: "Tests/TestSupport", swiftSettings: strict),
  .testTarget(
    name: "LosslessJSONTests", dependencies: ["LosslessJSON", "TestSupport"],
    exclude: ["Support/canonical_reference.py"], swiftSettings: strict),
  .testTarget(
    name: "RecordsTests", dependencies: ["Records", "TestSupport"], swiftSettings: strict),
  .testTarget(name: "DiskTests", dependencies: ["Disk", "TestSupport"], swiftSettings: strict),
  .testTarget(
    name: "StoresTests", dependencies: ["Stores", "TestSupport"], swiftSettings: strict),
  .testTarget(
    name: "SnapshotTests", dependencies: ["Snapshot", "TestSupport"], swiftSettings: strict),
  .testTarget(
    name: "BackupTests", dependencies: ["Backup", "TestSupport"], swiftSettings: strict),
  .testTarget(name: "RTFSTests", dependencies: ["RTFS"], swiftSettings: strict),
  .testTarget(name: "ArchiveTests", dependencies: ["Archive"], swiftSettings: strict),
  .testTarget(
    name: "DocumentationTests", dependencies: ["Records"], swiftSettings: strict),
  .testTarget(
    name: "CommandLineTests", exclude: ["Golden"],
    swiftSettings: strict),
]

let package = Package(
  name: "holdfast",
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
  ],
  targets: rooms + tests
)
