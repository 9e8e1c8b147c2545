import http from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';

const { target, lie } = workerData;

/** What becomes of an answer: its route, request body and text to another text. */
const lies = {
  honest: (route, body, text) => text,
  'another user': (route, body, text) => (route === 'get' ? text.replace(/"id":"[^"]*/, '"id":"eve') : text),
  'a lost write': (route, body, text) => (route === 'set' ? text.replace(/"d":.*}}/, '"d":{}}') : text),
  'a read of old data': (route, body, text) => (route === 'get' ? text.replace(/"d":.*}}/, '"d":{"n":-7}}') : text),
  'a page in HTML': (route, body, text) => (route === 'get' ? '<html>login</html>' : text),
  'a kill of none': (route, body, text) => (route === 'kill' ? '{"kill":0}' : text),
  'a session of another in a list': (route, body, text) => (route === 'soid' ? text.replace(/"id":"[^"]*/, '"id":"eve') : text),
  'a list without sessions': (route, body, text) => (route === 'soid' ? '{"sessions":[]}' : text),
  'no list': (route, body, text) => (route === 'soid' ? 'null' : text),
  'not a list': (route, body, text) => (route === 'soid' ? '{"sessions":1}' : text),
  'nobody there': (route, body, text) => (route === 'get' ? '{}' : text),
  'a session that came back': (route, body, text) =>
    (route === 'get' && text === '{}' ? '{"id":"x","r":1,"w":1,"ttl":10,"idle":0,"ip":"::1"}' : text),
};

const server = http.createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    const body = Buffer.concat(parts);
    const headers = { ...request.headers };
    delete headers.host;
    const onward = http.request(target + request.url, { method: request.method, headers }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part) => { text += part; });
      answer.on('end', () => {
        response.writeHead(answer.statusCode, { 'Content-Type': 'application/json' });
        response.end(lies[lie](request.url.split('/')[2], body, text));
      });
    });
    onward.end(body);
  });
});
server.listen(0, '127.0.0.1', () => parentPort.postMessage(`http://127.0.0.1:${server.address().port}`));
