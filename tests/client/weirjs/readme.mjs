// Runs the examples of edge/web/README.md against an edge: each is a module of its own, with the
// package as it would be installed. Usage: node readme.mjs URL '{"alice":JWT,"service":JWT}'
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { until } from './clock.mjs';
import { MODULES, ROOT, WebSocket } from './modules.mjs';
import { Weir } from '../../../edge/web/weir.js';

const [, , url, tokens] = process.argv;
const { alice, service } = JSON.parse(tokens);
const readme = readFileSync(join(ROOT, 'edge/web/README.md'), 'utf8');
assert.equal(readme.match(/^```js$/gm).length, 6);
const folder = mkdtempSync(join(tmpdir(), 'weir-readme-'));
const said = [];
const made = []; // every client, to be closed

function install(name, text) {
  mkdirSync(join(folder, 'node_modules', name), { recursive: true });
  const own = join(folder, 'node_modules', name);
  writeFileSync(join(own, 'package.json'), '{"type":"module","main":"index.js"}');
  writeFileSync(join(own, 'index.js'), text);
}

// The example under a heading, as a module that has `head` above it.
async function run(heading, head = '', tail = '') {
  const code = readme.split(`# ${heading}\n`)[1].split('```js\n')[1].split('```')[0];
  const path = join(folder, `${heading.replace(/\W/g, '')}.mjs`);
  writeFileSync(path, head + code.replaceAll('wss://chat.example/ws', url)
    .replaceAll('https://chat.example', url.replace('ws:', 'http:')) + tail);
  said.length = 0;
  return import(pathToFileURL(path));
}

// A React that keeps what useState was given and runs effects when they are to be run.
const react = `
export const hooks = { values: [], effects: [] };
let n = 0;
export function render(component) { n = 0; return component(); }
export function useState(first) {
  const i = n++;
  hooks.values[i] ??= first;
  return [hooks.values[i], (next) => {
    hooks.values[i] = typeof next === 'function' ? next(hooks.values[i]) : next;
  }];
}
export function useEffect(effect) { hooks.effects.push(effect); }
`;

async function firstExample() {
  const { fetch } = globalThis;
  globalThis.fetch = async () => ({ text: async () => alice }); // of the application's server
  await run('weir-client');
  await until(() => said.length === 2);
  assert.deepEqual(said, ['alice: milk?', 'number 1, sent to 1 connections']);
  globalThis.fetch = fetch;
}

async function reactHook(weir) {
  const { useRoom } = await run('React');
  const { hooks, render } = await import(`${pathToFileURL(folder)}/node_modules/react/index.js`);
  assert.deepEqual(render(() => useRoom(weir, 'hook')), []);
  const unmount = hooks.effects[0]();
  await weir.join('hook').publish('chat', { text: 'one' });
  await weir.join('hook').publish('chat', { text: 'two' });
  const shown = render(() => useRoom(weir, 'hook'));
  assert.deepEqual(shown.map((message) => message.text), ['one', 'two']);
  assert.equal(unmount(), undefined);
  const { members } = await weir.join('hook').ready; // joined anew
  assert.equal(members, 1);
}

async function historyThenSince(weir) {
  const tea = weir.join('tea');
  await tea.ready;
  globalThis.token = alice;
  globalThis.shown = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (...words) => {
    const answer = await fetch(...words);
    await tea.publish('chat', { text: 'between' }); // between the answer and the join
    return answer;
  };
  await run('First what is there, then what comes', `
    const show = (message) => globalThis.shown.push(message.text);
    const startOver = () => console.log('start over');`);
  await tea.publish('chat', { text: 'after' });
  await until(() => globalThis.shown.includes('after'));
  assert.deepEqual(globalThis.shown, ['milk?', 'between', 'after']);
  globalThis.fetch = fetch;
}

async function nodeService(weir) {
  process.env.WEIR_URL = url;
  process.env.WEIR_TOKEN = service;
  await run('A service in Node');
  const receipts = [];
  const own = weir.join('user:alice');
  own.on('receipt', (message) => receipts.push(message));
  await own.ready;
  await until(() => made.at(-1).state === 'open');
  await made.at(-1).join('orders').ready;
  await weir.join('orders').publish('order', { n: 7 });
  await until(() => receipts.length === 1);
  assert.deepEqual([receipts[0].user, receipts[0].n], ['service', 7]);
  const listeners = process.listeners('SIGTERM');
  listeners.at(-1)();
  assert.equal(made.at(-1).state, 'closed');
  process.removeAllListeners('SIGTERM');
}

async function fromOthers() {
  await run('From `ws` and Redis');
  await until(() => said.includes('hello'));
  const { ack } = await run('From Socket.IO', '', '\nexport { ack };');
  assert.ok(ack.seq > 0);
  assert.deepEqual(said.at(-1), 'alice hello');
}

install('weir-client', `
export { WeirError } from ${JSON.stringify(`${ROOT}edge/web/weir.js`)};
import { Weir as Real } from ${JSON.stringify(`${ROOT}edge/web/weir.js`)};
export class Weir extends Real {
  constructor(...words) { super(...words); globalThis.made.push(this); }
}`);
install('react', react);
symlinkSync(join(MODULES, 'ws'), join(folder, 'node_modules/ws'));
Object.assign(globalThis, { WebSocket, made });
const log = console.log;
console.log = (...words) => said.push(words.join(' '));
console.error = console.log;

const weir = new Weir(url, { token: alice });
try {
  await firstExample();
  await reactHook(weir);
  await historyThenSince(weir);
  await nodeService(weir);
  globalThis.token = alice;
  await fromOthers();
  log('6 examples ran');
} finally {
  [weir, ...made].forEach((one) => one.close());
  rmSync(folder, { recursive: true });
}
