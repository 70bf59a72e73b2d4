const fs = require("node:fs");

const LONGEST = 200;

// Notes in memory, and in a file if one is given.
class Notes {
  constructor(file) {
    this.file = file;
    this.list = file && fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : [];
  }

  all() {
    return this.list;
  }

  add(text) {
    const trimmed = String(text ?? "").trim();
    if (!trimmed) throw new Error("a note needs a text");
    if (trimmed.length > LONGEST) throw new Error(`a note has at most ${LONGEST} characters`);
    const note = { id: this.list.length + 1, text: trimmed };
    this.list.push(note);
    if (this.file) fs.writeFileSync(this.file, JSON.stringify(this.list));
    return note;
  }
}

module.exports = { Notes };
