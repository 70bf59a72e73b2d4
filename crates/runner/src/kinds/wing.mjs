// Runs a Wing app for the runner, without a browser:
//
//   node wing.mjs test  RESULTS ENTRY         every test, one line of JSON each
//   node wing.mjs serve SERVED STATE ENTRY    the console; what it serves as JSON, once it does
//
// NESTLING_WING_HOME is the folder whose node_modules hold winglang.
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const BROKEN = 3; // the exit code for "it does not compile or start"
const ASK_EVERY = 50; // milliseconds between two looks at the console
const CLOSE_WITHIN = 4000; // milliseconds, below the runner's patience (STOP_GRACE)

// Wing's packages are found from its own folder: with pnpm they are nowhere else.
const outer = createRequire(join(process.env.NESTLING_WING_HOME, "index.js"));
const inner = createRequire(outer.resolve("winglang/package.json"));
async function load(name) {
  const found = await import(pathToFileURL(inner.resolve(name)));
  return found.default && Object.keys(found).length <= 2 ? found.default : found;
}

async function diagnosis(compiler, error) {
  if (compiler.prettyPrintError) {
    try {
      return await compiler.prettyPrintError(error, { chalk: undefined });
    } catch {
      // what it cannot print is printed plainly
    }
  }
  if (error instanceof Error) return error.stack ?? String(error);
  if (typeof error?.message !== "string") return typeof error === "string" ? error : JSON.stringify(error);
  // As wingc names places: lines and columns from 1, though it counts from 0.
  const { file_id: file, start } = error.span ?? {};
  return file && start ? `error: ${error.message} --> ${file}:${start.line + 1}:${start.col + 1}` : `error: ${error.message}`;
}

// `compile` of 0.85 answers with errors, older ones throw them; both are handled.
async function compile(compiler, entry) {
  const targetDir = mkdtempSync(join(tmpdir(), "wing-test-"));
  let compiled;
  try {
    compiled = await compiler.compile(entry, { platform: [compiler.BuiltinPlatform.SIM], testing: true, targetDir });
  } catch (error) {
    throw new Error(await diagnosis(compiler, error));
  }
  if (typeof compiled === "string") return compiled;
  const errors = [...(compiled.wingcErrors ?? []), ...(compiled.preflightError ? [compiled.preflightError] : [])];
  if (errors.length > 0) {
    const texts = await Promise.all(errors.map((error) => diagnosis(compiler, error)));
    throw new Error(texts.join("\n"));
  }
  return compiled.outputDir;
}

async function test(results, entry) {
  const compiler = await load("@winglang/compiler");
  const sdk = await load("@winglang/sdk");
  const simfile = await compile(compiler, entry);
  writeFileSync(results, "");
  const simulator = new sdk.simulator.Simulator({ simfile });
  let log = [];
  simulator.onTrace({
    callback: (trace) => {
      if (trace.type === "log") {
        log.push(String(trace.data?.message ?? ""));
        console.log(log.at(-1));
      }
    },
  });
  for (const path of simulator.tree().listTests()) {
    // A simulator of its own for each: one test's bucket is not another's.
    log = [];
    appendFileSync(results, `${JSON.stringify({ begun: path })}\n`);
    await simulator.start();
    const begun = performance.now();
    const result = await simulator.getResource("root/cloud.TestRunner").runTest(path);
    const millis = Math.round(performance.now() - begun);
    await simulator.stop();
    await simulator.resetState();
    const record = { path: result.path ?? path, pass: result.pass, error: result.error || undefined, millis, log };
    console.log(`${record.pass ? "pass" : "fail"} ${record.path} (${millis} ms)`);
    if (record.error) console.log(record.error);
    appendFileSync(results, `${JSON.stringify(record)}\n`);
  }
}

// The console has no login: it must not listen beyond this machine, as it would of itself.
function stayLocal() {
  const listen = Server.prototype.listen;
  Server.prototype.listen = function (first, ...rest) {
    if (typeof first === "number" && typeof rest[0] !== "string") return listen.call(this, first, "127.0.0.1", ...rest);
    if (first?.port !== undefined && first.host === undefined && first.path === undefined) {
      return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest);
    }
    return listen.call(this, first, ...rest);
  };
}

function silentConfig() {
  return { addEventListener() {}, removeEventListener() {}, get: () => undefined, set() {} };
}

async function ask(port, procedure) {
  const answer = await fetch(`http://127.0.0.1:${port}/trpc/${procedure}`);
  return (await answer.json()).result?.data;
}

async function started(port) {
  for (;;) {
    const state = await ask(port, "app.state");
    if (state === "success") return;
    if (state === "error") throw new Error(await ask(port, "app.error"));
    await new Promise((done) => setTimeout(done, ASK_EVERY));
  }
}

// The name that the platform gave is in the address that it gave; one that it did not give gets its own.
function nameOf(endpoint, taken) {
  const [before, after] = (process.env.NESTLING_ENDPOINT_URL ?? "").split("{endpoint}");
  const url = endpoint.url ?? "";
  if (before && url.startsWith(before) && url.endsWith(after)) {
    return url.slice(before.length, url.length - after.length);
  }
  return inner(process.env.NESTLING_WING_PLATFORM).nameFor(endpoint.id, taken);
}

async function served(port) {
  const endpoints = [];
  const taken = new Set(["console", "app"]);
  for (const endpoint of (await ask(port, "endpoint.list")) ?? []) {
    const local = new URL(endpoint.localUrl ?? endpoint.url);
    if (!["127.0.0.1", "localhost", "[::1]"].includes(local.hostname)) continue;
    const name = nameOf(endpoint, taken);
    taken.add(name);
    const label = endpoint.label ?? endpoint.id;
    endpoints.push({ name, label, browser: endpoint.browserSupport === true, port: Number(local.port) });
  }
  return { console: port, endpoints };
}

async function serve(file, stateDir, entry) {
  stayLocal();
  const compiler = await load("@winglang/compiler");
  const console_ = await load("@wingconsole/app");
  mkdirSync(stateDir, { recursive: true });
  const app = await console_.createConsoleApp({
    wingfile: entry,
    platform: [compiler.BuiltinPlatform.SIM, process.env.NESTLING_WING_PLATFORM],
    stateDir,
    log: { info: console.log, verbose() {}, warning: console.warn, error: console.error },
    config: silentConfig(),
    hostUtils: { async openExternal() {} },
    requireSignIn: false,
    requireAcceptTerms: false,
    open: false,
    watchGlobs: [],
  });
  const close = async () => {
    // What the simulator holds in memory is written when it stops.
    setTimeout(() => process.exit(0), CLOSE_WITHIN).unref();
    await app.close();
    process.exit(0);
  };
  process.on("SIGTERM", close);
  process.on("SIGINT", close);
  await started(app.port);
  const content = JSON.stringify(await served(app.port));
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, content);
  renameSync(`${file}.new`, file);
}

const [mode, ...rest] = process.argv.slice(2);
try {
  if (mode === "test") {
    await test(...rest);
    process.exit(0);
  } else {
    await serve(...rest);
  }
} catch (error) {
  console.error(error?.message ?? String(error));
  process.exit(BROKEN);
}
