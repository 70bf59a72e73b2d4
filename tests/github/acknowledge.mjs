// A Probot app that takes webhooks and does nothing about them: what it costs to take them.
// Usage: node acknowledge.mjs WEBHOOK_SECRET KEY_FILE; prints the address for webhooks when it listens.
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { Probot, Server } from "probot";

const [secret, keyFile] = process.argv.slice(2);

// Probot wants a number, not "any port".
const free = createServer().listen(0, "127.0.0.1");
await new Promise((listening) => free.once("listening", listening));
const { port } = free.address();
await new Promise((closed) => free.close(closed));

const server = new Server({
  host: "127.0.0.1",
  port,
  webhookPath: "/hook",
  Probot: Probot.defaults({ appId: 1, privateKey: readFileSync(keyFile, "utf8"), secret, logLevel: "fatal" }),
});
await server.load((app) => {
  app.on("pull_request.opened", async () => {});
});
await server.start();
console.log(`http://127.0.0.1:${port}/hook`);
