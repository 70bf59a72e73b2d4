// A WebSocket that says back what it hears: short text frames, enough to see that a connection lives.
const crypto = require("node:crypto");

const KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const TEXT = 1, CLOSE = 8, PING = 9, PONG = 10;

function frame(opcode, payload) {
  const length = payload.length < 126 ? Buffer.from([payload.length]) : Buffer.from([126, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, payload]);
}

// The first whole frame in a buffer, and where it ends.
function parse(buffer) {
  if (buffer.length < 6) return undefined;
  let length = buffer[1] & 127;
  let at = 2;
  if (length === 126) {
    if (buffer.length < 8) return undefined;
    length = buffer.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    throw new Error("too long");
  }
  const end = at + 4 + length;
  if (buffer.length < end) return undefined;
  const mask = buffer.subarray(at, at + 4);
  const payload = Buffer.from(buffer.subarray(at + 4, end).map((byte, n) => byte ^ mask[n % 4]));
  return { opcode: buffer[0] & 15, payload, end };
}

function upgrade(request, socket) {
  const accept = crypto.createHash("sha1").update(request.headers["sec-websocket-key"] + KEY).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let buffer = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    try {
      for (let found = parse(buffer); found; found = parse(buffer)) {
        buffer = buffer.subarray(found.end);
        if (found.opcode === TEXT) socket.write(frame(TEXT, found.payload));
        if (found.opcode === PING) socket.write(frame(PONG, found.payload));
        if (found.opcode === CLOSE) socket.end(frame(CLOSE, found.payload));
      }
    } catch {
      socket.destroy();
    }
  });
}

module.exports = { frame, parse, upgrade };
