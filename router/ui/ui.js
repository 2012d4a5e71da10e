// The operators' page: asks for what weirctl shows, and puts it into tables. Names come from clients
// and become text, never markup.

const PERIOD = 2000; // ms between two questions
const SAMPLES = 60;
const EVENTS = 200;
const find = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// `words` become the path; options that are empty are left out.
async function ask(words, options = {}) {
  const path = words.map(encodeURIComponent).join('/');
  const query = Object.entries(options).filter(([, value]) => value)
    .map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
  const answer = await fetch(`/api/${path}${query && '?' + query}`);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

const time = (ms) => new Date(ms).toISOString().replace('T', ' ').slice(0, 19);

function shown(key, value) {
  if (value === null) return '–';
  if (key === 'since' || key === 'at') return time(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return Array.isArray(value) || typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function table(rows, columns, link) {
  if (rows.length === 0) return element('p', { class: 'quiet' }, 'none');
  const numeric = (key) => rows.some((row) => typeof row[key] === 'number' && key !== 'since');
  const kind = (key) => (numeric(key) ? { class: 'number' } : {});
  const cell = (row, key) => {
    const text = shown(key, row[key] ?? null);
    if (link?.key !== key) return text;
    const button = element('button', { type: 'button' }, text);
    button.addEventListener('click', () => link.follow(row));
    return button;
  };
  const head = element('tr', {}, ...columns.map((key) => element('th', { scope: 'col', ...kind(key) }, key)));
  const body = rows.map((row) => element('tr', {},
    ...columns.map((key) => element('td', kind(key), cell(row, key)))));
  return element('table', {}, element('thead', {}, head), element('tbody', {}, ...body));
}

// A table that has the focus, or a mark in it, is left until that goes.
function put(id, ...content) {
  const place = find(id);
  if (!place.contains(document.activeElement) || place === document.activeElement) {
    place.replaceChildren(...content);
  }
}

// ---- rates

const series = { published: [], deliveries: [], members: [] };
let before = null;

function chart(name, values, unit) {
  const max = Math.max(1, ...values);
  const points = values.map((value, i) => `${i * 100 / (SAMPLES - 1)},${29 - value * 28 / max}`).join(' ');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS(svg.namespaceURI, 'polyline');
  const now = `${name}: ${values.at(-1) ?? 0}${unit}`;
  svg.setAttribute('viewBox', '0 0 100 30');
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', `${now}, at most ${max} in the last ${SAMPLES * PERIOD / 60000} minutes`);
  line.setAttribute('points', points);
  svg.append(line);
  return element('figure', {}, svg, element('figcaption', {}, now));
}

function add(name, value) {
  series[name].push(value);
  series[name].splice(0, series[name].length - SAMPLES);
}

function showStatus(status) {
  const now = performance.now();
  find('name').textContent = `Weir router ${status.name}`;
  find('state').textContent = `version ${status.version}, up ${status.uptime} s, store ${status.store}, `
    + `${status.edges} edges, ${status.rooms} rooms, ${status.members} members`;
  if (before !== null) {
    const rate = (key) => Math.max(0, Math.round((status[key] - before[key]) * 1000 / (now - before.at)));
    add('published', rate('published'));
    add('deliveries', rate('deliveries'));
  }
  add('members', status.members);
  before = { ...status, at: now };
  put('charts', chart('Messages published', series.published, '/s'),
    chart('Deliveries', series.deliveries, '/s'), chart('Members', series.members, ''));
}

// ---- a room

let room = null;

async function showRoom() {
  if (room === null) return;
  const [members, recent] = await Promise.all([ask(['members', room]), ask(['explain', room])]);
  put('members', table(members, ['client', 'user', 'edge', 'address', 'since', 'rooms', 'queueBytes']));
  put('recent', sentences(recent.reverse()));
}

function follow(row) {
  room = row.room;
  find('h-room').textContent = `Room ${room}`;
  find('room').hidden = false;
  find('explain-form').elements.room.value = room;
  showRoom().catch(complain);
}

// ---- explain

function sentences(rows) {
  if (rows.length === 0) return element('p', { class: 'quiet' }, 'nothing is remembered');
  return element('ul', {}, ...rows.map((row) => element('li', {},
    `${row.at ? time(row.at) + ' ' : ''}${row.verdict ? row.verdict + ': ' : ''}${row.text}`)));
}

find('explain-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { room: name, seq, user, trace } = Object.fromEntries(new FormData(event.target));
  try {
    const words = ['explain', ...(name ? [name, ...(seq ? [seq] : [])] : [])];
    find('explained').replaceChildren(sentences(await ask(words, { user, trace })));
  } catch (error) {
    find('explained').textContent = error.message;
  }
});

// ---- all of it

function complain(error) {
  find('state').textContent = `no answer: ${error.message}`;
}

async function refresh() {
  const { pattern, sort } = Object.fromEntries(new FormData(find('rooms-form')));
  const [status, edges, rooms, clients, memory] = await Promise.all([
    ask(['status']), ask(['edges']), ask(['rooms', ...(pattern ? [pattern] : [])], { sort, limit: 25 }),
    ask(['clients'], { sort: 'queue', limit: 10 }), ask(['memory'])]);
  showStatus(status);
  put('edges', table(edges, ['edge', 'connections', 'members', 'rooms', 'queueBytes', 'inflightBytes',
    'rttMs', 'draining', 'silent', 'since', 'version']));
  put('rooms', table(rooms, ['room', 'members', 'users', 'edges', 'seq', 'historyMessages', 'historyBytes'],
    { key: 'room', follow }));
  put('clients', table(clients, ['client', 'user', 'edge', 'address', 'rooms', 'queueBytes']));
  put('memory', table(memory, ['process', 'pool', 'bytes', 'limit', 'objects']));
  await showRoom();
}

async function turn() {
  if (!document.hidden) await refresh().catch(complain);
  setTimeout(turn, PERIOD);
}

find('rooms-form').addEventListener('submit', (event) => event.preventDefault());
find('rooms-form').addEventListener('input', () => refresh().catch(complain));
new EventSource('/api/events').addEventListener('message', ({ data }) => {
  const event = JSON.parse(data);
  if (find('pause').checked) return;
  find('events').prepend(element('li', {}, `${time(event.at)} ${event.text}`));
  while (find('events').children.length > EVENTS) find('events').lastChild.remove();
});
turn();
