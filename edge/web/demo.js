// A chat on weir.js: what a page has to do, and no more. The token comes in the fragment of the
// URL, which browsers send nowhere: /demo#token=JWT, and &rooms=tea,garden for other rooms.
//
// Each room keeps what it has shown in `entries`; the page shows the entries of one room. A message
// of one's own is shown at once and becomes "placed" when the room hands it back, at its place in
// the room's order; its tick comes from the ack.
import { Weir } from './weir.js';

const $ = (id) => document.getElementById(id);
const app = $('app');
const TYPING_SHOWN = 4000;
const TYPING_SAID = 2000;
const MEASURE = 2000;
const MEASURED = 32;
const KEPT = 500; // messages of a room

const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get('token');
const rooms = new Map(); // name -> what is known of it
let shown; // one of them
let self = {}; // `connected`
let lostAt = 0;

// ---- the switch that cuts the connection

const wire = { cut: false, sockets: new Set() };

// Stands in for WebSocket: while the wire is cut, what is open ends and nothing opens.
function Wire(url, protocols) {
  if (wire.cut) {
    const dead = { close() {}, send() {} };
    setTimeout(() => dead.onclose({ code: 1006, reason: '' }), 50);
    return dead;
  }
  const socket = new WebSocket(url, protocols);
  wire.sockets.add(socket);
  socket.addEventListener('close', () => wire.sockets.delete(socket));
  return socket;
}

function setCut(cut) {
  wire.cut = cut;
  $('cut').setAttribute('aria-checked', String(cut));
  app.toggleAttribute('data-cut', cut);
  if (cut) for (const socket of wire.sockets) socket.close();
  else window.dispatchEvent(new Event('online')); // the next try need not wait
  showStatus();
}

// ---- small things

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function plural(n, one, many = one + 's') {
  return `${n} ${n === 1 ? one : many}`;
}

function avatar(into, user, name) {
  let hue = 0;
  for (const letter of user) hue = (hue * 31 + letter.codePointAt(0)) % 360;
  into.style.setProperty('--hue', hue);
  into.textContent = [...name].slice(0, 2).join('').toUpperCase();
  return into;
}

const nameOf = ({ user = '', username }) => username || user;
const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

function pulse() {
  $('line').classList.remove('pulse');
  void $('line').offsetWidth; // begins the animation anew
  $('line').classList.add('pulse');
}

// ---- rooms

function open(name) {
  let it = rooms.get(name);
  if (it) return it;
  const room = weir.join(name, { presence: true });
  it = {
    name, room, entries: [], people: new Map(), typing: new Map(), unread: 0, refs: new Map(),
    missed: null, draft: '',
  };
  rooms.set(name, it);
  room.on('message', (message) => message.type === 'chat' && onChat(it, message));
  room.on('typing', (message) => onTyping(it, message));
  room.on('member:join', (member) => onPerson(it, member, true));
  room.on('member:leave', (member) => onPerson(it, member, false));
  room.on('recovered', () => onRecovered(it));
  room.on('reset', () => onReset(it));
  room.on('gap', ({ from, to }) => note(it, 'bad', `${plural(to - from + 1, 'message')} lost`));
  room.on('left', () => note(it, 'bad', 'You may not be in this room any more'));
  room.on('error', ({ message }) => note(it, 'bad', message));
  room.ready.then(() => first(it), () => {});
  showRooms();
  return it;
}

async function first(it) {
  await Promise.all([readPeople(it), readHistory(it)]).catch(() => {});
  it.read = true;
  if (it === shown) show(it);
}

async function readPeople(it) {
  const { members } = await it.room.presence();
  it.people = new Map(members.map((member) => [member.user, { ...member, here: true }]));
  if (it === shown) showPeople();
}

