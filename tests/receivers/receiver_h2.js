// Receives webhooks over TLS with HTTP/2 (and HTTP/1.1 where ALPN does not choose h2) and checks Port's signature over the raw body.
// Usage: receiver_h2.js SECRET CERTIFICATE KEY. Behaviour by path: /ok /gzip /deflate /br /zstd /bomb /delay/MS /big/BYTES /named
// One JSON line per webhook on standard output; the first line is the port.
const http2 = require("node:http2");
const crypto = require("node:crypto");
const fs = require("node:fs");
const zlib = require("node:zlib");
const [secret, certificate, key] = process.argv.slice(2);
const sessions = new Map();

// Node 20 has no zstd: a frame of one raw block (RFC 8878), for bodies under 256 bytes.
function zstd(text) {
  const bytes = Buffer.from(text);
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, bytes.length]);
  const block = (bytes.length << 3) | 1;
  return Buffer.concat([header, Buffer.from([block & 255, (block >> 8) & 255, block >> 16]), bytes]);
}

const text = JSON.stringify({ received: true, text: "Zoë 東京 🚀" });
const bomb = zlib.gzipSync(Buffer.alloc(256 << 20, 32));
const encoded = { gzip: zlib.gzipSync(text), deflate: zlib.deflateSync(text), br: zlib.brotliCompressSync(text), zstd: zstd(text) };

// Over HTTP/1.1 as they are written here, over HTTP/2 in lower case.
const named = { Location: "https://svc.example/jobs/7", "X-Run-Id": "abc", ETag: '"v1"', "WWW-Authenticate": "Basic", "Content-MD5": "Q2hlY2s=", "Set-Cookie": ["a=1", "b=2"] };

function answer(path, response) {
  const [, what, argument] = path.split("/");
  response.setHeader("content-type", "application/json");
  if (encoded[what] || what === "bomb") response.setHeader("content-encoding", what === "bomb" ? "gzip" : what);
  if (what === "named")
    for (const [name, value] of Object.entries(named)) response.setHeader(name, value);
  if (encoded[what]) response.end(encoded[what]);
  else if (what === "bomb") response.end(bomb);
  else if (what === "big") response.end(JSON.stringify({ filler: "x".repeat(Number(argument)) }));
  else if (what === "delay") setTimeout(() => response.end(text), Number(argument));
  else response.end(text);
}

const options = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key), allowHTTP1: true };
const server = http2.createSecureServer(options, (request, response) => {
  const chunks = [];
  const session = request.stream ? request.stream.session : request.socket;
  if (!sessions.has(session)) sessions.set(session, sessions.size + 1);
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const body = Buffer.concat(chunks);
    const hash = crypto.createHmac("sha256", secret).update(request.headers["x-port-timestamp"] + ".").update(body).digest("base64");
    console.log(JSON.stringify({
      run: JSON.parse(body).context.runId, method: request.method, version: request.httpVersion, session: sessions.get(session),
      valid: "v1," + hash === request.headers["x-port-signature"], accepts: request.headers["accept-encoding"],
      authority: request.authority || request.headers[":authority"] || null, host: request.headers.host || null,
    }));
    answer(request.url, response);
  });
});
server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
