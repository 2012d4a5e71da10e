// What weir.js promises. README.md beside it shows how it is used.

export type State = 'connecting' | 'open' | 'waiting' | 'closed';

/** A place in a room's order. */
export interface Position {
  epoch: string;
  seq: number;
}

/** A published message: these, and the sender's own fields. */
export interface Message {
  type: string;
  /** Missing in a broadcast. */
  room?: string;
  /** The sender's `clientId`; missing if it was published by other means than a connection. */
  from?: string;
  user?: string;
  username?: string;
  /** Missing if it is ephemeral, as `seq`. */
  epoch?: string;
  seq?: number;
  /** Unix milliseconds. */
  timestamp?: number;
  [field: string]: any;
}

export interface Connected {
  type: 'connected';
  clientId: string;
  user: string;
  username?: string;
  roles: string[];
  timestamp: number;
  /** In seconds. */
  heartbeat: { interval: number; timeout: number };
  /** `expires` in Unix seconds. */
  session: { expires?: number };
  /** In bytes. */
  maxMessage: number;
}

export interface Joined extends Position {
  type: 'joined';
  room: string;
  /** Missing if nothing was to be recovered. */
  recovered?: boolean;
  /** The number of connections, this one included. */
  members: number;
  messages?: Message[];
}

export interface Ack {
  type: 'ack';
  room?: string;
  /** Missing if the message was ephemeral, as `seq`. */
  epoch?: string;
  seq?: number;
  timestamp?: number;
  members?: number;
  /** It had been published before, by the same key. */
  duplicate?: boolean;
}

export interface History {
  type: 'history';
  room: string;
  epoch?: string;
  seq?: number;
  /** Ascending. */
  messages: Message[];
}

export interface Presence {
  type: 'presence';
  room: string;
  users: number;
  connections: number;
  members: { user: string; username?: string; clients: number }[];
}

export interface Member {
  type: 'member:join' | 'member:leave';
  room: string;
  user: string;
  username?: string;
}

/** These messages are lost for this connection. */
export interface Gap {
  type: 'gap';
  room: string;
  epoch: string;
  from: number;
  to: number;
  reason: 'trimmed' | 'link' | 'slow';
}

export interface Left {
  type: 'left';
  room: string;
  reason?: 'forbidden' | 'revoked';
}

/** Why a connection ended. */
export interface End {
  code: number;
  /** A word of the protocol, or what else stood in the Close frame. */
  reason?: string;
  /** With code 4002: what was wrong with the token. */
  cause?: string;
  reconnect?: boolean;
  after?: [number, number];
}

export class WeirError extends Error {
  name: 'WeirError';
  /** A code of the protocol, or `too_big`, or `closed`. */
  code: string;
  /** Whether it may have been published all the same. */
  outcome: 'none' | 'unknown';
  room?: string;
  /** With code `forbidden`: the right that is missing. */
  needs?: string;
}

export interface Options {
  /** A JWT. */
  token?: string;
  /** Fetches a JWT: the first if there is no `token`, another when it expires or is refused. */
  getToken?: () => string | Promise<string>;
  /** `json` is the default. */
  codec?: 'json' | 'proto';
  /** Where there is no global one: that of package `ws`. */
  WebSocket?: new (url: string, protocols: string[]) => any;
  /** Milliseconds: the first delay is random, up to this. Default 1000. */
  minDelay?: number;
  /** Milliseconds: it doubles up to this. Default 30000. */
  maxDelay?: number;
  /** Milliseconds to open, and again for the server's first message. Default 2000. */
  openTimeout?: number;
  /** Tries in a row, after which it is closed. Default Infinity. */
  maxAttempts?: number;
  /** What may wait to be sent or answered. Default 1 MiB. */
  queueBytes?: number;
}

export interface JoinOptions {
  /** Receive `member:join` and `member:leave`. */
  presence?: boolean;
  /** What came after this is handed on first. */
  since?: Position;
}

export interface PublishOptions {
  /** The same key of the same user in the same room is published once in five minutes. By default
   * one is made; `false`: none, so that it is never sent again. */
  key?: string | false;
  /** False: not to this connection. */
  echo?: boolean;
  /** Neither numbered nor kept, and sent now or never. */
  ephemeral?: boolean;
}

export type Fields = Record<string, any>;
export type Typed = Fields & { type: string };
/** Takes the handler off again. */
export type Remove = () => void;

interface WeirEvents {
  state: State;
  connected: Connected;
  /** Every message of every room, and broadcasts. */
  message: Message;
  error: Error;
  /** The token was refused and there is no other: renew() goes on. */
  auth: End;
  /** It is over. */
  close: End;
  'token:expiring': { type: 'token:expiring'; in: number };
}

interface RoomEvents {
  message: Message;
  gap: Gap;
  /** All that was missed has been handed on. */
  recovered: Joined;
  /** What was missed is not to be had: the room goes on from here. */
  reset: Joined;
  'member:join': Member;
  'member:leave': Member;
  /** The server has put this connection out of the room. */
  left: Left;
  /** The room could not be joined, or a message for it was in vain. */
  error: WeirError;
}

export class Weir {
  constructor(url: string | (() => string | Promise<string>), options?: Options);

  readonly state: State;
  /** Of the current connection, or the last one. */
  readonly clientId: string | undefined;

  on<E extends keyof WeirEvents>(event: E, fn: (value: WeirEvents[E]) => void): Remove;
  on(type: string, fn: (message: Message) => void): Remove;

  join(room: string, options?: JoinOptions): Room;
  /** Publishes to the room `user:USER`. */
  direct(user: string, type: string, fields?: Fields, options?: PublishOptions): Promise<Ack>;
  /** To every connection; only for admins. Arrives with `type` as its `event`. */
  broadcast(type: string, fields?: Fields): Promise<Ack>;
  /** A new token for the same user: at once if there is a connection, and for the next ones. */
  renew(token: string): Promise<Ack | void>;
  close(): void;
}

/** Made by weir.join(). */
export interface Room {
  readonly name: string;
  /** Of the last message that was handed on; undefined before the first `joined`. */
  readonly position: Position | undefined;
  /** The first `joined`. */
  readonly ready: Promise<Joined>;

  on<E extends keyof RoomEvents>(event: E, fn: (value: RoomEvents[E]) => void): Remove;
  on(type: string, fn: (message: Message) => void): Remove;

  publish(type: string, fields?: Fields, options?: PublishOptions): Promise<Ack>;
  publish(message: Typed, options?: PublishOptions): Promise<Ack>;
  /** `before` is exclusive; `limit` is 50, at most 100. */
  history(options?: { before?: number; limit?: number }): Promise<History>;
  presence(): Promise<Presence>;
  leave(): Promise<void>;
}