// What was there before us. What comes meanwhile comes as it is, so some of it may be in both.
async function readHistory(it) {
  const { messages } = await it.room.history({ limit: 50 });
  const chats = messages.filter(({ type }) => type === 'chat');
  const known = new Set(it.entries.map(({ message }) => message?.seq));
  const older = chats.filter(({ seq }) => !known.has(seq)).map((message) => entryOf(message));
  it.entries.unshift(...older);
}

const entryOf = (message) => ({ message, mine: message.user === self.user, placed: true });

function onChat(it, message) {
  it.typing.delete(message.user);
  const own = it.refs.get(message.ref);
  const entry = own ?? entryOf(message);
  if (own) {
    it.refs.delete(message.ref);
    it.entries.splice(it.entries.indexOf(own), 1);
  }
  Object.assign(entry, { message, placed: true, recovered: Boolean(it.missed) && !own });
  if (entry.recovered) it.missed.push(entry);
  // Those not placed yet stay behind it.
  const behind = it.entries.findIndex((one) => one.pending && !one.placed);
  if (behind < 0) it.entries.push(entry);
  else it.entries.splice(behind, 0, entry);
  if (it.entries.length > KEPT) it.entries.shift().shown?.remove();
  if (it !== shown || document.hidden) it.unread += entry.mine ? 0 : 1;
  if (it === shown) {
    pulse();
    draw(entry);
    showTyping();
  }
  showRooms();
}

function onTyping(it, { user, username }) {
  if (user === self.user) return;
  it.typing.set(user, { name: nameOf({ user, username }), until: Date.now() + TYPING_SHOWN });
  setTimeout(() => it === shown && showTyping(), TYPING_SHOWN + 50);
  if (it === shown) showTyping();
}

function onPerson(it, { user, username }, here) {
  it.people.set(user, { ...it.people.get(user), user, username, here });
  if (!here) it.typing.delete(user);
  if (it === shown) {
    showPeople();
    showTyping();
  }
}

function onRecovered(it) {
  const n = it.missed?.length ?? 0;
  const away = plural(Math.max(1, Math.round((Date.now() - lostAt) / 1000)), 'second');
  const what = n ? `${plural(n, 'message')} recovered, none lost` : 'nothing was missed';
  note(it, 'good', `Back after ${away}: ${what}`, it.missed?.[0]);
  it.missed = null;
  readPeople(it).catch(() => {});
}

function onReset(it) {
  it.missed = null;
  note(it, 'bad', 'The room starts over: what was missed is not to be had');
  readPeople(it).catch(() => {});
}

// A line of our own, above `next` or at the end.
function note(it, kind, text, next) {
  const entry = { note: text, kind };
  const at = it.entries.indexOf(next);
  it.entries.splice(at < 0 ? it.entries.length : at, 0, entry);
  if (it === shown) draw(entry);
}

// ---- writing

function say(it, text, old) {
  const ref = old?.ref ?? crypto.getRandomValues(new Uint32Array(4)).join('-');
  const message = { user: self.user, username: self.username, timestamp: Date.now(), text };
  const entry = old ?? { message, ref, mine: true };
  Object.assign(entry, { pending: true, failed: false });
  if (!old) it.entries.push(entry);
  it.refs.set(ref, entry);
  draw(entry);
  it.room.publish('chat', { text, ref }, { key: ref }).then(
    ({ seq, members }) => settle(it, entry, { ack: { seq, members } }),
    (error) => settle(it, entry, { failed: whyNot(error) }),
  );
}

function whyNot({ message, outcome }) {
  return outcome === 'unknown' ? 'It may have been sent' : message;
}

function settle(it, entry, result) {
  Object.assign(entry, { pending: false }, result);
  if (it === shown) draw(entry);
}

let saidTyping = 0;

function sayTyping() {
  if (Date.now() - saidTyping < TYPING_SAID) return;
  saidTyping = Date.now();
  shown.room.publish('typing');
}

// ---- showing

