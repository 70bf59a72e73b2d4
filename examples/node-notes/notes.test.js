import { test } from "node:test";
import assert from "node:assert/strict";
import { Notes } from "./notes.js";

test("the newest note is on top", () => {
  const notes = new Notes();
  notes.add("first");
  notes.add("second");
  assert.deepEqual(notes.all().map((note) => note.text), ["second", "first"]);
});

test("an empty note is refused", () => {
  assert.throws(() => new Notes().add("  "), /needs words/);
});
