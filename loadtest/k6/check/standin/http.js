// k6's calls return when the answer is there. Node has none that do, so a worker
// makes the request and this thread sleeps until it is done.
import { MessageChannel, Worker, receiveMessageOnPort } from 'node:worker_threads';
import { now, seen } from './state.js';

const { port1: port, port2 } = new MessageChannel();
const flag = new Int32Array(new SharedArrayBuffer(4));
const worker = new Worker(new URL('./http-worker.js', import.meta.url), {
  workerData: { port: port2, flag }, transferList: [port2],
});
worker.unref();

function request(method, url, body, params = {}) {
  Atomics.store(flag, 0, 0);
  port.postMessage({ method, url, body, headers: params.headers || {} });
  if (Atomics.wait(flag, 0, 0, 10_000) === 'timed-out') throw new Error(`no answer: ${method} ${url}`);
  const response = receiveMessageOnPort(port).message;
  const tags = { scenario: now.scenario, ...params.tags };
  seen.requests.push({ method, url, body, status: response.status, tags });
  seen.samples.push({ metric: 'http_req_duration', tags }, { metric: 'http_req_failed', tags });
  return response;
}

export default {
  get: (url, params) => request('GET', url, null, params),
  put: (url, body, params) => request('PUT', url, body, params),
  post: (url, body, params) => request('POST', url, body, params),
  del: (url, body, params) => request('DELETE', url, body, params),
};
