// Every promise of weir.d.ts, used. It is compiled, not run.
import { Weir, WeirError } from 'weir-client';
import type { Ack, End, Joined, Message, Options, Position, Room, State } from 'weir-client';

const options: Options = {
  token: 'jwt',
  getToken: async () => 'jwt',
  codec: 'json',
  WebSocket: class {
    constructor(public url: string, public protocols: string[]) {}
  },
  minDelay: 1000,
  maxDelay: 30000,
  openTimeout: 2000,
  maxAttempts: Infinity,
  queueBytes: 1 << 20,
};

new Weir('wss://chat.example/ws');
new Weir(() => 'wss://chat.example/ws', { codec: 'proto', getToken: () => 'jwt' });
const weir = new Weir(async () => 'wss://chat.example/ws', options);

const remove: () => void = weir.on('state', (state) => {
  const known: 'connecting' | 'open' | 'waiting' | 'closed' = state;
  return known;
});
remove();
weir.on('connected', ({ clientId, user, heartbeat, session, maxMessage }) => {
  const text: string = clientId + user;
  const seconds: number = heartbeat.interval + heartbeat.timeout + (session.expires ?? 0);
  return text + seconds + maxMessage;
});
weir.on('message', (message) => message.room?.length);
weir.on('chat', (message) => message.text);
weir.on('error', (error) => error instanceof WeirError && error.code);
weir.on('auth', (end: End) => end.cause);
weir.on('close', (end: End) => end.code + (end.reason ?? ''));
weir.on('token:expiring', (message) => message.in.toFixed());

const state: State = weir.state;
const clientId: string | undefined = weir.clientId;

const since: Position = { epoch: 'e', seq: 1 };
weir.join('coffee');
const room: Room = weir.join('tea', { presence: true, since });

async function use(): Promise<(string | number | undefined)[]> {
  const joined: Joined = await room.ready;
  room.on('message', (message: Message) => message.seq);
  room.on('chat', (message) => message.text);
  room.on('gap', (gap) => gap.to - gap.from);
  room.on('recovered', (message) => message.messages?.length);
  room.on('reset', (message) => message.seq);
  room.on('member:join', (member) => member.user);
  room.on('member:leave', (member) => member.username);
  room.on('left', (left) => left.reason);
  room.on('error', (error) => [error.code, error.outcome, error.needs, error.room]);
  const ack: Ack = await room.publish('chat', { text: 'hi' }, { key: 'k', echo: false });
  await room.publish('typing');
  await room.publish('cursor', { x: 1 }, { ephemeral: true, key: false });
  await room.publish({ type: 'chat', text: 'hi' }, { key: 'k2' });
  const history = await room.history({ before: 7, limit: 10 });
  const presence = await room.presence();
  await weir.direct('bob', 'note', { text: 'psst' });
  await weir.broadcast('notice', { text: 'soon' });
  await weir.renew('jwt');
  await room.leave();
  weir.close();
  return [joined.seq, ack.seq, history.messages[0]?.seq, presence.members[0]?.user,
    room.position?.epoch, room.name, state, clientId];
}

use().catch((error: WeirError) => error.outcome === 'unknown');

// @ts-expect-error a token is text
new Weir('ws://x', { token: 7 });
// @ts-expect-error there is no such codec
new Weir('ws://x', { codec: 'xml' });
// @ts-expect-error only the client changes its state
weir.state = 'open';
// @ts-expect-error a message has a type
room.publish({ text: 'hi' });
// @ts-expect-error rooms are made by join()
new Room();
