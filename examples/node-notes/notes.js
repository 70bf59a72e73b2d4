import { EventEmitter } from "node:events";

const LONGEST = 280;

/** Notes on a wall, newest first. */
export class Notes extends EventEmitter {
  #notes = [];

  all() {
    return this.#notes;
  }

  add(text) {
    const trimmed = text.trim();
    if (!trimmed) throw new Error("a note needs words");
    if (trimmed.length > LONGEST) throw new Error(`a note has at most ${LONGEST} characters`);
    const note = { text: trimmed, at: new Date().toISOString() };
    this.#notes = [note, ...this.#notes].slice(0, 50);
    this.emit("added", note);
    return note;
  }
}