function show(it) {
  if (shown) shown.draft = $('text').value;
  shown = it;
  it.unread = 0;
  $('text').value = it.draft;
  showPlaceholder();
  $('room-name').textContent = it.name;
  $('log').setAttribute('aria-label', `Messages in ${it.name}`);
  $('log').setAttribute('aria-busy', 'true'); // what was there is not read out
  $('log').replaceChildren();
  for (const entry of it.entries) entry.shown = null;
  for (const entry of it.entries) draw(entry, true);
  drawEmpty();
  $('log').removeAttribute('aria-busy');
  $('log').scrollTop = $('log').scrollHeight;
  showRooms();
  showPeople();
  showTyping();
}

// An entry where it belongs among those that are shown; `all` when all are shown anew.
function draw(entry, all = false) {
  const log = $('log');
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const made = entry.note ? drawNote(entry) : drawMessage(entry);
  if (!all && !entry.shown) made.classList.add('fresh');
  const next = shown.entries.slice(shown.entries.indexOf(entry) + 1).find((one) => one.shown);
  entry.shown?.remove();
  entry.shown = made;
  log.insertBefore(made, next?.shown ?? null);
  if (!all) {
    drawEmpty();
    group();
    if (atEnd || entry.mine) log.scrollTop = log.scrollHeight;
  } else if (entry === shown.entries.at(-1)) {
    group();
  }
}

function drawEmpty() {
  document.querySelector('.empty')?.remove();
  if (shown.entries.length) return;
  const empty = element('div', 'empty');
  empty.append(element('strong', '', `Nothing in ${shown.name} yet`),
    element('span', '', 'Write something, or open the page of somebody else beside this one.'));
  $('log').append(empty);
}

function drawNote({ note: text, kind }) {
  return element('p', `note ${kind}`, text);
}

function drawMessage(entry) {
  const { message, mine, pending, placed, ack, failed, recovered } = entry;
  const state = failed ? 'failed' : pending && !placed ? 'pending' : 'placed';
  const made = element('div', `message ${state}`);
  made.classList.toggle('mine', mine);
  made.classList.toggle('others', (ack?.members ?? 2) > 1);
  made.classList.toggle('recovered', Boolean(recovered));
  entry.recovered = false;
  const who = element('p', 'who');
  who.append(element('span', 'name', nameOf(message)));
  who.append(element('span', 'meta', clock(message.timestamp)));
  if (!mine) {
    const face = avatar(element('span', 'avatar'), message.user, nameOf(message));
    face.setAttribute('aria-hidden', 'true');
    made.append(face);
  }
  made.append(who, element('p', 'said', message.text));
  if (mine) made.append(drawTick(entry, state));
  if (message.seq) made.title = `Number ${message.seq} of this room`;
  return made;
}

const TICKS = { pending: 'waiting to be sent', placed: 'sent' };

function drawTick(entry, state) {
  const tick = element('p', 'tick');
  if (state === 'failed') {
    const again = element('button', '', 'Try again');
    again.type = 'button';
    again.addEventListener('click', () => say(shown, entry.message.text, entry));
    tick.append(`${entry.failed}. `, again);
    return tick;
  }
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 22 16');
  svg.setAttribute('role', 'img');
  const { ack } = entry;
  const sent = ack ? `sent to ${plural(ack.members, 'connection')}` : TICKS[state];
  svg.setAttribute('aria-label', sent);
  for (const shape of ['M2 9l4 4 8-10', 'M9 11l2 2 8-10']) {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('d', shape);
    svg.append(path);
  }
  tick.append(element('span', '', state === 'pending' ? 'waiting' : ''), svg);
  return tick;
}

// Messages of one person within five minutes belong together.
function group() {
  const messages = shown.entries.filter(({ shown: made }) => made);
  messages.forEach(({ message, shown: made, mine }, i) => {
    const before = messages[i - 1]?.message;
    const after = messages[i + 1]?.message;
    made.classList.toggle('next', Boolean(message && before?.user === message.user &&
      message.timestamp - before.timestamp < 300000));
    made.classList.toggle('last', Boolean(mine && after?.user !== message.user));
  });
}

