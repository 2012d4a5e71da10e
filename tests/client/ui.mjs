// The operators' page of a router in Chromium. Usage:
//   node ui.mjs '{"origin":URL,"room":NAME,"seq":N,"user":NAME,"shots":FOLDER}'
// Says {"event":"done"} if all is as it should be.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { require } from './weirjs/modules.mjs';

const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const { origin, room, seq, user, shots } = JSON.parse(process.argv[2]);
const SLOW = Number(process.env.TEST_SLOW ?? 1);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'],
});
const wrong = []; // what the page complains of, and what it asks others for

async function pageOf(how) {
  const page = await (await browser.newContext(how)).newPage();
  page.setDefaultTimeout(15000 * SLOW);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) wrong.push(message.text());
  });
  page.on('pageerror', (error) => wrong.push(error.stack));
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.origin !== origin) wrong.push(`asks for ${url}`);
  });
  await page.goto(origin);
  await page.getByRole('cell', { name: 'edge-1' }).first().waitFor();
  return page;
}

async function judge(page, what) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate(() => axe.run());
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`), [], what);
  assert.ok(passes.length > 20, what);
  const [wide, inner] = await page.evaluate(() => [document.scrollingElement.scrollWidth, innerWidth]);
  assert.ok(wide <= inner, `${what}: ${wide} is wider than ${inner}`);
  await page.screenshot({ path: `${shots}/ui-${what}.png`, fullPage: true });
}

for (const [what, how] of [['light', { viewport: { width: 1280, height: 800 } }],
  ['dark-narrow', { viewport: { width: 360, height: 640 }, colorScheme: 'dark' }]]) {
  const page = await pageOf(how);
  await page.getByRole('button', { name: room, exact: true }).click();
  await page.getByRole('heading', { name: `Room ${room}` }).waitFor();
  await page.locator('#members').getByRole('cell', { name: user, exact: true }).first().waitFor();
  await page.getByLabel('Seq').fill(String(seq));
  await page.getByLabel('User').fill(user);
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText('written to its socket at edge').first().waitFor();
  await page.locator('#memory').getByRole('cell', { name: 'resident' }).first().waitFor();
  await page.locator('#events li').first().waitFor();
  assert.equal(await page.locator('main img, main b').count(), 0, 'names stay text');
  await judge(page, what);
}
assert.deepEqual(wrong, []);
await browser.close();
process.stdout.write(JSON.stringify({ event: 'done' }) + '\n');
