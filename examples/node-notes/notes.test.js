const { test } = require("node:test");
const assert = require("node:assert");
const { Notes } = require("./notes.js");
const { parse, frame } = require("./echo.js");

test("a note is kept with its number", () => {
  const notes = new Notes();
  assert.deepEqual(notes.add(" buy milk "), { id: 1, text: "buy milk" });
  assert.equal(notes.all().length, 1);
});

test("an empty note is refused", () => {
  assert.throws(() => new Notes().add("  "), /needs a text/);
});

test("a masked frame is read and answered", () => {
  const masked = Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2]);
  assert.equal(parse(masked).payload.toString(), "hi");
  assert.deepEqual([...frame(1, Buffer.from("hi"))], [0x81, 2, 0x68, 0x69]);
});
