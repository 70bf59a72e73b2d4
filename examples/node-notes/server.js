// Notes on a page. Serves on PORT and keeps its notes in NESTLING_STATE, if there is one.
const http = require("node:http");
const path = require("node:path");
const fs = require("node:fs");
const { Notes } = require("./notes.js");
const { upgrade } = require("./echo.js");

const notes = new Notes(process.env.NESTLING_STATE && path.join(process.env.NESTLING_STATE, "notes.json"));
const page = fs.readFileSync(path.join(__dirname, "page.html"), "utf8");
const big = Buffer.alloc(1_000_000, "0123456789abcdef");
const listeners = new Set();

function json(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}

function events(response) {
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const say = () => response.write(`data: ${JSON.stringify({ notes: notes.all().length, at: new Date().toISOString() })}\n\n`);
  say();
  const timer = setInterval(say, 1000);
  listeners.add(say);
  response.on("close", () => {
    clearInterval(timer);
    listeners.delete(say);
  });
}

function add(request, response) {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => {
    body += chunk;
    if (body.length > 10_000) request.destroy();
  });
  request.on("end", () => {
    try {
      const note = notes.add(JSON.parse(body).text);
      console.log(`note ${note.id} was added`);
      for (const say of listeners) say();
      json(response, 201, note);
    } catch (error) {
      json(response, 400, { error: error.message });
    }
  });
}

const server = http.createServer((request, response) => {
  const { pathname } = new URL(request.url, "http://localhost");
  if (pathname === "/") {
    const about = [process.env.NESTLING_ENVIRONMENT ?? "local", process.env.NESTLING_BRANCH, process.env.NESTLING_COMMIT?.slice(0, 7)];
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
    const text = about.filter(Boolean).join(" · ");
    return response.end(page.replace("{{about}}", () => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)));
  }
  if (pathname === "/api" && request.method === "POST") return add(request, response);
  if (pathname === "/api") return json(response, 200, notes.all());
  if (pathname === "/health") return json(response, 200, { ok: true });
  if (pathname === "/events") return events(response);
  if (pathname === "/big") {
    response.writeHead(200, { "content-type": "text/plain", "content-length": big.length });
    return response.end(big);
  }
  return json(response, 404, { error: `there is no ${pathname}` });
});

server.on("upgrade", upgrade);
server.listen(process.env.PORT ?? 3000, () => console.log(`notes are served on port ${server.address().port}`));
process.on("SIGTERM", () => {
  console.log("closing");
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
