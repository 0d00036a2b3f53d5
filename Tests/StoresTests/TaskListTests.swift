import Disk
import Records
import Stores
import SystemPackage
import TestSupport
import Testing

/// Task lists in their three shapes: what is recognised, whose tasks they are, what breaks a rule.
@Suite struct TaskListTests {
  private static let samples = FilePath(#filePath).removingLastComponent().removingLastComponent()
    .removingLastComponent().appending("samples")

  @Test func idsAreThoseOfTheirUserAndProject() throws {
    let list = try Reading.text(
      """
      {"tasks":{"u":{"p":[{"id":1,"title":"a","completed":true}],
                     "a/b~":[{"id":1,"title":"b","completed":true}]},
                "":{"p":[{"id":1,"title":"a","completed":true}]}},
       "users":{"u":{"username":"u"},"k":{"username":"v"},"n":{}},
       "projects":{"p":{"id":"p"},"7":{"id":7},"8":{"id":8.0},"9":{"id":1}}}
      """)
    #expect(list.format == "task-list")
    #expect(
      list.labels == [
        "task:u/p/1 | /u/p", "task:u/a~1b~/1 | /u/a~1b~0", "task:/p/1 | //p", "user:u",
        "user:v | k", "user:n | n", "project:p", "project:7", "project:8", "project:1 | 9",
      ])
  }

