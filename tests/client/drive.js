// Lets a test drive a client program: each line of standard input is a JSON action, each thing that
// happens is a JSON line on standard output.
'use strict';

const readline = require('node:readline');

function tell(event, fields) {
  process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
}

function drive(client) {
  const lines = readline.createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const action = JSON.parse(line);
    if (action.send !== undefined) {
      client.send(JSON.stringify(action.send));
    } else if (action.raw !== undefined) {
      client.send(action.raw);
    }
  });
  lines.on('close', () => process.exit(0));
}

module.exports = { drive, tell };
