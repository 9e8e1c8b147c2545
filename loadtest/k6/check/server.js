// Servers to run the scripts against: the real one, and one that lies.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Builds and starts our server; resolves to its URL and a function that ends it. */
export async function realServer() {
  const dir = mkdtempSync(path.join(tmpdir(), 'k6-check-'));
  const binary = path.join(dir, 'rest-sessions');
  execFileSync('go', ['build', '-o', binary, '.'], { cwd: root, stdio: 'inherit' });
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RS_')));
  Object.assign(env, { RS_HOST: '127.0.0.1', RS_PORT: '0', RS_STORE: 'embedded', RS_LOGLEVEL: 'none' });
  const child = spawn(binary, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const stop = async () => {
    child.kill('SIGINT');
    await exited;
    rmSync(dir, { recursive: true });
  };
  let log = '';
  child.stderr.setEncoding('utf8');
  const url = await Promise.race([
    new Promise((resolve) => child.stderr.on('data', (text) => {
      log += text;
      const found = /listens on (http:\/\/[^ ,]+)/.exec(log);
      if (found) resolve(found[1]);
    })),
    exited.then(() => ''),
  ]);
  if (!url) {
    await stop();
    throw new Error(`the server ended:\n${log}`);
  }
  return { url, stop };
}

/**
 * A proxy before the real server that changes answers. It is a thread of its own,
 * since requests of the stand-in block the one that makes them.
 * @param {string} target
 * @param {string} lie the name of one in liar.js
 */
export async function lyingServer(target, lie) {
  const worker = new Worker(new URL('./liar.js', import.meta.url), { workerData: { target, lie } });
  const url = await new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { url, stop: () => worker.terminate() };
}
