// The demo page in Chromium, two people on two edges. Usage:
//   node demo.mjs '{"origins":[URL,URL],"tokens":{"alice":JWT,...},"shots":FOLDER}'
// An origin is a way to both edges, which prefers one of them.
// When it says {"event":"kill"} the first edge is to be killed; a line on standard input says that
// it was. Screenshots are left in the folder.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import { require } from './modules.mjs';

const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const { origins, tokens, shots } = JSON.parse(process.argv[2]);
const SLOW = Number(process.env.TEST_SLOW ?? 1);
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'],
});
const wrong = []; // what pages complain of, and what they ask others for

function tell(event) {
  process.stdout.write(JSON.stringify({ event }) + '\n');
}

// The page of somebody; `edge` is the number of the one that is preferred.
async function pageOf(who, edge, { width = 1280, height = 800, fragment, ...how } = {}) {
  const origin = origins[edge];
  const context = await browser.newContext({ viewport: { width, height }, ...how });
  const page = await context.newPage();
  page.setDefaultTimeout(15000 * SLOW);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('WebSocket')) {
      wrong.push(`${who}: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => wrong.push(`${who}: ${error.stack}`));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) wrong.push(`${who} asks for ${request.url()}`);
  });
  await page.goto(`${origin}/demo#${fragment ?? new URLSearchParams({ token: tokens[who] })}`);
  if (fragment === undefined) await page.waitForSelector('[data-state="open"]');
  return page;
}

async function say(page, text) {
  await page.fill('#text', text);
  await page.press('#text', 'Enter');
}

const said = (page) => page.locator('.message .said').allTextContents();

async function sees(page, text) {
  await page.locator('.message .said', { hasText: text }).first().waitFor();
}

async function shot(page, name) {
  await page.waitForTimeout(700); // what moves comes to rest
  await page.screenshot({ path: `${shots}/${name}.png` });
}

// What fades has no contrast on its way.
async function settled(page) {
  await page.evaluate(() => Promise.allSettled(document.getAnimations()
    .filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime))
    .map((one) => one.finished)));
}

async function assertAccessible(page, what) {
  await page.evaluate(axe);
  await settled(page);
  const { violations, passes } = await page.evaluate(() => axe.run());
  const where = (nodes) => nodes.map(({ html }) => html).join(' ');
  const found = violations.map(({ id, nodes }) => `${id}: ${where(nodes)}`);
  assert.deepEqual(found, [], what);
  assert.ok(passes.length > 20, what);
}

async function assertFits(page, what) {
  const wide = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
  assert.ok(wide[0] <= wide[1], `${what}: ${wide}`);
}

