// The packages that tests/run has put into build/node_modules, which import does not look into.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const MODULES = process.env.NODE_PATH ?? `${ROOT}build/node_modules`;
export const require = createRequire(`${MODULES}/-`);
export const WebSocket = require('ws');
