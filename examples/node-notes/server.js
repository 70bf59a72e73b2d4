import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { WebSocketServer } from "ws";
import { Notes } from "./notes.js";

const notes = new Notes();
const types = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript" };
const files = new Map([["/", "/index.html"], ["/style.css", "/style.css"], ["/wall.js", "/wall.js"]]);

const body = async (request) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  return text;
};

const routes = {
  "GET /api/notes": (_, response) => json(response, 200, notes.all()),
  "POST /api/notes": async (request, response) => {
    try {
      json(response, 201, notes.add(await body(request)));
    } catch (error) {
      json(response, 400, { error: error.message });
    }
  },
  "GET /api/about": (_, response) =>
    json(response, 200, {
      environment: process.env.NESTLING_ENVIRONMENT ?? "your machine",
      branch: process.env.NESTLING_BRANCH ?? "",
      commit: process.env.NESTLING_COMMIT ?? "",
    }),
  // One megabyte, to see that large answers stream.
  "GET /big": (_, response) => response.writeHead(200, { "content-type": "application/octet-stream" }).end(Buffer.alloc(1_000_000, "n")),
  "GET /events": (request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const tell = (note) => response.write(`data: ${JSON.stringify(note)}\n\n`);
    const beat = setInterval(() => response.write(": still here\n\n"), 1000);
    notes.on("added", tell);
    request.on("close", () => (clearInterval(beat), notes.off("added", tell)));
    response.write(": hello\n\n");
  },
};

const json = (response, status, value) => response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));

const server = createServer(async (request, response) => {
  const path = request.url.split("?")[0];
  const route = routes[`${request.method} ${path}`];
  if (route) return route(request, response);
  const file = request.method === "GET" && files.get(path);
  if (!file) return json(response, 404, { error: `there is nothing at ${path}` });
  const content = await readFile(new URL(`./public${file}`, import.meta.url));
  response.writeHead(200, { "content-type": types[file.slice(file.lastIndexOf("."))] }).end(content);
});

new WebSocketServer({ server, path: "/echo" }).on("connection", (socket) => {
  socket.on("message", (data, binary) => socket.send(data, { binary }));
});

server.listen(process.env.PORT ?? 3000, "127.0.0.1", () => console.log(`notes listen on ${server.address().port}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