  /// The same task of two users is two records, by their canonical hashes.
  @Test func ownersArePartOfTheDigest() throws {
    func digest(_ user: String) throws -> String {
      try Reading.text("{\"tasks_by_user\":{\"\(user)\":[{\"id\":1}]}}").digest.hex
    }
    #expect(try digest("a") != digest("b"))
    #expect(
      try digest("a")
        != Reading.text("{\"tasks\":{\"a\":{\"b\":[{\"id\":1}]}},\"users\":{}}")
        .digest.hex)
    // Spelling and order of the containers are not.
    #expect(
      try Reading.text("{\"users\":{},\"tasks_by_user\":{\"\\u0061\":[{\"id\":1.0}]}}").digest.hex
        == digest("a"))
  }

  /// Digests by an independent program, from the definition in docs/format.md.
  @Test(arguments: ["tasks.json", "tasks-by-user.json", "tasks-by-project.json"])
  func digestsByAnotherProgram(_ name: String) throws {
    let scratch = try Scratch()
    let path = Self.samples.pushing(FilePath("intact/\(name)"))
    let told = try scratch.python(
      """
      import hashlib, json, sys
      store = json.load(open(sys.argv[1]))
      step = lambda key: '/' + key.replace('~', '~0').replace('/', '~1')
      hashes = []
      def add(kind, scope, value):
          text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(',', ':'))
          hashes.append(hashlib.sha256(f'{kind}\\n{scope}\\n{text}'.encode()).digest())
      def tasks(value, scope):
          if isinstance(value, list):
              for task in value: add('task', scope, task)
          else:
              for key, inner in value.items(): tasks(inner, scope + step(key))
      tasks(store.get('tasks', []), '')
      tasks(store.get('tasks_by_user', []), '')
      for user in store.get('users', {}).values(): add('user', '', user)
      for project in store.get('projects', {}).values(): add('project', '', project)
      print(hashlib.sha256(b''.join(sorted(hashes))).hexdigest())
      """, path.string)
    #expect(try Reading(path).digest.hex + "\n" == told)
  }

  @Test(arguments: [
    (#"{"version":"1.0","tasks":[]}"#, "task-list"),
    (#"{"tasks":[{"id":"x","description":"d","completed":false}],"more":1}"#, "task-list"),
    (#"{"users":{},"tasks_by_user":{}}"#, "task-list"),
    (#"{"users":{"a":{}},"tasks":{}}"#, "task-list"),
    (#"{"version":"2.0.0","tasks":[{"label":"build","type":"shell"}]}"#, "json"),
    (#"{"tasks":[],"presentation":{}}"#, "json"),
    (#"{"users":{"a":{}}}"#, "json"),
    (#"{"tasks":{"build":"make"}}"#, "json"),
    (#"{"intents":{},"tasks":[]}"#, "intent-snapshot"),
    (#"{"type":"entity","name":"a","tasks":[]}"#, "memory-graph"),
  ])
  func recognised(_ text: String, _ kind: String) throws {
    #expect(try Reading.text(text).format == kind)
  }

  /// Nothing valid is dropped for not being where it should: it reads back from what is written.
  @Test(arguments: [
    #"{"version":"1.1","tasks":[1,"x",null],"extra":{"deep":[1.50]},"extra":2,"":3}"#,
    #"{"tasks_by_user":{"a":5,"b":{"c":{"d":1}},"e":{"f":[2]}},"users":[1],"projects":"p"}"#,
    #"{"users":{"a":1,"b":{"username":null},"c":{"username":5}},"tasks":{"a":[1],"b":"x"}}"#,
    #"{"tasks_by_user":{"a":[1]},"tasks":[{"id":2}],"version":null}"#,
    #"{"users":{"\ud800":{"username":"\ud800"}},"tasks_by_user":{"\ud800":[{"id":"\ud800"}]}}"#,
    #"{"users":{"b":{"username":"b"},"a":{"username":"a"}},"tasks_by_user":{"a":[],"b":[]}}"#,
    #"{"projects":{"p":{"id":"p","user_id":"u"}},"tasks":{"u":{"p":[]}},"users":{}}"#,
  ])
  func misplacedValues(_ text: String) throws {
    let scratch = try Scratch()
    let source = try scratch.write(text, to: "tasks.json")
    let tree = try DiskTree(source)
    var options = WriteOptions(directory: scratch.path)
    options.sourceKind = StoreFormat.taskList.name
    options.fileName = FilePath("copy.json")
    let output = try StoreOutput(.taskList, options)
    let survey = Survey(rules: true)
    survey.onRecord = { record, hash in
      try output.take(&record, hash, at: WritePlace())
    }
    try StoreFormat.taskList.read(tree, ReadOptions(), survey)
    try survey.finish()
    let result = try output.finish()
    #expect(result.digest == survey.digest())
    // Another program reads the copy.
    try scratch.python("import json; json.load(open('copy.json'))")
  }

  /// What is written has the shape that was read, empty lists included.
  @Test(arguments: ["tasks.json", "tasks-by-user.json", "tasks-by-project.json"])
  func shapesStay(_ name: String) throws {
    let scratch = try Scratch()
    let path = Self.samples.pushing(FilePath("intact/\(name)"))
    let result = try StoreWriterTests.copy(path, to: scratch.file("out"))
    #expect(
      try scratch.python(
        """
        import json, sys
        a, b = (json.load(open(path)) for path in sys.argv[1:])
        print(a == b)
        """, path.string, result.store.root.string) == "True\n")
  }

  @Test func tasksOfTwoShapesAreRefused() throws {
    let scratch = try Scratch()
    let source = try scratch.write(
      #"{"tasks":[{"id":1}],"tasks":{"u":{"p":[{"id":1}]}},"users":{}}"#, to: "tasks.json")
    #expect(throws: StoreError.self) { try StoreWriterTests.copy(source, to: scratch.file("out")) }
  }

  @Test func rules() throws {
    let bad = try Reading(
      Self.samples.pushing(FilePath("damaged/task-list/rules.json")), rules: true)
    #expect(
      bad.marks.map { $0.split(separator: " ").prefix(3).joined(separator: " ") } == [
        "warning bad-id 4", "warning blank-text 4", "error wrong-type 4", "warning bad-time 4",
        "error missing-field 11", "warning time-order 11", "error missing-field 17",
        "warning bad-time 21", "error wrong-type 27", "warning duplicate-id 21",
      ])
    let owners = try Reading(
      Self.samples.pushing(FilePath("damaged/task-list/owners.json")), rules: true)
    #expect(
      owners.findings.map(\.code.rawValue).sorted() == [
        "dangling-end", "dangling-end", "duplicate-id", "key-mismatch", "key-mismatch",
        "wrong-type",
      ])
    for name in ["tasks.json", "tasks-by-user.json", "tasks-by-project.json"] {
      #expect(
        try Reading(Self.samples.pushing(FilePath("intact/\(name)")), rules: true).findings == [])
    }
  }
}