function showRooms() {
  const made = [...rooms.values()].map((it) => {
    const item = element('li', '');
    const button = element('button', '');
    button.type = 'button';
    button.append(element('span', 'name', it.name));
    if (it === shown) button.setAttribute('aria-current', 'true');
    if (it.unread) {
      const badge = element('span', 'badge', it.unread);
      badge.append(element('span', 'hidden', ' unread'));
      button.append(badge);
    }
    button.addEventListener('click', () => {
      show(it);
      closeSheets();
      $('text').focus();
    });
    item.append(button);
    return item;
  });
  const focused = [...$('rooms').children].findIndex((one) => one.contains(document.activeElement));
  $('rooms').replaceChildren(...made);
  made[focused]?.firstChild.focus();
  const unread = [...rooms.values()].reduce((sum, it) => sum + it.unread, 0);
  $('elsewhere').hidden = !unread;
  $('elsewhere').textContent = unread;
  $('show-side').setAttribute('aria-label', unread ? `Rooms, ${unread} unread` : 'Rooms');
  document.title = `${unread ? `(${unread}) ` : ''}${shown?.name ?? ''} · Weir`;
}

function showPeople() {
  const people = [...shown.people.values()].sort((one, two) =>
    two.here - one.here || nameOf(one).localeCompare(nameOf(two)));
  const here = people.filter((person) => person.here);
  $('people').replaceChildren(...people.map((person) => {
    const item = element('li', person.here ? '' : 'away');
    const face = avatar(element('span', 'avatar'), person.user, nameOf(person));
    face.setAttribute('aria-hidden', 'true');
    const text = element('p', '');
    const you = person.user === self.user;
    const where = !person.here ? 'gone' : weir.state === 'open' ? 'here' : 'was here';
    text.append(element('span', '', nameOf(person)),
      element('span', '', you ? `${where}, that is you` : where));
    item.append(face, text);
    return item;
  }));
  $('faces').replaceChildren(...here.slice(0, 3).map((person) =>
    avatar(element('span', 'avatar'), person.user, nameOf(person))));
  const n = here.length ? plural(here.length, 'person', 'people') : '';
  $('faces-text').textContent = `${n || 'People'}: show them`;
  $('room-facts').textContent = n && `${n} here`;
}

function showTyping() {
  const now = Date.now();
  const writing = [...shown.typing.values()].filter(({ until }) => until > now);
  const names = writing.map(({ name }) => name);
  const line = $('typing');
  line.replaceChildren();
  if (!names.length) return;
  line.append(element('span', ''), element('span', ''), element('span', ''),
    `${names.slice(0, 3).join(', ')} ${names.length === 1 ? 'is' : 'are'} writing`);
}

function showPlaceholder() {
  if (!shown) return;
  const open = app.dataset.state === 'open';
  $('text').placeholder = open ? `Write to ${shown.name}` : 'Sent when you are back';
}

const STATES = {
  connecting: 'Connecting',
  open: 'Connected',
  waiting: 'Reconnecting',
  closed: 'Disconnected',
};

function showStatus() {
  app.dataset.state = weir?.state ?? 'closed';
  const text = wire.cut ? 'You are cut off' : STATES[app.dataset.state];
  if ($('status').textContent !== text) $('status').textContent = text;
  showPlaceholder();
}

// ---- the figure: a question to the router and its answer

const measured = [];

async function measure() {
  if (weir.state !== 'open' || document.hidden || !shown) return;
  const began = performance.now();
  await shown.room.presence();
  const ms = performance.now() - began;
  if (measured.push(ms) > MEASURED) measured.shift();
  $('latency').hidden = false;
  $('ms').textContent = ms < 9.95 ? ms.toFixed(1) : Math.round(ms);
  const most = Math.max(...measured, 4);
  const first = MEASURED - measured.length; // the newest is at the right end
  const x = (i) => ((first + i) * 96) / (MEASURED - 1);
  const points = measured.map((one, i) => `${x(i)},${22 - (one / most) * 20}`);
  $('spark').firstElementChild.setAttribute('points', points.join(' '));
}

