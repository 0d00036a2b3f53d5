import Testing

/// That the checker, on which the tests of what is written rely, can say no.
@Suite struct RTFSGrammarTests {
  @Test(arguments: [
    "(a", "(a))", "[1 2)", "{:a}", "{:a 1 :b}", "{a 1}", "{1.5 2}", "{[] 2}", "(1e21)", "(1.)",
    "(.5 a)", "(do 1)", "(if a b)", "\"a", "\"\\b\"", "\"\\u0041\"", "(a, b)", "#| a", "(a 'b)",
    "(a 5x)", "(: a)", "(a #)", "(a 1.5.2)", "(a 1.0e)", "(a é)", "(a \u{0} b)",
  ]) func refuses(text: String) {
    #expect(RTFSGrammar.fault(in: Array(text.utf8)) != nil)
  }

  @Test func refusesBytesThatAreNoText() {
    #expect(RTFSGrammar.fault(in: [0x22, 0xFF, 0x22]) != nil)
  }

  @Test(arguments: [
    "", "; a", "(a)", "#| ( |# [1 -2 +3 1.0e21 -0.5E-7]", "{:a 1 \"b\" {} 3 [nil true]}",
    "(intent-graph (a) ; x\n)", "\"a\nb\\n\\\\ \u{0} é\"", "(a :rtfs-intent \"x\")", "(document 5)",
  ]) func takes(text: String) {
    #expect(RTFSGrammar.fault(in: Array(text.utf8)) == nil)
  }
}
