import http from 'node:http';
import { workerData } from 'node:worker_threads';

const { port, flag } = workerData;
const agent = new http.Agent({ keepAlive: true });

function answer(message) {
  port.postMessage(message);
  Atomics.store(flag, 0, 1);
  Atomics.notify(flag, 0);
}

port.on('message', ({ method, url, body, headers }) => {
  const request = http.request(url, { method, headers, agent }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (part) => { text += part; });
    response.on('end', () => answer({ status: response.statusCode, body: text }));
    response.on('error', (error) => answer({ status: 0, body: null, error: String(error) }));
  });
  request.on('error', (error) => answer({ status: 0, body: null, error: String(error) }));
  request.end(body ?? undefined);
});