// ---- the page

// Rooms and people lie over the conversation where there is no space beside it.
function openSheet(id) {
  $(id).classList.add('open');
  $(`show-${id}`).setAttribute('aria-expanded', 'true');
  $('talk').inert = true;
  $(id).focus();
}

function closeSheets() {
  for (const id of ['side', 'members']) {
    if (!$(id).classList.contains('open')) continue;
    $(id).classList.remove('open');
    $(`show-${id}`).setAttribute('aria-expanded', 'false');
    $('talk').inert = false;
    $(`show-${id}`).focus();
  }
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  $('theme').setAttribute('aria-pressed', String(dark));
}

function askForToken(text) {
  if (text) $('door-text').textContent = text;
  if (!$('door').open) $('door').showModal();
}

function listen() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  setTheme(dark.matches);
  dark.addEventListener('change', ({ matches }) => setTheme(matches));
  $('theme').addEventListener('click', () => setTheme($('theme').ariaPressed !== 'true'));
  $('cut').addEventListener('click', () => setCut(!wire.cut));
  $('show-side').addEventListener('click', () => openSheet('side'));
  $('show-members').addEventListener('click', () => openSheet('members'));
  for (const one of [$('veil'), ...document.querySelectorAll('.close')]) {
    one.addEventListener('click', closeSheets);
  }
  for (const width of ['46rem', '68rem']) { // as in demo.css
    matchMedia(`(min-width: ${width})`).addEventListener('change', closeSheets);
  }
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault(); // the fragment is the token's
    $('text').focus();
  });
  document.addEventListener('keydown', (event) => event.key === 'Escape' && closeSheets());
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden && shown) shown.unread = 0;
    showRooms();
  });
  window.addEventListener('hashchange', () => location.reload());
  $('door').addEventListener('cancel', (event) => event.preventDefault());
  $('door-form').addEventListener('submit', () => {
    fragment.set('token', $('token').value.trim());
    location.hash = fragment;
  });
  $('new-room').addEventListener('submit', (event) => {
    event.preventDefault();
    show(open($('new-name').value.trim()));
    $('new-name').value = '';
    closeSheets();
    $('text').focus();
  });
  $('text').addEventListener('input', sayTyping);
  $('text').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    $('write').requestSubmit();
  });
  $('write').addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('text').value.trim();
    $('text').value = '';
    if (text) say(shown, text);
    saidTyping = 0;
  });
}

let before;

function onState(state) {
  if (state === 'waiting' && before === 'open') {
    lostAt = Date.now();
    for (const it of rooms.values()) {
      it.missed = [];
      it.typing.clear();
    }
    showTyping();
  }
  before = state;
  showStatus();
  showPeople();
}

function onConnected(message) {
  self = message;
  $('me-name').textContent = nameOf(message);
  $('me-edge').textContent = location.host;
  avatar($('me-avatar'), message.user, nameOf(message));
  setTimeout(() => measure().catch(() => {}), 300);
}

let weir;
listen();
if (token) {
  weir = new Weir(new URL('ws', location.href).href, { token, WebSocket: Wire });
  weir.on('state', onState);
  weir.on('connected', onConnected);
  weir.on('auth', ({ reason }) => {
    askForToken(`The server does not take this token (${reason}). Paste another one.`);
  });
  weir.on('close', ({ reason }) => note(shown, 'bad', `Disconnected: ${reason}`));
  for (const name of (fragment.get('rooms') ?? 'tea,coffee,garden').split(',')) open(name);
  show(rooms.values().next().value);
  setInterval(() => measure().catch(() => {}), MEASURE);
} else {
  askForToken();
}
showStatus();
