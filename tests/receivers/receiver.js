// Receives webhooks and checks Port's signature as the documentation's Node example does: over JSON.stringify(JSON.parse(body)).
const http = require("node:http");
const crypto = require("node:crypto");
const secret = process.argv[2];

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const event = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    const message = `${request.headers["x-port-timestamp"]}.${JSON.stringify(event)}`;
    const expected = "v1," + crypto.createHmac("sha256", secret).update(message).digest("base64");
    console.log(JSON.stringify({ run: event.context.runId, method: request.method, valid: expected === request.headers["x-port-signature"] }));
    response.end("{}");
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
