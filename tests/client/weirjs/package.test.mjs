// What is handed out: its size, its types, the package, and the README whose examples must run.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MODULES, ROOT } from './modules.mjs';

const WEB = join(ROOT, 'edge/web');
const source = readFileSync(join(WEB, 'weir.js'), 'utf8');

function folder(t) {
  const path = mkdtempSync(join(tmpdir(), 'weir-client-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

// The package as npm makes it, unpacked as it is installed.
function installed(t) {
  const path = folder(t);
  const env = { ...process.env, npm_config_cache: join(path, 'cache') };
  const options = { cwd: WEB, env, encoding: 'utf8', stdio: 'pipe' };
  const [made] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--offline', '--pack-destination', path], options));
  const target = join(path, 'node_modules/weir-client');
  execFileSync('mkdir', ['-p', target]);
  execFileSync('tar', ['-xzf', join(path, made.filename), '-C', target, '--strip-components=1']);
  return { path, made };
}

test('weir.js is at most 8 KiB, compressed', () => {
  const size = gzipSync(source, { level: 9 }).length;
  assert.ok(size <= 8192, `${size} bytes`);
});

test('it needs nothing else', () => {
  assert.doesNotMatch(source, /^\s*import\b|\brequire\(|\bimport\(/m);
});

test('npm makes a package of it that can be imported', (t) => {
  const { path, made } = installed(t);
  assert.equal(made.name, 'weir-client');
  assert.deepEqual(made.files.map((file) => file.path).sort(),
    ['README.md', 'package.json', 'weir.d.ts', 'weir.js']);
  writeFileSync(join(path, 'use.mjs'),
    "import { Weir, WeirError } from 'weir-client'; console.log(typeof Weir, typeof WeirError);");
  const said = execFileSync('node', [join(path, 'use.mjs')], { encoding: 'utf8' });
  assert.equal(said.trim(), 'function function');
});

test("TypeScript's compiler agrees with a program that uses every promise", (t) => {
  const { path } = installed(t);
  const use = join(path, 'consumer.ts');
  writeFileSync(use, readFileSync(join(ROOT, 'tests/client/weirjs/consumer.ts')));
  const compiler = join(MODULES, 'typescript/lib/tsc.js');
  for (const how of ['--module nodenext', '--module esnext --moduleResolution bundler']) {
    const words = `--strict --noEmit --target es2022 --lib es2022 ${how}`.split(' ');
    try {
      execFileSync('node', [compiler, ...words, use], { encoding: 'utf8' });
    } catch (error) {
      assert.fail(error.stdout);
    }
  }
});

test('what weir.d.ts declares exists, and nothing else is public', async (t) => {
  const { Weir } = await import('../../../edge/web/weir.js');
  const types = readFileSync(join(WEB, 'weir.d.ts'), 'utf8');
  const declared = (name) => {
    const [, rest] = types.split(new RegExp(`export (?:class|interface) ${name} {`));
    const members = rest.split('\n}')[0].matchAll(/^  (?:readonly )?(\w+)[<(:]/gm);
    const names = new Set([...members].map(([, member]) => member));
    names.delete('constructor');
    return [...names];
  };
  const weir = new Weir('ws://x', { WebSocket: class { close() {} } });
  t.after(() => weir.close());
  for (const [name, object] of [['Weir', weir], ['Room', weir.join('tea')]]) {
    const members = new Set(name === 'Weir' ? ['clientId'] : []);
    for (let one = object; one !== Object.prototype; one = Object.getPrototypeOf(one)) {
      Object.getOwnPropertyNames(one).forEach((member) => members.add(member));
    }
    members.delete('constructor');
    const open = [...members].filter((member) => !member.startsWith('_'));
    assert.deepEqual(open.sort(), declared(name).sort(), name);
  }
});
