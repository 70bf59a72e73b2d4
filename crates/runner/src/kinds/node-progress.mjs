// A reporter for Node's own test runner: what begins and what ends, a JSON line each, as it happens. The reporters of Node
// say nothing of a test that does not end, and the one that writes JUnit says all of it at the end.

// Of an error; the rest is in the log.
const LONGEST = 4000;

const why = (error) => {
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause?.message ?? cause ?? "").slice(0, LONGEST);
};

export default async function* progress(events) {
  // Node 20 says at once that a test has ended. The one before it only passes and fails them, each file when its turn comes.
  let prompt = false;
  for await (const { type, data } of events) {
    prompt ||= type === "test:complete";
    const ended = prompt
      ? type === "test:complete"
      : type === "test:pass" || type === "test:fail";
    if (type !== "test:dequeue" && !ended) continue;
    const { name, nesting, details } = data;
    // A file runs as a test, too. Node 20.8 says no file of it but its name.
    const file = data.file ?? (nesting === 0 && name.startsWith("/") ? name : undefined);
    const passed = details?.passed ?? type === "test:pass";
    const result = ended && {
      passed,
      skipped: data.skip !== undefined || data.todo !== undefined,
      millis: details?.duration_ms,
      error: passed ? undefined : why(details?.error),
    };
    yield `${JSON.stringify({ name, nesting, file, ended: result || undefined })}\n`;
  }
}