const tests = {
  async 'two people talk over two edges, with ticks, typing and presence'({ alice, bob }) {
    await shot(alice, '1-empty');
    await bob.locator('#people li:not(.away)').nth(1).waitFor({ state: 'attached' });
    await say(alice, 'Good morning! Is there any milk left?');
    await sees(bob, 'any milk left');
    await alice.getByRole('img', { name: 'sent to 2 connections' }).waitFor();
    await say(bob, 'A little. I can fetch some on my way, the shop is open until six.');
    await say(bob, 'Oat or the other one?');
    await sees(alice, 'the other one');
    await say(alice, 'Oat, please.');
    await bob.locator('#text').pressSequentially('On it');
    await alice.getByText('Bob is writing').waitFor();
    assert.equal(await alice.title(), 'tea · Weir');
    await alice.locator('#latency').waitFor();
    await shot(alice, '2-talk');
    await shot(bob, '2-talk-dark');
    await assertAccessible(alice, 'light');
    await assertAccessible(bob, 'dark');
    await bob.fill('#text', '');
  },

  async 'what is written into markup stays text'({ alice, bob }) {
    await say(alice, '<img src=x onerror=alert(1)> <b>bold</b>');
    await sees(bob, '<b>bold</b>');
    assert.equal(await bob.locator('.log img, .log b').count(), 0);
  },

  async 'a room that is not shown counts what is unread'({ alice, bob }) {
    await alice.getByRole('button', { name: 'coffee' }).click();
    await say(alice, 'Anybody for coffee?');
    await bob.getByRole('button', { name: 'Rooms, 1 unread' }).click();
    await bob.getByRole('button', { name: 'coffee 1 unread' }).click();
    await sees(bob, 'Anybody for coffee');
    await alice.getByLabel('Name of a room').fill('attic');
    await alice.keyboard.press('Enter');
    await alice.getByRole('heading', { name: 'attic' }).waitFor();
    await alice.getByText('Nothing in attic yet').waitFor();
    for (const page of [alice, bob]) {
      await page.evaluate(() => document.querySelector('#rooms button').click());
    }
    assert.equal((await said(alice))[0], 'Good morning! Is there any milk left?');
  },

  async 'a cut connection is seen by others, and recovers'({ alice, bob }) {
    await alice.getByRole('switch', { name: 'Cut my connection' }).click();
    await alice.getByText('You are cut off').waitFor();
    await bob.locator('#people .away').waitFor({ state: 'attached' });
    await say(bob, 'They do have buns!');
    await say(bob, 'Cinnamon as well.');
    await say(alice, 'I am in a tunnel, can you hear me?');
    await alice.getByText('waiting').waitFor();
    await shot(alice, '3-cut');
    await shot(bob, '3-cut-seen-by-another');
    await assertAccessible(alice, 'cut');
    assert.ok(!(await said(bob)).some((text) => text.startsWith('I am in a tunnel')));
    await alice.getByRole('switch', { name: 'Cut my connection' }).click();
    await alice.getByText('2 messages recovered, none lost').waitFor();
    await sees(bob, 'I am in a tunnel');
    await shot(alice, '4-back');
    assert.deepEqual((await said(alice)).slice(-3), (await said(bob)).slice(-3));
    await alice.getByRole('button', { name: 'Dark theme' }).click();
    await shot(alice, '4-back-dark');
    await assertAccessible(alice, 'dark by choice');
    await alice.getByRole('button', { name: 'Dark theme' }).click();
  },

  async 'everything can be done with a keyboard'({ alice, bob }) {
    await alice.locator('.skip').focus();
    const labels = ['Skip to writing'];
    for (let i = 0; i < 12; i++) {
      await alice.keyboard.press('Tab');
      labels.push(await alice.evaluate(() => {
        const { ariaLabel, id, textContent } = document.activeElement;
        return ariaLabel || id || textContent.trim();
      }));
      if (labels.at(-1) === 'cut') await alice.keyboard.press('Space');
    }
    await alice.getByText('You are cut off').waitFor();
    assert.deepEqual([...new Set(labels)].slice(0, 9), ['Skip to writing', 'Dark theme', 'tea',
      'coffee', 'garden', 'attic', 'new-name', 'Join the room', 'cut']);
    await alice.locator('#cut').press('Enter');
    await alice.getByText('nothing was missed').last().waitFor();
    await alice.locator('.skip').press('Enter');
    assert.equal(await alice.evaluate(() => document.activeElement.id), 'text');
    await alice.keyboard.type('typed');
    await alice.keyboard.press('Shift+Enter');
    await alice.keyboard.type('on two lines');
    await alice.keyboard.press('Enter');
    await sees(bob, 'typed\non two lines');
    assert.match(alice.url(), /#token=/);
  },

  async 'a phone of 360 pixels shows all of it'({ bob }) {
    const phone = { width: 360, height: 640, deviceScaleFactor: 2, hasTouch: true };
    const carol = await pageOf('carol', 1, phone);
    await sees(carol, 'I am in a tunnel'); // what was there before
    await assertFits(carol, 'talk');
    await carol.getByRole('switch').click();
    await carol.getByText('You are cut off').waitFor();
    await assertFits(carol, 'cut');
    await shot(carol, '5-phone-cut');
    await carol.getByRole('switch').click();
    await carol.getByText('nothing was missed').waitFor();
    await shot(carol, '5-phone');
    await assertAccessible(carol, 'phone');
    await carol.getByRole('button', { name: /^Rooms/ }).click();
    await shot(carol, '5-phone-rooms');
    await assertAccessible(carol, 'phone, rooms');
    await carol.keyboard.press('Escape');
    assert.equal(await carol.evaluate(() => document.activeElement.id), 'show-side');
    await carol.getByRole('button', { name: '3 people: show them' }).click();
    await assertAccessible(carol, 'phone, people');
    await shot(carol, '5-phone-people');
    await carol.getByRole('button', { name: 'Close' }).click();
    await say(carol, `From a phone, with a l${'o'.repeat(60)}ng word`);
    await sees(bob, 'From a phone');
    await assertFits(carol, 'a long word');
    await carol.context().close();
    await bob.locator('#people .away', { hasText: 'Carol' }).waitFor({ state: 'attached' });
  },

  async 'nothing moves for those who do not want it'() {
    const page = await pageOf('carol', 0, { reducedMotion: 'reduce' });
    await say(page, 'Still');
    const longest = await page.evaluate(() => Math.max(0, ...document.getAnimations()
      .map((one) => one.effect.getComputedTiming().endTime)));
    assert.ok(longest <= 1, `${longest}`);
    await page.context().close();
  },

  async 'an edge is killed: each message comes once, in one order'({ alice, bob }) {
    for (let n = 1; n <= 10; n++) await say(n % 2 ? alice : bob, `before ${n}`);
    tell('kill');
    await lines.next();
    for (let n = 1; n <= 10; n++) await say(n % 2 ? alice : bob, `after ${n}`);
    await alice.getByText(/recovered, none lost|nothing was missed/).last().waitFor();
    await sees(bob, 'after 9');
    await sees(alice, 'after 10');
    const [one, two] = [await said(alice), await said(bob)].map((texts) =>
      texts.filter((text) => /^(before|after) /.test(text)));
    assert.deepEqual(one, two);
    assert.equal(one.length, 20);
    assert.equal(new Set(one).size, 20);
    await alice.locator('.message.pending').waitFor({ state: 'detached' });
    await shot(alice, '6-another-edge');
  },

  async 'without a token, or with a bad one, it asks for one'() {
    const nobody = await pageOf('nobody', 1, { width: 900, height: 640, fragment: '' });
    await nobody.getByRole('dialog', { name: 'Who are you?' }).waitFor();
    await shot(nobody, '7-door');
    await assertAccessible(nobody, 'door');
    await nobody.getByLabel('Token').fill('x.y.z');
    await nobody.getByRole('button', { name: 'Enter' }).click();
    await nobody.getByText('does not take this token (invalid_token)').waitFor();
    await nobody.getByLabel('Token').fill(tokens.carol);
    await nobody.getByRole('button', { name: 'Enter' }).click();
    await nobody.waitForSelector('[data-state="open"]');
  },
};

try {
  const people = {
    alice: await pageOf('alice', 0, { colorScheme: 'light' }),
    bob: await pageOf('bob', 1, { width: 640, colorScheme: 'dark' }),
  };
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test(people);
    } catch (error) {
      for (const [who, page] of Object.entries(people)) {
        await page.screenshot({ path: `${shots}/failed-${who}.png` });
      }
      error.message = `${name}: ${error.message}`;
      throw error;
    }
    tell(name);
  }
  assert.deepEqual(wrong, []);
  tell('done');
} finally {
  await browser.close();
}
process.exit(0); // standard input is still open
